"""One bundle that proves to a stranger what a borrower was told, when and in which words."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import getsource
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from carloan_notify.app import App
from carloan_notify.errors import LedgerError
from carloan_notify.ledger import audit, contents, digest, notices, proofs, templates, views
from carloan_notify.ledger.audit import canonical
from carloan_notify.ledger.keys import number_seal, write_durably
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.notices import DECIDED
from carloan_notify.ledger.store import Transaction, from_text, to_text
from carloan_notify.ledger.tables import AUDIT, MESSAGE_KEYS, RUNS
from carloan_notify.messages.values import Money
from carloan_notify.pipeline.decision_rows import why
from carloan_notify.proof_codes import Happened
from carloan_notify.records import AuditEvent, Decision
from carloan_notify.reports import evidence_check
from carloan_notify.reports.evidence_page import evidence_page
from carloan_notify.reports.tables import frame_rows
from carloan_notify.text import mask_digits, mask_phone

MADE: Final = "evidence.made"
_PRIVATE: Final = 0o600
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_SAME: Final = (
    "message_id",
    "notice",
    "channel",
    "role",
    "message_class",
    "language",
    "state",
    "provider",
    "code",
)
_NOT_SHOWN: Final = frozenset({"customer_ref", "merged_into", "notice_no", "run_id"})
"""Of a decision: keyed hashes and numbers that mean something inside the ledger only."""


@dataclass(frozen=True, slots=True)
class EvidenceOrder:
    """About which loan, by whom and why; only one notice where `notice` is set, told to people of `role`.

    `full_number` puts the number in clear into the bundle, with what opens its seal. `path` None: named by the loan.
    """

    loan_id: str
    operator: str
    reason: str
    notice: str = ""
    role: str = "borrower"
    full_number: bool = False
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class Bundle:
    """What was made: where, of how many messages, and the fingerprint of the key that signed it.

    `to_others` messages about the loan went to other people, whose data are not the borrower's.
    """

    path: Path
    messages: int
    to_others: int
    fingerprint: str
    files: Mapping[str, bytes] = field(repr=False)


def make_evidence(app: App, order: EvidenceOrder) -> Bundle:
    """Write the bundle (mode 0600). Who asked for it, and why, is audited before anything is read in clear.

    Raises:
        LedgerError: nothing was ever queued about the loan, the audit was changed, or it says something else than
            the ledger's tables; the text names where.
    """
    path = order.path or Path(f"evidence-{_UNSAFE.sub('-', order.loan_id)}-{app.clock():%Y%m%dT%H%M%SZ}.zip")
    if path.exists() or not path.parent.is_dir():
        what = "already there" if path.exists() else "there is no such folder"
        raise LedgerError(f"{path}: {what}; name a new file with --out")
    with app.open_ledger() as ledger:
        mine, others = _messages(ledger, order)
        _note(app, ledger, order, [str(row["message_id"]) for row in mine])
        _require_whole(ledger)
        key, pem = digest.load(ledger.places.signing_key_file), _published(ledger)
        keys = evidence_check.keys_of(pem)
        with ledger.read() as tx:
            told, proof = _told_and_proof(app, tx, order, mine, keys)
    if (mine_id := digest.public_id(key.public_key())) not in keys:
        raise LedgerError(
            f"the published keys lack that of {app.settings.ledger.signing_key_file}: restore its .pub file"
        )
    fingerprint = evidence_check.fingerprint(keys[mine_id])
    evidence = {**_about(app, order, others, fingerprint), "messages": told}
    files = _files(evidence, proof, pem)
    signed = {**files, evidence_check.MANIFEST: _manifest(app, order, files, key)}
    _require_true(evidence_check.check(signed, keys))
    write_private_file(path, evidence_check.pack(signed))
    return Bundle(path, len(told), others, fingerprint, signed)


def write_private_file(path: Path, content: bytes) -> None:
    """Write a file in one step, for its owner alone (mode 0600). LedgerError where it cannot be written."""
    try:
        write_durably(path, content, _PRIVATE)
    except OSError as problem:
        raise LedgerError(
            f"{path}: cannot be written ({problem.strerror}); name another file with --out"
        ) from problem


def _messages(ledger: Ledger, order: EvidenceOrder) -> tuple[list[dict[str, Any]], int]:
    """The messages that the order is about, and how many went to other people."""
    with ledger.read() as tx:
        found = proofs.of_loan(tx, order.loan_id, order.notice)
    mine = [row for row in found if row["role"] == order.role]
    if not mine:
        what = (
            f"{order.notice} was never queued for the {order.role}"
            if order.notice
            else "nothing was ever queued"
        )
        raise LedgerError(f"loan {order.loan_id}: {what}, or it was purged; see: explain {order.loan_id}")
    return mine, len(found) - len(mine)


def _note(app: App, ledger: Ledger, order: EvidenceOrder, ids: list[str]) -> None:
    """Who looks at what, and why, into the audit; then a digest, so that every row has one that signs it."""
    data = {
        "operator": order.operator,
        "reason": mask_digits(order.reason),
        "full_number": order.full_number,
        "messages": ids,
    }
    with ledger.write() as tx:
        audit.append(tx, [AuditEvent(MADE, order.loan_id, data)], app.clock())
    ledger.write_digest("", app.clock())


def _require_whole(ledger: Ledger) -> None:
    found = ledger.verify_audit()
    if not found.ok:
        first = found.breaches[0]
        raise LedgerError(
            f"the audit does not verify, so it proves nothing: {first.place}: {first.message}; "
            "see: carloan-notify audit verify"
        )


def _require_true(problems: Sequence[str]) -> None:
    if problems:
        raise LedgerError(
            f"the ledger's tables say something else than its audit: {'; '.join(problems)}; "
            "no bundle is made; see: carloan-notify ledger doctor"
        )


def _about(app: App, order: EvidenceOrder, others: int, fingerprint: str) -> dict[str, Any]:
    return {
        "format": evidence_check.FORMAT,
        "lender": app.lender.name,
        "loan_id": order.loan_id,
        "role": order.role,
        "made_at": to_text(app.clock()),
        "timezone": app.lender.timezone,
        "to_others": others,
        "key_fingerprint": fingerprint,
    }


def _files(evidence: Mapping[str, Any], proof: Mapping[str, Any], pem: str) -> dict[str, bytes]:
    plain = {
        "evidence.json": canonical(evidence) + "\n",
        "index.html": evidence_page(evidence),
        "proof.json": canonical(proof) + "\n",
        evidence_check.PUBLIC_KEY: pem,
        "verify.py": getsource(evidence_check),
    }
    return {name: text.encode() for name, text in plain.items()}


def _manifest(app: App, order: EvidenceOrder, files: Mapping[str, bytes], key: Ed25519PrivateKey) -> bytes:
    fields = {
        "format": evidence_check.FORMAT,
        "loan_id": order.loan_id,
        "made_at": to_text(app.clock()),
        "key_id": digest.public_id(key.public_key()),
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    return (canonical({**fields, "signature": digest.sign(key, canonical(fields).encode())}) + "\n").encode()


# What is told of each message.


def _told_and_proof(
    app: App, tx: Transaction, order: EvidenceOrder, mine: Sequence[dict[str, Any]], keys: dict[str, bytes]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    told = [_told(app, tx, order, row) for row in mine]
    noted = proofs.template_rows(
        tx, {(each["template"]["path"], each["template"]["version"]) for each in told}
    )
    proof = proofs.as_proof(tx, [proofs.trail(tx, row) for row in mine], noted)
    chain, zone = evidence_check.Chain(proof, keys), ZoneInfo(app.lender.timezone)
    return [{**each, **_happened(chain.events(each["message_id"]), zone)} for each in told], proof


def _happened(events: Sequence[Mapping[str, Any]], zone: ZoneInfo) -> dict[str, Any]:
    """What the audit tells of a message, and the same for reading."""
    read = [{"at": _when(each["at"], zone), **_said(each["event"])} for each in events]
    return {"events": list(events), "events_read": read}


def _said(event: str) -> dict[str, str]:
    known = Happened(event) if event in set(Happened) else None
    return {"en": known.english, "zh": known.chinese} if known else {"en": event, "zh": event}


def _told(app: App, tx: Transaction, order: EvidenceOrder, row: Mapping[str, Any]) -> dict[str, Any]:
    zone = ZoneInfo(app.lender.timezone)
    keys = sa.select(MESSAGE_KEYS).where(MESSAGE_KEYS.c.message_no == row["message_no"])
    covers = tx.connection.execute(keys.order_by(MESSAGE_KEYS.c.loan_id)).mappings().all()
    return {
        **{key: row[key] for key in _SAME},
        **_words(tx, order, row),
        "loans": sorted({str(cover["loan_id"]) for cover in covers}),
        "due_on": row["due_on"] or "",
        "amount_minor": row["amount_minor"],
        "amount": _amount(app, row["amount_minor"]),
        "template": _template(tx, row["template"], row["template_version"]),
        "not_before": _when(row["not_before"], zone),
        "expires_at": _when(row["expires_at"], zone),
        "resend_of": row["resend_of"],
        "answer": row["detail"],
        "receipts": [_receipt(each, zone) for each in frame_rows(views.receipts_of(tx, row["message_id"]))],
        "decisions": _decisions(app, tx, order.loan_id, [str(cover["idempotency_key"]) for cover in covers]),
    }


def _words(tx: Transaction, order: EvidenceOrder, row: Mapping[str, Any]) -> dict[str, Any]:
    """Number and text, and the number's seal; all None where the person had them erased."""
    if not row["content_sealed"]:
        return {"number": None, "text": None, "number_seal": None}
    name = str(row["message_id"])
    content, opening = contents.opened(tx.cipher, name, row["content_sealed"]), tx.cipher.opening(name)
    shown = {
        "number": mask_phone(content.phone),
        "text": content.text,
        "number_seal": number_seal(opening, content.phone).hex(),
    }
    full = {"full_number": content.phone, "opening": opening.hex()}
    return {**shown, **(full if order.full_number else {})}


