"""Backup and restore as a logical copy of every table, the same for SQLite and PostgreSQL.

Taken from one snapshot while others go on writing. A backup of either database, of this schema or an older
one, restores into either.
"""

import base64
import gzip
import hashlib
import io
import json
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from carloan_notify.errors import LedgerError
from carloan_notify.ledger import audit, continuity, schema
from carloan_notify.ledger.audit import canonical
from carloan_notify.ledger.keys import Cipher, Keyring, sync_folder
from carloan_notify.ledger.store import POSTGRESQL, Store, Transaction, to_text
from carloan_notify.ledger.tables import AUDIT, HOLDS, METADATA, SUPPRESSIONS
from carloan_notify.ledger.verify import Evidence, verify_rows
from carloan_notify.records import AuditEvent

# A backup on disk: a readable header, then gzip in AES-256-GCM chunks that nobody can cut, swap or change.
#
# Chunks follow the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár 2015): the nonce is a random
# prefix, a counter and a last-chunk flag. A `.sha256` file lies beside it for `sha256sum --check`.

FORMAT: Final = "carloan-notify-backup/1"
PATTERN: Final = "ledger-*.backup"
_CHUNK: Final = 1 << 20
_PREFIX: Final = 7
_TAG: Final = 16
_SIZE: Final = struct.Struct(">I")
_NONCE_TAIL: Final = struct.Struct(">IB")
_HEADER_LIMIT: Final = 1 << 16
_MODE: Final = 0o600


class _Sealer:
    """Takes plain bytes, writes encrypted chunks."""

    def __init__(self, file: BinaryIO, key: AESGCM, bound_to: bytes, prefix: bytes) -> None:
        self._file, self._key, self._bound_to, self._prefix = file, key, bound_to, prefix
        self._waiting, self._number = bytearray(), 0

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer
        self._waiting += data
        while len(self._waiting) > _CHUNK:
            self._put(bytes(self._waiting[:_CHUNK]), last=False)
            del self._waiting[:_CHUNK]
        return len(data)

    def flush(self) -> None:
        """Nothing: a chunk goes when it is full."""

    def finish(self) -> None:
        self._put(bytes(self._waiting), last=True)

    def _put(self, plain: bytes, *, last: bool) -> None:
        nonce = self._prefix + _NONCE_TAIL.pack(self._number, last)
        self._file.write(self._key.encrypt(nonce, plain, self._bound_to))
        self._number += 1


def write_file(path: Path, keyring: Keyring, about: Mapping[str, Any], lines: Iterable[str]) -> str:
    """Write a backup of `lines`.

    Returns its SHA-256. The file appears under its name only when it is complete.
    """
    header = canonical({"format": FORMAT, "key_id": keyring.active, **about}).encode()
    prefix = os.urandom(_PREFIX)
    draft = path.with_name(f".{path.name}.tmp")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(_SIZE.pack(len(header)) + header + prefix)
        sealer = _Sealer(file, AESGCM(keyring.data_keys[keyring.active]), header, prefix)
        with gzip.GzipFile(fileobj=sealer, mode="wb", compresslevel=1, mtime=0) as packed:
            for line in lines:
                packed.write(line.encode() + b"\n")
        sealer.finish()
        file.flush()
        os.fsync(file.fileno())
    checksum = file_sha256(draft)
    _side_file(path).write_text(f"{checksum}  {path.name}\n", "ascii")
    draft.replace(path)
    sync_folder(path.parent)
    return checksum


