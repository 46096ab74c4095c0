"""Read the lender's tables and work out where every loan stands."""

from dataclasses import dataclass
from datetime import date

import pandas as pd

from carloan_notify import frames
from carloan_notify.loans.compare import DIFFERS, compare
from carloan_notify.loans.portfolio import LoanTables
from carloan_notify.loans.settings import ScheduleSettings
from carloan_notify.loans.standing import Standing, standing
from carloan_notify.loans.status_settings import StandingSettings
from carloan_notify.pipeline.build import House
from carloan_notify.reports.night import TableCount
from carloan_notify.sources.assembly import Table
from carloan_notify.sources.context import ReadContext
from carloan_notify.sources.read import Sources, read_all


@dataclass(frozen=True, slots=True)
class Portfolio:
    """The tables of one business date and the standing of every loan in them.

    `differences` (frames.FINDINGS) tells where the lender's own schedule differs from the recomputed one.
    """

    as_of: date
    sources: Sources
    standing: Standing
    differences: pd.DataFrame

    @property
    def loans(self) -> pd.DataFrame:
        """The loans as read (frames.LOANS and the lender's own columns)."""
        return self.sources.loans.frame

    @property
    def findings(self) -> pd.DataFrame:
        """Everything worth telling about the tables and the loans (frames.FINDINGS)."""
        return frames.stack(
            [self.sources.findings, self.standing.findings, self.differences], frames.FINDINGS
        )

    @property
    def incomplete_loans(self) -> frozenset[str]:
        """Loans of which some row was rejected: what is known of them may be wrong, so they are held."""
        return rejected_loans(self.sources)

    @property
    def incomplete_customers(self) -> frozenset[str]:
        """Customers of whom a contact row was rejected: it may have been a do-not-contact."""
        contacts = self.sources.contacts
        return frozenset() if contacts is None else contacts.rejected_owners

    def table_counts(self) -> tuple[TableCount, ...]:
        """Rows read, used and rejected per table."""
        return tuple(
            TableCount(table.name, table.rows_read, len(table.frame), len(table.rejects))
            for table in self.sources.tables
        )


def read_portfolio(house: House, as_of: date) -> Portfolio:
    """Read every configured table as of a business date and compute the standing.

    Raises:
        SourceError: if a table cannot be read at all.
        CalendarError: if a calendar does not cover a needed year.
    """
    sources = read_all(house.settings.sources, read_context(house, as_of))
    tables = loan_tables(sources)
    return Portfolio(
        as_of,
        sources,
        standing(tables, standing_settings(house), as_of),
        _differences(tables, house.settings.schedule),
    )


def _differences(tables: LoanTables, settings: ScheduleSettings) -> pd.DataFrame:
    """Supplied schedules are never recomputed, but a difference is told. Loans without terms cannot be compared."""
    if settings.basis != "supplied":
        return frames.empty(frames.FINDINGS)
    _, found = compare(tables, settings)
    return found[found["code"] == DIFFERS].reset_index(drop=True)


def rejected_loans(sources: Sources) -> frozenset[str]:
    """Loans of which a row that decides what is owed was rejected."""
    tables = (sources.installments, sources.payments, sources.changes)
    return frozenset().union(*(table.rejected_owners for table in tables if table is not None))


def loan_tables(sources: Sources) -> LoanTables:
    """The frames that the standing is computed from."""
    return LoanTables(
        loans=sources.loans.frame,
        installments=frame_of(sources.installments),
        payments=frame_of(sources.payments),
        changes=frame_of(sources.changes),
    )


def frame_of(table: Table | None) -> pd.DataFrame | None:
    """A table's frame, None for one that is not configured."""
    return None if table is None else table.frame


def read_context(house: House, as_of: date) -> ReadContext:
    """How the tables are to be read."""
    settings = house.settings
    return ReadContext(
        as_of=as_of,
        base_dir=house.folder,
        basis=settings.schedule.basis,
        currency=house.lender.currency,
        phone_region=house.lender.country,
        timezone=house.lender.timezone,
        chunk_rows=settings.sources.chunk_rows,
        max_line_bytes=settings.sources.max_line_bytes,
    )


def standing_settings(house: House) -> StandingSettings:
    """The conventions of the standing; its horizon reaches as far ahead as the earliest reminder looks."""
    settings = house.settings
    return StandingSettings(
        schedule=settings.schedule,
        delinquency=settings.delinquency,
        allocation=settings.allocation,
        horizon_days=max(rule.when.days_before_due or 0 for rule in settings.rules),
    )
