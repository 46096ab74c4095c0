"""Everything that decides the amounts of loans with one product's terms and one repayment method."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from carloan_notify.loans.calendars import load_calendar
from carloan_notify.loans.due_dates import due_dates, regular_start, within_count
from carloan_notify.loans.grid import Dates, Flags, Ints, Texts
from carloan_notify.loans.periods import PeriodDates, Periods, periods
from carloan_notify.loans.settings import Method, ProductTerms, ScheduleSettings


@dataclass(frozen=True, eq=False)
class Plan:
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


def plan(loans: pd.DataFrame, supplied: Ints, settings: ScheduleSettings) -> Plan:
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
    return Plan(
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
