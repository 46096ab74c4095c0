"""`preview`: what would go out."""

import getpass
import sys
from datetime import date, datetime
from pathlib import Path

import click

from carloan_notify.cli.options import as_of_option, format_option, now_option, open_house

WITHHELD = ("loan_id", "notice", "channel", "role", "decision", "why")
COLUMNS = ("loan_id", "notice", "channel", "decision", "why", "phone", "not_before", "segments", "text")


@click.command()
@as_of_option
@click.option("--loan", "loan_id", default="", help="Only this loan.")
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), help="Also write a page to this file."
)
@now_option
@format_option
@click.pass_context
def command(
    ctx: click.Context, as_of: date | None, loan_id: str, html: Path | None, now: datetime | None, form: str
) -> None:
    """What would go out tonight, in full, and what would not and why.

    Writes nothing (but the page asked for) and opens no network beyond the tables it reads.

    \b
    Example:
      carloan-notify preview --as-of 2026-11-23 --loan AD2026000001
      carloan-notify preview --html tonight.html
    """
    from carloan_notify.pipeline.night import NightOrder
    from carloan_notify.pipeline.preview import preview_night
    from carloan_notify.reports.html import preview_page
    from carloan_notify.reports.messages import print_messages
    from carloan_notify.reports.tables import print_rows
    from carloan_notify.reports.terminal import print_night

    house = open_house(ctx, now)
    preview = preview_night(house, NightOrder(as_of or house.business_date(), getpass.getuser()), loan_id)
    if html is not None:
        html.write_text(preview_page(preview.report, preview.rows, house.lender), encoding="utf-8")
    if form != "table":
        print_rows(preview.rows, sys.stdout, form, columns=COLUMNS)
        return
    print_night(preview.report, sys.stdout, "table")
    print_messages([row for row in preview.rows if row["text"]], sys.stdout)
    withheld = [row for row in preview.rows if not row["text"]]
    print_rows(withheld, sys.stdout, "table", columns=WITHHELD, title="Not told tonight")
