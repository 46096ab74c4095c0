"""`resend`: one message again."""

import getpass
import sys
from datetime import datetime

import click

from carloan_notify import errors
from carloan_notify.cli.options import format_option, now_option, open_house


@click.command()
@click.option("--message", "message_id", default="", help="The message to send again.")
@click.option(
    "--loan", "loan_id", default="", help="With --notice: the newest message of that notice about this loan."
)
@click.option("--notice", default="", help="With --loan.")
@click.option("--reason", required=True, help="Why; kept in the audit with your name.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@now_option
@format_option
@click.pass_context
def command(
    ctx: click.Context,
    message_id: str,
    loan_id: str,
    notice: str,
    reason: str,
    yes: bool,
    now: datetime | None,
    form: str,
) -> None:
    """Queue one message again, with a reason. Earlier attempts are shown first; hours, opt-outs and payments count.

    \b
    Example:
      carloan-notify resend --loan AD2026000007 --notice due_today --reason "customer changed handset"
    """
    from carloan_notify.pipeline.resending import ResendOrder, earlier_attempts, resend
    from carloan_notify.reports.tables import print_rows

    if bool(message_id) == bool(loan_id and notice):
        raise click.UsageError("give either --message, or --loan and --notice")
    house = open_house(ctx, now)
    attempts = earlier_attempts(house, message_id=message_id, loan_id=loan_id, notice=notice)
    print_rows(attempts, sys.stderr, "table", title="Earlier attempts")
    chosen = message_id or str(attempts[0]["message_id"])
    if not yes:
        click.confirm(f"Send {chosen} again?", abort=True, err=True)
    done = resend(house, ResendOrder(chosen, getpass.getuser(), reason))
    print_rows(
        [{"message_id": done.message_id, "resend_of": chosen, "refusal": done.refusal}], sys.stdout, form
    )
    ctx.exit(errors.EXIT_OK if done.message_id else errors.EXIT_FAILED_ITEMS)
