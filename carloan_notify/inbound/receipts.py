"""What a provider hands out, page by page, and receipts imported from a portal's export."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol, TypeVar

import pandas as pd

from carloan_notify.frames import FINDINGS, stack
from carloan_notify.inbound.export_file import columns, findings, instants
from carloan_notify.inbound.settings import ReceiptFileSettings
from carloan_notify.inbound.times import ODD, Span
from carloan_notify.records import Receipt, Reply

LONGEST_CODE: Final = 64
_NOT_IN_CODE: Final = r"[^\w.:\- ]|\d{7,}"


class Page(Protocol):
    """What a provider hands out at once (see `delivery.provider.ReturnPage`)."""

    @property
    def receipts(self) -> Sequence[Receipt]:
        """Receipts that could be read."""

    @property
    def replies(self) -> Sequence[Reply]:
        """Replies that could be read."""

    @property
    def problems(self) -> Sequence[str]:
        """What could not, and why the pull stopped early."""

    @property
    def cursor(self) -> str:
        """Where the next page starts."""

    @property
    def more(self) -> bool:
        """Whether there is one."""

    @property
    def unread(self) -> bytes:
        """The records that could not be read, as they came."""


PageT_co = TypeVar("PageT_co", bound=Page, covariant=True)


class Source(Protocol[PageT_co]):
    """Something that hands out receipts and replies page by page."""

    def pull(self, since: datetime, cursor: str) -> PageT_co:
        """The page that starts at `cursor`, "" for the first."""


def pull(
    source: Source[PageT_co], since: datetime, *, cursor: str = "", pages: int = 10_000
) -> Iterator[PageT_co]:
    """Pages until there are no more, at most `pages`.

    Put each page on disk before taking the next: some queues hand out a record only once, and asking for the
    next page is what confirms the last. A source whose cursor stands still ends the pull.
    """
    for _ in range(pages):
        page = source.pull(since, cursor)
        yield page
        if not page.more or page.cursor == cursor:
            return
        cursor = page.cursor


@dataclass(frozen=True, slots=True)
class Imported:
    """Receipts of a file, and a finding for each row that is none, or whose time cannot be (taken as of now)."""

    receipts: tuple[Receipt, ...]
    pending: int
    findings: pd.DataFrame


def read_export(path: Path, settings: ReceiptFileSettings, now: datetime, span: Span) -> Imported:
    """Receipts of a portal's export; a bad row is a finding with its place, never the end.

    `span` holds the times that can be true; a receipt of another time is one of `now`, and a finding.

    Raises:
        SourceError: the file cannot be read at all, or a column is missing.
    """
    names = ("reference", "provider_ref", "state", "time")
    table = columns(path, settings, {name: getattr(settings, name) for name in names})
    at, odd = instants(table["time"], settings, span)
    at = at.mask(odd, pd.Timestamp(now))
    nameless = (table["reference"] == "") & (table["provider_ref"] == "")
    faults = [
        (nameless, "receipt_without_id", "neither our id nor the provider's; check the columns"),
        (~nameless & (table["state"] == ""), "receipt_without_state", "no state; check the column"),
        (
            ~nameless & (table["state"] != "") & at.isna(),
            "receipt_time",
            f"time is not {settings.time_format}",
        ),
        (~nameless & (table["state"] != "") & odd, "receipt_time_odd", ODD),
    ]
    bad = nameless | (table["state"] == "") | at.isna()
    pending = ~bad & table["state"].isin(settings.pending)
    good = table[~bad & ~pending]
    receipts = _receipts(good, at[good.index], settings)
    found = stack([findings(path, mask, code, text) for mask, code, text in faults], FINDINGS)
    return Imported(receipts, int(pending.sum()), found)


def _receipts(good: pd.DataFrame, at: pd.Series, settings: ReceiptFileSettings) -> tuple[Receipt, ...]:
    delivered = good["state"].isin(settings.delivered)
    codes = good["state"].str.replace(_NOT_IN_CODE, "", regex=True).str.slice(0, LONGEST_CODE)
    moments = at.dt.to_pydatetime()
    cells = zip(good["provider_ref"], good["reference"], delivered, codes, moments, strict=True)
    return tuple(
        Receipt(settings.provider, ref, ours, ok, code, "", when) for ref, ours, ok, code, when in cells
    )
