"""The facts of a night that guards compare with earlier nights."""

import hashlib
from collections.abc import Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

import pandas as pd

from carloan_notify.delivery.settings import DeliverySettings
from carloan_notify.errors import SourceError
from carloan_notify.pipeline.build import House
from carloan_notify.pipeline.portfolio import Portfolio
from carloan_notify.pipeline.wording import day_or_none
from carloan_notify.records import Channel, Draft, NightFacts
from carloan_notify.sources.assembly import Table


def night_facts(house: House, portfolio: Portfolio, drafts: Sequence[Draft]) -> NightFacts:
    """Counts, shares, cost and the identity of tonight's export."""
    sources, standing = portfolio.sources, portfolio.standing.loans
    active = standing["status"] == "active"
    return NightFacts(
        as_of=portfolio.as_of,
        loans_read=sources.loans.rows_read,
        payments_read=None if sources.payments is None else sources.payments.rows_read,
        rows_read=sources.rows_read,
        rows_rejected=len(sources.rejects),
        active_loans=int(active.sum()),
        overdue_loans=int((active & (standing["days_past_due"] > 0)).sum()),
        messages=len(drafts),
        cost_minor=cost_minor(drafts, house.settings.delivery),
        export_on=export_date(house, sources.loans),
        content_digest=content_digest(sources.tables),
        newest_payment_on=None
        if sources.payments is None
        else day_or_none(sources.payments.frame["paid_on"].max()),
    )


def cost_minor(drafts: Sequence[Draft], delivery: DeliverySettings) -> int:
    """What these messages cost at each channel's first provider, in minor units, rounded half up."""
    price = {
        channel: delivery.providers[names[0]].unit_price_minor
        for channel, names in delivery.channels.items()
        if names
    }
    segments: dict[Channel, int] = {}
    for draft in drafts:
        segments[draft.channel] = segments.get(draft.channel, 0) + draft.rendered.segments
    total = sum((price.get(channel, Decimal(0)) * count for channel, count in segments.items()), Decimal(0))
    return int(total.quantize(Decimal(1), ROUND_HALF_UP))


def content_digest(tables: Sequence[Table]) -> str:
    """One hash over the content of every table."""
    digests = sorted(f"{table.name}:{file.sha256}" for table in tables for file in table.files)
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def export_date(house: House, loans: Table) -> date | None:
    """When the loan export was made: by the lender's own column where one is named, else by the file's time.

    None for a database without such a column.

    Raises:
        SourceError: the named column is missing or holds no date.
    """
    column = house.settings.guards.export_date_column
    if column:
        cells = loans.frame.get(column, pd.Series([], dtype="str"))
        newest = pd.to_datetime(cells, errors="coerce").max()
        if pd.isna(newest):
            raise SourceError(
                f"loans: column {column} (guards.export_date_column) is missing or holds no date; "
                "export it, or name another column"
            )
        return day_or_none(newest)
    written = [file.modified_at for file in loans.files if file.modified_at is not None]
    return min(written).astimezone(ZoneInfo(house.lender.timezone)).date() if written else None
