"""The audit as one JSONL file that proves itself: header, every row, every digest, and an end line.

`verify` needs only the file; with the auditor's own copy of the public key it needs not even trust the
header.
"""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from carloan_notify.errors import LedgerError
from carloan_notify.ledger import audit_verify, digest, signing
from carloan_notify.ledger.audit import Head
from carloan_notify.ledger.audit_verify import Evidence, Shelf, Verification
from carloan_notify.ledger.canonical import AuditRow, canonical
from carloan_notify.ledger.digest import Digest

FORMAT: Final = "carloan-notify-audit/1"
_MODE: Final = 0o644


@dataclass(frozen=True, slots=True)
class Exported:
    """What went into the file."""

    rows: int
    digests: int


def write(
    path: Path,
    rows: Iterable[AuditRow],
    signed: Sequence[Digest],
    keys: Sequence[Ed25519PublicKey],
    ledger_id: str,
) -> Exported:
    """Write the export; a file that is there already raises `LedgerError`."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
    except OSError as problem:
        raise LedgerError(
            f"{path}: cannot write the export ({problem.strerror}); name a new file"
        ) from problem
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
        header = {
            "format": FORMAT,
            "ledger_id": ledger_id,
            "public_keys": [signing.public_pem(key) for key in keys],
        }
        _line(file, header)
        last = Head(0, "")
        for row in rows:
            _line(file, {**asdict(row), "data": json.loads(row.data)})
            last = Head(last.seq + 1, row.hash)
        for item in signed:
            _line(file, {"digest": item.body})
        _line(file, {"end": {"rows": last.seq, "head": last.hash, "digests": len(signed)}})
    return Exported(last.seq, len(signed))


def _line(file: TextIO, value: dict[str, Any]) -> None:
    file.write(canonical(value) + "\n")


def verify(path: Path, public_key_file: Path | None = None) -> Verification:
    """Verify an export alone. Without `public_key_file` the keys in its header are believed.

    A file that is no export raises `LedgerError`; a changed one gives breaches.
    """
    tail = _tail(path)
    header = next(_objects(path))
    trusted = signing.trusted(public_key_file) if public_key_file else _header_keys(header)
    evidence = Evidence(
        ledger_id=str(header.get("ledger_id")),
        head=tail.head,
        known=tail.digests,
        shelves=[Shelf("export", {digest.file_name(item.number): item.body for item in tail.digests})],
        trusted=trusted,
    )
    return audit_verify.verify(_rows(path), evidence)


@dataclass(frozen=True, slots=True)
class _Tail:
    head: Head
    digests: list[Digest]


def _tail(path: Path) -> _Tail:
    """Digests and end line. Without an end line the file was cut: its head is beyond any row."""
    found: list[Digest] = []
    head: Head | None = None
    for value in _objects(path):
        if "digest" in value and (item := digest.parse(str(value["digest"]))):
            found.append(item)
        if "end" in value:
            head = Head(int(value["end"]["rows"]), str(value["end"]["head"]))
    if head is None:
        raise LedgerError(f"{path}: the end line is missing: the file was cut off; export it again")
    return _Tail(head, found)


def _rows(path: Path) -> Iterator[AuditRow]:
    for value in _objects(path):
        if "seq" in value:
            yield AuditRow(**{**value, "data": canonical(value["data"])})


def _objects(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                value = json.loads(line)
                if number == 1 and value.get("format") != FORMAT:
                    raise LedgerError(f"{path}: not an audit export of this tool")
                yield value
    except (OSError, ValueError, AttributeError) as problem:
        raise LedgerError(f"{path}: cannot be read as an audit export; export it again") from problem


def _header_keys(header: dict[str, Any]) -> dict[str, Ed25519PublicKey]:
    keys = [serialization.load_pem_public_key(str(pem).encode()) for pem in header.get("public_keys", [])]
    return {signing.public_id(key): key for key in keys if isinstance(key, Ed25519PublicKey)}
