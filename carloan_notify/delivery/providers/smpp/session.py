"""One bound connection: many threads ask, one daemon thread reads.

A thread of its own, not a poll inside `send` and `pull`: answers come in any order and to any of the threads
that wait, and an SMSC that asks enquire_link wants its answer also between two sends.
"""

import itertools
import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

from carloan_notify.delivery.providers.smpp.mailbox import Mailbox
from carloan_notify.delivery.providers.smpp.pdus import (
    DELIVER_SM,
    ENQUIRE_LINK,
    UNBIND,
    UNKNOWN_COMMAND,
    ProtocolError,
    Unit,
    Units,
    answered,
    written,
)
from carloan_notify.delivery.providers.smpp.settings import SmppSettings
from carloan_notify.delivery.wire import WireFault
from carloan_notify.records import Outcome

TICK_S: Final = 0.5
LAST_SEQUENCE: Final = 0x7FFFFFFF
FAREWELL_S: Final = 1.0
"""How long an unbind may take; nobody waits longer for a goodbye."""


class Stream(Protocol):
    """Octets both ways (see `stream.Connection`)."""

    def send(self, octets: bytes) -> None:
        """Write all of it, or raise OSError."""

    def receive(self, wait_s: float) -> bytes | None:
        """What has come, None when nothing did in time, b"" at the end."""

    def close(self) -> None:
        """End both ways."""


class _Question:
    """One of our units that waits for its answer."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.answer: Unit | None = None


class Session:
    """From connect to loss; never opened again. Safe for many threads."""

    def __init__(
        self,
        stream: Stream,
        settings: SmppSettings,
        mailbox: Mailbox,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """The reader starts at once, and ends with the connection or the interpreter."""
        self._stream = stream
        self._settings = settings
        self._mailbox = mailbox
        self._monotonic = monotonic
        self._sequences = itertools.count(1)
        self._window = threading.Semaphore(settings.window)
        self._lock = threading.Lock()
        self._questions: dict[int, _Question] = {}
        self._lost = threading.Event()
        self._heard_at = self._asked_at = monotonic()
        threading.Thread(target=self._read, name=f"smpp-{settings.host}", daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether the connection stands, as far as anybody knows."""
        return not self._lost.is_set()

    def ask(self, make: Callable[[int], bytes], timeout_s: float | None = None) -> Unit | WireFault:
        """The answer to a unit that `make` writes with its sequence number.

        RETRYABLE when the unit did not leave whole; UNKNOWN when it did and no answer came.
        """
        wait_s = timeout_s or self._settings.answer_timeout_s
        if not self._window.acquire(timeout=wait_s):
            return WireFault(Outcome.RETRYABLE, "window_full")
        try:
            return self._asked(make, wait_s)
        finally:
            self._window.release()

    def tell(self, octets: bytes) -> None:
        """Send a unit that needs no answer; failing to is the loss of the connection."""
        try:
            self._stream.send(octets)
        except OSError:
            self.drop()

    def close(self) -> None:
        """Say goodbye and close."""
        if self.alive:
            self.ask(lambda sequence: written("unbind", sequence), FAREWELL_S)
        self.drop()

    def drop(self) -> None:
        """Close without a word; whoever waits for an answer learns that none will come."""
        self._lost.set()
        self._stream.close()
        with self._lock:
            waiting, self._questions = list(self._questions.values()), {}
        for question in waiting:
            question.done.set()

    def _asked(self, make: Callable[[int], bytes], wait_s: float) -> Unit | WireFault:
        question = _Question()
        with self._lock:
            sequence = next(self._sequences) % LAST_SEQUENCE + 1
            self._questions[sequence] = question
        try:
            self._stream.send(make(sequence))
        except OSError as error:
            self.drop()
            return WireFault(Outcome.RETRYABLE, f"not_written:{type(error).__name__}")
        question.done.wait(wait_s)
        with self._lock:
            self._questions.pop(sequence, None)
        if question.answer is not None:
            return question.answer
        return WireFault(Outcome.UNKNOWN, "timed_out" if self.alive else "link_lost")

    def _read(self) -> None:
        units = Units()
        try:
            while self.alive:
                octets = self._stream.receive(TICK_S)
                if octets == b"":
                    break
                for unit in units.fed(octets or b""):
                    self._heard_at = self._monotonic()
                    self._took(unit)
                self._mailbox.put_off_overdue()
                self._enquire()
        except (OSError, ValueError, ProtocolError):
            pass  # whatever broke it, the connection is of no more use, and that is told below
        self.drop()

    def _took(self, unit: Unit) -> None:
        if unit.is_response:
            with self._lock:
                question = self._questions.pop(unit.sequence, None)
            if question is not None:
                question.answer = unit
                question.done.set()
        elif unit.command == DELIVER_SM:
            self._mailbox.put(self, unit)
        elif unit.command == ENQUIRE_LINK:
            self.tell(answered("enquire_link_resp", unit.sequence))
        elif unit.command == UNBIND:
            self.tell(answered("unbind_resp", unit.sequence))
            self.drop()
        else:
            self.tell(answered("generic_nack", unit.sequence, UNKNOWN_COMMAND))

    def _enquire(self) -> None:
        """Ask after a silence; a silence that lasts on is the loss of the connection."""
        now = self._monotonic()
        if self._asked_at > self._heard_at:
            if now - self._asked_at > self._settings.answer_timeout_s:
                self.drop()
        elif now - self._heard_at > self._settings.enquire_link_s:
            self._asked_at = now
            sequence = next(self._sequences) % LAST_SEQUENCE + 1
            self.tell(written("enquire_link", sequence))
