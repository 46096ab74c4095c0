"""The outbox: what waits, what is leased, what is on the wire. `states` says what is allowed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, Final

import sqlalchemy as sa

from carloan_notify.ledger import contents, notices, states
from carloan_notify.ledger.keys import Cipher
from carloan_notify.ledger.prepared import Prepared, among, listed
from carloan_notify.ledger.states import UNLEASED, Step
from carloan_notify.ledger.store import Transaction, from_text, to_text
from carloan_notify.ledger.tables import CONTENTS, LOTS, MESSAGES, is_open
from carloan_notify.records import Channel, MessageState, OutboundMessage

# Message rows opened: the one place where sealed columns become text.


_CHANNELS: Final = {channel.value: channel for channel in Channel}


def outbound(cipher: Cipher, columns: Sequence[Any]) -> OutboundMessage:
    """What a provider gets, from the values of `_OUTBOUND` in order."""
    mid, channel, notice, language, attempts, expires_at, role, sealed = columns
    phone, name, text, params = contents.values(cipher, mid, sealed)
    kind, ends = _CHANNELS[channel], from_text(expires_at)
    return OutboundMessage(mid, kind, notice, language, phone, text, params, attempts, ends, role, name)


_WAITING: Final = MESSAGES.c.due_at.is_not(None)
"""Says "queued or retryable" (ck_messages_due) as its small index has it."""
_LOT: Final = LOTS.c.lot_no == MESSAGES.c.lot_no
_ENDS: Final = sa.select(LOTS.c.expires_at).where(_LOT).correlate(MESSAGES).scalar_subquery()
"""Asked row by row, so that no plan ever walks through the lots of all nights."""
_FIRST: Final = (
    sa.select(
        *(
            MESSAGES.c[name]
            for name in ("message_no", "message_id", "lot_no", "channel", "due_at", "attempts")
        )
    )
    .where(
        _WAITING,
        MESSAGES.c.channel == sa.bindparam("wanted"),
        MESSAGES.c.due_at <= sa.bindparam("at"),
        sa.bindparam("at") < _ENDS,
    )
    .order_by(MESSAGES.c.due_at, MESSAGES.c.message_no)
    .limit(sa.bindparam("most", type_=sa.Integer))
    .with_for_update(skip_locked=True)
    .subquery("first")
)
_OUTBOUND: Final = (
    _FIRST.c.message_id,
    _FIRST.c.channel,
    LOTS.c.notice,
    LOTS.c.language,
    _FIRST.c.attempts,
    LOTS.c.expires_at,
    LOTS.c.role,
    CONTENTS.c.content_sealed,
)
_DUE: Final = Prepared(
    # The rows are found in the order of their index and locked before anything is looked up for them.
    sa.select(_FIRST.c.due_at, _FIRST.c.message_no, *_OUTBOUND)
    .join(LOTS, LOTS.c.lot_no == _FIRST.c.lot_no)
    .join(CONTENTS, CONTENTS.c.message_no == _FIRST.c.message_no)
    .order_by(_FIRST.c.due_at, _FIRST.c.message_no)
)
_CLAIMED: Final = Prepared(
    sa.select(MESSAGES.c.message_id, LOTS.c.expires_at)
    .join(LOTS, _LOT)
    .where(
        among(MESSAGES.c.message_id, "ids"),
        states.fits(Step.BEGIN),
        MESSAGES.c.owner == sa.bindparam("owner"),
    )
    .order_by(MESSAGES.c.message_id)
)
_BEGIN: Final = Prepared(
    sa.update(MESSAGES)
    .where(
        among(MESSAGES.c.message_id, "ids"),
        states.fits(Step.BEGIN),
        MESSAGES.c.owner == sa.bindparam("its_owner"),
        sa.bindparam("at") < _ENDS,
    )
    .values(
        state=MessageState.SENDING.value,
        provider=sa.bindparam("its_provider"),
        sent_at=sa.bindparam("at"),
        lease_until=sa.bindparam("lease"),
        attempts=MESSAGES.c.attempts + 1,
    )
)


@dataclass(frozen=True, slots=True)
class Recovered:
    """What lapsed leases left behind: `requeued` messages wait again, `unknown` ones were on the wire."""

    requeued: int
    unknown: int


def claim(
    tx: Transaction, *, channels: Collection[Channel], limit: int, owner: str, now: datetime, lease_s: float
) -> list[OutboundMessage]:
    """Lease up to `limit` due messages (due time ≤ now < expires_at), longest due first.

    Several senders at once never get the same message: PostgreSQL skips locked rows, SQLite has one
    writer.
    """
    rows = [row for channel in sorted(channels) for row in _due(tx, channel, limit, now)]
    if len(channels) > 1:
        rows.sort(key=itemgetter(0, 1))
    messages = [outbound(tx.cipher, row[2:]) for row in rows[:limit]]
    ids = [message.message_id for message in messages]
    lease = {"due_at": None, "owner": owner, "lease_until": _after(now, lease_s)}
    states.move_all(tx, ids, Step.CLAIM, MessageState.CLAIMED, lease)
    states.tell(tx, "claimed", owner, ids, now)
    return messages


def begin(
    tx: Transaction, message_ids: Sequence[str], provider: str, now: datetime, *, owner: str, lease_s: float
) -> list[str]:
    """Claimed → sending, on disk before the network is touched; returns the ids that may go, as ordered.

    Left out: a message whose lease passed to another sender, or that was cancelled or settled meanwhile.
    One whose `expires_at` has passed since it was claimed waits again, for `expire` to end it.
    """
    ids = list(dict.fromkeys(message_ids))
    values = {
        "its_owner": owner,
        "its_provider": provider,
        "at": to_text(now),
        "lease": _after(now, lease_s),
    }
    states.hold(tx, ids)
    if _BEGIN.run_whole(tx.connection, len(ids), ids=listed(ids), **values):
        states.tell(tx, "sending", provider, ids, now)
        return ids
    going = _still_going(tx, ids, owner, now)
    _BEGIN.run(tx.connection, ids=listed(going), **values)
    states.tell(tx, "sending", provider, going, now)
    return going


def release(tx: Transaction, message_ids: Sequence[str], now: datetime) -> None:
    """Claimed → queued: nothing was sent, no attempt is counted.

    Messages no longer claimed stay as they are.
    """
    states.release(tx, states.allowed(tx, message_ids, Step.RELEASE), now)


def hold(
    tx: Transaction, message_ids: Sequence[str], reason: str, now: datetime, until: datetime
) -> list[str]:
    """Claimed → queued and not due before `until`, because of a doubt; returns the ids that were.

    Doubt decides nothing: the keys stay taken, and the next look decides.
    """
    ids = states.allowed(tx, message_ids, Step.RELEASE)
    states.release(tx, ids, now, due=until, reason=reason)
    return ids


def expire(tx: Transaction, now: datetime) -> int:
    """Waiting messages that can no longer go in time → expired; how many.

    They never left, so their keys are freed: a later night tells the notice if its rule still wants it.
    """
    late = sa.or_(LOTS.c.expires_at <= to_text(now), MESSAGES.c.due_at >= LOTS.c.expires_at)
    ids = _locked(tx, _WAITING, late)
    values = {"due_at": None, "settled_at": to_text(now)}
    states.move_all(tx, ids, Step.EXPIRE, MessageState.EXPIRED, values)
    notices.release(tx, ids)
    states.tell(tx, "expired", "", ids, now)
    return len(ids)


def recover(tx: Transaction, now: datetime) -> Recovered:
    """After a crash, lapsed leases: claimed → queued, and what was on the wire, sending → unknown."""
    at, lapsed = to_text(now), sa.and_(is_open(MESSAGES), MESSAGES.c.lease_until <= to_text(now))
    held = _locked(tx, lapsed, MESSAGES.c.state == MessageState.CLAIMED.value)
    states.move_all(tx, held, Step.LAPSE, MessageState.QUEUED, {**UNLEASED, "due_at": at})
    states.tell(tx, "requeued", "", held, now, reason="lease_lapsed")
    wired = _locked(tx, lapsed, MESSAGES.c.state == MessageState.SENDING.value)
    states.move_all(tx, wired, Step.LAPSE, MessageState.UNKNOWN, {**UNLEASED, "code": "lease_lapsed"})
    states.tell(tx, "unknown", "", wired, now, reason="lease_lapsed")
    return Recovered(len(held), len(wired))


def cancel(
    tx: Transaction,
    message_ids: Sequence[str],
    reason: str,
    now: datetime,
    *,
    release_keys: Sequence[str] = (),
) -> list[str]:
    """Pending → cancelled; returns the ids that were.

    `release_keys` frees keys of those messages only: what they were to tell, for a later night.
    """
    ids = states.allowed(tx, message_ids, Step.CANCEL)
    values = {**UNLEASED, "due_at": None, "settled_at": to_text(now), "code": reason}
    states.move_all(tx, ids, Step.CANCEL, MessageState.CANCELLED, values)
    if release_keys:
        notices.release(tx, ids, release_keys)
    states.tell(tx, "cancelled", "", ids, now, reason=reason)
    return ids


def counts(tx: Transaction, run_id: str) -> dict[MessageState, int]:
    """Messages of a run per state; states without messages are absent."""
    query = sa.select(MESSAGES.c.state, sa.func.count()).join(LOTS, _LOT).where(LOTS.c.run_id == run_id)
    return {MessageState(state): n for state, n in tx.connection.execute(query.group_by(MESSAGES.c.state))}


def next_due(tx: Transaction, now: datetime) -> datetime | None:
    """When the next unexpired waiting message may go (it may be in the past); None when nothing waits."""
    query = sa.select(sa.func.min(MESSAGES.c.due_at)).join(LOTS, _LOT)
    query = query.where(_WAITING, LOTS.c.expires_at > to_text(now))
    earliest = tx.connection.execute(query).scalar_one_or_none()
    return from_text(earliest) if earliest else None


def pending(tx: Transaction) -> int:
    """How many messages wait or are claimed, over all runs."""
    query = sa.select(sa.func.count()).where(states.is_pending(MESSAGES))
    return int(tx.connection.execute(query).scalar_one())


def _due(tx: Transaction, channel: Channel, limit: int, now: datetime) -> Sequence[sa.Row[Any]]:
    return _DUE.run(tx.connection, wanted=channel.value, at=to_text(now), most=limit).all()


def _still_going(tx: Transaction, message_ids: Sequence[str], owner: str, now: datetime) -> list[str]:
    """Those of these messages, locked, that are still the owner's and in time; the late ones wait again."""
    ours = _CLAIMED.run(tx.connection, ids=listed(message_ids), owner=owner).all()
    late = {row.message_id for row in ours if row.expires_at <= to_text(now)}
    states.release(tx, sorted(late), now)
    going = {row.message_id for row in ours} - late
    return [name for name in message_ids if name in going]


def _locked(tx: Transaction, *conditions: Any) -> list[str]:  # noqa: ANN401 - SQL expressions
    query = sa.select(MESSAGES.c.message_id).join(LOTS, _LOT).where(*conditions)
    return sorted(tx.connection.execute(query.with_for_update(of=MESSAGES, skip_locked=True)).scalars())


def _after(now: datetime, seconds: float) -> str:
    return to_text(now + timedelta(seconds=seconds))
