"""Contact hours: a window of local wall-clock time and the instants it covers on one day in one time zone."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

WINDOW_PATTERN = r"^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)$"
MINUTES_PER_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class Window:
    """Minutes after local midnight, `start` ≤ t < `end` ≤ 1440. Never over midnight."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ContactSpan:
    """The instants (aware, UTC) `opens` ≤ t < `closes` of a window on one day."""

    opens: datetime
    closes: datetime


@lru_cache(maxsize=4096)
def parse_window(text: str) -> Window | None:
    """`HH:MM-HH:MM` as a window; None when the text is no window or ends before it starts."""
    if not re.fullmatch(WINDOW_PATTERN, text):
        return None
    start, end = (int(part[:2]) * 60 + int(part[3:]) for part in text.split("-"))
    return Window(start, end) if start < end else None


def intersect(*windows: Window) -> Window | None:
    """The time common to all windows; None when they share none. At least one window."""
    start, end = max(window.start for window in windows), min(window.end for window in windows)
    return Window(start, end) if start < end else None


@lru_cache(maxsize=1024)
def zone_named(name: str) -> ZoneInfo | None:
    """The IANA time zone of that name; None when it is blank or unknown."""
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):
        return None


def span_on(day: date, window: Window, zone: ZoneInfo) -> ContactSpan | None:
    """When the window is open on a local day; None when the clock change leaves nothing of it.

    A wall-clock time that a clock change skips or repeats has two readings. The opening takes the later one
    and the closing the earlier one, so that every instant between them lies inside the window.
    """
    opens = max(_readings(day, window.start, zone))
    ends = _readings(day, window.end, zone)
    for closes in (min(ends), max(ends)):
        if opens < closes and _inside(opens, closes, day, window, zone):
            return ContactSpan(opens, closes)
    return None


def _readings(day: date, minute: int, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Both instants (fold 0 and 1) of a local wall-clock minute; equal on all but two days a year."""
    wall = datetime.combine(day, datetime.min.time()) + timedelta(minutes=minute)
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return first, second


def _inside(opens: datetime, closes: datetime, day: date, window: Window, zone: ZoneInfo) -> bool:
    """Whether the first and the last second of the span are within the window on that local day."""
    return all(
        wall.date() == day and window.start <= wall.hour * 60 + wall.minute < window.end
        for wall in (opens.astimezone(zone), (closes - timedelta(seconds=1)).astimezone(zone))
    )
