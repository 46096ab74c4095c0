"""What payments have settled of each installment, and what each still owes."""

from dataclasses import dataclass, replace
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt

from carloan_notify.loans.arrays import Flags, Ints
from carloan_notify.loans.grid import Grid
from carloan_notify.loans.payments import LONG_AGO, Payments, PenaltyRule
from carloan_notify.loans.standing_settings import PenaltyBase
from carloan_notify.loans.waterfall import (
    COMPONENTS,
    FEES,
    INTEREST,
    PENALTY,
    PRINCIPAL,
    Waterfall,
    settle,
    take,
)

NEVER: Final = 2**40
"""A day number after every date: the due day of installments a loan does not have."""
_DAYS: Final = 2**22  # day numbers stay below it until the year 13,000


@dataclass(frozen=True, eq=False)
class Owed:
    """What n loans owe as of a date.

    `unpaid` (4, k, n) goes by waterfall.COMPONENTS; `credit_minor` (n,) is money beyond all installments.
    `spared_minor` (n,) is what partly paid installments owe only because payments settled penalty first: whoever
    pays an installment late, but all of it, owes penalty and no part of the installment.
    """

    unpaid: Ints
    credit_minor: Ints
    spared_minor: Ints

    @property
    def installment_minor(self) -> Ints:
        """Unpaid principal, interest and fees of each installment, shape (k, n); penalty is not in it."""
        total: Ints = self.unpaid[FEES] + self.unpaid[INTEREST] + self.unpaid[PRINCIPAL]
        return total

    @property
    def penalty_minor(self) -> Ints:
        """Unpaid penalty per loan, shape (n,)."""
        total: Ints = self.unpaid[PENALTY].sum(axis=0)
        return total


@dataclass(frozen=True)
class AllocationRule:
    """The waterfall and the penalty that payments meet on their way."""

    waterfall: Waterfall
    penalty: PenaltyRule


def due_days(grid: Grid) -> Ints:
    """Due dates as day numbers, shape (k, n); NEVER where a loan has no such installment."""
    return np.where(grid.present, grid.due_on.view(np.int64), NEVER)


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return int(np.datetime64(day, "D").astype(np.int64))


def owed_after_total(grid: Grid, paid_minor: Ints, rule: AllocationRule, as_of: date) -> Owed:
    """What is owed when only the sum of all payments (n,) is known: it fills installments from the oldest on.

    Penalty is taken as never paid, and as running on what is unpaid now since it fell due.
    """
    total = grid.total_minor
    paid = take(total[None], paid_minor)[0]
    credit = paid_minor - paid.sum(axis=0)
    return _with_penalty(
        grid, Owed(split(grid, total - paid, rule.waterfall), credit, np.zeros_like(credit)), rule, as_of
    )


def owed_after_installment_paid(grid: Grid, paid_minor: Ints, rule: AllocationRule, as_of: date) -> Owed:
    """What is owed when the lender says what was paid of each installment (k, n). Penalty as above."""
    total = grid.total_minor
    unpaid = np.clip(total - paid_minor, 0, total)
    credit: Ints = np.maximum(paid_minor - total, 0).sum(axis=0)
    return _with_penalty(
        grid, Owed(split(grid, unpaid, rule.waterfall), credit, np.zeros_like(credit)), rule, as_of
    )


def owed_after_payments(grid: Grid, payments: Payments, rule: AllocationRule, as_of: date) -> Owed:
    """What is owed after dated payments, each settling what was owed on its day.

    Loans that owed nothing overdue whenever they paid need no replay: for them every waterfall fills
    installments from the oldest on. The others are replayed payment by payment.
    """
    owed = owed_after_total(grid, payments.paid_minor, rule, as_of)
    late = np.flatnonzero(_paid_late(grid, payments, rule))
    if len(late):
        replayed = replay(grid.take(late), payments.take(late), _rule_of(rule, late), as_of)
        owed.unpaid[:, :, late] = replayed.unpaid
        owed.credit_minor[late] = replayed.credit_minor
        owed.spared_minor[late] = replayed.spared_minor
    return owed


def split(grid: Grid, unpaid_minor: Ints, waterfall: Waterfall) -> Ints:
    """Unpaid amounts (k, n) by component (4, k, n): what an installment settles last is unpaid first."""
    parts = {FEES: grid.fees_minor, INTEREST: grid.interest_minor, PRINCIPAL: grid.principal_minor}
    unpaid = np.empty((len(COMPONENTS), *unpaid_minor.shape), dtype=np.int64)
    unpaid[PENALTY] = 0
    rest = unpaid_minor.copy()
    for component in (c for c in reversed(waterfall.order) if c in parts):
        np.minimum(rest, parts[component], out=unpaid[component])
        rest -= unpaid[component]
    return unpaid


def replay(grid: Grid, payments: Payments, rule: AllocationRule, as_of: date) -> Owed:
    """The history of every loan, payment by payment: penalty up to the day, then the waterfall."""
    order = _busiest_first(payments)
    history = _History(grid.take(order), _rule_of(rule, order))
    history.pay_all(payments.take(order))
    history.accrue(np.full(len(grid), day_number(as_of)), grid.rows)
    back = np.argsort(order)
    return Owed(history.owed[:, :, back], history.credit[back], history.spared[back])


def surpluses(grid: Grid, payments: Payments, rule: AllocationRule) -> Ints:
    """What each payment (p,) leaves after everything overdue and the current installment on its day."""
    order = _busiest_first(payments)
    ordered = payments.take(order)
    left = _History(grid.take(order), _rule_of(rule, order)).pay_all(ordered)
    return replace(ordered, amount_minor=left).take(np.argsort(order)).amount_minor


