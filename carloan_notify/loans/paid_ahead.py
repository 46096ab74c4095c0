"""Prepayment and early settlement: money that arrives before its due date and the interest it saves."""

from dataclasses import replace

import numpy as np

from carloan_notify.loans.change_values import ChangeType
from carloan_notify.loans.grid import Dates, Flags, Ints
from carloan_notify.loans.rounding import mul_div
from carloan_notify.loans.running import Asked, Running, Spans, accrued, spans
from carloan_notify.loans.settings import Method


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
    if plan.method is Method.FLAT:
        saved = np.zeros_like(saved)
    principal = plan.fixed_principal + np.where(here, amount, 0)
    interest = np.maximum(plan.fixed_interest - np.where(here, saved, 0), 0)
    begins = np.where(amount > 0, row + 1, plan.fixed)
    before = plan.principal - np.where(_below(plan.nominal_on, begins), plan.fixed_principal, 0).sum(axis=0)
    base = mul_div(plan.flat_base, np.maximum(before - amount, 0), np.maximum(before, 1), plan.terms.rounding)
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
        base = plan.flat_base if plan.method is Method.FLAT else before
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
    return mul_div(balance, numerator, denominator, state.plan.terms.rounding)


def _at(values: Ints, row: Ints) -> Ints:
    """The value of each loan's row; the last row's where the row is beyond the table."""
    return values[np.minimum(row, len(values) - 1), np.arange(values.shape[1])]


def _on(dates: Dates, row: Ints) -> Dates:
    return dates[np.minimum(row, len(dates) - 1), np.arange(dates.shape[1])]


def _below(shaped: Dates, row: Ints) -> Flags:
    flags: Flags = np.arange(len(shaped))[:, None] < row
    return flags
