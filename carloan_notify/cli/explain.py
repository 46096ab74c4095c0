"""`explain`: why a loan gets what it gets."""

import sys
from datetime import date, datetime

import click

from carloan_notify.cli.options import as_of_option, now_option, open_house


@click.command()
@click.argument("loan_id")
@as_of_option
@now_option
@click.option("--language", type=click.Choice(["en", "zh"]), default="en", show_default=True)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.pass_context
def command(
    ctx: click.Context, loan_id: str, as_of: date | None, now: datetime | None, language: str, form: str
) -> None:
    """Why LOAN_ID gets what it gets on a business date: each rule, the policy, the data, what was told before.

    \b
    Example:
      carloan-notify explain AD2026000001 --as-of 2026-11-23
    """
    from carloan_notify.pipeline.explaining import explain_loan
    from carloan_notify.reports.tables import print_json, print_rows

    house = open_house(ctx, now)
    told = explain_loan(house, loan_id, as_of or house.business_date(), language)
    if form == "json":
        print_json(told, sys.stdout)
        return
    click.echo(f"Loan {told['loan_id']} on {told['as_of']}")
    for line in (*told["rejected_rows"], *told["findings"]):
        click.echo(f"  ! {line}")
    sections = {"standing": [told["standing"]] if told["standing"] else [], "rules": told["rules"]}
    for name, rows in (*sections.items(), ("tonight", told["tonight"]), ("told", told["told"])):
        if rows:
            print_rows(rows, sys.stdout, "table", title=name)
