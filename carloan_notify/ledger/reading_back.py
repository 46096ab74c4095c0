"""A stored message as the draft it was made from, for sending it again."""

import json
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa

from carloan_notify.ledger import idempotency
from carloan_notify.ledger.cipher import Cipher
from carloan_notify.ledger.tables import MESSAGE_KEYS, MESSAGES
from carloan_notify.records import Channel, CoveredNotice, MessageClass, Rendered


@dataclass(frozen=True, slots=True)
class Stored:
    """What was sent, to whom and about what. The customer is known by keyed hash only."""

    message_id: str
    covers: tuple[CoveredNotice, ...]
    notice: str
    channel: Channel
    role: str
    message_class: MessageClass
    language: str
    phone: str
    recipient_name: str
    rendered: Rendered
    params: dict[str, str]
    due_on: date | None
    amount_minor: int
    until_paid: bool

    @property
    def is_free_again(self) -> bool:
        """Whether it never left and a later night may tell some notice of it."""
        return any(idempotency.is_released(cover.idempotency_key) for cover in self.covers)

    def __repr__(self) -> str:
        """Nothing personal."""
        return f"Stored({self.message_id})"


def stored(connection: sa.Connection, cipher: Cipher, message_id: str) -> Stored | None:
    """The message of that id, None if there is none."""
    query = sa.select(MESSAGES).where(MESSAGES.c.message_id == message_id)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        return None
    keys = sa.select(MESSAGE_KEYS).where(MESSAGE_KEYS.c.message_id == message_id)
    names = ("template", "template_version", "encoding", "units", "segments")
    return Stored(
        message_id=message_id,
        covers=tuple(
            CoveredNotice(key.idempotency_key, key.loan_id, key.installment_no, _date(key.original_due_on))
            for key in connection.execute(keys.order_by(MESSAGE_KEYS.c.loan_id))
        ),
        notice=row["notice"],
        channel=Channel(row["channel"]),
        role=row["role"],
        message_class=MessageClass(row["message_class"]),
        language=row["language"],
        phone=cipher.open(message_id, "phone", row["phone_sealed"]),
        recipient_name=cipher.open(message_id, "name", row["name_sealed"]),
        rendered=Rendered(
            text=cipher.open(message_id, "text", row["text_sealed"]), **{name: row[name] for name in names}
        ),
        params=json.loads(cipher.open(message_id, "params", row["params_sealed"]) or "{}"),
        due_on=_date(row["due_on"]),
        amount_minor=row["amount_minor"],
        until_paid=row["until_paid"],
    )


def _date(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
