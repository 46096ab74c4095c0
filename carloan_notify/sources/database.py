"""Database queries as a `Reader`, with a server-side cursor."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Self

import numpy as np
import sqlalchemy as sa

from carloan_notify.errors import SourceError
from carloan_notify.sources.cells import values_as_text
from carloan_notify.sources.chunks import Sift, SourceFile, TextChunk, sifted


@dataclass(frozen=True, slots=True)
class SqlReader:
    """An open result. Only `chunk_rows` rows are in memory at a time; a row's place is its number from 1."""

    label: str
    headers: Sequence[str]
    chunk_rows: int
    timezone: str
    result: sa.CursorResult[Any]
    digest: Any = field(default_factory=hashlib.sha256)

    @classmethod
    @contextmanager
    def open(cls, url: str, query: str, *, as_of: date, chunk_rows: int, timezone: str) -> Iterator[Self]:
        """Run the query, read-only where the database knows such a thing. SourceError on any failure."""
        engine = make_engine(url)
        statement = sa.text(query)
        try:
            with cls.on(
                engine, statement, bound(statement, as_of), chunk_rows=chunk_rows, timezone=timezone
            ) as reader:
                yield reader
        finally:
            engine.dispose()

    @classmethod
    @contextmanager
    def on(
        cls,
        engine: sa.Engine,
        statement: sa.TextClause,
        values: Mapping[str, object],
        *,
        chunk_rows: int,
        timezone: str,
    ) -> Iterator[Self]:
        """The same on an engine that its owner keeps open."""
        label = database_label(engine.url)
        try:
            with engine.connect().execution_options(
                stream_results=True, max_row_buffer=chunk_rows, postgresql_readonly=True
            ) as connection:
                result = connection.execute(statement, values)
                yield cls(label, tuple(result.keys()), chunk_rows, timezone, result)
        except sa.exc.SQLAlchemyError as error:
            raise SourceError(
                f"{label}: {_first_line(error)}; check `url`, `query` and the rights"
            ) from error

    def chunks(self, sift: Sift | None = None) -> Iterator[TextChunk]:
        """All rows, `chunk_rows` at a time, or only the wanted ones."""
        first = 1
        for rows in self.result.partitions(self.chunk_rows):
            columns = [values_as_text(values, self.timezone) for values in zip(*rows, strict=True)]
            for cells in columns:
                self.digest.update("\x1f".join(cells.to_pylist()).encode())
            yield sifted(TextChunk(columns, np.arange(first, first + len(rows), dtype=np.int64)), sift)
            first += len(rows)

    def origin(self, rows: int) -> SourceFile:
        """The database, and a digest of all cells as text, in the order in which they came."""
        return SourceFile(self.label, self.digest.hexdigest(), None, rows)


def make_engine(url: str) -> sa.Engine:
    """An engine that connects on first use. SourceError for a URL that is none, or without its driver."""
    try:
        return sa.create_engine(url, hide_parameters=True, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise SourceError(
            f"{database_label(url)}: driver {error.name} is missing; "
            "install carloan-notify[postgres] or [mysql]"
        ) from error
    except sa.exc.ArgumentError as error:
        raise SourceError(
            f"{database_label(url)}: no SQLAlchemy database URL; write dialect+driver://user@host/name"
        ) from error


def database_label(url: str | sa.URL) -> str:
    """Which database it is, without user, password and options."""
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        return "database"
    return f"{parsed.get_backend_name()}://{parsed.host or ''}/{parsed.database or ''}"


def bound(statement: sa.TextClause, as_of: date) -> dict[str, date]:
    """The business date, for a statement that asks for it."""
    return {"as_of": as_of} if "as_of" in statement.compile().params else {}


def _first_line(error: sa.exc.SQLAlchemyError) -> str:
    cause = getattr(error, "orig", None) or error
    lines = str(cause).strip().splitlines()
    # A database may quote the cell it stumbles over.
    return re.sub(r"\d{5,}", "***", lines[0]) if lines else type(cause).__name__
