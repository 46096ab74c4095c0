"""CSV and TSV files, gzipped or not, as a `Reader`."""

import csv
import gzip
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, Self

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from carloan_notify.errors import SourceError
from carloan_notify.sources.cells import as_text
from carloan_notify.sources.chunks import Piece, Sift, SourceFile, TextChunk, rows_of, sifted
from carloan_notify.sources.encoding import (
    BLOCK_BYTES,
    LineBlock,
    Neighbour,
    detect_encoding,
    line_batches,
    line_blocks,
    open_binary,
)
from carloan_notify.sources.records import Dialect, clean_block, read_chunk, sifted_block
from carloan_notify.sources.settings import TableSettings
from carloan_notify.sources.values import word_key

# CSV and TSV.


_TAIL_BYTES: Final = 64 * 1024
MOST_SURVEYED: Final = 512 * 1024 * 1024
MOST_SURVEYED_ROWS: Final = 3_000_000
SURVEYED_BYTES: Final = 4 * 1024 * 1024
USUAL_LINE: Final = 160
"""Bytes of a row, about; from it follows how much is read for so many rows."""
_NUMBER: Final = re.compile(r"\d+")


def last_line(path: Path) -> tuple[bytes, bool]:
    """The last line that is not blank, without its end, and whether it has its end.

    Of a line longer than 64 KiB the end is taken for granted: it is rejected for its length.
    """
    with open_binary(path) as stream:
        if isinstance(stream, gzip.GzipFile):
            tail = b""
            while block := stream.read(BLOCK_BYTES):
                tail = (tail + block)[-_TAIL_BYTES:]
        else:
            stream.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            tail = stream.read()
    whole = len(tail) < _TAIL_BYTES or b"\n" in tail
    return tail.strip().rsplit(b"\n", 1)[-1], not whole or tail.endswith((b"\n", b"\r"))


def without_last(batches: Iterator[list[bytes | None]]) -> Iterator[list[bytes | None]]:
    """The batches without the last line that is not blank, and without what follows it."""
    held: list[bytes | None] = []
    for batch in batches:
        held += batch
        full = [number for number, line in enumerate(held) if line is None or line.strip()]
        if full and full[-1]:
            yield held[: full[-1]]
            held = held[full[-1] :]


def declared_rows(text: str) -> int | None:
    """The first number of a trailer or marker; None where there is none."""
    found = _NUMBER.search(text)
    return int(found[0]) if found else None


def miscounted(place: str, text: str, rows: int) -> str:
    """A sentence when a trailer or marker declares another number of rows than were read, else ""."""
    declared = declared_rows(text)
    if declared in {None, rows}:
        return ""
    return f"{place} declares {declared} rows, {rows} were read"


