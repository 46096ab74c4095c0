"""`run`: the night."""

import getpass
import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from carloan_notify import errors
from carloan_notify.cli.main import LoanId, as_of_option, format_option, now_option, open_app


@click.command()
@as_of_option
@click.option("--dry-run", is_flag=True, help="Plan and guard only: write nothing, open no network.")
@click.option(
    "--accept",
    multiple=True,
    metavar="GUARD",
    help="Let the night pass this guard; recorded. May be repeated.",
)
@click.option("--reason", default="", help="Why a guard is accepted; recorded with it.")
@now_option
@format_option
@click.pass_context
def run_command(
    ctx: click.Context,
    as_of: date | None,
    dry_run: bool,
    accept: tuple[str, ...],
    reason: str,
    now: datetime | None,
    form: str,
) -> None:
    """The night: read, plan, guard, queue, send what may go now, report.

    Run again, it sends nothing twice. Exits with 5 and sends nothing if a guard finds the night implausible.

    \b
    Example:
      carloan-notify run --as-of 2026-11-23 --format json
      carloan-notify run --accept row_drop --reason "portfolio sold, ticket 4711"
    """
    from carloan_notify.pipeline.night import NightOrder, run_night
    from carloan_notify.pipeline.preview import preview_night
    from carloan_notify.reports.night import print_night

    app = open_app(ctx, now)
    order = NightOrder(
        as_of=as_of or app.business_date(),
        operator=getpass.getuser(),
        accept=frozenset(accept),
        reason=reason,
    )
    report = preview_night(app, order).report if dry_run else run_night(app, order)
    print_night(report, sys.stdout, form)
    stopping = report.stopping_guards
    if stopping:
        click.echo("\n".join(f"{guard.message} {guard.cure}" for guard in stopping), err=True)
        ctx.exit(errors.EXIT_GUARD)
    ctx.exit(errors.EXIT_FAILED_ITEMS if report.has_failed_items else errors.EXIT_OK)


# `preview`: what would go out.

WITHHELD = ("loan_id", "notice", "channel", "role", "decision", "why")
COLUMNS = (
    "loan_id",
    "notice",
    "channel",
    "role",
    "language",
    "decision",
    "why",
    "phone",
    "not_before",
    "segments",
    "text",
)


@click.command()
@as_of_option
@click.option("--loan", "loan_id", type=LoanId(), default="", help="Only this loan.")
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), help="Also write a page to this file."
)
@now_option
@format_option
@click.pass_context
def preview_command(
    ctx: click.Context, as_of: date | None, loan_id: str, html: Path | None, now: datetime | None, form: str
) -> None:
    """What would go out tonight, in full, and what would not and why.

    Writes nothing (but the page asked for) and opens no network beyond the tables it reads. With --loan only the
    rows that can change its answer are read; guards, which look at the whole night, are not asked then.

    \b
    Example:
      carloan-notify preview --as-of 2026-11-23 --loan AD2026000001
      carloan-notify preview --html tonight.html
    """
    from carloan_notify.pipeline.night import NightOrder
    from carloan_notify.pipeline.one_loan import preview_loan
    from carloan_notify.pipeline.preview import preview_night
    from carloan_notify.reports.html import preview_page
    from carloan_notify.reports.night import print_night

    app = open_app(ctx, now)
    day = as_of or app.business_date()
    if loan_id and html is None:
        _print_preview(preview_loan(app, loan_id, day), form)
        return
    preview = preview_night(app, NightOrder(day, getpass.getuser()))
    rows = [row for row in preview.rows if loan_id in ("", row["loan_id"])]
    if html is not None:
        html.write_text(preview_page(preview.report, rows, app.lender), encoding="utf-8")
    if form == "table":
        print_night(preview.report, sys.stdout, "table")
    _print_preview(rows, form)


def _print_preview(rows: Sequence[Mapping[str, Any]], form: str) -> None:
    from carloan_notify.reports.tables import print_messages, print_rows

    if form != "table":
        print_rows(rows, sys.stdout, form, columns=COLUMNS)
        return
    print_messages([row for row in rows if row["text"]], sys.stdout)
    withheld = [row for row in rows if not row["text"]]
    print_rows(withheld, sys.stdout, "table", columns=WITHHELD, title="Not told tonight")


# `report`: what a night did.


@click.command()
@click.argument("run_id", required=False)
@click.option("--list", "listed", is_flag=True, help="List the runs instead.")
@format_option
@click.pass_context
def report_command(ctx: click.Context, run_id: str | None, listed: bool, form: str) -> None:
    """The figures of RUN_ID, or of the last night, as they stand now: what was pending then may be delivered now.

    \b
    Example:
      carloan-notify report
      carloan-notify report --list --format csv
    """
    from carloan_notify.pipeline.history import run_figures, run_list
    from carloan_notify.reports.tables import print_json, print_rows

    app = open_app(ctx)
    if listed:
        print_rows(run_list(app), sys.stdout, form)
        return
    figures = run_figures(app, run_id)
    if form == "json":
        print_json(figures, sys.stdout)
    else:
        rows = [
            {"figure": name, "value": value}
            for name, value in figures.items()
            if not isinstance(value, dict | list)
        ]
        print_rows(rows, sys.stdout, form, columns=("figure", "value"))


# `explain`: why a loan gets what it gets.


@click.command()
@click.argument("loan_id", type=LoanId())
@as_of_option
@now_option
@click.option("--language", type=click.Choice(["en", "zh"]), default="en", show_default=True)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.pass_context
def explain_command(
    ctx: click.Context, loan_id: str, as_of: date | None, now: datetime | None, language: str, form: str
) -> None:
    """Why LOAN_ID gets what it gets on a business date: each rule, the policy, the data, what was told before.

    \b
    Example:
      carloan-notify explain AD2026000001 --as-of 2026-11-23
    """
    from carloan_notify.pipeline.one_loan import explain_loan, hold_lines
    from carloan_notify.promise_codes import promise_lines, promise_word
    from carloan_notify.reports.tables import print_json, print_rows
    from carloan_notify.words import Word, word

    app = open_app(ctx, now)
    told = explain_loan(app, loan_id, as_of or app.business_date(), language)
    if form == "json":
        print_json(told, sys.stdout)
        return
    click.echo(Word.LOAN_ON.sentence(language).format(loan=told["loan_id"], date=told["as_of"]))
    for line in (*told["rejected_rows"], *told["findings"]):
        click.echo(f"  ! {line}")
    sections = {"standing": [told["standing"]] if told["standing"] else [], "rules": told["rules"]}
    sections |= {
        "holds": hold_lines(told["holds"], language),
        "tonight": told["tonight"],
        "told": told["told"],
    }
    if told["promises"]:
        lines = promise_lines(told["promises"], language)
        print_rows(lines, sys.stdout, "table", title=promise_word("promises", language))
    for name, rows in sections.items():
        if rows:
            worded = [
                {word(key, language): word(str(cell), language) for key, cell in row.items()} for row in rows
            ]
            print_rows(worded, sys.stdout, "table", title=word(name, language))
