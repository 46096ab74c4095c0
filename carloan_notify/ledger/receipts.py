"""Receipts: kept all, applied once each, in whatever order they come."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from operator import itemgetter
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from carloan_notify.ledger import audit, numbers, stopping
from carloan_notify.ledger.audit import canonical
from carloan_notify.ledger.notices import in_parts
from carloan_notify.ledger.prepared import Prepared, among, listed, unindexed
from carloan_notify.ledger.states import UNLEASED, Step, after, move_each
from carloan_notify.ledger.store import POSTGRESQL, Transaction, from_text, to_text
from carloan_notify.ledger.tables import MESSAGES, RECEIPTS, WHOLE
from carloan_notify.records import AuditEvent, MessageState, Receipt, SendResult
from carloan_notify.text import RECEIPT_TEXTS, cleaned, mask_digits

_OVERTAKING: Final = Prepared(
    sa.select(RECEIPTS).where(
        among(RECEIPTS.c.provider_ref, "references"),
        RECEIPTS.c.provider == sa.bindparam("its_provider"),
        unindexed(RECEIPTS.c.message_id) == "",
    )
)


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of receipts.

    `settled` messages changed state. `repeated` receipts were known. `unmatched` wait for the answer that
    names them. `refused` name a message that was never sent, or a reference that cannot be theirs alone.
    """

    settled: int
    repeated: int = 0
    unmatched: int = 0
    refused: tuple[str, ...] = ()


def settle(tx: Transaction, receipts: Sequence[Receipt], now: datetime) -> Settled:
    """Apply receipts: any order, any number of times, also before the answer they belong to."""
    readable = cleaned(receipts, RECEIPT_TEXTS)
    rows = {
        row["receipt_id"]: row for row in (_row(receipt, tx.cipher.phone_hash, now) for receipt in readable)
    }
    known = _known(tx, list(rows))
    fresh = [row for name, row in rows.items() if name not in known]
    owners, refused = _owners(tx, fresh)
    kept = [
        {**row, "message_id": owners.get(row["receipt_id"], "")}
        for row in sorted(
            fresh, key=itemgetter("receipt_id")
        )  # two writers of the same must not lock each other out
        if row["receipt_id"] not in refused
    ]
    if kept:
        tx.connection.execute(_insert_once(tx), kept)
    mine = [row for row in kept if row["message_id"]]
    changed = _apply(tx, mine, now)
    return Settled(changed, len(receipts) - len(fresh), len(kept) - len(mine), tuple(refused.values()))


def _insert_once(tx: Transaction) -> sa.Insert:
    """Another process may be storing the same receipt at this moment."""
    if tx.connection.dialect.name == POSTGRESQL:
        return postgresql.insert(RECEIPTS).on_conflict_do_nothing()
    return sqlite.insert(RECEIPTS).on_conflict_do_nothing()


def settle_overtaken(tx: Transaction, provider: str, results: Sequence[SendResult], now: datetime) -> None:
    """Apply receipts that came before the answers which tell their reference."""
    references = listed({result.provider_ref for result in results} - {""})
    found = _OVERTAKING.run(tx.connection, references=references, its_provider=provider).mappings().all()
    if not found:
        return
    owners, _ = _owners(tx, found)  # one that fits nobody, or several, stays unmatched
    waiting = [
        {**row, "message_id": owners[row["receipt_id"]]} for row in found if row["receipt_id"] in owners
    ]
    for row in waiting:
        same = RECEIPTS.c.receipt_id == row["receipt_id"]
        tx.connection.execute(sa.update(RECEIPTS).where(same).values(message_id=row["message_id"]))
    _apply(tx, waiting, now)


def _row(receipt: Receipt, hashed: Callable[[str], str], now: datetime) -> dict[str, Any]:
    at = to_text(receipt.occurred_at)
    phone_hash = hashed(receipt.phone) if receipt.phone else ""
    content = [
        receipt.provider,
        receipt.provider_ref,
        receipt.message_id,
        receipt.delivered,
        receipt.code,
        *([phone_hash] if phone_hash else []),
    ]  # not the time: where a provider tells none, it is that of arrival
    return {
        "receipt_id": hashlib.sha256(canonical(content).encode()).hexdigest(),
        "provider": receipt.provider,
        "provider_ref": receipt.provider_ref,
        "message_id": receipt.message_id,
        "delivered": receipt.delivered,
        "code": receipt.code,
        "detail": mask_digits(receipt.detail),
        "occurred_at": at,
        "received_at": to_text(now),
        "phone_hash": phone_hash,
        "blocked": receipt.blocked,
        "dead": receipt.dead,
    }


def _known(tx: Transaction, receipt_ids: Sequence[str]) -> set[str]:
    column = RECEIPTS.c.receipt_id
    return {
        name
        for part in in_parts(receipt_ids)
        for name in tx.connection.execute(sa.select(column).where(column.in_(part))).scalars()
    }