def file_origin(path: Path, rows: int) -> SourceFile:
    """The file's digest and time of change."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return SourceFile(str(path), digest, datetime.fromtimestamp(path.stat().st_mtime, tz=UTC), rows)


_DELIMITERS: Final = (",", "\t", ";", "|")
_BOM: Final = "\ufeff"


@dataclass(frozen=True, slots=True)
class TextReader:
    """An opened text file. `header_lines`: physical lines up to and with the header row."""

    path: Path
    headers: Sequence[str]
    dialect: Dialect
    header_lines: int
    chunk_rows: int
    longest_line: int
    trailer: str = ""

    @classmethod
    def open(
        cls,
        path: Path,
        settings: TableSettings,
        *,
        chunk_rows: int,
        longest_line: int,
        beside: Sequence[Neighbour] = (),
        chinese: bool = False,
    ) -> Self:
        """Find encoding (see `detect_encoding`) and header. SourceError for an empty file or an unreadable one."""
        encoding = detect_encoding(path, settings.encoding, longest_line, beside=beside, chinese=chinese)
        number, header = _header_line(path, encoding, longest_line)
        tabbed = path.name.removesuffix(".gz").endswith(".tsv")
        delimiter = "\t" if tabbed else max(_DELIMITERS, key=header.count)
        headers = _cells(path, number, header, delimiter)
        dialect = Dialect(encoding, delimiter, len(headers))
        return cls(path, headers, dialect, number, chunk_rows, longest_line, settings.trailer)

    @property
    def label(self) -> str:
        """The file's path."""
        return str(self.path)

    def chunks(self, sift: Sift | None = None) -> Iterator[TextChunk]:
        """Rows below the header, a block of lines at a time; one that is not clean is read line by line."""
        pending: list[bytes | None] = []
        line = self.header_lines + 1
        with self._below_header() as stream:
            for block in self._blocks(stream):
                if isinstance(block, LineBlock):
                    clean = None if pending else sifted_block(block, line, self.dialect, sift)
                    if clean is not None:
                        line += block.count
                        yield clean
                        continue
                    pending += block.lines()
                else:
                    pending += block
                if pending:
                    chunk, used = read_chunk(pending, line, self.dialect, final=False)
                    pending = pending[used:]
                    line += used
                    yield sifted(chunk, sift)
        if pending:
            yield sifted(read_chunk(pending, line, self.dialect, final=True)[0], sift)

    def survey(self, places: Sequence[int]) -> list[Piece] | None:
        """All rows with the columns at `places` alone, to look through several times; None where that may not be.

        It is for files of clean lines, unzipped and of no more than `MOST_SURVEYED` bytes.
        """
        if self._trailed() or self.path.stat().st_size > MOST_SURVEYED:
            return None
        pieces, line = list[Piece](), self.header_lines + 1
        with self._below_header() as stream:
            if isinstance(stream, gzip.GzipFile):
                return None
            place = stream.tell()
            for block in line_blocks(stream, self.longest_line, SURVEYED_BYTES):
                if not isinstance(block, LineBlock):
                    return None
                keys = clean_block(block, line, self.dialect, places)
                if keys is None:
                    return None
                pieces.append(Piece(keys, partial(self._at, place, len(block.data), line)))
                place += len(block.data) + 1
                line += block.count
        return pieces

    def _at(self, place: int, size: int, line: int, sift: Sift) -> TextChunk:
        """The wanted rows of a block of clean lines: `size` bytes from `place` on, whose first line is `line`."""
        with self.path.open("rb") as stream:
            stream.seek(place)
            data = stream.read(size)
        block = LineBlock(data, data.count(b"\n") + 1)
        found = sifted_block(block, line, self.dialect, sift)
        if found is None:  # damage in another column than those that were surveyed
            found = sifted(read_chunk(block.lines(), line, self.dialect, final=True)[0], sift)
        return found

    @contextmanager
    def _below_header(self) -> Iterator[BinaryIO]:
        """The file, opened and read up to its rows."""
        with open_binary(self.path) as stream:
            for _ in range(self.header_lines):
                stream.readline()
            yield stream

    def _blocks(self, stream: BinaryIO) -> Iterator[LineBlock | list[bytes | None]]:
        if self._trailed():
            return without_last(line_batches(stream, self.longest_line, self.chunk_rows))
        return line_blocks(stream, self.longest_line, self.chunk_rows * USUAL_LINE)

    def origin(self, rows: int) -> SourceFile:
        """The file, its digest and its time of change, and whether it is whole."""
        _, ended = last_line(self.path)
        return replace(
            file_origin(self.path, rows), ended=ended, incomplete=self._incomplete(rows, ended=ended)
        )

    def _last(self) -> str:
        return last_line(self.path)[0].decode(self.dialect.encoding, "replace")

    def _trailed(self) -> bool:
        return bool(self.trailer) and self._last().startswith(self.trailer)

    def _incomplete(self, rows: int, *, ended: bool) -> str:
        last = self._last()
        if self.trailer:
            if not self._trailed():
                return f"the last line does not begin with {self.trailer!r}"
            return miscounted("the trailer", last.removeprefix(self.trailer), rows)
        cells = last.count(self.dialect.delimiter) + 1
        if not ended and cells < self.dialect.width and '"' not in last:
            return f"the last line has no end and {cells} of {self.dialect.width} columns"
        return ""


def _header_line(path: Path, encoding: str, longest: int) -> tuple[int, str]:
    """Number and text of the first line that is not blank."""
    with open_binary(path) as stream:
        for number, (line,) in enumerate(line_batches(stream, longest, 1), start=1):
            if line is None or b"\0" in line:
                raise SourceError(f"{path}:{number}: the header row is longer than {longest} bytes or binary")
            text = _header_text(path, number, line, encoding)
            if text.strip():
                return number, text
    raise SourceError(f"{path}: is empty, without even a header row; export it again")


def _header_text(path: Path, number: int, line: bytes, encoding: str) -> str:
    try:
        return line.decode(encoding).removeprefix(_BOM).rstrip("\r")
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{path}:{number}: the header row is not {encoding}; export it again as UTF-8"
        ) from error


