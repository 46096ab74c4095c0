"""The life of an outbox row as one table: what happens to it, from which states, to which state.

Nothing leaves SENDING or UNKNOWN towards a state that may be sent again, except by a definite word that the
message did not leave: the provider's answer, or an operator's.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Any, Final

import sqlalchemy as sa

from carloan_notify.errors import LedgerError
from carloan_notify.ledger import audit
from carloan_notify.ledger.prepared import Prepared, among, listed, unindexed
from carloan_notify.ledger.store import POSTGRESQL, Transaction, to_text
from carloan_notify.ledger.tables import CONTENTS, MESSAGES, is_open
from carloan_notify.records import AuditEvent, MessageState, Outcome
from carloan_notify.records import MessageState as State


class Step(StrEnum):
    """What can happen to a message."""

    CLAIM = "claim"
    RELEASE = "release"
    BEGIN = "begin"
    ACCEPT = "accept"
    REJECT = "reject"
    RETRY = "retry"
    DOUBT = "doubt"
    LAPSE = "lapse"
    RESTORE = "restore"
    EXPIRE = "expire"
    CANCEL = "cancel"
    DELIVER = "deliver"
    FAIL = "fail"
    MARK_SENT = "mark_sent"
    MARK_NOT_SENT = "mark_not_sent"


WAITING: Final = (State.QUEUED, State.RETRYABLE)
PENDING: Final = (*WAITING, State.CLAIMED)
UNTOLD: Final = (State.REJECTED, State.EXPIRED, State.CANCELLED)
LEASED: Final = (State.CLAIMED, State.SENDING)

TRANSITIONS: Final[Mapping[Step, Mapping[State, State]]] = MappingProxyType(
    {
        Step.CLAIM: dict.fromkeys(WAITING, State.CLAIMED),
        Step.RELEASE: {State.CLAIMED: State.QUEUED},
        Step.BEGIN: {State.CLAIMED: State.SENDING},
        # Answers. UNKNOWN is there because a slow answer may come after the lease lapsed; a receipt that
        # overtook the answer has already settled the message, and the answer adds only its reference.
        Step.ACCEPT: {
            State.SENDING: State.ACCEPTED,
            State.UNKNOWN: State.ACCEPTED,
            State.ACCEPTED: State.ACCEPTED,
            State.DELIVERED: State.DELIVERED,
            State.UNDELIVERED: State.UNDELIVERED,
        },
        Step.REJECT: {
            State.SENDING: State.REJECTED,
            State.UNKNOWN: State.REJECTED,
            State.REJECTED: State.REJECTED,
            State.DELIVERED: State.DELIVERED,
            State.UNDELIVERED: State.UNDELIVERED,
        },
        Step.RETRY: {
            State.SENDING: State.RETRYABLE,
            State.UNKNOWN: State.RETRYABLE,
            State.DELIVERED: State.DELIVERED,
            State.UNDELIVERED: State.UNDELIVERED,
        },
        Step.DOUBT: {
            State.SENDING: State.UNKNOWN,
            State.UNKNOWN: State.UNKNOWN,
            State.ACCEPTED: State.ACCEPTED,
            State.DELIVERED: State.DELIVERED,
            State.UNDELIVERED: State.UNDELIVERED,
        },
        Step.LAPSE: {State.CLAIMED: State.QUEUED, State.SENDING: State.UNKNOWN},
        # A backup does not know what left after it was taken.
        Step.RESTORE: dict.fromkeys((*PENDING, State.SENDING), State.UNKNOWN),
        Step.EXPIRE: dict.fromkeys(WAITING, State.EXPIRED),
        Step.CANCEL: dict.fromkeys(PENDING, State.CANCELLED),
        # Receipts come in any order and more than once: "delivered" wins over everything, and a message that
        # a network knows is never sent again, whatever was believed before.
        Step.DELIVER: dict.fromkeys(State, State.DELIVERED),
        Step.FAIL: {
            **dict.fromkeys(State, State.UNDELIVERED),
            **{state: state for state in (State.DELIVERED, State.REJECTED, State.EXPIRED, State.CANCELLED)},
        },
        Step.MARK_SENT: {State.UNKNOWN: State.ACCEPTED},
        Step.MARK_NOT_SENT: {State.UNKNOWN: State.RETRYABLE},
    }
)

STEP_OF_OUTCOME: Final[Mapping[Outcome, Step]] = MappingProxyType(
    {
        Outcome.ACCEPTED: Step.ACCEPT,
        Outcome.REJECTED: Step.REJECT,
        Outcome.BLOCKED: Step.REJECT,
        Outcome.RETRYABLE: Step.RETRY,
        Outcome.THROTTLED: Step.RETRY,
        Outcome.APART: Step.RETRY,
        Outcome.NOT_TONIGHT: Step.RETRY,
        Outcome.TEMPLATE: Step.RETRY,
        Outcome.ACCOUNT: Step.RETRY,
        Outcome.UNKNOWN: Step.DOUBT,
    }
)


def is_pending(message: sa.FromClause) -> sa.ColumnElement[bool]:
    """Whether it waits or is claimed; found among the few that have not come to an end."""
    return sa.and_(is_open(message), message.c.state.in_([state.value for state in PENDING]))


def sources(step: Step) -> tuple[str, ...]:
    """The states in which a step is allowed, as SQL wants them."""
    return tuple(TRANSITIONS[step])


def after(step: Step, state: State, message_id: str) -> State:
    """The state after `step`; a step that is not in the table raises `LedgerError`."""
    following = TRANSITIONS[step].get(state)
    if following is None:
        allowed = ", ".join(sources(step))
        raise LedgerError(f"message {message_id}: cannot {step} while {state}; allowed in: {allowed}")
    return following


# Moves of outbox rows from state to state: read and locked in order of id, changed, audited.
#
# One transaction.

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
)
_WHERE: Final = ("id", "was")
_THESE: Final = among(MESSAGES.c.message_id, "ids")
_HOLD: Final = Prepared(
    sa.select(MESSAGES.c.message_id).where(_THESE).order_by(MESSAGES.c.message_id).with_for_update()
)
_LOCK: Final = Prepared(
    sa.select(*(MESSAGES.c[name] for name in _IN_HAND), CONTENTS.c.phone_hash)
    .join(CONTENTS, CONTENTS.c.message_no == MESSAGES.c.message_no)
    .where(_THESE)
    .order_by(MESSAGES.c.message_id)
    .with_for_update(of=MESSAGES)
)


def hold(tx: Transaction, message_ids: Collection[str]) -> None:
    """Lock these rows in order of id before one statement changes them all, in whatever order it finds them.

    SQLite has one writer, who needs no locks.
    """
    if tx.connection.dialect.name == POSTGRESQL:
        _HOLD.run(tx.connection, ids=listed(message_ids)).all()


def fits(step: Step) -> sa.ColumnElement[bool]:
    """The table of states in SQL: the message may take `step`."""
    return sa.or_(*(unindexed(MESSAGES.c.state) == state for state in sources(step)))


def lock(tx: Transaction, message_ids: Collection[str]) -> dict[str, sa.RowMapping]:
    """The rows of these messages, locked in order of id so that two writers cannot lock each other out."""
    if not message_ids:
        return {}
    rows = _LOCK.run(tx.connection, ids=listed(message_ids)).mappings()
    return {row["message_id"]: row for row in rows}


def allowed(tx: Transaction, message_ids: Collection[str], step: Step) -> list[str]:
    """Those of `message_ids` that may take `step`, locked, in order of id."""
    states = sources(step)
    return [name for name, row in lock(tx, message_ids).items() if row["state"] in states]


def move_all(
    tx: Transaction,
    message_ids: Collection[str],
    step: Step,
    to: MessageState,
    values: Mapping[str, Any],
) -> None:
    """The same change for all these (locked) messages; SQL holds the table of states once more."""
    if message_ids:
        new = {f"new_{name}": value for name, value in values.items()}
        statement = _moving_all(step, tuple(values))
        statement.run(tx.connection, ids=listed(message_ids), new_state=to.value, **new)


@cache
def _moving_all(step: Step, names: tuple[str, ...]) -> Prepared:
    values: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in ("state", *names)}
    return Prepared(sa.update(MESSAGES).where(_THESE, fits(step)).values(values))


def move_each(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """A change of its own for each (locked) message; rows have `id`, `was` and the same columns in order."""
    if rows:
        names = [name if name in _WHERE else f"new_{name}" for name in rows[0]]
        values = [dict(zip(names, row.values(), strict=True)) for row in rows]
        _moving_each(tuple(rows[0])).run_each(tx.connection, values)


@cache
def _moving_each(names: tuple[str, ...]) -> Prepared:
    values: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in names if name not in _WHERE}
    its = (MESSAGES.c.message_id == sa.bindparam("id"), MESSAGES.c.state == sa.bindparam("was"))
    return Prepared(sa.update(MESSAGES).where(*its).values(values))


def tell(
    tx: Transaction,
    state: str,
    subject: str,
    message_ids: Sequence[str],
    now: datetime,
    **data: str,
) -> None:
    """One audit row `message.<state>` for a whole batch; nothing for an empty one."""
    if message_ids:
        event = AuditEvent(f"message.{state}", subject, {**data, "messages": list(message_ids)})
        audit.append(tx, [event], now)


def release(
    tx: Transaction,
    message_ids: Sequence[str],
    now: datetime,
    *,
    due: datetime | None = None,
    reason: str = "",
) -> None:
    """Claimed → queued for these (locked) messages, due at once or, held for a `reason`, at `due`."""
    waiting = {**UNLEASED, "due_at": to_text(due or now), "code": reason}
    move_all(tx, message_ids, Step.RELEASE, MessageState.QUEUED, waiting)
    told = {"reason": reason} if reason else {}
    tell(tx, "held" if reason else "released", "", message_ids, now, **told)
