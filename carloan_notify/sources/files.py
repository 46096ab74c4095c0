"""CSV and TSV files, gzipped or not, as a `Reader`."""

import codecs
import csv
import gzip
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final, Literal, Self, cast

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from carloan_notify.errors import SourceError
from carloan_notify.sources.cells import as_text
from carloan_notify.sources.chunks import SourceFile, TextChunk
from carloan_notify.sources.records import Dialect, read_chunk
from carloan_notify.sources.settings import TableSettings

# A binary stream → its physical lines, whatever their length, in bounded memory.

BLOCK_BYTES: Final = 1024 * 1024


def physical_lines(stream: BinaryIO, longest: int) -> Iterator[list[bytes | None]]:
    """Lines without their end, a list per block read; None stands for a line longer than `longest` bytes.

    Memory stays below two blocks plus `longest`, however long a line is: its bytes are dropped as they come.
    """
    rest = b""
    dropping = False
    while block := stream.read(BLOCK_BYTES):
        parts = block.split(b"\n")
        if dropping and len(parts) == 1:
            continue
        lines: list[bytes | None] = []
        first = None if dropping else rest + parts[0]
        if len(parts) > 1:
            lines = [first, *parts[1:-1]]
            first = parts[-1]
        dropping = first is None or len(first) > longest
        rest = b"" if first is None or dropping else first
        yield [None if line is None or len(line) > longest else line for line in lines]
    if dropping or rest:
        yield [None if dropping else rest]


def line_batches(stream: BinaryIO, longest: int, size: int) -> Iterator[list[bytes | None]]:
    """The same lines in lists of `size`, the last one shorter."""
    batch: list[bytes | None] = []
    for lines in physical_lines(stream, longest):
        batch.extend(lines)
        while len(batch) >= size:
            yield batch[:size]
            batch = batch[size:]
    if batch:
        yield batch


# Opening the lender's files, gzipped or not.

_GZIP_MARK: Final = b"\x1f\x8b"


def open_binary(path: Path) -> BinaryIO:
    """The file's bytes, unzipped when it is gzip, whatever its name says."""
    stream = path.open("rb")
    if stream.peek(2)[:2] != _GZIP_MARK:
        return stream
    stream.close()
    return cast("BinaryIO", gzip.open(path, "rb"))


_TAIL_BYTES: Final = 64 * 1024
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


# Which encoding a text file is in, decided by decoding all of it.

Encoding = Literal["utf-8", "gb18030"]

_ENCODINGS: Final[tuple[Encoding, ...]] = ("utf-8", "gb18030")
_OTHER_FORMATS: Final = {
    codecs.BOM_UTF16_LE: "UTF-16 text (a spreadsheet's 'Unicode text')",
    codecs.BOM_UTF16_BE: "UTF-16 text",
    b"PK": "a workbook or another zip archive",
    b"\xd0\xcf": "an old Excel workbook",
}
_LEAST_SHARE: Final = 0.5


@dataclass(frozen=True, slots=True)
class _LineCounts:
    """How many lines with non-ASCII bytes there are, how many decode, and where the first does not."""

    decoded: int
    total: int
    first_bad: int

    @property
    def share(self) -> float:
        return self.decoded / self.total


def detect_encoding(path: Path, asked: str, longest_line: int) -> Encoding:
    """`utf-8` or `gb18030`: `asked`, or for "auto" the one the whole file decodes in, UTF-8 first.

    A file that decodes in none as a whole has damaged lines: it is read in the encoding of most of its
    non-ASCII lines, and the damaged ones are rejected one by one. SourceError when that is no majority.
    """
    with open_binary(path) as stream:
        other = _OTHER_FORMATS.get(stream.read(2))
        if other:
            raise SourceError(f"{path}: is {other}; save it as 'CSV UTF-8' instead")
    candidates = _ENCODINGS if asked == "auto" else (cast("Encoding", asked),)
    if _decodes(path, candidates[0]):
        return candidates[0]
    counts = {encoding: _count_lines(path, encoding, longest_line) for encoding in candidates}
    for encoding in candidates:
        if counts[encoding].share >= _LEAST_SHARE:
            return encoding
    bad = counts[candidates[0]].first_bad
    raise SourceError(
        f"{path}:{bad}: is not {' or '.join(candidates)} text; export it again as UTF-8, or set `encoding`"
    )


def _decodes(path: Path, encoding: Encoding) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    with open_binary(path) as stream:
        try:
            while block := stream.read(BLOCK_BYTES):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _count_lines(path: Path, encoding: Encoding, longest: int) -> _LineCounts:
    with open_binary(path) as stream:
        return _counted(stream, encoding, longest)


def _counted(stream: BinaryIO, encoding: Encoding, longest: int) -> _LineCounts:
    total = bad = first_bad = number = 0
    for lines in physical_lines(stream, longest):
        for line in lines:
            number += 1
            if line is None or line.isascii():
                continue
            total += 1
            if not _line_decodes(line, encoding):
                bad += 1
                first_bad = first_bad or number
    return _LineCounts(total - bad, max(total, 1), first_bad)


def _line_decodes(line: bytes, encoding: Encoding) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


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
    def open(cls, path: Path, settings: TableSettings, *, chunk_rows: int, longest_line: int) -> Self:
        """Find encoding and header. SourceError for an empty file or one in no readable encoding."""
        encoding = detect_encoding(path, settings.encoding, longest_line)
        number, header = _header_line(path, encoding, longest_line)
        tabbed = settings.format == "tsv" or path.name.removesuffix(".gz").endswith(".tsv")
        delimiter = settings.delimiter or ("\t" if tabbed else max(_DELIMITERS, key=header.count))
        headers = _cells(path, number, header, delimiter)
        dialect = Dialect(encoding, delimiter, len(headers))
        return cls(path, headers, dialect, number, chunk_rows, longest_line, settings.trailer)

    def chunks(self) -> Iterator[TextChunk]:
        """Rows below the header, `chunk_rows` lines at a time."""
        pending: list[bytes | None] = []
        line = 1
        with open_binary(self.path) as stream:
            batches = line_batches(stream, self.longest_line, self.chunk_rows)
            for batch in without_last(batches) if self._trailed() else batches:
                skipped = max(0, min(self.header_lines + 1 - line, len(batch)))
                line += skipped
                pending += batch[skipped:]
                if pending:
                    chunk, used = read_chunk(pending, line, self.dialect, final=False)
                    pending = pending[used:]
                    line += used
                    yield chunk
        if pending:
            yield read_chunk(pending, line, self.dialect, final=True)[0]

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

    def chunks(self) -> Iterator[TextChunk]:
        """All rows, `chunk_rows` at a time. SourceError when the file turns out to be damaged."""
        first = 1
        try:
            with parquet.ParquetFile(self.path) as file:
                for batch in file.iter_batches(batch_size=self.chunk_rows, use_threads=False):
                    lines = np.arange(first, first + batch.num_rows, dtype=np.int64)
                    first += batch.num_rows
                    yield TextChunk([as_text(column, self.timezone) for column in batch.columns], lines)
        except (pa.ArrowException, OSError) as error:
            raise SourceError(f"{self.path}: is damaged near row {first}; copy or export it again") from error

    def origin(self, rows: int) -> SourceFile:
        """The file, its digest and its time of change."""
        return file_origin(self.path, rows)
