"""When a notice may reach its person: contact hours in the person's own time zone, once per kind."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

import pandas as pd

from carloan_notify.codes import Reason
from carloan_notify.notices.hours import ContactSpan, Window, intersect, parse_window, span_on, zone_named
from carloan_notify.notices.settings import PolicySettings, permitted_hours

INSTANT: Final = "datetime64[s, UTC]"


class NoticeKind(NamedTuple):
    """What decides when a notice may go out; the names are columns of NOTICES."""

    timezone: str
    channel: str
    message_class: str
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

    Between the two every instant lies inside the hours of one local day, so that a message that waits can
    never leave at night. That day is the business date or one of the `catch_up_days` days after it, the first
    on which contact is permitted and the hours are not over. A run that comes late (a make-up of last night)
    gains no days by that: they count from the business date, not from today.

    Raises:
        ConfigError: a rule's own window shares no time with the policy's hours.
    """
    columns = list(NoticeKind._fields)
    kinds = notices[columns].drop_duplicates(ignore_index=True)
    found = [
        _release(NoticeKind(*values), policy, tonight) for values in kinds.itertuples(index=False, name=None)
    ]
    kinds["reason"] = pd.Series([one.value if isinstance(one, Reason) else "" for one in found], dtype="str")
    kinds["not_before"] = _instants([one.opens if isinstance(one, ContactSpan) else None for one in found])
    kinds["expires_at"] = _instants([one.closes if isinstance(one, ContactSpan) else None for one in found])
    times = notices[columns].merge(kinds, on=columns, how="left").set_axis(notices.index)
    return times[["reason", "not_before", "expires_at"]]


def first_span(
    window: Window, zone_name: str, tonight: Tonight, nights_left: int, closed: frozenset[date]
) -> ContactSpan | Reason:
    """The first span of the window still to come, cut off at the full second of now, or why there is none.

    Cut down, not up: a run within the hours may send at once.
    """
    zone = zone_named(zone_name)
    if zone is None:
        return Reason.TIMEZONE_UNKNOWN
    today = tonight.now.astimezone(zone).date()
    days = [tonight.as_of + timedelta(days=later) for later in range(nights_left + 1)]
    if days[-1] < today:
        return Reason.TOO_LATE
    days = [day for day in days if day >= today and day not in closed]
    whole_second = tonight.now.replace(microsecond=0)
    for span in (span_on(day, window, zone) for day in days):
        if span is not None and span.closes > tonight.now:
            return ContactSpan(max(span.opens, whole_second), span.closes)
    return Reason.TOO_LATE if days else Reason.NO_CONTACT_DATE


def _release(kind: NoticeKind, policy: PolicySettings, tonight: Tonight) -> ContactSpan | Reason:
    permitted = permitted_hours(policy, kind.channel, kind.message_class, kind.window)
    if kind.preferred_hours:
        preferred = parse_window(kind.preferred_hours)
        if preferred is None:
            return Reason.PREFERRED_HOURS_UNREADABLE
        common = intersect(permitted, preferred)
        if common is None:
            return Reason.PREFERRED_HOURS_OUTSIDE
        permitted = common
    return first_span(permitted, kind.timezone, tonight, kind.catch_up_days, policy.no_contact_dates)


def _instants(times: list[datetime | None]) -> pd.Series:
    return pd.Series(times, dtype=INSTANT)
