"""What a reader yields: cells as text, column by column, each row with its place."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

import numpy as np
import pyarrow as pa

# Why a row or a cell cannot be used: stable codes, each with its cure, and the mask for personal values.


class CellProblem(StrEnum):
    """Codes of the rejects file. A code never changes its meaning; its sentence in `CURES` may."""

    MISSING_VALUE = "missing_value"
    SCIENTIFIC_NOTATION = "scientific_notation"
    BAD_AMOUNT = "bad_amount"
    AMOUNT_PRECISION = "amount_precision"
    NEGATIVE_AMOUNT = "negative_amount"
    BAD_NUMBER = "bad_number"
    OUT_OF_RANGE = "out_of_range"
    BAD_RATE = "bad_rate"
    RATE_AMBIGUOUS = "rate_ambiguous"
    RATE_OUT_OF_RANGE = "rate_out_of_range"
    BAD_DATE = "bad_date"
    IMPOSSIBLE_DATE = "impossible_date"
    EXCEL_SERIAL_DATE = "excel_serial_date"
    DATE_OUT_OF_RANGE = "date_out_of_range"
    UNKNOWN_VALUE = "unknown_value"
    BAD_FLAG = "bad_flag"
    BAD_LANGUAGE = "bad_language"
    UNKNOWN_TIMEZONE = "unknown_timezone"
    BAD_HOURS = "bad_hours"
    PHONE_SCIENTIFIC = "phone_scientific"
    PHONE_INVALID = "phone_invalid"
    PHONE_TOO_LONG = "phone_too_long"
    PHONE_TOO_SHORT = "phone_too_short"
    PHONE_UNKNOWN_CHARACTER = "phone_unknown_character"
    PHONE_NOT_HOME_MOBILE = "phone_not_home_mobile"
    PHONE_UNSUPPORTED_COUNTRY = "phone_unsupported_country"
    DUPLICATE_KEY = "duplicate_key"
    RAGGED_ROW = "ragged_row"
    BAD_QUOTING = "bad_quoting"
    LINE_TOO_LONG = "line_too_long"
    NUL_BYTE = "nul_byte"
    BAD_ENCODING = "bad_encoding"


CURES: Final[dict[CellProblem, str]] = {
    CellProblem.MISSING_VALUE: "fill the cell, or give the column a default in the table's `defaults`",
    CellProblem.SCIENTIFIC_NOTATION: "digits are lost: format the column as text before exporting",
    CellProblem.BAD_AMOUNT: "write an amount such as 12345.60 or 12,345.60 in the lender's currency",
    CellProblem.AMOUNT_PRECISION: "more decimals than the currency has: round the amount in the export",
    CellProblem.NEGATIVE_AMOUNT: "must not be negative: correct the sign in the export",
    CellProblem.BAD_NUMBER: "write a whole number",
    CellProblem.OUT_OF_RANGE: "correct the value in the export",
    CellProblem.BAD_RATE: "write the annual rate as a fraction (0.12) or in per cent with its sign (12%)",
    CellProblem.RATE_AMBIGUOUS: "above 1 and without %: write 0.12 or 12% for twelve per cent a year",
    CellProblem.RATE_OUT_OF_RANGE: "an annual rate lies between 0% and 1200%",
    CellProblem.BAD_DATE: "write the date as 2026-01-05, or set the table's `date_format`",
    CellProblem.IMPOSSIBLE_DATE: "no such day in the calendar: correct the date in the export",
    CellProblem.EXCEL_SERIAL_DATE: "looks like an Excel day number: format the column as a date before exporting",
    CellProblem.DATE_OUT_OF_RANGE: "the year must lie between 1970 and 2199",
    CellProblem.UNKNOWN_VALUE: "map the value in the table's `values`",
    CellProblem.BAD_FLAG: "write 1, 0, yes, no, true, false, 是 or 否",
    CellProblem.BAD_LANGUAGE: "write a language tag such as zh-CN or en",
    CellProblem.UNKNOWN_TIMEZONE: "write an IANA time zone such as Asia/Shanghai",
    CellProblem.BAD_HOURS: "write preferred hours as 18:00-20:00",
    CellProblem.PHONE_SCIENTIFIC: "digits are lost: format the phone column as text and export again",
    CellProblem.PHONE_INVALID: "no such number: correct it with the customer",
    CellProblem.PHONE_TOO_LONG: "too many digits: keep one number in the cell",
    CellProblem.PHONE_TOO_SHORT: "too few digits: correct it with the customer",
    CellProblem.PHONE_UNKNOWN_CHARACTER: "only digits, spaces, + - ( ) may stand in a phone number",
    CellProblem.PHONE_NOT_HOME_MOBILE: "not a mobile of `phone_region`: write a foreign number in full with +",
    CellProblem.PHONE_UNSUPPORTED_COUNTRY: "unknown country code: correct the number",
    CellProblem.DUPLICATE_KEY: "the same key stands in several rows: export each record once",
    CellProblem.RAGGED_ROW: "not as many fields as the header: quote fields that hold the delimiter",
    CellProblem.BAD_QUOTING: "a quote does not close: write a quote inside a field as two quotes",
    CellProblem.LINE_TOO_LONG: "longer than `max_line_bytes`: look for a missing line end",
    CellProblem.NUL_BYTE: "holds NUL bytes: export the file again",
    CellProblem.BAD_ENCODING: "holds bytes that are not in the file's encoding: export it again as UTF-8",
}

LONGEST_VALUE: Final = 40
_WHOLE_TAIL_FROM: Final = 9
# A Chinese mobile number (+86 100… are the samples' fictitious ones), a Chinese number plate.
_PERSONAL: Final = re.compile(r"(?<!\d)1(?:[3-9]\d|00)\d{8}(?!\d)|[\u4e00-\u9fff][A-Z][A-Z0-9]{5,6}")


def masked(text: str) -> str:
    """A personal value as it may be shown: `138****0001`, `张***`; "" stays ""."""
    if len(text) >= _WHOLE_TAIL_FROM:
        return f"{text[:3]}****{text[-4:]}"
    return f"{text[0]}***" if text else ""


def shown(text: str, *, personal: bool) -> str:
    """A cell as the rejects file shows it: masked when personal, cut at 40 characters.

    A Chinese mobile number or plate is masked wherever it stands: cells slip into the wrong column.
    """
    if personal or _PERSONAL.search(text):
        return masked(text)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


@dataclass(frozen=True, slots=True)
class BrokenRow:
    """A row that could not be parted into cells. `line` is its physical line, the header's being 1."""

    line: int
    problem: CellProblem
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TextChunk:
    """Some rows: `columns[i]` is the cells under header i as text, "" when missing; `lines` their places."""

    columns: Sequence[pa.Array]
    lines: np.ndarray
    broken: Sequence[BrokenRow] = ()


@dataclass(frozen=True, slots=True)
class SourceFile:
    """Where a table came from: path, or database without its password. `sha256` is of the content read.

    `modified_at` (aware, UTC) is None for a database; `rows` counts all rows read, rejected ones included.
    """

    label: str
    sha256: str
    modified_at: datetime | None
    rows: int


class ChunkReader(Protocol):
    """An opened table. `origin(rows)` is asked after the last chunk."""

    @property
    def headers(self) -> Sequence[str]:
        """The column names as the source spells them."""

    def chunks(self) -> Iterator[TextChunk]:
        """All rows in order."""

    def origin(self, rows: int) -> SourceFile:
        """Where the rows came from."""