def _cells(path: Path, number: int, header: str, delimiter: str) -> Sequence[str]:
    try:
        return next(csv.reader([header], delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise SourceError(f"{path}:{number}: the header row has a quote that does not close") from error


# Parquet files as a `Reader`.


@dataclass(frozen=True, slots=True)
class ParquetReader:
    """An opened Parquet file; a row's place is its number, the first being 1."""

    path: Path
    headers: Sequence[str]
    chunk_rows: int
    timezone: str

    @classmethod
    def open(cls, path: Path, *, chunk_rows: int, timezone: str) -> Self:
        """Read the schema. SourceError when the file is no Parquet or a column is a list or a structure."""
        try:
            schema = parquet.read_schema(path)
        except pa.ArrowInvalid as error:
            raise SourceError(f"{path}: is no Parquet file; set `format`, or export it again") from error
        nested = [field.name for field in schema if pa.types.is_nested(field.type)]
        if nested:
            raise SourceError(
                f"{path}: columns {', '.join(nested)} hold lists or structures; export plain columns"
            )
        return cls(path, schema.names, chunk_rows, timezone)

    @property
    def label(self) -> str:
        """The file's path."""
        return str(self.path)

    def chunks(self, sift: Sift | None = None) -> Iterator[TextChunk]:
        """All rows, `chunk_rows` at a time. SourceError when the file turns out to be damaged."""
        first = 1
        if sift is not None:
            yield from self._wanted(sift)
            return
        try:
            with parquet.ParquetFile(self.path) as file:
                for batch in file.iter_batches(batch_size=self.chunk_rows, use_threads=False):
                    lines = np.arange(first, first + batch.num_rows, dtype=np.int64)
                    first += batch.num_rows
                    yield TextChunk([as_text(column, self.timezone) for column in batch.columns], lines)
        except (pa.ArrowException, OSError) as error:
            raise SourceError(f"{self.path}: is damaged near row {first}; copy or export it again") from error

    def survey(self, places: Sequence[int]) -> list[Piece] | None:
        """All rows with the columns at `places` alone, to look through several times; None for too many rows."""
        with parquet.ParquetFile(self.path) as file:
            if file.metadata.num_rows > MOST_SURVEYED_ROWS:
                return None
        return list(self._pieces(places))

    def _wanted(self, sift: Sift) -> Iterator[TextChunk]:
        for piece in self._pieces(sift.places):
            yield piece.rows(sift)

    def _pieces(self, places: Sequence[int]) -> Iterator[Piece]:
        """A piece for each row group. SourceError when the file turns out to be damaged."""
        first = 1
        try:
            with parquet.ParquetFile(self.path) as file:
                for group in range(file.num_row_groups):
                    count = file.metadata.row_group(group).num_rows
                    unread = pa.nulls(count, pa.string())
                    keys = {place: self._column(file, group, place) for place in places}
                    columns = [keys.get(place, unread) for place in range(len(self.headers))]
                    chunk = TextChunk(columns, np.arange(first, first + count, dtype=np.int64))
                    yield Piece(chunk, partial(self._of_group, group, chunk))
                    first += count
        except (pa.ArrowException, OSError) as error:
            raise SourceError(f"{self.path}: is damaged near row {first}; copy or export it again") from error

    def _of_group(self, group: int, keys: TextChunk, sift: Sift) -> TextChunk:
        """The wanted rows of a row group."""
        rows = np.flatnonzero(sift.mask(keys))
        if not len(rows):
            return rows_of(keys, np.zeros(len(keys.lines), dtype=bool))
        taken = pa.array(rows)
        try:
            with parquet.ParquetFile(self.path) as file:
                whole = [self._column(file, group, place, taken) for place in range(len(self.headers))]
        except (pa.ArrowException, OSError) as error:
            near = keys.lines[0]
            raise SourceError(f"{self.path}: is damaged near row {near}; copy or export it again") from error
        return TextChunk(whole, keys.lines[rows])

    def _column(
        self, file: parquet.ParquetFile, group: int, place: int, rows: pa.Array | None = None
    ) -> pa.Array:
        """The cells of a column of a row group as text, all or some."""
        name = self.headers[place]
        cells = file.read_row_group(group, columns=[name], use_threads=False).column(name)
        return as_text((cells if rows is None else cells.take(rows)).combine_chunks(), self.timezone)

    def origin(self, rows: int) -> SourceFile:
        """The file, its digest and its time of change."""
        return file_origin(self.path, rows)


# A small file that somebody hands to a command: a few columns, every row at once.

_ROWS: Final = 10_000
_LONGEST: Final = 100_000
SmallRow = tuple[int, Mapping[str, str]]
"""The physical line of a row, and its cells by column, "" where nothing stands."""


def small_table(
    path: Path, columns: Mapping[str, Sequence[str]], needed: Sequence[str]
) -> Sequence[SmallRow]:
    """The rows of a CSV or TSV file in whatever encoding; `columns` names for each column its other headers.

    Raises:
        SourceError: it cannot be read, a row cannot be parted into cells, or a `needed` column is missing.
    """
    reader = TextReader.open(
        path, TableSettings(path=str(path)), chunk_rows=_ROWS, longest_line=_LONGEST, chinese=True
    )
    keys = [word_key(header) for header in reader.headers]
    wanted = {name: [word_key(name), *map(word_key, others)] for name, others in columns.items()}
    place = {name: next((keys.index(k) for k in known if k in keys), None) for name, known in wanted.items()}
    if missing := [name for name in needed if place[name] is None]:
        has = ", ".join(reader.headers)
        raise SourceError(f"{path}: no column {', '.join(missing)}; add it (the file has: {has})")
    rows: list[SmallRow] = []
    for chunk in reader.chunks():
        if chunk.broken:
            first = chunk.broken[0]
            raise SourceError(f"{path}:{first.line}: {first.problem}; {first.problem.english}")
        cells = {name: chunk.columns[at].to_pylist() for name, at in place.items() if at is not None}
        lines = chunk.lines.tolist()
        for number, line in enumerate(lines):
            row = {name: str(cells[name][number] or "").strip() if name in cells else "" for name in columns}
            rows.append((line, row))
    return rows
