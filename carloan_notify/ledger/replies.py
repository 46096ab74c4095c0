"""Replies: kept once each, matched to the message they answer, and acted on, all in one transaction."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from carloan_notify.errors import LedgerError
from carloan_notify.hold_codes import HoldReason, NumberStatus
from carloan_notify.ledger import audit, holds, numbers, promises, states, stopping, views
from carloan_notify.ledger.audit import canonical
from carloan_notify.ledger.holds import HoldOn, NewHold
from carloan_notify.ledger.keys import Cipher
from carloan_notify.ledger.listing import as_frame
from carloan_notify.ledger.notices import in_parts
from carloan_notify.ledger.numbers import Known
from carloan_notify.ledger.promises import Proposal
from carloan_notify.ledger.stopping import Subject
from carloan_notify.ledger.store import POSTGRESQL, Transaction, from_text, to_text
from carloan_notify.ledger.tables import REPLIES, WHOLE
from carloan_notify.notices.hold_settings import HoldsSettings
from carloan_notify.records import AuditEvent, MessageClass, Reply
from carloan_notify.text import ERASED, mask_digits, mask_phone, whole

if TYPE_CHECKING:
    import pandas as pd

OPEN: Final = "open"
OPT_OUT: Final = "opt_out"
"""The reason of a suppression that a reply brought."""
DEFAULT_SETTINGS: Final = HoldsSettings()
PER_TRANSACTION: Final = 200
"""Replies that one transaction should take: each costs a few milliseconds, and on SQLite senders wait for as long."""
CLOSED: Final = "closed"
ANSWERS_WITHIN: Final = timedelta(days=30)
"""A reply that names no message answers the last one to its number, if that is not older."""
CLOCKS_DIFFER: Final = timedelta(minutes=5)
"""How far a provider's clock may be behind ours."""


@dataclass(frozen=True, slots=True)
class ReplyHold:
    """A hold because of a reply: of the sender's number and of the customer of the message that is answered."""

    kind: HoldReason
    until: date | None


