"""Backup and restore as a logical copy of every table, the same for SQLite and PostgreSQL.

Taken from one snapshot while others go on writing. A backup of either database restores into either.
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
from carloan_notify.ledger import audit, backup_file, schema
from carloan_notify.ledger.audit_verify import Evidence, verify
from carloan_notify.ledger.canonical import canonical
from carloan_notify.ledger.instants import to_text
from carloan_notify.ledger.keys import Keyring
from carloan_notify.ledger.store import POSTGRESQL, Store
from carloan_notify.ledger.tables import METADATA, NOTICES, SUPPRESSIONS
from carloan_notify.records import AuditEvent

PATTERN: Final = "ledger-*.backup"
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
    """What came back, and the moment it is from."""

    rows: int
    written_at: str


def write(store: Store, keyring: Keyring, folder: Path, keep: int, now: datetime) -> Backup:
    """Write `ledger-<instant>.backup` into `folder` and keep the newest `keep` of them."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    stamp = to_text(now).replace("-", "").replace(":", "")
    path = folder / f"ledger-{stamp}.backup"
    if path.exists():
        raise LedgerError(f"{path}: there is a backup of this very moment already")
    counter = _Counter()
    with store.read() as connection:
        about = {
            "schema": schema.HEAD,
            "ledger_id": schema.meta(connection, "ledger_id"),
            "written_at": to_text(now),
        }
        checksum = backup_file.write(path, keyring, about, _dump(connection, counter))
    return Backup(path, checksum, counter.rows, tuple(backup_file.delete_old(folder, PATTERN, keep)))


class _Counter:
    rows = 0


def _dump(connection: sa.Connection, counter: _Counter) -> Iterator[str]:
    for table in METADATA.sorted_tables:
        yield canonical({"table": table.name, "columns": table.c.keys()})
        for row in connection.execute(sa.select(table).execution_options(yield_per=_PAGE)):
            counter.rows += 1
            yield canonical([_plain(value) for value in row])
    yield canonical({"end": counter.rows})


def _plain(value: object) -> object:
    return {"b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def _value(value: Any) -> Any:  # noqa: ANN401 - a cell of any type
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value


def restore(store: Store, keyring: Keyring, path: Path, now: datetime) -> Restored:
    """Put a backup into an empty place: read and checked as a whole first, and in one transaction.

    Not empty, damaged, of another schema, or with a broken audit chain: `LedgerError`, and nothing is left
    behind.
    """
    if store.exists():
        raise LedgerError(f"{store.engine.url!r}: there is a ledger already; restore into an empty place")
    about = backup_file.read_header(path)
    if about.get("schema") != schema.HEAD:
        raise LedgerError(
            f"{path}: made at schema {about.get('schema')}; restore it with the version that made it"
        )
    backup_file.check_sum(path)
    rows = sum(len(page) for _, page in _pages(path, keyring))
    store.make_file()
    with store.write() as connection:
        schema.upgrade(connection)
        for table, page in _pages(path, keyring):
            connection.execute(sa.insert(table), page)
        _advance_numbers(connection)
        _require_whole(connection, path)
        data = {"written_at": about["written_at"], "sha256": backup_file.sha256(path)}
        audit.append(connection, [AuditEvent("ledger.restored", path.name, data)], now)
    return Restored(rows, about["written_at"])


def _pages(path: Path, keyring: Keyring) -> Iterator[tuple[sa.Table, list[dict[str, Any]]]]:
    """Rows of the backup by table, a page at a time. An end line that is missing or miscounts is an error."""
    table, columns, page, count, complete = METADATA.sorted_tables[0], [""], list[dict[str, Any]](), 0, False
    for line in backup_file.read(path, keyring):
        value = json.loads(line)
        if isinstance(value, list):
            page.append(dict(zip(columns, map(_value, value), strict=True)))
            count += 1
        if page and (isinstance(value, dict) or len(page) >= _PAGE):
            yield table, page
            page = []
        if isinstance(value, dict) and "table" in value:
            table, columns = METADATA.tables[value["table"]], value["columns"]
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
