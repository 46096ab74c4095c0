"""The command itself: global options, lazy subcommands and the one boundary that turns errors into exit codes."""

import codecs
import errno
import gc
import importlib
import io
import logging
import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar, cast

import click

from carloan_notify import __version__, errors

if TYPE_CHECKING:
    from carloan_notify.app import App


# Log lines on stderr, as text for people or JSON for machines. Personal data never reaches a log call.


def configure(log_format: str, verbose: int) -> None:
    """Set structlog up: warnings only by default, `-v` info, `-vv` debug."""
    import structlog

    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    last: structlog.types.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper("iso", utc=True),
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


# What is imported stays: looking for garbage in it takes a seventh of the time that a short command needs.

_USUAL: Final = gc.get_threshold()
_RARELY: Final = (100_000, 50, 100)
"""Thresholds of the collector while modules are imported, which leaves no garbage."""


def collect_as_usual() -> None:
    """Everything is imported: it is never looked at again, and what is made from here on is, as usual."""
    if gc.get_threshold() == _RARELY:  # once, in a process that `main` began
        gc.freeze()
        gc.set_threshold(*_USUAL)


# Options that several commands share, and the app that they open.

Command = TypeVar("Command", bound=Callable[..., Any])


class LoanId(click.ParamType[str]):
    """A loan id, in whatever spelling it was copied from an export."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401, ARG002 - click's signature
        """As the tables spell it."""
        if not value:
            return ""
        from carloan_notify.sources.spelling import one_spelling

        return one_spelling(str(value))


class IsoDate(click.ParamType[date]):
    """A date as YYYY-MM-DD."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:  # noqa: ANN401 - click's signature
        """Parse, or say how a date is written."""
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no date; write it as 2026-11-23", param, ctx)


class IsoInstant(click.ParamType[datetime]):
    """An instant with its offset, as 2026-11-23T02:00:00+08:00."""

    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:  # noqa: ANN401 - click's signature
        """Parse, or say how an instant is written; without an offset it could be any of two dozen."""
        try:
            instant = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no instant; write it as 2026-11-23T02:00:00+08:00", param, ctx)
        if instant.tzinfo is None:
            self.fail(f"{value!r} has no offset; write it as 2026-11-23T02:00:00+08:00", param, ctx)
        return instant


def as_of_option(command: Command) -> Command:
    """`--as-of D`."""
    return click.option(
        "--as-of", type=IsoDate(), help="Business date; today in the lender's zone if left out."
    )(command)


def now_option(command: Command) -> Command:
    """`--now T`."""
    return click.option(
        "--now",
        type=IsoInstant(),
        help="Replace the clock, for rehearsals (audited): 2026-11-23T02:00:00+08:00.",
    )(command)


def format_option(command: Command) -> Command:
    """`--format table|json|csv`."""
    return click.option(
        "--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True
    )(command)


def start_talking(ctx: click.Context) -> "Path":
    """The configuration's path, with logging set up for a service: a line per request without being asked."""
    options = cast("Globals", ctx.find_root().obj)
    options.verbose = max(options.verbose, 1)
    options.start_logging()
    collect_as_usual()
    return options.config_path


def open_app(ctx: click.Context, now: datetime | None = None) -> "App":
    """The app of the configuration named on the command line, with logging set up."""
    from carloan_notify.app import build_app

    options = cast("Globals", ctx.find_root().obj)
    options.start_logging()
    app = build_app(options.config_path, now)
    collect_as_usual()
    return app


# Problems with what came back: a line each on standard error, and an exit code that cron notices.


class Problems:
    """Prints each problem as it is told."""

    def __init__(self) -> None:
        self._any = False

    def __call__(self, problem: str) -> None:
        self._any = True
        click.echo(f"problem: {problem}", err=True)

    @property
    def exit_code(self) -> int:
        """1 once there was any."""
        return errors.EXIT_FAILED_ITEMS if self._any else errors.EXIT_OK


def print_returns(
    ctx: click.Context,
    form: str,
    rows: Callable[[Problems], Sequence[Mapping[str, Any]]],
    columns: Sequence[str] = (),
) -> None:
    """Print what came back, every problem with it, and exit with 1 if there was any."""
    from carloan_notify.reports.tables import print_rows

    problems = Problems()
    print_rows(rows(problems), sys.stdout, form, columns=columns)
    ctx.exit(problems.exit_code)


