"""What people may see of messages: masked unless revealed, and every reveal is audited by the caller."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from carloan_notify.ledger import audit, contents, notices
from carloan_notify.ledger.contents import Content
from carloan_notify.ledger.keys import Cipher
from carloan_notify.ledger.listing import as_frame
from carloan_notify.ledger.notices import in_parts
from carloan_notify.ledger.states import is_pending
from carloan_notify.ledger.store import Transaction, from_text
from carloan_notify.ledger.tables import (
    MESSAGE_KEYS,
    MESSAGES,
    RECEIPTS,
    WHOLE,
    of_one_installment,
)
from carloan_notify.records import (
    AuditEvent,
    Channel,
    CoveredNotice,
    MessageClass,
    MessageState,
    OutboundMessage,
    Rendered,
)
from carloan_notify.text import ERASED, mask_digits, mask_phone

if TYPE_CHECKING:
    import pandas as pd

_PLAIN: Final = (
    "message_id",
    "run_id",
    "state",
    "notice",
    "channel",
    "role",
    "message_class",
    "language",
    "template",
    "template_version",
    "segments",
    "due_on",
    "amount_minor",
    "not_before",
    "expires_at",
    "attempts",
    "provider",
    "provider_ref",
    "code",
    "detail",
    "queued_at",
    "sent_at",
    "answered_at",
    "settled_at",
    "resend_of",
    "operator",
    "reason",
)
COLUMNS: Final = ("message_id", "loans", "phone", *_PLAIN[1:], "name", "text")
_KEYED: Final = MESSAGE_KEYS.c.message_no == MESSAGES.c.message_no


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Which messages: every field that is set must match."""

    message_id: str = ""
    run_id: str = ""
    loan_id: str = ""
    notice: str = ""
    state: MessageState | None = None
    limit: int = 1_000


def messages(tx: Transaction, wanted: MessageFilter | None = None) -> "pd.DataFrame":
    """Messages newest first, columns `COLUMNS`; the phone is masked, name and text are `""`."""
    return _table(tx, wanted or MessageFilter(), reveal=False)


def message(tx: Transaction, message_id: str) -> dict[str, Any] | None:
    """One message, masked, as a mapping of `COLUMNS`."""
    found = messages(tx, MessageFilter(message_id=message_id)).to_dict("records")
    return {str(name): value for name, value in found[0].items()} if found else None


def reveal(
    tx: Transaction, wanted: MessageFilter, operator: str, reason: str, now: datetime
) -> "pd.DataFrame":
    """Messages with phone, name and text in clear; who looked at what, and why, is audited."""
    shown = _table(tx, wanted, reveal=True)
    data = {"operator": operator, "reason": mask_digits(reason), "messages": list(shown["message_id"])}
    audit.append(tx, [AuditEvent("message.revealed", operator, data)], now)
    return shown


def _table(tx: Transaction, wanted: MessageFilter, *, reveal: bool) -> "pd.DataFrame":
    query = sa.select(WHOLE).order_by(WHOLE.c.queued_at.desc(), WHOLE.c.message_id.desc())
    rows = tx.connection.execute(query.where(*_conditions(wanted)).limit(wanted.limit)).mappings().all()
    loans = loans_of(tx, [row["message_id"] for row in rows])
    lines = [_line(tx.cipher, row, loans.get(row["message_id"], ()), reveal=reveal) for row in rows]
    return as_frame(lines, COLUMNS)


def _conditions(wanted: MessageFilter) -> list[sa.ColumnElement[bool]]:
    plain = {"message_id": wanted.message_id, "run_id": wanted.run_id, "notice": wanted.notice}
    conditions = [WHOLE.c[name] == value for name, value in plain.items() if value]
    if wanted.state is not None:
        conditions.append(WHOLE.c.state == wanted.state.value)
    if wanted.loan_id:
        of_loan = sa.select(MESSAGE_KEYS.c.message_no).where(MESSAGE_KEYS.c.loan_id == wanted.loan_id)
        conditions.append(WHOLE.c.message_no.in_(of_loan))
    return conditions


def _line(cipher: Cipher, row: sa.RowMapping, loans: Iterable[str], *, reveal: bool) -> dict[str, Any]:
    line = {name: row[name] for name in _PLAIN}
    content = contents.opened(cipher, row["message_id"], row["content_sealed"])
    hidden = {"phone": mask_phone(content.phone), "name": "", "text": ""}
    return {**line, "loans": ",".join(loans), **(_revealed(content) if reveal else hidden)}