def _template(tx: Transaction, path: str, version: str) -> dict[str, Any]:
    """The template by version, with the sources and the night that first used it as far as the ledger keeps them."""
    found = next(iter(templates.turns(tx, template=path, version=version)), None)
    sources = [[name, source] for name, source in found.wording.sources.items()] if found else None
    return {
        "path": path,
        "version": version,
        "sources": sources,
        "first_used_at": found.first_used_at if found else "",
    }


def _decisions(app: App, tx: Transaction, loan_id: str, keys: Sequence[str]) -> list[dict[str, Any]]:
    """What the night decided about each notice of this loan that the message tells, with all that the ledger keeps."""
    zone = ZoneInfo(app.lender.timezone)
    first = {notices.first_key(key) for key in keys}
    told_before = Decision.ALREADY_SENT.value  # what later nights say of it
    query = (
        sa.select(DECIDED, RUNS.c.as_of.label("decided_on"))
        .join(RUNS, RUNS.c.run_id == DECIDED.c.run_id)
        .where(DECIDED.c.loan_id == loan_id, DECIDED.c.idempotency_key.in_(first))
        .where(DECIDED.c.decision != told_before)
    )
    rows = tx.connection.execute(query.order_by(DECIDED.c.notice_no)).mappings().all()
    return [_decision(app, dict(row), zone) for row in rows]


