"""`numbers`: what is known of telephone numbers: dead, somebody else's, verified."""

import getpass
import sys
from datetime import datetime
from pathlib import Path

import click

from carloan_notify import errors
from carloan_notify.cli.main import Problems, format_option, now_option, open_app
from carloan_notify.hold_codes import NumberStatus

CLOSING = [each.value for each in (NumberStatus.QUARANTINED, NumberStatus.INVALID, NumberStatus.REASSIGNED)]


@click.group()
def numbers_command() -> None:
    """List telephone numbers that are dead, failing or somebody else's; close and release them.

    \b
    Example:
      carloan-notify numbers list
    """


@numbers_command.command(name="list")
@click.option(
    "--status", type=click.Choice([each.value for each in NumberStatus]), help="Only numbers of this status."
)
@click.option("--failing", is_flag=True, help="Only numbers of which the network said that there is none.")
@click.option("--reveal", is_flag=True, help="Show numbers in clear; who looked, and why, is audited.")
@click.option("--reason", default="", help="Why they are revealed; needed with --reveal.")
@format_option
@click.pass_context
def list_numbers(
    ctx: click.Context, status: str | None, failing: bool, reveal: bool, reason: str, form: str
) -> None:
    """List what is known of numbers, what changed last first; numbers masked.

    \b
    Example:
      carloan-notify numbers list --failing
    """
    from carloan_notify.pipeline.numbers import SHOWN, Wanted, listed, revealed
    from carloan_notify.reports.tables import print_rows

    if reveal and not reason:
        raise click.UsageError("--reveal needs --reason: it is written to the audit")
    wanted = Wanted(status=NumberStatus(status) if status else None, failing_only=failing)
    app = open_app(ctx)
    rows = revealed(app, wanted, getpass.getuser(), reason) if reveal else listed(app, wanted)
    print_rows(rows, sys.stdout, form, columns=SHOWN)


@numbers_command.command()
@click.option("--phone", required=True, help="A number in E.164, such as +8613800138000.")
@format_option
@click.pass_context
def show(ctx: click.Context, phone: str, form: str) -> None:
    """What is known of one number; nothing where it is only in use.

    \b
    Example:
      carloan-notify numbers show --phone +8613800138000
    """
    from carloan_notify.pipeline.numbers import SHOWN, Wanted, listed
    from carloan_notify.reports.tables import print_rows

    print_rows(listed(open_app(ctx), Wanted(phone)), sys.stdout, form, columns=SHOWN)


@numbers_command.command(name="import")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@now_option
@click.pass_context
def import_numbers(ctx: click.Context, path: Path, now: datetime | None) -> None:
    """Keep the statuses of a CSV file of a checking service (HLR, 空号检测): phone, status, date.

    A status holds until a newer one is known. Exits with 1 if a row is wrong; the others count.

    \b
    Example:
      carloan-notify numbers import hlr-20261123.csv
    """
    from carloan_notify.pipeline.numbers import take_file

    done = take_file(open_app(ctx, now), path)
    tell = Problems()
    for problem in done.problems:
        tell(problem)
    click.echo(
        f"rows: {done.rows}; new: {done.changed}; known already: {done.unchanged}; "
        f"wrong: {len(done.problems)}; waiting messages cancelled: {done.cancelled}"
    )
    ctx.exit(tell.exit_code)


@numbers_command.command()
@click.option("--phone", required=True, help="A number in E.164, such as +8613800138000.")
@click.option(
    "--status",
    type=click.Choice(CLOSING),
    default=NumberStatus.QUARANTINED.value,
    show_default=True,
    help="What is known: invalid (there is none), reassigned (it is somebody else's), quarantined (to be verified).",
)
@click.option("--reason", required=True, help="Why; kept in the audit with your name. No personal data.")
@now_option
@click.pass_context
def quarantine(ctx: click.Context, phone: str, status: str, reason: str, now: datetime | None) -> None:
    """Send nothing to a number from now on, whoever has it; what waits for it is cancelled.

    \b
    Example:
      carloan-notify numbers quarantine --phone +8613800138000 --status reassigned --reason "a stranger answered"
    """
    from carloan_notify.pipeline.numbers import quarantine as close

    done = close(open_app(ctx, now), phone, NumberStatus(status), getpass.getuser(), reason)
    waiting = f"; waiting messages cancelled: {len(done.cancelled)}" if done.cancelled else ""
    click.echo(f"{status if done.changed else 'known already'}{waiting}")


@numbers_command.command()
@click.option("--phone", required=True, help="A number in E.164, such as +8613800138000.")
@click.option("--reason", required=True, help="How it was verified; kept in the audit. No personal data.")
@now_option
@click.pass_context
def release(ctx: click.Context, phone: str, reason: str, now: datetime | None) -> None:
    """The number was verified today: it is told again, and its failures count from 0.

    \b
    Example:
      carloan-notify numbers release --phone +8613800138000 --reason "the borrower called from it"
    """
    from carloan_notify.pipeline.numbers import release as verified

    done = verified(open_app(ctx, now), phone, getpass.getuser(), reason)
    click.echo("released" if done.changed else "nothing stood against it")
    ctx.exit(errors.EXIT_OK if done.changed else errors.EXIT_FAILED_ITEMS)
