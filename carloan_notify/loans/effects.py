"""What each payment did to a loan: which installments it paid off, and how many it left."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Final

import numpy as np
import pandas as pd

from carloan_notify.frames import COUNT, TEXT, among, stack
from carloan_notify.loans.arrays import Flags, Ints
from carloan_notify.loans.position import Position
from carloan_notify.loans.standing import LoanBook, LoanTables, usable
from carloan_notify.loans.standing_settings import StandingSettings

PAYMENT_EFFECTS: Final = {
    "loan_id": TEXT,
    "payment_id": TEXT,
    "paid_from": COUNT,  # first installment that it paid off, 0 where it paid off none
    "paid_to": COUNT,  # last installment that it paid off
    "part_paid": COUNT,  # the installment that it paid in part, 0 where there is none
    "open_installments": COUNT,  # still to be paid; 0 but for the loan's newest payment
}


def schedule_is_agreed(settings: StandingSettings, product: str) -> bool:
    """Whether installments keep their agreed amounts, whatever and whenever the borrower pays."""
    applied = settings.allocation.overpayment == "applied"
    return not applied and settings.schedule.terms_of(product).recalculation == "none"


def payment_effects(tables: LoanTables, settings: StandingSettings, as_of: date, since: date) -> pd.DataFrame:
    """PAYMENT_EFFECTS of the payments from `since` to `as_of`; nothing of what cannot be told for certain.

    That is a loan without a schedule (the snapshot basis), one whose schedule follows its payments, one that is
    not active in the tables, and one with a reversal in these days. An installment of which only a rest within the
    tolerance is left counts as paid off, as everywhere. Each payment is told against all that came before it;
    payments of one day count by their ids.
    """
    fresh, loans = _fresh(tables, settings, as_of, since)
    told = []
    for rank in range(int(fresh["rank"].max()) + 1 if len(fresh) else 0):
        these = fresh[fresh["rank"] == rank]
        mine = loans[among(loans["loan_id"], these["loan_id"])].reset_index(drop=True)
        later = fresh.loc[fresh["rank"] < rank, "row"]
        until = replace(tables, loans=mine, payments=_without(tables, later))
        before = replace(until, payments=_without(tables, [*later, *these["row"]]))
        told += [
            _effects(mine, these, *both, newest=rank == 0) for both in _both(before, until, settings, as_of)
        ]
    return stack(told, PAYMENT_EFFECTS)


def _fresh(
    tables: LoanTables, settings: StandingSettings, as_of: date, since: date
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Payments to tell of (loan_id, payment_id, row, rank: 0 for a loan's newest), and the loans that can tell."""
    loans, _ = usable(tables.loans)
    payments = tables.payments
    if payments is None or settings.schedule.basis == "snapshot":
        return pd.DataFrame({"loan_id": [], "rank": []}), loans
    agreed = [name for name in loans["product"].unique() if schedule_is_agreed(settings, name)]
    loans = loans[(loans["status"] == "active") & loans["product"].isin(agreed)]
    rows = payments.reset_index(drop=True).rename_axis("row").reset_index()
    rows = rows[rows["paid_on"].between(pd.Timestamp(since), pd.Timestamp(as_of))]
    taken_back = rows.loc[rows["amount_minor"] < 0, "loan_id"]
    rows = rows[among(rows["loan_id"], loans["loan_id"]) & ~among(rows["loan_id"], taken_back)]
    rows = rows[rows["amount_minor"] > 0].sort_values(["loan_id", "paid_on", "payment_id"], ascending=False)
    return rows.assign(rank=rows.groupby("loan_id").cumcount()), loans


def _without(tables: LoanTables, rows: "pd.Series[int] | list[int]") -> pd.DataFrame:
    """The payments but those at these places."""
    payments = tables.payments
    assert payments is not None  # noqa: S101 - `_fresh` found payments in it
    return payments.reset_index(drop=True).drop(index=list(rows))


def _both(
    before: LoanTables, until: LoanTables, settings: StandingSettings, as_of: date
) -> Iterator[tuple[Position, Position]]:
    """The same loans before and after these payments, in the same order: agreed schedules are the same in both."""
    return zip(_positions(before, settings, as_of), _positions(until, settings, as_of), strict=True)


def _positions(tables: LoanTables, settings: StandingSettings, as_of: date) -> Iterator[Position]:
    book = LoanBook.of(tables.loans, tables, settings, as_of)
    for positions, _ in book.batches(np.arange(len(tables.loans))):
        yield from positions


def _effects(
    loans: pd.DataFrame, these: pd.DataFrame, before: Position, until: Position, *, newest: bool
) -> pd.DataFrame:
    """PAYMENT_EFFECTS of one payment of each of a position's loans."""
    was, still = before.asked_minor > 0, until.asked_minor > 0
    off = was & ~still
    part = still & (until.unpaid_minor < before.unpaid_minor)
    ids = loans["loan_id"].iloc[until.loan_at]
    found = pd.DataFrame(
        {
            "loan_id": ids.to_numpy(),
            "paid_from": _number(until.numbers, off),
            "paid_to": _number(until.numbers[::-1], off[::-1]),
            "part_paid": _number(until.numbers, part),
            "open_installments": still.sum(axis=0) if newest else 0,
        }
    )
    return found.merge(these[["loan_id", "payment_id"]], on="loan_id")[list(PAYMENT_EFFECTS)]


def _number(numbers: Ints, chosen: Flags) -> Ints:
    """The number of each loan's first chosen installment, 0 where none is."""
    if not len(numbers):
        return np.zeros(chosen.shape[1], dtype=np.int64)
    first = np.take_along_axis(numbers, chosen.argmax(axis=0)[None], axis=0)[0]
    return np.where(chosen.any(axis=0), first, 0)