@dataclass(frozen=True, slots=True)
class Judged:
    """A reply, what it is taken for and why, and what is to be done. Rule and action name no person.

    `stops` are the classes that the sender's number refuses, None for every class. `reassigned` tells that the number
    is somebody else's, `day` on which date of the lender that was said.
    """

    reply: Reply
    kind: str
    rule: str
    action: str
    stops: tuple[MessageClass | None, ...]
    work_list: bool
    holds: tuple[ReplyHold, ...] = ()
    reassigned: bool = False
    day: date = date.min
    promise: Proposal | None = None

    @property
    def acts(self) -> bool:
        """Whether it keeps messages back."""
        return bool(self.stops or self.holds or self.reassigned)


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of replies: `taken` are new, of which `opened` are on the work list, `repeated` were known.

    `stopped` of the new ones stop messages, and `cancelled` messages that waited are cancelled for it.
    `strangers` came from numbers that we wrote to lately in no message.
    """

    taken: int
    repeated: int = 0
    opened: int = 0
    stopped: int = 0
    cancelled: int = 0
    strangers: int = 0

    def __add__(self, other: "Taken") -> "Taken":
        return Taken(*map(sum, zip(astuple(self), astuple(other), strict=True)))


def take(
    tx: Transaction, judged: Iterable[Judged], now: datetime, settings: HoldsSettings = DEFAULT_SETTINGS
) -> Taken:
    """Keep replies once each, and do what was judged of the new ones. Take at most `PER_TRANSACTION` in one."""
    readable = [replace(each, reply=_storable(each.reply)) for each in judged]
    named = {reply_id(tx.cipher, each.reply): each for each in readable}
    known = _known(tx, list(named))
    # In order, so that two processes that take the same replies cannot lock each other out.
    fresh = {name: named[name] for name in sorted(named) if name not in known}
    answered = {name: _answered(tx, each.reply) for name, each in fresh.items()}
    fresh = {name: _looked_at(each, answered[name]) for name, each in fresh.items()}
    _lock_concerned(
        tx,
        {tx.cipher.phone_hash(each.reply.phone) for each in fresh.values() if each.acts},
        {answered[name].customer_ref for name, each in fresh.items() if each.holds},
    )
    counts: Counter[str] = Counter()
    for name, each in fresh.items():
        if not _inserted(tx, _row(tx.cipher, name, each, answered[name], now)):
            continue
        cancelled = _acted(tx, each, answered[name], now, settings)
        audit.append(tx, [_event(name, each, answered[name].message_id, cancelled)], now)
        if each.promise is not None and answered[name].message_id:
            promises.propose(tx, _promise_of(tx, each.promise, name, answered[name]), now)
        counts["taken"] += 1
        counts["opened"] += each.work_list
        counts["stopped"] += each.acts
        counts["cancelled"] += len(cancelled)
        counts["strangers"] += not answered[name].message_id
    return Taken(**{"taken": 0, **counts}, repeated=len(readable) - counts["taken"])


def kinds_from(
    tx: Transaction, provider: str, phone: str, message_id: str, since: datetime
) -> list[tuple[str, datetime]]:
    """Kind and time of what this number sent by this provider since then, oldest first; of one message if named."""
    wanted = [
        REPLIES.c.provider == provider,
        REPLIES.c.phone_hash == tx.cipher.phone_hash(phone),
        REPLIES.c.received_at >= to_text(since),
    ]
    if message_id:
        wanted.append(REPLIES.c.message_id == message_id)
    query = sa.select(REPLIES.c.kind, REPLIES.c.received_at).where(*wanted)
    rows = tx.connection.execute(query.order_by(REPLIES.c.received_at, REPLIES.c.reply_id))
    return [(row.kind, from_text(row.received_at)) for row in rows]


def _promise_of(tx: Transaction, promise: Proposal, name: str, answered: "_Answered") -> Proposal:
    """The proposal of a reply that answers a message; where that told of several loans a clerk says which."""
    loans = views.loans_of(tx, [answered.message_id]).get(answered.message_id, ())
    loan_id = loans[0] if len(loans) == 1 else ""
    return replace(promise, loan_id=loan_id, source_ref=name, customer_ref=answered.customer_ref)


def close(tx: Transaction, reply_id: str, operator: str, note: str, now: datetime) -> None:
    """A person has done what a reply asked for.

    A reply that is absent or not on the work list raises `LedgerError`.
    """
    query = sa.select(REPLIES.c.state).where(REPLIES.c.reply_id == reply_id)
    state = tx.connection.execute(query.with_for_update()).scalar_one_or_none()
    if state != OPEN:
        found = "there is none" if state is None else "it is not on the work list"
        raise LedgerError(f"reply {reply_id}: {found}; see: carloan-notify replies list --open")
    note = mask_digits(note)
    done = {"state": CLOSED, "closed_at": to_text(now), "operator": operator, "note": note}
    tx.connection.execute(sa.update(REPLIES).where(REPLIES.c.reply_id == reply_id).values(**done))
    audit.append(tx, [AuditEvent("reply.closed", reply_id, {"operator": operator, "note": note})], now)


def reply_id(cipher: Cipher, reply: Reply) -> str:
    """Keyed hash of a reply's content, 32 hex digits: pushed, pulled and imported, it is one reply.

    The time counts only where the provider gives no id, because the three ways write it differently.
    """
    when = [] if reply.reply_id else [to_text(reply.received_at)]
    return cipher.text_hash(
        canonical(["reply", reply.provider, reply.reply_id, reply.phone, reply.text, *when])
    )


@dataclass(frozen=True, slots=True)
class _Answered:
    """The message that a reply answers, and whose it was; blank for a stranger's reply."""

    message_id: str = ""
    customer_ref: str = ""


def _storable(reply: Reply) -> Reply:
    """What cannot be encoded can be neither sealed nor hashed, and a number is found by its hash."""
    return replace(reply, reply_id=whole(reply.reply_id), phone=whole(reply.phone), text=whole(reply.text))


