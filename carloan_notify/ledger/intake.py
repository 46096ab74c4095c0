"""Drafts into the outbox: each notice at most once for ever, a merged message whole or not at all."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final

import sqlalchemy as sa

from carloan_notify.ledger import audit, notices, stopping
from carloan_notify.ledger.keys import Cipher
from carloan_notify.ledger.prepared import Prepared
from carloan_notify.ledger.store import Transaction, to_text
from carloan_notify.ledger.tables import MESSAGE_KEYS, MESSAGES
from carloan_notify.records import AuditEvent, Draft, MessageState
from carloan_notify.text import mask_digits

DRAFTS_PER_TRANSACTION: Final = 1_000
_PARAMS: Final = json.JSONEncoder(ensure_ascii=False)
_INSERT_MESSAGES: Final = Prepared(sa.insert(MESSAGES))
_INSERT_KEYS: Final = Prepared(sa.insert(MESSAGE_KEYS))
_UNSENT: Final[Mapping[str, Any]] = {
    column.name: column.default.arg if isinstance(column.default, sa.ColumnDefault) else None
    for column in MESSAGES.columns
}
"""Every column as it stands before anything happened."""


@dataclass(frozen=True, slots=True)
class EnqueueResult:
    """What became of drafts.

    `queued` messages went in. `already` are keys the ledger knew. `left_out` are keys that would have been
    told in one message with one of those, so that this message stayed out as a whole: the next night tells
    them.
    """

    queued: int
    already: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def __add__(self, other: "EnqueueResult") -> "EnqueueResult":
        return EnqueueResult(
            self.queued + other.queued, self.already + other.already, self.left_out + other.left_out
        )


def in_chunks(drafts: Iterable[Draft]) -> Iterator[list[Draft]]:
    """Drafts in transaction-sized lists; the source is read lazily."""
    iterator = iter(drafts)
    while chunk := list(islice(iterator, DRAFTS_PER_TRANSACTION)):
        yield chunk


def enqueue(tx: Transaction, run_id: str, drafts: Sequence[Draft], now: datetime) -> EnqueueResult:
    """Queue at most `DRAFTS_PER_TRANSACTION` drafts in the caller's transaction; a known key is a value.

    What somebody refused while the night was planned is queued and cancelled at once.
    """
    audit.lock_head(tx)  # puts intakes of several hosts in line before they look for known keys
    keys = [cover.idempotency_key for draft in drafts for cover in draft.covers]
    taken = notices.known(tx, keys)
    fresh, result = _sift(drafts, taken)
    if fresh:
        rows = [_message_row(tx.cipher, run_id, draft, now) for draft in fresh]
        _INSERT_MESSAGES.run_each(tx.connection, rows)
        _INSERT_KEYS.run_each(tx.connection, [row for draft in fresh for row in _key_rows(draft)])
        named = zip(fresh, rows, strict=True)
        events = [_event(tx.cipher, run_id, draft, row["customer_ref"]) for draft, row in named]
        audit.append(tx, events, now)
        stopping.cancel_suppressed(tx, [draft.message_id for draft in fresh], now)
    return result


def _sift(drafts: Sequence[Draft], taken: set[str]) -> tuple[list[Draft], EnqueueResult]:
    """Drafts all of whose keys are new, also among themselves; `taken` grows with them."""
    fresh: list[Draft] = []
    already: list[str] = []
    left_out: list[str] = []
    for draft in drafts:
        keys = [cover.idempotency_key for cover in draft.covers]
        if taken.isdisjoint(keys):
            taken.update(keys)
            fresh.append(draft)
            continue
        for key in keys:
            (already if key in taken else left_out).append(key)
    return fresh, EnqueueResult(len(fresh), tuple(already), tuple(left_out))


def said(cipher: Cipher, message_id: str, draft: Draft) -> dict[str, Any]:
    """The columns of what a message says: its words and values, sealed, with their measure, and its amount."""
    rendered = draft.rendered
    return {
        "template": rendered.template,
        "template_version": rendered.template_version,
        "encoding": rendered.encoding,
        "units": rendered.units,
        "segments": rendered.segments,
        "amount_minor": draft.amount_minor,
        "text_sealed": cipher.seal(message_id, "text", rendered.text),
        "params_sealed": cipher.seal(message_id, "params", _PARAMS.encode(dict(draft.params))),
    }


def _message_row(cipher: Cipher, run_id: str, draft: Draft, now: datetime) -> dict[str, Any]:
    not_before, mid = to_text(draft.not_before), draft.message_id
    return {
        **_UNSENT,
        **said(cipher, mid, draft),
        "message_id": mid,
        "run_id": run_id,
        "state": MessageState.QUEUED.value,
        "customer_ref": cipher.customer_ref(draft.customer_id),
        "phone_hash": cipher.phone_hash(draft.phone),
        "notice": draft.notice,
        "channel": draft.channel.value,
        "role": draft.role,
        "message_class": draft.message_class.value,
        "language": draft.language,
        "due_on": draft.due_on.isoformat() if draft.due_on else None,
        "until_paid": draft.until_paid,
        "not_before": not_before,
        "expires_at": to_text(draft.expires_at),
        "due_at": not_before,
        "contact_at": not_before,
        "queued_at": to_text(now),
        "resend_of": draft.resend_of,
        "operator": draft.operator,
        "reason": mask_digits(draft.reason),
        "phone_sealed": cipher.seal(mid, "phone", draft.phone),
        "name_sealed": cipher.seal(mid, "name", draft.recipient_name),
    }


def _key_rows(draft: Draft) -> list[dict[str, Any]]:
    return [
        {
            "idempotency_key": cover.idempotency_key,
            "message_id": draft.message_id,
            "loan_id": cover.loan_id,
            "installment_no": cover.installment_no,
            "original_due_on": cover.original_due_on.isoformat() if cover.original_due_on else None,
        }
        for cover in draft.covers
    ]


def _event(cipher: Cipher, run_id: str, draft: Draft, customer_ref: str) -> AuditEvent:
    data: dict[str, Any] = {
        "run": run_id,
        "notice": draft.notice,
        "channel": draft.channel.value,
        "class": draft.message_class.value,
        "role": draft.role,
        "customer": customer_ref,
        "loans": [list(told) for told in dict.fromkeys((c.loan_id, c.installment_no) for c in draft.covers)],
        "template": draft.rendered.template,
        "template_version": draft.rendered.template_version,
        "text": cipher.text_hash(draft.rendered.text),
    }
    if draft.resend_of:
        data |= {
            "resend_of": draft.resend_of,
            "operator": draft.operator,
            "reason": mask_digits(draft.reason),
        }
    return AuditEvent("message.queued", draft.message_id, data)
