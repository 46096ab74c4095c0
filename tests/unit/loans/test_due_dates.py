"""Due dates and day counts against plain twins and QuantLib."""

from datetime import date

import numpy as np
import pytest
import QuantLib as ql  # noqa: N813 - its documentation's own abbreviation
from hypothesis import given, settings
from hypothesis import strategies as st

from carloan_notify.loans.calendars import load_calendar
from carloan_notify.loans.due_dates import due_dates, regular_start
from carloan_notify.loans.periods import days_between
from carloan_notify.loans.settings import CalendarSettings, Convention, Frequency, InterestBasis
from tests.unit.loans.plain_schedule import plain_days, plain_due_dates
from tests.unit.loans.plain_schedule import regular_start as plain_start

dates_ = st.dates(date(1995, 1, 1), date(2080, 12, 31))


@settings(max_examples=1000, deadline=None)
@given(first=dates_, due_day=st.integers(0, 31), frequency=st.sampled_from(Frequency))
def test_due_dates_keep_the_anchor(first: date, due_day: int, frequency: Frequency) -> None:
    starts = np.array([first], dtype="datetime64[D]")
    ours = due_dates(starts, np.array([due_day]), 30, frequency)[:, 0].tolist()
    assert ours == plain_due_dates(first, due_day, 30, frequency)
    began = regular_start(starts, np.array([due_day]), frequency)[0]
    assert began.astype(object) == plain_start(first, due_day, frequency)


@settings(max_examples=1000, deadline=None)
@given(start=dates_, end=dates_, basis=st.sampled_from(InterestBasis))
def test_day_counts_equal_the_plain_twin_and_quantlib(start: date, end: date, basis: InterestBasis) -> None:
    ours = int(days_between(np.datetime64(start, "D"), np.datetime64(end, "D"), basis))  # type: ignore[arg-type]
    assert ours == plain_days(start, end, basis)
    if basis is InterestBasis.THIRTY_360:
        theirs = ql.Thirty360(ql.Thirty360.EurobondBasis)
        assert ours == theirs.dayCount(
            ql.Date(start.day, start.month, start.year), ql.Date(end.day, end.month, end.year)
        )


def serial(days: "np.ndarray[tuple[int, ...], np.dtype[np.datetime64]]") -> list[int]:
    """QuantLib counts days from 30 December 1899."""
    counted: list[int] = ((days - np.datetime64("1899-12-30")).astype(np.int64)).tolist()
    return counted


@pytest.mark.parametrize("convention", [Convention.UNADJUSTED, Convention.FOLLOWING, Convention.PRECEDING])
def test_fifty_thousand_schedules_agree_with_quantlib(convention: Convention) -> None:
    """Every due date of 17,000 random monthly schedules per convention, month ends included."""
    rng = np.random.default_rng(3)
    count = 17_000
    first = np.datetime64("2000-01-01") + rng.integers(0, 9000, count)
    first[::9] = (first[::9].astype("datetime64[M]") + 1).astype("datetime64[D]") - 1
    row = rng.integers(0, 84, count)
    ours = due_dates(first, np.zeros(count, dtype=np.int64), 84, Frequency.MONTHLY)[row, np.arange(count)]
    ours = load_calendar(CalendarSettings()).adjust(ours, convention)
    weekends = ql.WeekendsOnly()
    name = {
        Convention.UNADJUSTED: ql.Unadjusted,
        Convention.FOLLOWING: ql.Following,
        Convention.PRECEDING: ql.Preceding,
    }[convention]
    theirs = [
        weekends.adjust(ql.Date(start) + ql.Period(step, ql.Months), name).serialNumber()
        for start, step in zip(serial(first), row.tolist(), strict=True)
    ]
    assert serial(ours) == theirs


def test_whole_schedules_agree_with_quantlibs_own_builder() -> None:
    """QuantLib's Schedule with the end-of-month rule off clamps and comes back as ours does."""
    for day in ("2023-01-31", "2024-01-30", "2023-08-29", "2024-02-29"):
        first = np.array([day], dtype="datetime64[D]")
        ours = due_dates(first, np.array([0]), 25, Frequency.MONTHLY)[:, 0]
        begin = ql.Date(serial(first)[0])
        theirs = ql.Schedule(
            begin,
            begin + ql.Period(24, ql.Months),
            ql.Period(ql.Monthly),
            ql.NullCalendar(),
            ql.Unadjusted,
            ql.Unadjusted,
            ql.DateGeneration.Forward,
            False,  # noqa: FBT003 - QuantLib takes positions only
        )
        assert serial(ours) == [found.serialNumber() for found in theirs]
