"""Due dates from an anchor: the contract's due day in every month, never stepped from the date before."""

import numpy as np

from carloan_notify.loans.grid import NO_DATE, Dates, Ints
from carloan_notify.loans.settings import Frequency

MONTHS_PER_PERIOD = {Frequency.MONTHLY: 1, Frequency.QUARTERLY: 3}
DAYS_PER_PERIOD = {Frequency.WEEKLY: 7, Frequency.BIWEEKLY: 14}


def day_of_month(dates: Dates) -> Ints:
    """1 … 31; the dates must not be NaT."""
    day: Ints = (dates - dates.astype("datetime64[M]")).astype(np.int64) + 1
    return day


def in_month(months: Dates, day: Ints) -> Dates:
    """The day of month in each month, or the month's last day where it is shorter (Civil Code art. 202)."""
    first = months.astype("datetime64[D]")
    length = ((months + 1).astype("datetime64[D]") - first).astype(np.int64)
    dates: Dates = first + (np.minimum(day, length) - 1)
    return dates


def add_months(dates: Dates, months: Ints | int) -> Dates:
    """The month (unit M) that lies so many months after each date's own."""
    later: Dates = np.add(dates.astype("datetime64[M]"), months)
    return later


def anchor_day(first_due_on: Dates, due_day: Ints) -> Ints:
    """The day that later due dates keep: `due_day`, or the first due date's own where it is 0."""
    return np.where(due_day > 0, due_day, day_of_month(first_due_on))


def due_dates(first_due_on: Dates, due_day: Ints, rows: int, frequency: Frequency) -> Dates:
    """The first `rows` due dates of each loan, shape (rows, n), before any business-day shift.

    The first is `first_due_on` as given. Monthly and quarterly ones then fall on the anchor day of their
    month, clamped to its end (31 January, 28 February, 31 March); weekly and two-weekly ones step from the
    first.
    """
    steps = np.arange(rows)[:, None]
    if frequency in DAYS_PER_PERIOD:
        return first_due_on + steps * DAYS_PER_PERIOD[frequency]
    months = add_months(first_due_on, steps * MONTHS_PER_PERIOD[frequency])
    dates = in_month(months, anchor_day(first_due_on, due_day))
    dates[:1] = first_due_on
    return dates


def regular_start(first_due_on: Dates, due_day: Ints, frequency: Frequency) -> Dates:
    """One regular period before the first due date: where the first period would begin without a stub."""
    if frequency in DAYS_PER_PERIOD:
        return first_due_on - DAYS_PER_PERIOD[frequency]
    month = first_due_on.astype("datetime64[M]")
    anchor = anchor_day(first_due_on, due_day)
    kept = np.where(in_month(month, anchor) == first_due_on, anchor, day_of_month(first_due_on))
    return in_month(month - MONTHS_PER_PERIOD[frequency], kept)


def within_count(dates: Dates, count: Ints) -> Dates:
    """The same dates, NaT beyond each loan's number of installments."""
    return np.where(np.arange(len(dates))[:, None] < count, dates, NO_DATE)
