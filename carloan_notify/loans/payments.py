"""Payments of many loans, netted of reversals and in order of date."""

from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_UP, Decimal, localcontext
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from carloan_notify.finding_codes import Finding
from carloan_notify.frames import FINDINGS, findings, stack
from carloan_notify.loans.arrays import Dates, Flags, Floats, Ints, mul_div, near_tie
from carloan_notify.loans.settings import Rounding
from carloan_notify.loans.standing_settings import DelinquencySettings, PenaltyBase
from carloan_notify.loans.waterfall import FEES, INTEREST, PENALTY, PRINCIPAL
from carloan_notify.records import PPB


@dataclass(frozen=True, eq=False)
class Payments:
    """Payments of n loans: loan i's are `start[i] : start[i + 1]`, by date, all above 0 minor units."""

    start: Ints
    paid_on: Dates
    amount_minor: Ints

    @property
    def count(self) -> Ints:
        """Payments per loan, shape (n,)."""
        return np.diff(self.start)

    @property
    def paid_minor(self) -> Ints:
        """Money received per loan, shape (n,)."""
        return self.running[self.start[1:]] - self.running[self.start[:-1]]

    @property
    def running(self) -> Ints:
        """Sum of all payments before each position, over all loans, shape (p + 1,)."""
        return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(self.amount_minor)])

    @property
    def loan_at(self) -> Ints:
        """The loan's position for each payment, shape (p,)."""
        return np.repeat(np.arange(len(self.count)), self.count)

    @property
    def last_on(self) -> Dates:
        """Date of each loan's last payment, NaT where there is none."""
        last = np.full(len(self.count), np.datetime64("NaT", "D"))
        last[self.count > 0] = self.paid_on[self.start[1:][self.count > 0] - 1]
        return last

    def take(self, loans: npt.NDArray[np.intp]) -> "Payments":
        """Only these loans' payments; `loans` are positions."""
        begin = self.start[:-1][loans]
        count = self.start[1:][loans] - begin
        start = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(count)])
        rows = np.arange(start[-1]) + np.repeat(begin - start[:-1], count)
        return Payments(start, self.paid_on[rows], self.amount_minor[rows])

    def settled_on(self, overpaid_minor: Ints) -> tuple[Dates, Ints]:
        """Date of the last payment that was still needed, and how many came after it, per loan.

        `overpaid_minor` is what each loan received beyond everything it owed.
        """
        before = self.running
        needed = self.paid_minor - overpaid_minor
        received_before = before[:-1] - before[self.start[:-1]][self.loan_at]
        surplus = received_before >= needed[self.loan_at]
        after = np.bincount(self.loan_at[surplus], minlength=len(self.count)).astype(np.int64)
        at = self.start[1:] - after - 1
        found = at >= self.start[:-1]
        dates = np.full(len(self.count), np.datetime64("NaT", "D"))
        dates[found] = self.paid_on[at[found]]
        return dates, after


