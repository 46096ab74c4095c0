"""Moves of outbox rows from state to state: read and locked in order of id, changed, audited.

One transaction.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from carloan_notify.ledger import audit
from carloan_notify.ledger.idempotency import in_parts
from carloan_notify.ledger.states import Step, sources
from carloan_notify.ledger.tables import MESSAGES
from carloan_notify.records import AuditEvent, MessageState

UNLEASED: Final[Mapping[str, Any]] = {"owner": "", "lease_until": None}
_IN_HAND: Final = ("message_id", "state", "attempts", "provider", "provider_ref", "owner", "code", "detail")


def lock(connection: sa.Connection, message_ids: Sequence[str]) -> dict[str, sa.RowMapping]:
    """The rows of these messages, locked in order of id so that two writers cannot lock each other out."""
    columns = [MESSAGES.c[name] for name in _IN_HAND]
    rows: dict[str, sa.RowMapping] = {}
    for part in in_parts(sorted(set(message_ids))):
        query = sa.select(*columns).where(MESSAGES.c.message_id.in_(part))
        for row in connection.execute(query.order_by(MESSAGES.c.message_id).with_for_update()).mappings():
            rows[row["message_id"]] = row
    return rows


def allowed(connection: sa.Connection, message_ids: Sequence[str], step: Step) -> list[str]:
    """Those of `message_ids` that may take `step`, locked, in order of id."""
    states = sources(step)
    return [name for name, row in lock(connection, message_ids).items() if row["state"] in states]


def move_all(
    connection: sa.Connection,
    message_ids: Sequence[str],
    step: Step,
    to: MessageState,
    values: Mapping[str, Any],
) -> None:
    """The same change for all these (locked) messages; SQL holds the table of states once more."""
    for part in in_parts(message_ids):
        statement = sa.update(MESSAGES).where(
            MESSAGES.c.message_id.in_(part), MESSAGES.c.state.in_(sources(step))
        )
        connection.execute(statement.values(state=to.value, **values))


def move_each(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """A change of its own for each (locked) message; every row has `id`, `was` and the same columns."""
    if not rows:
        return
    columns: dict[str, Any] = {
        name: sa.bindparam(f"new_{name}") for name in rows[0] if name not in {"id", "was"}
    }
    statement = sa.update(MESSAGES).where(
        MESSAGES.c.message_id == sa.bindparam("id"), MESSAGES.c.state == sa.bindparam("was")
    )
    values = [{name if name in {"id", "was"} else f"new_{name}": row[name] for name in row} for row in rows]
    connection.execute(statement.values(columns), values)


def tell(
    connection: sa.Connection,
    state: str,
    subject: str,
    message_ids: Sequence[str],
    now: datetime,
    **data: str,
) -> None:
    """One audit row `message.<state>` for a whole batch; nothing for an empty one."""
    if message_ids:
        event = AuditEvent(f"message.{state}", subject, {**data, "messages": list(message_ids)})
        audit.append(connection, [event], now)
