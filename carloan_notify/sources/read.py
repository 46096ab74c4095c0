"""Reading the lender's tables: one by one, or all of a night's."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import pandas as pd

from carloan_notify.errors import SourceError
from carloan_notify.sources.assembly import Table, assemble
from carloan_notify.sources.cells import CellRules
from carloan_notify.sources.chunks import Reader
from carloan_notify.sources.context import ReadContext
from carloan_notify.sources.headers import match_headers
from carloan_notify.sources.parquet_reader import ParquetReader
from carloan_notify.sources.rows import TableRules, parse_chunk
from carloan_notify.sources.settings import SourcesSettings, TableSettings
from carloan_notify.sources.sql_reader import SqlReader
from carloan_notify.sources.tables import TABLES, TableName
from carloan_notify.sources.text_reader import TextReader

_PARQUET_SUFFIXES: Final = (".parquet", ".pq")


@dataclass(frozen=True, slots=True)
class Sources:
    """A night's tables; None for one that is not configured."""

    loans: Table
    installments: Table | None = None
    payments: Table | None = None
    changes: Table | None = None
    events: Table | None = None
    contacts: Table | None = None

    @property
    def tables(self) -> tuple[Table, ...]:
        """The configured tables, in the order of design."""
        every = (getattr(self, field.name) for field in fields(self))
        return tuple(table for table in every if table is not None)

    @property
    def rejects(self) -> pd.DataFrame:
        """All rejected rows, columns as `rows.REJECTS`."""
        return pd.concat([table.rejects for table in self.tables], ignore_index=True)

    @property
    def findings(self) -> pd.DataFrame:
        """All findings, columns as `frames.FINDINGS`."""
        return pd.concat([table.findings for table in self.tables], ignore_index=True)

    @property
    def rows_read(self) -> int:
        """Rows of all tables, rejected ones included."""
        return sum(table.rows_read for table in self.tables)


def read_all(settings: SourcesSettings, context: ReadContext) -> Sources:
    """Read every configured table. SourceError with the problems of all tables, one per line."""
    tables: dict[str, Table] = {}
    problems: list[str] = []
    for name in TABLES:
        table_settings = settings.table(name)
        if table_settings is None:
            continue
        try:
            tables[name] = read_table(name, table_settings, context=context)
        except SourceError as error:
            problems.append(str(error))
    if problems:
        raise SourceError("\n".join(problems))
    return Sources(**tables)


def read_table(name: TableName, settings: TableSettings, *, context: ReadContext) -> Table:
    """Read one table: rows read = rows of the frame + rejected rows.

    SourceError, each line beginning with the table's name, when the table cannot be read at all.
    """
    with told_of(name), _open(settings, context) as reader:
        table = parse_table(name, reader, settings, context)
    if name == "loans" and not table.rows_read:
        raise SourceError(f"{name}: {table.files[0].label}: has no row at all; look at the export job")
    return table


def parse_table(name: TableName, reader: Reader, settings: TableSettings, context: ReadContext) -> Table:
    """The rows of an opened table. SourceError for headers that do not do."""
    spec = TABLES[name]
    match = match_headers(reader.headers, spec, settings, context.basis)
    rules = TableRules(
        spec, match, settings, CellRules(context, settings.date_format, settings.fictitious_phones)
    )
    chunks = [parse_chunk(chunk, rules) for chunk in reader.chunks()]
    return assemble(name, rules, chunks, reader.origin(sum(chunk.rows for chunk in chunks)))


@contextmanager
def told_of(name: TableName) -> Iterator[None]:
    """Begin every line of a SourceError with the table's name."""
    try:
        yield
    except SourceError as error:
        raise SourceError("\n".join(f"{name}: {line}" for line in str(error).splitlines())) from error


@contextmanager
def _open(settings: TableSettings, context: ReadContext) -> Iterator[Reader]:
    if settings.query:
        with SqlReader.open(
            settings.url,
            context.dated(settings.query),
            as_of=context.as_of,
            chunk_rows=context.chunk_rows,
            timezone=context.timezone,
        ) as reader:
            yield reader
        return
    path = context.base_dir / context.dated(settings.path)
    try:
        yield _open_file(path, settings, context)
    except FileNotFoundError as error:
        raise SourceError(f"{path}: no such file; look at the export job, or correct `path`") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise SourceError(f"{path}: the gzip file is damaged or cut short; copy it again") from error
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror or error}); check its rights") from error


def _open_file(path: Path, settings: TableSettings, context: ReadContext) -> Reader:
    parquet = settings.format == "parquet" or (settings.format == "auto" and path.suffix in _PARQUET_SUFFIXES)
    if parquet:
        return ParquetReader.open(path, chunk_rows=context.chunk_rows, timezone=context.timezone)
    return TextReader.open(path, settings, chunk_rows=context.chunk_rows, longest_line=context.max_line_bytes)
