"""What a restored ledger does not know: whatever happened after its backup was taken.

Messages that waited in the backup may have left since, and what was queued, answered or opted out since is
missing. So the first become unknown, and nothing new is planned until a person accepts the gap.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from carloan_notify.ledger import moves
from carloan_notify.ledger.idempotency import in_parts
from carloan_notify.ledger.instants import from_text, to_text
from carloan_notify.ledger.states import PENDING, Step, sources
from carloan_notify.ledger.tables import MESSAGES, META
from carloan_notify.records import MessageState

RESTORED: Final = "restored"
"""The code of messages that became unknown so."""
_SINCE: Final = "restored_from"
_UNTIL: Final = "restored_at"


@dataclass(frozen=True, slots=True)
class Gap:
    """The ledger knows nothing of what happened between these instants (aware UTC)."""

    since: datetime
    until: datetime


def doubt(connection: sa.Connection, written_at: str, now: datetime) -> int:
    """Every message that waited or was on the wire at `written_at` is unknown from now on; returns how many.

    One that waited counts as tried once, at the earliest instant it could have left after the backup: else a
    receipt for it would be refused. None has a provider any more: whichever took it since, the one that tried
    before would truly say that it has nothing, and that must not make the message go again.
    """
    query = sa.select(MESSAGES.c.message_id).where(MESSAGES.c.state.in_(sources(Step.RESTORE)))
    ids = list(connection.execute(query.order_by(MESSAGES.c.message_id)).scalars())
    for part in in_parts(ids):
        change = sa.update(MESSAGES).where(MESSAGES.c.message_id.in_(part), moves.fits(Step.RESTORE))
        connection.execute(change.values(**_unknown(written_at)))
        moves.tell(connection, MessageState.UNKNOWN.value, "", part, now, code=RESTORED)
    return len(ids)


def _unknown(written_at: str) -> dict[str, object]:
    waited = MESSAGES.c.state.in_([state.value for state in PENDING])
    earliest = sa.case((MESSAGES.c.not_before > written_at, MESSAGES.c.not_before), else_=written_at)
    return {
        **moves.UNLEASED,
        "state": MessageState.UNKNOWN.value,
        "due_at": None,
        "code": RESTORED,
        "provider": "",
        "provider_ref": "",
        "sent_at": sa.case((waited, earliest), else_=MESSAGES.c.sent_at),
        "attempts": sa.case((MESSAGES.c.attempts == 0, 1), else_=MESSAGES.c.attempts),
    }


def note(connection: sa.Connection, written_at: str, now: datetime) -> None:
    """Remember the gap until it is accepted. A backup made inside an older gap widens that one."""
    older = _noted(connection).get(_SINCE, written_at)
    forget(connection)
    gap = {_SINCE: min(older, written_at), _UNTIL: to_text(now)}
    connection.execute(sa.insert(META), [{"name": name, "value": value} for name, value in gap.items()])


def gap(connection: sa.Connection) -> Gap | None:
    """The gap that nobody has accepted yet."""
    noted = _noted(connection)
    return Gap(from_text(noted[_SINCE]), from_text(noted[_UNTIL])) if noted else None


def forget(connection: sa.Connection) -> None:
    """The gap is accepted: plan as if there were none."""
    connection.execute(sa.delete(META).where(META.c.name.in_([_SINCE, _UNTIL])))


def _noted(connection: sa.Connection) -> dict[str, str]:
    rows = connection.execute(sa.select(META).where(META.c.name.in_([_SINCE, _UNTIL])))
    return {row.name: row.value for row in rows}
