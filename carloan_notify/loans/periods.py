"""Which fraction of the balance each interest period charges, as exact integers."""

from dataclasses import dataclass, replace

import numpy as np

from carloan_notify.loans.due_dates import DAYS_PER_PERIOD, MONTHS_PER_PERIOD, day_of_month
from carloan_notify.loans.grid import Dates, Ints
from carloan_notify.loans.settings import Frequency, InterestBasis, ProductTerms

PPB = 1_000_000_000
"""A rate of 1 (100 % a year) in parts per billion."""
YEAR_DAYS = {
    InterestBasis.ACTUAL_365: 365,
    InterestBasis.ACTUAL_360: 360,
    InterestBasis.THIRTY_360: 360,
}


@dataclass(frozen=True, eq=False)
class Periods:
    """Interest of a period = balance × numerator / denominator; both broadcast to (k, n).

    `stub_numerator` / `stub_denominator`, (n,), is the fraction charged before the first regular period.
    """

    numerator: Ints
    denominator: Ints
    stub_numerator: Ints
    stub_denominator: Ints


def days_30_360(start: Dates, end: Dates) -> Ints:
    """Days by 30E/360 (ISDA 2006, 4.16(g)): every month has 30 days, the 31st counts as the 30th."""
    months = (end.astype("datetime64[M]") - start.astype("datetime64[M]")).astype(np.int64)
    days: Ints = months * 30 + np.minimum(day_of_month(end), 30) - np.minimum(day_of_month(start), 30)
    return days


def days_between(start: Dates, end: Dates, basis: InterestBasis) -> Ints:
    """Days of a period as the basis counts them; the dates must not be NaT."""
    if basis is InterestBasis.THIRTY_360:
        return days_30_360(start, end)
    days: Ints = (end - start).astype(np.int64)
    return days


def whole_period(frequency: Frequency) -> tuple[int, int]:
    """The part of a year that one whole period counts under rate/12: 1/12, 3/12, 7/365 or 14/365."""
    if frequency in DAYS_PER_PERIOD:
        return DAYS_PER_PERIOD[frequency], 365
    return MONTHS_PER_PERIOD[frequency], 12


def whole_denominator(terms: ProductTerms) -> int:
    """The denominator of a regular period's fraction."""
    if terms.interest_basis is InterestBasis.RATE_12:
        return whole_period(terms.frequency)[1] * PPB
    return YEAR_DAYS[terms.interest_basis] * PPB


@dataclass(frozen=True, eq=False)
class PeriodDates:
    """What interest is counted between: first day, regular first day (n,) and each period's end (k, n)."""

    start_on: Dates
    regular_start_on: Dates
    end_on: Dates


def periods(dates: PeriodDates, rate_ppb: Ints, terms: ProductTerms) -> Periods:
    """Every period's interest fraction under the product's terms; 0 where a date is NaT."""
    if terms.interest_basis is InterestBasis.RATE_12:
        counted = _whole_periods(dates, rate_ppb, terms)
    else:
        counted = _counted_days(dates, rate_ppb, terms.interest_basis)
    return _without_free(counted, len(dates.end_on), terms.interest_free_periods)


def starts(start_on: Dates, end_on: Dates) -> Dates:
    """The first day of every period: where the one before ended; shape of `end_on`."""
    return np.concatenate([start_on[None, :], end_on[:-1]])[: len(end_on)]


def _counted_days(dates: PeriodDates, rate_ppb: Ints, basis: InterestBasis) -> Periods:
    days = days_between(starts(dates.start_on, dates.end_on), dates.end_on, basis)
    return Periods(
        numerator=np.where(np.isnat(dates.end_on), 0, days) * rate_ppb,
        denominator=np.array([[YEAR_DAYS[basis] * PPB]]),
        stub_numerator=np.zeros_like(rate_ppb),
        stub_denominator=np.ones_like(rate_ppb),
    )


def _whole_periods(dates: PeriodDates, rate_ppb: Ints, terms: ProductTerms) -> Periods:
    part, year = whole_period(terms.frequency)
    whole = Periods(
        numerator=(rate_ppb * part)[None, :],
        denominator=np.array([[year * PPB]]),
        stub_numerator=np.zeros_like(rate_ppb),
        stub_denominator=np.ones_like(rate_ppb),
    )
    if terms.stub == "none":
        return whole
    if terms.stub == "pro_rata":
        return _first_pro_rata(whole, dates)
    basis = InterestBasis(terms.stub)
    stub_days = days_between(dates.start_on, dates.regular_start_on, basis)
    return replace(
        whole,
        stub_numerator=rate_ppb * stub_days,
        stub_denominator=np.full_like(rate_ppb, YEAR_DAYS[basis] * PPB),
    )


def _first_pro_rata(whole: Periods, dates: PeriodDates) -> Periods:
    """The first period charges its actual days over the regular period's days."""
    numerator = np.broadcast_to(whole.numerator, dates.end_on.shape).copy()
    denominator = np.broadcast_to(whole.denominator, dates.end_on.shape).copy()
    numerator[0] *= (dates.end_on[0] - dates.start_on).astype(np.int64)
    denominator[0] *= (dates.end_on[0] - dates.regular_start_on).astype(np.int64)
    return replace(whole, numerator=numerator, denominator=denominator)


def _without_free(counted: Periods, rows: int, free: int) -> Periods:
    """The same with the first `free` periods charging nothing."""
    if free == 0:
        return counted
    charged = np.arange(rows)[:, None] >= free
    return replace(
        counted,
        numerator=np.where(charged, counted.numerator, 0),
        stub_numerator=np.zeros_like(counted.stub_numerator),
    )
