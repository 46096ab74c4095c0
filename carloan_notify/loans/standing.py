"""The standing of every loan on a business date, from whichever basis the lender's truth has."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pandas as pd

from carloan_notify.codes import Method
from carloan_notify.finding_codes import Finding
from carloan_notify.frames import CHANGES, FINDINGS, INSTALLMENTS, empty, findings, stack
from carloan_notify.loans.allocation import (
    AllocationRule,
    Owed,
    day_number,
    owed_after_installment_paid,
    owed_after_payments,
    owed_after_total,
)
from carloan_notify.loans.arrays import NO_DATE, Dates, Flags, Ints
from carloan_notify.loans.calendar import regular_start
from carloan_notify.loans.change_requests import read_changes
from carloan_notify.loans.daily import DailyRule, recalculated
from carloan_notify.loans.delinquency import Pauses, read_pauses
from carloan_notify.loans.grid import Grid
from carloan_notify.loans.methods import METHODS
from carloan_notify.loans.overpayment import Overpaid
from carloan_notify.loans.payments import Payments, PenaltyRule, received
from carloan_notify.loans.position import Columns, Position, Sheet, dues_of, standing_columns, write_snapshot
from carloan_notify.loans.schedule import NEEDED, schedules
from carloan_notify.loans.standing_settings import StandingSettings
from carloan_notify.loans.supplied import SuppliedTable, supplied_table

# The loans of one partition with their schedules, payments and pauses, batch by batch.

CHUNK = 8_192
"""Supplied schedules laid out at once: keeps memory flat."""
BATCH = 131_072
"""Loans looked up at once; their schedules are computed in smaller parts, one after the other."""
_NOTHING = empty(FINDINGS)
_BALLOON = [method.value for method, rules in METHODS.items() if rules.leaves_balloon]
_LEVEL = [method.value for method, rules in METHODS.items() if rules.annuity]


@dataclass(frozen=True, eq=False)
class LoanTables:
    """The frames a standing is made from, as in frames.py; None where the lender has no such table."""

    loans: pd.DataFrame
    installments: pd.DataFrame | None = None
    payments: pd.DataFrame | None = None
    changes: pd.DataFrame | None = None


@dataclass(frozen=True, eq=False)
class LoanBook:
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
    ) -> "LoanBook":
        """Match the tables with these loans, once for the whole partition."""
        ids = loans["loan_id"]
        changes = empty(CHANGES) if tables.changes is None else tables.changes
        active = loans["loan_id"][loans["status"] == "active"]
        ours = named_in(changes["loan_id"], active)
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
        if self.supplied is None:
            most = 4 * CHUNK if self._applies_overpayments else BATCH  # all their schedules are kept at once
            for batch in _batches(loan_at, self.loans["term_months"].to_numpy(), most):
                yield from self._computed(batch)
        else:
            for batch in _batches(loan_at, self.supplied.count, CHUNK):
                yield self._supplied(batch, self.supplied)

    @property
    def _applies_overpayments(self) -> bool:
        return self.settings.allocation.overpayment == "applied"

    def pauses_of(self, loan_at: Ints) -> Pauses:
        """The pauses of these loans."""
        known = self.pauses.loan_at  # ascending
        begin = np.searchsorted(known, loan_at)
        count = np.searchsorted(known, loan_at, side="right") - begin
        rows = np.arange(count.sum()) + np.repeat(begin - (np.cumsum(count) - count), count)
        at = np.repeat(np.arange(len(loan_at)), count)
        return Pauses(at, self.pauses.starts_on[rows], self.pauses.ends_on[rows])

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

    def _computed(self, loan_at: Ints) -> Iterator[tuple[list[Position], pd.DataFrame]]:
        rows = self.loans[[name for name in (*NEEDED, "status") if name in self.loans]].iloc[loan_at]
        mine = self.changes[named_in(self.changes["loan_id"], rows["loan_id"])]
        daily = self._daily(rows)
        if daily.any():
            yield from self._recalculated(rows[daily], mine)
            loan_at, rows = loan_at[~daily], rows[~daily]
        carried = self.settings.allocation.applied_as == "next_installments"  # no interest to save
        if self.payments is not None and self._applies_overpayments and not carried:
            overpaid = Overpaid(rows, self.payments.take(loan_at), self._rule(loan_at), self.settings)
            grids, problems = overpaid.schedules(mine)
            places = pd.Index(rows["loan_id"])
            yield [], problems
            for grid in grids:
                yield self._settled_by(loan_at[places.get_indexer(pd.Index(grid.loan_ids))], grid)
            return
        for part in schedules(rows, mine if len(mine) else None, self.settings.schedule):
            positions, notes = self._settled_by(part.at, part.grid)
            yield positions, stack([part.findings, notes], FINDINGS)

    def _daily(self, rows: pd.DataFrame) -> Flags:
        """Loans whose interest follows their payments; flat interest never does."""
        schedule, products = self.settings.schedule, rows["product"]
        chosen = [name for name in products.unique() if schedule.terms_of(name).recalculation != "none"]
        flags = (products.isin(chosen) & (rows["repayment_method"] != Method.FLAT)).to_numpy(dtype=bool)
        return flags if self.payments is not None else np.zeros(len(rows), dtype=bool)

    def _recalculated(
        self, rows: pd.DataFrame, changes: pd.DataFrame
    ) -> Iterator[tuple[list[Position], pd.DataFrame]]:
        """Positions of loans with daily interest. A rate that changes keeps the agreed interest, with a finding."""
        changed = changes.loc[changes["type"] == "rate", "loan_id"]
        for part in schedules(rows, changes if len(changes) else None, self.settings.schedule):
            ids = pd.Series(part.grid.loan_ids, dtype="str")
            agreed = named_in(ids, changed)
            found = findings(
                Finding.RECALCULATION_NOT_APPLIED,
                list(ids[agreed]),
                "the rate of a loan with daily interest changes, so its interest stays as agreed; supply its schedule",
                place="changes.type",
            )
            grid = _joined_grids(part.grid, self._by_day(part.at, part.grid), agreed)
            positions, notes = self._settled_by(part.at, grid)
            yield positions, stack([part.findings, found, notes], FINDINGS)

    def _by_day(self, at: Ints, grid: Grid) -> Grid:
        if self.payments is None or not len(grid):
            return grid
        loans = self.loans.iloc[at]
        terms = self.settings.schedule.terms_of(str(loans["product"].iloc[0]))
        first, due_day = _dates_of(loans["first_due_on"]), loans["due_day"].to_numpy()
        disbursed = _dates_of(loans["disbursed_on"])
        regular = regular_start(first, due_day, terms.frequency)
        rule = DailyRule(
            terms=terms,
            start_on=np.where(np.isnat(disbursed), regular, disbursed),
            rate_ppb=loans["annual_rate_ppb"].to_numpy(),
            level=loans["repayment_method"].isin(_LEVEL).to_numpy(dtype=bool),
            balloon_minor=np.where(loans["repayment_method"].isin(_BALLOON), loans["balloon_minor"], 0),
            unit=max(self.settings.schedule.minor(terms.installment_multiple), 1),
            applied_as=self.settings.allocation.applied_as if self._applies_overpayments else "",
        )
        return recalculated(grid, self.payments.take(at), rule, day_number(self.as_of))

    def _settled_by(self, at: Ints, grid: Grid) -> tuple[list[Position], pd.DataFrame]:
        """The position of loans with computed schedules, and FINDINGS."""
        if self.payments is not None:
            position, notes = self._paid(at, grid, grid_numbers(grid), self.payments.take(at))
            return [position], notes
        paid = self.loans["paid_to_date_minor"].to_numpy()[at]
        owed = owed_after_total(grid, paid, self._rule(at), self.as_of)
        return [self._position(at, grid, grid_numbers(grid), owed, no_dates(at), paid)], _NOTHING

    def _supplied(self, loan_at: Ints, table: SuppliedTable) -> tuple[list[Position], pd.DataFrame]:
        missing = table.start[loan_at + 1] == table.start[loan_at]
        found = findings(
            Finding.INSTALLMENTS_MISSING,
            list(self.loans["loan_id"].iloc[loan_at[missing]]),
            "an active loan has no usable installments; export them or correct them",
            place="installments.loan_id",
        )
        at = loan_at[~missing]
        schedule = table.schedule(at)
        if self.payments is None:
            owed = owed_after_installment_paid(schedule.grid, schedule.paid_minor, self._rule(at), self.as_of)
            paid: Ints = schedule.paid_minor.sum(axis=0)
            return [self._position(at, schedule.grid, schedule.numbers, owed, no_dates(at), paid)], found
        position, notes = self._paid(at, schedule.grid, schedule.numbers, self.payments.take(at))
        return [position], stack([found, notes], FINDINGS)

    def _paid(self, at: Ints, grid: Grid, numbers: Ints, payments: Payments) -> tuple[Position, pd.DataFrame]:
        """A position after dated payments, and a finding for each loan that went on paying after its end."""
        owed = owed_after_payments(grid, payments, self._rule(at), self.as_of)
        settled_on, after = payments.settled_on(owed.credit_minor)
        notes = findings(
            Finding.PAYMENT_AFTER_SETTLEMENT,
            list(grid.loan_ids[after > 0]),
            "payments arrived after the loan was settled in full; pay them back or move them to their loan",
            place="payments.loan_id",
        )
        return self._position(at, grid, numbers, owed, settled_on, payments.paid_minor), notes

    def _position(
        self, at: Ints, grid: Grid, numbers: Ints, owed: Owed, settled_on: Dates, paid_minor: Ints
    ) -> Position:
        return Position(at, grid, numbers, owed, settled_on, paid_minor, self.settings.tolerance)

    def _rule(self, loan_at: Ints) -> AllocationRule:
        rates = self.loans["annual_rate_ppb"].to_numpy()[loan_at]
        return AllocationRule(
            self.settings.allocation.steps,
            PenaltyRule.of(rates, self.settings.delinquency, self.settings.tolerance.penalty_free_minor),
        )


def _joined_grids(agreed: Grid, by_day: Grid, keeps: Flags) -> Grid:
    """The agreed schedule where `keeps`, else the one that follows the payments; both have the same rows."""
    names = (
        "due_on",
        "original_due_on",
        "interest_on",
        "principal_minor",
        "interest_minor",
        "fees_minor",
        "count",
    )
    return replace(
        agreed, **{name: np.where(keeps, getattr(agreed, name), getattr(by_day, name)) for name in names}
    )


def _dates_of(days: "pd.Series[pd.Timestamp]") -> Dates:
    return days.to_numpy().astype("datetime64[D]")


def named_in(ids: pd.Series, loan_ids: pd.Series) -> Flags:
    """Which ids are among the loans'; looks nothing up where there are none, because texts cost most."""
    return ids.isin(loan_ids).to_numpy(dtype=bool) if len(ids) else np.zeros(0, dtype=bool)


