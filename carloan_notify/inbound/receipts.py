"""Receipts from two sides: pulled from a provider, page by page, and imported from a portal's export."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

import pandas as pd

from carloan_notify.errors import SourceError
from carloan_notify.frames import FINDINGS, TEXT, empty, stack
from carloan_notify.inbound.settings import ReceiptFileSettings
from carloan_notify.records import Receipt

LONGEST_CODE: Final = 64
_ZONED: Final = r"(?:Z|[+-]\d{2}:?\d{2})$"
_NOT_IN_CODE: Final = r"[^\w.:\- ]|\d{7,}"


class Page(Protocol):
    """What a provider hands out at once (see `delivery.provider.ReceiptPage`)."""

    @property
    def receipts(self) -> Sequence[Receipt]:
        """Receipts that could be read."""

    @property
    def problems(self) -> Sequence[str]:
        """What could not, and why the pull stopped early."""

    @property
    def cursor(self) -> str:
        """Where the next page starts."""

    @property
    def more(self) -> bool:
        """Whether there is one."""


class Source(Protocol):
    """Something that hands out receipts page by page."""

    def pull_receipts(self, since: datetime, cursor: str) -> Page:
        """The page that starts at `cursor`, "" for the first."""


def pull(source: Source, since: datetime, *, cursor: str = "", pages: int = 10_000) -> Iterator[Page]:
    """Pages until there are no more, at most `pages`.

    Settle each page before taking the next: some queues hand out a receipt only once, and asking for the
    next page is what confirms the last. A source whose cursor stands still ends the pull.
    """
    for _ in range(pages):
        page = source.pull_receipts(since, cursor)
        yield page
        if not page.more or page.cursor == cursor:
            return
        cursor = page.cursor


@dataclass(frozen=True, slots=True)
class Imported:
    """Receipts of a file, and a finding for each row that is none. Rows = receipts + pending + findings."""

    receipts: tuple[Receipt, ...]
    pending: int
    findings: pd.DataFrame


def read_export(path: Path, settings: ReceiptFileSettings) -> Imported:
    """Receipts of a portal's export; a bad row is a finding with its place, never the end.

    Raises:
        SourceError: the file cannot be read at all, or a column is missing.
    """
    table = _table(path, settings)
    at = _instants(table["time"], settings)
    nameless = (table["reference"] == "") & (table["provider_ref"] == "")
    faults = [
        (nameless, "receipt_without_id", "neither our id nor the provider's; check the columns"),
        (~nameless & (table["state"] == ""), "receipt_without_state", "no state; check the column"),
        (
            ~nameless & (table["state"] != "") & at.isna(),
            "receipt_time",
            f"time is not {settings.time_format}",
        ),
    ]
    bad = nameless | (table["state"] == "") | at.isna()
    pending = ~bad & table["state"].isin(settings.pending)
    good = table[~bad & ~pending]
    receipts = _receipts(good, at[good.index], settings)
    findings = stack([_findings(path, mask, code, text) for mask, code, text in faults], FINDINGS)
    return Imported(receipts, int(pending.sum()), findings)


def _instants(texts: pd.Series, settings: ReceiptFileSettings) -> pd.Series:
    """UTC instants, NaT where a text is no time; a text without a zone is in the configured one."""
    parsed = pd.to_datetime(texts, format=settings.time_format, errors="coerce", utc=True)
    local = parsed.dt.tz_localize(None).dt.tz_localize(
        settings.time_zone, ambiguous=False, nonexistent="shift_forward"
    )
    return parsed.where(texts.str.contains(_ZONED), local.dt.tz_convert("UTC"))


def _receipts(good: pd.DataFrame, at: pd.Series, settings: ReceiptFileSettings) -> tuple[Receipt, ...]:
    delivered = good["state"].isin(settings.delivered)
    codes = good["state"].str.replace(_NOT_IN_CODE, "", regex=True).str.slice(0, LONGEST_CODE)
    moments = at.dt.to_pydatetime()
    columns = zip(good["provider_ref"], good["reference"], delivered, codes, moments, strict=True)
    return tuple(
        Receipt(settings.provider, ref, ours, ok, code, "", when) for ref, ours, ok, code, when in columns
    )


def _findings(path: Path, mask: pd.Series, code: str, text: str) -> pd.DataFrame:
    rows = mask.index[mask]
    if rows.empty:
        return empty(FINDINGS)
    places = [f"{path.name}:{row + 2}" for row in rows]  # a spreadsheet's row: from 1, under the header
    return pd.DataFrame({"code": code, "loan_id": "", "place": places, "value": "", "message": text}).astype(
        dict(FINDINGS)
    )


def _table(path: Path, settings: ReceiptFileSettings) -> pd.DataFrame:
    """The named columns as stripped text; a column that is not configured is empty."""
    raw = _json(path, settings) if path.suffix == ".json" else _csv(path, settings)
    wanted = {name: getattr(settings, name) for name in ("reference", "provider_ref", "state", "time")}
    missing = sorted(column for column in wanted.values() if column and column not in raw.columns)
    if missing:
        has = ", ".join(map(str, raw.columns))
        raise SourceError(
            f"{path}: no column {', '.join(missing)}; correct the kind's columns (the file has: {has})"
        )
    columns = {
        name: raw[column] if column else pd.Series("", index=raw.index) for name, column in wanted.items()
    }
    return pd.DataFrame(
        {name: column.fillna("").astype(TEXT).str.strip() for name, column in columns.items()}
    )


def _csv(path: Path, settings: ReceiptFileSettings) -> pd.DataFrame:
    try:
        return pd.read_csv(
            path, dtype=TEXT, sep=settings.separator, encoding=settings.encoding, keep_default_na=False
        )
    except (OSError, ValueError, LookupError) as error:
        reason = type(error).__name__
        raise SourceError(
            f"{path}: cannot be read as {settings.encoding} text with columns ({reason})"
        ) from None


def _json(path: Path, settings: ReceiptFileSettings) -> pd.DataFrame:
    try:
        whole = json.loads(path.read_text(settings.encoding))
        items = whole[settings.items] if settings.items else whole
        return pd.DataFrame.from_records([{k: _text(v) for k, v in item.items()} for item in items])
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = type(error).__name__
        raise SourceError(f"{path}: cannot be read as a JSON list of receipts ({reason})") from None


def _text(value: object) -> str:
    return "" if value is None else str(value)
