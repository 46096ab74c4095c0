"""Signed digests: one small file per run that fixes the head of the chain outside the ledger."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from carloan_notify.errors import LedgerError
from carloan_notify.ledger import audit, merkle, schema
from carloan_notify.ledger.audit import canonical
from carloan_notify.ledger.keys import read_private, write_durably, write_private
from carloan_notify.ledger.store import Transaction, to_text
from carloan_notify.ledger.tables import DIGESTS
from carloan_notify.records import AuditEvent

# The Ed25519 key (RFC 8032) that signs digests, and the public keys that verify them.

_PUBLIC_MODE: Final = 0o644
_END: Final = "-----END PUBLIC KEY-----"


def public_file(signing_key_file: Path) -> Path:
    """Where the public half lies: one PEM block for the key in use, and one for each retired key."""
    return signing_key_file.with_name(signing_key_file.name + ".pub")


def create(path: Path, *, replace: bool = False) -> None:
    """Make a signing key; its public half is added in front of those that `public_file` already holds."""
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    retired = public_file(path).read_bytes() if public_file(path).exists() else b""
    write_private(path, pem, replace=replace)
    write_durably(public_file(path), public_pem(private.public_key()).encode() + retired, _PUBLIC_MODE)


def load(path: Path) -> Ed25519PrivateKey:
    """The signing key. Anything else raises `LedgerError`."""
    content = read_private(path)
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except (ValueError, TypeError) as problem:
        raise LedgerError(f"{path}: not a private key in PEM; restore it from your safe copy") from problem
    if not isinstance(key, Ed25519PrivateKey):
        raise LedgerError(f"{path}: not an Ed25519 key; restore the one that `init` made")
    return key


def trusted(path: Path) -> dict[str, Ed25519PublicKey]:
    """Every public key of a `.pub` file by its id. A missing or unreadable file raises `LedgerError`."""
    try:
        blocks = path.read_text(encoding="ascii").split(_END)
        keys = [serialization.load_pem_public_key((block + _END).encode()) for block in blocks[:-1]]
    except (OSError, ValueError) as problem:
        raise LedgerError(
            f"{path}: cannot read the public key; use the copy that the auditor holds"
        ) from problem
    return {public_id(key): key for key in keys if isinstance(key, Ed25519PublicKey)}


def public_pem(key: Ed25519PublicKey) -> str:
    """PEM text of a public key."""
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.PEM, spki).decode()


def public_id(key: Ed25519PublicKey) -> str:
    """16 hex digits that name a public key."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:16]


def sign(key: Ed25519PrivateKey, content: bytes) -> str:
    """Base64 signature."""
    return base64.b64encode(key.sign(content)).decode()


def is_signed(key: Ed25519PublicKey, signature: str, content: bytes) -> bool:
    """Does the signature belong to this content and key?"""
    try:
        key.verify(base64.b64decode(signature, validate=True), content)
    except (InvalidSignature, ValueError):
        return False
    return True


FORMAT: Final = "carloan-notify-digest/1"
PATTERN: Final = "digest-*.json"
NO_DIGEST: Final = "0" * 64
_MODE: Final = 0o644


@dataclass(frozen=True, slots=True)
class Digest:
    """What a digest file says.

    `count` rows up to a head with hash `head`; `previous` hashes the file before. `tree` is the root over the hashes
    of the rows after number `since` (`merkle`): it proves one of them without showing the others.
    """

    number: int
    ledger_id: str
    run_id: str
    written_at: str
    count: int
    head: str
    since: int
    tree: str
    previous: str
    counts: Mapping[str, Any]
    key_id: str
    signature: str
    body: str

    @property
    def hash(self) -> str:
        """SHA-256 of the file, which the next digest carries."""
        return hashlib.sha256(self.body.encode()).hexdigest()

    def is_signed_by(self, key: Ed25519PublicKey) -> bool:
        """Is the signature right for every field?"""
        fields = json.loads(self.body)
        fields.pop("signature")
        return is_signed(key, self.signature, canonical(fields).encode())


