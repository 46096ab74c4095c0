"""`send`: drain the outbox."""

import sys
from datetime import datetime

import click

from carloan_notify import errors
from carloan_notify.cli.options import format_option, now_option, open_house


@click.command()
@now_option
@format_option
@click.pass_context
def command(ctx: click.Context, now: datetime | None, form: str) -> None:
    """Send what may go now: within the borrower's hours, not yet expired, not paid since it was queued.

    Meant for cron, every few minutes; nothing to do is exit 0. SIGTERM finishes what is on the wire.

    \b
    Example:
      carloan-notify send
      */5 * * * * carloan-notify send --format json >> send.jsonl
    """
    from carloan_notify.pipeline.sending import send_due, summary_row
    from carloan_notify.reports.tables import print_json, print_rows

    summary = send_due(open_house(ctx, now))
    row = summary_row(summary)
    if form == "json":
        print_json(row, sys.stdout)
    else:
        print_rows([row], sys.stdout, form)
    for stop in summary.account_stops:
        click.echo(stop.cure, err=True)
    if summary.stopped_by == "signal":
        ctx.exit(errors.EXIT_INTERRUPTED)
    failed = summary.rejected or summary.unknown or summary.expired or summary.stopped_by
    ctx.exit(errors.EXIT_FAILED_ITEMS if failed else errors.EXIT_OK)
