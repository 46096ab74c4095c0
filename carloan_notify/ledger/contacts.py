"""Who was reached, who will be, and who spoke with us: what caps, gaps and rest count."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from carloan_notify.ledger.listing import as_frame
from carloan_notify.ledger.notices import in_parts
from carloan_notify.ledger.states import UNTOLD
from carloan_notify.ledger.store import Transaction, from_text, to_text
from carloan_notify.ledger.tables import LOTS, MESSAGE_KEYS, MESSAGES, REPLIES, WHOLE
from carloan_notify.ledger.views import loans_of
from carloan_notify.records import Channel, MessageState

if TYPE_CHECKING:
    import pandas as pd

LATE: Final = timedelta(days=7)
"""A message leaves before its end; only one put back from a backup may be taken to have left so much later."""
_CONTACTS: Final = ("phone_hash", "customer_ref", "message_class", "channel", "contact_at", "message_id")
_CONTACT_DETAILS: Final = ("state", "sent_at", "expires_at", "message_no")


def recent(
    tx: Transaction,
    since: datetime,
    people: Collection[str] | None = None,
    *,
    later: Mapping[str, datetime] = MappingProxyType({}),
    with_loans: bool = False,
) -> "pd.DataFrame":
    """Who was or will be reached since then, for caps and gaps; with `people` (hashes) only they.

    Of the classes in `later` only messages since a later moment are asked for: a cap of a month on one class shall not
    read a month of all.

    Columns phone_hash, customer_ref, message_class, channel, message_id, `failed` (the network says that it did not
    arrive), `loan_ids` (those it tells, one a line; "" unless `with_loans`), and contact_at and left_by
    (datetime64[us, UTC]): when it left, or the hours in which it still may. Rejected, expired and cancelled ones are
    none.
    """
    lately = _lots(since, later)
    query = sa.select(*(WHOLE.c[name] for name in (*_CONTACTS, *_CONTACT_DETAILS))).where(
        WHOLE.c.lot_no.in_(lately),
        WHOLE.c.contact_at >= to_text(since),
        *(
            sa.or_(WHOLE.c.message_class != name, WHOLE.c.contact_at >= to_text(moment))
            for name, moment in later.items()
        ),
        WHOLE.c.state.not_in([state.value for state in UNTOLD]),
    )
    if people is not None:
        query = query.where(sa.or_(WHOLE.c.phone_hash.in_(people), WHOLE.c.customer_ref.in_(people)))
    query = query.order_by(WHOLE.c.contact_at, WHOLE.c.message_id)
    frame = as_frame(tx.connection.execute(query), (*_CONTACTS, *_CONTACT_DETAILS))
    told = _loans_by_number(tx, lately) if with_loans else {}
    return frame.assign(
        failed=frame["state"] == MessageState.UNDELIVERED.value,
        left_by=frame["sent_at"].fillna(frame["expires_at"]),
        loan_ids=[told.get(number, "") for number in frame["message_no"]],
    )[[*CONTACTS]].astype(dict(CONTACTS))


CONTACTS: Final[Mapping[str, str]] = {
    **dict.fromkeys(_CONTACTS, "str"),
    **dict.fromkeys(("contact_at", "left_by"), "datetime64[us, UTC]"),
    "failed": "bool",
    "loan_ids": "str",
}
"""Columns of `recent` and their types."""


def _lots(since: datetime, later: Mapping[str, datetime]) -> sa.Select[tuple[int]]:
    """The lots whose messages may have left since then."""
    return sa.select(LOTS.c.lot_no).where(
        LOTS.c.expires_at > to_text(since - LATE),
        *(
            sa.or_(LOTS.c.message_class != name, LOTS.c.expires_at > to_text(moment - LATE))
            for name, moment in later.items()
        ),
    )


def _loans_by_number(tx: Transaction, lately: sa.Select[tuple[int]]) -> dict[int, str]:
    """By number of each message of these lots the loans it tells, one a line."""
    query = (
        sa.select(MESSAGE_KEYS.c.message_no, MESSAGE_KEYS.c.loan_id)
        .join(MESSAGES, MESSAGE_KEYS.c.message_no == MESSAGES.c.message_no)
        .where(MESSAGES.c.lot_no.in_(lately))
        .distinct()
        .order_by(MESSAGE_KEYS.c.message_no, MESSAGE_KEYS.c.loan_id)
    )
    found: dict[int, str] = {}
    for number, loan_id in tx.connection.execute(query):
        found[number] = f"{found[number]}\n{loan_id}" if number in found else loan_id
    return found


CONVERSATIONS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("phone_hash", "customer_ref", "loan_ids"), "str"),
    "held_at": "datetime64[us, UTC]",
}
"""Columns of `conversations` and their types."""


def conversations(tx: Transaction, since: datetime, people: Collection[str] | None = None) -> "pd.DataFrame":
    """Who talked with us since then: calls that were answered, and replies; with `people` (hashes) only they.

    Columns phone_hash, customer_ref, loan_ids (one a line; "" where nobody knows what a reply was about) and held_at
    (datetime64[us, UTC]).
    """
    rows = _talks(tx, to_text(since), people)
    told = loans_of(tx, [row[2] for row in rows if row[2]])
    lines = [(phone, ref, "\n".join(told.get(name, ())), at) for phone, ref, name, at in rows]
    return as_frame(lines, list(CONVERSATIONS)).astype(dict(CONVERSATIONS))


def _talks(tx: Transaction, since: str, people: Collection[str] | None) -> list[tuple[str, str, str, str]]:
    """Number, customer, message ("" where not known) and time of each answered call and each reply since then."""
    lately = sa.select(LOTS.c.lot_no).where(LOTS.c.expires_at > to_text(from_text(since) - LATE))
    calls = sa.select(WHOLE.c.phone_hash, WHOLE.c.customer_ref, WHOLE.c.message_id, WHOLE.c.sent_at).where(
        WHOLE.c.lot_no.in_(lately),
        WHOLE.c.channel == Channel.VOICE.value,
        WHOLE.c.state == MessageState.DELIVERED.value,
        WHOLE.c.sent_at >= since,
    )
    columns = (REPLIES.c.phone_hash, REPLIES.c.customer_ref, REPLIES.c.message_id, REPLIES.c.received_at)
    wrote = sa.select(*columns).where(REPLIES.c.received_at >= since)
    if people is not None:
        calls = calls.where(sa.or_(WHOLE.c.phone_hash.in_(people), WHOLE.c.customer_ref.in_(people)))
        wrote = wrote.where(sa.or_(REPLIES.c.phone_hash.in_(people), REPLIES.c.customer_ref.in_(people)))
    return [
        (phone, customer, message_id, at)
        for query in (calls, wrote)
        for phone, customer, message_id, at in tx.connection.execute(query)
    ]


def talked_since(tx: Transaction, message_ids: Sequence[str]) -> list[tuple[str, str, str]]:
    """Those of these messages (id, channel, class) whose number or customer was talked with since they were queued."""
    names = ("message_id", "channel", "message_class", "phone_hash", "customer_ref", "queued_at")
    query = sa.select(*(WHOLE.c[name] for name in names))
    rows = [
        row
        for part in in_parts(message_ids)
        for row in tx.connection.execute(query.where(WHOLE.c.message_id.in_(part)))
    ]
    if not rows:
        return []
    people = {text for row in rows for text in (row.phone_hash, row.customer_ref) if text}
    last: dict[str, str] = {}
    for phone_hash, customer_ref, _, at in _talks(tx, min(row.queued_at for row in rows), people):
        for who in {phone_hash, customer_ref} - {""}:
            last[who] = max(at, last.get(who, ""))
    return [
        (row.message_id, row.channel, row.message_class)
        for row in rows
        if max(last.get(row.phone_hash, ""), last.get(row.customer_ref, "")) >= row.queued_at
    ]
