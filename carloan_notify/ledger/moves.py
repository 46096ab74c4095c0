"""Moves of outbox rows from state to state: read and locked in order of id, changed, audited.

One transaction.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final

import sqlalchemy as sa

from carloan_notify.ledger import audit
from carloan_notify.ledger.instants import to_text
from carloan_notify.ledger.prepared import Prepared, among, listed, unindexed
from carloan_notify.ledger.states import Step, sources
from carloan_notify.ledger.store import POSTGRESQL
from carloan_notify.ledger.tables import MESSAGES
from carloan_notify.records import AuditEvent, MessageState

UNLEASED: Final[Mapping[str, Any]] = {"owner": "", "lease_until": None}
_IN_HAND: Final = (
    "message_id",
    "state",
    "attempts",
    "provider",
    "provider_ref",
    "owner",
    "code",
    "detail",
    "phone_hash",
)
_WHERE: Final = ("id", "was")
_THESE: Final = among(MESSAGES.c.message_id, "ids")
_HOLD: Final = Prepared(
    sa.select(MESSAGES.c.message_id).where(_THESE).order_by(MESSAGES.c.message_id).with_for_update()
)
_LOCK: Final = Prepared(
    sa.select(*(MESSAGES.c[name] for name in _IN_HAND))
    .where(_THESE)
    .order_by(MESSAGES.c.message_id)
    .with_for_update()
)


def hold(connection: sa.Connection, message_ids: Collection[str]) -> None:
    """Lock these rows in order of id before one statement changes them all, in whatever order it finds them.

    SQLite has one writer, who needs no locks.
    """
    if connection.dialect.name == POSTGRESQL:
        _HOLD.run(connection, ids=listed(message_ids)).all()


def fits(step: Step) -> sa.ColumnElement[bool]:
    """The table of states in SQL: the message may take `step`."""
    return sa.or_(*(unindexed(MESSAGES.c.state) == state for state in sources(step)))


def lock(connection: sa.Connection, message_ids: Collection[str]) -> dict[str, sa.RowMapping]:
    """The rows of these messages, locked in order of id so that two writers cannot lock each other out."""
    if not message_ids:
        return {}
    rows = _LOCK.run(connection, ids=listed(message_ids)).mappings()
    return {row["message_id"]: row for row in rows}


def allowed(connection: sa.Connection, message_ids: Collection[str], step: Step) -> list[str]:
    """Those of `message_ids` that may take `step`, locked, in order of id."""
    states = sources(step)
    return [name for name, row in lock(connection, message_ids).items() if row["state"] in states]


def move_all(
    connection: sa.Connection,
    message_ids: Collection[str],
    step: Step,
    to: MessageState,
    values: Mapping[str, Any],
) -> None:
    """The same change for all these (locked) messages; SQL holds the table of states once more."""
    if message_ids:
        new = {f"new_{name}": value for name, value in values.items()}
        statement = _moving_all(step, tuple(values))
        statement.run(connection, ids=listed(message_ids), new_state=to.value, **new)


@cache
def _moving_all(step: Step, names: tuple[str, ...]) -> Prepared:
    values: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in ("state", *names)}
    return Prepared(sa.update(MESSAGES).where(_THESE, fits(step)).values(values))


def move_each(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """A change of its own for each (locked) message; rows have `id`, `was` and the same columns in order."""
    if rows:
        names = [name if name in _WHERE else f"new_{name}" for name in rows[0]]
        values = [dict(zip(names, row.values(), strict=True)) for row in rows]
        _moving_each(tuple(rows[0])).run_each(connection, values)


@cache
def _moving_each(names: tuple[str, ...]) -> Prepared:
    values: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in names if name not in _WHERE}
    its = (MESSAGES.c.message_id == sa.bindparam("id"), MESSAGES.c.state == sa.bindparam("was"))
    return Prepared(sa.update(MESSAGES).where(*its).values(values))


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


def release(connection: sa.Connection, message_ids: Sequence[str], now: datetime) -> None:
    """Claimed → queued for these (locked) messages, and due at once."""
    waiting = {**UNLEASED, "due_at": to_text(now)}
    move_all(connection, message_ids, Step.RELEASE, MessageState.QUEUED, waiting)
    tell(connection, "released", "", message_ids, now)
