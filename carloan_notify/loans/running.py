"""A plan on its way through its changes: where its due dates lead and which rate holds from which day."""

from dataclasses import dataclass, replace

import numpy as np

from carloan_notify.loans.arrays import Dates, Flags, Ints, Texts, mul_div
from carloan_notify.loans.calendar import DAYS_PER_PERIOD, MONTHS_PER_PERIOD, add_months, anchor_day, in_month
from carloan_notify.loans.change_requests import ChangeType, Mode
from carloan_notify.loans.methods import METHODS
from carloan_notify.loans.plan import YEAR_DAYS, InstallmentPlan, days_between, whole_period
from carloan_notify.loans.settings import InterestBasis
from carloan_notify.records import PPB


@dataclass(frozen=True, eq=False)
class Running:
    """n changed loans and where their due dates and rates lead.

    The path gives the due date of any row: `path_on` is row 0's month (or date), `path_day` the anchor day.
    `regular_end_on` is where a period would have ended had no change moved it. `rate_steps` are the days on
    which the rate moves (NaT: never) and by how much. Rows below `locked` may not change again,
    except that the last of them takes further prepayments.
    """

    plan: InstallmentPlan
    path_on: Dates
    path_day: Ints
    regular_end_on: Dates
    rate_steps: tuple[tuple[Dates, Ints], ...]
    locked: Ints


@dataclass(frozen=True, eq=False)
class Asked:
    """One change per loan, shape (n,); `kind` is "" where a loan has none in this round."""

    kind: Texts
    mode: Texts
    number: Ints
    effective_on: Dates
    on: Dates

    def of(self, *kinds: ChangeType) -> Flags:
        """Where the change is of one of these types."""
        return np.isin(self.kind, [kind.value for kind in kinds])

    def how(self, mode: Mode) -> Flags:
        """Where the change has this mode."""
        flags: Flags = self.mode == mode.value
        return flags


def running(plan: InstallmentPlan, due_day: Ints) -> Running:
    """The state before any change."""
    first = plan.nominal_on[0]
    stepped = plan.terms.frequency in DAYS_PER_PERIOD
    return Running(
        plan=plan,
        path_on=first if stepped else first.astype("datetime64[M]").astype("datetime64[D]"),
        path_day=anchor_day(first, due_day),
        regular_end_on=plan.dates.end_on,
        rate_steps=((np.full(first.shape, np.datetime64("0001-01-01", "D")), plan.rate_ppb),),
        locked=np.zeros_like(plan.count),
    )


def path_dates(state: Running) -> Dates:
    """The due date of every row on the path, shape (k, n), before any business-day shift."""
    frequency, rows = state.plan.terms.frequency, np.arange(len(state.plan.nominal_on))[:, None]
    if frequency in DAYS_PER_PERIOD:
        stepped: Dates = state.path_on + rows * DAYS_PER_PERIOD[frequency]
        return stepped
    return in_month(add_months(state.path_on, rows * MONTHS_PER_PERIOD[frequency]), state.path_day)


def later_path(path_on: Dates, state: Running, periods: Ints | int) -> Dates:
    """The path's row 0 moved by whole periods."""
    frequency = state.plan.terms.frequency
    if frequency in DAYS_PER_PERIOD:
        days: Dates = path_on + periods * DAYS_PER_PERIOD[frequency]
        return days
    return add_months(path_on, periods * MONTHS_PER_PERIOD[frequency]).astype("datetime64[D]")


@dataclass(frozen=True, eq=False)
class Spans:
    """First day of every interest period, the regular periods it spans, its regular days; shape (k, n)."""

    start_on: Dates
    periods: Ints
    regular_days: Ints