def _inserted(tx: Transaction, row: Mapping[str, Any]) -> bool:
    """False where another process has stored the same reply at this moment."""
    dialect = postgresql if tx.connection.dialect.name == POSTGRESQL else sqlite
    statement = dialect.insert(REPLIES).on_conflict_do_nothing().returning(REPLIES.c.reply_id)
    return tx.connection.execute(statement.values(**row)).first() is not None


def _known(tx: Transaction, names: Sequence[str]) -> set[str]:
    column = REPLIES.c.reply_id
    return {
        name
        for part in in_parts(names)
        for name in tx.connection.execute(sa.select(column).where(column.in_(part))).scalars()
    }


def _answered(tx: Transaction, reply: Reply) -> _Answered:
    """The message that the provider names, else the last one sent to that number in the days before."""
    columns = sa.select(WHOLE.c.message_id, WHOLE.c.customer_ref)
    its_number = WHOLE.c.phone_hash == tx.cipher.phone_hash(reply.phone)
    if reply.message_id.isalnum():
        row = tx.connection.execute(columns.where(WHOLE.c.message_id == reply.message_id)).one_or_none()
        if row is not None:
            return _Answered(row.message_id, row.customer_ref)
    lately = WHOLE.c.sent_at.between(
        to_text(reply.received_at - ANSWERS_WITHIN), to_text(reply.received_at + CLOCKS_DIFFER)
    )
    latest = columns.where(its_number, lately).order_by(WHOLE.c.sent_at.desc(), WHOLE.c.message_id)
    row = tx.connection.execute(latest.limit(1)).one_or_none()
    return _Answered(row.message_id, row.customer_ref) if row else _Answered()


def _looked_at(judged: Judged, answered: _Answered) -> Judged:
    """Where a stranger stops messages, a person looks: the number may be somebody's whom we know by another."""
    if answered.message_id or not judged.acts or judged.work_list:
        return judged
    return replace(judged, action=f"{judged.action}, work list", work_list=True)


def _acted(
    tx: Transaction, judged: Judged, answered: _Answered, now: datetime, settings: HoldsSettings
) -> list[str]:
    """Do what a reply asks for at once; the messages that were cancelled."""
    number, source = tx.cipher.phone_hash(judged.reply.phone), f"reply:{judged.kind}"
    done: list[str] = []
    for message_class in judged.stops:
        done += stopping.stop(tx, Subject(number, "", message_class), source, OPT_OUT, now).cancelled
    for hold in judged.holds:
        for on in (HoldOn(number), *([HoldOn("", answered.customer_ref)] if answered.customer_ref else [])):
            new = NewHold(on, hold.kind, hold.until)
            done += holds.put(tx, new, source, settings, now).cancelled
    if judged.reassigned:
        known = Known(judged.reply.phone, NumberStatus.REASSIGNED, judged.day)
        done += numbers.mark(tx, [known], source, now).cancelled
    return done


def _lock_concerned(tx: Transaction, phone_hashes: Collection[str], customer_refs: Collection[str]) -> None:
    """Every waiting message that may be cancelled, locked before the audit's head: as senders do it, in order."""
    ids: set[str] = set()
    for column, names in ((WHOLE.c.phone_hash, phone_hashes), (WHOLE.c.customer_ref, customer_refs)):
        for part in in_parts(sorted(set(names) - {""})):
            waiting = sa.select(WHOLE.c.message_id).where(states.is_pending(WHOLE), column.in_(part))
            ids.update(tx.connection.execute(waiting).scalars())
    states.lock(tx, ids)


def _row(cipher: Cipher, name: str, judged: Judged, answered: _Answered, now: datetime) -> dict[str, Any]:
    reply = judged.reply
    return {
        "reply_id": name,
        "provider": reply.provider,
        "phone_hash": cipher.phone_hash(reply.phone),
        "customer_ref": answered.customer_ref,
        "message_id": answered.message_id,
        "kind": judged.kind,
        "rule": judged.rule,
        "action": judged.action,
        "state": OPEN if judged.work_list else "",
        "received_at": to_text(reply.received_at),
        "taken_at": to_text(now),
        "phone_sealed": cipher.seal(name, "phone", reply.phone),
        "text_sealed": cipher.seal(name, "text", reply.text),
    }


