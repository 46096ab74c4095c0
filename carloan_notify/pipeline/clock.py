"""The clock of a run. Everything below the pipeline is told the time; only this file and the CLI read it."""

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Now, as aware UTC. Providers always get this one: a rehearsal does not change what time it is for them."""
    return datetime.now(UTC)


def rehearsal_clock(start: datetime) -> Clock:
    """A clock that starts at `start` (aware) and runs at the true speed: `--now`, for rehearsals and tests."""
    began = time.monotonic()
    return lambda: start.astimezone(UTC) + timedelta(seconds=time.monotonic() - began)


def business_date(now: datetime, timezone: str) -> date:
    """The date in the lender's own zone: the as-of date where none is given."""
    return now.astimezone(ZoneInfo(timezone)).date()
