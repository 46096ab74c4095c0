"""From what loans owe to their standing: next due, oldest unpaid, days past due, bucket."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from carloan_notify.finding_codes import Finding
from carloan_notify.frames import DATE, DUES, FINDINGS, STANDING, TEXT, findings, stack
from carloan_notify.loans.allocation import Owed, day_number, due_days
from carloan_notify.loans.arrays import NO_DATE, Dates, Flags, Ints
from carloan_notify.loans.delinquency import (
    Pauses,
    buckets,
    days_past_due,
    delinquent_days,
    due_date_of,
    paused_days,
)
from carloan_notify.loans.grid import Grid
from carloan_notify.loans.standing_settings import FIRST_BUCKET, DelinquencySettings, StandingSettings
from carloan_notify.loans.tolerance import Tolerance, asked_minor
from carloan_notify.loans.waterfall import PRINCIPAL

Columns: TypeAlias = dict[str, npt.NDArray[Any]]
"""Columns of a frame by name: text, money, dates or flags, one value per row."""


@dataclass(frozen=True, eq=False)
class Position:
    """What some loans owe.

    `loan_at` (n,) are their places in the loans table, `numbers` (k, n) the installment numbers, `settled_on`
    (n,) the date of the last needed payment, `paid_minor` (n,) all money received.
    `tolerance` says which rests are carried and not asked for.
    """

    loan_at: Ints
    grid: Grid
    numbers: Ints
    owed: Owed
    settled_on: Dates
    paid_minor: Ints
    tolerance: Tolerance

    @cached_property
    def due(self) -> Ints:
        """Due dates as day numbers, shape (k, n), as `allocation.due_days`."""
        return due_days(self.grid)

    @cached_property
    def unpaid_minor(self) -> Ints:
        """Unpaid principal, interest and fees of each installment, shape (k, n)."""
        return self.owed.installment_minor

    @cached_property
    def asked_minor(self) -> Ints:
        """What is asked with each installment, shape (k, n), see `tolerance.asked_minor`."""
        spared = self.owed.spared_minor
        return asked_minor(self.unpaid_minor, self.grid.total_minor, self.tolerance, spared)


def standing_columns(
    position: Position, settings: DelinquencySettings, pauses: Pauses, as_of: date
) -> Columns:
    """STANDING columns of a position's loans, except loan_id; `settled` (flags) in place of status."""
    grid, asked = position.grid, position.asked_minor
    past, is_open = position.due < day_number(as_of), asked > 0
    late = is_open & past
    coming = is_open & ~past
    columns: Columns = {}
    for name, chosen in (("next", coming), ("oldest", late)):
        row, found = _first(chosen)
        columns[f"{name}_installment_no"] = _pick(position.numbers, row, found, np.int64(0))
        columns[f"{name}_due_on"] = _pick(grid.due_on, row, found, NO_DATE)
        columns[f"{name}_original_due_on"] = _pick(grid.original_due_on, row, found, NO_DATE)
        columns[f"{name}_due_minor"] = _pick(asked, row, found, np.int64(0))
    del columns["oldest_due_minor"]
    oldest = columns["oldest_due_on"]
    convention = settings.dpd_convention
    paused = paused_days(oldest, settings.grace_days, pauses, as_of, convention)
    past_due = np.maximum(days_past_due(oldest, as_of, convention) - paused, 0)
    penalty, overdue = position.owed.penalty_minor, (asked * past).sum(axis=0)
    left = position.unpaid_minor.sum(axis=0) + penalty
    nothing_asked = (grid.count > 0) & ~is_open.any(axis=0)
    settled = nothing_asked & (left <= position.tolerance.settled_minor)
    ended = nothing_asked & ~settled & (past | ~grid.present).all(axis=0)
    return columns | {
        "settled": settled,
        "settled_on": np.where(settled, position.settled_on, NO_DATE),
        "installments": grid.count,
        "overdue_minor": overdue,
        "carried_minor": (position.unpaid_minor * past).sum(axis=0) - overdue,
        "remainder_minor": np.where(ended, left, 0),
        "remainder_on": np.where(ended, _ended_on(position), NO_DATE),
        "days_past_due": past_due,
        "bucket": buckets(delinquent_days(past_due, settings), settings.bucket_edges),
        "penalty_minor": penalty,
        "outstanding_principal_minor": position.owed.unpaid[PRINCIPAL].sum(axis=0),
        "paid_minor": position.paid_minor,
    }


def _ended_on(position: Position) -> Dates:
    """The last needed payment, or the day after the last due date where that is later or no day is known."""
    last = np.where(position.grid.present, position.due, 0).max(axis=0, initial=0)
    after: Dates = (last + 1).astype("datetime64[D]")
    return np.fmax(after, position.settled_on)


