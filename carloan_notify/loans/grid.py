"""Schedules of many loans as 2-D arrays: one row per installment number, one column per loan."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from carloan_notify.frames import DATE, TEXT
from carloan_notify.loans.arrays import NO_DATE, Dates, Flags, Ints, Texts


@dataclass(frozen=True, eq=False)
class Grid:
    """Schedules of n loans with up to k installments; row j holds installment j + 1.

    Beyond a loan's `count` dates are NaT and amounts 0. Amounts are minor units.
    `interest_on` is the last day of the installment's interest period; it differs from `due_on` where a
    business-day shift moves the payment but not the interest. `original_due_on` is the installment's
    identity: its due date before any change and any shift. `opening_minor` is the loan's principal.
    """

    loan_ids: Texts
    count: Ints
    due_on: Dates
    original_due_on: Dates
    interest_on: Dates
    principal_minor: Ints
    interest_minor: Ints
    fees_minor: Ints
    opening_minor: Ints

    def __len__(self) -> int:
        return len(self.loan_ids)

    @property
    def rows(self) -> int:
        """The number of installment rows, k."""
        return len(self.due_on)

    @cached_property
    def present(self) -> Flags:
        """Where an installment exists, shape (k, n)."""
        exists: Flags = np.arange(self.rows)[:, None] < self.count
        return exists

    @property
    def total_minor(self) -> Ints:
        """What falls due with each installment, shape (k, n)."""
        return self.principal_minor + self.interest_minor + self.fees_minor

    @property
    def balance_after_minor(self) -> Ints:
        """Principal still open after each installment, shape (k, n); 0 beyond `count`."""
        balance = self.opening_minor - np.cumsum(self.principal_minor, axis=0)
        return np.where(self.present, balance, 0)

    def take(self, indices: npt.NDArray[np.intp] | Flags | Sequence[int]) -> "Grid":
        """Only these loans, in this order; `indices` are positions or one flag per loan."""
        chosen = np.arange(len(self))[np.asarray(indices)]
        return Grid(
            loan_ids=self.loan_ids[chosen],
            count=self.count[chosen],
            due_on=self.due_on.take(chosen, axis=1),
            original_due_on=self.original_due_on.take(chosen, axis=1),
            interest_on=self.interest_on.take(chosen, axis=1),
            principal_minor=self.principal_minor.take(chosen, axis=1),
            interest_minor=self.interest_minor.take(chosen, axis=1),
            fees_minor=self.fees_minor.take(chosen, axis=1),
            opening_minor=self.opening_minor[chosen],
        )

    def trimmed(self) -> "Grid":
        """Without rows that no loan uses."""
        rows = int(self.count.max(initial=0))
        return replace(
            self,
            due_on=self.due_on[:rows],
            original_due_on=self.original_due_on[:rows],
            interest_on=self.interest_on[:rows],
            principal_minor=self.principal_minor[:rows],
            interest_minor=self.interest_minor[:rows],
            fees_minor=self.fees_minor[:rows],
        )

    def to_frame(self) -> pd.DataFrame:
        """The same as a long SCHEDULE frame: loan by loan, installments in order."""
        loan_at, row_at = np.nonzero(self.present.T)

        def flat(values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
            return values[row_at, loan_at]

        return pd.DataFrame(
            {
                "loan_id": pd.array(self.loan_ids, dtype=TEXT).take(loan_at),
                "installment_no": row_at.astype(np.int64) + 1,
                "due_on": flat(self.due_on).astype(DATE),
                "original_due_on": flat(self.original_due_on).astype(DATE),
                "principal_minor": flat(self.principal_minor),
                "interest_minor": flat(self.interest_minor),
                "fees_minor": flat(self.fees_minor),
                "total_minor": flat(self.total_minor),
                "balance_after_minor": flat(self.balance_after_minor),
            },
            copy=False,
        )

    @classmethod
    def from_frame(cls, schedule: pd.DataFrame) -> "Grid":
        """The grid of a SCHEDULE frame whose installments count 1, 2, 3 …; loans keep their order.

        `interest_on` is taken to be `due_on`, because a frame does not carry it. The balance after the last
        installment is kept: `opening_minor` is the first balance plus the first principal.
        """
        codes, ids = pd.factorize(schedule["loan_id"])
        row_at = schedule["installment_no"].to_numpy() - 1
        count = np.bincount(codes, minlength=len(ids)).astype(np.int64)
        shape = (int(count.max(initial=0)), len(ids))

        def grid(name: str) -> Ints:
            cells = np.zeros(shape, dtype=np.int64)
            cells[row_at, codes] = schedule[name].to_numpy()
            return cells

        def dates(name: str) -> Dates:
            cells = np.full(shape, NO_DATE)
            cells[row_at, codes] = schedule[name].to_numpy().astype("datetime64[D]")
            return cells

        due_on, principal = dates("due_on"), grid("principal_minor")
        opening = grid("balance_after_minor")[:1].sum(axis=0) + principal[:1].sum(axis=0)
        return cls(
            loan_ids=np.asarray(ids, dtype=object),
            count=count,
            due_on=due_on,
            original_due_on=dates("original_due_on"),
            interest_on=due_on,
            principal_minor=principal,
            interest_minor=grid("interest_minor"),
            fees_minor=grid("fees_minor"),
            opening_minor=opening,
        )