def spans(state: Running) -> Spans:
    """The interest periods as changes leave them; a skipped row's period belongs to the next paying row."""
    plan = state.plan
    end_on, start_on = plan.dates.end_on, plan.dates.end_on.copy()
    count = np.ones(end_on.shape, dtype=np.int64)
    start_on[0] = _first_start(plan)
    for row in range(1, len(end_on)):
        start_on[row] = np.where(plan.skipped[row - 1], start_on[row - 1], end_on[row - 1])
        count[row] = np.where(plan.skipped[row - 1], count[row - 1] + 1, 1)
    regular_end = state.regular_end_on if plan.terms.charge_shift_interest else end_on
    regular_days = _actual_days(start_on, regular_end)
    if plan.terms.stub == "pro_rata":
        regular_days[0] = _actual_days(plan.dates.regular_start_on, regular_end[0])
    return Spans(start_on, count, np.maximum(regular_days, 1))


def _first_start(plan: InstallmentPlan) -> Dates:
    by_stub = plan.terms.interest_basis is InterestBasis.RATE_12 and plan.terms.stub not in (
        "none",
        "pro_rata",
    )
    return plan.dates.regular_start_on if by_stub else plan.dates.start_on


def _actual_days(start: Dates, end: Dates) -> Ints:
    return days_between(start, end, InterestBasis.ACTUAL_365)


