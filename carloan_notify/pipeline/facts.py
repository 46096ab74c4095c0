"""The facts of a night that guards look at: counts, shares, dates, and what was measured in the tables."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from carloan_notify import frames
from carloan_notify.app import App
from carloan_notify.delivery.registry import DeliverySettings
from carloan_notify.errors import SourceError
from carloan_notify.finding_codes import CellProblem
from carloan_notify.loans.calendar import working_days
from carloan_notify.notices.drifts import measure
from carloan_notify.notices.expected import expected
from carloan_notify.notices.fingerprints import LastNight, paired
from carloan_notify.notices.guard_view import NightEvidence
from carloan_notify.notices.measures import Tables, country_of_zone
from carloan_notify.pipeline.drafts import Drafted
from carloan_notify.pipeline.portfolio import Portfolio, frame_of
from carloan_notify.pipeline.wording import day_or_none
from carloan_notify.records import Channel, Decision, NightFacts
from carloan_notify.sources.read import Table

CAUSES_KEPT: Final = 50
OFTEN: Final = 3
DUES_NEEDED: Final = 10
ODD_PAYMENTS: Final = 3
"""So many payments may carry a wrong date before it counts as the newest."""
PAYMENTS_FOR_ODD: Final = 100
THOUSAND: Final = 1000


def night_facts(app: App, portfolio: Portfolio, drafted: Drafted, decisions: pd.DataFrame) -> NightFacts:
    """Counts, shares, cost and the identity of tonight's export."""
    sources, standing = portfolio.sources, portfolio.standing.loans
    active = standing["status"] == "active"
    newest = _newest_payment(sources.payments, portfolio.as_of)
    return NightFacts(
        as_of=portfolio.as_of,
        loans_read=sources.loans.rows_read,
        payments_read=None if sources.payments is None else sources.payments.rows_read,
        rows_read=sources.rows_read,
        rows_rejected=len(sources.rejects),
        active_loans=int(active.sum()),
        overdue_loans=int((active & (standing["days_past_due"] > 0)).sum()),
        messages=len(drafted),
        cost_minor=cost_minor(drafted.segments(), app.settings.delivery),
        export_on=export_date(app, sources.loans),
        content_digest=content_digest(sources.tables),
        newest_payment_on=newest,
        digests={table.name: content_digest([table]) for table in sources.tables},
        rows={table.name: table.rows_read for table in sources.tables},
        rejected={table.name: len(table.rejects) for table in sources.tables},
        ended={
            table.name: bool(f.ended) for table in sources.tables for f in table.files if f.ended is not None
        },
        incomplete={
            table.name: f.incomplete for table in sources.tables for f in table.files if f.incomplete
        },
        reject_groups=reject_groups(sources.rejects),
        filled=_filled(sources.tables),
        occasions=_occasions(decisions),
        unpaid_since=None if newest is None else _unpaid_since(standing, newest, portfolio.as_of),
        export_dated=bool(app.settings.guards.export_date_column),
    )


def unit_prices(delivery: DeliverySettings) -> dict[Channel, Decimal]:
    """What a part or a call costs at each channel's first provider, in minor units."""
    return {
        channel: delivery.providers[names[0]].unit_price_minor
        for channel, names in delivery.channels.items()
        if names
    }


def cost_minor(segments: Mapping[Channel, int], delivery: DeliverySettings) -> int:
    """What so many parts cost at each channel's first provider, in minor units, rounded half up."""
    price = unit_prices(delivery)
    total = sum((price.get(channel, Decimal(0)) * count for channel, count in segments.items()), Decimal(0))
    return int(total.quantize(Decimal(1), ROUND_HALF_UP))


