"""Is the ledger healthy? Findings with a code each; none means yes."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from carloan_notify.codes import GuardName
from carloan_notify.errors import LedgerError
from carloan_notify.ledger import contents, continuity, runs, unread
from carloan_notify.ledger.keys import KEY_ID_BYTES, Cipher
from carloan_notify.ledger.states import LEASED
from carloan_notify.ledger.store import SQLITE, Transaction, to_text
from carloan_notify.ledger.tables import (
    AUDIT,
    CERTIFICATES,
    CONTENTS,
    MESSAGE_KEYS,
    MESSAGES,
    NUMBERS,
    PORTFOLIO,
    REPLIES,
    UNREAD,
    is_open,
)
from carloan_notify.records import MessageState

# Everything encrypted, encrypted anew under the active key, some rows at a time.

_ROWS_PER_STEP: Final = 1_000


@dataclass(frozen=True, slots=True)
class SealedTable:
    """A table whose columns `<field>_sealed` are encrypted and bound to `its_id`; `key` is the primary key."""

    table: sa.Table
    key: sa.Column[Any]
    its_id: sa.ColumnElement[str]
    fields: tuple[str, ...]


_CONTENT_ID: Final = (
    sa.select(MESSAGES.c.message_id)
    .where(MESSAGES.c.message_no == CONTENTS.c.message_no)
    .correlate(CONTENTS)
    .scalar_subquery()
)
SEALED_TABLES: Final = (
    SealedTable(CONTENTS, CONTENTS.c.message_no, _CONTENT_ID, (contents.FIELD,)),
    SealedTable(REPLIES, REPLIES.c.reply_id, REPLIES.c.reply_id, ("phone", "text")),
    SealedTable(NUMBERS, NUMBERS.c.phone_hash, NUMBERS.c.phone_hash, ("phone",)),
    SealedTable(UNREAD, UNREAD.c.unread_id, UNREAD.c.unread_id, ("body",)),
    SealedTable(PORTFOLIO, PORTFOLIO.c.part, PORTFOLIO.c.part, ("body",)),
    SealedTable(CERTIFICATES, CERTIFICATES.c.number, CERTIFICATES.c.number, ("facts",)),
)


def require_no_sender(tx: Transaction, now: datetime) -> None:
    """Raise `LedgerError` while a sender holds messages: it read its keys when it began and knows no new one."""
    held = sa.select(sa.func.count(), sa.func.max(MESSAGES.c.lease_until))
    leased = sa.and_(is_open(MESSAGES), MESSAGES.c.state.in_([state.value for state in LEASED]))
    count, until = tx.connection.execute(held.where(leased, MESSAGES.c.lease_until > to_text(now))).one()
    if count:
        raise LedgerError(
            f"{count} messages are in a sender's hands, until {until} at the latest: wait for it to end, or put "
            "the STOP file (delivery.kill_switch_file) there to end it, then run this again"
        )


def reseal(tx: Transaction, sealed: SealedTable, after: str | int | None) -> str | int | None:
    """Encrypt the next rows behind the key `after`, from the first for None, with the active data key.

    Returns the key of the last row done, None at the end.
    """
    key, columns = sealed.key, [sealed.table.c[f"{field}_sealed"] for field in sealed.fields]
    query = sa.select(key.label("key"), sealed.its_id.label("id"), *columns).order_by(key)
    query = query if after is None else query.where(key > after)
    rows = (
        tx.connection.execute(query.limit(_ROWS_PER_STEP).with_for_update(of=sealed.table)).mappings().all()
    )
    if not rows:
        return None
    values: dict[str, Any] = {f"{field}_sealed": sa.bindparam(f"new_{field}") for field in sealed.fields}
    statement = sa.update(sealed.table).where(key == sa.bindparam("its_key")).values(values)
    tx.connection.execute(statement, [_resealed(tx.cipher, sealed, row) for row in rows])
    last: str | int = rows[-1]["key"]
    return last


def used_keys(tx: Transaction) -> Iterator[bytes]:
    """The id of every key that some value is encrypted with, once per column."""
    for sealed in SEALED_TABLES:
        for field in sealed.fields:
            column = sealed.table.c[f"{field}_sealed"]
            head = sa.func.substr(column, 1, KEY_ID_BYTES, type_=sa.LargeBinary)
            for found in tx.connection.execute(sa.select(head).distinct()).scalars():
                yield bytes(found or b"")  # SQLite's substr makes NULL of erased data


def _resealed(cipher: Cipher, sealed: SealedTable, row: sa.RowMapping) -> dict[str, Any]:
    name = row["id"]
    fresh: dict[str, Any] = {"its_key": row["key"]}
    for field in sealed.fields:
        old = row[f"{field}_sealed"]
        fresh[f"new_{field}"] = cipher.seal(name, field, cipher.open(name, field, old)) if old else b""
    return fresh


@dataclass(frozen=True, slots=True)
class Ailment:
    """What is wrong, where, and the cure. `code` never changes."""

    code: str
    place: str
    message: str


def examine(tx: Transaction, now: datetime) -> list[Ailment]:
    """Everything but the audit chain, which `Ledger.verify_audit` looks at."""
    return [
        *_damage(tx),
        *_states(tx),
        *_without_loan(tx),
        *_without_content(tx),
        *_foreign_keys(tx),
        *_lapsed(tx, now),
        *_conflicts(tx),
        *_gap(tx),
        *_unread(tx),
        *(
            Ailment("run_unfinished", run_id, "began and never ended: killed, or still running")
            for run_id in runs.unfinished(tx)
        ),
    ]


def _damage(tx: Transaction) -> Iterator[Ailment]:
    if tx.connection.dialect.name != SQLITE:
        return
    for (text,) in tx.connection.exec_driver_sql("PRAGMA integrity_check"):
        if text != "ok":
            yield Ailment("database_damaged", "ledger", f"{text}; restore a backup")
    for row in tx.connection.exec_driver_sql("PRAGMA foreign_key_check"):
        yield Ailment(
            "dangling_key", f"{row[0]} row {row[1]}", "points to a message that is gone; restore a backup"
        )


def _states(tx: Transaction) -> Iterator[Ailment]:
    known = [state.value for state in MessageState]
    query = sa.select(MESSAGES.c.message_id).where(MESSAGES.c.state.not_in(known))
    for message_id in tx.connection.execute(query).scalars():
        yield Ailment(
            "state_unknown_to_us", f"message {message_id}", "no state of this version; check the version"
        )


def _without_loan(tx: Transaction) -> Iterator[Ailment]:
    keyed = sa.exists().where(MESSAGE_KEYS.c.message_no == MESSAGES.c.message_no)
    query = sa.select(MESSAGES.c.message_id).where(~keyed)
    for message_id in tx.connection.execute(query).scalars():
        yield Ailment(
            "message_without_loan", f"message {message_id}", "its keys were deleted; it could be told twice"
        )


def _without_content(tx: Transaction) -> Iterator[Ailment]:
    """A message whose content is gone is claimed by nobody and shown to nobody."""
    kept = sa.exists().where(CONTENTS.c.message_no == MESSAGES.c.message_no)
    for message_id in tx.connection.execute(sa.select(MESSAGES.c.message_id).where(~kept)).scalars():
        yield Ailment(
            "message_without_content", f"message {message_id}", "its content was deleted; restore a backup"
        )


def _foreign_keys(tx: Transaction) -> Iterator[Ailment]:
    """Values that no key at hand opens."""
    for used in used_keys(tx):
        if not tx.cipher.holds_key_of(used):
            text = "needed to read the ledger but not in the key file; put it back from your safe copy"
            yield Ailment("key_missing", f"key {used.hex()}", text)


def _gap(tx: Transaction) -> Iterator[Ailment]:
    if gap := continuity.gap(tx):
        text = "restored from a backup: what happened between is missing; the next run asks to accept that"
        yield Ailment(GuardName.LEDGER_RESTORED, f"{to_text(gap.since)} to {to_text(gap.until)}", text)


def _unread(tx: Transaction) -> Iterator[Ailment]:
    if kept := unread.count(tx):
        text = "came back and could not be read; look with: carloan-notify replies unread FOLDER --reason …"
        yield Ailment("unread_returns", f"{kept} records", text)


def _lapsed(tx: Transaction, now: datetime) -> Iterator[Ailment]:
    query = sa.select(MESSAGES.c.message_id, MESSAGES.c.owner).where(
        is_open(MESSAGES),
        MESSAGES.c.state.in_([state.value for state in LEASED]),
        MESSAGES.c.lease_until <= to_text(now),
    )
    for row in tx.connection.execute(query):
        text = f"left behind by sender {row.owner}; the next send takes it back"
        yield Ailment("lease_lapsed", f"message {row.message_id}", text)


def _conflicts(tx: Transaction) -> Iterator[Ailment]:
    query = sa.select(AUDIT.c.seq).where(AUDIT.c.kind == "message.conflict").order_by(AUDIT.c.seq)
    for seq in tx.connection.execute(query).scalars():
        text = "a provider's answer did not fit the message's state; see: audit show --kind message.conflict"
        yield Ailment("answer_conflict", f"audit row {seq}", text)
