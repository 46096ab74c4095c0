"""Is the ledger healthy? Findings with a code each; none means yes."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from carloan_notify.ledger import restored, runs, unread
from carloan_notify.ledger.cipher import Cipher
from carloan_notify.ledger.instants import to_text
from carloan_notify.ledger.resealing import used_keys
from carloan_notify.ledger.states import LEASED
from carloan_notify.ledger.store import SQLITE
from carloan_notify.ledger.tables import AUDIT, MESSAGE_KEYS, MESSAGES
from carloan_notify.records import MessageState


@dataclass(frozen=True, slots=True)
class Ailment:
    """What is wrong, where, and the cure. `code` never changes."""

    code: str
    place: str
    message: str


def examine(connection: sa.Connection, cipher: Cipher, now: datetime) -> list[Ailment]:
    """Everything but the audit chain, which `Ledger.verify_audit` looks at."""
    return [
        *_damage(connection),
        *_states(connection),
        *_without_loan(connection),
        *_foreign_keys(connection, cipher),
        *_lapsed(connection, now),
        *_conflicts(connection),
        *_gap(connection),
        *_unread(connection),
        *(
            Ailment("run_unfinished", run_id, "began and never ended: killed, or still running")
            for run_id in runs.unfinished(connection)
        ),
    ]


def _damage(connection: sa.Connection) -> Iterator[Ailment]:
    if connection.dialect.name != SQLITE:
        return
    for (text,) in connection.exec_driver_sql("PRAGMA integrity_check"):
        if text != "ok":
            yield Ailment("database_damaged", "ledger", f"{text}; restore a backup")
    for row in connection.exec_driver_sql("PRAGMA foreign_key_check"):
        yield Ailment(
            "dangling_key", f"{row[0]} row {row[1]}", "points to a message that is gone; restore a backup"
        )


def _states(connection: sa.Connection) -> Iterator[Ailment]:
    known = [state.value for state in MessageState]
    query = sa.select(MESSAGES.c.message_id).where(MESSAGES.c.state.not_in(known))
    for message_id in connection.execute(query).scalars():
        yield Ailment(
            "state_unknown_to_us", f"message {message_id}", "no state of this version; check the version"
        )


def _without_loan(connection: sa.Connection) -> Iterator[Ailment]:
    keyed = sa.select(MESSAGE_KEYS.c.message_id)
    query = sa.select(MESSAGES.c.message_id).where(MESSAGES.c.message_id.not_in(keyed))
    for message_id in connection.execute(query).scalars():
        yield Ailment(
            "message_without_loan", f"message {message_id}", "its keys were deleted; it could be told twice"
        )


def _foreign_keys(connection: sa.Connection, cipher: Cipher) -> Iterator[Ailment]:
    """Values that no key at hand opens."""
    for used in used_keys(connection):
        if not cipher.holds_key_of(used):
            text = "needed to read the ledger but not in the key file; put it back from your safe copy"
            yield Ailment("key_missing", f"key {used.hex()}", text)


def _gap(connection: sa.Connection) -> Iterator[Ailment]:
    if gap := restored.gap(connection):
        text = "restored from a backup: what happened between is missing; the next run asks to accept that"
        yield Ailment("ledger_restored", f"{to_text(gap.since)} to {to_text(gap.until)}", text)


def _unread(connection: sa.Connection) -> Iterator[Ailment]:
    if kept := unread.count(connection):
        text = "came back and could not be read; look with: carloan-notify replies unread FOLDER --reason …"
        yield Ailment("unread_returns", f"{kept} records", text)


def _lapsed(connection: sa.Connection, now: datetime) -> Iterator[Ailment]:
    query = sa.select(MESSAGES.c.message_id, MESSAGES.c.owner).where(
        MESSAGES.c.state.in_([state.value for state in LEASED]), MESSAGES.c.lease_until <= to_text(now)
    )
    for row in connection.execute(query):
        text = f"left behind by sender {row.owner}; the next send takes it back"
        yield Ailment("lease_lapsed", f"message {row.message_id}", text)


def _conflicts(connection: sa.Connection) -> Iterator[Ailment]:
    query = sa.select(AUDIT.c.seq).where(AUDIT.c.kind == "message.conflict").order_by(AUDIT.c.seq)
    for seq in connection.execute(query).scalars():
        text = "a provider's answer did not fit the message's state; see: audit show --kind message.conflict"
        yield Ailment("answer_conflict", f"audit row {seq}", text)
