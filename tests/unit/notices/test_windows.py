"""Contact hours: whatever the zone and the clock change, no instant of a span lies outside the window."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carloan_notify.codes import Reason
from carloan_notify.notices.hours import ContactSpan, Window, intersect, parse_window, span_on, zone_named
from carloan_notify.notices.law_settings import Shut
from carloan_notify.notices.release import Tonight, first_span

ZONES = [
    "Asia/Shanghai",
    "America/New_York",
    "Europe/Berlin",
    "America/Havana",  # clocks change at midnight
    "Africa/Cairo",
    "Australia/Lord_Howe",  # by half an hour
    "Antarctica/Troll",  # by two hours
    "Asia/Kathmandu",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
]
CHANGES = [  # days on or near which clocks change somewhere
    date(2026, 3, 8),
    date(2026, 3, 29),
    date(2026, 4, 5),
    date(2026, 4, 24),
    date(2026, 10, 4),
    date(2026, 10, 25),
    date(2026, 10, 29),
    date(2026, 11, 1),
]
days = st.dates(date(2024, 1, 1), date(2030, 12, 31)) | st.sampled_from(CHANGES)
windows = st.tuples(st.integers(0, 1439), st.integers(1, 1440)).filter(lambda pair: pair[0] < pair[1])


def within(instant: datetime, day: date, window: Window, zone: ZoneInfo) -> bool:
    """Plain twin: does a clock on that wall show a time of the window, on that day?"""
    wall = instant.astimezone(zone)
    return wall.date() == day and window.start <= wall.hour * 60 + wall.minute < window.end


@settings(max_examples=400, deadline=None)
@given(days, windows, st.sampled_from(ZONES))
def test_every_instant_of_a_span_is_inside_the_window(day: date, pair: tuple[int, int], name: str) -> None:
    zone, window = ZoneInfo(name), Window(*pair)
    span = span_on(day, window, zone)
    if span is None:
        return
    step = max((span.closes - span.opens) / 40, timedelta(seconds=1))
    moments = [span.opens + step * number for number in range(41)]
    inside = [moment for moment in moments if moment < span.closes] + [span.closes - timedelta(seconds=1)]
    assert all(within(moment, day, window, zone) for moment in inside)


@settings(max_examples=150, deadline=None)
@given(days, st.sampled_from(ZONES), st.integers(4 * 60, 12 * 60))
def test_the_whole_window_is_used_when_clocks_do_not_change_in_it(day: date, name: str, start: int) -> None:
    span = span_on(day, Window(start, start + 120), ZoneInfo(name))
    assert span is not None
    assert span.closes - span.opens == timedelta(hours=2)


@settings(max_examples=300, deadline=None)
@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds
    st.integers(-3, 3),
    windows,
    st.sampled_from(ZONES),
    st.integers(0, 3),
    st.frozensets(st.integers(-1, 4), max_size=3),
)
def test_a_release_is_never_before_now_and_never_at_night(
    now: datetime, ahead: int, pair: tuple[int, int], name: str, nights_left: int, closed_days: frozenset[int]
) -> None:
    zone, window = ZoneInfo(name), Window(*pair)
    today = now.astimezone(zone).date()
    as_of = today + timedelta(days=ahead)
    closed = frozenset(max(today, as_of) + timedelta(days=number) for number in closed_days)
    found = first_span(
        lambda day: Shut() if day in closed else window, name, Tonight(now, as_of), nights_left
    )
    days = [as_of + timedelta(days=number) for number in range(nights_left + 1)]
    open_days = [day for day in days if day >= today and day not in closed]
    if isinstance(found, ContactSpan):
        day = found.opens.astimezone(zone).date()
        assert found.opens >= now.replace(microsecond=0)  # a run within the hours may send at once
        assert day in open_days
        assert within(found.opens, day, window, zone)
        assert within(found.closes - timedelta(seconds=1), day, window, zone)
    else:
        assert found == (Reason.TOO_LATE if open_days or days[-1] < today else Reason.NO_CONTACT_DATE)
        assert all(over(day, window, zone, now) for day in open_days)


def over(day: date, window: Window, zone: ZoneInfo, now: datetime) -> bool:
    """Whether the window of that day is over, or a clock change may have taken it."""
    hour = timedelta(hours=3)
    last = datetime.combine(day, time.min, zone) + timedelta(minutes=window.end)
    changes = zone.utcoffset(last - hour) != zone.utcoffset(last + hour) or day in CHANGES
    return changes or last.astimezone(UTC) <= now + timedelta(seconds=1)


def test_a_window_that_the_clock_skips_is_no_window() -> None:
    assert span_on(date(2026, 3, 8), Window(2 * 60 + 10, 2 * 60 + 50), ZoneInfo("America/New_York")) is None


def test_a_window_inside_the_repeated_hour_opens_once() -> None:
    span = span_on(date(2026, 11, 1), Window(70, 100), ZoneInfo("America/New_York"))
    assert span == ContactSpan(
        datetime(2026, 11, 1, 6, 10, tzinfo=UTC), datetime(2026, 11, 1, 6, 40, tzinfo=UTC)
    )


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("08:00-21:00", Window(480, 1260)),
        ("00:00-24:00", Window(0, 1440)),
        ("21:00-08:00", None),
        ("8:00-21:00", None),
        ("08:00-24:30", None),
        ("", None),
        ("08:00-21:00\n", None),
    ],
)
def test_a_window_is_read_strictly(text: str, window: Window | None) -> None:
    assert parse_window(text) == window


def test_windows_have_the_time_common_to_all() -> None:
    assert intersect(Window(0, 100), Window(50, 200), Window(40, 90)) == Window(50, 90)
    assert intersect(Window(0, 50), Window(50, 100)) is None


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../etc/passwd", "Asia", "/etc/localtime"])
def test_an_unknown_zone_is_none(name: str) -> None:
    assert zone_named(name) is None
