"""Connections and transactions: SQLite and PostgreSQL behind two context managers.

SQLite: WAL, synchronous FULL (a commit survives power loss), writers take the lock at once (BEGIN
IMMEDIATE), so no transaction fails half-way for want of it. PostgreSQL: READ COMMITTED for writers, one
snapshot for readers.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from carloan_notify.errors import LedgerError, LedgerUnavailableError
from carloan_notify.ledger.keys import Cipher
from carloan_notify.unit_of_work import writing

SQLITE: Final = "sqlite"
POSTGRESQL: Final = "postgresql"
_WRITES: Final = "ledger_writes"
_SQLITE_ONLY_OWNER: Final = 0o600
_SQLITE_IN_TROUBLE: Final = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
)
_PRIMARY_CODE: Final = 0xFF
"""The part of an SQLite error code that names its kind (https://www.sqlite.org/rescode.html)."""


def locate(url: str, base_dir: Path) -> sa.URL:
    """The ledger's URL with a relative SQLite path resolved against `base_dir`. Errors: `LedgerError`."""
    try:
        parsed = sa.make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, NoSuchModuleError) as problem:
        raise LedgerError(
            "ledger.url: not a database URL; write e.g. sqlite:///ledger.db or postgresql+psycopg://…"
        ) from problem
    if backend not in {SQLITE, POSTGRESQL}:
        raise LedgerError(
            f"ledger.url: {backend} cannot hold a ledger; use sqlite:/// or postgresql+psycopg://"
        )
    if backend == POSTGRESQL:
        return parsed
    if not parsed.database or parsed.database == ":memory:":
        raise LedgerError(
            "ledger.url: a ledger in memory would forget what it sent; write e.g. sqlite:///ledger.db"
        )
    return parsed.set(database=str(base_dir / parsed.database))


@dataclass(frozen=True, slots=True)
class Transaction:
    """An open transaction of a ledger, and the keys that its personal data is sealed with.

    From `Ledger.write` or `Ledger.read`; what a function of this folder does with it holds when that block ends.
    """

    connection: sa.Connection
    cipher: Cipher


class Store:
    """One database. `write` and `read` give a connection inside a transaction that ends with the block.

    A database that refuses raises `LedgerUnavailableError` when it has answered before or is locked or full,
    else `LedgerError`: then its URL, password or file may be wrong.
    """

    def __init__(self, url: sa.URL, *, busy_timeout_s: int) -> None:
        """Prepare the engine; nothing is opened yet."""
        self.backend = url.get_backend_name()
        self.file = Path(url.database or "") if self.backend == SQLITE else None
        self._answered = False
        self.engine = sa.create_engine(url, hide_parameters=True, **_options(self.backend, busy_timeout_s))
        if self.backend == SQLITE:
            event.listen(self.engine, "connect", _prepare_sqlite(busy_timeout_s))
            event.listen(self.engine, "begin", _begin_sqlite)

    def exists(self) -> bool:
        """Is there a database with tables of ours in it?"""
        if self.file is not None and not self.file.exists():
            return False
        with self.read() as connection:
            return sa.inspect(connection).has_table("meta")

    def make_file(self) -> None:
        """Make the SQLite file readable by its owner only, before anything is in it."""
        if self.file is not None and not self.file.exists():
            self.file.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _SQLITE_ONLY_OWNER))

    @contextmanager
    def write(self, *, wipes: bool = False) -> Iterator[sa.Connection]:
        """A transaction that commits at the end of the block and rolls back on any exception.

        With `wipes`, SQLite overwrites with zeros whatever the block deletes or shortens.
        """
        with writing(), self._explained(), self.engine.connect() as connection:
            connection.execution_options(**{_WRITES: True})
            with connection.begin():
                if wipes and self.backend == SQLITE:
                    connection.exec_driver_sql("PRAGMA secure_delete = ON")
                yield connection

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that sees one moment of the ledger and changes nothing."""
        with self._explained(), self.engine.connect() as connection:
            if self.backend == POSTGRESQL:
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield connection

    def forget(self) -> None:
        """After content was overwritten: drop what the database keeps of it (write-ahead log, dead rows)."""
        with self._explained():
            if self.backend == SQLITE:
                connection = self.engine.raw_connection()
                connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
                connection.close()
                return
            with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as autocommit:
                autocommit.exec_driver_sql(
                    "VACUUM certificates, contents, messages, replies, unread, portfolio"
                )

    def compact(self) -> None:
        """Pack the rows anew and give the room of deleted ones back to the disk. Everybody else waits meanwhile."""
        with self._explained():
            if self.backend == SQLITE:
                connection = self.engine.raw_connection()
                connection.cursor().execute("VACUUM")
                connection.close()
                self.forget()
                return
            with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as autocommit:
                autocommit.exec_driver_sql("VACUUM (FULL, ANALYZE)")

    def size(self) -> int:
        """Bytes that the database takes on its disk."""
        with self.read() as connection:
            if self.backend == POSTGRESQL:
                return int(
                    connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one()
                )
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            return int(pages) * int(connection.exec_driver_sql("PRAGMA page_size").scalar_one())

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as problem:
            in_use = self._answered or _in_trouble(problem.orig)
            raise (LedgerUnavailableError if in_use else LedgerError)(
                f"the ledger's database refused: {type(problem.orig).__name__}: {_first_line(problem)}; "
                "see that it is reachable, has disk space and is not held by another program, then run the "
                "command again: what was committed is kept"
            ) from problem
        self._answered = True


def _options(backend: str, busy_timeout_s: int) -> dict[str, Any]:
    if backend == SQLITE:
        return {"connect_args": {"timeout": busy_timeout_s}}
    milliseconds = busy_timeout_s * 1000
    return {"pool_pre_ping": True, "connect_args": {"options": f"-c lock_timeout={milliseconds}"}}


def _prepare_sqlite(busy_timeout_s: int) -> Any:  # noqa: ANN401 - SQLAlchemy's listeners are untyped
    def prepare(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own connection
        connection.isolation_level = None  # BEGIN is ours, see _begin_sqlite
        for pragma in (
            f"busy_timeout = {busy_timeout_s * 1000}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "secure_delete = FAST",
            "temp_store = MEMORY",  # else the journal of every statement on many rows goes through a file
            "cache_size = -65536",  # KiB
            "wal_autocheckpoint = 8000",  # pages; a checkpoint costs as much as many commits
        ):
            connection.execute(f"PRAGMA {pragma}")

    return prepare


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _in_trouble(problem: BaseException | None) -> bool:
    """Whether SQLite says that the file is right and only cannot be used at this moment."""
    code = getattr(problem, "sqlite_errorcode", None)
    return code is not None and code & _PRIMARY_CODE in _SQLITE_IN_TROUBLE


def _first_line(problem: DBAPIError) -> str:
    return str(problem.orig).strip().split("\n", 1)[0]


# Instants as fixed-width UTC text, so that they sort alike on every database and in every export.


@lru_cache(maxsize=1024)  # a night's messages share a few hundred instants
def to_text(instant: datetime) -> str:
    """`2026-11-23T02:00:00.000000Z`, always 27 characters. A naive instant raises `ValueError`."""
    if instant.tzinfo is None:
        raise ValueError("an instant needs a time zone: pass an aware datetime")
    return instant.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "Z"


@lru_cache(maxsize=1024)
def from_text(text: str) -> datetime:
    """The instant that `to_text` wrote, in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)
