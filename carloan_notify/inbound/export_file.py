"""A file downloaded from a provider's portal: its columns as text, its times as instants."""

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final

import pandas as pd

from carloan_notify.errors import SourceError
from carloan_notify.frames import FINDINGS, TEXT, empty
from carloan_notify.inbound.settings import ExportFileSettings
from carloan_notify.inbound.times import Span

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


def instants(texts: pd.Series, settings: ExportFileSettings, span: Span) -> tuple[pd.Series, pd.Series]:
    """UTC instants, NaT where a text is no time or one outside the span; and a mask of these last.

    A text without a zone is in the configured one.
    """
    parsed = pd.to_datetime(texts, format=settings.time_format, errors="coerce", utc=True)
    near = parsed.between(span.earliest - _A_ZONE, span.latest + _A_ZONE)
    written = parsed.where(near)
    local = written.dt.tz_localize(None).dt.tz_localize(
        settings.time_zone, ambiguous=False, nonexistent="shift_forward"
    )
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


def _csv(path: Path, settings: ExportFileSettings) -> pd.DataFrame:
    try:
        return pd.read_csv(
            path, dtype=TEXT, sep=settings.separator, encoding=settings.encoding, keep_default_na=False
        )
    except (OSError, ValueError, LookupError) as error:
        reason = type(error).__name__
        raise SourceError(
            f"{path}: cannot be read as {settings.encoding} text with columns ({reason})"
        ) from None


def _json(path: Path, settings: ExportFileSettings) -> pd.DataFrame:
    try:
        whole = json.loads(path.read_text(settings.encoding))
        items = whole[settings.items] if settings.items else whole
        return pd.DataFrame.from_records([{k: _text(v) for k, v in item.items()} for item in items])
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = type(error).__name__
        raise SourceError(f"{path}: cannot be read as a JSON list of records ({reason})") from None


def _text(value: object) -> str:
    return "" if value is None else str(value)