def _event(name: str, judged: Judged, message_id: str, cancelled: Sequence[str]) -> AuditEvent:
    data: Mapping[str, Any] = {
        "provider": judged.reply.provider,
        "kind": judged.kind,
        "rule": judged.rule,
        "action": judged.action,
        "message": message_id,
        "cancelled": list(cancelled),
    }
    return AuditEvent("reply.taken", name, data)


# What comes back, beside receipts: replies, their work list, what could not be read, what never came.

_PLAIN: Final = (
    "reply_id",
    "received_at",
    "provider",
    "kind",
    "rule",
    "action",
    "state",
    "message_id",
    "closed_at",
    "operator",
    "note",
)
COLUMNS: Final = (*_PLAIN[:3], "phone", *_PLAIN[3:7], "loans", "notice", *_PLAIN[7:], "text")


@dataclass(frozen=True, slots=True)
class ReplyFilter:
    """Which replies: every field that is set must match. `since` is when they were received."""

    reply_id: str = ""
    open_only: bool = False
    kind: str = ""
    since: datetime | None = None


def table(tx: Transaction, wanted: ReplyFilter | None = None) -> "pd.DataFrame":
    """Replies as received, oldest first, columns `COLUMNS`; the phone masked, the text `""`."""
    return _table(tx, wanted or ReplyFilter(), reveal=False)


def reveal(tx: Transaction, wanted: ReplyFilter, operator: str, reason: str, now: datetime) -> "pd.DataFrame":
    """Replies with phone and text in clear; who looked at what, and why, is audited first."""
    shown = _table(tx, wanted, reveal=True)
    data = {"operator": operator, "reason": mask_digits(reason), "replies": list(shown["reply_id"])}
    audit.append(tx, [AuditEvent("reply.revealed", operator, data)], now)
    return shown


def _table(tx: Transaction, wanted: ReplyFilter, *, reveal: bool) -> "pd.DataFrame":
    its = sa.and_(WHOLE.c.message_id == REPLIES.c.message_id, REPLIES.c.message_id != "")
    query = sa.select(REPLIES, WHOLE.c.notice).join(WHOLE, its, isouter=True)
    query = query.where(*_conditions(wanted)).order_by(REPLIES.c.received_at, REPLIES.c.reply_id)
    rows = tx.connection.execute(query).mappings().all()
    loans = views.loans_of(tx, [row["message_id"] for row in rows])
    lines = [
        {**_line(tx, row, reveal=reveal), "loans": ",".join(loans.get(row["message_id"], ()))} for row in rows
    ]
    return as_frame(lines, COLUMNS).astype(object).fillna("").astype("str")


def _line(tx: Transaction, row: sa.RowMapping, *, reveal: bool) -> dict[str, Any]:
    name = row["reply_id"]
    phone = tx.cipher.open(name, "phone", row["phone_sealed"])
    text = tx.cipher.open(name, "text", row["text_sealed"]) if reveal else ""
    shown = {"phone": (phone or ERASED) if reveal else mask_phone(phone), "text": text}
    return {**{column: row[column] for column in _PLAIN}, "notice": row["notice"], **shown}


def _conditions(wanted: ReplyFilter) -> list[sa.ColumnElement[bool]]:
    plain = {"reply_id": wanted.reply_id, "kind": wanted.kind}
    plain["state"] = OPEN if wanted.open_only else ""
    conditions = [REPLIES.c[name] == value for name, value in plain.items() if value]
    if wanted.since is not None:
        conditions.append(REPLIES.c.received_at >= to_text(wanted.since))
    return conditions


def waiting_people(tx: Transaction) -> tuple[set[str], set[str]]:
    """Whose replies are still on the work list: customers and numbers, as keyed hashes."""
    rows = tx.connection.execute(
        sa.select(REPLIES.c.customer_ref, REPLIES.c.phone_hash).where(REPLIES.c.state == OPEN)
    ).all()
    return {row.customer_ref for row in rows} - {""}, {row.phone_hash for row in rows} - {""}
