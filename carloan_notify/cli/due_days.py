"""`due-days`: due days for new loans."""

import sys
from datetime import date

import click

from carloan_notify import errors
from carloan_notify.cli.options import as_of_option, format_option, open_house


@click.group()
def command() -> None:
    """Propose due days for new loans.

    \b
    Example:
      carloan-notify due-days assign
    """


@command.command()
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
    from carloan_notify.pipeline.assigning import propose_due_days
    from carloan_notify.reports.tables import print_rows

    house = open_house(ctx)
    rows, lost = propose_due_days(house, as_of or house.business_date())
    print_rows(rows, sys.stdout, form)
    for line in lost:
        click.echo(line, err=True)
    ctx.exit(errors.EXIT_FAILED_ITEMS if lost else errors.EXIT_OK)
