"""Signed digests: one small file per run that fixes the head of the chain outside the ledger."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from carloan_notify.ledger import audit, schema, signing
from carloan_notify.ledger.canonical import canonical
from carloan_notify.ledger.instants import to_text
from carloan_notify.ledger.keys import write_durably
from carloan_notify.ledger.tables import DIGESTS
from carloan_notify.records import AuditEvent

FORMAT: Final = "carloan-notify-digest/1"
PATTERN: Final = "digest-*.json"
NO_DIGEST: Final = "0" * 64
_MODE: Final = 0o644


@dataclass(frozen=True, slots=True)
class Digest:
    """What a digest file says.

    `count` rows up to a head with hash `head`; `previous` hashes the file before.
    """

    number: int
    ledger_id: str
    run_id: str
    written_at: str
    count: int
    head: str
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
        return signing.is_signed(key, self.signature, canonical(fields).encode())


def parse(body: str) -> Digest | None:
    """The digest in a file's text; None when it is not one."""
    try:
        fields = json.loads(body)
        known = fields.pop("format") == FORMAT
        found = Digest(**fields, body=body)
        sound = known and isinstance(found.number, int) and isinstance(found.count, int)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return found if sound else None


def file_name(number: int) -> str:
    """`digest-00000042.json`."""
    return f"digest-{number:08d}.json"


def write(
    connection: sa.Connection,
    key: Ed25519PrivateKey,
    run: tuple[str, Mapping[str, Any]],
    seen: Sequence[Digest],
    now: datetime,
) -> Digest:
    """Sign the head as it stands, keep the digest in the ledger and audit it; the file is written after.

    `run` is run id and counts. `seen` are digests found in the folders: after a restore they may be newer
    than the ledger's own, and numbers go on behind them.
    """
    head = audit.lock_head(connection)
    run_id, counts = run
    before = sorted([*seen, *stored(connection, newest=1)], key=lambda digest: digest.number)
    fields = {
        "format": FORMAT,
        "number": before[-1].number + 1 if before else 1,
        "ledger_id": schema.meta(connection, "ledger_id"),
        "run_id": run_id,
        "written_at": to_text(now),
        "count": head.seq,
        "head": head.hash,
        "previous": before[-1].hash if before else NO_DIGEST,
        "counts": dict(counts),
        "key_id": signing.public_id(key.public_key()),
    }
    body = canonical({**fields, "signature": signing.sign(key, canonical(fields).encode())}) + "\n"
    connection.execute(sa.insert(DIGESTS), {"number": fields["number"], "run_id": run_id, "body": body})
    digest = Digest(**{k: v for k, v in json.loads(body).items() if k != "format"}, body=body)
    data = {"number": digest.number, "count": head.seq, "hash": digest.hash}
    audit.append(connection, [AuditEvent("digest.written", run_id, data)], now)
    return digest


def stored(connection: sa.Connection, newest: int | None = None) -> list[Digest]:
    """The ledger's own copies of its digests in order, all or the newest; unreadable ones are left out."""
    query = sa.select(DIGESTS.c.body).order_by(DIGESTS.c.number.desc()).limit(newest)
    bodies = list(connection.execute(query).scalars())
    return [digest for body in reversed(bodies) if (digest := parse(body))]


def newest_in(folders: Sequence[Path], key: Ed25519PublicKey) -> list[Digest]:
    """The newest digest of each folder that this key signed."""
    found: list[Digest] = []
    for folder in folders:
        bodies = (path.read_text("utf-8", "replace") for path in sorted(folder.glob(PATTERN), reverse=True))
        digests = (digest for body in bodies if (digest := parse(body)))
        newest = next((digest for digest in digests if digest.is_signed_by(key)), None)
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
