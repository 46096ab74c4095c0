"""Receipts and replies between their arrival and the moment when they are on disk.

An SMSC keeps a deliver_sm until it is answered. It is answered with ESME_ROK when the caller asks for the page
after the one that held it, because only then it is on disk. What nobody fetches in time is put off, and the
SMSC sends it again later; what a lost link leaves unanswered likewise. So nothing is lost, and a few come twice.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from carloan_notify.delivery.providers.smpp.pdus import NOT_NOW, OK, Unit, answered

LONGEST_HOLD_S: Final = 30.0
"""Before an SMSC loses its patience with an answer; 60 s is usual."""
MOST_HELD: Final = 1000
PAGE: Final = 500
GAP_S: Final = 0.05
"""An SMSC sends its window at once; a pause this long means that it waits for answers."""


class Line(Protocol):
    """Where a deliver_sm came from and its answer goes."""

    @property
    def alive(self) -> bool:
        """Whether an answer can still be sent."""

    def tell(self, octets: bytes) -> None:
        """Send an answer; a lost line is no fault."""


@dataclass(frozen=True, slots=True)
class Held:
    """A deliver_sm that is not answered yet."""

    line: Line
    unit: Unit
    since: float


class Mailbox:
    """What came and is not answered. Safe for many threads."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Empty."""
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._held: list[Held] = []
        self._handed: dict[str, list[Held]] = {}
        self._pages = 0

    def put(self, line: Line, unit: Unit) -> None:
        """Keep it until it is fetched; put it off when there are too many."""
        with self._changed:
            kept = len(self._held) < MOST_HELD
            if kept:
                self._held.append(Held(line, unit, self._monotonic()))
                self._changed.notify_all()
        if not kept:
            _answer(line, unit, NOT_NOW)

    def take(self, wait_s: float) -> tuple[str, list[Unit]]:
        """A page and its name, after at most `wait_s` seconds; an empty page has no name."""
        deadline = self._monotonic() + wait_s
        with self._changed:
            while not self._arrived() and (left := deadline - self._monotonic()) > 0:
                self._changed.wait(left)
            while len(self._held) < PAGE and self._held and self._changed.wait(GAP_S):
                pass
            page, self._held = self._held[:PAGE], self._held[PAGE:]
            if not page:
                return "", []
            self._pages += 1
            name = str(self._pages)
            self._handed[name] = page
            return name, [held.unit for held in page]

    def confirm(self, name: str) -> None:
        """Answer a page that is on disk; an unknown name is of another process."""
        with self._changed:
            page = self._handed.pop(name, [])
        for held in page:
            _answer(held.line, held.unit, OK)

    def put_off_overdue(self) -> None:
        """Put off what nobody fetched in time."""
        latest = self._monotonic() - LONGEST_HOLD_S
        with self._changed:
            overdue = [held for held in self._held if held.since <= latest]
            self._held = [held for held in self._held if held.since > latest]
        for held in overdue:
            _answer(held.line, held.unit, NOT_NOW)

    def put_off_all(self) -> None:
        """At the end: what was never fetched, and what was fetched and never confirmed."""
        with self._changed:
            left = [*self._held, *(held for page in self._handed.values() for held in page)]
            self._held, self._handed = [], {}
        for held in left:
            _answer(held.line, held.unit, NOT_NOW)

    def _arrived(self) -> bool:
        """Whether anything waits; what came over a line that is gone will come again."""
        self._held = [held for held in self._held if held.line.alive]
        return bool(self._held)


def _answer(line: Line, unit: Unit, status: int) -> None:
    if line.alive:
        line.tell(answered("deliver_sm_resp", unit.sequence, status))
