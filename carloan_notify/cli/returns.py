"""`receipts`: what the network says afterwards."""

import getpass
import logging
import signal
import sys
from datetime import date, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click

from carloan_notify.cli.main import IsoDate, format_option, now_option, open_app
from carloan_notify.errors import ConfigError
from carloan_notify.inbound.lexicon import ReplyKind

if TYPE_CHECKING:
    from carloan_notify.inbound.listen import Listener
    from carloan_notify.inbound.page import LinkPage


@click.group()
def receipts_command() -> None:
    """Fetch, import or take delivery receipts; they also settle messages whose fate was unknown.

    \b
    Example:
      carloan-notify receipts pull
    """


@receipts_command.command(name="pull")
@now_option
@format_option
@click.pass_context
def pull_receipts(ctx: click.Context, now: datetime | None, form: str) -> None:
    """Fetch receipts and replies from every provider that hands them out. Any order, any number of times.

    A provider that hands nothing out is asked about accepted messages, where it can be asked. Problems are
    told on standard error, and exit with 1.

    \b
    Example:
      carloan-notify receipts pull --format json
    """
    from carloan_notify.cli.main import print_returns
    from carloan_notify.pipeline.inbox import RECEIPT_FIGURES
    from carloan_notify.pipeline.returns import pull_returns

    app = open_app(ctx, now)
    print_returns(ctx, form, lambda tell: pull_returns(app, tell), ("provider", *RECEIPT_FIGURES))


@receipts_command.command(name="import")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--kind", required=True, help="A name under inbound.receipt_files: how the file's columns are called."
)
@now_option
@format_option
@click.pass_context
def import_receipts_file(ctx: click.Context, path: Path, kind: str, now: datetime | None, form: str) -> None:
    """Settle the receipts of a CSV, TSV or JSON file from a provider's portal. Exits with 1 if a row is wrong.

    \b
    Example:
      carloan-notify receipts import portal-20261123.csv --kind main_portal
    """
    from carloan_notify.cli.main import print_returns
    from carloan_notify.pipeline.portal import import_receipts

    app = open_app(ctx, now)
    print_returns(ctx, form, lambda tell: [import_receipts(app, path, kind, tell)])


@receipts_command.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of this machine to listen at.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="Port; 0 takes a free one."
)
@click.pass_context
def listen(ctx: click.Context, host: str, port: int) -> None:
    """Take what providers push (receipts and replies) at /NAME/PUSH_SECRET, until stopped. Speaks plain HTTP.

    \b
    Example:
      carloan-notify receipts listen --port 8080
    """
    from carloan_notify.cli.main import start_talking
    from carloan_notify.pipeline.listen import application

    serve(application(start_talking(ctx)), host, port)


# `receipts listen`: serve the address that providers push to.


def serve(app: "Listener | LinkPage", host: str, port: int, command: str = "receipts listen") -> None:
    """Serve until SIGTERM or Ctrl-C; what is being taken is finished first.

    Raises:
        ConfigError: the extra `web` is not installed, or the port is taken.
    """
    server = make_server(app, host, port, command)
    bound = getattr(server, "effective_port", port)  # a name such as localhost binds two sockets and has none
    click.echo(f"listening at http://{host}:{bound}; Ctrl-C ends it", err=True)
    signal.signal(signal.SIGTERM, _end)
    try:
        server.run()
    finally:
        server.close()


def make_server(app: "Listener | LinkPage", host: str, port: int, command: str = "receipts listen") -> Any:  # noqa: ANN401 - waitress ships no types
    """The server, bound and not yet running. Bodies stay in memory: they hold personal data."""
    try:
        import waitress
    except ImportError:
        raise ConfigError(
            [f'{command}: needs the extra `web`; install it: pip install "carloan-notify[web]"']
        ) from None
    from carloan_notify.inbound.listen import IDLE_TIMEOUT_S, LONGEST_BODY, LONGEST_HEADERS, THREADS

    logging.getLogger("waitress").setLevel(logging.CRITICAL)  # its warnings quote what strangers send
    try:
        return waitress.create_server(
            app,
            host=host,
            port=port,
            threads=THREADS,
            channel_timeout=IDLE_TIMEOUT_S,
            max_request_body_size=LONGEST_BODY + 1,  # it refuses what reaches its limit
            max_request_header_size=LONGEST_HEADERS,
            inbuf_overflow=2 * LONGEST_BODY,
            ident=None,
        )
    except OSError as error:
        raise ConfigError(
            [f"{command}: cannot listen at {host}:{port} ({error.strerror}); choose another --port"]
        ) from None


def _end(_signal: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)


# `replies`: what borrowers write back.

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
def replies_command() -> None:
    """Take replies, stop what they ask to stop, and keep the work list. No reply is ever answered by itself.

    \b
    Example:
      carloan-notify replies list --open
    """


