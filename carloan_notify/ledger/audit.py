"""The audit: append-only rows, each carrying the hash of the one before, written with what they record."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from carloan_notify.errors import LedgerError
from carloan_notify.ledger import merkle
from carloan_notify.ledger.listing import as_frame
from carloan_notify.ledger.prepared import Prepared
from carloan_notify.ledger.store import Transaction, to_text
from carloan_notify.ledger.tables import AUDIT, AUDIT_FACTS, AUDIT_HEAD
from carloan_notify.records import AuditEvent

if TYPE_CHECKING:
    import pandas as pd

# Canonical JSON and the hash of one audit row, in the few lines an auditor needs to recompute both.
#
# A row's hash is SHA-256 over the canonical JSON of `[seq, at, kind, subject, data, prev]`, where `prev` is
# the hash of the row before it (64 zeros for the first). Canonical: keys sorted, no spaces, UTF-8, no escapes
# beyond those JSON demands, no NaN (the subset of RFC 8785 that integers and text need).

GENESIS: Final = "0" * 64
_ENCODER: Final = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One line of the audit as stored: `data` is canonical JSON text, `at` is `instants.to_text`."""

    seq: int
    at: str
    kind: str
    subject: str
    data: str
    prev: str
    hash: str


def canonical(value: Any) -> str:  # noqa: ANN401 - JSON is any of its types
    """The one spelling of a JSON value."""
    return _ENCODER.encode(value)


def row_hash(seq: int, stamp: Sequence[str], data: str, prev: str) -> str:
    """Hash of a row; `stamp` is (at, kind, subject) and `data` canonical JSON text. 64 hex digits."""
    at, kind, subject = stamp
    quote = encode_basestring
    line = f"[{seq},{quote(at)},{quote(kind)},{quote(subject)},{data},{quote(prev)}]"
    return hashlib.sha256(line.encode()).hexdigest()


def hash_of(row: AuditRow, *, seq: int | None = None, prev: str | None = None) -> str:
    """The hash this row should carry, optionally as if it stood at another place of the chain."""
    place = row.seq if seq is None else seq
    return row_hash(place, (row.at, row.kind, row.subject), row.data, row.prev if prev is None else prev)


_PAGE: Final = 5_000
_BLOCKS: Final = 8
_SHOWN: Final = ("seq", "at", "kind", "subject", "data")
_HEAD: Final = sa.select(AUDIT_HEAD.c.seq, AUDIT_HEAD.c.hash)
_LOCK_HEAD: Final = Prepared(_HEAD.with_for_update())
_INSERT: Final = Prepared(sa.insert(AUDIT))
_INSERT_FACTS: Final = Prepared(sa.insert(AUDIT_FACTS))
_MOVE_HEAD: Final = Prepared(
    sa.update(AUDIT_HEAD).values(seq=sa.bindparam("last_seq"), hash=sa.bindparam("last_hash"))
)


@dataclass(frozen=True, slots=True)
class Head:
    """The last row of the chain: its number, which is also the count of rows, and its hash."""

    seq: int
    hash: str


def lock_head(tx: Transaction) -> Head:
    """The head, locked until the transaction ends: writers of the chain stand in line here."""
    row = _LOCK_HEAD.run(tx.connection).one_or_none()
    if row is None:
        raise LedgerError("the audit's head row is missing; run: audit verify, then restore a backup")
    return Head(row.seq, row.hash)


def head(tx: Transaction) -> Head | None:
    """The head as the ledger notes it; None when that note is gone."""
    row = tx.connection.execute(_HEAD).one_or_none()
    return Head(row.seq, row.hash) if row else None


def append(tx: Transaction, events: Sequence[AuditEvent], now: datetime) -> Head:
    """Chain `events` in order behind the head, inside the caller's transaction. No events, no change."""
    before = lock_head(tx)
    if not events:
        return before
    rows = chained(before, events, to_text(now))
    _INSERT.run_each(tx.connection, rows)
    last = Head(before.seq + len(rows), str(rows[-1]["hash"]))
    _MOVE_HEAD.run(tx.connection, last_seq=last.seq, last_hash=last.hash)
    return last


QUEUED: Final = "message.queued"
"""The kind of a row that vouches for the facts of a block of messages by the root over them."""


def append_block(tx: Transaction, subject: str, lines: Sequence[str], now: datetime) -> Head:
    """Chain one row for all these facts, canonical JSON each: the root of the tree over them (`merkle`)."""
    leaves = [merkle.leaf(line) for line in lines]
    told = {"count": len(lines), "root": merkle.root(leaves)}
    last = append(tx, [AuditEvent(QUEUED, subject, told)], now)
    row = {
        "seq": last.seq,
        "leaves": len(lines),
        "facts": merkle.packed(lines),
        "marks": merkle.marks(leaves),
    }
    _INSERT_FACTS.run_each(tx.connection, [row])
    return last


