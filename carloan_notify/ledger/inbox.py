"""What comes back, beside receipts: replies, their work list, what could not be read, what never came."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import pandas as pd
import sqlalchemy as sa

from carloan_notify.ledger import audit, replies, silent, unread, views
from carloan_notify.ledger.cipher import Cipher
from carloan_notify.ledger.instants import to_text
from carloan_notify.ledger.masking import ERASED, mask_digits, mask_phone
from carloan_notify.ledger.store import Store
from carloan_notify.ledger.tables import MESSAGES, REPLIES
from carloan_notify.ledger.unknowns import Unknown
from carloan_notify.records import AuditEvent

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
_PER_STEP: Final = 200
"""Each costs a few milliseconds, and on SQLite senders wait for as long."""
COLUMNS: Final = (*_PLAIN[:3], "phone", *_PLAIN[3:7], "loans", "notice", *_PLAIN[7:], "text")


@dataclass(frozen=True, slots=True)
class ReplyFilter:
    """Which replies: every field that is set must match. `since` is when they were received."""

    reply_id: str = ""
    open_only: bool = False
    kind: str = ""
    since: datetime | None = None


class Inbox:
    """Every method is one committed transaction."""

    def __init__(self, store: Store, cipher: Cipher) -> None:
        """Use `Ledger.inbox`."""
        self._store = store
        self._cipher = cipher

    def take(self, judged: Sequence[replies.Judged], now: datetime) -> replies.Taken:
        """Keep replies once each, and do what was judged of the new ones; a transaction per `_PER_STEP`."""
        total = replies.Taken(0)
        for start in range(0, len(judged), _PER_STEP):
            with self._store.write() as connection:
                total += replies.take(connection, self._cipher, judged[start : start + _PER_STEP], now)
        return total

    def replies(self, wanted: ReplyFilter | None = None) -> pd.DataFrame:
        """Replies as received, oldest first, columns `COLUMNS`; the phone masked, the text `""`."""
        with self._store.read() as connection:
            return self._table(connection, wanted or ReplyFilter(), reveal=False)

    def reveal(self, wanted: ReplyFilter, operator: str, reason: str, now: datetime) -> pd.DataFrame:
        """Replies with phone and text in clear; who looked at what, and why, is audited first."""
        with self._store.write() as connection:
            shown = self._table(connection, wanted, reveal=True)
            data = {"operator": operator, "reason": mask_digits(reason), "replies": list(shown["reply_id"])}
            audit.append(connection, [AuditEvent("reply.revealed", operator, data)], now)
        return shown

    def close(self, reply_id: str, operator: str, note: str, now: datetime) -> None:
        """Take a reply off the work list; one that is not on it raises `LedgerError`."""
        with self._store.write() as connection:
            replies.close(connection, reply_id, operator, note, now)

    def keep_unread(self, provider: str, body: bytes, problems: Sequence[str], now: datetime) -> bool:
        """Keep records that could not be read, as they came; False when they are kept already."""
        with self._store.write() as connection:
            return unread.keep(connection, self._cipher, provider, body, (problems, now))

    def unread(
        self, operator: str, reason: str, now: datetime, *, everything: bool = False
    ) -> dict[str, bytes]:
        """Bodies that could not be read and wait for somebody (or all), by id; who took them out is audited."""
        with self._store.write() as connection:
            found = unread.bodies(connection, self._cipher, everything=everything)
            data = {"operator": operator, "reason": mask_digits(reason), "bodies": list(found)}
            audit.append(connection, [AuditEvent("return.revealed", operator, data)], now)
        return found

    def unread_done(self, names: Sequence[str], operator: str, reason: str, now: datetime) -> int:
        """Bodies that a person is done with; audited. Returns how many of them were waiting."""
        with self._store.write() as connection:
            return unread.done(connection, names, (operator, reason, now))

    def last_asked(self, provider: str) -> str:
        """See `silent.last_asked`."""
        with self._store.read() as connection:
            return silent.last_asked(connection, provider)

    def note_asked(self, provider: str, message_id: str) -> None:
        """See `silent.note_asked`."""
        with self._store.write() as connection:
            silent.note_asked(connection, provider, message_id)

    def accepted_ids(self, provider: str, sent_from: datetime, sent_until: datetime) -> list[str]:
        """See `silent.accepted_ids`."""
        with self._store.read() as connection:
            return silent.accepted_ids(connection, provider, sent_from, sent_until)

    def accepted(self, message_ids: list[str]) -> list[Unknown]:
        """See `silent.accepted`."""
        with self._store.read() as connection:
            return silent.accepted(connection, self._cipher, message_ids)

    def _table(self, connection: sa.Connection, wanted: ReplyFilter, *, reveal: bool) -> pd.DataFrame:
        query = sa.select(REPLIES, MESSAGES.c.notice).join(
            MESSAGES, MESSAGES.c.message_id == REPLIES.c.message_id, isouter=True
        )
        query = query.where(*_conditions(wanted)).order_by(REPLIES.c.received_at, REPLIES.c.reply_id)
        rows = connection.execute(query).mappings().all()
        loans = views.loans_of(connection, [row["message_id"] for row in rows])
        lines = [
            {**self._line(row, reveal=reveal), "loans": ",".join(loans.get(row["message_id"], ()))}
            for row in rows
        ]
        return pd.DataFrame(lines, columns=list(COLUMNS)).astype(object).fillna("").astype("str")

    def _line(self, row: sa.RowMapping, *, reveal: bool) -> dict[str, Any]:
        name = row["reply_id"]
        phone = self._cipher.open(name, "phone", row["phone_sealed"])
        text = self._cipher.open(name, "text", row["text_sealed"]) if reveal else ""
        shown = {"phone": (phone or ERASED) if reveal else mask_phone(phone), "text": text}
        return {**{column: row[column] for column in _PLAIN}, "notice": row["notice"], **shown}


def _conditions(wanted: ReplyFilter) -> list[sa.ColumnElement[bool]]:
    plain = {"reply_id": wanted.reply_id, "kind": wanted.kind}
    plain["state"] = replies.OPEN if wanted.open_only else ""
    conditions = [REPLIES.c[name] == value for name, value in plain.items() if value]
    if wanted.since is not None:
        conditions.append(REPLIES.c.received_at >= to_text(wanted.since))
    return conditions
