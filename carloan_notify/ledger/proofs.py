"""What proves one message to a stranger: its facts, the audit rows that tell of it, and their paths to signed digests.

Nothing of another customer is in it but references of messages, which are keyed hashes (`drafts.reference_key`).
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa

from carloan_notify.ledger import audit, digest, merkle, templates
from carloan_notify.ledger.audit import QUEUED, AuditRow
from carloan_notify.ledger.digest import Digest
from carloan_notify.ledger.states import UNTOLD
from carloan_notify.ledger.store import Transaction, from_text, to_text
from carloan_notify.ledger.tables import AUDIT, MESSAGE_KEYS, RECEIPTS, WHOLE
from carloan_notify.records import MessageState as State

_ROW: Final = tuple(AUDIT.c[name] for name in AuditRow.__slots__)
_KINDS: Final = "message."
_NOT_OF_IT: Final = (QUEUED, "message.claimed", "message.revealed")
_AFTER: Final = timedelta(days=1)
"""The audit is searched until so long after the last that the ledger knows of a message."""
_SETTLED: Final = (State.ACCEPTED, State.DELIVERED, State.UNDELIVERED, *UNTOLD)
_TIMES: Final = ("queued_at", "expires_at", "sent_at", "answered_at", "settled_at")


@dataclass(frozen=True, slots=True)
class Trail:
    """A message's facts (a line of canonical JSON, None where the audit has none), their path, and the rows of it.

    `rows` are in order, that which vouches for the facts first.
    """

    message_id: str
    line: str | None
    steps: Sequence[merkle.ProofStep]
    rows: Sequence[AuditRow] = field(repr=False)


def trail(tx: Transaction, message: Mapping[str, Any]) -> Trail:
    """The trail of a message of `tables.WHOLE`."""
    name = str(message["message_id"])
    proven = audit.prove(tx, name, str(message["run_id"]))
    if proven is None:
        return Trail(name, None, (), ())
    rows = (row for row in _later(tx, proven.row.seq, _until(tx, message)) if name in named_in(row))
    return Trail(name, proven.facts, proven.steps, (proven.row, *rows))


def _until(tx: Transaction, message: Mapping[str, Any]) -> str | None:
    """When the last that the ledger knows of it was over for sure; None where more may have happened at any time."""
    if message["state"] not in _SETTLED:
        return None
    received = sa.select(sa.func.max(RECEIPTS.c.received_at))
    last = tx.connection.execute(received.where(RECEIPTS.c.message_id == message["message_id"])).scalar()
    known = [last, *(message[name] for name in _TIMES)]
    return to_text(from_text(max(text for text in known if text)) + _AFTER)


def _later(tx: Transaction, after: int, until: str | None) -> Iterator[AuditRow]:
    """Rows about messages behind number `after`, up to that instant."""
    query = sa.select(*_ROW).where(AUDIT.c.seq > after).order_by(AUDIT.c.seq)
    query = query.where(AUDIT.c.kind.startswith(_KINDS), AUDIT.c.kind.not_in(_NOT_OF_IT))
    if until is not None:
        query = query.where(AUDIT.c.at <= until)
    for row in tx.connection.execute(query.execution_options(yield_per=_PAGE)):
        yield AuditRow(*row)


_PAGE: Final = 1_000


def named_in(row: AuditRow) -> set[str]:
    """The messages that an audit row names."""
    listed = json.loads(row.data).get("messages", ())
    return {each[0] if isinstance(each, list) else each for each in listed} | {row.subject}


def template_rows(tx: Transaction, used: Iterable[tuple[str, str]]) -> list[AuditRow]:
    """The audit rows that note these wordings (template, version) when they were first used."""
    wanted = set(used)
    query = sa.select(*_ROW).where(AUDIT.c.kind == templates.CHANGED).order_by(AUDIT.c.seq)
    query = query.where(AUDIT.c.subject.in_({template for template, _ in wanted}))
    rows = [AuditRow(*row) for row in tx.connection.execute(query)]
    return [row for row in rows if (row.subject, json.loads(row.data)["version"]) in wanted]


# From rows to the digests that sign them.


def as_proof(tx: Transaction, trails: Sequence[Trail], more: Sequence[AuditRow]) -> dict[str, Any]:
    """What a stranger follows, as JSON: digests as they were signed, rows with their paths, facts with theirs.

    ValueError: a row stands behind the newest digest; write one first.
    """
    rows = {row.seq: row for each in trails for row in each.rows} | {row.seq: row for row in more}
    signed = digest.stored(tx)
    signing = {seq: _signing(signed, seq) for seq in sorted(rows)}
    digests = {found.number: found for found in signing.values()}
    paths = _paths(tx, signing)
    return {
        "digests": [digests[number].body for number in sorted(digests)],
        "rows": [
            {"row": asdict(rows[seq]), "digest": signing[seq].number, "steps": paths[seq]}
            for seq in sorted(rows)
        ],
        "facts": [
            {"line": each.line, "row": each.rows[0].seq, "steps": _plain(each.steps)}
            for each in trails
            if each.line is not None
        ],
    }


def _signing(signed: Sequence[Digest], seq: int) -> Digest:
    """The first digest that vouches for this row."""
    found = next((each for each in signed if each.since < seq <= each.count), None)
    if found is None:
        raise ValueError(f"audit row {seq}: no digest signs it yet")
    return found


def _paths(tx: Transaction, signing: Mapping[int, Digest]) -> dict[int, list[list[str | bool]]]:
    """The path of each row in the tree of its digest; each tree is read once."""
    found: dict[int, list[list[str | bool]]] = {}
    for signed in {each.number: each for each in signing.values()}.values():
        leaves = [merkle.leaf(each) for each in audit.hashes(tx, signed.since, signed.count)]
        mine = [seq for seq, each in signing.items() if each.number == signed.number]
        found |= {seq: _plain(merkle.proof(leaves, seq - signed.since - 1)) for seq in mine}
    return found


def _plain(steps: Iterable[merkle.ProofStep]) -> list[list[str | bool]]:
    return [[step.other, step.is_left] for step in steps]


def of_loan(tx: Transaction, loan_id: str, notice: str = "") -> list[dict[str, Any]]:
    """Every message of `tables.WHOLE` that tells this loan, oldest first."""
    keyed = sa.select(MESSAGE_KEYS.c.message_no).where(MESSAGE_KEYS.c.loan_id == loan_id)
    query = sa.select(WHOLE).where(WHOLE.c.message_no.in_(keyed))
    if notice:
        query = query.where(WHOLE.c.notice == notice)
    ordered = query.order_by(WHOLE.c.queued_at, WHOLE.c.message_id)
    return [dict(row) for row in tx.connection.execute(ordered).mappings()]


# Who was told of a report to the credit bureau, and when it arrived.

WARNED: Final = ("loan_id", "original_due_on", "message_id", "state", "phone_hash", "arrived_at")


def warned(tx: Transaction, notices: Sequence[str], role: str) -> list[tuple[Any, ...]]:
    """A row (WARNED, text or None) for each message of these notices to people of `role` and each loan that it told.

    `arrived_at` is that of the first receipt of delivery, but never before the message was sent; without a receipt,
    that of the provider's answer.
    """
    first = (
        sa.select(RECEIPTS.c.message_id, sa.func.min(RECEIPTS.c.occurred_at).label("occurred_at"))
        .where(RECEIPTS.c.delivered)
        .group_by(RECEIPTS.c.message_id)
        .subquery()
    )
    known = sa.func.coalesce(first.c.occurred_at, WHOLE.c.answered_at)
    arrived = sa.case((known < WHOLE.c.sent_at, WHOLE.c.sent_at), else_=known)
    own = (WHOLE.c.message_id, WHOLE.c.state, WHOLE.c.phone_hash, arrived)
    query = (
        sa.select(MESSAGE_KEYS.c.loan_id, MESSAGE_KEYS.c.original_due_on, *own)
        .join(WHOLE, WHOLE.c.message_no == MESSAGE_KEYS.c.message_no)
        .outerjoin(first, first.c.message_id == WHOLE.c.message_id)
        .where(WHOLE.c.notice.in_(notices), WHOLE.c.role == role)
        .distinct()
    )
    return [tuple(row) for row in tx.connection.execute(query)]
