"""The portfolio of the last finished night, for the next one's guards: replaced each night, erased with a person.

One encrypted blob per so many loans, not a row per loan: a million loans cost less than a second.
"""

import base64
import zlib
from collections.abc import Iterator
from datetime import date
from typing import Final

import numpy as np
import pandas as pd
import sqlalchemy as sa

from carloan_notify.ledger.keys import Cipher
from carloan_notify.ledger.store import Transaction
from carloan_notify.ledger.tables import PORTFOLIO
from carloan_notify.notices.fingerprints import FINGERPRINT, Hasher, LastNight

LOANS_PER_PART: Final = 100_000
_FIELD: Final = "body"
_QUICK: Final = 1
"""Compression level: hashes do not shrink, and the rest shrinks as well at the quickest."""


def hasher(cipher: Cipher) -> Hasher:
    """Keyed hashes (SipHash-2-4) of whole columns; the key is derived from the ledger's hash key."""
    key = cipher.column_key()

    def hashed(texts: pd.Series) -> np.ndarray:
        return pd.util.hash_array(texts.to_numpy(dtype=object), hash_key=key, categorize=False)

    return hashed


def keep(tx: Transaction, run_id: str, as_of: date, prints: np.ndarray) -> None:
    """Replace what is remembered by `prints` (FINGERPRINT); an earlier business date replaces nothing."""
    if (known := _as_of(tx)) and known > as_of:
        return
    tx.connection.execute(sa.delete(PORTFOLIO))
    ordered = prints[np.argsort(prints["loan"])]
    for number, part in enumerate(_parts(ordered)):
        name = f"{number:06d}"
        row = {"part": name, "run_id": run_id, "as_of": as_of.isoformat(), "loans": len(part)}
        sealed = tx.cipher.seal(name, _FIELD, _packed(part))
        tx.connection.execute(sa.insert(PORTFOLIO), {**row, "body_sealed": sealed})


def last_night(tx: Transaction) -> LastNight | None:
    """What is remembered; None before the first finished night."""
    as_of = _as_of(tx)
    if as_of is None:
        return None
    rows = tx.connection.execute(sa.select(PORTFOLIO).order_by(PORTFOLIO.c.part)).mappings()
    parts = [_unpacked(tx.cipher.open(row["part"], _FIELD, row["body_sealed"])) for row in rows]
    return LastNight(as_of, np.concatenate(parts))


def mark(cipher: Cipher, customer_id: str) -> int:
    """The keyed hash by which a customer is remembered here, 32 bits."""
    (hashed,) = hasher(cipher)(pd.Series([customer_id], dtype="str")).astype(np.uint32)
    return int(hashed)


def erase(tx: Transaction, wanted: int) -> int:
    """Forget every loan of the customer of that `mark`; how many there were."""
    erased = 0
    for row in tx.connection.execute(sa.select(PORTFOLIO)).mappings().all():
        prints = _unpacked(tx.cipher.open(row["part"], _FIELD, row["body_sealed"]))
        kept = prints[prints["customer"] != wanted]
        if len(kept) == len(prints):
            continue
        erased += len(prints) - len(kept)
        values = {"loans": len(kept), "body_sealed": tx.cipher.seal(row["part"], _FIELD, _packed(kept))}
        tx.connection.execute(sa.update(PORTFOLIO).where(PORTFOLIO.c.part == row["part"]).values(**values))
    return erased


def _as_of(tx: Transaction) -> date | None:
    text = tx.connection.execute(sa.select(PORTFOLIO.c.as_of).limit(1)).scalar()
    return date.fromisoformat(text) if text else None


def _parts(prints: np.ndarray) -> Iterator[np.ndarray]:
    """Of an empty portfolio one empty part: that it was empty is remembered as well."""
    for start in range(0, max(len(prints), 1), LOANS_PER_PART):
        yield prints[start : start + LOANS_PER_PART]


def _packed(prints: np.ndarray) -> str:
    """Column by column, so that equal values stand side by side for the compression."""
    columns = b"".join(np.ascontiguousarray(prints[name]).tobytes() for name in _NAMES)
    return base64.b64encode(zlib.compress(columns, _QUICK)).decode()


def _unpacked(text: str) -> np.ndarray:
    columns = zlib.decompress(base64.b64decode(text))
    count = len(columns) // FINGERPRINT.itemsize
    prints, at = np.zeros(count, dtype=FINGERPRINT), 0
    for name in _NAMES:
        prints[name] = np.frombuffer(columns, FINGERPRINT[name], count, at)
        at += count * FINGERPRINT[name].itemsize
    return prints


_NAMES: Final = FINGERPRINT.names or ()