def _revealed(content: Content) -> dict[str, str]:
    return {name: getattr(content, name) or ERASED for name in ("phone", "name", "text")}


@dataclass(frozen=True, slots=True)
class Bearing:
    """The message that a link stood in: its id and language."""

    message_id: str
    language: str


_MOST_OPENED: Final = 100
"""Messages of one loan to one number that are looked through for a link; a month has a dozen."""


def bearing(tx: Transaction, loan_id: str, phone: str, token: str) -> Bearing | None:
    """The newest message about this loan to this number that holds the token of a link; None where it is gone."""
    query = sa.select(WHOLE.c.message_id, WHOLE.c.language, WHOLE.c.content_sealed)
    query = query.join(MESSAGES, MESSAGES.c.message_id == WHOLE.c.message_id).join(MESSAGE_KEYS, _KEYED)
    query = query.where(MESSAGE_KEYS.c.loan_id == loan_id, WHOLE.c.phone_hash == tx.cipher.phone_hash(phone))
    newest = query.distinct().order_by(WHOLE.c.queued_at.desc(), WHOLE.c.message_id).limit(_MOST_OPENED)
    for row in tx.connection.execute(newest.add_columns(WHOLE.c.queued_at)):
        content = contents.opened(tx.cipher, row.message_id, row.content_sealed)
        if token in content.text or token in content.params.values():
            return Bearing(row.message_id, row.language)
    return None


