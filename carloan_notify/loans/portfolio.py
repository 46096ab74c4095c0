"""The loans of one partition with their schedules, payments and pauses, batch by batch."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from carloan_notify.frames import CHANGES, FINDINGS, INSTALLMENTS, empty, findings, stack
from carloan_notify.loans.allocation import (
    AllocationRule,
    owed_after_installment_paid,
    owed_after_payments,
    owed_after_total,
)
from carloan_notify.loans.change_table import read_changes
from carloan_notify.loans.delinquency import Pauses, read_pauses
from carloan_notify.loans.grid import NO_DATE, Dates, Grid, Ints
from carloan_notify.loans.payments import Payments, received
from carloan_notify.loans.penalty import PenaltyRule
from carloan_notify.loans.position import Columns, Position
from carloan_notify.loans.schedule import build_schedules
from carloan_notify.loans.status_settings import StandingSettings
from carloan_notify.loans.supplied import SuppliedTable, supplied_table

CHUNK = 32_768
"""Loans computed at once: keeps memory flat."""


@dataclass(frozen=True, eq=False)
class LoanTables:
    """The frames a standing is made from, as in frames.py; None where the lender has no such table."""

    loans: pd.DataFrame
    installments: pd.DataFrame | None = None
    payments: pd.DataFrame | None = None
    changes: pd.DataFrame | None = None


@dataclass(frozen=True, eq=False)
class Portfolio:
    """Loans of one partition; every array of loans goes by their place in `loans`.

    `notes` are the FINDINGS of the tables beside it. `supplied` is set for the supplied basis only.
    """

    loans: pd.DataFrame
    changes: pd.DataFrame
    payments: Payments | None
    pauses: Pauses
    supplied: SuppliedTable | None
    settings: StandingSettings
    as_of: date
    notes: pd.DataFrame

    @classmethod
    def of(
        cls, loans: pd.DataFrame, tables: LoanTables, settings: StandingSettings, as_of: date
    ) -> "Portfolio":
        """Match the tables with these loans, once for the whole partition."""
        ids = loans["loan_id"]
        changes = empty(CHANGES) if tables.changes is None else tables.changes
        active = loans["loan_id"][loans["status"] == "active"]
        ours = pd.Index(active).get_indexer(pd.Index(changes["loan_id"])) >= 0
        _, notes = read_changes(changes[~ours], loans[loans["status"] != "active"], settings.schedule)
        payments, supplied, found = None, None, [notes]
        pauses, notes = read_pauses(changes, ids)
        if tables.payments is not None:
            payments, more = received(tables.payments, ids, as_of)
            found.append(more)
        if settings.schedule.basis == "supplied":
            given = empty(INSTALLMENTS) if tables.installments is None else tables.installments
            supplied, more = supplied_table(given, ids)
            found += [notes, more]
        return cls(loans, changes[ours], payments, pauses, supplied, settings, as_of, stack(found, FINDINGS))

    def batches(self, loan_at: Ints) -> Iterator[tuple[list[Position], pd.DataFrame]]:
        """What the active loans at these places owe, and FINDINGS, some thousand loans at a time."""
        size = self.supplied.count if self.supplied is not None else self.loans["term_months"].to_numpy()
        by_size = loan_at[np.argsort(size[loan_at], kind="stable")]
        for begin in range(0, len(by_size), CHUNK):
            batch = by_size[begin : begin + CHUNK]
            yield self._computed(batch) if self.supplied is None else self._supplied(batch, self.supplied)

    def pauses_of(self, loan_at: Ints) -> Pauses:
        """The pauses of these loans."""
        place = np.full(len(self.loans), -1)
        place[loan_at] = np.arange(len(loan_at))
        at = place[self.pauses.loan_at]
        mine = at >= 0
        return Pauses(at[mine], self.pauses.starts_on[mine], self.pauses.ends_on[mine])

    def inert_columns(self, loan_at: Ints) -> Columns:
        """STANDING columns of loans from which nothing is due."""
        if self.payments is None:
            return {"paid_minor": self.loans["paid_to_date_minor"].to_numpy()[loan_at]}
        payments = self.payments.take(loan_at)
        settled = (self.loans["status"] == "settled").to_numpy()[loan_at]
        return {
            "paid_minor": payments.paid_minor,
            "settled_on": np.where(settled, payments.last_on, NO_DATE),
        }

    def _computed(self, loan_at: Ints) -> tuple[list[Position], pd.DataFrame]:
        rows = self.loans.iloc[loan_at]
        ids, positions = pd.Index(rows["loan_id"]), []
        mine = self.changes[ids.get_indexer(pd.Index(self.changes["loan_id"])) >= 0]
        grids, problems = build_schedules(rows, mine if len(mine) else None, self.settings.schedule)
        found = [problems]
        for grid in grids:
            at = loan_at[ids.get_indexer(pd.Index(grid.loan_ids))]
            rule = self._rule(at)
            if self.payments is None:
                paid = self.loans["paid_to_date_minor"].to_numpy()[at]
                owed = owed_after_total(grid, paid, rule, self.as_of)
                positions.append(Position(at, grid, grid_numbers(grid), owed, no_dates(at), paid))
            else:
                position, notes = self._paid(at, grid, grid_numbers(grid), self.payments.take(at))
                positions.append(position)
                found.append(notes)
        return positions, stack(found, FINDINGS)

    def _supplied(self, loan_at: Ints, table: SuppliedTable) -> tuple[list[Position], pd.DataFrame]:
        empty = table.count[loan_at] == 0
        found = findings(
            "installments_missing",
            list(self.loans["loan_id"].iloc[loan_at[empty]]),
            "an active loan has no usable installments; export them or correct them",
            place="installments.loan_id",
        )
        at = loan_at[~empty]
        schedule = table.schedule(at)
        if self.payments is None:
            owed = owed_after_installment_paid(schedule.grid, schedule.paid_minor, self._rule(at), self.as_of)
            paid: Ints = schedule.paid_minor.sum(axis=0)
            return [Position(at, schedule.grid, schedule.numbers, owed, no_dates(at), paid)], found
        position, notes = self._paid(at, schedule.grid, schedule.numbers, self.payments.take(at))
        return [position], stack([found, notes], FINDINGS)

    def _paid(self, at: Ints, grid: Grid, numbers: Ints, payments: Payments) -> tuple[Position, pd.DataFrame]:
        """A position after dated payments, and a finding for each loan that went on paying after its end."""
        owed = owed_after_payments(grid, payments, self._rule(at), self.as_of)
        settled_on, after = payments.settled_on(owed.credit_minor)
        notes = findings(
            "payment_after_settlement",
            list(grid.loan_ids[after > 0]),
            "payments arrived after the loan was settled in full; pay them back or move them to their loan",
            place="payments.loan_id",
        )
        return Position(at, grid, numbers, owed, settled_on, payments.paid_minor), notes

    def _rule(self, loan_at: Ints) -> AllocationRule:
        rates = self.loans["annual_rate_ppb"].to_numpy()[loan_at]
        return AllocationRule(
            self.settings.allocation.steps, PenaltyRule.of(rates, self.settings.delinquency)
        )


def grid_numbers(grid: Grid) -> Ints:
    """Installment numbers 1, 2, 3 … of a computed grid, shape (k, n)."""
    return np.broadcast_to(np.arange(1, grid.rows + 1)[:, None], grid.due_on.shape)


def no_dates(loan_at: Ints) -> Dates:
    """No date for each loan."""
    return np.full(len(loan_at), NO_DATE)
