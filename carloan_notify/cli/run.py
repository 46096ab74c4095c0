"""`run`: the night."""

import getpass
import sys
from datetime import date, datetime

import click

from carloan_notify import errors
from carloan_notify.cli.options import as_of_option, format_option, now_option, open_house


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
def command(
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
    from carloan_notify.reports.terminal import print_night

    house = open_house(ctx, now)
    order = NightOrder(
        as_of=as_of or house.business_date(),
        operator=getpass.getuser(),
        accept=frozenset(accept),
        reason=reason,
    )
    report = preview_night(house, order).report if dry_run else run_night(house, order)
    print_night(report, sys.stdout, form)
    stopping = report.stopping_guards
    if stopping:
        click.echo("\n".join(f"{guard.message} {guard.cure}" for guard in stopping), err=True)
        ctx.exit(errors.EXIT_GUARD)
    ctx.exit(errors.EXIT_FAILED_ITEMS if report.has_failed_items else errors.EXIT_OK)