def loans_of(tx: Transaction, message_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The loans each message tells."""
    found: dict[str, list[str]] = {}
    for part in in_parts(message_ids):
        query = sa.select(MESSAGES.c.message_id, MESSAGE_KEYS.c.loan_id).join(MESSAGE_KEYS, _KEYED)
        query = query.where(MESSAGES.c.message_id.in_(part)).order_by(MESSAGE_KEYS.c.loan_id)
        for row in tx.connection.execute(query):
            found.setdefault(row.message_id, []).append(row.loan_id)
    return {name: tuple(dict.fromkeys(loans)) for name, loans in found.items()}


def receipts_of(tx: Transaction, message_id: str) -> "pd.DataFrame":
    """Every receipt of a message as it happened: occurred_at, received_at, delivered, code, detail."""
    names = ["occurred_at", "received_at", "delivered", "code", "detail"]
    query = sa.select(*(RECEIPTS.c[name] for name in names)).where(RECEIPTS.c.message_id == message_id)
    ordered = query.order_by(RECEIPTS.c.occurred_at, RECEIPTS.c.receipt_id)
    return as_frame(tx.connection.execute(ordered), names)


# A stored message as the draft it was made from, for sending it again.


@dataclass(frozen=True, slots=True)
class Stored:
    """What was sent, to whom and about what. The customer is known by keyed hash only."""

    message_id: str
    state: MessageState
    covers: tuple[CoveredNotice, ...]
    notice: str
    channel: Channel
    role: str
    message_class: MessageClass
    language: str
    phone: str
    recipient_name: str
    rendered: Rendered
    params: Mapping[str, str]
    due_on: date | None
    amount_minor: int
    until_paid: bool

    @property
    def is_free_again(self) -> bool:
        """Whether it never left and a later night may tell its notices."""
        return all(notices.is_released(cover.idempotency_key) for cover in self.covers)

    @property
    def outbound(self) -> OutboundMessage:
        """The message as a provider got it."""
        return OutboundMessage(
            self.message_id,
            self.channel,
            self.notice,
            self.language,
            self.phone,
            self.rendered.text,
            self.params,
            role=self.role,
            recipient_name=self.recipient_name,
        )

    def __repr__(self) -> str:
        """Nothing personal."""
        return f"Stored({self.message_id})"


def stored(tx: Transaction, message_id: str) -> Stored | None:
    """The message of that id, None if there is none."""
    query = sa.select(WHOLE).where(WHOLE.c.message_id == message_id)
    row = tx.connection.execute(query).mappings().one_or_none()
    if row is None:
        return None
    content = contents.opened(tx.cipher, message_id, row["content_sealed"])
    keys = sa.select(MESSAGE_KEYS).where(MESSAGE_KEYS.c.message_no == row["message_no"])
    names = ("template", "template_version", "encoding", "units", "segments")
    return Stored(
        message_id=message_id,
        state=MessageState(row["state"]),
        covers=tuple(
            CoveredNotice(key.idempotency_key, key.loan_id, key.installment_no, _date(key.original_due_on))
            for key in tx.connection.execute(keys.order_by(MESSAGE_KEYS.c.loan_id))
        ),
        notice=row["notice"],
        channel=Channel(row["channel"]),
        role=row["role"],
        message_class=MessageClass(row["message_class"]),
        language=row["language"],
        phone=content.phone,
        recipient_name=content.name,
        rendered=Rendered(text=content.text, **{name: row[name] for name in names}),
        params=content.params,
        due_on=_date(row["due_on"]),
        amount_minor=row["amount_minor"],
        until_paid=row["until_paid"],
    )


def _date(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


# What waits, and about what: the look just before a batch leaves.


@dataclass(frozen=True, slots=True)
class Waiting:
    """A pending message: to whom and about what. `until_paid` goes only while something is owed.

    `covers` are the loans and installments it tells, each under all its keys.
    """

    message_id: str
    run_id: str
    notice: str
    channel: str
    role: str
    message_class: str
    phone_hash: str
    until_paid: bool
    covers: tuple[CoveredNotice, ...]

    @property
    def loan_ids(self) -> frozenset[str]:
        """The loans it tells of."""
        return frozenset(cover.loan_id for cover in self.covers)


def waiting(tx: Transaction, message_ids: Sequence[str] | None = None) -> list[Waiting]:
    """Pending messages, in order of id; all of them when `message_ids` is None."""
    if message_ids is None:
        return _read(tx, None)
    return [found for part in in_parts(sorted(set(message_ids))) for found in _read(tx, part)]


@dataclass(frozen=True, slots=True)
class First:
    """A message that goes before another of its stage: where it is, and since when, aware UTC."""

    state: MessageState
    not_before: datetime
    sent_at: datetime | None


def firsts(tx: Transaction, message_ids: Sequence[str], channel: Channel) -> dict[str, list[First]]:
    """By message: those of the same notice, role, loan and installment by `channel`, whatever their run."""
    mine, other, both = of_one_installment()
    query = (
        sa.select(mine.c.message_id, other.c.state, other.c.not_before, other.c.sent_at)
        .select_from(both)
        .where(
            other.c.notice == mine.c.notice,
            other.c.role == mine.c.role,
            other.c.channel == channel.value,
        )
        .distinct()
    )
    found: dict[str, list[First]] = {}
    for part in in_parts(message_ids):
        for row in tx.connection.execute(query.where(mine.c.message_id.in_(part))):
            sent = from_text(row.sent_at) if row.sent_at else None
            first = First(MessageState(row.state), from_text(row.not_before), sent)
            found.setdefault(row.message_id, []).append(first)
    return found


def of_other_runs(tx: Transaction, run_id: str) -> list[str]:
    """Ids of pending messages that this run did not queue."""
    query = sa.select(WHOLE.c.message_id).where(is_pending(WHOLE), WHOLE.c.run_id != run_id)
    return list(tx.connection.execute(query).scalars())


_HEAD: Final = (
    "message_id",
    "run_id",
    "notice",
    "channel",
    "role",
    "message_class",
    "phone_hash",
    "until_paid",
)


def _read(tx: Transaction, message_ids: Sequence[str] | None) -> list[Waiting]:
    query = (
        sa.select(*(WHOLE.c[name] for name in _HEAD), MESSAGE_KEYS)
        .join(MESSAGE_KEYS, MESSAGE_KEYS.c.message_no == WHOLE.c.message_no)
        .where(is_pending(WHOLE))
        .order_by(WHOLE.c.message_id, MESSAGE_KEYS.c.loan_id)
    )
    if message_ids is not None:
        query = query.where(WHOLE.c.message_id.in_(message_ids))
    grouped: dict[tuple[Any, ...], list[CoveredNotice]] = {}
    for row in tx.connection.execute(query):
        head = tuple(getattr(row, name) for name in _HEAD)
        grouped.setdefault(head, []).append(
            CoveredNotice(row.idempotency_key, row.loan_id, row.installment_no, _date(row.original_due_on))
        )
    return [
        Waiting(**dict(zip(_HEAD, head, strict=True)), covers=tuple(covers))
        for head, covers in grouped.items()
    ]
