"""Forgetting: content past its time, one customer's content on request, and re-encryption under a new key.

The audit names loans and keyed hashes only, so all of this leaves its chain whole. Backups made before still
hold what is forgotten here until they age out.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from carloan_notify.ledger import audit, moves
from carloan_notify.ledger.cipher import Cipher
from carloan_notify.ledger.idempotency import in_parts
from carloan_notify.ledger.instants import to_text
from carloan_notify.ledger.states import PENDING, Step
from carloan_notify.ledger.tables import MESSAGE_KEYS, MESSAGES, NOTICES, RECEIPTS, RUNS, SEALED
from carloan_notify.records import AuditEvent, MessageState

_ROWS_PER_STEP: Final = 1_000
_ALIVE: Final = tuple(state.value for state in (*PENDING, MessageState.SENDING))
_SEALED_COLUMNS: Final = tuple(f"{name}_sealed" for name in SEALED)


@dataclass(frozen=True, slots=True)
class Purged:
    """How many rows of each kind are gone."""

    messages: int
    notices: int
    receipts: int


@dataclass(frozen=True, slots=True)
class Erased:
    """How many messages lost their content, and how many of them were waiting and are cancelled."""

    messages: int
    cancelled: int


def purge(connection: sa.Connection, older_than: datetime, now: datetime) -> Purged:
    """Delete messages queued, and decisions of runs started, before `older_than`.

    Nothing that may still go.
    """
    cutoff = to_text(older_than)
    old = sa.select(MESSAGES.c.message_id).where(
        MESSAGES.c.queued_at < cutoff, MESSAGES.c.state.not_in(_ALIVE)
    )
    old_runs = sa.select(RUNS.c.run_id).where(RUNS.c.started_at < cutoff)
    unmatched = sa.and_(RECEIPTS.c.message_id == "", RECEIPTS.c.received_at < cutoff)
    gone_receipts = sa.delete(RECEIPTS).where(sa.or_(RECEIPTS.c.message_id.in_(old), unmatched))
    receipts = connection.execute(gone_receipts).rowcount
    connection.execute(sa.delete(MESSAGE_KEYS).where(MESSAGE_KEYS.c.message_id.in_(old)))
    messages = connection.execute(sa.delete(MESSAGES).where(MESSAGES.c.message_id.in_(old))).rowcount
    notices = connection.execute(sa.delete(NOTICES).where(NOTICES.c.run_id.in_(old_runs))).rowcount
    data = {"older_than": cutoff, "messages": messages, "notices": notices, "receipts": receipts}
    audit.append(connection, [AuditEvent("ledger.purged", "", data)], now)
    return Purged(messages, notices, receipts)


def erase(connection: sa.Connection, customer_ref: str, operator: str, now: datetime) -> Erased:
    """Overwrite phone, name, text and parameters of every message of a customer; what waits is cancelled."""
    query = sa.select(MESSAGES.c.message_id).where(MESSAGES.c.customer_ref == customer_ref)
    ids = list(connection.execute(query.order_by(MESSAGES.c.message_id)).scalars())
    waiting = moves.allowed(connection, ids, Step.CANCEL)
    ended = {**moves.UNLEASED, "due_at": None, "settled_at": to_text(now), "code": "erased"}
    moves.move_all(connection, waiting, Step.CANCEL, MessageState.CANCELLED, ended)
    moves.tell(connection, "cancelled", "", waiting, now, reason="erased")
    empty = {**dict.fromkeys(_SEALED_COLUMNS, b""), "phone_hash": ""}
    for part in in_parts(ids):
        connection.execute(sa.update(MESSAGES).where(MESSAGES.c.message_id.in_(part)).values(**empty))
    data = {"operator": operator, "messages": len(ids), "cancelled": len(waiting)}
    audit.append(connection, [AuditEvent("customer.erased", customer_ref, data)], now)
    return Erased(len(ids), len(waiting))


def reseal(connection: sa.Connection, cipher: Cipher, after: str) -> str:
    """Encrypt the next messages behind id `after` with the active key.

    Returns the last id done, `""` at the end.
    """
    columns = [MESSAGES.c[name] for name in ("message_id", *_SEALED_COLUMNS)]
    query = sa.select(*columns).where(MESSAGES.c.message_id > after).order_by(MESSAGES.c.message_id)
    rows = connection.execute(query.limit(_ROWS_PER_STEP).with_for_update()).mappings().all()
    if not rows:
        return ""
    values: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in _SEALED_COLUMNS}
    statement = sa.update(MESSAGES).where(MESSAGES.c.message_id == sa.bindparam("id")).values(values)
    connection.execute(statement, [_resealed(cipher, row) for row in rows])
    return str(rows[-1]["message_id"])


def _resealed(cipher: Cipher, row: sa.RowMapping) -> dict[str, Any]:
    mid = row["message_id"]
    fresh: dict[str, Any] = {"id": mid}
    for name in SEALED:
        sealed = row[f"{name}_sealed"]
        fresh[f"new_{name}_sealed"] = (
            cipher.seal(mid, name, cipher.open(mid, name, sealed)) if sealed else b""
        )
    return fresh
