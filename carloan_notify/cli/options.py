"""Options that several commands share, and the house that they open."""

from collections.abc import Callable
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

if TYPE_CHECKING:
    from pathlib import Path

    from carloan_notify.cli.main import Globals
    from carloan_notify.pipeline.build import House

Command = TypeVar("Command", bound=Callable[..., Any])


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
    return options.config_path


def open_house(ctx: click.Context, now: datetime | None = None) -> "House":
    """The house of the configuration named on the command line, with logging set up."""
    from carloan_notify.pipeline.build import build_house

    options = cast("Globals", ctx.find_root().obj)
    options.start_logging()
    return build_house(options.config_path, now)
