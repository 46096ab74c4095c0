"""`replies`: what borrowers write back."""

import getpass
import sys
from datetime import date, datetime
from pathlib import Path

import click

from carloan_notify.cli.options import IsoDate, format_option, now_option, open_house
from carloan_notify.inbound.kinds import ReplyKind

SHOWN = (
    "reply_id",
    "received_at",
    "phone",
    "kind",
    "rule",
    "action",
    "state",
    "loans",
    "notice",
)


@click.group()
def command() -> None:
    """Take replies, stop what they ask to stop, and keep the work list. No reply is ever answered by itself.

    \b
    Example:
      carloan-notify replies list --open
    """


@command.command()
@now_option
@format_option
@click.pass_context
def pull(ctx: click.Context, now: datetime | None, form: str) -> None:
    """Fetch what `receipts pull` fetches (one queue may hold both), and show the replies' figures.

    \b
    Example:
      carloan-notify replies pull --format json
    """
    from carloan_notify.cli.problems import print_returns
    from carloan_notify.pipeline.coming_back import pull_returns
    from carloan_notify.pipeline.keeping import REPLY_FIGURES

    house = open_house(ctx, now)
    print_returns(ctx, form, lambda tell: pull_returns(house, tell), ("provider", *REPLY_FIGURES))


@command.command(name="import")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--kind", required=True, help="A name under inbound.reply_files: how the file's columns are called."
)
@now_option
@format_option
@click.pass_context
def import_file(ctx: click.Context, path: Path, kind: str, now: datetime | None, form: str) -> None:
    """Take the replies of a CSV, TSV or JSON file from a portal. Twice is once. Exits with 1 if a row is wrong.

    \b
    Example:
      carloan-notify replies import portal-20261123.csv --kind main_portal
    """
    from carloan_notify.cli.problems import print_returns
    from carloan_notify.pipeline.keeping import REPLY_FIGURES
    from carloan_notify.pipeline.replying import import_replies

    house = open_house(ctx, now)
    columns = ("provider", *REPLY_FIGURES)
    print_returns(ctx, form, lambda tell: [import_replies(house, path, kind, tell)], columns)


@command.command(name="list")
@click.option("--open", "open_only", is_flag=True, help="Only the work list.")
@click.option(
    "--kind", type=click.Choice([kind.value for kind in ReplyKind]), help="Only replies of this kind."
)
@click.option("--since", type=IsoDate(), help="Only replies received from this day on.")
@click.option("--id", "reply_id", default="", help="Only this reply.")
@click.option("--reveal", is_flag=True, help="Show phone and text in clear; who looked, and why, is audited.")
@click.option("--reason", default="", help="Why it is revealed; needed with --reveal.")
@format_option
@click.pass_context
def list_command(
    ctx: click.Context,
    open_only: bool,
    kind: str | None,
    since: date | None,
    reply_id: str,
    reveal: bool,
    reason: str,
    form: str,
) -> None:
    """List replies as they were received, phones masked.

    \b
    Example:
      carloan-notify replies list --open --format csv
      carloan-notify replies list --id 3f1c0d5e9b8a7c6d5e4f3a2b1c0d9e8f --reveal --reason "ticket 4711"
    """
    from carloan_notify.ledger.inbox import COLUMNS
    from carloan_notify.pipeline.replying import list_replies, reply_filter, reveal_replies
    from carloan_notify.reports.tables import print_rows

    if reveal and not reason:
        raise click.UsageError("--reveal needs --reason: it is written to the audit")
    house = open_house(ctx)
    wanted = reply_filter(house, open_only=open_only, kind=kind or "", since=since, reply_id=reply_id)
    rows = reveal_replies(house, wanted, getpass.getuser(), reason) if reveal else list_replies(house, wanted)
    short = (*SHOWN, "text") if reveal else SHOWN
    print_rows(rows, sys.stdout, form, columns=short if form == "table" else COLUMNS)


@command.command()
@click.argument("reply_id")
@click.option("--note", required=True, help="What was done; kept with your name. No personal data.")
@click.pass_context
def close(ctx: click.Context, reply_id: str, note: str) -> None:
    """Take a reply off the work list. A suppression it brought stays until `suppress remove`.

    \b
    Example:
      carloan-notify replies close 3f1c0d5e9b8a7c6d5e4f3a2b1c0d9e8f --note "called back, ticket 4711"
    """
    from carloan_notify.pipeline.replying import close_reply

    close_reply(open_house(ctx), reply_id, getpass.getuser(), note)
    click.echo("closed")


@command.command()
@click.pass_context
def lexicon(ctx: click.Context) -> None:
    """Print the lexicon in use, to edit it: name your copy in inbound.lexicon_file.

    \b
    Example:
      carloan-notify replies lexicon > lexicon.yaml
    """
    from carloan_notify.pipeline.keeping import lexicon_in_use

    click.echo(lexicon_in_use(open_house(ctx)), nl=False)


@command.command()
@click.argument("text")
@format_option
@click.pass_context
def classify(ctx: click.Context, text: str, form: str) -> None:
    """Show what the lexicon makes of TEXT (`-` reads standard input): kind, rules and action. Keeps nothing.

    \b
    Example:
      carloan-notify replies classify "我已经还了，别再发了"
    """
    from carloan_notify.pipeline.replying import classify as read
    from carloan_notify.reports.tables import print_rows

    row = read(open_house(ctx), sys.stdin.read() if text == "-" else text)
    print_rows([row], sys.stdout, form)


@command.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--reason", required=True, help="Why you look, or what was done; kept in the audit with your name."
)
@click.option("--all", "everything", is_flag=True, help="Also what somebody has done with already.")
@click.option("--done", is_flag=True, help="What FOLDER holds has been looked at: doctor is quiet about it.")
@click.pass_context
def unread(ctx: click.Context, folder: Path, reason: str, everything: bool, done: bool) -> None:
    """Write what came back and could not be read into a new FOLDER, as it came. It holds personal data.

    \b
    Example:
      carloan-notify replies unread look-at-these --reason "gateway changed its format, ticket 4711"
      carloan-notify replies unread look-at-these --done --reason "two opt-outs entered by hand, ticket 4711"
    """
    from carloan_notify.pipeline.replying import finish_unread, write_unread

    house, operator = open_house(ctx), getpass.getuser()
    if done:
        click.echo(f"{finish_unread(house, folder, operator, reason)} records done; delete {folder}")
        return
    written = write_unread(house, folder, operator, reason, everything=everything)
    click.echo(f"{len(written)} records in {folder}; delete them when you are done")