def content_digest(tables: Sequence[Table]) -> str:
    """One hash over the content of these tables."""
    digests = sorted(f"{table.name}:{file.sha256}" for table in tables for file in table.files)
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def export_date(app: App, loans: Table) -> date | None:
    """When the loan export was made: by most rows of the lender's own column, else by the file's time.

    None for a database without such a column.

    Raises:
        SourceError: the named column is missing or holds no date.
    """
    column = app.settings.guards.export_date_column
    if column:
        cells = loans.frame.get(column, pd.Series([], dtype="str"))
        dates = pd.to_datetime(cells, errors="coerce", format="mixed").dropna().sort_values()
        if dates.empty and len(loans.frame):
            raise SourceError(
                f"loans: column {column} (guards.export_date_column) is missing or holds no date; "
                "export it, or name another column"
            )
        return day_or_none(dates.iloc[len(dates) // 2]) if len(dates) else None
    written = [file.modified_at for file in loans.files if file.modified_at is not None]
    return min(written).astimezone(ZoneInfo(app.lender.timezone)).date() if written else None


def reject_groups(rejects: pd.DataFrame) -> dict[str, int]:
    """Rejected rows by "table|column|code|value", the commonest first.

    Only a word that nobody mapped and that came several times is named: what stands once in the wrong column may
    be a person's name, and this goes to the audit.
    """
    cause = rejects["table"] + "|" + rejects["column"] + "|" + rejects["code"] + "|"
    named = cause + rejects["value"]
    often = named.map(named.value_counts()) >= OFTEN
    named = named.where(often & (rejects["code"] == CellProblem.UNKNOWN_VALUE), cause)
    return {str(name): int(count) for name, count in named.value_counts().head(CAUSES_KEPT).items()}


def _newest_payment(payments: Table | None, as_of: date) -> date | None:
    """The newest payment that is not of the future; in a large table so many must agree."""
    if payments is None:
        return None
    paid = payments.frame["paid_on"]
    paid = paid[paid <= pd.Timestamp(as_of + timedelta(days=1))].sort_values(ascending=False)
    odd = ODD_PAYMENTS - 1 if len(paid) >= PAYMENTS_FOR_ODD else 0
    return day_or_none(paid.iloc[odd]) if len(paid) else None


def _filled(tables: Sequence[Table]) -> dict[str, int]:
    """Thousandths of the cells that are not blank, by "table.column"."""
    return {
        f"{table.name}.{column}": _not_blank(table.frame[column])
        for table in tables
        for column in table.frame
        if len(table.frame)
    }


def _not_blank(cells: pd.Series) -> int:
    blank = cells.isna() if cells.dtype.kind == "M" else cells == _BLANK.get(cells.dtype.kind, "")
    return int(THOUSAND * (1 - blank.mean()))


_BLANK: Final[Mapping[str, object]] = {"i": 0, "b": False}


def _occasions(decisions: pd.DataFrame) -> int:
    fresh = decisions[decisions["decision"] != Decision.ALREADY_SENT]
    return len(fresh[["loan_id", "notice", "channel"]].drop_duplicates())


def _unpaid_since(standing: pd.DataFrame, newest: date, as_of: date) -> int:
    due = standing["oldest_due_on"]
    since = (standing["status"] == "active") & (due > pd.Timestamp(newest)) & (due < pd.Timestamp(as_of))
    return int(since.sum())


# What the tables say, measured.


def evidence_of(app: App, portfolio: Portfolio, prints: np.ndarray, last: LastNight | None) -> NightEvidence:
    """Every measure of tonight; `last` counts unless it is of a later business date."""
    as_of = portfolio.as_of
    known = last if last is not None and last.as_of <= as_of else None
    pairs = paired(known, prints, as_of) if known else None
    carried = expected(known, (as_of - known.as_of).days, app.settings.rules) if known else None
    tables = tables_of(app, portfolio)
    return NightEvidence(measure(tables, pairs), carried, tables.working)


def tables_of(app: App, portfolio: Portfolio) -> Tables:
    """The tables as the measures take them."""
    sources = portfolio.sources
    return Tables(
        as_of=portfolio.as_of,
        loans=sources.loans.frame,
        standing=portfolio.standing.loans,
        payments=frame_of(sources.payments),
        changes=frame_of(sources.changes),
        events=frame_of(sources.events),
        contacts=frame_of(sources.contacts),
        home=frozenset({app.lender.country, country_of_zone(app.lender.timezone)}),
        null_names=sources.loans.null_words.get("borrower_name", 0),
        owners={table.name: table.rejects["owner"].astype(frames.TEXT) for table in sources.tables},
        working=working_days(app.settings.schedule),
    )


def with_evidence(facts: NightFacts, evidence: NightEvidence) -> NightFacts:
    """The facts, and what later nights compare of tonight's measures."""
    measured = evidence.measured
    orphans = {
        name.removeprefix("orphans_"): int(THOUSAND * share.value)
        for name, share in measured.items()
        if name.startswith("orphans_") and share.whole
    }
    unpaid = measured.get("dues_unpaid")
    enough = unpaid is not None and unpaid.whole >= DUES_NEEDED
    return replace(
        facts, orphans=orphans, dues_unpaid=int(THOUSAND * unpaid.value) if unpaid and enough else None
    )
