"""Forgetting: content past its time, and one customer's content on request.

The audit names loans and keyed hashes only, so all of this leaves its chain whole. Backups made before still
hold what is forgotten here until they age out.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from carloan_notify.ledger import audit, moves, unread
from carloan_notify.ledger.cipher import Cipher
from carloan_notify.ledger.idempotency import in_parts
from carloan_notify.ledger.instants import to_text
from carloan_notify.ledger.replies import CLOSED, OPEN
from carloan_notify.ledger.states import PENDING, Step
from carloan_notify.ledger.tables import (
    MESSAGE_KEYS,
    MESSAGES,
    NOTICES,
    RECEIPTS,
    REPLIES,
    RUNS,
    SEALED,
    UNREAD,
)
from carloan_notify.records import AuditEvent, MessageState

_ALIVE: Final = tuple(state.value for state in (*PENDING, MessageState.SENDING))
_SEALED_COLUMNS: Final = tuple(f"{name}_sealed" for name in SEALED)


@dataclass(frozen=True, slots=True)
class Purged:
    """How many rows of each kind are gone."""

    messages: int
    notices: int
    receipts: int
    replies: int = 0
    unread: int = 0


@dataclass(frozen=True, slots=True)
class Erased:
    """How many messages lost their content, and how many of them were waiting and are cancelled.

    So many `replies` lost theirs; `unread` records that named a number of the customer are deleted.
    """

    messages: int
    cancelled: int
    replies: int = 0
    unread: int = 0


def purge(connection: sa.Connection, older_than: datetime, now: datetime) -> Purged:
    """Delete messages queued, decisions of runs started, replies and unread records taken before `older_than`.

    Nothing that may still go, and no reply that is still on the work list.
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
    done_with = sa.and_(REPLIES.c.taken_at < cutoff, REPLIES.c.state != OPEN)
    answered = connection.execute(sa.delete(REPLIES).where(done_with)).rowcount
    unreadable = connection.execute(sa.delete(UNREAD).where(UNREAD.c.taken_at < cutoff)).rowcount
    purged = Purged(messages, notices, receipts, answered, unreadable)
    data = {"older_than": cutoff, **asdict(purged)}
    audit.append(connection, [AuditEvent("ledger.purged", "", data)], now)
    return purged


def erase(
    connection: sa.Connection, cipher: Cipher, customer_ref: str, operator: str, now: datetime
) -> Erased:
    """Overwrite phone, name, text and parameters of every message of a customer; what waits is cancelled.

    Replies of the customer, and those from the numbers that these messages went to, lose phone, text and note
    and leave the work list. Receipts lose the keyed hash of such a number, unread records that hold one are
    deleted. A suppression keeps its hash: a number that opted out stays so.
    """
    query = sa.select(MESSAGES.c.message_id, MESSAGES.c.phone_hash, MESSAGES.c.phone_sealed)
    query = query.where(MESSAGES.c.customer_ref == customer_ref).order_by(MESSAGES.c.message_id)
    rows = connection.execute(query).all()
    ids = [row.message_id for row in rows]
    numbers = {row.phone_hash: cipher.open(row.message_id, "phone", row.phone_sealed) for row in rows}
    waiting = moves.allowed(connection, ids, Step.CANCEL)
    ended = {**moves.UNLEASED, "due_at": None, "settled_at": to_text(now), "code": "erased"}
    moves.move_all(connection, waiting, Step.CANCEL, MessageState.CANCELLED, ended)
    moves.tell(connection, "cancelled", "", waiting, now, reason="erased")
    empty = {**dict.fromkeys(_SEALED_COLUMNS, b""), "phone_hash": ""}
    for part in in_parts(ids):
        connection.execute(sa.update(MESSAGES).where(MESSAGES.c.message_id.in_(part)).values(**empty))
    hashes = sorted(numbers.keys() - {""})
    _erase_receipts(connection, ids, hashes)
    replies = _erase_replies(connection, customer_ref, hashes, (operator, now))
    unreadable = unread.drop_mentions(connection, cipher, numbers.values())
    erased = Erased(len(ids), len(waiting), replies, unreadable)
    data = {"operator": operator, **asdict(erased)}
    audit.append(connection, [AuditEvent("customer.erased", customer_ref, data)], now)
    return erased


def _erase_receipts(
    connection: sa.Connection, message_ids: Sequence[str], phone_hashes: Sequence[str]
) -> None:
    theirs = [RECEIPTS.c.message_id.in_(part) for part in in_parts(message_ids)]
    theirs += [RECEIPTS.c.phone_hash.in_(part) for part in in_parts(phone_hashes)]
    for some in theirs:
        connection.execute(sa.update(RECEIPTS).where(some).values(phone_hash=""))


def _erase_replies(
    connection: sa.Connection,
    customer_ref: str,
    phone_hashes: Sequence[str],
    by_and_at: tuple[str, datetime],
) -> int:
    operator, now = by_and_at
    theirs = [REPLIES.c.customer_ref == customer_ref]
    theirs += [REPLIES.c.phone_hash.in_(part) for part in in_parts(phone_hashes)]
    ended = {"state": CLOSED, "closed_at": to_text(now), "operator": operator}
    on_list = sa.update(REPLIES).where(sa.or_(*theirs), REPLIES.c.state == OPEN)
    connection.execute(on_list.values(**ended))
    empty = {"phone_sealed": b"", "text_sealed": b"", "phone_hash": "", "note": ""}
    return connection.execute(sa.update(REPLIES).where(sa.or_(*theirs)).values(**empty)).rowcount
