"""`promises`: promises to pay."""

import getpass
import sys
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from carloan_notify import errors
from carloan_notify.cli.main import IsoDate, LoanId, Problems, format_option, now_option, open_app
from carloan_notify.promise_codes import promise_word as word

if TYPE_CHECKING:
    from carloan_notify.pipeline.promises import Confirmed

language_option = click.option("--language", type=click.Choice(["en", "zh"]), default="en", show_default=True)
note_option = click.option(
    "--note", required=True, help="Why; kept in the audit with your name. No personal data."
)
amount_option = click.option("--amount", default="", help="The promised sum, such as 500 or 1250.50.")
everything_option = click.option(
    "--everything", is_flag=True, help="All that is owed: overdue, else the next due."
)


@click.group()
def promises_command() -> None:
    """Take promises to pay: proposals from replies and pages, who confirms them, and whether they were kept.

    An open promise holds collection of its loan back until its day and the days of grace are over.

    \b
    Example:
      carloan-notify promises list
    """


@promises_command.command()
@click.option("--loan", "loan_id", type=LoanId(), required=True, help="The loan.")
@click.option("--on", "pay_on", type=IsoDate(), required=True, help="The day on which it is to be paid.")
@amount_option
@everything_option
@now_option
@language_option
@click.pass_context
def add(
    ctx: click.Context,
    loan_id: str,
    pay_on: date,
    amount: str,
    everything: bool,
    now: datetime | None,
    language: str,
) -> None:
    """Enter and confirm a promise that you took, on the telephone say. Exits with 1 if a limit refuses it.

    \b
    Example:
      carloan-notify promises add --loan AD2026000001 --on 2026-12-05 --amount 500
    """
    from carloan_notify.pipeline import promises
    from carloan_notify.pipeline.proposals import CLERK, Said

    if bool(amount) is everything:
        raise click.UsageError("give --amount or --everything, exactly one of them")
    app = open_app(ctx, now)
    said = Said(loan_id, pay_on, None if everything else promises.read_amount(app, amount), CLERK)
    _tell(ctx, promises.add(app, said, getpass.getuser()), language)


@promises_command.command(name="import")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@now_option
@language_option
@click.pass_context
def import_command(ctx: click.Context, path: Path, now: datetime | None, language: str) -> None:
    """Enter and confirm the promises of a CSV file: loan_id, pay_on, amount (blank: all that is owed).

    Every row is looked at, each problem named as file:row:column, and the rows without one are entered; given again,
    a file changes nothing. Exits with 1 if a row was not entered.

    \b
    Example:
      carloan-notify promises import promises-20261123.csv
    """
    from carloan_notify.pipeline.promises import import_file

    problems = Problems()
    done = import_file(open_app(ctx, now), path, getpass.getuser(), language)
    for problem in done.problems:
        problems(problem)
    click.echo(
        f"rows: {done.rows}; entered: {done.entered}; known: {done.known}; not entered: {len(done.problems)}"
    )
    ctx.exit(problems.exit_code)


@promises_command.command(name="list")
@click.option("--loan", "loan_id", type=LoanId(), default="", help="Only this loan's.")
@click.option("--all", "everything", is_flag=True, help="Also those that are over, rejected or withdrawn.")
@language_option
@format_option
@click.pass_context
def list_command(ctx: click.Context, loan_id: str, everything: bool, language: str, form: str) -> None:
    """List proposals and open promises, in order of the promised day.

    \b
    Example:
      carloan-notify promises list --all --format csv
    """
    from carloan_notify.ledger.promises import PromiseFilter
    from carloan_notify.pipeline.promises import COLUMNS, SHORT, WAITING, rows
    from carloan_notify.reports.tables import print_rows

    wanted = PromiseFilter(loan_id=loan_id, states=() if everything else tuple(WAITING))
    found = rows(open_app(ctx), wanted)
    if form != "table":
        print_rows(found, sys.stdout, form, columns=COLUMNS)
        return
    worded = [{word(name, language): word(str(row[name]), language) for name in SHORT} for row in found]
    print_rows(worded, sys.stdout, form, columns=[word(name, language) for name in SHORT])