def received(payments: pd.DataFrame, loan_ids: pd.Series, as_of: date) -> tuple[Payments, pd.DataFrame]:
    """The payments (PAYMENTS frame) of these loans up to and including `as_of`, reversals taken out.

    A reversal (negative amount) undoes the latest earlier payment of exactly that amount; where there is
    none, the latest earlier payments are reduced. The loan is then as if that money had never come. Findings:
    `payment_unknown_loan`, `payment_without_date`, `payment_reversal_unmatched`.
    """
    codes = pd.Index(loan_ids).get_indexer(pd.Index(payments["loan_id"]))
    paid_on = payments["paid_on"].to_numpy().astype("datetime64[D]")
    unknown, undated = codes < 0, np.isnat(paid_on)
    notes = [
        findings(
            Finding.PAYMENT_UNKNOWN_LOAN,
            payments["loan_id"][unknown],
            "a payment names a loan that is not in the loans table; add the loan or mend the payment",
            place="payments.loan_id",
            value=list(payments["payment_id"][unknown]),
        ),
        findings(
            Finding.PAYMENT_WITHOUT_DATE,
            payments["loan_id"][undated & ~unknown],
            "a payment has no date and is not counted; fill in paid_on",
            place="payments.paid_on",
            value=list(payments["payment_id"][undated & ~unknown]),
        ),
    ]
    amount = payments["amount_minor"].to_numpy()
    kept = np.flatnonzero(~unknown & ~undated & (paid_on <= np.datetime64(as_of, "D")) & (amount != 0))
    order = kept[np.lexsort((-amount[kept], paid_on[kept], codes[kept]))]
    codes, paid_on, amount = codes[order], paid_on[order], amount[order].astype(np.int64)
    net, unmatched = _without_reversals(codes, amount)
    notes.append(
        findings(
            Finding.PAYMENT_REVERSAL_UNMATCHED,
            list(loan_ids.iloc[unmatched]),
            "a reversal is larger than all payments before it; the rest of it is ignored; check the payments",
            place="payments.amount",
        )
    )
    left = net > 0
    per_loan = np.bincount(codes[left], minlength=len(loan_ids))
    start = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(per_loan)])
    return Payments(start, paid_on[left], net[left]), stack(notes, FINDINGS)


def _without_reversals(codes: npt.NDArray[np.intp], amount: Ints) -> tuple[Ints, npt.NDArray[np.intp]]:
    """Amounts after reversals, and the loans where a reversal found too little to undo."""
    touched = np.isin(codes, codes[amount < 0])
    rows = np.flatnonzero(touched)
    loans, column, count = np.unique(codes[rows], return_inverse=True, return_counts=True)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
    grid = np.zeros((int(count.max(initial=0)), len(loans)), dtype=np.int64)
    grid[place, column] = amount[rows]
    unmatched = np.zeros(len(loans), dtype=bool)
    for at in range(len(grid)):
        unmatched |= _undo(grid, at)
    net = amount.copy()
    net[rows] = grid[place, column]
    return net, loans[unmatched]


def _undo(grid: Ints, at: int) -> npt.NDArray[np.bool_]:
    """Take row `at`'s reversals out of the rows before it, in place; true where they were too small."""
    wanted = np.maximum(-grid[at], 0)
    earlier = grid[:at]
    same = (earlier == wanted) & (wanted > 0)
    latest_same = same & (np.cumsum(same[::-1], axis=0)[::-1] == 1)
    wanted = np.where(latest_same.any(axis=0), 0, wanted)
    earlier[latest_same] = 0
    after = np.cumsum(earlier[::-1], axis=0)[::-1] - earlier
    reduced = np.clip(wanted - after, 0, earlier)
    earlier -= reduced
    grid[at] = np.maximum(grid[at], 0)
    unmatched: npt.NDArray[np.bool_] = wanted > reduced.sum(axis=0)
    return unmatched


# Penalty interest (罚息) on what is overdue, exact to the smallest currency unit.

LONG_AGO: Final = -(2**40)
"""A day number before every due date."""
_MODES: Final = {
    Rounding.HALF_UP: ROUND_HALF_UP,
    Rounding.HALF_EVEN: ROUND_HALF_EVEN,
    Rounding.UP: ROUND_UP,
    Rounding.DOWN: ROUND_DOWN,
}
_FLOAT_ERROR: Final = 1e-12  # relative; expm1 and log1p are good to a few 2**-53 each


