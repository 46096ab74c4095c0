"""What came back and could not be read: kept as it came, encrypted, until somebody looks or its time is over."""

import base64
import re
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from carloan_notify.ledger import audit
from carloan_notify.ledger.keys import Cipher, write_private
from carloan_notify.ledger.notices import in_parts
from carloan_notify.ledger.store import POSTGRESQL, Transaction, to_text
from carloan_notify.ledger.tables import UNREAD
from carloan_notify.records import AuditEvent
from carloan_notify.text import mask_digits, whole

_NATIONAL_DIGITS: Final = 10
"""A gateway may write a number with or without its country code; the last digits are the same."""
_WAITING: Final = UNREAD.c.done_at.is_(None)


def keep(
    tx: Transaction,
    provider: str,
    body: bytes,
    problems: Sequence[str],
    now: datetime,
) -> bool:
    """Keep a body with the problems that were found in it; False when it is kept already."""
    text = base64.b64encode(body).decode()
    name = tx.cipher.text_hash(f"unread\x00{provider}\x00{text}")
    row = {
        "unread_id": name,
        "provider": provider,
        "taken_at": to_text(now),
        "problems": mask_digits(whole("; ".join(problems))),
        "body_sealed": tx.cipher.seal(name, "body", text),
    }
    dialect = postgresql if tx.connection.dialect.name == POSTGRESQL else sqlite
    statement = dialect.insert(UNREAD).on_conflict_do_nothing().returning(UNREAD.c.unread_id)
    if tx.connection.execute(statement.values(**row)).first() is None:
        return False
    data = {"provider": provider, "bytes": len(body)}
    audit.append(tx, [AuditEvent("return.unread", name, data)], now)
    return True


def count(tx: Transaction) -> int:
    """How many wait for somebody to look."""
    waiting = sa.select(sa.func.count()).select_from(UNREAD).where(_WAITING)
    return int(tx.connection.execute(waiting).scalar_one())


def done(tx: Transaction, names: Iterable[str], operator: str, reason: str, now: datetime) -> int:
    """A person has looked at these, which is audited; returns how many of them were waiting."""
    found = [
        name
        for part in in_parts(sorted(names))
        for name in tx.connection.execute(
            sa.update(UNREAD)
            .where(_WAITING, UNREAD.c.unread_id.in_(part))
            .values(done_at=to_text(now))
            .returning(UNREAD.c.unread_id)
        ).scalars()
    ]
    data = {"operator": operator, "reason": mask_digits(reason), "bodies": sorted(found)}
    audit.append(tx, [AuditEvent("return.done", operator, data)] if found else [], now)
    return len(found)


def reveal(
    tx: Transaction, operator: str, reason: str, now: datetime, *, everything: bool = False
) -> dict[str, bytes]:
    """Bodies that wait for somebody to look (or all), by id; who took them out is audited."""
    found = bodies(tx, everything=everything)
    data = {"operator": operator, "reason": mask_digits(reason), "bodies": list(found)}
    audit.append(tx, [AuditEvent("return.revealed", operator, data)], now)
    return found


def bodies(tx: Transaction, *, everything: bool = True) -> dict[str, bytes]:
    """Bodies by their ids, oldest first; all of them, or those that wait for somebody to look."""
    query = sa.select(UNREAD).where(sa.true() if everything else _WAITING)
    rows = tx.connection.execute(query.order_by(UNREAD.c.taken_at, UNREAD.c.unread_id))
    return {row.unread_id: _body(tx.cipher, row.unread_id, row.body_sealed) for row in rows}


def drop_mentions(tx: Transaction, phones: Collection[str]) -> int:
    """Delete bodies in which one of these numbers stands; returns how many. For the right to be forgotten."""
    digits = {re.sub(r"\D", "", phone)[-_NATIONAL_DIGITS:].encode() for phone in phones} - {b""}
    if not digits:
        return 0
    named = [
        name
        for name, body in bodies(tx).items()
        if any(
            number in body.replace(b"\x00", b"") for number in digits
        )  # UTF-16 has a NUL beside each digit
    ]
    for name in named:
        tx.connection.execute(sa.delete(UNREAD).where(UNREAD.c.unread_id == name))
    return len(named)


def _body(cipher: Cipher, name: str, sealed: bytes) -> bytes:
    return base64.b64decode(cipher.open(name, "body", sealed))


# What a provider handed out and is not in the ledger yet: in files, encrypted, until it is. Survives a crash.
#
# Some queues hand a record out once. A ledger that fails at that moment must not cost it.

FOLDER: Final = "returned"
_ENDING: Final = ".page"
_FIELD: Final = "page"


class Spool:
    """A folder of sealed texts (mode 0600), oldest first by name."""

    def __init__(self, folder: Path, cipher: Cipher) -> None:
        """Makes no folder before there is something to put into it."""
        self.folder = folder
        self._cipher = cipher

    def put(self, text: str, now: datetime) -> str:
        """Keep a text, on disk when this returns; its name. Raises `OSError` when there is no room."""
        name = f"{now:%Y%m%dT%H%M%S%f}-{uuid4().hex}"
        write_private(self._file(name), self._cipher.seal(name, _FIELD, text))
        return name

    def names(self) -> list[str]:
        """Every text that is kept, oldest first."""
        return sorted(file.stem for file in self.folder.glob(f"*{_ENDING}"))

    def text(self, name: str) -> str | None:
        """A text, None when another process has taken it. A damaged one raises `LedgerError`."""
        try:
            sealed = self._file(name).read_bytes()
        except FileNotFoundError:
            return None
        return self._cipher.open(name, _FIELD, sealed)

    def drop(self, name: str) -> None:
        """It is in the ledger now."""
        self._file(name).unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}{_ENDING}"
