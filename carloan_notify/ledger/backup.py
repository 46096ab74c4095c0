"""Backup and restore as a logical copy of every table, the same for SQLite and PostgreSQL.

Taken from one snapshot while others go on writing. A backup of either database, of this schema or an older
one, restores into either.
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from carloan_notify.errors import LedgerError
from carloan_notify.ledger import audit, backup_file, restored, schema
from carloan_notify.ledger.audit_verify import Evidence, verify
from carloan_notify.ledger.canonical import canonical
from carloan_notify.ledger.instants import to_text
from carloan_notify.ledger.keys import Keyring
from carloan_notify.ledger.store import POSTGRESQL, Store
from carloan_notify.ledger.tables import METADATA, NOTICES, SUPPRESSIONS
from carloan_notify.records import AuditEvent

_SHORT_ID: Final = 8
_PAGE: Final = 2_000
_NUMBERED: Final = ((NOTICES, "notice_no"), (SUPPRESSIONS, "suppression_no"))


@dataclass(frozen=True, slots=True)
class Backup:
    """A finished backup; `deleted` are older ones that made room."""

    path: Path
    sha256: str
    rows: int
    deleted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Restored:
    """What came back, the moment it is from, and how many messages may have left since."""

    rows: int
    written_at: str
    unknown: int


def write(store: Store, keyring: Keyring, folder: Path, keep: int, now: datetime) -> Backup:
    """Write `ledger-<ledger>-<instant>.backup` into `folder`; of this ledger's, the newest `keep` stay.

    The ledger may be of an older schema. A folder that cannot be written raises `LedgerError`.
    """
    revision = schema.require_known(store)
    counter = _Counter()
    with store.read() as connection:
        ledger_id = schema.meta(connection, "ledger_id")
        about = {"schema": revision, "ledger_id": ledger_id, "written_at": to_text(now)}
        try:
            path = _new_file(folder, ledger_id, now)
            checksum = backup_file.write(path, keyring, about, _dump(connection, counter))
            deleted = backup_file.delete_old(folder, ledger_id, keep)
        except OSError as problem:
            raise LedgerError(
                f"{folder}: cannot be written ({problem.strerror}); see that it exists and has space"
            ) from problem
    return Backup(path, checksum, counter.rows, tuple(deleted))


def _new_file(folder: Path, ledger_id: str, now: datetime) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    stamp = to_text(now).replace("-", "").replace(":", "")
    path = folder / f"ledger-{ledger_id[:_SHORT_ID]}-{stamp}.backup"
    if path.exists():
        raise LedgerError(f"{path}: there is a backup of this very moment already")
    return path


class _Counter:
    rows = 0


def _dump(connection: sa.Connection, counter: _Counter) -> Iterator[str]:
    for table in _tables(connection):
        yield canonical({"table": table.name, "columns": table.c.keys()})
        for row in connection.execute(sa.select(table).execution_options(yield_per=_PAGE)):
            counter.rows += 1
            yield canonical([_plain(value) for value in row])
    yield canonical({"end": counter.rows})


def _tables(connection: sa.Connection) -> list[sa.Table]:
    """Our tables as they are in the database, which may be of an older schema; those pointed to come first."""
    found = sa.MetaData()
    found.reflect(connection, only=lambda name, _: name in METADATA.tables)
    return found.sorted_tables


def _plain(value: object) -> object:
    return {"b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def _value(value: Any) -> Any:  # noqa: ANN401 - a cell of any type
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value


def restore(store: Store, keyring: Keyring, path: Path, now: datetime) -> Restored:
    """Put a backup into an empty place: read and checked as a whole first, and in one transaction.

    What waited in it becomes unknown and the gap is noted (`restored`). Not empty, damaged, of a schema that
    is not known, or with a broken audit chain: `LedgerError`, and nothing is left behind.
    """
    if store.exists():
        raise LedgerError(f"{store.engine.url!r}: there is a ledger already; restore into an empty place")
    about = backup_file.read_header(path)
    if about.get("schema") not in schema.REVISIONS:
        raise LedgerError(
            f"{path}: made at schema {about.get('schema')}; restore it with the version that made it"
        )
    backup_file.check_sum(path)
    rows = sum(len(page) for _, page in _pages(path, keyring))
    written_at = about["written_at"]
    store.make_file()
    with store.write() as connection:
        _fill(connection, keyring, path, about["schema"])
        _require_whole(connection, path)
        unknown = restored.doubt(connection, written_at, now)
        restored.note(connection, written_at, now)
        data = {"written_at": written_at, "sha256": backup_file.sha256(path), "unknown": unknown}
        audit.append(connection, [AuditEvent("ledger.restored", path.name, data)], now)
    return Restored(rows, written_at, unknown)


def _fill(connection: sa.Connection, keyring: Keyring, path: Path, revision: str) -> None:
    """Make the tables as they were, put the rows in, then bring both to this version's schema."""
    schema.upgrade(connection, to=revision)
    tables = {table.name: table for table in _tables(connection)}
    for name, page in _pages(path, keyring):
        connection.execute(sa.insert(tables[name]), page)
    schema.upgrade(connection)
    _advance_numbers(connection)


def _pages(path: Path, keyring: Keyring) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Rows of the backup by table, a page at a time. An end line that is missing or miscounts is an error."""
    table, columns, page, count, complete = "", [""], list[dict[str, Any]](), 0, False
    for line in backup_file.read(path, keyring):
        value = json.loads(line)
        if isinstance(value, list):
            page.append(dict(zip(columns, map(_value, value), strict=True)))
            count += 1
        if page and (isinstance(value, dict) or len(page) >= _PAGE):
            yield table, page
            page = []
        if isinstance(value, dict) and "table" in value:
            table, columns = value["table"], value["columns"]
        complete = isinstance(value, dict) and value.get("end") == count
    if not complete:
        raise LedgerError(f"{path}: incomplete; use another backup")


def _advance_numbers(connection: sa.Connection) -> None:
    """PostgreSQL's sequences do not see rows that bring their own number."""
    if connection.dialect.name != POSTGRESQL:
        return
    for table, column in _NUMBERED:
        highest = sa.select(sa.func.coalesce(sa.func.max(table.c[column]), 0) + 1).scalar_subquery()
        sequence = sa.func.pg_get_serial_sequence(table.name, column)
        connection.execute(sa.select(sa.func.setval(sequence, highest, sa.false())))


def _require_whole(connection: sa.Connection, path: Path) -> None:
    ledger_id = schema.meta(connection, "ledger_id")
    evidence = Evidence(ledger_id, audit.head(connection), known=(), shelves=(), trusted={})
    verified = verify(audit.stream(connection), evidence)
    if not verified.ok:
        first = verified.breaches[0]
        raise LedgerError(
            f"{path}: the audit inside is broken ({first.kind} at {first.place}); use another backup"
        )
