"""`receipts`: what the network says afterwards."""

from datetime import datetime
from pathlib import Path

import click

from carloan_notify.cli.options import format_option, now_option, open_house


@click.group()
def command() -> None:
    """Fetch, import or take delivery receipts; they also settle messages whose fate was unknown.

    \b
    Example:
      carloan-notify receipts pull
    """


@command.command()
@now_option
@format_option
@click.pass_context
def pull(ctx: click.Context, now: datetime | None, form: str) -> None:
    """Fetch receipts and replies from every provider that hands them out. Any order, any number of times.

    A provider that hands nothing out is asked about accepted messages, where it can be asked. Problems are
    told on standard error, and exit with 1.

    \b
    Example:
      carloan-notify receipts pull --format json
    """
    from carloan_notify.cli.problems import print_returns
    from carloan_notify.pipeline.coming_back import pull_returns
    from carloan_notify.pipeline.keeping import RECEIPT_FIGURES

    house = open_house(ctx, now)
    print_returns(ctx, form, lambda tell: pull_returns(house, tell), ("provider", *RECEIPT_FIGURES))


@command.command(name="import")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--kind", required=True, help="A name under inbound.receipt_files: how the file's columns are called."
)
@now_option
@format_option
@click.pass_context
def import_file(ctx: click.Context, path: Path, kind: str, now: datetime | None, form: str) -> None:
    """Settle the receipts of a CSV, TSV or JSON file from a provider's portal. Exits with 1 if a row is wrong.

    \b
    Example:
      carloan-notify receipts import portal-20261123.csv --kind main_portal
    """
    from carloan_notify.cli.problems import print_returns
    from carloan_notify.pipeline.coming_back import import_receipts

    house = open_house(ctx, now)
    print_returns(ctx, form, lambda tell: [import_receipts(house, path, kind, tell)])


@command.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of this machine to listen at.")
@click.option("--port", default=8080, show_default=True, help="Port; 0 takes a free one.")
@click.pass_context
def listen(ctx: click.Context, host: str, port: int) -> None:
    """Take what providers push (receipts and replies) at /NAME/PUSH_SECRET, until stopped. Speaks plain HTTP.

    \b
    Example:
      carloan-notify receipts listen --port 8080
    """
    from carloan_notify.cli.listen import serve
    from carloan_notify.cli.options import start_talking
    from carloan_notify.pipeline.listening import application

    app = application(start_talking(ctx))
    serve(app, app.settings, host, port)
