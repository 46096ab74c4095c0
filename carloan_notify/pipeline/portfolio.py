"""Read the lender's tables and work out where every loan stands."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import pandas as pd

from carloan_notify import frames
from carloan_notify.app import App
from carloan_notify.loans.questions import DIFFERS, compare
from carloan_notify.loans.settings import ScheduleSettings
from carloan_notify.loans.standing import LoanTables, Standing, standing
from carloan_notify.loans.standing_settings import StandingSettings
from carloan_notify.notices.events import DecideInputs
from carloan_notify.notices.promises import PaymentEvidence, judged, promise_events
from carloan_notify.notices.settings import PolicySettings, RuleSettings
from carloan_notify.pipeline.happenings import changes_told, computed_quotes, payment_details
from carloan_notify.reports.night import TableCount
from carloan_notify.sources.read import Sources, Table, of_loans, read_all, read_table
from carloan_notify.sources.settings import ReadContext, TableSettings
from carloan_notify.sources.some_rows import LoanRows
from carloan_notify.sources.tables import TABLES, TableName


@dataclass(frozen=True, slots=True)
class Portfolio:
    """The tables of one business date and the standing of every loan in them.

    `differences` (frames.FINDINGS) tells where the lender's own schedule differs from the recomputed one. `promises`
    (promises.PROMISES) are those of the ledger as it has them, None where nobody asked it.
    """

    as_of: date
    sources: Sources
    standing: Standing
    differences: pd.DataFrame
    promises: pd.DataFrame | None = None

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
        """Rows read, used and rejected per table; a row that says what another says is used with it."""
        return tuple(
            TableCount(table.name, table.rows_read, table.rows_read - len(table.rejects), len(table.rejects))
            for table in self.sources.tables
        )


def read_portfolio(app: App, as_of: date) -> Portfolio:
    """Read every configured table as of a business date and compute the standing.

    Raises:
        SourceError: if a table cannot be read at all.
        CalendarError: if a calendar does not cover a needed year.
    """
    return portfolio_of(app, as_of, read_all(app.settings.sources, read_context(app, as_of)))


def portfolio_of(app: App, as_of: date, sources: Sources) -> Portfolio:
    """These tables, of all loans or of some, with the standing of every loan in them.

    CalendarError if a calendar does not cover a needed year.
    """
    tables = loan_tables(sources)
    return Portfolio(
        as_of,
        sources,
        standing(tables, standing_settings(app), as_of),
        _differences(tables, app.settings.schedule),
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


def read_context(app: App, as_of: date) -> ReadContext:
    """How the tables are to be read."""
    settings = app.settings
    return ReadContext(
        as_of=as_of,
        base_dir=app.folder,
        basis=settings.schedule.basis,
        currency=app.lender.currency,
        phone_region=app.lender.country,
        timezone=app.lender.timezone,
        sources=settings.sources,
        event_types={name: event.words for name, event in settings.events.items()},
    )


def standing_settings(app: App) -> StandingSettings:
    """The conventions of the standing; its horizon reaches as far ahead as the earliest reminder looks."""
    settings = app.settings
    return StandingSettings(
        schedule=settings.schedule,
        delinquency=settings.delinquency,
        allocation=settings.allocation,
        horizon_days=max(rule.when.days_before_due or 0 for rule in settings.rules),
    )


def inputs_of(app: App, portfolio: Portfolio) -> DecideInputs:
    """What deciding needs to know."""
    sources, standing = portfolio.sources, portfolio.standing
    tables, terms = loan_tables(sources), standing_settings(app)
    since = portfolio.as_of - timedelta(days=max(rule.catch_up_days for rule in app.settings.rules))
    events = frame_of(sources.events)
    return DecideInputs(
        loans=portfolio.loans,
        standing=standing.loans,
        dues=standing.dues,
        events=events,
        payments=frame_of(sources.payments),
        changes_told=changes_told(tables, terms, since),
        payment_details=payment_details(tables, terms, portfolio.as_of, since),
        quotes=computed_quotes(tables, events, terms, app.settings.payoff, since),
        contacts=frame_of(sources.contacts),
        promise_events=_promise_events(app, portfolio),
        own_events=frozenset(app.settings.events),
    )


def judged_promises(app: App, portfolio: Portfolio) -> pd.DataFrame | None:
    """The portfolio's promises as its tables judge them on its day; None where there are none."""
    if portfolio.promises is None or portfolio.promises.empty:
        return None
    loans, payments = portfolio.loans, frame_of(portfolio.sources.payments)
    told = app.settings.schedule.basis != "snapshot" or bool((loans["paid_to_date_minor"] > 0).any())
    doubtful = portfolio.incomplete_loans
    evidence = PaymentEvidence(portfolio.standing.loans, payments, paid_known=told, doubtful=doubtful)
    return judged(portfolio.promises, evidence, portfolio.as_of, app.settings.promises.revise_days)


def _promise_events(app: App, portfolio: Portfolio) -> pd.DataFrame | None:
    found = judged_promises(app, portfolio)
    remind = app.settings.promises.remind_days
    return None if found is None else promise_events(found, portfolio.standing.loans, remind)