def dues_of(position: Position, until: int) -> Columns:
    """Installments asked for and due up to day number `until`: DUES columns, `loan_at` in place of loan_id."""
    grid, unpaid = position.grid, position.asked_minor
    at = np.flatnonzero((position.due <= until) & (unpaid > 0))
    row, loan = np.divmod(at, max(len(grid), 1))
    total = sum(part.take(at) for part in (grid.principal_minor, grid.interest_minor, grid.fees_minor))
    return {
        "loan_at": position.loan_at[loan],
        "installment_no": position.numbers[row, loan],
        "due_on": grid.due_on.take(at),
        "original_due_on": grid.original_due_on.take(at),
        "total_minor": np.asarray(total),
        "unpaid_minor": unpaid.take(at),
    }


class Sheet:
    """The STANDING and DUES of a whole partition while it is filled batch by batch."""

    def __init__(self, loans: pd.DataFrame) -> None:
        """Every loan starts with its own status and nothing due."""
        self._loans = loans
        rows = len(loans)
        own = ("loan_id", "status", "bucket")
        self._cells = {name: _blank(kind, rows) for name, kind in STANDING.items() if name not in own}
        self._cells["bucket"] = np.full(rows, FIRST_BUCKET, dtype=object)
        none = {name: np.zeros(0, dtype=kind) for name, kind in DUES.items() if kind != TEXT}
        self._dues: list[Columns] = [none | {"loan_at": np.zeros(0, dtype=np.int64)}]
        self._settled, self._known = np.zeros(rows, dtype=bool), np.zeros(rows, dtype=bool)

    def write(self, loan_at: Ints, columns: Columns) -> None:
        """Fill columns of the loans at these places; they are known from now on."""
        self._known[loan_at] = True
        for name, values in columns.items():
            cells = self._settled if name == "settled" else self._cells[name]
            cells[loan_at] = values

    def add_dues(self, dues: Columns) -> None:
        """Take over unpaid installments; each loan's in order of due date."""
        self._dues.append(dues)

    def standing(self) -> pd.DataFrame:
        """STANDING of the known loans, in the order of the loans table."""
        status = self._loans["status"]
        own = {"loan_id": self._loans["loan_id"], "status": status.mask(self._settled, "settled")}
        frame = pd.DataFrame({**own, **self._cells}, copy=False)
        kept = frame if self._known.all() else frame[self._known].reset_index(drop=True)
        return kept[list(STANDING)].astype(dict(STANDING))

    def dues(self) -> pd.DataFrame:
        """DUES by loan, in the order of the loans table, and due date."""
        loan_at = np.concatenate([part["loan_at"] for part in self._dues])
        order = np.argsort(loan_at, kind="stable")
        columns: dict[str, Any] = {"loan_id": self._loans["loan_id"].take(loan_at[order]).array}
        for name in list(DUES)[1:]:
            columns[name] = np.concatenate([part[name] for part in self._dues])[order].astype(DUES[name])
        return pd.DataFrame(columns, copy=False)


def _blank(kind: str, rows: int) -> npt.NDArray[Any]:
    return np.full(rows, NO_DATE.astype(kind)) if kind == DATE else np.zeros(rows, dtype=kind)


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


# Standing where the loans table itself carries what is due, what is overdue and since when.


def write_snapshot(
    sheet: Sheet, loans: pd.DataFrame, active_at: Ints, settings: StandingSettings, as_of: date
) -> pd.DataFrame:
    """Fill the sheet with the active loans at these places; FINDINGS for those that contradict themselves.

    Figures are the lender's own: nothing is recomputed. The oldest due date is the one whose days past due
    they are, so it is the same date every night while nothing is paid; its installment number is unknown (0).
    An overdue amount within the tolerance of the next installment is carried to it; without one it is carried on.
    """
    until = day_number(as_of) + settings.horizon_days
    rows = loans.iloc[active_at]
    struck = np.zeros(len(rows), dtype=bool)
    notes = []
    for code, bad, column, message in _faults(rows, as_of):
        notes.append(findings(code, rows["loan_id"][bad & ~struck], message, place=f"loans.{column}"))
        struck |= bad
    good, at = rows[~struck], active_at[~struck]
    good = _tolerated(good, settings.tolerance, as_of)
    oldest = due_date_of(good["days_past_due"].to_numpy(), as_of, settings.delinquency.dpd_convention)
    sheet.write(at, _columns(good, oldest, settings.delinquency, as_of))
    for dues in _dues(good, at, oldest, as_of, until):
        sheet.add_dues(dues)
    return stack(notes, FINDINGS)


