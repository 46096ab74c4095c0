"""What is remembered of a portfolio from one night to the next: 37 bytes a loan, keyed hashes and small numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import pandas as pd

from carloan_notify import frames

Hasher = Callable[[pd.Series], np.ndarray]
"""Texts → uint64, the same for equal texts; keyed, so that nobody without the key can try numbers out."""

FINGERPRINT: Final = np.dtype(
    [
        ("loan", "<u8"),
        ("customer", "<u4"),
        ("phone", "<u4"),
        ("product", "<u2"),
        ("status", "u1"),  # place in STATUSES, from 1
        ("due", "<u2"),  # next due date, days since EPOCH, 0 for none
        ("original", "<u2"),  # the same before changes and business-day shifts
        ("past_due", "<u2"),  # days
        ("due_minor", "<u4"),  # unpaid of the next installment, minor units
        ("overdue_minor", "<u4"),
        ("principal", "<u4"),  # hundreds of minor units: an Indonesian loan has more than 2^32 of those
    ]
)
STATUSES: Final = ("pending", "active", "settled", "charged_off", "cancelled")
ACTIVE: Final = STATUSES.index("active") + 1
SETTLED: Final = STATUSES.index("settled") + 1
EPOCH: Final = np.datetime64("2000-01-01", "D")
MOST_MINOR: Final = 2**32 - 1
"""An amount above this is kept as this: it is not compared."""
_MOST_DAYS: Final = 2**16 - 1
_PART: Final = 100_000
_OF_STANDING: Final = (
    "status",
    "next_due_on",
    "next_original_due_on",
    "days_past_due",
    "next_due_minor",
    "overdue_minor",
)
_HUNDRED: Final = 100


@dataclass(frozen=True, slots=True)
class LastNight:
    """The portfolio of the last finished night: its business date, and FINGERPRINT rows sorted by `loan`."""

    as_of: date
    prints: np.ndarray


@dataclass(frozen=True, slots=True)
class Pairs:
    """The loans of both nights, row by row (FINGERPRINT), and those of one night only.

    `place` is the row of each `after` in tonight's loans table. `changed` and `paid` mark the loans with a change row
    and those that paid lately (`drifts.reasoned`).
    """

    since: date
    until: date
    before: np.ndarray
    after: np.ndarray
    place: np.ndarray
    vanished: np.ndarray
    fresh: np.ndarray
    changed: np.ndarray
    paid: np.ndarray


def fingerprints(loans: pd.DataFrame, standing: pd.DataFrame, hasher: Hasher) -> np.ndarray:
    """FINGERPRINT rows of `loans` (frames.LOANS), in their order; `standing` is frames.STANDING."""
    places = frames.places(loans["loan_id"], standing["loan_id"])
    stands = (
        standing[list(_OF_STANDING)].reset_index(drop=True).reindex(places)
    )  # -1 is no row: nothing is known
    rows = np.zeros(len(loans), dtype=FINGERPRINT)
    rows["loan"] = _hashed(hasher, loans["loan_id"])
    for field in ("customer", "phone", "product"):
        column = loans["customer_id" if field == "customer" else field]
        rows[field] = np.where((column == "").to_numpy(), 0, _hashed(hasher, column)).astype(
            FINGERPRINT[field]
        )
    statuses = pd.Index(STATUSES).get_indexer(pd.Index(stands["status"].fillna(""))) + 1
    rows["status"] = statuses.astype(np.uint8)
    rows["due"] = day_numbers(stands["next_due_on"])
    rows["original"] = day_numbers(stands["next_original_due_on"])
    rows["past_due"] = _capped(stands["days_past_due"], _MOST_DAYS)
    rows["due_minor"] = _capped(stands["next_due_minor"], MOST_MINOR)
    rows["overdue_minor"] = _capped(stands["overdue_minor"], MOST_MINOR)
    rows["principal"] = _capped(loans["principal_minor"] // _HUNDRED, MOST_MINOR)
    return rows


def _hashed(hasher: Hasher, texts: pd.Series) -> np.ndarray:
    """The hashes, made in parts: for a moment each text is an object of its own, which takes ten times its room."""
    parts = [hasher(texts.iloc[begin : begin + _PART]) for begin in range(0, len(texts), _PART)]
    return np.concatenate([np.zeros(0, dtype=np.uint64), *parts])


def paired(last: LastNight, tonight: np.ndarray, as_of: date) -> Pairs:
    """Last night's loans beside tonight's. Both hold each loan once."""
    _, old, new = np.intersect1d(last.prints["loan"], tonight["loan"], return_indices=True)
    gone, fresh = np.ones(len(last.prints), dtype=bool), np.ones(len(tonight), dtype=bool)
    gone[old] = False
    fresh[new] = False
    none = np.zeros(len(old), dtype=bool)
    return Pairs(
        since=last.as_of,
        until=as_of,
        before=last.prints[old],
        after=tonight[new],
        place=new,
        vanished=last.prints[gone],
        fresh=tonight[fresh],
        changed=none,
        paid=none,
    )


def day_numbers(days: pd.Series | Sequence[date]) -> np.ndarray:
    """Dates as days since EPOCH, 0 for none and for what lies outside the years 2000 to 2179."""
    dates = pd.to_datetime(pd.Series(days)).to_numpy().astype("datetime64[D]")
    numbers = np.where(np.isnat(dates), 0, (dates - EPOCH).astype(np.int64))
    return np.where((numbers < 0) | (numbers > _MOST_DAYS), 0, numbers).astype(np.uint16)


def day_number(day: date) -> int:
    """One date as days since EPOCH."""
    return int((np.datetime64(day, "D") - EPOCH).astype(np.int64))


def _capped(values: pd.Series, most: int) -> np.ndarray:
    return values.fillna(0).clip(0, most).to_numpy().astype(np.int64)
