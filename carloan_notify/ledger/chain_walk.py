"""One walk along the chain that tells what was done to it: modified, deleted, inserted, reordered.

A row is sound when its hash is right for its content and number, and when it carries its predecessor's hash.
Most rows are; the rest are looked at by their *own number*, the one for which their hash would be right. A
row whose own number is near shows that rows were taken out, put in or swapped and then renumbered.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from carloan_notify.ledger.audit import GENESIS, AuditRow, hash_of

_REACH: Final = 64
"""How far a row's own number is looked for.

Swaps over a longer way are found among the bad rows at the end.
"""
_MOST: Final = 1_000
"""After so many breaches the walk only counts them: a longer list tells no more."""
_COMPARED: Final = 200


class BreachKind(StrEnum):
    """What was done to the audit. These codes never change."""

    MODIFIED = "modified"
    DELETED = "deleted"
    INSERTED = "inserted"
    REORDERED = "reordered"
    TRUNCATED = "truncated"
    ROLLED_BACK = "rolled_back"
    WRONG_KEY = "wrong_key"
    MISSING_DIGEST = "missing_digest"
    MODIFIED_DIGEST = "modified_digest"


@dataclass(frozen=True, slots=True)
class Breach:
    """One finding: where (`audit row 7`, `digest 3`, a file) and what it means."""

    kind: BreachKind
    place: str
    message: str


class ChainWalk:
    """Feed it rows in order of `seq`, then ask `finish` for the breaches.

    Memory does not grow with the chain.
    """

    def __init__(self, marks: Iterable[int] = ()) -> None:
        """`marks` are row numbers whose stored hash is kept in `heads`, for comparison with digests."""
        self.count = 0
        self.heads: dict[int, str] = {0: GENESIS}
        self.last_seq = 0
        self._marks = frozenset(marks)
        self.last_hash = GENESIS
        self._shift = 0  # how far rows stand behind (+) or before (-) their own number
        self._suspect = -1  # number of the last row that was not sound
        self._altered: list[AuditRow] = []
        self._displaced: list[tuple[AuditRow, int]] = []
        self._breaches: list[Breach] = []

    @property
    def is_full(self) -> bool:
        """Have so many breaches been found that further ones are not listed?"""
        return len(self._breaches) + len(self._altered) >= _MOST

    def feed(self, row: AuditRow) -> None:
        """Take the next row."""
        self.count += 1
        if row.seq <= 0:
            self._tell(BreachKind.INSERTED, str(row.seq), "a row before the first one")
            return
        if row.seq != self.last_seq + 1:
            self._gap(row)
        own = row.seq - self._shift
        linked = row.prev == self.last_hash
        if not (linked and hash_of(row, seq=own) == row.hash) and not self.is_full:
            self._classify(row, own, linked=linked or row.seq != self.last_seq + 1)
        self.last_seq = row.seq
        self.last_hash = row.hash
        if row.seq in self._marks:
            self.heads[row.seq] = row.hash

    def finish(self) -> list[Breach]:
        """Every breach, in the order of the rows."""
        self._close_displaced()
        self._breaches.extend(_swapped_or_modified(self._altered))
        return sorted(self._breaches, key=lambda breach: int(breach.place.rsplit(" ", 1)[-1].split("-")[0]))

    def _gap(self, row: AuditRow) -> None:
        first, last = self.last_seq + 1, row.seq - 1
        if not self.is_full:
            self._tell(BreachKind.DELETED, _span(first, last), "missing: somebody deleted it")

    def _classify(self, row: AuditRow, own: int, *, linked: bool) -> None:
        if hash_of(row, seq=own) == row.hash:
            if not linked:
                self._broken_link(row)
            return
        self._suspect = row.seq
        real = _own_number(row, own)
        if real is None:
            self._altered.append(row)
        else:
            self._displaced.append((row, real))
            if not self._settle_shift():
                self._close_permutation()

    def _broken_link(self, row: AuditRow) -> None:
        """The row is right in itself but follows another row than the one before it."""
        if self._suspect != row.seq - 1:  # otherwise the row before is told already
            text = "its hash is not the one the next row was chained to"
            self._tell(BreachKind.MODIFIED, str(row.seq - 1), text)

    def _settle_shift(self) -> bool:
        """Two neighbours moved by the same distance: everything behind them is renumbered."""
        if len(self._displaced) < 2:  # noqa: PLR2004 - two neighbours
            return False
        (first, real), (second, its_real) = self._displaced[-2:]
        if second.seq != first.seq + 1 or its_real != real + 1:
            return False
        distance = real - (first.seq - self._shift)
        self._displaced = self._displaced[:-2]
        self._renumbered(first, distance)
        self._shift -= distance
        return True

    def _renumbered(self, first: AuditRow, distance: int) -> None:
        if distance > 0:
            place = _span(first.seq, first.seq + distance - 1)
            self._tell(BreachKind.DELETED, place, "taken out, and the rows behind renumbered to hide it")
            return
        start = first.seq + distance
        self._altered = [row for row in self._altered if not start <= row.seq < first.seq]
        self._displaced = [(row, real) for row, real in self._displaced if not start <= row.seq < first.seq]
        place = _span(start, first.seq - 1)
        self._tell(BreachKind.INSERTED, place, "put in, and the rows behind renumbered to make room")

    def _close_permutation(self) -> None:
        places = sorted(row.seq for row, _ in self._displaced)
        if places == sorted(real for _, real in self._displaced):
            for row, real in self._displaced:
                self._tell(BreachKind.REORDERED, str(row.seq), f"this row was written as row {real}")
            self._displaced = []

    def _close_displaced(self) -> None:
        """At the end: rows that moved without anybody taking their place."""
        for row, real in self._displaced:
            self._renumbered(row, real - (row.seq - self._shift))
        self._displaced = []

    def _tell(self, kind: BreachKind, numbers: str, message: str) -> None:
        self._breaches.append(Breach(kind, f"audit row {numbers}", message))


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def _own_number(row: AuditRow, expected: int) -> int | None:
    nearby = (expected + sign * step for step in range(1, _REACH + 1) for sign in (1, -1))
    return next((seq for seq in nearby if seq > 0 and hash_of(row, seq=seq) == row.hash), None)


def _swapped_or_modified(altered: list[AuditRow]) -> list[Breach]:
    """Rows whose own number is not near: exchanged with another bad row (or its content), or modified."""
    found: list[Breach] = []
    for row in altered:
        others = [other for other in altered[:_COMPARED] if other.seq != row.seq]
        whole = next((o.seq for o in others if hash_of(row, seq=o.seq) == row.hash), None)
        content = next((o.seq for o in others if hash_of(row, seq=o.seq, prev=o.prev) == o.hash), None)
        real = whole or content
        place = f"audit row {row.seq}"
        if real:
            found.append(Breach(BreachKind.REORDERED, place, f"this row was written as row {real}"))
        else:
            found.append(
                Breach(BreachKind.MODIFIED, place, "its content is not what was hashed when it was written")
            )
    return found