def _decision(app: App, row: dict[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    kept = {name: value for name, value in row.items() if name not in _NOT_SHOWN}
    instants = {name: _when(row[name], zone) for name in ("not_before", "expires_at")}
    reasons = {"why_en": why(row["reason"]), "why_zh": why(row["reason"], "zh-CN")} if row["reason"] else {}
    return {**kept, **instants, **reasons, "amount": _amount(app, row["amount_minor"])}


def _receipt(row: Mapping[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    instants = {name: _when(row[name], zone) for name in ("occurred_at", "received_at")}
    event = Happened.DELIVERED if row["delivered"] else Happened.UNDELIVERED
    return {
        **instants,
        "delivered": bool(row["delivered"]),
        "code": row["code"],
        "detail": row["detail"],
        **_said(event),
    }


def _amount(app: App, minor: int) -> str:
    return f"{Money(minor, app.lender.currency).plain()} {app.lender.currency}"


def _when(instant: str | None, zone: ZoneInfo) -> str:
    """An instant of the ledger with its offset and zone: `2026-11-23 10:00:00 +08:00 (Asia/Shanghai)`."""
    if not instant:
        return ""
    return f"{from_text(instant).astimezone(zone).isoformat(sep=' ', timespec='seconds')} ({zone.key})"


# Is it true? From our own side.


def verify_evidence(app: App, path: Path) -> list[str]:
    """What is wrong with a bundle, by our own keys and against our own audit; nothing where it is as it was made.

    Raises:
        LedgerError: the file cannot be read, or there is no ledger.
    """
    try:
        files, damage = evidence_check.read(path)
    except OSError as problem:
        raise LedgerError(f"{path}: cannot be read ({problem.strerror}); name the bundle") from problem
    with app.open_ledger() as ledger:
        found = evidence_check.check(files, evidence_check.keys_of(_published(ledger)))
        with ledger.read() as tx:
            ours = [] if damage or found else list(_unlike_ours(tx, json.loads(files["proof.json"])))
    return [*([damage] if damage else []), *found, *ours]


def _unlike_ours(tx: Transaction, proof: Mapping[str, Any]) -> Iterator[str]:
    """Rows and digests of the bundle that this ledger does not have."""
    for each in proof["rows"]:
        kept = tx.connection.execute(
            sa.select(AUDIT.c.hash).where(AUDIT.c.seq == each["row"]["seq"])
        ).scalar()
        if kept != each["row"]["hash"]:
            yield f"proof.json: audit row {each['row']['seq']} is not the one of this ledger"
    for body in proof["digests"]:
        found = digest.parse(body)
        if found is None or not digest.is_stored(tx, found):
            yield "proof.json: this ledger did not write one of the digests"


def _published(ledger: Ledger) -> str:
    """The public keys as the lender publishes them: the one in use, and those that signed before it."""
    keys = digest.trusted(digest.public_file(ledger.places.signing_key_file))
    return "".join(digest.public_pem(key) for key in keys.values())
