"""`holds`: messages that wait for a reason, until a day or until a person ends it."""

import getpass
import sys
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import TypeVar

import click

from carloan_notify import errors
from carloan_notify.cli.main import IsoDate, Problems, format_option, now_option, open_app
from carloan_notify.hold_codes import HoldReason
from carloan_notify.records import MessageClass

Command = TypeVar("Command", bound=Callable[..., object])
SET_BY_HAND = [kind.value for kind in HoldReason if kind is not HoldReason.PROMISE]


def subject_options(command: Command) -> Command:
    """`--phone`, `--customer` and `--loan`: whom or what is held."""
    for option in (
        click.option("--loan", "loan_id", default="", help="One loan, whoever is told of it."),
        click.option("--customer", "customer_id", default="", help="A customer id: every loan of theirs."),
        click.option("--phone", default="", help="A number in E.164, such as +8613800138000."),
    ):
        command = option(command)
    return command


@click.group()
def holds_command() -> None:
    """Hold messages for a reason (a dispute, hardship, a death, a pause …), list holds and end them.

    What each kind holds, for how long and what happens then: policy.holds, or `holds kinds`.

    \b
    Example:
      carloan-notify holds list
    """


@holds_command.command()
@subject_options
@click.option(
    "--kind",
    metavar="KIND",
    type=click.Choice(SET_BY_HAND),
    required=True,
    help="Why: dispute, hardship, deceased, bankruptcy, lawyer, bereavement, disaster, pause.",
)
@click.option("--until", type=IsoDate(), help="Its last day; the kind's own number of days if left out.")
@click.option(
    "--class",
    "message_class",
    type=click.Choice([item.value for item in MessageClass]),
    help="Only this class, of those that the kind holds.",
)
@click.option("--reason", required=True, help="Why; kept in the audit with your name. No personal data.")
@now_option
@click.pass_context
def add(
    ctx: click.Context,
    phone: str,
    customer_id: str,
    loan_id: str,
    kind: str,
    until: date | None,
    message_class: str | None,
    reason: str,
    now: datetime | None,
) -> None:
    """Hold messages to a number, to a customer or about a loan; those that wait are cancelled.

    Added again, the later of the two last days counts. What no table of today has is held as well, and told: it may
    be a typing error.

    \b
    Example:
      carloan-notify holds add --customer C20001 --kind dispute --reason "says the car was returned"
      carloan-notify holds add --loan L0007 --kind pause --until 2026-12-31 --reason "asked at the branch"
    """
    from carloan_notify.pipeline.holds import Given, unknown
    from carloan_notify.pipeline.holds import add as hold

    app = open_app(ctx, now)
    given = Given(phone, customer_id, loan_id, message_class)
    done = hold(app, given, HoldReason(kind), until, getpass.getuser(), reason)
    waiting = f"; waiting messages cancelled: {done.cancelled}" if done.cancelled else ""
    lasts = f"until {done.until}, then {done.then.value}" if done.until else "until somebody ends it"
    click.echo(f"{'held' if done.fresh else 'held already'} {lasts}{waiting}")
    if warning := unknown(app, given):
        click.echo(warning, err=True)


@holds_command.command()
@click.argument("hold_no", type=click.IntRange(min=1))
@click.option("--reason", required=True, help="Why; kept in the audit with your name. No personal data.")
@click.pass_context
def end(ctx: click.Context, hold_no: int, reason: str) -> None:
    """End the hold HOLD_NO of `holds list`. The next night tells what is due then, and nothing of the days before.

    \b
    Example:
      carloan-notify holds end 12 --reason "settled, ticket 4711"
    """
    from carloan_notify.pipeline.holds import end as end_hold

    ended = end_hold(open_app(ctx), hold_no, getpass.getuser(), reason)
    click.echo("there is none of that number" if ended is None else f"ended: {ended.value}")
    ctx.exit(errors.EXIT_FAILED_ITEMS if ended is None else errors.EXIT_OK)


@holds_command.command(name="list")
@subject_options
@click.option("--all", "everything", is_flag=True, help="Also those that have ended.")
@format_option
@click.pass_context
def list_holds(
    ctx: click.Context, phone: str, customer_id: str, loan_id: str, everything: bool, form: str
) -> None:
    """List holds: on what, who set them, their last day and what happens then. Those of the tables: `holds show`.

    \b
    Example:
      carloan-notify holds list --customer C20001 --all
    """
    from carloan_notify.pipeline.holds import SHOWN, Given, listed
    from carloan_notify.reports.tables import print_rows

    given = Given(phone, customer_id, loan_id) if phone or customer_id or loan_id else None
    rows = listed(open_app(ctx), everything=everything, given=given)
    print_rows(rows, sys.stdout, form, columns=SHOWN if everything else SHOWN[:-2])


@holds_command.command()
@click.argument("loan_id")
@format_option
@click.pass_context
def show(ctx: click.Context, loan_id: str, form: str) -> None:
    """Every hold that binds a loan, its people and their numbers today: of the tables and of the ledger.

    \b
    Example:
      carloan-notify holds show L0007
    """
    from carloan_notify.pipeline.one_loan import LOAN_HOLDS, holds_of_loan
    from carloan_notify.reports.tables import print_rows

    app = open_app(ctx)
    print_rows(holds_of_loan(app, loan_id, app.business_date()), sys.stdout, form, columns=LOAN_HOLDS)


@holds_command.command()
@format_option
@click.pass_context
def kinds(ctx: click.Context, form: str) -> None:
    """What each kind of hold keeps back, whose, for how many days, and what happens then.

    \b
    Example:
      carloan-notify holds kinds
    """
    from carloan_notify.pipeline.holds import rules
    from carloan_notify.reports.tables import print_rows

    print_rows(rules(open_app(ctx)), sys.stdout, form)


@holds_command.command(name="import")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@now_option
@click.pass_context
def import_holds(ctx: click.Context, path: Path, now: datetime | None) -> None:
    """Set the holds of a CSV file: loan_id, customer_id or phone, kind, until, message_class, reason. All or none.

    \b
    Example:
      carloan-notify holds import disaster-area-20261123.csv
    """
    from carloan_notify.pipeline.holds import take_file

    done = take_file(open_app(ctx, now), path, getpass.getuser())
    tell = Problems()
    for problem in done.problems:
        tell(problem)
    click.echo(
        f"held: {done.fresh}; held already: {done.standing}; waiting messages cancelled: {done.cancelled}"
    )
    ctx.exit(tell.exit_code)
