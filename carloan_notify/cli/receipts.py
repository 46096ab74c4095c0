"""`receipts`: what the network says afterwards."""

import sys
from datetime import datetime
from pathlib import Path

import click

from carloan_notify.cli.options import format_option, now_option, open_house


@click.group()
def command() -> None:
    """Fetch or import delivery receipts; they also settle messages whose fate was unknown.

    \b
    Example:
      carloan-notify receipts pull
    """


@command.command()
@now_option
@format_option
@click.pass_context
def pull(ctx: click.Context, now: datetime | None, form: str) -> None:
    """Fetch receipts from every provider that hands them out. Any order, any number of times.

    \b
    Example:
      carloan-notify receipts pull --format json
    """
    from carloan_notify.pipeline.coming_back import RECEIPT_FIGURES, pull_receipts
    from carloan_notify.reports.tables import print_rows

    print_rows(pull_receipts(open_house(ctx, now)), sys.stdout, form, columns=("provider", *RECEIPT_FIGURES))


@command.command(name="import")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--kind", required=True, help="A name under inbound.receipt_files: how the file's columns are called."
)
@format_option
@click.pass_context
def import_file(ctx: click.Context, path: Path, kind: str, form: str) -> None:
    """Settle the receipts of a CSV, TSV or JSON file downloaded from a provider's portal.

    \b
    Example:
      carloan-notify receipts import portal-20261123.csv --kind main_portal
    """
    from carloan_notify.pipeline.coming_back import RECEIPT_FIGURES, import_receipts
    from carloan_notify.reports.tables import print_rows

    row = import_receipts(open_house(ctx), path, kind)
    print_rows([row], sys.stdout, form, columns=("provider", *RECEIPT_FIGURES))