def _owners(tx: Transaction, rows: Sequence[Mapping[Any, Any]]) -> tuple[dict[str, str], dict[str, str]]:
    """Whose each receipt is, by receipt id; and the refused ones with their reason."""
    named = _attempts(tx, sorted({row["message_id"] for row in rows} - {""}))
    by_reference = _by_reference(tx, {row["provider_ref"] for row in rows} - {""})
    owners: dict[str, str] = {}
    refused: dict[str, str] = {}
    for row in rows:
        found = (
            [row["message_id"]]
            if row["message_id"] in named
            else _of_number(by_reference[row["provider"], row["provider_ref"]], row["phone_hash"])
        )
        if len(found) > 1:
            refused[row["receipt_id"]] = (
                f"receipt {row['provider']}/{row['provider_ref']}: several messages share it"
            )
        elif found and row["message_id"] in named and not named[row["message_id"]]:
            refused[row["receipt_id"]] = f"receipt for message {row['message_id']}: it was never sent"
        elif found:
            owners[row["receipt_id"]] = found[0]
    return owners, refused


def _attempts(tx: Transaction, message_ids: Sequence[str]) -> dict[str, int]:
    query = sa.select(MESSAGES.c.message_id, MESSAGES.c.attempts)
    return {
        row.message_id: row.attempts
        for part in in_parts(message_ids)
        for row in tx.connection.execute(query.where(MESSAGES.c.message_id.in_(part)))
    }


def _by_reference(
    tx: Transaction, references: Iterable[str]
) -> defaultdict[tuple[str, str], list[tuple[str, str]]]:
    """Messages of each reference, with the keyed hash of their number."""
    found: defaultdict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    columns = [WHOLE.c[name] for name in ("provider", "provider_ref", "message_id", "phone_hash")]
    named = WHOLE.c.provider_ref != ""  # so that the small index fits
    for part in in_parts(sorted(references)):
        for row in tx.connection.execute(sa.select(*columns).where(named, WHOLE.c.provider_ref.in_(part))):
            found[row.provider, row.provider_ref].append((row.message_id, row.phone_hash))
    return found


def _of_number(messages: Sequence[tuple[str, str]], phone_hash: str) -> list[str]:
    """Those sent to the number a receipt tells; an erased message has none any more and fits every number."""
    return [name for name, its in messages if not phone_hash or its in (phone_hash, "")]


def _apply(tx: Transaction, rows: Sequence[Mapping[str, Any]], now: datetime) -> int:
    """Fold the receipts of each message into its state; returns how many messages changed."""
    if not rows:
        return 0
    refusing = [row["message_id"] for row in rows if row["blocked"]]
    held = stopping.lock_with_waiting(tx, [row["message_id"] for row in rows], refusing)
    states = {name: MessageState(row["state"]) for name, row in held.items()}
    last: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        name = row["message_id"]
        following = after(Step.DELIVER if row["delivered"] else Step.FAIL, states[name], name)
        if following is not states[name]:
            states[name], last[name] = following, row
    move_each(tx, [_change(held[name], states[name], row) for name, row in last.items()])
    audit.append(tx, _events(last, states), now)
    blocked = {
        held[row["message_id"]]["phone_hash"]: row["code"]
        for row in rows
        if row["blocked"] and row["message_id"] in held
    }
    source = f"provider:{rows[0]['provider']}"
    stopping.stop_numbers(tx, blocked, source, now)
    _note_numbers(tx, last, held, source, now)
    return len(last)


def _note_numbers(
    tx: Transaction,
    last: Mapping[str, Mapping[str, Any]],
    held: Mapping[str, sa.RowMapping],
    source: str,
    now: datetime,
) -> None:
    """What these receipts say of the numbers themselves: that there is no such one, or that something arrived."""
    arrived = [str(held[name]["phone_hash"]) for name, row in last.items() if row["delivered"]]
    if arrived:
        numbers.note_arrivals(tx, arrived, source, now)
    failed: defaultdict[date, list[str]] = defaultdict(list)
    for name, row in last.items():
        if row["dead"] and not row["delivered"]:
            failed[from_text(row["occurred_at"]).date()].append(name)
    for day, names in sorted(failed.items()):
        numbers.note_failures(tx, names, source, day, now)


def _change(was: sa.RowMapping, to: MessageState, receipt: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": was["message_id"],
        "was": was["state"],
        "state": to.value,
        "provider_ref": was["provider_ref"] or receipt["provider_ref"],
        "code": receipt["code"],
        "detail": receipt["detail"],
        "settled_at": receipt["occurred_at"],
        "due_at": None,
        **UNLEASED,
    }


def _events(last: Mapping[str, Mapping[str, Any]], states: Mapping[str, MessageState]) -> list[AuditEvent]:
    told: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for name, row in last.items():
        told[states[name].value, row["provider"], row["code"]].append(name)
    return [
        AuditEvent(f"message.{state}", provider, {"code": code, "messages": sorted(names)})
        for (state, provider, code), names in sorted(told.items())
    ]
