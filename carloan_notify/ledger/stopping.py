"""Numbers that refuse messages: suppressed from now on, and what waits for them is cancelled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from carloan_notify.ledger import moves, suppressions
from carloan_notify.ledger.idempotency import in_parts
from carloan_notify.ledger.instants import to_text
from carloan_notify.ledger.states import PENDING, Step
from carloan_notify.ledger.tables import MESSAGES
from carloan_notify.records import MessageState

SUPPRESSED: Final = "suppressed"
_PENDING: Final = MESSAGES.c.state.in_([state.value for state in PENDING])


@dataclass(frozen=True, slots=True)
class Stopped:
    """`fresh` is False when that suppression stands already; `cancelled` messages were waiting."""

    fresh: bool
    cancelled: tuple[str, ...]


def stop(
    connection: sa.Connection, subject: suppressions.Subject, source: str, reason: str, now: datetime
) -> Stopped:
    """Suppress a subject and cancel what waits for it. A message on the wire cannot be called back.

    Rows are locked before the audit's head, as everywhere. What was queued between the two is looked for once
    more; a row that a sender claims at that very moment is left to it.
    """
    concerned = sa.select(MESSAGES.c.message_id).where(_PENDING, *_concerned(subject))
    ids = moves.allowed(connection, list(connection.execute(concerned).scalars()), Step.CANCEL)
    fresh = suppressions.add(connection, subject, source, reason, now)
    late = concerned.where(MESSAGES.c.message_id.not_in(ids)).with_for_update(skip_locked=True)
    ids = sorted({*ids, *connection.execute(late).scalars()})
    _cancel(connection, ids, now)
    return Stopped(fresh, tuple(ids))


def cancel_suppressed(connection: sa.Connection, message_ids: Sequence[str], now: datetime) -> None:
    """Cancel those of these new messages that a suppression binds: it came while the night was planned."""
    bound = sa.select(MESSAGES.c.message_id).where(suppressions.binding(MESSAGES))
    ids = [
        name
        for part in in_parts(message_ids)
        for name in connection.execute(bound.where(MESSAGES.c.message_id.in_(part))).scalars()
    ]
    _cancel(connection, sorted(ids), now)


def lock_with_waiting(
    connection: sa.Connection, message_ids: Sequence[str], refusing: Sequence[str]
) -> dict[str, sa.RowMapping]:
    """The rows of these messages, locked together with what waits for the numbers of those that are `refusing`.

    One select in order of id: locked one after the other, two writers could lock each other out.
    """
    waiting: list[str] = []
    if refusing:
        number = sa.select(MESSAGES.c.phone_hash).where(
            MESSAGES.c.message_id.in_(refusing), MESSAGES.c.phone_hash != ""
        )
        found = sa.select(MESSAGES.c.message_id).where(_PENDING, MESSAGES.c.phone_hash.in_(number))
        waiting = list(connection.execute(found).scalars())
    return moves.lock(connection, {*message_ids, *waiting})


def _cancel(connection: sa.Connection, ids: Sequence[str], now: datetime) -> None:
    ended = {**moves.UNLEASED, "due_at": None, "settled_at": to_text(now), "code": SUPPRESSED}
    moves.move_all(connection, ids, Step.CANCEL, MessageState.CANCELLED, ended)
    moves.tell(connection, "cancelled", "", ids, now, reason=SUPPRESSED)


def stop_numbers(connection: sa.Connection, reasons: Mapping[str, str], source: str, now: datetime) -> None:
    """The same for numbers (keyed hash → reason), every class; an erased number has none."""
    for phone_hash, reason in sorted(reasons.items()):
        if phone_hash:
            stop(connection, suppressions.Subject(phone_hash), source, reason, now)


def _concerned(subject: suppressions.Subject) -> list[sa.ColumnElement[bool]]:
    return [MESSAGES.c[name] == value for name, value in subject.columns.items() if value]
