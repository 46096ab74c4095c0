"""Physical lines → records of cells: a quick way for clean lines, a careful one for all others."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from carloan_notify.finding_codes import CellProblem
from carloan_notify.frames import bools
from carloan_notify.sources.chunks import BrokenRow, Sift, TextChunk, rows_of
from carloan_notify.sources.encoding import LineBlock

MOST_LINES_OF_A_RECORD: Final = 20
_PIECE_LINES: Final = 500


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the text file is written."""

    encoding: str
    delimiter: str
    width: int


@dataclass(frozen=True, slots=True)
class _Record:
    """The cells of one record, or the problem; `lines` is how many physical lines it took."""

    cells: list[str]
    problem: CellProblem | None = None
    lines: int = 1
    detail: str = ""


def read_chunk(
    lines: Sequence[bytes | None], first_line: int, dialect: Dialect, *, final: bool
) -> tuple[TextChunk, int]:
    """The records of these lines, at least one, and how many lines they used up.

    A bad line sends only its own piece of the lines the careful way. Unless `final`, lines of a record that
    might go on in the next batch are left over.
    """
    whole = clean_chunk(lines, first_line, dialect)
    if whole is not None:
        return whole, len(lines)
    pieces: list[TextChunk] = []
    used = 0
    while used < len(lines):
        piece_lines = lines[used : used + _PIECE_LINES]
        last = used + _PIECE_LINES >= len(lines)
        piece, taken = clean_chunk(piece_lines, first_line + used, dialect), len(piece_lines)
        if piece is None:
            piece, taken = careful_chunk(piece_lines, first_line + used, dialect, final=final and last)
        pieces.append(piece)
        used += taken
        if last:
            break
    return _merged(pieces), used


def _merged(pieces: Sequence[TextChunk]) -> TextChunk:
    return TextChunk(
        [pa.concat_arrays(cells) for cells in zip(*(piece.columns for piece in pieces), strict=True)],
        np.concatenate([piece.lines for piece in pieces]),
        [row for piece in pieces for row in piece.broken],
    )


def clean_chunk(lines: Sequence[bytes | None], first_line: int, dialect: Dialect) -> TextChunk | None:
    """The chunk when every line is exactly one whole record; None when any needs the careful way."""
    whole = [line for line in lines if line is not None]
    if len(whole) < len(lines):
        return None
    return clean_block(LineBlock(b"\n".join(whole), len(whole)), first_line, dialect)


def sifted_block(block: LineBlock, first_line: int, dialect: Dialect, sift: Sift | None) -> TextChunk | None:
    """The wanted rows of lines that stand together; None when any line needs the careful way.

    Where no row is wanted, only the columns that tell it were read: damage elsewhere in those lines goes unseen.
    """
    if sift is None:
        return clean_block(block, first_line, dialect)
    keys = clean_block(block, first_line, dialect, sift.places)
    if keys is None:
        return None
    mask = sift.mask(keys)
    if not mask.any():
        return rows_of(keys, mask)
    whole = clean_block(block, first_line, dialect)
    return None if whole is None else rows_of(whole, mask)


def clean_block(
    block: LineBlock, first_line: int, dialect: Dialect, places: Sequence[int] | None = None
) -> TextChunk | None:
    """The same for lines that stand together; with `places` only these columns are read, and the others null."""
    if b"\0" in block.data:
        return None
    read = range(dialect.width) if places is None else places
    try:
        # A quote is this byte in UTF-8 and nothing else; in GB 18030 no part of a character either.
        quoted = b'"' in block.data
        columns = (
            _quoted_columns(block.data.decode(dialect.encoding), dialect, read)
            if quoted
            else _plain_columns(block.data, dialect, read)
        )
    except (UnicodeDecodeError, pa.ArrowInvalid, csv.Error):
        return None
    # Quotes can only join lines to fewer records: as many records as lines are one record each.
    if columns is None or len(columns[0]) != block.count or _has_blank_row(columns):
        return None
    if places is not None:
        unread = pa.nulls(block.count, pa.string())
        found = dict(zip(places, columns, strict=True))
        columns = [found.get(place, unread) for place in range(dialect.width)]
    return TextChunk(columns, np.arange(first_line, first_line + block.count, dtype=np.int64))


def _has_blank_row(columns: Sequence[pa.Array]) -> bool:
    rows = np.arange(len(columns[0]))
    for cells in columns:
        blank = pc.equal(pc.utf8_trim_whitespace(cells.take(pa.array(rows))), "")
        rows = rows[bools(blank)]
        if not len(rows):
            return False
    return True


