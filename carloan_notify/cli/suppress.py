"""`suppress`: people who opted out."""

import getpass
import sys

import click

from carloan_notify import errors
from carloan_notify.cli.main import format_option, open_app
from carloan_notify.records import MessageClass

INSTEAD = {"wrong_number": "numbers quarantine --status reassigned"}
SHOWN = ("suppression_no", "phone_hash", "customer_ref", "message_class", "source", "reason", "added_at")
subject_options = (
    click.option("--phone", default="", help="A number in E.164, such as +8613800138000."),
    click.option("--customer", "customer_id", default="", help="A customer id: every number of theirs."),
    click.option(
        "--class",
        "message_class",
        type=click.Choice([item.value for item in MessageClass]),
        help="Every class if left out.",
    ),
    click.option("--reason", required=True, help="Why; kept in the audit with your name. No personal data."),
)


@click.group()
def suppress_command() -> None:
    """Add, remove or list people who opted out. They are kept by keyed hash only.

    What only waits is a hold: see `holds`. A number that is dead or somebody else's: see `numbers`.

    \b
    Example:
      carloan-notify suppress list
    """


@suppress_command.command()
@subject_options[0]
@subject_options[1]
@subject_options[2]
@click.option("--hold", hidden=True, default="", help="Is `holds add` and `numbers quarantine` now.")
@click.option("--opt-out", is_flag=True, hidden=True, help="Every suppression is one; may be left out.")
@subject_options[3]
@click.pass_context
def add(
    ctx: click.Context,
    phone: str,
    customer_id: str,
    message_class: str | None,
    hold: str,
    opt_out: bool,  # noqa: ARG001 - what people wrote before goes on working
    reason: str,
) -> None:
    """Stop messages to a number or a customer for good, of one class or of all; those that wait are cancelled.

    \b
    Example:
      carloan-notify suppress add --phone +8613800138000 --class marketing --reason "asked by phone"
    """
    from carloan_notify.pipeline.upkeep import suppress

    if hold:
        instead = INSTEAD.get(hold, f"holds add --kind {hold}")
        raise click.UsageError(f"--hold {hold}: a suppression is an opt-out; write: carloan-notify {instead}")
    done = suppress(open_app(ctx), (phone, customer_id, message_class), getpass.getuser(), reason)
    waiting = f"; waiting messages cancelled: {len(done.cancelled)}" if done.cancelled else ""
    click.echo(f"{'added' if done.fresh else 'stands already'}{waiting}")


@suppress_command.command()
@subject_options[0]
@subject_options[1]
@subject_options[2]
@subject_options[3]
@click.option("--was", default="", help="Which one, by the reason it was added for, where several stand.")
@click.pass_context
def remove(
    ctx: click.Context, phone: str, customer_id: str, message_class: str | None, reason: str, was: str
) -> None:
    """End a suppression. Where a number is suppressed for several reasons, each is ended by itself.

    \b
    Example:
      carloan-notify suppress remove --customer C20001 --reason "consent renewed, ticket 4711"
    """
    from carloan_notify.pipeline.upkeep import unsuppress

    given = (phone, customer_id, message_class)
    ended = unsuppress(open_app(ctx), given, getpass.getuser(), reason, was)
    click.echo("there was none" if ended is None else f"removed: {ended}")
    ctx.exit(errors.EXIT_FAILED_ITEMS if ended is None else errors.EXIT_OK)


@suppress_command.command(name="list")
@click.option("--all", "everything", is_flag=True, help="Also those that have ended.")
@format_option
@click.pass_context
def list_suppressions(ctx: click.Context, everything: bool, form: str) -> None:
    """List suppressions.

    \b
    Example:
      carloan-notify suppress list --all --format csv
    """
    from carloan_notify.ledger import stopping
    from carloan_notify.reports.tables import frame_rows, print_rows

    with open_app(ctx).open_ledger() as ledger, ledger.read() as tx:
        rows = frame_rows(stopping.table(tx, standing_only=not everything))
    print_rows(rows, sys.stdout, form, columns=(*SHOWN, "removed_at") if everything else SHOWN)
