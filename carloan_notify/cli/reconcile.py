"""`reconcile`: messages whose fate nobody knows."""

import getpass
import sys
from datetime import datetime

import click

from carloan_notify import errors
from carloan_notify.cli.options import format_option, now_option, open_house

COLUMNS = ("message_id", "notice", "provider", "sent_at", "found", "code")


@click.command()
@click.option("--mark", type=click.Choice(["sent", "not-sent"]), help="Your own verdict on MESSAGE_ID.")
@click.option("--reason", default="", help="How you know; kept in the audit with your name.")
@click.argument("message_id", required=False)
@now_option
@format_option
@click.pass_context
def command(
    ctx: click.Context, mark: str | None, reason: str, message_id: str | None, now: datetime | None, form: str
) -> None:
    """Ask providers, by our reference, about messages whose fate is unknown; list what an operator must decide.

    Nothing unknown is ever sent again by itself. Exits with 1 while anything stays unknown.

    \b
    Example:
      carloan-notify reconcile
      carloan-notify reconcile --mark not-sent HIGKPRB4RIRVKNXO2O4VVUJJAA --reason "provider's log has no trace"
    """
    from carloan_notify.pipeline.coming_back import mark_unknown, reconcile, still_unknown
    from carloan_notify.reports.tables import print_rows

    house = open_house(ctx, now)
    if mark:
        if not (message_id and reason):
            raise click.UsageError("--mark needs MESSAGE_ID and --reason: both are written to the audit")
        mark_unknown(house, message_id, mark, getpass.getuser(), reason)
        return
    print_rows(reconcile(house), sys.stdout, form, columns=COLUMNS)
    ctx.exit(errors.EXIT_FAILED_ITEMS if still_unknown(house) else errors.EXIT_OK)
