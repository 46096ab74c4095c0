"""`suppress`: people who must not be contacted."""

import getpass
import sys

import click

from carloan_notify import errors
from carloan_notify.cli.main import format_option, open_app
from carloan_notify.codes import HoldReason
from carloan_notify.records import MessageClass

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
    """Add, remove or list people who must not be contacted. They are kept by keyed hash only.

    \b
    Example:
      carloan-notify suppress list
    """


@suppress_command.command()
@subject_options[0]
@subject_options[1]
@subject_options[2]
@click.option(
    "--hold", type=click.Choice([each.value for each in HoldReason]), help="HoldReason until it is settled."
)
@click.option("--opt-out", is_flag=True, help="The person wants no more of these messages.")
@subject_options[3]
@click.pass_context
def add(
    ctx: click.Context,
    phone: str,
    customer_id: str,
    message_class: str | None,
    hold: str | None,
    opt_out: bool,
    reason: str,
) -> None:
    """Stop messages to a number or a customer, of one class or of all; those that wait are cancelled.

    A hold keeps later notices back until it is removed: collection for a dispute, everything for a wrong number.
    An opt-out ends them.

    \b
    Example:
      carloan-notify suppress add --phone +8613800138000 --class marketing --opt-out --reason "asked by phone"
      carloan-notify suppress add --customer C20001 --hold dispute --reason "says the car was returned"
    """
    from carloan_notify.pipeline.upkeep import suppress

    if (hold is None) is not opt_out:
        raise click.UsageError("give --hold dispute, --hold wrong_number or --opt-out, exactly one of them")
    given = (phone, customer_id, message_class)
    done = suppress(open_app(ctx), given, getpass.getuser(), HoldReason(hold) if hold else None, reason)
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
