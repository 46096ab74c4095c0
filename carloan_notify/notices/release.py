"""When a notice may reach its person: contact hours in the person's own time zone, once per kind."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Final, NamedTuple

import pandas as pd

from carloan_notify import frames
from carloan_notify.codes import Reason
from carloan_notify.notices.hours import ContactSpan, Window, intersect, parse_window, span_on, zone_named
from carloan_notify.notices.law import Timetable, Whom, whom
from carloan_notify.notices.law_settings import Shut
from carloan_notify.notices.settings import PolicySettings

INSTANT: Final = "datetime64[s, UTC]"


class NoticeKind(NamedTuple):
    """What decides when a notice may go out; the names are columns of NOTICES."""

    timezone: str
    window: str
    preferred_hours: str
    catch_up_days: int


@dataclass(frozen=True, slots=True)
class Tonight:
    """The clock (`now`, aware UTC) and the business date of a run."""

    now: datetime
    as_of: date


def releases(notices: pd.DataFrame, policy: PolicySettings, tonight: Tonight) -> pd.DataFrame:
    """Per notice: `reason` ("" when there is a time for it), `not_before`, `expires_at` (INSTANT, else NaT).

    Between the two every instant lies inside the hours of one local day, by the lender's own policy and by the law of
    where the person is, so that a message that waits can never leave at night. That day is the business date or one
    of the `catch_up_days` days after it, the first on which contact is permitted and the hours are not over. A run
    that comes late (a make-up of last night) gains no days by that: they count from the business date, not from today.
    """
    whose = whom(notices, policy).assign(**{name: notices[name] for name in NoticeKind._fields})
    columns = list(whose.columns)
    kinds = whose.drop_duplicates(ignore_index=True)
    timetables: dict[tuple[Whom, str], Timetable] = {}
    found = []
    for values in kinds.itertuples(index=False, name=None):
        person, kind = Whom(*values[: len(Whom._fields)]), NoticeKind(*values[len(Whom._fields) :])
        timetable = timetables.setdefault((person, kind.window), Timetable(policy, person, kind.window))
        found.append(_release(kind, timetable, tonight))
    kinds["reason"] = pd.Series([one.value if isinstance(one, Reason) else "" for one in found], dtype="str")
    kinds["not_before"] = _instants([one.opens if isinstance(one, ContactSpan) else None for one in found])
    kinds["expires_at"] = _instants([one.closes if isinstance(one, ContactSpan) else None for one in found])
    times = whose.merge(kinds, on=columns, how="left").set_axis(notices.index)
    return times[["reason", "not_before", "expires_at"]]


Hours = Callable[[date], Window | Shut]
"""The hours of a local day."""


def first_span(hours: Hours, zone_name: str, tonight: Tonight, nights_left: int) -> ContactSpan | Reason:
    """The first span of these hours still to come, cut off at the full second of now, or why there is none.

    Cut down, not up: a run within the hours may send at once.
    """
    zone = zone_named(zone_name)
    if zone is None:
        return Reason.TIMEZONE_UNKNOWN
    today = tonight.now.astimezone(zone).date()
    days = [tonight.as_of + timedelta(days=later) for later in range(nights_left + 1)]
    if days[-1] < today:
        return Reason.TOO_LATE
    found = [(day, hours(day)) for day in days if day >= today]
    whole_second = tonight.now.replace(microsecond=0)
    for day, window in found:
        span = span_on(day, window, zone) if isinstance(window, Window) else None
        if span is not None and span.closes > tonight.now:
            return ContactSpan(max(span.opens, whole_second), span.closes)
    return _why_not([window for _, window in found])


def _why_not(windows: Sequence[Window | Shut]) -> Reason:
    """Why there is no time on these days: their hours are over, they have none, or nobody knows which they have."""
    if any(isinstance(window, Window) for window in windows):
        return Reason.TOO_LATE
    unknown = any(isinstance(window, Shut) and window.unknown for window in windows)
    return Reason.HOLIDAYS_UNKNOWN if unknown else Reason.NO_CONTACT_DATE


def _release(kind: NoticeKind, timetable: Timetable, tonight: Tonight) -> ContactSpan | Reason:
    if not timetable.ever_open:
        return Reason.HOURS_OUTSIDE
    if not kind.preferred_hours:
        return first_span(timetable.on, kind.timezone, tonight, kind.catch_up_days)
    preferred = parse_window(kind.preferred_hours)
    if preferred is None:
        return Reason.PREFERRED_HOURS_UNREADABLE
    if not any(intersect(window, preferred) for window in timetable.open_weekdays):
        return Reason.PREFERRED_HOURS_OUTSIDE
    return first_span(partial(_narrowed, timetable, preferred), kind.timezone, tonight, kind.catch_up_days)


def _narrowed(timetable: Timetable, preferred: Window, day: date) -> Window | Shut:
    """The hours of a day that a person prefers."""
    window = timetable.on(day)
    return window if isinstance(window, Shut) else intersect(window, preferred) or Shut()


def local_dates(instants: pd.Series, zones: pd.Series, otherwise: str = "UTC") -> pd.Series:
    """The date (frames.DATE) on which each instant falls in its time zone; `otherwise` where a zone is not known."""
    found = pd.Series(pd.NaT, index=instants.index, dtype=frames.DATE)
    for name in zones.unique():
        mine = zones == name
        local = instants[mine].dt.tz_convert(zone_named(name) or zone_named(otherwise))
        found[mine] = local.dt.tz_localize(None).dt.normalize().astype(frames.DATE)
    return found


def _instants(times: list[datetime | None]) -> pd.Series:
    return pd.Series(times, dtype=INSTANT)
