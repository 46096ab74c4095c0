"""Everything encrypted, encrypted anew under the active key, some rows at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from carloan_notify.errors import LedgerError
from carloan_notify.ledger.cipher import Cipher
from carloan_notify.ledger.instants import to_text
from carloan_notify.ledger.keys import KEY_ID_BYTES
from carloan_notify.ledger.states import LEASED
from carloan_notify.ledger.tables import MESSAGES, REPLIES, SEALED, UNREAD

_ROWS_PER_STEP: Final = 1_000


@dataclass(frozen=True, slots=True)
class SealedTable:
    """A table whose columns `<field>_sealed` are encrypted and bound to the row's id."""

    table: sa.Table
    id_column: str
    fields: tuple[str, ...]


SEALED_TABLES: Final = (
    SealedTable(MESSAGES, "message_id", SEALED),
    SealedTable(REPLIES, "reply_id", ("phone", "text")),
    SealedTable(UNREAD, "unread_id", ("body",)),
)


def require_no_sender(connection: sa.Connection, now: datetime) -> None:
    """Raise `LedgerError` while a sender holds messages: it read its keys when it began and knows no new one."""
    held = sa.select(sa.func.count(), sa.func.max(MESSAGES.c.lease_until))
    leased = MESSAGES.c.state.in_([state.value for state in LEASED])
    count, until = connection.execute(held.where(leased, MESSAGES.c.lease_until > to_text(now))).one()
    if count:
        raise LedgerError(
            f"{count} messages are in a sender's hands, until {until} at the latest: wait for it to end, or put "
            "the STOP file (delivery.kill_switch_file) there to end it, then run this again"
        )


def reseal(connection: sa.Connection, cipher: Cipher, sealed: SealedTable, after: str) -> str:
    """Encrypt the next rows behind id `after` with the active key.

    Returns the last id done, `""` at the end.
    """
    its_id = sealed.table.c[sealed.id_column]
    columns = [sealed.table.c[f"{field}_sealed"] for field in sealed.fields]
    query = sa.select(its_id.label("id"), *columns).where(its_id > after).order_by(its_id)
    rows = connection.execute(query.limit(_ROWS_PER_STEP).with_for_update()).mappings().all()
    if not rows:
        return ""
    values: dict[str, Any] = {f"{field}_sealed": sa.bindparam(f"new_{field}") for field in sealed.fields}
    statement = sa.update(sealed.table).where(its_id == sa.bindparam("its_id")).values(values)
    connection.execute(statement, [_resealed(cipher, sealed, row) for row in rows])
    return str(rows[-1]["id"])


def used_keys(connection: sa.Connection) -> Iterator[bytes]:
    """The id of every key that some value is encrypted with, once per column."""
    for sealed in SEALED_TABLES:
        for field in sealed.fields:
            column = sealed.table.c[f"{field}_sealed"]
            head = sa.func.substr(column, 1, KEY_ID_BYTES, type_=sa.LargeBinary)
            for found in connection.execute(sa.select(head).distinct()).scalars():
                yield bytes(found or b"")  # SQLite's substr makes NULL of erased data


def _resealed(cipher: Cipher, sealed: SealedTable, row: sa.RowMapping) -> dict[str, Any]:
    name = row["id"]
    fresh: dict[str, Any] = {"its_id": name}
    for field in sealed.fields:
        old = row[f"{field}_sealed"]
        fresh[f"new_{field}"] = cipher.seal(name, field, cipher.open(name, field, old)) if old else b""
    return fresh