# name: (module, one line of help). Modules are imported only when their command runs or shows its own help.
COMMANDS: dict[str, tuple[str, str]] = {
    "audit": ("audit", "Verify, show or export the audit chain."),
    "certificate": ("certificate", "Settlement certificates: make, check, revoke, list."),
    "config": ("setup", "Check the configuration, print its schema or an example."),
    "credit-bureau": ("credit_bureau", "Who was told before negative data is reported, and who was not."),
    "demo": ("setup", "A whole night on a sample portfolio and the simulator."),
    "due-days": ("schedule", "Propose due days for new loans."),
    "evidence": ("evidence", "Prove to a stranger what a borrower was told; check such a proof."),
    "explain": ("night", "Why a loan gets what it gets."),
    "holds": ("holds", "Hold messages for a reason, list holds and end them."),
    "init": ("setup", "Write a config, templates, a key and a sample export: ready to run."),
    "ledger": ("ledger", "Look into the ledger and keep it well."),
    "links": ("links", "Check the links of messages, and serve the page behind them."),
    "numbers": ("numbers", "Numbers that are dead, failing or somebody else's."),
    "policy": ("policy", "The law that binds a loan, and what it does to the ladder."),
    "preview": ("night", "What would go out, and what is suppressed and why; writes nothing."),
    "promises": ("promises", "Take promises to pay, confirm them, and see whether they were kept."),
    "providers": ("providers", "List, check or try the configured providers."),
    "receipts": ("returns", "Fetch, import or take delivery receipts and replies."),
    "reconcile": ("send", "Settle messages whose fate is unknown."),
    "replies": ("returns", "Take replies, and keep the work list they make."),
    "report": ("night", "What a night did."),
    "resend": ("send", "Send one message or notice again, with a reason."),
    "run": ("night", "The night: plan, guard, queue, send, report."),
    "schedule": ("schedule", "The repayment schedule of a loan, or of terms given here."),
    "send": ("send", "Drain the outbox: send what may go now."),
    "simulate": ("simulate", "What weeks of nights would send, withhold and cost."),
    "simulator": ("setup", "A loopback provider with faults, to rehearse with."),
    "suppress": ("suppress", "Add, remove or list people who opted out."),
    "templates": ("templates", "List, lint and show templates; count segments."),
}


NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""A file could not grow: the disk or its share of it is full."""


class LazyGroup(click.Group):
    """Imports a subcommand's module only when it is needed, so that --help stays fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Every command, by name."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import the module that defines `cmd_name`; it is `NAME_command` there."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"carloan_notify.cli.{COMMANDS[cmd_name][0]}")
        found: click.Command = getattr(module, f"{cmd_name.replace('-', '_')}_command")
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """List the commands from the table, importing none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in sorted(COMMANDS)])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    "config_path",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="CARLOAN_NOTIFY_CONFIG",
    default=Path("config.yaml"),
    show_default=True,
    help="Configuration file.",
)
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("-v", "--verbose", count=True, help="More log lines (-vv: debug).")
@click.version_option(__version__, prog_name="carloan-notify")
@click.pass_context
def cli(ctx: click.Context, config_path: Path, log_format: str, verbose: int) -> None:
    """Nightly payment reminders and status messages for car-loan lenders, sent once and proven.

    \b
    Example:
      carloan-notify init my-lender
      cd my-lender
      carloan-notify preview --as-of 2026-11-23
      carloan-notify run --as-of 2026-11-23
    """
    ctx.obj = Globals(config_path, log_format, verbose)


class Globals:
    """The global options, and logging set up on first use."""

    def __init__(self, config_path: Path, log_format: str, verbose: int) -> None:
        """Keep the options; nothing is opened here."""
        self.config_path = config_path
        self.log_format = log_format
        self.verbose = verbose

    def start_logging(self) -> None:
        """Send log lines to stderr in the chosen format."""
        configure(self.log_format, self.verbose)


def report_bug(error: BaseException) -> Path:
    """Write the traceback (no variables, hence no personal data) to a private file and return its path."""
    descriptor, name = tempfile.mkstemp(prefix="carloan-notify-bug-", suffix=".log")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(
            f"carloan-notify {__version__}, Python {platform.python_version()}, {platform.platform()}\n"
        )
        file.writelines(traceback.format_tb(error.__traceback__))
        file.write(f"{type(error).__name__}\n")
    return Path(name)


# Outputs that cannot write every name: cron without a locale, an old GBK server.

_ESCAPING: Final = "carloan-notify-escape"


def _escaped(error: UnicodeError) -> tuple[str, int]:
    r"""`\u4e00` for what an encoding lacks, in pairs above U+FFFF: still true JSON, as `\U00020000` is not."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    pairs = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{pairs[place : place + 4]}" for place in range(0, len(pairs), 4)), error.end


def write_every_name(*streams: object) -> None:
    """Let no character stop a command: ASCII streams become UTF-8, as click does it; others escape what they lack.

    A stream that is no text file (a test's) stays as it is.
    """
    codecs.register_error(_ESCAPING, _escaped)
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            ascii_only = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding="utf-8" if ascii_only else None, errors=_ESCAPING)


def read_any_text(stream: object) -> None:
    """Let an ASCII input be UTF-8; what it cannot decode becomes `�`."""
    if isinstance(stream, io.TextIOWrapper):
        ascii_only = codecs.lookup(stream.encoding).name == "ascii"
        stream.reconfigure(encoding="utf-8" if ascii_only else None, errors="replace")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and exit: the one place where exceptions become exit codes."""
    gc.set_threshold(*_RARELY)
    write_every_name(sys.stdout, sys.stderr)
    read_any_text(sys.stdin)
    try:
        code = cli.main(args=arguments, prog_name="carloan-notify", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(errors.EXIT_USAGE)
    except errors.CarloanNotifyError as error:
        click.echo(f"carloan-notify: {error}", err=True)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("carloan-notify: interrupted", err=True)
        sys.exit(errors.EXIT_INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(errors.EXIT_FAILED_ITEMS)
    except Exception as error:  # noqa: BLE001 - the boundary: whatever gets here is a bug and says so
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            place = error.filename or "a file"
            click.echo(f"carloan-notify: no room to write {place}; make room, then run it again", err=True)
            sys.exit(errors.EXIT_FAILED_ITEMS)
        path = report_bug(error)
        click.echo(f"carloan-notify: a bug ({type(error).__name__}); please report it with {path}", err=True)
        sys.exit(errors.EXIT_BUG)
    sys.exit(code if isinstance(code, int) else errors.EXIT_OK)


if __name__ == "__main__":
    main()