def _busiest_first(payments: Payments) -> npt.NDArray[np.intp]:
    """Loans with many payments first, so that each step of a replay works on a slice."""
    return np.argsort(-payments.count, kind="stable")


class _History:
    """The state of a replay: unpaid amounts, the day up to which penalty has run, money beyond everything."""

    def __init__(self, grid: Grid, rule: AllocationRule) -> None:
        self.rule = rule
        self.due = due_days(grid)
        self.owed = split(grid, grid.total_minor, rule.waterfall)
        self.since = np.full(len(grid), LONG_AGO)
        self.credit = np.zeros(len(grid), dtype=np.int64)
        self.spared = np.zeros(len(grid), dtype=np.int64)
        self.total = grid.total_minor
        self.opening: Ints = self.owed[PRINCIPAL].sum(axis=0)
        self.first = 0  # rows before it owe nothing, in any loan

    def pay_all(self, payments: Payments) -> Ints:
        """All payments; what each left (p,) after everything overdue and the current installment.

        All loans take their first payment together, then their second, and so on. Loans with more payments
        stand before loans with fewer.
        """
        left = np.zeros(len(payments.amount_minor), dtype=np.int64)
        active = len(payments.count) - np.cumsum(np.bincount(payments.count, minlength=1))
        for step in range(int(payments.count.max(initial=0))):
            at = payments.start[: active[step]] + step
            left[at] = self.pay(payments.paid_on[at].astype(np.int64), payments.amount_minor[at])
        return left

    def pay(self, day: Ints, amount: Ints) -> Ints:
        """One payment of each of the first len(day) loans; what it leaves before it is carried."""
        loans = len(day)
        while self.first < len(self.due) and not self.owed[:, self.first].any():
            self.first += 1
        overdue = self.due[:, :loans] < day
        current_row = overdue.sum(axis=0)
        last = min(int(current_row.max(initial=0)) + 1, len(self.due))
        self.accrue(day, last)
        rows = slice(min(self.first, last), last)
        current = np.arange(len(self.due))[:, None] == current_row
        owed = self.owed[:, rows, :loans]
        taken, left = settle(owed, amount, overdue[rows], current[rows], self.rule.waterfall)
        owed -= taken
        self._carry(np.flatnonzero(left), left)
        self._spare(taken[PENALTY].sum(axis=0))
        return left

    def accrue(self, day: Ints, last: int) -> None:
        """Penalty up to `day` for the first len(day) loans, in rows before `last`."""
        loans, rows = len(day), slice(min(self.first, last), last)
        rule = self.rule.penalty.take(np.arange(loans))
        if rule.rate_ppb.any():
            owed = self.owed[:, rows, :loans]
            owed[PENALTY] += rule.accrued(
                owed, self.due[rows, :loans], self.since[:loans], day, self._loan_base(rule)[:loans]
            )
        self.since[:loans] = day

    def _spare(self, penalty: Ints) -> None:
        """Penalty that these payments settled, as far as it left installments partly paid."""
        spared = self.spared[: len(penalty)] + penalty
        loans = np.flatnonzero(spared)
        owed = self.owed[:, :, loans]
        unpaid = owed[FEES] + owed[INTEREST] + owed[PRINCIPAL]
        partly = np.where(unpaid < self.total[:, loans], unpaid, 0).sum(axis=0)
        self.spared[loans] = np.minimum(spared[loans], partly)

    def _loan_base(self, rule: PenaltyRule) -> Ints:
        if rule.settings.penalty.base is PenaltyBase.OUTSTANDING_PRINCIPAL:
            total: Ints = self.owed[PRINCIPAL].sum(axis=0)
            return total
        return self.opening

    def _carry(self, loans: npt.NDArray[np.intp], left: Ints) -> None:
        """What is left goes to the coming installments, one after the other."""
        components = np.array(self.rule.waterfall.order)
        at = np.ix_(components, np.arange(len(self.due)), loans)
        taken = take(self.owed[at], left[loans])
        self.owed[at] -= taken
        self.credit[loans] += left[loans] - taken.sum(axis=(0, 1))


def _with_penalty(grid: Grid, owed: Owed, rule: AllocationRule, as_of: date) -> Owed:
    if rule.penalty.rate_ppb.any():
        since, until = np.full(len(grid), LONG_AGO), np.full(len(grid), day_number(as_of))
        base = (
            grid.principal_minor
            if rule.penalty.settings.penalty.base is PenaltyBase.ORIGINAL_PRINCIPAL
            else None
        )
        loan_base = (owed.unpaid[PRINCIPAL] if base is None else base).sum(axis=0)
        owed.unpaid[PENALTY] = rule.penalty.accrued(owed.unpaid, due_days(grid), since, until, loan_base)
    return owed


def _paid_late(grid: Grid, payments: Payments, rule: AllocationRule) -> Flags:
    """Loans where a payment met something overdue, so that the order of settling can matter."""
    if rule.waterfall.by_installment and not rule.penalty.rate_ppb.any():
        return np.zeros(len(grid), dtype=bool)
    last = np.where(payments.count > 0, payments.last_on.astype(np.int64), LONG_AGO)
    loan_at, row_at = np.nonzero((due_days(grid) < last).T)
    keys = payments.loan_at * _DAYS + payments.paid_on.astype(np.int64)
    asked = loan_at * _DAYS + grid.due_on.astype(np.int64)[row_at, loan_at]
    running = payments.running
    paid = running[np.searchsorted(keys, asked, side="right")] - running[payments.start[loan_at]]
    short = paid < np.cumsum(grid.total_minor.T, axis=1)[loan_at, row_at]
    return np.bincount(loan_at[short], minlength=len(grid)) > 0


def _rule_of(rule: AllocationRule, loans: npt.NDArray[np.intp]) -> AllocationRule:
    return AllocationRule(rule.waterfall, rule.penalty.take(loans))