def only_loans(sources: Sources, loan_ids: Collection[str]) -> Sources:
    """The same tables with the rows of these loans alone; contacts, which speak of customers too, stay whole."""
    tables = {name: table for name in OF_LOANS if (table := getattr(sources, name)) is not None}
    return replace(sources, **{name: of_loans(table, loan_ids) for name, table in tables.items()})


# The tables: have they changed, and what do they say of some loans and their people now.

OF_LOANS: Final[tuple[TableName, ...]] = ("loans", "installments", "payments", "changes", "events")
MISSING: Final = "missing"
ASKED: Final = "asked"
"""The stamp of a query: a database cannot say whether its rows changed, so it is asked."""


def table_stamps(app: App, as_of: date, seen: Mapping[str, str]) -> dict[str, str]:
    """Table name → stamp of each configured table; two stamps differ when the content does.

    A file's stamp is `place:sha256`. `place` (time of change, size, inode) only spares the reading: a file
    whose place is that of `seen` is not hashed again, and one that was merely touched has the same hash. The policy
    has a stamp too: what was queued under another one is looked at once more before it leaves.
    """
    stamps: dict[str, str] = {
        name: ASKED if table.query else _file_stamp(_path(app, as_of, table), seen.get(name, ""))
        for name, table in _configured(app).items()
    }
    return {**stamps, POLICY: policy_stamp(app.settings.policy, app.settings.rules)}


POLICY: Final = "policy"
"""Stands among the names of tables for what is no table."""


def policy_stamp(policy: PolicySettings, rules: Sequence[RuleSettings]) -> str:
    """A hash of all that says when and whom a message may reach."""
    told = sorted(
        (rule.notice, rule.channel.value, rule.window or "", repr(sorted(rule.where.items())))
        for rule in rules
    )
    said = [policy.model_dump(), [preset.model_dump() for preset in policy.law], told]
    text = json.dumps(said, default=_sorted, sort_keys=True)
    return f"{POLICY}:{hashlib.sha256(text.encode()).hexdigest()}"


def _sorted(value: object) -> list[str] | str:
    """What JSON has no form for; a set in an order of its own would be another text in each process."""
    return sorted(map(str, value)) if isinstance(value, frozenset) else str(value)


def same_content(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether two sets of stamps stand for the same content."""
    return {name: _content(one[name]) for name in one} == {name: _content(other[name]) for name in other}


def unchanged(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether the tables are certainly the same; of a database nobody can say."""
    return ASKED not in other.values() and same_content(one, other)


class CurrentTables:
    """What the tables say now. Files are read whole, and again when they change; queries only for the loans asked."""

    def __init__(self, app: App, as_of: date) -> None:
        """Nothing is read yet; `as_of` is the business date that paths and queries are dated with."""
        self._house = app
        self._context = read_context(app, as_of)
        tables = _configured(app)
        self._queries = {
            name: LoanRows(name, table, self._context) for name, table in tables.items() if table.query
        }
        self._paths = {name: table for name, table in tables.items() if name not in self._queries}
        self._files: dict[TableName, Table] = {}

    @property
    def asks(self) -> bool:
        """Whether some table comes from a database."""
        return bool(self._queries)

    def forget(self) -> None:
        """The files changed: read them again when they are next needed."""
        self._files.clear()

    def close(self) -> None:
        """Close the connections."""
        for rows in self._queries.values():
            rows.close()

    def sources(self, loan_ids: Collection[str]) -> Sources:
        """The tables as they are now; those of a database with the rows of these loans and their people alone.

        Raises:
            SourceError: a table cannot be read.
        """
        for name, settings in self._paths.items():
            if name not in self._files:
                self._files[name] = read_table(name, settings, context=self._context)
        asked: dict[TableName, Table] = {
            name: rows.read(sorted(loan_ids)) for name, rows in self._queries.items() if name != "contacts"
        }
        if "contacts" in self._queries:
            loans = (self._files | asked)["loans"].frame
            customers = set(loans.loc[frames.among(loans["loan_id"], loan_ids), "customer_id"]) - {""}
            asked["contacts"] = self._queries["contacts"].read(sorted(loan_ids), sorted(customers))
        return Sources(**self._files, **asked)


def _configured(app: App) -> dict[TableName, TableSettings]:
    sources = app.settings.sources
    return {name: table for name in TABLES if (table := sources.table(name)) is not None}


def _path(app: App, as_of: date, table: TableSettings) -> Path:
    return app.folder / read_context(app, as_of).dated(table.path)


def _file_stamp(path: Path, seen: str) -> str:
    try:
        status = path.stat()
        # The time of change (ctime) cannot be set back, as the time of writing can.
        place = f"{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_size}-{status.st_ino}"
        if seen.startswith(f"{place}:"):
            return seen
        with path.open("rb") as file:
            return f"{place}:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except FileNotFoundError:
        return MISSING


def _content(stamp: str) -> str:
    return stamp.rpartition(":")[2]
