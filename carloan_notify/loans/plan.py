"""Everything that decides the amounts of loans with one product's terms and one repayment method."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from carloan_notify.codes import Method
from carloan_notify.loans.arrays import Dates, Flags, Ints, Texts
from carloan_notify.loans.calendar import (
    DAYS_PER_PERIOD,
    MONTHS_PER_PERIOD,
    day_of_month,
    due_dates,
    load_calendar,
    regular_start,
    within_count,
)
from carloan_notify.loans.settings import Frequency, InterestBasis, ProductTerms, ScheduleSettings
from carloan_notify.records import PPB

# Which fraction of the balance each interest period charges, as exact integers.

"""A rate of 1 (100 % a year) in parts per billion."""
YEAR_DAYS = {
    InterestBasis.ACTUAL_365: 365,
    InterestBasis.ACTUAL_360: 360,
    InterestBasis.THIRTY_360: 360,
}


@dataclass(frozen=True, eq=False)
class Periods:
    """Interest of a period = balance × numerator / denominator; both broadcast to (k, n).

    `stub_numerator` / `stub_denominator`, (n,), is the fraction charged before the first regular period;
    `regular_numerator` / `regular_denominator` is that of a period of regular length: (1, n), of the first period
    alone, where the others are regular by themselves, else (k, n).
    """

    numerator: Ints
    denominator: Ints
    stub_numerator: Ints
    stub_denominator: Ints
    regular_numerator: Ints
    regular_denominator: Ints


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
    regular = days_between(dates.regular_start_on, dates.end_on[0], basis)
    return Periods(
        regular_numerator=(regular * rate_ppb)[None, :],
        regular_denominator=np.array([[YEAR_DAYS[basis] * PPB]]),
        numerator=np.where(np.isnat(dates.end_on), 0, days) * rate_ppb,
        denominator=np.array([[YEAR_DAYS[basis] * PPB]]),
        stub_numerator=np.zeros_like(rate_ppb),
        stub_denominator=np.ones_like(rate_ppb),
    )


def _whole_periods(dates: PeriodDates, rate_ppb: Ints, terms: ProductTerms) -> Periods:
    part, year = whole_period(terms.frequency)
    whole = Periods(
        regular_numerator=(rate_ppb * part)[None, :],
        regular_denominator=np.array([[year * PPB]]),
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
        regular_numerator=np.zeros_like(counted.regular_numerator),
    )


@dataclass(frozen=True, eq=False)
class InstallmentPlan:
    """n loans with up to k rows; (k, n) arrays hold row j = installment j + 1. Money is minor units.

    `nominal_on` is the due date before the business-day shift, `original_on` also before any change; it
    goes on beyond the count, for extensions.
    Rows below `fixed` were decided before the last change and keep `fixed_principal` and `fixed_interest`.
    `level` is the equal installment (or the equal principal share) that still holds, −1 to compute it anew.
    `supplied` holds installments that the lender sets itself, −1 elsewhere. `skipped` rows pay nothing.
    `rate_ppb` is the rate in force after the last change. `fee` is one installment's own, `fees` what falls due.
    """

    terms: ProductTerms
    method: Method
    unit: int
    loan_ids: Texts
    principal: Ints
    balloon: Ints
    count: Ints
    rate_ppb: Ints
    dates: PeriodDates
    nominal_on: Dates
    original_on: Dates
    due_on: Dates
    periods: Periods
    fee: int
    fees: Ints
    supplied: Ints
    level: Ints
    flat_base: Ints
    fixed: Ints
    fixed_principal: Ints
    fixed_interest: Ints
    skipped: Flags


def plan(loans: pd.DataFrame, supplied: Ints, settings: ScheduleSettings) -> InstallmentPlan:
    """The plan of loans of one product and one method, without changes.

    `supplied` has one row per installment of the longest loan. Raises CalendarError where the product's
    convention needs a year that its calendar does not know.
    """
    terms = settings.terms_of(str(loans["product"].iloc[0]))
    count = loans["term_months"].to_numpy()
    first, due_day = _days(loans["first_due_on"]), loans["due_day"].to_numpy()
    original, nominal, due_on = _dates(loans, len(supplied), settings, terms)
    regular = regular_start(first, due_day, terms.frequency)
    disbursed = _days(loans["disbursed_on"])
    dates = PeriodDates(
        start_on=np.where(np.isnat(disbursed), regular, disbursed),
        regular_start_on=regular,
        end_on=due_on if terms.shift_moves_interest else nominal,
    )
    principal = loans["principal_minor"].to_numpy()
    rate = loans["annual_rate_ppb"].to_numpy()
    fee = settings.minor(terms.fee_per_installment)
    nothing = np.broadcast_to(np.int64(0), nominal.shape)
    return InstallmentPlan(
        terms=terms,
        method=Method(loans["repayment_method"].iloc[0]),
        unit=max(1, settings.minor(terms.installment_multiple)),
        loan_ids=loans["loan_id"].to_numpy(),
        principal=principal,
        balloon=loans["balloon_minor"].to_numpy(),
        count=count,
        rate_ppb=rate,
        dates=dates,
        nominal_on=nominal,
        original_on=original,
        due_on=due_on,
        periods=periods(dates, rate, terms),
        fee=fee,
        fees=_fees(fee, count, len(nominal)),
        supplied=supplied,
        level=np.full_like(count, -1),
        flat_base=principal,
        fixed=np.zeros_like(count),
        fixed_principal=nothing,
        fixed_interest=nothing,
        skipped=np.broadcast_to(np.bool_(False), nominal.shape),  # noqa: FBT003 - a fill value, not an option
    )


def _dates(
    loans: pd.DataFrame, rows: int, settings: ScheduleSettings, terms: ProductTerms
) -> tuple[Dates, Dates, Dates]:
    """Anchored dates of all rows, the same within the count, and shifted: once for loans that share them."""
    first_due_on, count = _days(loans["first_due_on"]), loans["term_months"].to_numpy()
    due_day = loans["due_day"].to_numpy()
    keys = np.stack([first_due_on.astype(np.int64), due_day, count])
    combined = (keys[0] * 32 + keys[1]) * 1024 + keys[2]
    _, one, shared_by = np.unique(combined, return_index=True, return_inverse=True)
    path = due_dates(first_due_on[one], due_day[one], rows, terms.frequency)
    nominal = within_count(path, count[one])
    due_on = load_calendar(settings.calendar_of(terms)).adjust(nominal, terms.convention)
    spread = nominal.take(shared_by, axis=1)
    shifted = spread if due_on is nominal else due_on.take(shared_by, axis=1)
    goes_on = spread if (count == rows).all() else path.take(shared_by, axis=1)
    return goes_on, spread, shifted


def _fees(fee_minor: int, count: Ints, rows: int) -> Ints:
    if fee_minor == 0:
        return np.zeros((rows, len(count)), dtype=np.int64)
    return np.where(np.arange(rows)[:, None] < count, fee_minor, 0)


def _days(dates: "pd.Series[pd.Timestamp]") -> Dates:
    return dates.to_numpy().astype("datetime64[D]")