@replies_command.command(name="pull")
@now_option
@format_option
@click.pass_context
def pull_replies_command(ctx: click.Context, now: datetime | None, form: str) -> None:
    """Fetch what `receipts pull` fetches (one queue may hold both), and show the replies' figures.

    \b
    Example:
      carloan-notify replies pull --format json
    """
    from carloan_notify.cli.main import print_returns
    from carloan_notify.pipeline.inbox import REPLY_FIGURES
    from carloan_notify.pipeline.returns import pull_returns

    app = open_app(ctx, now)
    print_returns(ctx, form, lambda tell: pull_returns(app, tell), ("provider", *REPLY_FIGURES))


@replies_command.command(name="import")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--kind", required=True, help="A name under inbound.reply_files: how the file's columns are called."
)
@now_option
@format_option
@click.pass_context
def import_replies_file(ctx: click.Context, path: Path, kind: str, now: datetime | None, form: str) -> None:
    """Take the replies of a CSV, TSV or JSON file from a portal. Exits with 1 if a row is wrong.

    A reply that was taken before changes nothing.

    \b
    Example:
      carloan-notify replies import portal-20261123.csv --kind main_portal
    """
    from carloan_notify.cli.main import print_returns
    from carloan_notify.pipeline.inbox import REPLY_FIGURES
    from carloan_notify.pipeline.portal import import_replies

    app = open_app(ctx, now)
    columns = ("provider", *REPLY_FIGURES)
    print_returns(ctx, form, lambda tell: [import_replies(app, path, kind, tell)], columns)


@replies_command.command(name="list")
@click.option("--open", "open_only", is_flag=True, help="Only the work list.")
@click.option(
    "--kind",
    metavar="KIND",
    type=click.Choice([kind.value for kind in ReplyKind]),
    help="Only replies of this kind: opt_out, deceased, promise …; a wrong word is answered with all of them.",
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
    from carloan_notify.ledger.replies import COLUMNS
    from carloan_notify.pipeline.replies import list_replies, reply_filter, reveal_replies
    from carloan_notify.reports.tables import print_rows

    if reveal and not reason:
        raise click.UsageError("--reveal needs --reason: it is written to the audit")
    app = open_app(ctx)
    wanted = reply_filter(app, open_only=open_only, kind=kind or "", since=since, reply_id=reply_id)
    rows = reveal_replies(app, wanted, getpass.getuser(), reason) if reveal else list_replies(app, wanted)
    short = (*SHOWN, "text") if reveal else SHOWN
    print_rows(rows, sys.stdout, form, columns=short if form == "table" else COLUMNS)


@replies_command.command()
@click.argument("reply_id")
@click.option("--note", required=True, help="What was done; kept with your name. No personal data.")
@click.pass_context
def close(ctx: click.Context, reply_id: str, note: str) -> None:
    """Take a reply off the work list. A suppression it brought stays until `suppress remove`.

    \b
    Example:
      carloan-notify replies close 3f1c0d5e9b8a7c6d5e4f3a2b1c0d9e8f --note "called back, ticket 4711"
    """
    from carloan_notify.pipeline.replies import close_reply

    close_reply(open_app(ctx), reply_id, getpass.getuser(), note)
    click.echo("closed")


@replies_command.command()
@click.pass_context
def lexicon(ctx: click.Context) -> None:
    """Print the lexicon in use, to edit it: name your copy in inbound.lexicon_file.

    \b
    Example:
      carloan-notify replies lexicon > lexicon.yaml
    """
    from carloan_notify.pipeline.inbox import lexicon_in_use

    click.echo(lexicon_in_use(open_app(ctx)), nl=False)


@replies_command.command()
@click.argument("text")
@format_option
@click.pass_context
def classify(ctx: click.Context, text: str, form: str) -> None:
    """Show what the lexicon makes of TEXT (`-` reads standard input): kind, rules and action. Keeps nothing.

    \b
    Example:
      carloan-notify replies classify "我已经还了，别再发了"
    """
    from carloan_notify.pipeline import replies
    from carloan_notify.reports.tables import print_rows

    row = replies.classify(open_app(ctx), sys.stdin.read() if text == "-" else text)
    print_rows([row], sys.stdout, form)


@replies_command.command()
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
    from carloan_notify.pipeline.replies import finish_unread, write_unread

    app, operator = open_app(ctx), getpass.getuser()
    if done:
        click.echo(f"{finish_unread(app, folder, operator, reason)} records done; delete {folder}")
        return
    written = write_unread(app, folder, operator, reason, everything=everything)
    click.echo(f"{len(written)} records in {folder}; delete them when you are done")
