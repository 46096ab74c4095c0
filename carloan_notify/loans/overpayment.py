"""Over-payments applied as early repayments: every one makes a new schedule, against which the rest is settled."""

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Final

import numpy as np
import pandas as pd

from carloan_notify.finding_codes import Finding
from carloan_notify.frames import CHANGES, FINDINGS, empty, findings, stack
from carloan_notify.loans.allocation import AllocationRule, surpluses
from carloan_notify.loans.arrays import Ints
from carloan_notify.loans.change_requests import ChangeType
from carloan_notify.loans.grid import Grid
from carloan_notify.loans.payments import LONG_AGO, Payments
from carloan_notify.loans.schedule import build_schedules
from carloan_notify.loans.standing_settings import StandingSettings

NOT_APPLIED: Final = Finding.OVERPAYMENT_NOT_APPLIED
"""The finding's code: money paid ahead that no early repayment can take; it is carried."""
_CHANGE_ID: Final = "overpayment"


@dataclass(frozen=True, eq=False)
class Overpaid:
    """Loans whose over-payments repay principal; `payments` and `rule` go by their place in `loans`."""

    loans: pd.DataFrame
    payments: Payments
    rule: AllocationRule
    settings: StandingSettings

    def schedules(self, changes: pd.DataFrame) -> tuple[list[Grid], pd.DataFrame]:
        """The schedules of these loans after their CHANGES and their over-payments, and FINDINGS.

        In order of date: what the payments of a day leave after everything overdue and the current
        installment is a `prepayment` change of that day. Where the schedule cannot take it (more than the loan still
        owes, a method that it does not fit, after a change to a later installment) the money is carried to the
        coming installments and a finding says why. The interest that an early repayment saves in its own
        period is carried too.
        """
        grids, problems = self._built(self.loans, changes)
        finished, found = [], [problems]
        seen = np.full(len(self.loans), LONG_AGO)
        while grids:
            asked = stack([self._asked(grid, seen) for grid in grids], CHANGES)
            finished += _only(grids, asked["loan_id"], named=False)
            at = self._place(asked["loan_id"])
            seen[at] = asked["effective_on"].to_numpy().astype("datetime64[D]").astype(np.int64)
            rebuilt, problems = self._built(self.loans.iloc[at], stack([changes, asked], CHANGES))
            taken = asked["loan_id"].isin([loan for grid in rebuilt for loan in grid.loan_ids])
            found.append(_refused(asked[~taken], problems))
            changes = stack([changes, asked[taken]], CHANGES)
            grids = rebuilt + _only(grids, asked.loc[~taken, "loan_id"], named=True)
        return finished, stack(found, FINDINGS)

    def _built(self, loans: pd.DataFrame, changes: pd.DataFrame) -> tuple[list[Grid], pd.DataFrame]:
        mine = changes[changes["loan_id"].isin(loans["loan_id"])]
        return build_schedules(loans, mine if len(mine) else None, self.settings.schedule)

    def _place(self, loan_ids: pd.Series) -> Ints:
        return np.asarray(self._ids.get_indexer(pd.Index(loan_ids, dtype=object)), dtype=np.int64)

    @cached_property
    def _ids(self) -> pd.Index:
        ids: pd.Index = pd.Index(self.loans["loan_id"], dtype=object)  # looked up faster than type str
        return ids

    def _asked(self, grid: Grid, seen: Ints) -> pd.DataFrame:
        """The CHANGES that these loans' first over-payment after the day `seen` asks for."""
        at = self._place(pd.Series(grid.loan_ids))
        payments = self.payments.take(at)
        surplus = surpluses(grid, payments, AllocationRule(self.rule.waterfall, self.rule.penalty.take(at)))
        loan_at = payments.loan_at
        left = (surplus > 0) & (payments.paid_on.astype(np.int64) > seen[at][loan_at])
        rows = pd.DataFrame({"loan": loan_at[left], "on": payments.paid_on[left], "minor": surplus[left]})
        first = (
            rows.groupby(["loan", "on"], as_index=False).agg(minor=("minor", "sum")).drop_duplicates("loan")
        )
        if first.empty:
            return empty(CHANGES)
        exponent, effect = self.settings.schedule.currency_exponent, self.settings.allocation.applied_as
        amounts = [Decimal(int(minor)).scaleb(-exponent) for minor in first["minor"]]
        told = pd.DataFrame({"loan_id": grid.loan_ids[first["loan"]], "effective_on": first["on"].to_numpy()})
        told = told.assign(
            change_id=_CHANGE_ID,
            type=ChangeType.PREPAYMENT.value,
            value=[f"{amount:f} {effect}" for amount in amounts],
        )
        return told.astype(dict(CHANGES))[list(CHANGES)]


def _only(grids: list[Grid], loan_ids: "pd.Series[str]", *, named: bool) -> list[Grid]:
    """The loans of these grids that are (or are not) among the ids, without empty grids."""
    wanted = set(loan_ids)
    flags = [np.array([loan in wanted for loan in grid.loan_ids]) == named for grid in grids]
    return [grid.take(chosen) for grid, chosen in zip(grids, flags, strict=True) if chosen.any()]


def _refused(asked: pd.DataFrame, problems: pd.DataFrame) -> pd.DataFrame:
    """A finding for every over-payment that is carried, with the reason its schedule gave."""
    reasons = problems[problems["loan_id"].isin(asked["loan_id"])].drop_duplicates("loan_id")
    days = asked.set_index("loan_id")["effective_on"]
    return findings(
        NOT_APPLIED,
        reasons["loan_id"],
        "an over-payment is carried to the coming installments, because the schedule cannot take it as an "
        "early repayment; the value names the day and the reason",
        place="payments.paid_on",
        value=[
            f"{days[loan]:%Y-%m-%d} {code}"
            for loan, code in zip(reasons["loan_id"], reasons["code"], strict=True)
        ],
    )
