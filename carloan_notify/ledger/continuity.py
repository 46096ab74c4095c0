"""Is this ledger the one that the signed digests tell of? A file copied back or made anew is not.

A restored ledger knows nothing of what happened after its backup was taken: messages that waited may have left, and
what was queued, answered or opted out since is missing. The first become unknown, and nothing new is planned until a
person accepts the gap. Digests lie outside the ledger (audit folder and its copy): when the newest of a folder is
unknown to the ledger, it is an older copy or a new one, and has such a gap too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from carloan_notify.ledger import audit, digest, states
from carloan_notify.ledger.digest import Digest
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.notices import in_parts
from carloan_notify.ledger.states import PENDING, Step, sources
from carloan_notify.ledger.store import Transaction, from_text, to_text
from carloan_notify.ledger.tables import LOTS, MESSAGES, META, is_open
from carloan_notify.records import AuditEvent, MessageState

REPLACED: Final = "ledger.replaced"
RESTORED: Final = "restored"
"""The code of messages that became unknown so."""
_SINCE: Final = "restored_from"
_UNTIL: Final = "restored_at"


@dataclass(frozen=True, slots=True)
class Gap:
    """The ledger knows nothing of what happened between these instants (aware UTC)."""

    since: datetime
    until: datetime


def doubt(tx: Transaction, written_at: str, now: datetime) -> int:
    """Every message that waited or was on the wire at `written_at` is unknown from now on; returns how many.

    One that waited counts as tried once, at the earliest instant it could have left after the backup: else a
    receipt for it would be refused. None has a provider any more: whichever took it since, the one that tried
    before would truly say that it has nothing, and that must not make the message go again.
    """
    query = sa.select(MESSAGES.c.message_id).where(
        is_open(MESSAGES), MESSAGES.c.state.in_(sources(Step.RESTORE))
    )
    ids = list(tx.connection.execute(query.order_by(MESSAGES.c.message_id)).scalars())
    for part in in_parts(ids):
        change = sa.update(MESSAGES).where(MESSAGES.c.message_id.in_(part), states.fits(Step.RESTORE))
        tx.connection.execute(change.values(**_unknown(written_at)))
        states.tell(tx, MessageState.UNKNOWN.value, "", part, now, code=RESTORED)
    return len(ids)


def _unknown(written_at: str) -> dict[str, object]:
    waited = MESSAGES.c.state.in_([state.value for state in PENDING])
    planned = sa.select(LOTS.c.not_before).where(LOTS.c.lot_no == MESSAGES.c.lot_no).scalar_subquery()
    earliest = sa.case((planned > written_at, planned), else_=written_at)
    return {
        **states.UNLEASED,
        "state": MessageState.UNKNOWN.value,
        "due_at": None,
        "code": RESTORED,
        "provider": "",
        "provider_ref": "",
        "sent_at": sa.case((waited, earliest), else_=MESSAGES.c.sent_at),
        "attempts": sa.case((MESSAGES.c.attempts == 0, 1), else_=MESSAGES.c.attempts),
    }


def note(tx: Transaction, written_at: str, now: datetime) -> None:
    """Remember the gap until it is accepted. A backup made inside an older gap widens that one."""
    older = _noted(tx).get(_SINCE, written_at)
    forget(tx)
    gap = {_SINCE: min(older, written_at), _UNTIL: to_text(now)}
    tx.connection.execute(sa.insert(META), [{"name": name, "value": value} for name, value in gap.items()])


def gap(tx: Transaction) -> Gap | None:
    """The gap that nobody has accepted yet."""
    noted = _noted(tx)
    return Gap(from_text(noted[_SINCE]), from_text(noted[_UNTIL])) if noted else None


def forget(tx: Transaction) -> None:
    """The gap is accepted: plan as if there were none."""
    tx.connection.execute(sa.delete(META).where(META.c.name.in_([_SINCE, _UNTIL])))


def _noted(tx: Transaction) -> dict[str, str]:
    rows = tx.connection.execute(sa.select(META).where(META.c.name.in_([_SINCE, _UNTIL])))
    return {row.name: row.value for row in rows}


def doubt_if_replaced(ledger: Ledger, now: datetime) -> bool:
    """Whether this ledger lacks the newest trusted digest; then it says so in the audit and notes the gap, once."""
    folders = ledger.places.digest_folders
    with ledger.read() as tx:
        unknown = _missing(tx, folders, digest.public_file(ledger.places.signing_key_file))
        noted = gap(tx) is not None
    if not unknown or noted:
        return False
    with ledger.write() as tx:
        known = digest.stored(tx, newest=1)
        since = known[-1].written_at if known else _first(folders, unknown)
        doubtful = doubt(tx, since, now)
        note(tx, since, now)
        data = {"number": unknown.number, "of": unknown.ledger_id, "since": since, "unknown": doubtful}
        audit.append(tx, [AuditEvent(REPLACED, digest.file_name(unknown.number), data)], now)
    return True


def _missing(tx: Transaction, folders: Sequence[Path], public: Path) -> Digest | None:
    """The newest trusted digest of some folder that the ledger neither wrote nor went on from.

    A number below the ledger's own newest was seen when that one was written: the gap before it is accepted.
    """
    if not public.exists():
        return None
    own = digest.stored(tx, newest=1)
    newest = [
        each
        for each in digest.newest_in(folders, digest.trusted(public))
        if not own or each.number >= own[-1].number
    ]
    return next((each for each in newest if not digest.is_stored(tx, each)), None)


def _first(folders: Sequence[Path], unknown: Digest) -> str:
    """When the oldest digest at hand was written: a ledger made anew knows nothing since then."""
    bodies = (
        path.read_text("utf-8", "replace") for folder in folders for path in folder.glob(digest.PATTERN)
    )
    written = [found.written_at for body in bodies if (found := digest.parse(body))]
    return min([*written, unknown.written_at])
