"""`credit-bureau`: told before reported."""

import sys
from datetime import date
from pathlib import Path

import click

from carloan_notify import errors
from carloan_notify.cli.main import as_of_option, format_option, open_app

SHOWN = ("loan_id", "may_report", "why", "oldest_due_on", "days_past_due", "overdue", "told_on")


@click.group()
def credit_bureau_command() -> None:
    """Who was told before negative data is reported to the credit bureau, and who was not.

    \b
    Example:
      carloan-notify credit-bureau list --as-of 2026-11-30
    """


@credit_bureau_command.command(name="list")
@as_of_option
@click.option("--only", type=click.Choice(["yes", "no"]), help="Only loans that may be reported, or may not.")
@click.option("--language", default="", help="zh-CN or en; the lender's default language if left out.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write them as CSV to this file as well, for the job that reports: whole or not at all, mode 0600.",
)
@format_option
@click.pass_context
def list_loans(
    ctx: click.Context, as_of: date | None, only: str | None, language: str, out: Path | None, form: str
) -> None:
    """Every overdue loan, and every one that was told: may its negative data be reported, and if not, why.

    It may where the borrower was told of this delinquency and the message was delivered before the day (see
    `credit_bureau` in the configuration). What is not known says no. Exits with 1, and lets nothing be reported,
    where the loan export is too old to tell who has paid.

    \b
    Example:
      carloan-notify credit-bureau list --as-of 2026-11-30 --only yes --out report.csv
    """
    from carloan_notify.pipeline.credit_bureau import COLUMNS, BureauList, list_reportable, write_list
    from carloan_notify.reports.tables import print_rows

    app = open_app(ctx)
    tag = language or app.settings.messages.default_language
    listed = list_reportable(app, as_of or app.business_date(), tag)
    chosen = BureauList([row for row in listed.rows if only in (None, row["may_report"])], listed.stale)
    if out is not None:
        write_list(out, chosen)
    print_rows(chosen.rows, sys.stdout, form, columns=SHOWN if form == "table" else COLUMNS)
    if listed.stale:
        click.echo(f"credit-bureau: {listed.stale}", err=True)
        ctx.exit(errors.EXIT_FAILED_ITEMS)