@dataclass(frozen=True)
class PenaltyRule:
    """How penalty runs. `rate_ppb` (n,) is each loan's penalty rate per year.

    An installment of which no more than `free_minor` is unpaid bears none.
    """

    rate_ppb: Ints
    grace_days: int
    settings: DelinquencySettings
    free_minor: int = 0

    @classmethod
    def of(cls, annual_rate_ppb: Ints, settings: DelinquencySettings, free_minor: int = 0) -> "PenaltyRule":
        """The rule for loans with these contract rates; a switched-off penalty has rate 0."""
        penalty = settings.penalty
        if penalty.annual_rate is not None:
            rate = np.full(len(annual_rate_ppb), int(penalty.annual_rate * PPB), dtype=np.int64)
        else:
            multiplier = np.array(int(penalty.rate_multiplier * PPB))
            rate = mul_div(annual_rate_ppb, multiplier, np.array(PPB), Rounding.HALF_UP)
        return cls(rate * penalty.enabled, settings.grace_days, settings, free_minor)

    def take(self, loans: Ints) -> "PenaltyRule":
        """The rule for these loans only."""
        return replace(self, rate_ppb=self.rate_ppb[loans])

    def accrued(self, owed: Ints, due: Ints, since: Ints, until: Ints, loan_base: Ints) -> Ints:
        """Penalty of the days after `since` up to `until`, shape (k, n).

        `owed` is (4, k, n) unpaid amounts, `due` (k, n), `since` and `until` (n,) are day numbers,
        `loan_base` (n,) is the base for outstanding_principal and original_principal; these charge the
        oldest overdue installment alone.
        """
        base = self._base(owed, due < until, loan_base)
        charged = np.zeros_like(base)
        at = np.nonzero((base > 0) & (due < until))
        row_due, loan = due[at], at[1]
        days = self._elapsed(until[loan] - row_due) - self._elapsed(since[loan] - row_due)
        charged[at] = self._grow(base[at], owed[PENALTY][at], days, self.rate_ppb[loan])
        return charged

    def _elapsed(self, since_due: Ints) -> Ints:
        """Charged days, from the days since the due date."""
        free = self.grace_days if self.settings.penalty.starts == "after_grace" else 0
        return np.where(since_due > self.grace_days, since_due - free, 0)

    def _base(self, owed: Ints, overdue: Flags, loan_base: Ints) -> Ints:
        base = self.settings.penalty.base
        amount: Ints = owed[FEES] + owed[INTEREST] + owed[PRINCIPAL]
        bears = amount > self.free_minor
        if base is PenaltyBase.OVERDUE_PRINCIPAL:
            return np.where(bears, owed[PRINCIPAL], 0)
        if base is PenaltyBase.OVERDUE_INTEREST:
            return np.where(bears, owed[INTEREST], 0)
        if base is PenaltyBase.OVERDUE_AMOUNT:
            return np.where(bears, amount, 0)
        late = bears & overdue
        return np.where(late & (np.cumsum(late, axis=0) == 1), loan_base, 0)

    def _grow(self, base: Ints, unpaid_penalty: Ints, days: Ints, rate_ppb: Ints) -> Ints:
        penalty = self.settings.penalty
        year = np.array(penalty.day_basis * PPB)
        if penalty.compounding == "simple":
            return mul_div(base * days, rate_ppb, year, penalty.rounding)
        return compound(base + unpaid_penalty, days, rate_ppb, int(year), penalty.rounding)


def compound(amount: Ints, days: Ints, rate_ppb: Ints, year: int, rounding: Rounding) -> Ints:
    """The growth amount × ((1 + rate_ppb / year) ** days − 1), rounded exactly.

    `year` is days of a year × 10**9. Float first; where its error could change the rounding, 40 decimal
    digits decide.
    """
    growth: Floats = amount.astype(np.float64) * np.expm1(days * np.log1p(rate_ppb / year))
    rounded = np.rint(growth).astype(np.int64)
    if rounding is Rounding.UP:
        rounded = np.ceil(growth).astype(np.int64)
    elif rounding is Rounding.DOWN:
        rounded = np.floor(growth).astype(np.int64)
    slack = np.asarray(amount * _FLOAT_ERROR + _FLOAT_ERROR, dtype=np.float64)
    for at in np.flatnonzero(near_tie(growth, slack, rounding)):
        with localcontext(prec=40):
            factor = (1 + Decimal(int(rate_ppb[at])) / year) ** int(days[at]) - 1
            exact = int(amount[at]) * factor
        rounded[at] = int(exact.quantize(Decimal(1), _MODES[rounding]))
    return rounded