def read_header(path: Path) -> dict[str, Any]:
    """What a backup says about itself. No backup raises `LedgerError`."""
    try:
        with path.open("rb") as file:
            header: dict[str, Any] = json.loads(_header(file))
        sound = header["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError, struct.error):
        sound = False
    if not sound:
        raise LedgerError(f"{path}: not a backup of this tool, or not readable")
    return header


def read(path: Path, keyring: Keyring) -> Iterator[str]:
    """The lines of a backup, each chunk authenticated before any of it is handed out.

    Errors: `LedgerError`.
    """
    about = read_header(path)
    key = keyring.data_keys.get(about["key_id"])
    if key is None:
        raise LedgerError(
            f"{path}: encrypted with key {about['key_id']}; restore the key file of that time first"
        )
    try:
        with path.open("rb") as file:
            header = _header(file)
            plain = _Opener(file, AESGCM(key), header, file.read(_PREFIX))
            with gzip.GzipFile(fileobj=io.BufferedReader(plain, _CHUNK), mode="rb") as packed:
                for line in packed:
                    yield line.decode().rstrip("\n")
    except (InvalidTag, EOFError, gzip.BadGzipFile) as problem:
        raise LedgerError(f"{path}: damaged or cut off; use another backup") from problem


class _Opener(io.RawIOBase):
    """Reads encrypted chunks, gives plain bytes."""

    def __init__(self, file: BinaryIO, key: AESGCM, bound_to: bytes, prefix: bytes) -> None:
        self._file, self._key, self._bound_to, self._prefix = file, key, bound_to, prefix
        self._ready, self._number = b"", 0
        self._next: bytes | None = file.read(_CHUNK + _TAG)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any buffer
        while not self._ready and self._next is not None:
            self._ready = self._open_next(self._next)
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _open_next(self, sealed: bytes) -> bytes:
        following = self._file.read(_CHUNK + _TAG)
        nonce = self._prefix + _NONCE_TAIL.pack(self._number, not following)
        self._number += 1
        self._next = following or None
        return self._key.decrypt(nonce, sealed, self._bound_to)


def _header(file: BinaryIO) -> bytes:
    (size,) = _SIZE.unpack(file.read(_SIZE.size))
    if size > _HEADER_LIMIT:
        raise ValueError("no header")
    return file.read(size)


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_sum(path: Path) -> None:
    """Compare with the `.sha256` beside it, if there is one. A difference raises `LedgerError`."""
    side = _side_file(path)
    if side.exists() and side.read_text("ascii").split()[0] != file_sha256(path):
        raise LedgerError(f"{path}: its checksum differs from {side.name}; use another backup")


def delete_old(folder: Path, ledger_id: str, keep: int) -> list[str]:
    """Delete all but the newest `keep` backups of one ledger; returns the names deleted.

    Whose a file is, and when it was written, is what its header says: a folder may hold several ledgers'.
    """
    ours = sorted(
        (about["written_at"], path)
        for path in folder.glob(PATTERN)
        if (about := _about(path)).get("ledger_id") == ledger_id
    )
    for _, path in ours[:-keep]:
        path.unlink()
        _side_file(path).unlink(missing_ok=True)
    return [path.name for _, path in ours[:-keep]]


def _about(path: Path) -> dict[str, Any]:
    """The header of a file that may be no backup: then nothing."""
    try:
        return read_header(path)
    except LedgerError:
        return {}


def _side_file(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


_RESTORED: Final = "ledger.restored"
_MOVE_AWAY: Final = (
    "stop everything that uses it, move it away (SQLite: the file and its -wal and -shm; PostgreSQL: name an empty "
    "database in ledger.url), then restore again"
)
_SHORT_ID: Final = 8
_PAGE: Final = 2_000
_NUMBERED: Final = ((SUPPRESSIONS, "suppression_no"), (HOLDS, "hold_no"))


@dataclass(frozen=True, slots=True)
class Backup:
    """A finished backup; `deleted` are older ones that made room."""

    path: Path
    sha256: str
    rows: int
    deleted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Restored:
    """What came back, the moment it is from, and how many messages may have left since.

    `before` is when an earlier restore had done it already, `""` where this one did.
    """

    rows: int
    written_at: str
    unknown: int
    before: str = ""


def write(store: Store, cipher: Cipher, folder: Path, keep: int, now: datetime) -> Backup:
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
            checksum = write_file(path, cipher.keyring, about, _dump(connection, counter))
            deleted = delete_old(folder, ledger_id, keep)
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


def restore(
    store: Store,
    keyring: Keyring,
    path: Path,
    now: datetime,
    *,
    also: Callable[[Transaction, str], None] = lambda _tx, _written_at: None,
) -> Restored:
    """Put a backup into an empty place: read and checked as a whole first, and in one transaction.

    What waited in it becomes unknown and the gap is noted (`restored`). `also` is done in the same transaction and
    is told when the backup was written. A place that holds this very backup already, put back by a command that
    died afterwards, gets only `also`. Not empty, damaged, of a schema that
    is not known, or with a broken audit chain: `LedgerError`, and nothing is left behind.
    """
    if store.exists():
        return _restored_before(store, keyring, path, also)
    about = read_header(path)
    if about.get("schema") not in schema.REVISIONS:
        raise LedgerError(
            f"{path}: made at schema {about.get('schema')}; restore it with the version that made it"
        )
    check_sum(path)
    rows = sum(len(page) for _, page in _pages(path, keyring))
    written_at = about["written_at"]
    store.make_file()
    with store.write() as connection:
        tx = Transaction(connection, Cipher(keyring))
        _fill(tx, keyring, path, about["schema"])
        _require_whole(tx, path)
        unknown = continuity.doubt(tx, written_at, now)
        continuity.note(tx, written_at, now)
        also(tx, written_at)
        data = {"written_at": written_at, "sha256": file_sha256(path), "unknown": unknown}
        audit.append(tx, [AuditEvent(_RESTORED, path.name, data)], now)
    return Restored(rows, written_at, unknown)


def _restored_before(
    store: Store, keyring: Keyring, path: Path, also: Callable[[Transaction, str], None]
) -> Restored:
    """What an earlier restore of this very file did, while nobody has accepted its gap; else `LedgerError`."""
    place, checksum = f"{store.engine.url!r}", file_sha256(path)
    newest = sa.select(AUDIT.c.at, AUDIT.c.data).where(AUDIT.c.kind == _RESTORED).order_by(AUDIT.c.seq.desc())
    with store.write() as connection:
        tx = Transaction(connection, Cipher(keyring))
        row = connection.execute(newest.limit(1)).first()
        done = json.loads(row.data) if row else {}
        if row is None or done["sha256"] != checksum:
            raise LedgerError(f"{place}: there is a ledger already, and not from this backup; {_MOVE_AWAY}")
        if continuity.gap(tx) is None:
            raise LedgerError(
                f"{place}: this backup was put back on {row.at} and the ledger is in use since, so nothing is done; "
                f"to go back to the backup once more, {_MOVE_AWAY}"
            )
        also(tx, done["written_at"])
    rows = sum(len(page) for _, page in _pages(path, keyring))
    return Restored(rows, done["written_at"], done["unknown"], row.at)


def _fill(tx: Transaction, keyring: Keyring, path: Path, revision: str) -> None:
    """Make the tables as they were, put the rows in, then bring both to this version's schema."""
    schema.upgrade(tx.connection, to=revision)
    tables = {table.name: table for table in _tables(tx.connection)}
    for name, page in _pages(path, keyring):
        tx.connection.execute(sa.insert(tables[name]), page)
    schema.upgrade(tx.connection)
    _advance_numbers(tx)


def _pages(path: Path, keyring: Keyring) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Rows of the backup by table, a page at a time. An end line that is missing or miscounts is an error."""
    table, columns, page, count, complete = "", [""], list[dict[str, Any]](), 0, False
    for line in read(path, keyring):
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


def _advance_numbers(tx: Transaction) -> None:
    """PostgreSQL's sequences do not see rows that bring their own number."""
    if tx.connection.dialect.name != POSTGRESQL:
        return
    for table, column in _NUMBERED:
        highest = sa.select(sa.func.coalesce(sa.func.max(table.c[column]), 0) + 1).scalar_subquery()
        sequence = sa.func.pg_get_serial_sequence(table.name, column)
        tx.connection.execute(sa.select(sa.func.setval(sequence, highest, sa.false())))


def _require_whole(tx: Transaction, path: Path) -> None:
    ledger_id = schema.meta(tx.connection, "ledger_id")
    evidence = Evidence(ledger_id, audit.head(tx), known=(), shelves=(), trusted={})
    verified = verify_rows(audit.stream(tx), evidence, audit.blocks(tx))
    if not verified.ok:
        first = verified.breaches[0]
        raise LedgerError(
            f"{path}: the audit inside is broken ({first.kind} at {first.place}); use another backup"
        )
