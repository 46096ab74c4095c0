"""One night, or one upkeep, at a time: locks that the operating system and the database let go with their holder."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from filelock import FileLock, Timeout
from sqlalchemy.exc import DBAPIError

from carloan_notify.errors import LedgerError, LockedError
from carloan_notify.ledger.store import POSTGRESQL, locate
from carloan_notify.pipeline.build import House

ADVISORY_KEY: Final = 0x6361_726C_6F61_6E21  # "carloan!"; advisory locks are per database, as ledgers are
SOMEBODY: Final = "another process is at work"
_NAME_LENGTH: Final = 63  # PostgreSQL cuts application_name there
_PROBES: Final = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
"""A host that fell silent is noticed within a minute from our side as well."""

_TAKE: Final = sa.text("SELECT pg_try_advisory_lock(:key)")
_HOLDER: Final = sa.text(
    "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.granted "
    "AND l.locktype = 'advisory' AND l.classid::bigint = :high AND l.objid::bigint = :low AND l.objsubid = 1 "
    "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


@contextmanager
def one_night(house: House, operator: str, doing: str = "runs a night") -> Iterator[None]:
    """Hold the night's lock: on this machine, and among all machines that share a PostgreSQL ledger.

    Upkeep that no night may meet takes it as well, and says what it is `doing`. A crash leaves no stale lock
    behind: the kernel lets go of the file, the database of the session.

    Raises:
        LockedError: another process holds it; the text names the holder and what it does.
        LedgerError: the database does not answer.
    """
    holder = f"{operator} on {socket.gethostname()}, process {os.getpid()} {doing}"
    with _file_lock(house.path(house.settings.reports.lock_file), holder), _database_lock(house, holder):
        yield


@contextmanager
def _file_lock(path: Path, holder: str) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    signature = path.with_name(path.name + ".holder")
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise _locked(str(path), _signed(signature)) from None
    try:
        signature.write_text(holder, encoding="utf-8")
        yield
    finally:
        signature.unlink(missing_ok=True)
        lock.release()


def _signed(signature: Path) -> str:
    try:
        return signature.read_text(encoding="utf-8") or SOMEBODY
    except FileNotFoundError:
        return SOMEBODY  # it has the lock and is about to sign, or has just finished


@contextmanager
def _database_lock(house: House, holder: str) -> Iterator[None]:
    """The advisory lock of a PostgreSQL ledger, held by a connection of its own; nothing for SQLite."""
    url = locate(house.settings.ledger.url, house.folder)
    if url.get_backend_name() != POSTGRESQL:
        yield
        return
    name = holder[:_NAME_LENGTH]
    engine = sa.create_engine(
        url,
        hide_parameters=True,
        isolation_level="AUTOCOMMIT",
        poolclass=sa.NullPool,
        connect_args={"application_name": name, **_PROBES},
    )
    try:
        connection = engine.connect()
    except DBAPIError as error:
        raise LedgerError(
            f"ledger.url: the database does not answer ({type(error.orig).__name__}); see that it runs"
        ) from error
    with connection:
        if not connection.execute(_TAKE, {"key": ADVISORY_KEY}).scalar_one():
            raise _locked(f"the ledger's database {url.database}", _session_name(connection))
        yield


def _session_name(connection: sa.Connection) -> str:
    high, low = divmod(ADVISORY_KEY, 2**32)
    return connection.execute(_HOLDER, {"high": high, "low": low}).scalars().first() or SOMEBODY


def _locked(place: str, holder: str) -> LockedError:
    return LockedError(f"{place}: {holder} already; wait for it to end")
