"""`schedule`: the repayment schedule of a loan, or of terms given here."""

import sys
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

import click

from carloan_notify import errors
from carloan_notify.cli.main import IsoDate, LoanId, as_of_option, format_option, open_app
from carloan_notify.codes import Method
from carloan_notify.records import PPB

COLUMNS = ("installment_no", "due_on", "principal", "interest", "fees", "total_due", "balance_after")


class Amount(click.ParamType[Decimal]):
    """A decimal number; a rate may be written as 12%."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:  # noqa: ANN401 - click's signature
        """Parse exactly; never through a float."""
        if isinstance(value, Decimal):
            return value
        try:
            number = Decimal(value.removesuffix("%"))
        except InvalidOperation:
            self.fail(f"{value!r} is no number; write it as 5000.00 or 12%", param, ctx)
        if not number.is_finite():
            self.fail(f"{value!r} is no number; write it as 5000.00 or 12%", param, ctx)
        return number / 100 if value.endswith("%") else number


class Payment(click.ParamType[tuple[date, Decimal]]):
    """DATE=AMOUNT."""

    name = "date=amount"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[date, Decimal]:
        """Parse both halves."""
        if isinstance(value, tuple):
            return value
        day, separator, amount = value.partition("=")
        if not separator:
            self.fail(f"{value!r} is no payment; write it as 2026-02-01=500.00", param, ctx)
        return IsoDate().convert(day, param, ctx), Amount().convert(amount, param, ctx)


TERM_OPTIONS = (
    click.option("--principal", type=Amount(), help="Amount of the loan."),
    click.option("--annual-rate", type=Amount(), help="Yearly rate: 0.12 or 12%."),
    click.option("--term", type=int, help="Number of installments."),
    click.option("--first-due", type=IsoDate(), help="First due date."),
    click.option("--disbursed-on", type=IsoDate(), help="Day of disbursement; needed where days count."),
    click.option(
        "--due-day", type=click.IntRange(1, 31), help="Day of month, if it is not the first due date's."
    ),
    click.option(
        "--method",
        type=click.Choice([method.value for method in Method]),
        default=Method.EQUAL_INSTALLMENT.value,
        show_default=True,
    ),
    click.option(
        "--balloon", type=Amount(), default=Decimal(0), help="Principal left for the last installment."
    ),
    click.option("--frequency", type=click.Choice(["monthly", "biweekly", "weekly", "quarterly"])),
    click.option("--interest-basis", type=click.Choice(["rate/12", "actual/365", "actual/360", "30/360"])),
    click.option("--recalculation", type=click.Choice(["none", "daily", "simple"])),
    click.option("--annuity-rate", type=click.Choice(["exact", "first_period", "nominal"])),
    click.option("--stub", type=click.Choice(["none", "actual/365", "actual/360", "30/360", "pro_rata"])),
    click.option("--extra-days", type=click.Choice(["spread", "on_top"])),
    click.option(
        "--rounding",
        type=click.Choice(["half_up", "half_even", "up", "down"]),
        help="Of interest and installment, where the next two do not say otherwise.",
    ),
    click.option("--interest-rounding", type=click.Choice(["half_up", "half_even", "up", "down"])),
    click.option("--installment-rounding", type=click.Choice(["half_up", "half_even", "up", "down"])),
    click.option("--installment-multiple", type=Amount(), help="Round installments to a multiple of this."),
    click.option("--residue", type=click.Choice(["last", "first", "spread"])),
    click.option("--principal-grace", type=int, help="First installments that pay interest only."),
    click.option(
        "--interest-free", "interest_free_periods", type=int, help="First periods without interest."
    ),
    click.option("--fee", "fee_per_installment", type=Amount(), help="Fee with every installment."),
    click.option("--calendar", help="CN, US, HK, SG, JP, DE … or weekends."),
    click.option(
        "--convention", type=click.Choice(["unadjusted", "following", "modified_following", "preceding"])
    ),
    click.option(
        "--shift-moves-interest/--shift-keeps-interest",
        default=None,
        help="Whether a shift moves the period.",
    ),
    click.option("--currency", default="CNY", show_default=True, help="ISO 4217 code; it sets the decimals."),
    click.option(
        "--change", "changes", multiple=True, metavar="TYPE@N[=VALUE]", help="deferral@3, due_day@4=15 …"
    ),
    click.option(
        "--payment", "payments", multiple=True, type=Payment(), metavar="DATE=AMOUNT", help="2026-02-01=500"
    ),
)
TERMS_OF_PRODUCT = (
    "frequency",
    "interest_basis",
    "recalculation",
    "annuity_rate",
    "stub",
    "extra_days",
    "interest_rounding",
    "installment_rounding",
    "installment_multiple",
    "residue",
    "principal_grace",
    "interest_free_periods",
    "fee_per_installment",
    "calendar",
    "convention",
    "shift_moves_interest",
)
NEEDED = {
    "principal": "--principal",
    "annual_rate": "--annual-rate",
    "term": "--term",
    "first_due": "--first-due",
}


def term_options(command: Any) -> Any:  # noqa: ANN401 - a click callback
    """All options that describe a loan by hand."""
    for option in reversed(TERM_OPTIONS):
        command = option(command)
    return command


@click.command()
@click.argument("loan_id", type=LoanId(), required=False)
@term_options
@click.option(
    "--compare", is_flag=True, help="Where the lender's own installments of LOAN_ID differ from ours."
)
@click.option("--payoff", is_flag=True, help="What settles LOAN_ID in full on the business date.")
@as_of_option
@format_option
@click.pass_context
def schedule_command(
    ctx: click.Context,
    /,
    loan_id: str | None,
    compare: bool,
    payoff: bool,
    as_of: date | None,
    form: str,
    **given: Any,  # noqa: ANN401 - the options above
) -> None:
    """The repayment schedule of LOAN_ID from the lender's tables, or of terms given by options.

    The table tells paid, carried (too little is left to be asked for), overdue and upcoming installments apart as
    of the business date.

    \b
    Example:
      carloan-notify schedule AD2026000001 --as-of 2026-11-23
      carloan-notify schedule AD2026000001 --payoff --as-of 2026-12-01
      carloan-notify schedule --principal 5000 --annual-rate 0.12 --term 18 --first-due 2022-12-01 \\
          --installment-multiple 1 --change deferral@3 --payment 2022-12-01=305 --format json
    """
    from carloan_notify.app import business_date, system_clock
    from carloan_notify.pipeline import schedules

    if loan_id is None:
        missing = [option for name, option in NEEDED.items() if given[name] is None]
        if missing:
            raise click.UsageError(f"give LOAN_ID, or {', '.join(missing)} as well")
        today = as_of or business_date(system_clock(), "Asia/Shanghai")
        _print(schedules.ad_hoc_schedule(_terms(given), today), form, installments=True)
        return
    app = open_app(ctx)
    if compare and payoff:
        raise click.UsageError("--compare and --payoff are two questions; ask one at a time")
    read = (
        schedules.compared_schedule
        if compare
        else schedules.loan_payoff
        if payoff
        else schedules.loan_schedule
    )
    _print(read(app, loan_id, as_of or app.business_date()), form, installments=not (compare or payoff))


def _terms(given: dict[str, Any]) -> Any:  # noqa: ANN401 - schedules.Terms, imported lazily
    from carloan_notify.loans.schedule import LoanTerms
    from carloan_notify.loans.settings import ProductTerms, ScheduleSettings
    from carloan_notify.pipeline.schedules import AD_HOC, Terms

    chosen = {name: given[name] for name in TERMS_OF_PRODUCT if given[name] is not None}
    both = dict.fromkeys(("interest_rounding", "installment_rounding"), given["rounding"] or "half_up")
    settings = _in_currency(ScheduleSettings(default=ProductTerms(**(both | chosen))), given["currency"])
    loan = LoanTerms(
        principal_minor=_minor(settings, "--principal", given["principal"]),
        annual_rate_ppb=_rate(given["annual_rate"]),
        installments=given["term"],
        first_due_on=given["first_due"],
        disbursed_on=given["disbursed_on"],
        due_day=given["due_day"] or 0,
        repayment_method=given["method"],
        balloon_minor=_minor(settings, "--balloon", given["balloon"]),
        loan_id=AD_HOC,
    )
    return Terms(loan, settings, given["changes"], given["payments"])


def _in_currency(settings: Any, code: str) -> Any:  # noqa: ANN401 - ScheduleSettings, imported lazily
    from carloan_notify.config.model import known_currency

    try:
        return settings.in_currency(known_currency(code))
    except ValueError as error:
        raise click.UsageError(f"--currency: {error}") from None


def _minor(settings: Any, option: str, amount: Decimal) -> int:  # noqa: ANN401 - ScheduleSettings, imported lazily
    try:
        minor: int = settings.minor(amount)
    except ValueError as error:
        raise click.UsageError(f"{option}: {error}") from None
    return minor


def _rate(rate: Decimal) -> int:
    scaled = rate * PPB
    if scaled != scaled.to_integral_value():
        raise click.UsageError("--annual-rate: at most nine decimals")
    return int(scaled)


def _print(rows: list[dict[str, Any]], form: str, *, installments: bool) -> None:
    from carloan_notify.reports.tables import print_rows

    if not installments:
        print_rows(rows, sys.stdout, form)
    elif form == "table":
        for state in ("paid", "carried", "overdue", "upcoming"):
            chosen = [row for row in rows if row["state"] == state]
            if chosen:
                print_rows(chosen, sys.stdout, "table", columns=(*COLUMNS, "unpaid"), title=state)
    else:
        print_rows(rows, sys.stdout, form, columns=COLUMNS)


# `due-days`: due days for new loans.


@click.group()
def due_days_command() -> None:
    """Propose due days for new loans.

    \b
    Example:
      carloan-notify due-days assign
    """


@due_days_command.command()
@as_of_option
@format_option
@click.pass_context
def assign(ctx: click.Context, as_of: date | None, form: str) -> None:
    """Propose a due day for every pending loan from payday, contract limits and the money expected per day.

    The same tables give the same proposal; each is explained. Nothing is written anywhere.

    \b
    Example:
      carloan-notify due-days assign --as-of 2026-11-23 --format csv
    """
    from carloan_notify.pipeline.schedules import propose_due_days
    from carloan_notify.reports.tables import print_rows

    app = open_app(ctx)
    rows, lost = propose_due_days(app, as_of or app.business_date())
    print_rows(rows, sys.stdout, form)
    for line in lost:
        click.echo(line, err=True)
    ctx.exit(errors.EXIT_FAILED_ITEMS if lost else errors.EXIT_OK)
