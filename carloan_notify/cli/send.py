"""`send`: drain the outbox."""

import getpass
import sys
from datetime import datetime

import click

from carloan_notify import errors
from carloan_notify.cli.main import LoanId, format_option, now_option, open_app


@click.command()
@now_option
@format_option
@click.pass_context
def send_command(ctx: click.Context, now: datetime | None, form: str) -> None:
    """Send what may go now: within the borrower's hours, not yet expired, not paid since it was queued.

    Meant for cron, every few minutes; nothing to do is exit 0. SIGTERM finishes what is on the wire.

    \b
    Example:
      carloan-notify send
      */5 * * * * carloan-notify send --format json >> send.jsonl
    """
    from carloan_notify.pipeline.send import send_due, summary_row
    from carloan_notify.reports.tables import print_json, print_rows

    app = open_app(ctx, now)
    sent = send_due(app)
    summary, unfinished = sent.summary, sent.unfinished
    row = summary_row(summary)
    if form == "json":
        print_json(row, sys.stdout)
    else:
        print_rows([row], sys.stdout, form)
    for stop in summary.account_stops:
        click.echo(stop.cure, err=True)
    if unfinished:
        click.echo(unfinished, err=True)
    if summary.stopped_by == "signal":
        ctx.exit(errors.EXIT_INTERRUPTED)
    troubled = summary.rejected or summary.unknown or summary.expired or summary.held
    failed = troubled or summary.stopped_by or unfinished
    ctx.exit(errors.EXIT_FAILED_ITEMS if failed else errors.EXIT_OK)


# `resend`: one message again.


@click.command()
@click.option("--message", "message_id", default="", help="The message to send again.")
@click.option(
    "--loan",
    "loan_id",
    type=LoanId(),
    default="",
    help="With --notice: the newest message of that notice about this loan.",
)
@click.option("--notice", default="", help="With --loan.")
@click.option("--reason", required=True, help="Why; kept in the audit with your name.")
@click.option("--same-words", is_flag=True, help="Repeat the stored text; refused when it is no longer true.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@now_option
@format_option
@click.pass_context
def resend_command(
    ctx: click.Context,
    message_id: str,
    loan_id: str,
    notice: str,
    reason: str,
    same_words: bool,
    yes: bool,
    now: datetime | None,
    form: str,
) -> None:
    """Queue one message again, with a reason, worded by what is true now. Hours, opt-outs and payments count.

    Earlier attempts and both texts, as it was and as it will be, are shown first. While an attempt still waits or
    may have left (unknown), it is refused, exit 1: so after a crash the same command may simply run again.

    \b
    Example:
      carloan-notify resend --loan AD2026000007 --notice due_today --reason "customer changed handset"
    """
    from carloan_notify.pipeline.resend import ResendOrder, earlier_attempts, propose, queue_proposal
    from carloan_notify.reports.tables import print_rows

    if bool(message_id) == bool(loan_id and notice):
        raise click.UsageError("give either --message, or --loan and --notice")
    app = open_app(ctx, now)
    attempts = earlier_attempts(app, message_id=message_id, loan_id=loan_id, notice=notice)
    print_rows(attempts, sys.stderr, "table", title="Earlier attempts")
    chosen = message_id or str(attempts[0]["message_id"])
    proposal = propose(app, ResendOrder(chosen, getpass.getuser(), reason, same_words))
    click.echo(f"It said: {proposal.text_before}\nIt says: {proposal.text_now}", err=True)
    if not (yes or proposal.refusal):
        click.confirm(f"Send {chosen} again?", abort=True, err=True)
    done = queue_proposal(app, proposal)
    queued = done.draft.message_id if done.draft else ""
    print_rows([{"message_id": queued, "resend_of": chosen, "refusal": done.refusal}], sys.stdout, form)
    ctx.exit(errors.EXIT_OK if queued else errors.EXIT_FAILED_ITEMS)


# `reconcile`: messages whose fate nobody knows.

COLUMNS = ("message_id", "notice", "provider", "sent_at", "found", "code")


@click.command()
@click.option("--mark", type=click.Choice(["sent", "not-sent"]), help="Your own verdict on MESSAGE_ID.")
@click.option("--reason", default="", help="How you know; kept in the audit with your name.")
@click.argument("message_id", required=False)
@now_option
@format_option
@click.pass_context
def reconcile_command(
    ctx: click.Context, mark: str | None, reason: str, message_id: str | None, now: datetime | None, form: str
) -> None:
    """Ask providers, by our reference, about messages whose fate is unknown; list what an operator must decide.

    Nothing unknown is ever sent again by itself. Exits with 1 while anything stays unknown.

    \b
    Example:
      carloan-notify reconcile
      carloan-notify reconcile --mark not-sent HIGKPRB4RIRVKNXO2O4VVUJJAA --reason "provider's log has no trace"
    """
    from carloan_notify.pipeline.returns import mark_unknown, reconcile, still_unknown
    from carloan_notify.reports.tables import print_rows

    app = open_app(ctx, now)
    if mark:
        if not (message_id and reason):
            raise click.UsageError("--mark needs MESSAGE_ID and --reason: both are written to the audit")
        mark_unknown(app, message_id, mark, getpass.getuser(), reason)
        return
    print_rows(reconcile(app), sys.stdout, form, columns=COLUMNS)
    ctx.exit(errors.EXIT_FAILED_ITEMS if still_unknown(app) else errors.EXIT_OK)
