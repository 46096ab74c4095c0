"""What people may see of messages: masked unless revealed, and every reveal is audited by the caller."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import pandas as pd
import sqlalchemy as sa

from carloan_notify.ledger.cipher import Cipher
from carloan_notify.ledger.idempotency import in_parts
from carloan_notify.ledger.instants import to_text
from carloan_notify.ledger.masking import ERASED, mask_phone
from carloan_notify.ledger.states import UNTOLD
from carloan_notify.ledger.tables import MESSAGE_KEYS, MESSAGES, RECEIPTS, SEALED
from carloan_notify.records import MessageState

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
_CONTACTS: Final = ("phone_hash", "customer_ref", "message_class", "channel", "contact_at", "message_id")


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Which messages: every field that is set must match."""

    message_id: str = ""
    run_id: str = ""
    loan_id: str = ""
    notice: str = ""
    state: MessageState | None = None
    limit: int = 1_000


def messages(
    connection: sa.Connection, cipher: Cipher, wanted: MessageFilter, *, reveal: bool
) -> pd.DataFrame:
    """Messages newest first, columns `COLUMNS`.

    Unless `reveal`, phone is masked and name and text are `""`.
    """
    query = sa.select(MESSAGES).order_by(MESSAGES.c.queued_at.desc(), MESSAGES.c.message_id.desc())
    rows = connection.execute(query.where(*_conditions(wanted)).limit(wanted.limit)).mappings().all()
    loans = loans_of(connection, [row["message_id"] for row in rows])
    lines = [_line(cipher, row, loans.get(row["message_id"], ()), reveal=reveal) for row in rows]
    return pd.DataFrame(lines, columns=list(COLUMNS))


def _conditions(wanted: MessageFilter) -> list[sa.ColumnElement[bool]]:
    plain = {"message_id": wanted.message_id, "run_id": wanted.run_id, "notice": wanted.notice}
    conditions = [MESSAGES.c[name] == value for name, value in plain.items() if value]
    if wanted.state is not None:
        conditions.append(MESSAGES.c.state == wanted.state.value)
    if wanted.loan_id:
        of_loan = sa.select(MESSAGE_KEYS.c.message_id).where(MESSAGE_KEYS.c.loan_id == wanted.loan_id)
        conditions.append(MESSAGES.c.message_id.in_(of_loan))
    return conditions


def _line(cipher: Cipher, row: sa.RowMapping, loans: Iterable[str], *, reveal: bool) -> dict[str, Any]:
    line = {name: row[name] for name in _PLAIN}
    phone = cipher.open(row["message_id"], "phone", row["phone_sealed"])
    hidden = {"phone": mask_phone(phone), "name": "", "text": ""}
    return {**line, "loans": ",".join(loans), **(_revealed(cipher, row) if reveal else hidden)}


def _revealed(cipher: Cipher, row: sa.RowMapping) -> dict[str, str]:
    opened = {name: cipher.open(row["message_id"], name, row[f"{name}_sealed"]) for name in SEALED}
    return {name: opened[name] or ERASED for name in ("phone", "name", "text")}


def loans_of(connection: sa.Connection, message_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The loans each message tells."""
    found: dict[str, list[str]] = {}
    for part in in_parts(message_ids):
        query = sa.select(MESSAGE_KEYS.c.message_id, MESSAGE_KEYS.c.loan_id).order_by(MESSAGE_KEYS.c.loan_id)
        for row in connection.execute(query.where(MESSAGE_KEYS.c.message_id.in_(part))):
            found.setdefault(row.message_id, []).append(row.loan_id)
    return {name: tuple(dict.fromkeys(loans)) for name, loans in found.items()}


def receipts_of(connection: sa.Connection, message_id: str) -> pd.DataFrame:
    """Every receipt of a message as it happened: occurred_at, received_at, delivered, code, detail."""
    names = ["occurred_at", "received_at", "delivered", "code", "detail"]
    query = sa.select(*(RECEIPTS.c[name] for name in names)).where(RECEIPTS.c.message_id == message_id)
    rows = connection.execute(query.order_by(RECEIPTS.c.occurred_at, RECEIPTS.c.receipt_id))
    return pd.DataFrame([tuple(row) for row in rows], columns=names)


def recent_contacts(connection: sa.Connection, since: datetime) -> pd.DataFrame:
    """Who was or will be reached since then, for caps per person and number.

    Columns phone_hash, customer_ref, message_class, channel, contact_at (datetime64[us, UTC]), message_id.
    Waiting messages count at the instant they may go; rejected, expired and cancelled ones don't count.
    """
    query = sa.select(*(MESSAGES.c[name] for name in _CONTACTS)).where(
        MESSAGES.c.contact_at >= to_text(since), MESSAGES.c.state.not_in([state.value for state in UNTOLD])
    )
    query = query.order_by(MESSAGES.c.contact_at, MESSAGES.c.message_id)
    rows = [tuple(row) for row in connection.execute(query)]
    frame = pd.DataFrame(rows, columns=list(_CONTACTS))
    frame["contact_at"] = pd.to_datetime(frame["contact_at"], utc=True).astype("datetime64[us, UTC]")
    return frame.astype({name: "str" for name in _CONTACTS if name != "contact_at"})
