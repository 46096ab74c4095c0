"""Due dates and day counts against plain twins and QuantLib."""

from datetime import date
from typing import Any

import numpy as np
import pytest
import QuantLib as ql  # noqa: N813 - its documentation's own abbreviation
from hypothesis import given, settings
from hypothesis import strategies as st

from carloan_notify.loans.calendar import due_dates, load_calendar, regular_start
from carloan_notify.loans.plan import days_between
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


def serial(days: "np.ndarray[tuple[int, ...], np.dtype[np.datetime64]]") -> list[Any]:
    """QuantLib counts days from 30 December 1899."""
    counted: list[Any] = ((days - np.datetime64("1899-12-30")).astype(np.int64)).tolist()
    return counted


QUANTLIB = {
    Convention.UNADJUSTED: ql.Unadjusted,
    Convention.FOLLOWING: ql.Following,
    Convention.MODIFIED_FOLLOWING: ql.ModifiedFollowing,
    Convention.PRECEDING: ql.Preceding,
}


@pytest.mark.parametrize("convention", list(QUANTLIB))
def test_fifty_two_thousand_whole_schedules_agree_with_quantlibs_own_builder(convention: Convention) -> None:
    """13,000 random monthly schedules per convention, every due date of each, month ends included.

    QuantLib's Schedule with its end-of-month rule off clamps and comes back as ours does.
    """
    rng, count, installments = np.random.default_rng(3), 13_000, 14
    first = np.datetime64("2000-01-01") + rng.integers(0, 9000, count)
    first[::9] = (first[::9].astype("datetime64[M]") + 1).astype("datetime64[D]") - 1
    ours = due_dates(first, np.zeros(count, dtype=np.int64), installments, Frequency.MONTHLY)
    ours = load_calendar(CalendarSettings()).adjust(ours, convention)
    calendar, name = ql.WeekendsOnly(), QUANTLIB[convention]
    month, whole = ql.Period(ql.Monthly), ql.Period(installments - 1, ql.Months)
    for start, dates in zip(serial(first), serial(ours.T), strict=True):
        begin = ql.Date(start)
        theirs = ql.Schedule(
            begin,
            begin + whole,
            month,
            calendar,
            name,
            name,
            ql.DateGeneration.Forward,
            False,  # noqa: FBT003 - QuantLib takes positions only
        )
        assert dates == [found.serialNumber() for found in theirs]