def accrued(state: Running, start: Dates, end: Dates, over: Spans) -> tuple[Ints, Ints]:
    """Numerator and denominator of the interest from start to end, at the rates that hold on each day.

    The arrays have one shape, (k, n) or (n,); `over` are the spans they lie in. Where the rate is constant
    and the span regular the fraction is the whole period's own, so that no shift of dates changes a cent.
    """
    terms = state.plan.terms
    rate_days = np.zeros(start.shape, dtype=np.int64)
    for from_on, step in state.rate_steps:
        begins = np.maximum(start, np.where(np.isnat(from_on), start, from_on))
        charged = (begins < end) & ~np.isnat(from_on)
        rate_days += np.where(charged, days_between(begins, end, terms.interest_basis), 0) * step
    if terms.interest_basis is not InterestBasis.RATE_12:
        return rate_days, np.full(start.shape, YEAR_DAYS[terms.interest_basis] * PPB)
    part, year = whole_period(terms.frequency)
    whole = rate_days % over.regular_days == 0
    rate = np.where(whole, rate_days // over.regular_days, rate_days)
    return rate * part * over.periods, year * PPB * np.where(whole, 1, over.regular_days)


def with_periods(state: Running) -> Running:
    """The same state with its plan's interest fractions computed from its dates and rates."""
    plan, found = state.plan, spans(state)
    numerator, denominator = accrued(state, found.start_on, plan.dates.end_on, found)
    charged = np.arange(len(numerator))[:, None] >= plan.terms.interest_free_periods
    charged = charged & ~np.isnat(plan.dates.end_on)
    fractions = replace(plan.periods, numerator=np.where(charged, numerator, 0), denominator=denominator)
    if plan.terms.extra_days == "on_top":
        regular = _of_regular_length(state, found)
        fractions = replace(
            fractions, regular_numerator=np.where(charged, regular[0], 0), regular_denominator=regular[1]
        )
    return replace(state, plan=replace(plan, periods=fractions))


def _of_regular_length(state: Running, found: Spans) -> tuple[Ints, Ints]:
    """The fraction of every period as if it began and ended where no change and no stub had moved it."""
    plan, terms = state.plan, state.plan.terms
    by_days = terms.interest_basis is not InterestBasis.RATE_12
    begin = found.start_on.copy()
    if by_days:  # also of a later row, where all rows before it are skipped
        from_first = found.periods == np.arange(1, len(begin) + 1)[:, None]
        begin = np.where(from_first, plan.dates.regular_start_on, begin)
    elif terms.stub != "none":
        begin[0] = plan.dates.regular_start_on
    moves = by_days or terms.charge_shift_interest
    return accrued(state, begin, state.regular_end_on if moves else plan.dates.end_on, found)


# Prepayment and early settlement: money that arrives before its due date and the interest it saves.


def paid_ahead(state: Running, asked: Asked, row: Ints) -> Running:
    """The state with the amounts of the rows that prepayments and settlements fall into.

    A prepayment is part of the installment of its period: that row's principal grows by it, its interest
    shrinks by what the prepaid principal would have cost until the period ends, and the row is locked. A
    settlement makes its row the last one, due on the settlement day.
    """
    prepaid, settled = asked.of(ChangeType.PREPAYMENT), asked.of(ChangeType.SETTLEMENT)
    if prepaid.any():
        state = _prepaid(state, np.where(prepaid, asked.number, 0), asked.effective_on, row)
    if settled.any():
        state = _settled(state, np.where(settled, asked.number, -1), asked.effective_on, row)
    return state


def _prepaid(state: Running, amount: Ints, paid_on: Dates, row: Ints) -> Running:
    plan = state.plan
    here = (np.arange(len(plan.nominal_on))[:, None] == row) & (amount > 0)
    saved = _interest_between(state, amount, row, paid_on, _on(plan.dates.end_on, row))
    if METHODS[plan.method].flat_interest:
        saved = np.zeros_like(saved)
    principal = plan.fixed_principal + np.where(here, amount, 0)
    interest = np.maximum(plan.fixed_interest - np.where(here, saved, 0), 0)
    begins = np.where(amount > 0, row + 1, plan.fixed)
    before = plan.principal - np.where(_below(plan.nominal_on, begins), plan.fixed_principal, 0).sum(axis=0)
    base = mul_div(
        plan.flat_base, np.maximum(before - amount, 0), np.maximum(before, 1), plan.terms.interest_rounding
    )
    return replace(
        state,
        locked=np.where(amount > 0, row + 1, state.locked),
        plan=replace(
            plan,
            fixed=begins,
            flat_base=np.where(amount > 0, base, plan.flat_base),
            fixed_principal=principal,
            fixed_interest=np.where(here, interest, plan.fixed_interest),
        ),
    )


def _settled(state: Running, fee: Ints, paid_on: Dates, row: Ints) -> Running:
    plan, ends = state.plan, fee >= 0
    here = (np.arange(len(plan.nominal_on))[:, None] == row) & ends
    before = plan.principal - np.where(_below(plan.nominal_on, row), plan.fixed_principal, 0).sum(axis=0)
    interest = _at(plan.fixed_interest, row)
    if plan.terms.settlement_interest == "to_the_day":
        base = plan.flat_base if METHODS[plan.method].flat_interest else before
        full_period = paid_on == _on(plan.dates.end_on, row)
        interest = np.where(full_period, interest, _interest_between(state, base, row, None, paid_on))
    end_on = np.where(here, paid_on, plan.dates.end_on)
    return replace(
        state,
        locked=np.where(ends, row + 1, state.locked),
        plan=replace(
            plan,
            count=np.where(ends, row + 1, plan.count),
            fixed=np.where(ends, row + 1, plan.fixed),
            nominal_on=np.where(here, paid_on, plan.nominal_on),
            due_on=np.where(here, paid_on, plan.due_on),
            dates=replace(plan.dates, end_on=end_on),
            fees=plan.fees + np.where(here, fee, 0),
            fixed_principal=np.where(here, before, plan.fixed_principal),
            fixed_interest=np.where(here, interest, plan.fixed_interest),
        ),
    )


def _interest_between(state: Running, balance: Ints, row: Ints, start: Dates | None, end: Dates) -> Ints:
    """Interest on a balance inside the row's period, from a day (None: its first) to a day; 0 where free."""
    found = spans(state)
    over = Spans(_on(found.start_on, row), _at(found.periods, row), _at(found.regular_days, row))
    begin = over.start_on if start is None else np.maximum(start, over.start_on)
    numerator, denominator = accrued(state, begin, end, over)
    numerator = np.where(row >= state.plan.terms.interest_free_periods, np.maximum(numerator, 0), 0)
    return mul_div(balance, numerator, denominator, state.plan.terms.interest_rounding)


def _at(values: Ints, row: Ints) -> Ints:
    """The value of each loan's row; the last row's where the row is beyond the table."""
    return values[np.minimum(row, len(values) - 1), np.arange(values.shape[1])]


def _on(dates: Dates, row: Ints) -> Dates:
    return dates[np.minimum(row, len(dates) - 1), np.arange(dates.shape[1])]


def _below(shaped: Dates, row: Ints) -> Flags:
    flags: Flags = np.arange(len(shaped))[:, None] < row
    return flags