def _tolerated(rows: pd.DataFrame, tolerance: Tolerance, as_of: date) -> pd.DataFrame:
    """The rows with small overdue amounts moved to `carried_minor` and to the next amount due."""
    overdue, due = rows["overdue_minor"].to_numpy(), rows["amount_due_minor"].to_numpy()
    allowed = np.where(due > 0, tolerance.of(due), tolerance.amount_minor)
    small = (overdue > 0) & (overdue <= allowed)
    carried = np.where(small, overdue, 0)
    return rows.assign(
        carried_minor=carried,
        overdue_minor=overdue - carried,
        days_past_due=np.where(small, 0, rows["days_past_due"].to_numpy()),
        amount_due_minor=due + np.where(_coming(rows, as_of), carried, 0),
    )


def _columns(rows: pd.DataFrame, oldest: Dates, settings: DelinquencySettings, as_of: date) -> Columns:
    past_due = rows["days_past_due"].to_numpy()
    coming = _coming(rows, as_of)
    next_on = np.where(coming, _next_on(rows), NO_DATE)
    return {
        "next_installment_no": np.where(coming, rows["next_installment_no"].to_numpy(), 0),
        "next_due_on": next_on,
        "next_original_due_on": next_on,
        "next_due_minor": np.where(coming, rows["amount_due_minor"].to_numpy(), 0),
        "oldest_due_on": oldest,
        "oldest_original_due_on": oldest,
        "overdue_minor": rows["overdue_minor"].to_numpy(),
        "carried_minor": rows["carried_minor"].to_numpy(),
        "days_past_due": past_due,
        "bucket": buckets(delinquent_days(past_due, settings), settings.bucket_edges),
        "paid_minor": rows["paid_to_date_minor"].to_numpy(),
    }


def _dues(rows: pd.DataFrame, at: Ints, oldest: Dates, as_of: date, until: int) -> Iterator[Columns]:
    """The overdue amount as one due, and the next installment."""
    near = _coming(rows, as_of) & (_next_on(rows).astype(np.int64) <= until)
    number, none = rows["next_installment_no"].to_numpy(), np.zeros(len(rows), dtype=np.int64)
    for chosen, numbers, due_on, amount in (
        (~np.isnat(oldest), none, oldest, rows["overdue_minor"].to_numpy()),
        (near, number, _next_on(rows), rows["amount_due_minor"].to_numpy()),
    ):
        yield {
            "loan_at": at[chosen],
            "installment_no": numbers[chosen],
            "due_on": due_on[chosen],
            "original_due_on": due_on[chosen],
            "total_minor": amount[chosen],
            "unpaid_minor": amount[chosen],
        }


def _next_on(rows: pd.DataFrame) -> Dates:
    return rows["next_due_on"].to_numpy().astype("datetime64[D]")


def _coming(rows: pd.DataFrame, as_of: date) -> Flags:
    """Where the next due date is today or later and something is due."""
    next_on = _next_on(rows)
    later = next_on.astype(np.int64) >= day_number(as_of)
    flags: Flags = ~np.isnat(next_on) & later & (rows["amount_due_minor"].to_numpy() > 0)
    return flags


def _faults(rows: pd.DataFrame, as_of: date) -> Iterator[tuple[str, Flags, str, str]]:
    overdue, days = rows["overdue_minor"].to_numpy(), rows["days_past_due"].to_numpy()
    due, next_on = rows["amount_due_minor"].to_numpy(), _next_on(rows)
    yield (
        Finding.SNAPSHOT_NEGATIVE,
        (overdue < 0) | (days < 0) | (due < 0),
        "amount_due",
        "amount_due, overdue_amount and days_past_due cannot be below 0; correct the export",
    )
    yield (
        Finding.SNAPSHOT_OVERDUE_WITHOUT_DAYS,
        (overdue > 0) & (days == 0),
        "days_past_due",
        "an overdue amount without days past due; export both",
    )
    yield (
        Finding.SNAPSHOT_DAYS_WITHOUT_OVERDUE,
        (overdue == 0) & (days > 0),
        "overdue_amount",
        "days past due without an overdue amount; export both",
    )
    yield (
        Finding.SNAPSHOT_DUE_WITHOUT_DATE,
        (due > 0) & np.isnat(next_on),
        "next_due_on",
        "an amount due without next_due_on; export both",
    )
    past = ~np.isnat(next_on) & (next_on.astype(np.int64) < day_number(as_of))
    yield (
        Finding.SNAPSHOT_NEXT_DUE_PAST,
        past & (due > 0) & (days == 0),
        "next_due_on",
        "next_due_on is past, yet nothing is overdue; is the export older than the business date?",
    )
