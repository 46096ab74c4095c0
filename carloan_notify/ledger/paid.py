"""Which waiting messages a payment would cancel: the look just before a batch leaves."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa

from carloan_notify.ledger.idempotency import in_parts
from carloan_notify.ledger.states import PENDING
from carloan_notify.ledger.tables import MESSAGE_KEYS, MESSAGES
from carloan_notify.records import CoveredNotice


@dataclass(frozen=True, slots=True)
class UntilPaid:
    """A pending message that goes only while something is owed.

    `covers` are the loans and installments it tells.
    """

    message_id: str
    notice: str
    queued_at: str
    covers: tuple[CoveredNotice, ...]


def until_paid(connection: sa.Connection, message_ids: Sequence[str] | None) -> list[UntilPaid]:
    """Pending messages marked `until_paid`, in order of id; all of them when `message_ids` is None."""
    if message_ids is None:
        return _read(connection, None)
    return [found for part in in_parts(sorted(set(message_ids))) for found in _read(connection, part)]


def _read(connection: sa.Connection, message_ids: Sequence[str] | None) -> list[UntilPaid]:
    query = (
        sa.select(MESSAGES.c.message_id, MESSAGES.c.notice, MESSAGES.c.queued_at, MESSAGE_KEYS)
        .join(MESSAGE_KEYS, MESSAGE_KEYS.c.message_id == MESSAGES.c.message_id)
        .where(MESSAGES.c.until_paid, MESSAGES.c.state.in_([state.value for state in PENDING]))
        .order_by(MESSAGES.c.message_id, MESSAGE_KEYS.c.loan_id)
    )
    if message_ids is not None:
        query = query.where(MESSAGES.c.message_id.in_(message_ids))
    grouped: dict[tuple[str, str, str], list[CoveredNotice]] = {}
    for row in connection.execute(query):
        grouped.setdefault((row.message_id, row.notice, row.queued_at), []).append(
            CoveredNotice(row.idempotency_key, row.loan_id, row.installment_no, _date(row.original_due_on))
        )
    return [UntilPaid(*head, tuple(covers)) for head, covers in grouped.items()]


def _date(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
