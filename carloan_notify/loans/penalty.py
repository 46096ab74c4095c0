"""Penalty interest (罚息) on what is overdue, exact to the smallest currency unit."""

from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_UP, Decimal, localcontext
from typing import Final

import numpy as np

from carloan_notify.loans.grid import Flags, Floats, Ints
from carloan_notify.loans.rounding import mul_div, near_tie
from carloan_notify.loans.settings import Rounding
from carloan_notify.loans.status_settings import DelinquencySettings, PenaltyBase
from carloan_notify.loans.waterfall import FEES, INTEREST, PENALTY, PRINCIPAL

PPB: Final = 1_000_000_000
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
    """How penalty runs. `rate_ppb` (n,) is each loan's penalty rate per year."""

    rate_ppb: Ints
    grace_days: int
    settings: DelinquencySettings

    @classmethod
    def of(cls, annual_rate_ppb: Ints, settings: DelinquencySettings) -> "PenaltyRule":
        """The rule for loans with these contract rates; a switched-off penalty has rate 0."""
        penalty = settings.penalty
        if penalty.annual_rate is not None:
            rate = np.full(len(annual_rate_ppb), int(penalty.annual_rate * PPB), dtype=np.int64)
        else:
            multiplier = np.array(int(penalty.rate_multiplier * PPB))
            rate = mul_div(annual_rate_ppb, multiplier, np.array(PPB), Rounding.HALF_UP)
        return cls(rate * penalty.enabled, settings.grace_days, settings)

    def take(self, loans: Ints) -> "PenaltyRule":
        """The rule for these loans only."""
        return PenaltyRule(self.rate_ppb[loans], self.grace_days, self.settings)

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
        if base is PenaltyBase.OVERDUE_PRINCIPAL:
            principal: Ints = owed[PRINCIPAL]
            return principal
        if base is PenaltyBase.OVERDUE_INTEREST:
            interest: Ints = owed[INTEREST]
            return interest
        amount: Ints = owed[FEES] + owed[INTEREST] + owed[PRINCIPAL]
        if base is PenaltyBase.OVERDUE_AMOUNT:
            return amount
        late = (amount > 0) & overdue
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