@promises_command.command()
@click.argument("promise_id")
@language_option
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.pass_context
def show(ctx: click.Context, promise_id: str, language: str, form: str) -> None:
    """Show PROMISE_ID with its history: who proposed, confirmed or ended it, and what each night found.

    \b
    Example:
      carloan-notify promises show 5f0c1d2e3a4b5c6d
    """
    from carloan_notify.pipeline.promises import SHORT, doubts, sentence
    from carloan_notify.pipeline.promises import show as shown
    from carloan_notify.reports.tables import print_json, print_rows

    told = shown(open_app(ctx), promise_id)
    if form == "json":
        print_json(told, sys.stdout)
        return
    print_rows(
        [{word(name, language): word(str(told[name]), language) for name in SHORT}], sys.stdout, "table"
    )
    click.echo(sentence(told, language))
    for line in doubts(told, language):
        click.echo(f"  ? {line}")
    print_rows(told["history"], sys.stdout, "table")


@promises_command.command()
@click.argument("promise_id")
@click.option("--loan", "loan_id", type=LoanId(), default="", help="The loan, where the reply named none.")
@click.option(
    "--on", "pay_on", type=IsoDate(), help="Another day than the proposal's, or one where it has none."
)
@amount_option
@everything_option
@now_option
@language_option
@click.pass_context
def confirm(
    ctx: click.Context,
    promise_id: str,
    loan_id: str,
    pay_on: date | None,
    amount: str,
    everything: bool,
    now: datetime | None,
    language: str,
) -> None:
    """Make the proposal PROMISE_ID a promise; what waits to collect from the loan is cancelled.

    Exits with 1, and the reason, where the proposal lacks something or a limit refuses it.

    \b
    Example:
      carloan-notify promises confirm 5f0c1d2e3a4b5c6d
      carloan-notify promises confirm 5f0c1d2e3a4b5c6d --on 2026-12-05 --amount 500
    """
    from carloan_notify.pipeline.promises import Completion, minor_amount
    from carloan_notify.pipeline.promises import confirm as confirmed

    if amount and everything:
        raise click.UsageError("give --amount or --everything, not both")
    app = open_app(ctx, now)
    given = Completion(loan_id, pay_on, minor_amount(app, amount) if amount else 0, everything)
    _tell(ctx, confirmed(app, promise_id, given, getpass.getuser()), language)


@promises_command.command()
@click.argument("promise_id")
@note_option
@click.pass_context
def reject(ctx: click.Context, promise_id: str, note: str) -> None:
    """Do not accept the proposal PROMISE_ID.

    \b
    Example:
      carloan-notify promises reject 5f0c1d2e3a4b5c6d --note "asked for 90 days, ticket 4711"
    """
    from carloan_notify.pipeline import promises

    promises.reject(open_app(ctx), promise_id, getpass.getuser(), note)
    click.echo("rejected")


@promises_command.command()
@click.argument("promise_id")
@note_option
@click.pass_context
def withdraw(ctx: click.Context, promise_id: str, note: str) -> None:
    """Take the open promise PROMISE_ID back: the next night collects again.

    \b
    Example:
      carloan-notify promises withdraw 5f0c1d2e3a4b5c6d --note "was about another loan"
    """
    from carloan_notify.pipeline import promises

    promises.withdraw(open_app(ctx), promise_id, getpass.getuser(), note)
    click.echo("withdrawn")


def _tell(ctx: click.Context, done: "Confirmed", language: str) -> None:
    if done.refused is not None:
        click.echo(
            f"promise {done.promise_id}: {done.refused.reason.value}: {done.refused.sentence(language)}",
            err=True,
        )
        ctx.exit(errors.EXIT_FAILED_ITEMS)
    waiting = f"; waiting messages cancelled: {done.cancelled}" if done.cancelled else ""
    click.echo(f"promise {done.promise_id}: confirmed{waiting}")
