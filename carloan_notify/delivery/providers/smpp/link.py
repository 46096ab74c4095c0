"""A link that is bound when it is needed and again after a loss, never in a storm."""

import itertools
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from carloan_notify.delivery.codes import ByCode, Listed
from carloan_notify.delivery.http import WireFault
from carloan_notify.delivery.provider import LONGEST_CONNECT_S
from carloan_notify.delivery.providers.smpp.pdus import (
    DELIVER_SM,
    ENQUIRE_LINK,
    OK,
    UNBIND,
    UNKNOWN_COMMAND,
    Mailbox,
    ProtocolError,
    Unit,
    Units,
    answered,
    status_name,
    written,
)
from carloan_notify.delivery.providers.smpp.settings import SmppSettings
from carloan_notify.records import Outcome

# One bound connection: many threads ask, one daemon thread reads.
#
# A thread of its own, not a poll inside `send` and `pull`: answers come in any order and to any of the threads
# that wait, and an SMSC that asks enquire_link wants its answer also between two sends.

TICK_S: Final = 0.5
LAST_SEQUENCE: Final = 0x7FFFFFFF
FAREWELL_S: Final = 1.0
"""Longest wait for the answer to an unbind."""


class Stream(Protocol):
    """Octets both ways (see `stream.Connection`)."""

    def send(self, octets: bytes) -> None:
        """Write all of it, or raise OSError."""

    def receive(self, wait_s: float) -> bytes | None:
        """What has come, None when nothing did in time, b"" at the end."""

    def close(self) -> None:
        """End both ways."""


@dataclass(frozen=True, slots=True)
class Timers:
    """How long the link waits, in seconds.

    `answer`: for an answer; a connection at most 5 s. `enquire`: the silence after which the link is tried. `rebind`:
    after a failed bind, because a storm of binds locks accounts. `receive`: `receipts pull`, for what the SMSC still
    holds.
    """

    answer: float = 20
    enquire: float = 30
    rebind: float = 5
    receive: float = 5


USUAL: Final = Timers()


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
        timers: Timers,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """The reader starts at once, and ends with the connection or the interpreter."""
        self._stream = stream
        self._timers = timers
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
        wait_s = timeout_s or self._timers.answer
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
        """Unbind and close."""
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
            if now - self._asked_at > self._timers.answer:
                self.drop()
        elif now - self._heard_at > self._timers.enquire:
            self._asked_at = now
            sequence = next(self._sequences) % LAST_SEQUENCE + 1
            self.tell(written("enquire_link", sequence))


# A connection that one thread reads while others write, also under TLS.


class Connection:
    """Octets in and out. OpenSSL does not read and write at once, so one lock serves both ways."""

    def __init__(self, connected: socket.socket) -> None:
        """Takes the socket over; its time-out bounds every write."""
        self._socket = connected
        self._lock = threading.Lock()
        self._readable = selectors.DefaultSelector()
        self._readable.register(connected, selectors.EVENT_READ)

    def send(self, octets: bytes) -> None:
        """Write all of it.

        Raises:
            OSError: not all of it was handed to the network, so the other side cannot have the whole.
        """
        with self._lock:
            self._socket.sendall(octets)

    def receive(self, wait_s: float) -> bytes | None:
        """What has come, None when nothing did in time, b"" when the other side is gone.

        Raises:
            OSError: the connection broke.
        """
        if not self._buffered() and not self._readable.select(wait_s):
            return None
        with self._lock:
            try:
                return self._socket.recv(65536)
            except (ssl.SSLWantReadError, TimeoutError):
                return None

    def close(self) -> None:
        """Whoever reads or writes at the moment gets an OSError or b""."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _buffered(self) -> bool:
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0


def connect(settings: SmppSettings, wait_s: float) -> Connection:
    """A connection to the SMSC, made within `wait_s`; a write may take as long.

    Raises:
        OSError: it cannot be reached, or its certificate is not vouched for.
    """
    raw = socket.create_connection((settings.host, settings.port), min(LONGEST_CONNECT_S, wait_s))
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        connected = _secured(raw, settings) if settings.tls else raw
    except OSError:
        raw.close()
        raise
    connected.settimeout(wait_s)
    return Connection(connected)


def _secured(raw: socket.socket, settings: SmppSettings) -> socket.socket:
    context = ssl.create_default_context(cafile=settings.ca_file or None)
    return context.wrap_socket(raw, server_hostname=settings.host)


Role = Literal["bind_transceiver", "bind_transmitter", "bind_receiver"]

SMPP_3_4: Final = 0x34
_CERTAIN: Final = frozenset({Outcome.ACCOUNT, Outcome.THROTTLED, Outcome.RETRYABLE})


class Link:
    """At most one session at a time. Safe for many threads."""

    def __init__(
        self,
        role: Role,
        settings: SmppSettings,
        codes: ByCode[Listed],
        mailbox: Mailbox,
        timers: Timers,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._role = role
        self._settings = settings
        self._codes = codes
        self._mailbox = mailbox
        self._timers = timers
        self._monotonic = monotonic
        self._binding = threading.Lock()
        self._session: Session | None = None
        self._fault = WireFault(Outcome.RETRYABLE, "not_bound")
        self._quiet_until = monotonic()

    def bound(self) -> Session | WireFault:
        """The session, bound now if need be; or why there is none. A fresh failure is not tried again at once."""
        with self._binding:
            if self._session is not None and self._session.alive:
                return self._session
            if self._monotonic() < self._quiet_until:
                return self._fault
            end = self._bind()
            if isinstance(end, WireFault):
                self._fault = end
                self._quiet_until = self._monotonic() + self._timers.rebind
                return end
            self._session = end
            return end

    def ask(self, make: Callable[[int], bytes]) -> Unit | WireFault:
        """The answer to a unit, over a bound session."""
        session = self.bound()
        return session if isinstance(session, WireFault) else session.ask(make)

    def close(self) -> None:
        """Unbind; a later `bound` would bind again."""
        with self._binding:
            session, self._session = self._session, None
        if session is not None:
            session.close()

    def _bind(self) -> Session | WireFault:
        """Nothing was sent yet, so every failure is a certain one."""
        try:
            stream = connect(self._settings, self._timers.answer)
        except OSError as error:
            return WireFault(Outcome.RETRYABLE, f"not_connected:{type(error).__name__}")
        session = Session(stream, self._settings, self._mailbox, self._timers, self._monotonic)
        answer = session.ask(self._unit)
        if isinstance(answer, Unit) and answer.status == OK:
            return session
        session.drop()
        if isinstance(answer, WireFault):
            return WireFault(Outcome.RETRYABLE, f"not_bound:{answer.code}")
        name = status_name(answer.status)
        listed = self._codes.get(name)
        outcome = listed.outcome if listed and listed.outcome in _CERTAIN else Outcome.RETRYABLE
        return WireFault(outcome, f"not_bound:{name}")

    def _unit(self, sequence: int) -> bytes:
        settings = self._settings
        return written(
            self._role,
            sequence,
            system_id=settings.system_id,
            password=settings.password.get_secret_value(),
            system_type=settings.system_type,
            interface_version=SMPP_3_4,
        )
