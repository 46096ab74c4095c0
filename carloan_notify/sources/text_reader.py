"""CSV and TSV files, gzipped or not, as a `Reader`."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from carloan_notify.errors import SourceError
from carloan_notify.sources.chunks import SourceFile, TextChunk
from carloan_notify.sources.encoding import detect_encoding
from carloan_notify.sources.files import file_origin, open_binary
from carloan_notify.sources.lines import line_batches
from carloan_notify.sources.records import Dialect, read_chunk
from carloan_notify.sources.settings import TableSettings

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

    @classmethod
    def open(cls, path: Path, settings: TableSettings, *, chunk_rows: int, longest_line: int) -> Self:
        """Find encoding and header. SourceError for an empty file or one in no readable encoding."""
        encoding = detect_encoding(path, settings.encoding, longest_line)
        number, header = _header_line(path, encoding, longest_line)
        tabbed = settings.format == "tsv" or path.name.removesuffix(".gz").endswith(".tsv")
        delimiter = settings.delimiter or ("\t" if tabbed else max(_DELIMITERS, key=header.count))
        headers = _cells(path, number, header, delimiter)
        return cls(
            path, headers, Dialect(encoding, delimiter, len(headers)), number, chunk_rows, longest_line
        )

    def chunks(self) -> Iterator[TextChunk]:
        """Rows below the header, `chunk_rows` lines at a time."""
        pending: list[bytes | None] = []
        line = 1
        with open_binary(self.path) as stream:
            for batch in line_batches(stream, self.longest_line, self.chunk_rows):
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
        """The file, its digest and its time of change."""
        return file_origin(self.path, rows)


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