def parse(body: str) -> Digest | None:
    """The digest in a file's text; None when it is not one."""
    try:
        fields = json.loads(body)
        known = fields.pop("format") == FORMAT
        found = Digest(**fields, body=body)
        numbers = (found.number, found.count, found.since)
        sound = known and all(isinstance(number, int) for number in numbers)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return found if sound else None


def file_name(number: int) -> str:
    """`digest-00000042.json`."""
    return f"digest-{number:08d}.json"


def write(
    tx: Transaction,
    key: Ed25519PrivateKey,
    run: tuple[str, Mapping[str, Any]],
    seen: Sequence[Digest],
    now: datetime,
) -> Digest:
    """Sign the head as it stands, keep the digest in the ledger and audit it; the file is written after.

    `run` is run id and counts. `seen` are digests found in the folders: after a restore they may be newer
    than the ledger's own, and numbers go on behind them.
    """
    head = audit.lock_head(tx)
    run_id, counts = run
    own = stored(tx, newest=1)
    before = sorted([*seen, *own], key=lambda digest: digest.number)
    since = own[-1].count if own else 0
    fields = {
        "format": FORMAT,
        "number": before[-1].number + 1 if before else 1,
        "ledger_id": schema.meta(tx.connection, "ledger_id"),
        "run_id": run_id,
        "written_at": to_text(now),
        "count": head.seq,
        "head": head.hash,
        "since": since,
        "tree": merkle.grown(audit.hashes(tx, since, head.seq)),
        "previous": before[-1].hash if before else NO_DIGEST,
        "counts": dict(counts),
        "key_id": public_id(key.public_key()),
    }
    body = canonical({**fields, "signature": sign(key, canonical(fields).encode())}) + "\n"
    tx.connection.execute(sa.insert(DIGESTS), {"number": fields["number"], "run_id": run_id, "body": body})
    digest = Digest(**{k: v for k, v in json.loads(body).items() if k != "format"}, body=body)
    data = {"number": digest.number, "count": head.seq, "hash": digest.hash}
    audit.append(tx, [AuditEvent("digest.written", run_id, data)], now)
    return digest


def stored(tx: Transaction, newest: int | None = None) -> list[Digest]:
    """The ledger's own copies of its digests in order, all or the newest; unreadable ones are left out."""
    query = sa.select(DIGESTS.c.body).order_by(DIGESTS.c.number.desc()).limit(newest)
    bodies = list(tx.connection.execute(query).scalars())
    return [digest for body in reversed(bodies) if (digest := parse(body))]


def is_stored(tx: Transaction, digest: Digest) -> bool:
    """Whether the ledger wrote this very digest."""
    query = sa.select(DIGESTS.c.body).where(DIGESTS.c.number == digest.number)
    return tx.connection.execute(query).scalar_one_or_none() == digest.body


def newest_in(folders: Sequence[Path], keys: Mapping[str, Ed25519PublicKey]) -> list[Digest]:
    """The newest digest of each folder that one of these keys (by id) signed."""
    found: list[Digest] = []
    for folder in folders:
        bodies = (path.read_text("utf-8", "replace") for path in sorted(folder.glob(PATTERN), reverse=True))
        digests = (digest for body in bodies if (digest := parse(body)))
        signed = (d for d in digests if d.key_id in keys and d.is_signed_by(keys[d.key_id]))
        newest = next(signed, None)
        found += [newest] if newest else []
    return found


def put(folders: Sequence[Path], digests: Sequence[Digest]) -> list[str]:
    """Write the files that a folder lacks; an existing file is never touched. Returns the files written."""
    written: list[str] = []
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        for digest in digests:
            path = folder / file_name(digest.number)
            if not path.exists():
                write_durably(path, digest.body.encode(), _MODE)
                written.append(str(path))
    return written
