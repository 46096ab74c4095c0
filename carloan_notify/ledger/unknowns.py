"""Messages of which nobody knows whether they left, and an operator's verdict on them."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from carloan_notify.errors import LedgerError
from carloan_notify.ledger import audit, contents, states
from carloan_notify.ledger.contacts import LATE
from carloan_notify.ledger.keys import Cipher
from carloan_notify.ledger.notices import in_parts
from carloan_notify.ledger.states import Step, after
from carloan_notify.ledger.store import POSTGRESQL, Transaction, from_text, to_text
from carloan_notify.ledger.tables import LOTS, META, WHOLE, is_open
from carloan_notify.records import AuditEvent, Channel, MessageState
from carloan_notify.text import mask_digits

_UNKNOWN: Final = sa.and_(is_open(WHOLE), WHOLE.c.state == MessageState.UNKNOWN.value)


class Verdict(StrEnum):
    """What an operator found out about an unknown message."""

    SENT = "sent"
    NOT_SENT = "not_sent"


@dataclass(frozen=True, slots=True)
class Unknown:
    """A message of which too little is known, with what a provider needs to be asked about it."""

    message_id: str
    run_id: str
    channel: Channel
    notice: str
    provider: str
    provider_ref: str
    code: str
    sent_at: datetime
    attempts: int
    phone: str = field(repr=False)


def waiting(tx: Transaction, provider: str = "", limit: int = 10_000) -> list[Unknown]:
    """Messages whose fate nobody knows, longest unknown first, of one provider or of all."""
    query = sa.select(WHOLE).where(_UNKNOWN)
    if provider:
        query = query.where(WHOLE.c.provider == provider)
    rows = tx.connection.execute(query.order_by(WHOLE.c.sent_at, WHOLE.c.message_id).limit(limit))
    return [opened(tx.cipher, row) for row in rows]


def opened(cipher: Cipher, row: sa.Row[Any]) -> Unknown:
    """A message row with its number in clear."""
    return Unknown(
        message_id=row.message_id,
        run_id=row.run_id,
        channel=Channel(row.channel),
        notice=row.notice,
        provider=row.provider,
        provider_ref=row.provider_ref,
        code=row.code,
        attempts=row.attempts,
        sent_at=from_text(row.sent_at),
        phone=contents.opened(cipher, row.message_id, row.content_sealed).phone,
    )


def mark(
    tx: Transaction, message_id: str, verdict: Verdict, operator: str, reason: str, now: datetime
) -> None:
    """Settle one unknown message by hand.

    An absent message, or one in another state, raises `LedgerError`.
    """
    held = states.lock(tx, [message_id]).get(message_id)
    if held is None:
        raise LedgerError(f"message {message_id}: not in the ledger; see: carloan-notify ledger messages")
    step = Step.MARK_SENT if verdict is Verdict.SENT else Step.MARK_NOT_SENT
    following = after(step, MessageState(held["state"]), message_id)
    reason = mask_digits(reason)
    values = {"operator": operator, "reason": reason, "answered_at": to_text(now)}
    due_at = to_text(now) if following is MessageState.RETRYABLE else None
    states.move_all(tx, [message_id], step, following, {**values, "due_at": due_at, **states.UNLEASED})
    data = {"verdict": verdict.value, "operator": operator, "reason": reason}
    audit.append(tx, [AuditEvent("message.marked", message_id, data)], now)


# Accepted messages of which the network has said nothing yet, for providers that have to be asked.

_ASKED: Final = "asked:"


def accepted_ids(tx: Transaction, provider: str, sent_from: datetime, sent_until: datetime) -> list[str]:
    """Ids of a provider's accepted messages that were sent in that time, in order of id."""
    lately = sa.select(LOTS.c.lot_no).where(LOTS.c.expires_at > to_text(sent_from - LATE))
    query = sa.select(WHOLE.c.message_id).where(
        WHOLE.c.lot_no.in_(lately),
        WHOLE.c.state == MessageState.ACCEPTED.value,
        WHOLE.c.sent_at.between(to_text(sent_from), to_text(sent_until)),
        WHOLE.c.provider == provider,
    )
    return list(tx.connection.execute(query.order_by(WHOLE.c.message_id)).scalars())


def accepted(tx: Transaction, message_ids: list[str]) -> list[Unknown]:
    """What a provider needs to be asked about those of them that are still accepted."""
    query = sa.select(WHOLE).where(WHOLE.c.state == MessageState.ACCEPTED.value)
    return [
        opened(tx.cipher, row)
        for part in in_parts(message_ids)
        for row in tx.connection.execute(query.where(WHOLE.c.message_id.in_(part)))
    ]


def last_asked(tx: Transaction, provider: str) -> str:
    """The id of the message that a provider was asked about last, "" at first."""
    found = tx.connection.execute(sa.select(META.c.value).where(META.c.name == _ASKED + provider))
    return found.scalar_one_or_none() or ""


def note_asked(tx: Transaction, provider: str, message_id: str) -> None:
    """From here the next question goes on."""
    dialect = postgresql if tx.connection.dialect.name == POSTGRESQL else sqlite
    statement = dialect.insert(META).values(name=_ASKED + provider, value=message_id)
    tx.connection.execute(
        statement.on_conflict_do_update(index_elements=["name"], set_={"value": message_id})
    )
