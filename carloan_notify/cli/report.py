"""`report`: what a night did."""

import sys

import click

from carloan_notify.cli.options import format_option, open_house


@click.command()
@click.argument("run_id", required=False)
@click.option("--list", "listed", is_flag=True, help="List the runs instead.")
@format_option
@click.pass_context
def command(ctx: click.Context, run_id: str | None, listed: bool, form: str) -> None:
    """The figures of RUN_ID, or of the last night, as they stand now: what was pending then may be delivered now.

    \b
    Example:
      carloan-notify report
      carloan-notify report --list --format csv
    """
    from carloan_notify.pipeline.looking_back import run_figures, run_list
    from carloan_notify.reports.tables import print_json, print_rows

    house = open_house(ctx)
    if listed:
        print_rows(run_list(house), sys.stdout, form)
        return
    figures = run_figures(house, run_id)
    if form == "json":
        print_json(figures, sys.stdout)
    else:
        rows = [
            {"figure": name, "value": value}
            for name, value in figures.items()
            if not isinstance(value, dict | list)
        ]
        print_rows(rows, sys.stdout, form, columns=("figure", "value"))