def _batches(loan_at: Ints, size: Ints, most: int) -> Iterator[Ints]:
    """At most so many loans at a time, those with as many installments together."""
    by_size = loan_at[np.argsort(size[loan_at], kind="stable")]
    for begin in range(0, len(by_size), most):
        yield by_size[begin : begin + most]


def grid_numbers(grid: Grid) -> Ints:
    """Installment numbers 1, 2, 3 … of a computed grid, shape (k, n)."""
    return np.broadcast_to(np.arange(1, grid.rows + 1)[:, None], grid.due_on.shape)


def no_dates(loan_at: Ints) -> Dates:
    """No date for each loan."""
    return np.full(len(loan_at), NO_DATE)


STATUSES = ("pending", "active", "settled", "charged_off", "cancelled")


@dataclass(frozen=True, eq=False)
class Standing:
    """STANDING per loan, DUES unpaid up to the horizon, and FINDINGS.

    A loan that cannot be computed is in the findings only.
    """

    loans: pd.DataFrame
    dues: pd.DataFrame
    findings: pd.DataFrame


def standing(tables: LoanTables, settings: StandingSettings, as_of: date) -> Standing:
    """Where every loan stands on `as_of`, payments of that day included.

    Loans keep the order of the loans table. A loan's result depends on its own rows only. Nothing is due
    from a loan that is not active. Raises CalendarError where a business-day convention needs a year that its
    calendar does not know.
    """
    loans, notes = usable(tables.loans)
    sheet = Sheet(loans)
    active = (loans["status"] == "active").to_numpy(dtype=bool)
    at, inert = np.flatnonzero(active), np.flatnonzero(~active)
    until = day_number(as_of) + settings.horizon_days
    if settings.schedule.basis == "snapshot":
        sheet.write(inert, {"paid_minor": loans["paid_to_date_minor"].to_numpy()[inert]})
        struck = write_snapshot(sheet, loans, at, settings, as_of)
        return Standing(sheet.standing(), sheet.dues(), stack([notes, struck], FINDINGS))
    portfolio = LoanBook.of(loans, tables, settings, as_of)
    sheet.write(inert, portfolio.inert_columns(inert))
    found = []
    for positions, problems in portfolio.batches(at):
        for position in positions:
            pauses = portfolio.pauses_of(position.loan_at)
            sheet.write(position.loan_at, standing_columns(position, settings.delinquency, pauses, as_of))
            sheet.add_dues(dues_of(position, until))
        found.append(problems)
    return Standing(sheet.standing(), sheet.dues(), stack([notes, portfolio.notes, *found], FINDINGS))


def usable(loans: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Loans with an id of their own and a known status, and FINDINGS for the others."""
    twice = loans["loan_id"].duplicated(keep=False)
    unknown = ~loans["status"].isin(STATUSES) & ~twice
    notes = [
        findings(
            Finding.LOAN_ID_DUPLICATE,
            loans["loan_id"][twice],
            "the loan_id is there more than once; keep one row per loan",
            place="loans.loan_id",
        ),
        findings(
            Finding.STATUS_UNKNOWN,
            loans["loan_id"][unknown],
            f"use one of {', '.join(STATUSES)}",
            place="loans.status",
            value=list(loans["status"][unknown]),
        ),
    ]
    bad = twice | unknown
    kept = loans[~bad].reset_index(drop=True) if bad.any() else loans.reset_index(drop=True)
    return kept, stack(notes, FINDINGS)