def chained(before: Head, events: Sequence[AuditEvent], at: str) -> list[dict[str, str | int]]:
    """The rows that follow `before`."""
    rows: list[dict[str, str | int]] = []
    seq, prev = before.seq, before.hash
    for event in events:
        seq += 1
        data = canonical(dict(event.data))
        digest = row_hash(seq, (at, event.kind, event.subject), data, prev)
        rows.append(
            {
                "seq": seq,
                "at": at,
                "kind": event.kind,
                "subject": event.subject,
                "data": data,
                "prev": prev,
                "hash": digest,
            }
        )
        prev = digest
    return rows


def found_chain(tx: Transaction) -> None:
    """Make the head of an empty chain."""
    tx.connection.execute(sa.insert(AUDIT_HEAD).values(only=1, seq=0, hash=GENESIS))


def stream(tx: Transaction) -> Iterator[AuditRow]:
    """Every row in order of `seq`, a page in memory at a time."""
    query = sa.select(*(AUDIT.c[name] for name in AuditRow.__slots__)).order_by(AUDIT.c.seq)
    result = tx.connection.execute(query.execution_options(yield_per=_PAGE))
    for page in result.partitions(_PAGE):
        for row in page:
            yield AuditRow(*row)


def hashes(tx: Transaction, after: int, upto: int) -> Iterator[str]:
    """The hashes of the rows behind number `after`, up to number `upto`, in order; a page in memory at a time."""
    query = sa.select(AUDIT.c.hash).where(AUDIT.c.seq > after, AUDIT.c.seq <= upto).order_by(AUDIT.c.seq)
    yield from tx.connection.execute(query.execution_options(yield_per=_PAGE)).scalars()


@dataclass(frozen=True, slots=True)
class Block:
    """The facts that the audit row `seq` vouches for, as stored: packed lines, and a mark of each (`merkle`)."""

    seq: int
    facts: bytes = field(repr=False)
    marks: bytes = field(repr=False)


def blocks(tx: Transaction) -> Iterator[Block]:
    """Every block in order of `seq`, few in memory at a time."""
    names = (AUDIT_FACTS.c.seq, AUDIT_FACTS.c.facts, AUDIT_FACTS.c.marks)
    query = sa.select(*names).order_by(AUDIT_FACTS.c.seq).execution_options(yield_per=_BLOCKS)
    for row in tx.connection.execute(query):
        yield Block(*row)


@dataclass(frozen=True, slots=True)
class Proof:
    """A message's facts, the steps from them to the root, and the audit row that holds that root."""

    facts: str
    steps: Sequence[merkle.ProofStep]
    row: AuditRow


def prove(tx: Transaction, message_id: str, run_id: str = "") -> Proof | None:
    """What shows that a message was queued with these facts; None where no block, or none of its run, tells of it."""
    rows = sa.select(*(AUDIT.c[name] for name in AuditRow.__slots__), AUDIT_FACTS.c.facts)
    query = rows.join(AUDIT_FACTS, AUDIT_FACTS.c.seq == AUDIT.c.seq).order_by(AUDIT.c.seq)
    if run_id:
        query = query.where(AUDIT.c.subject == run_id)
    named = f'"message":{encode_basestring(message_id)}'
    for row in tx.connection.execute(query.execution_options(yield_per=_BLOCKS)):
        lines = merkle.unpacked(row.facts) or []
        place = next((number for number, line in enumerate(lines) if named in line), None)
        if place is not None:
            steps = merkle.proof([merkle.leaf(line) for line in lines], place)
            return Proof(lines[place], steps, AuditRow(*tuple(row)[:-1]))
    return None


def show(
    tx: Transaction,
    *,
    kind: str = "",
    mentions: str = "",
    since: datetime | None = None,
    limit: int = 1_000,
) -> "pd.DataFrame":
    """The newest `limit` rows in order, as columns seq, at, kind, subject, data (JSON text).

    `kind` takes a prefix (`message.`); `mentions` finds a message, loan or run id in subject or data. A row that
    vouches for a block of messages is shown as one line for each of them, with its facts.
    """
    query = sa.select(*(AUDIT.c[name] for name in _SHOWN), AUDIT_FACTS.c.facts)
    query = query.outerjoin(AUDIT_FACTS, AUDIT_FACTS.c.seq == AUDIT.c.seq).order_by(AUDIT.c.seq.desc())
    if kind:
        query = query.where(AUDIT.c.kind.startswith(kind, autoescape=True))
    quoted = json.dumps(mentions, ensure_ascii=False)
    if mentions:
        found = sa.or_(AUDIT.c.subject == mentions, AUDIT.c.data.contains(quoted, autoescape=True))
        query = query.where(sa.or_(found, AUDIT_FACTS.c.seq.is_not(None)))
    if since is not None:
        query = query.where(AUDIT.c.at >= to_text(since))
    rows = tx.connection.execute(query.execution_options(yield_per=_BLOCKS))
    lines = (line for row in rows for line in _shown(row, quoted if mentions else ""))
    newest = list(islice(lines, limit))
    return as_frame(newest[::-1], _SHOWN)


def _shown(row: Any, mention: str) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 - a row of any columns
    """The row as it is, or the facts it vouches for, the last first: those that mention this."""
    if row.facts is None:
        yield tuple(row)[:-1]
        return
    for line in reversed(merkle.unpacked(row.facts) or []):
        if mention in line:
            yield row.seq, row.at, row.kind, json.loads(line)["message"], line
