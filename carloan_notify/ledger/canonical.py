"""Canonical JSON and the hash of one audit row, in the few lines an auditor needs to recompute both.

A row's hash is SHA-256 over the canonical JSON of `[seq, at, kind, subject, data, prev]`, where `prev` is
the hash of the row before it (64 zeros for the first). Canonical: keys sorted, no spaces, UTF-8, no escapes
beyond those JSON demands, no NaN (the subset of RFC 8785 that integers and text need).
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import Any, Final

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
