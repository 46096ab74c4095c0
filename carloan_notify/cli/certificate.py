"""`certificate`: that a loan is settled, in writing."""

import getpass
import sys
from datetime import date, datetime
from typing import Any

import click

from carloan_notify import errors
from carloan_notify.cli.main import LoanId, as_of_option, format_option, now_option, open_app


class _LoanFirst(click.Group):
    """`certificate LOAN_ID` makes one: a first word that is no subcommand is a loan."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The subcommand of this name, else `make` for the loan of this name."""
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            args = ["make", *args]
        return super().resolve_command(ctx, args)


@click.group(cls=_LoanFirst)
def certificate_command() -> None:
    """Settlement certificates (结清证明): make, check, revoke and list them.

    \b
    Example:
      carloan-notify certificate AD2026000001
      carloan-notify certificate verify K7QX-2M4D-9RT3-XH2C
    """


@certificate_command.command()
@click.argument("loan_id", type=LoanId())
@click.option(
    "--pdf", is_flag=True, help='A PDF as well; needs the extra: pip install "carloan-notify[pdf]".'
)
@click.option("--duplicate", is_flag=True, help="One more, marked as a duplicate, under the same number.")
@click.option("--reason", default="", help="Why a duplicate; kept in the audit. No personal data.")
@as_of_option
@now_option
@format_option
@click.pass_context
def make(
    ctx: click.Context,
    loan_id: str,
    pdf: bool,
    duplicate: bool,
    reason: str,
    as_of: date | None,
    now: datetime | None,
    form: str,
) -> None:
    """Make the certificate of a loan that is surely settled; exit 1 and say why for any other loan.

    The one that there is already is shown again: its number stays.

    \b
    Example:
      carloan-notify certificate AD2026000001
      carloan-notify certificate AD2026000001 --duplicate --reason "lost, asked by phone"
    """
    from carloan_notify.pipeline.certificate_desk import Wish, make_certificate
    from carloan_notify.reports.tables import print_rows

    if duplicate and not reason.strip():
        raise click.UsageError('a duplicate needs a reason: --duplicate --reason "lost"')
    app = open_app(ctx, now)
    wish = Wish(loan_id, as_of or app.business_date(), getpass.getuser(), pdf, duplicate, reason)
    done = make_certificate(app, wish)
    if done.refusal:
        language = app.settings.messages.default_language
        click.echo(
            f"loan {loan_id}: no certificate: {done.refusal}: {done.refusal.sentence(language)}", err=True
        )
        ctx.exit(errors.EXIT_FAILED_ITEMS)
    if done.problem:
        click.echo(f"problem: {done.problem}", err=True)
    row = {
        "loan_id": loan_id,
        "number": done.number,
        "code": done.code,
        "copy": done.copies,
        "new": done.fresh,
        "files": " ".join(str(path) for path in done.files),
    }
    print_rows([row], sys.stdout, form)
    ctx.exit(errors.EXIT_FAILED_ITEMS if done.problem else errors.EXIT_OK)


@certificate_command.command()
@click.argument("what", metavar="CODE|NUMBER|FILE")
@click.option("--number", default="", help="The number printed beside the code: both must belong together.")
@format_option
@click.pass_context
def verify(ctx: click.Context, what: str, number: str, form: str) -> None:
    """Check a certificate by its verification code, its number or its file; exit 1 unless it is valid and unchanged.

    Compare what is shown with the paper at hand.

    \b
    Example:
      carloan-notify certificate verify K7QX-2M4D-9RT3-XH2C --number AD-2026-000001-K
      carloan-notify certificate verify received.pdf
    """
    from carloan_notify.certificate_codes import Check
    from carloan_notify.pipeline.certificate_desk import check_certificate
    from carloan_notify.reports.tables import print_json, print_rows

    app = open_app(ctx)
    language = app.settings.messages.default_language
    found = check_certificate(app, what, number)
    if form == "json":
        print_json(_as_json(found), sys.stdout)
    else:
        rows = [
            {"what": found.check.value, "says": found.check.sentence(language)},
            *_as_rows(found, language),
        ]
        print_rows(rows, sys.stdout, form, columns=("what", "says"))
    ctx.exit(errors.EXIT_OK if found.check is Check.VALID else errors.EXIT_FAILED_ITEMS)


def _as_json(found: Any) -> dict[str, Any]:  # noqa: ANN401 - certificate_desk.Checked, imported lazily
    return {
        "check": found.check.value,
        "number": found.number,
        "loan_id": found.loan_id,
        "copy": found.copy_no,
        "void_at": found.void_at,
        "void_reason": found.void_reason,
        "differs": [str(name) for name in found.differs],
        "facts": dict(found.facts),
    }


def _as_rows(found: Any, language: str) -> list[dict[str, str]]:  # noqa: ANN401 - as above
    from carloan_notify.certificate_codes import CheckLine, Fact, VoidReason

    rows = [(Fact(name).sentence(language), text) for name, text in found.facts.items() if text]
    if not rows and found.number:
        rows = [
            (Fact.NUMBER.sentence(language), found.number),
            (Fact.CONTRACT.sentence(language), found.loan_id),
        ]
    if found.void_at:
        rows.append(
            (
                CheckLine.VOID_SINCE.sentence(language),
                f"{found.void_at}: {VoidReason(found.void_reason).sentence(language)}",
            )
        )
    rows += [(CheckLine.DIFFERS.sentence(language), Fact(name).sentence(language)) for name in found.differs]
    return [{"what": what, "says": says} for what, says in rows]


@certificate_command.command()
@click.argument("what", metavar="NUMBER|CODE")
@click.option("--reason", required=True, help="Why; kept in the audit with your name. No personal data.")
@click.pass_context
def revoke(ctx: click.Context, what: str, reason: str) -> None:
    """Void a certificate; its files are removed, and a check says void from now on.

    \b
    Example:
      carloan-notify certificate revoke AD-2026-000001-K --reason "name was wrong"
    """
    from carloan_notify.pipeline.certificate_desk import revoke as void

    number, problem = void(open_app(ctx), what, getpass.getuser(), reason)
    click.echo(f"void: {number}")
    if problem:
        click.echo(f"problem: {problem}", err=True)
        ctx.exit(errors.EXIT_FAILED_ITEMS)


@certificate_command.command(name="list")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True)
@format_option
@click.pass_context
def list_command(ctx: click.Context, limit: int, form: str) -> None:
    """List the newest certificates: number, loan, state; nothing personal.

    \b
    Example:
      carloan-notify certificate list --format csv
    """
    from carloan_notify.ledger.certificates import LISTED
    from carloan_notify.pipeline.certificate_desk import list_certificates
    from carloan_notify.reports.tables import print_rows

    print_rows(list_certificates(open_app(ctx), limit), sys.stdout, form, columns=LISTED)
