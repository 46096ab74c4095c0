"""Accepted messages of which the network has said nothing yet, for providers that have to be asked."""

from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from carloan_notify.ledger.cipher import Cipher
from carloan_notify.ledger.idempotency import in_parts
from carloan_notify.ledger.instants import to_text
from carloan_notify.ledger.store import POSTGRESQL
from carloan_notify.ledger.tables import MESSAGES, META
from carloan_notify.ledger.unknowns import Unknown, opened
from carloan_notify.records import MessageState

_ASKED: Final = "asked:"


def accepted_ids(
    connection: sa.Connection, provider: str, sent_from: datetime, sent_until: datetime
) -> list[str]:
    """Ids of a provider's accepted messages that were sent in that time, in order of id."""
    query = sa.select(MESSAGES.c.message_id).where(
        MESSAGES.c.state == MessageState.ACCEPTED.value,
        MESSAGES.c.sent_at.between(to_text(sent_from), to_text(sent_until)),
        MESSAGES.c.provider == provider,
    )
    return list(connection.execute(query.order_by(MESSAGES.c.message_id)).scalars())


def accepted(connection: sa.Connection, cipher: Cipher, message_ids: list[str]) -> list[Unknown]:
    """What a provider needs to be asked about those of them that are still accepted."""
    query = sa.select(MESSAGES).where(MESSAGES.c.state == MessageState.ACCEPTED.value)
    return [
        opened(cipher, row)
        for part in in_parts(message_ids)
        for row in connection.execute(query.where(MESSAGES.c.message_id.in_(part)))
    ]


def last_asked(connection: sa.Connection, provider: str) -> str:
    """The id of the message that a provider was asked about last, "" at first."""
    found = connection.execute(sa.select(META.c.value).where(META.c.name == _ASKED + provider))
    return found.scalar_one_or_none() or ""


def note_asked(connection: sa.Connection, provider: str, message_id: str) -> None:
    """From here the next question goes on."""
    dialect = postgresql if connection.dialect.name == POSTGRESQL else sqlite
    statement = dialect.insert(META).values(name=_ASKED + provider, value=message_id)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": message_id}))
