"""Keys of notices: taken once for ever, unless a message is known never to have left.

A released key is renamed to `key~message_id`: the key is free again, and the row still tells which loans the
message was for.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import sqlalchemy as sa

from carloan_notify.ledger.tables import MESSAGE_KEYS

PER_QUERY: Final = 1_000
_RELEASED: Final = "~"


def in_parts(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """`names` in parts that one statement can take."""
    for start in range(0, len(names), PER_QUERY):
        yield names[start : start + PER_QUERY]


def known(connection: sa.Connection, keys: Sequence[str]) -> set[str]:
    """Which of `keys` are taken."""
    column = MESSAGE_KEYS.c.idempotency_key
    found: set[str] = set()
    for part in in_parts(keys):
        found.update(connection.execute(sa.select(column).where(column.in_(part))).scalars())
    return found


def is_released(key: str) -> bool:
    """Whether a key of a message was freed: the message never left, and a later night may tell that notice."""
    return _RELEASED in key


def release(connection: sa.Connection, message_ids: Sequence[str], keys: Sequence[str] | None = None) -> None:
    """Free the keys of these messages, all or only `keys`, so that a later night may tell those notices."""
    column = MESSAGE_KEYS.c.idempotency_key
    statement = sa.update(MESSAGE_KEYS).values(idempotency_key=column + _RELEASED + MESSAGE_KEYS.c.message_id)
    statement = statement.where(column.not_like(f"%{_RELEASED}%"))
    for part in in_parts(message_ids):
        of_part = statement.where(MESSAGE_KEYS.c.message_id.in_(part))
        if keys is None:
            connection.execute(of_part)
            continue
        for some in in_parts(keys):
            connection.execute(of_part.where(column.in_(some)))
