"""A file downloaded from a provider's portal: its columns as text, its times as instants."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pandas as pd

from carloan_notify.errors import SourceError
from carloan_notify.frames import FINDINGS, TEXT, empty, stack
from carloan_notify.inbound.settings import ExportFileSettings, ReceiptFileSettings, ReplyFileSettings
from carloan_notify.inbound.times import ODD, TimeSpan
from carloan_notify.records import Receipt, Reply

_A_ZONE: Final = timedelta(days=1)
"""No zone is farther from UTC; times farther off need no zone to be odd, and years 1 and 9999 bear none."""
_ZONED: Final = r"(?:Z|[+-]\d{2}:?\d{2})$"


def columns(path: Path, settings: ExportFileSettings, wanted: Mapping[str, str]) -> pd.DataFrame:
    """The wanted columns (our name → the file's) as stripped text; one that is not configured ("") is empty.

    Raises:
        SourceError: the file cannot be read at all, or a column is missing.
    """
    raw = _json(path, settings) if path.suffix == ".json" else _csv(path, settings)
    missing = sorted(column for column in wanted.values() if column and column not in raw.columns)
    if missing:
        has = ", ".join(map(str, raw.columns))
        raise SourceError(
            f"{path}: no column {', '.join(missing)}; correct the kind's columns (the file has: {has})"
        )
    chosen = {
        name: raw[column] if column else pd.Series("", index=raw.index) for name, column in wanted.items()
    }
    return pd.DataFrame({name: cells.fillna("").astype(TEXT).str.strip() for name, cells in chosen.items()})


def instants(texts: pd.Series, time_format: str, span: TimeSpan, zone: str) -> tuple[pd.Series, pd.Series]:
    """UTC instants, NaT where a text is no time or one outside the span; and a mask of these last.

    A text without a zone is in `zone`.
    """
    parsed = pd.to_datetime(texts, format=time_format, errors="coerce", utc=True)
    near = parsed.between(span.earliest - _A_ZONE, span.latest + _A_ZONE)
    written = parsed.where(near)
    local = written.dt.tz_localize(None).dt.tz_localize(zone, ambiguous=False, nonexistent="shift_forward")
    at = written.where(texts.str.contains(_ZONED), local.dt.tz_convert("UTC"))
    at = at.where(at.between(span.earliest, span.latest))
    return at, parsed.notna() & at.isna()


def sentences(found: pd.DataFrame) -> list[str]:
    """Findings as sentences: place, code, what it means."""
    return [f"{row.place}: {row.code}: {row.message}" for row in found.itertuples()]


def findings(path: Path, mask: pd.Series, code: str, text: str) -> pd.DataFrame:
    """A finding for each row of the mask, without its content."""
    rows = mask.index[mask]
    if rows.empty:
        return empty(FINDINGS)
    places = [f"{path.name}:{row + 2}" for row in rows]  # a spreadsheet's row: from 1, under the header
    return pd.DataFrame({"code": code, "loan_id": "", "place": places, "value": "", "message": text}).astype(
        dict(FINDINGS)
    )


def _separator(path: Path, encoding: str) -> str:
    """The one that the header row holds most often: what stands between columns need not be configured."""
    with path.open(encoding=encoding) as file:
        header = file.readline()
    return max((",", "\t", ";"), key=header.count)


def _csv(path: Path, settings: ExportFileSettings) -> pd.DataFrame:
    try:
        return pd.read_csv(
            path,
            dtype=TEXT,
            sep=_separator(path, settings.encoding),
            encoding=settings.encoding,
            keep_default_na=False,
        )
    except (OSError, ValueError, LookupError) as error:
        reason = type(error).__name__
        raise SourceError(
            f"{path}: cannot be read as {settings.encoding} text with columns ({reason})"
        ) from None


def _json(path: Path, settings: ExportFileSettings) -> pd.DataFrame:
    try:
        whole = json.loads(path.read_text(settings.encoding))
        items = _only_list(whole)
        return pd.DataFrame.from_records([{k: _text(v) for k, v in item.items()} for item in items])
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = type(error).__name__
        raise SourceError(f"{path}: cannot be read as a JSON list of records ({reason})") from None


def _only_list(whole: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The list itself, or the only one among an object's fields. ValueError when there is none, or more than one."""
    if not isinstance(whole, dict):
        return whole
    (items,) = (value for value in whole.values() if isinstance(value, list))
    return items


def _text(value: object) -> str:
    return "" if value is None else str(value)


# Receipts imported from a portal's export.

LONGEST_CODE: Final = 64
_NOT_IN_CODE: Final = r"[^\w.:\- ]|\d{7,}"


@dataclass(frozen=True, slots=True)
class Imported:
    """Receipts of a file, and a finding for each row that is none, or whose time cannot be (taken as of now)."""

    receipts: tuple[Receipt, ...]
    pending: int
    findings: pd.DataFrame


def read_export(
    path: Path, settings: ReceiptFileSettings, now: datetime, span: TimeSpan, zone: str
) -> Imported:
    """Receipts of a portal's export; a bad row is a finding with its place, never the end.

    `span` holds the times that can be true; a receipt of another time is one of `now`, and a finding. A time without a
    zone is in `zone`.

    Raises:
        SourceError: the file cannot be read at all, or a column is missing.
    """
    names = ("reference", "provider_ref", "state", "time")
    table = columns(path, settings, {name: getattr(settings, name) for name in names})
    at, odd = instants(table["time"], settings.time_format, span, zone)
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


# Replies imported from a portal's export.


@dataclass(frozen=True, slots=True)
class ImportedReplies:
    """Replies of a file, and a finding for each row that is wrong.

    A row without a number is no reply. One whose time cannot be read or cannot be is taken all the same, as
    received now, because it may say "stop": it is a reply and a finding.
    """

    replies: tuple[Reply, ...]
    findings: pd.DataFrame


def read_replies(
    path: Path, settings: ReplyFileSettings, now: datetime, span: TimeSpan, zone: str
) -> ImportedReplies:
    """Replies of a portal's export, numbers as the file writes them. `span` and `zone` as for `read_export`.

    Raises:
        SourceError: the file cannot be read at all, or a column is missing.
    """
    names = ("phone", "text", "time", "id", "reference")
    table = columns(path, settings, {name: getattr(settings, name) for name in names})
    at, odd = instants(table["time"], settings.time_format, span, zone)
    senderless = table["phone"] == ""
    untimed = ~senderless & at.isna()
    faults = [
        (senderless, "reply_without_number", "no number; check the column"),
        (untimed & ~odd, "reply_time", f"time is not {settings.time_format}; taken as received now"),
        (untimed & odd, "reply_time_odd", ODD),
    ]
    # Read again, the row is the same reply: without a time, what stands in its place tells it apart.
    table["id"] = table["id"].mask(untimed & (table["id"] == ""), "time: " + table["time"])
    good = table[~senderless]
    moments = at[good.index].fillna(pd.Timestamp(now)).dt.to_pydatetime()
    cells = zip(good["id"], good["phone"], good["text"], moments, good["reference"], strict=True)
    return ImportedReplies(
        tuple(Reply(settings.provider, *cell) for cell in cells),
        stack([findings(path, mask, code, text) for mask, code, text in faults], FINDINGS),
    )
