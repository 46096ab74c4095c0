"""Rests too small to be arrears: which installments count as paid, and what is carried to the next one."""

from dataclasses import dataclass

import numpy as np

from carloan_notify.loans.arrays import Ints, mul_div
from carloan_notify.loans.settings import Rounding
from carloan_notify.records import PPB


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How much may be unpaid, in minor units, and as a share of the installment in parts per billion.

    `settled_minor` is the most that a loan may leave after its last installment and still count as settled.
    Source: Fineract's `inArrearsTolerance`, below which an overdue amount is no arrears.
    """

    amount_minor: int = 0
    share_ppb: int = 0
    settled_minor: int = 0

    @property
    def penalty_free_minor(self) -> int:
        """Installments of which no more is unpaid bear no penalty: nobody is asked for them."""
        return max(self.amount_minor, self.settled_minor)

    def of(self, total_minor: Ints, spared_minor: Ints | int = 0) -> Ints:
        """What may be unpaid of installments of these totals: always less than all of one.

        `spared_minor` is unpaid only because payments settled penalty first (`Owed.spared_minor`); up to half of an
        installment it may be unpaid besides, unless nothing at all may.
        """
        share = mul_div(total_minor, np.array(self.share_ppb), np.array(PPB), Rounding.DOWN)
        spared = np.minimum(spared_minor, total_minor // 2) if self.amount_minor or self.share_ppb else 0
        return np.minimum(np.maximum(share, self.amount_minor) + spared, total_minor - 1)


def asked_minor(unpaid: Ints, total: Ints, tolerance: Tolerance, spared: Ints | int = 0) -> Ints:
    """What is asked with each installment, shape (k, n): what is unpaid of it and of the tolerated ones before.

    An installment is tolerated (asked 0) while it and what is carried to it stay within the tolerance of its
    total and of `spared` (n,); then its rest is carried on. The sum over all rows falls short of `unpaid` by what
    the last row still carries.
    """
    asked, carried = np.zeros_like(unpaid), np.zeros(unpaid.shape[1], dtype=np.int64)
    allowed = tolerance.of(total, spared)
    for row in range(len(unpaid)):
        is_open = unpaid[row] > 0
        together = unpaid[row] + carried
        asked[row] = np.where(is_open & (together > allowed[row]), together, 0)
        carried = np.where(asked[row] > 0, 0, together)
    return asked