def _quoted_columns(text: str, dialect: Dialect, places: Sequence[int]) -> Sequence[pa.Array] | None:
    rows = list(csv.reader(text.split("\n"), delimiter=dialect.delimiter, strict=True))
    if any(len(row) != dialect.width for row in rows):
        return None
    return [pa.array([row[place] for row in rows], pa.string()) for place in places]


def _plain_columns(data: bytes, dialect: Dialect, places: Sequence[int]) -> Sequence[pa.Array]:
    data = data if dialect.encoding == "utf-8" else data.decode(dialect.encoding).encode()
    names = [str(number) for number in range(dialect.width)]
    table = arrow_csv.read_csv(
        io.BytesIO(data),
        read_options=arrow_csv.ReadOptions(column_names=names, use_threads=False, block_size=len(data) + 1),
        parse_options=arrow_csv.ParseOptions(
            delimiter=dialect.delimiter, quote_char=False, ignore_empty_lines=False
        ),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            strings_can_be_null=False,
            include_columns=[names[place] for place in places],
        ),
    )
    return [column.combine_chunks() for column in table.columns]


def careful_chunk(
    lines: Sequence[bytes | None], first_line: int, dialect: Dialect, *, final: bool
) -> tuple[TextChunk, int]:
    """The chunk record by record, and how many of `lines` it used up.

    A broken line costs only itself: a quote that stays open is looked for in the next lines, and when it
    does not close into a whole record there, its line is rejected and reading goes on with the next one.
    Unless `final`, lines that might go on in the next batch are left over.
    """
    rows: list[list[str]] = []
    places: list[int] = []
    broken: list[BrokenRow] = []
    used = 0
    while used < len(lines):
        window = lines[used : used + MOST_LINES_OF_A_RECORD]
        record = _next_record(window, dialect)
        if record.problem is CellProblem.BAD_QUOTING and len(window) < MOST_LINES_OF_A_RECORD and not final:
            break
        if record.problem is not None:
            broken.append(BrokenRow(first_line + used, record.problem, record.detail))
        elif record.cells:
            rows.append(record.cells)
            places.append(first_line + used)
        used += record.lines
    columns = [pa.array(cells, pa.string()) for cells in zip(*rows, strict=True)]
    columns = columns or [pa.array([], pa.string())] * dialect.width
    return TextChunk(columns, np.array(places, dtype=np.int64), broken), used


def _next_record(window: Sequence[bytes | None], dialect: Dialect) -> _Record:
    first = _decoded(window[0], dialect)
    if isinstance(first, CellProblem):
        return _Record([], first)
    alone = _record_of([first], dialect)
    if first.count('"') % 2 == 0 or alone.problem is None:
        return alone
    text = [first]
    for line in window[1:]:
        following = _decoded(line, dialect)
        if isinstance(following, CellProblem):
            break
        text.append(following)
        joined = _record_of(text, dialect)
        if joined.problem is None:
            return joined
    return _Record([], CellProblem.BAD_QUOTING)


def _decoded(line: bytes | None, dialect: Dialect) -> str | CellProblem:
    if line is None:
        return CellProblem.LINE_TOO_LONG
    if b"\0" in line:
        return CellProblem.NUL_BYTE
    try:
        return line.decode(dialect.encoding).removesuffix("\r")
    except UnicodeDecodeError:
        return CellProblem.BAD_ENCODING


def _record_of(text: Sequence[str], dialect: Dialect) -> _Record:
    """The one record that these lines make; empty cells for a blank line."""
    lines = [*(f"{line}\n" for line in text[:-1]), text[-1]]
    try:
        records = list(csv.reader(lines, delimiter=dialect.delimiter, strict=True))
    except csv.Error as error:
        return _Record(
            [], CellProblem.LINE_TOO_LONG if "field larger" in str(error) else CellProblem.BAD_QUOTING
        )
    if len(records) > 1:
        return _Record([], CellProblem.BAD_QUOTING)
    cells = records[0] if records else []
    if not any(cell.strip() for cell in cells):
        return _Record([], lines=len(text))
    extra = cells[dialect.width :]
    if len(cells) < dialect.width or any(cell.strip() for cell in extra):
        return _Record(
            [], CellProblem.RAGGED_ROW, len(text), f"{len(cells)} fields for {dialect.width} columns"
        )
    return _Record(cells[: dialect.width], lines=len(text))
