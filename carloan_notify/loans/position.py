"""From what loans owe to their standing: next due, oldest unpaid, days past due, bucket."""

from dataclasses import dataclass
from datetime import date
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from carloan_notify.frames import DATE, DUES, STANDING, TEXT
from carloan_notify.loans.allocation import Owed, day_number, due_days
from carloan_notify.loans.delinquency import Pauses, buckets, days_past_due, delinquent_days, paused_days
from carloan_notify.loans.grid import NO_DATE, Dates, Flags, Grid, Ints
from carloan_notify.loans.status_settings import DelinquencySettings
from carloan_notify.loans.waterfall import PRINCIPAL

Columns: TypeAlias = dict[str, npt.NDArray[Any]]
"""Columns of a frame by name: text, money, dates or flags, one value per row."""


@dataclass(frozen=True, eq=False)
class Position:
    """What some loans owe.

    `loan_at` (n,) are their places in the loans table, `numbers` (k, n) the installment numbers, `settled_on`
    (n,) the date of the last needed payment, `paid_minor` (n,) all money received.
    """

    loan_at: Ints
    grid: Grid
    numbers: Ints
    owed: Owed
    settled_on: Dates
    paid_minor: Ints


def standing_columns(
    position: Position, settings: DelinquencySettings, pauses: Pauses, as_of: date
) -> Columns:
    """STANDING columns of a position's loans, except loan_id; `settled` (flags) in place of status."""
    grid, unpaid = position.grid, position.owed.installment_minor
    past = due_days(grid) < day_number(as_of)
    coming, late = (unpaid > 0) & ~past, (unpaid > 0) & past
    columns: Columns = {}
    for name, chosen in (("next", coming), ("oldest", late)):
        row, found = _first(chosen)
        columns[f"{name}_installment_no"] = _pick(position.numbers, row, found, np.int64(0))
        columns[f"{name}_due_on"] = _pick(grid.due_on, row, found, NO_DATE)
        columns[f"{name}_original_due_on"] = _pick(grid.original_due_on, row, found, NO_DATE)
        columns[f"{name}_due_minor"] = _pick(unpaid, row, found, np.int64(0))
    del columns["oldest_due_minor"]
    oldest = columns["oldest_due_on"]
    paused = paused_days(oldest, settings.grace_days, pauses, as_of)
    past_due = np.maximum(days_past_due(oldest, as_of, settings.dpd_convention) - paused, 0)
    penalty = position.owed.penalty_minor
    settled = (grid.count > 0) & (penalty == 0) & ~(unpaid > 0).any(axis=0)
    return columns | {
        "settled": settled,
        "settled_on": np.where(settled, position.settled_on, NO_DATE),
        "installments": grid.count,
        "overdue_minor": np.where(past, unpaid, 0).sum(axis=0),
        "days_past_due": past_due,
        "bucket": buckets(delinquent_days(past_due, settings), settings.bucket_edges),
        "penalty_minor": penalty,
        "outstanding_principal_minor": position.owed.unpaid[PRINCIPAL].sum(axis=0),
        "paid_minor": position.paid_minor,
    }


def dues_of(position: Position, until: int) -> Columns:
    """Unpaid installments due up to day number `until`: DUES columns, with `loan_at` in place of loan_id."""
    grid, unpaid = position.grid, position.owed.installment_minor
    row, loan = np.nonzero((unpaid > 0) & (due_days(grid) <= until))
    at = (row, loan)
    return {
        "loan_at": position.loan_at[loan],
        "installment_no": position.numbers[at],
        "due_on": grid.due_on[at],
        "original_due_on": grid.original_due_on[at],
        "total_minor": grid.principal_minor[at] + grid.interest_minor[at] + grid.fees_minor[at],
        "unpaid_minor": unpaid[at],
    }


class Sheet:
    """The STANDING and DUES of a whole partition while it is filled batch by batch."""

    def __init__(self, loans: pd.DataFrame) -> None:
        """Every loan starts with its own status and nothing due."""
        self._loans = loans
        self._cells = {name: _blank(kind, len(loans)) for name, kind in STANDING.items()}
        self._cells["status"] = loans["status"].to_numpy(dtype=object).copy()
        self._cells["bucket"][:] = "M0"
        none = {name: np.zeros(0, dtype=kind) for name, kind in DUES.items() if kind != TEXT}
        self._dues: list[Columns] = [none | {"loan_at": np.zeros(0, dtype=np.int64)}]
        self._known = np.zeros(len(loans), dtype=bool)

    def write(self, loan_at: Ints, columns: Columns) -> None:
        """Fill columns of the loans at these places; they are known from now on."""
        self._known[loan_at] = True
        settled = columns.pop("settled", None)
        if settled is not None:
            self._cells["status"][loan_at[settled]] = "settled"
        for name, values in columns.items():
            self._cells[name][loan_at] = values

    def add_dues(self, dues: Columns) -> None:
        """Take over unpaid installments."""
        self._dues.append(dues)

    def standing(self) -> pd.DataFrame:
        """STANDING of the known loans, in the order of the loans table."""
        known: Flags | slice = slice(None) if self._known.all() else self._known
        columns = {name: cells[known] for name, cells in self._cells.items() if name != "loan_id"}
        ids = self._loans["loan_id"][known].reset_index(drop=True)
        return pd.DataFrame({"loan_id": ids, **columns}).astype(dict(STANDING))

    def dues(self) -> pd.DataFrame:
        """DUES by loan, in the order of the loans table, and due date."""
        names = ["loan_at", *list(DUES)[1:]]
        joined = {name: np.concatenate([part[name] for part in self._dues]) for name in names}
        loan_at = joined.pop("loan_at")
        order = np.lexsort((joined["installment_no"], joined["due_on"], loan_at))
        ids = self._loans["loan_id"].take(loan_at[order]).reset_index(drop=True)
        columns = {name: values[order] for name, values in joined.items()}
        return pd.DataFrame({"loan_id": ids, **columns}).astype(dict(DUES))


def _blank(kind: str, rows: int) -> npt.NDArray[Any]:
    if kind == DATE:
        return np.full(rows, NO_DATE)
    if kind == TEXT:
        return np.full(rows, "", dtype=object)
    return np.zeros(rows, dtype=kind)


def _first(chosen: Flags) -> tuple[Ints, Flags]:
    """Row of the first chosen installment of each loan, and whether there is one."""
    row = np.zeros(chosen.shape[1], dtype=np.int64)
    found = np.zeros(chosen.shape[1], dtype=bool)
    for at in reversed(range(len(chosen))):
        row[chosen[at]] = at
        found |= chosen[at]
    return row, found


def _pick(values: npt.NDArray[Any], row: Ints, found: Flags, missing: np.generic) -> npt.NDArray[Any]:
    """The value of each loan's row, `missing` where none was found."""
    picked = np.full(len(row), missing)
    picked[found] = values[row[found], np.flatnonzero(found)]
    return picked
