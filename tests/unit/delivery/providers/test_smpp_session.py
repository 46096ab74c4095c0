"""One connection: what did not leave whole is certain, what left is not."""

import queue
import struct
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from carloan_notify.delivery.http import WireFault
from carloan_notify.delivery.providers.smpp.link import Session, Timers
from carloan_notify.delivery.providers.smpp.pdus import Mailbox, Unit, answered, written
from carloan_notify.delivery.providers.smpp.settings import SmppSettings
from carloan_notify.records import Outcome

SETTINGS = SmppSettings.model_validate(
    {
        "type": "smpp",
        "host": "127.0.0.1",
        "system_id": "lender",
        "password": "x",
        "window": 1,
    }
)


class FakeStream:
    """Hands out what a test puts in; `on_send` sees what is written, and may fail as a socket does."""

    def __init__(self) -> None:
        self.coming: queue.Queue[bytes | OSError] = queue.Queue()
        self.on_send: Callable[[bytes], None] = lambda _: None
        self.closed = threading.Event()

    def send(self, octets: bytes) -> None:
        if self.closed.is_set():
            raise BrokenPipeError
        self.on_send(octets)

    def receive(self, wait_s: float) -> bytes | None:
        try:
            found = self.coming.get(timeout=min(wait_s, 0.02))
        except queue.Empty:
            return None
        if isinstance(found, OSError):
            raise found
        return found

    def close(self) -> None:
        self.closed.set()


@pytest.fixture
def stream() -> FakeStream:
    return FakeStream()


@pytest.fixture
def session(stream: FakeStream) -> Iterator[Session]:
    made = Session(stream, SETTINGS, Mailbox(), Timers(answer=0.2))
    yield made
    made.drop()


def submit(sequence: int) -> bytes:
    return written("submit_sm", sequence, short_message=b"x")


def answer(stream: FakeStream) -> None:
    def replying(octets: bytes) -> None:
        (sequence,) = struct.unpack(">L", octets[12:16])
        stream.coming.put(written("submit_sm_resp", sequence, message_id="id"))

    stream.on_send = replying


def fail(_: bytes) -> None:
    raise ConnectionResetError


def test_an_answer(session: Session, stream: FakeStream) -> None:
    answer(stream)
    assert isinstance(session.ask(submit), Unit)


def test_what_was_not_written_whole_did_not_leave(session: Session, stream: FakeStream) -> None:
    stream.on_send = fail
    assert session.ask(submit) == WireFault(Outcome.RETRYABLE, "not_written:ConnectionResetError")
    assert not session.alive
    assert stream.closed.is_set()
    assert session.ask(submit) == WireFault(Outcome.RETRYABLE, "not_written:BrokenPipeError")


@pytest.mark.parametrize("end", [b"", b"\0" * 16, ConnectionResetError()])
def test_a_loss_after_it_left_is_unknown_at_once(
    session: Session, stream: FakeStream, end: bytes | OSError
) -> None:
    stream.on_send = lambda _: stream.coming.put(end)
    began = time.monotonic()
    assert session.ask(submit, 5) == WireFault(Outcome.UNKNOWN, "link_lost")
    assert time.monotonic() - began < 1


def test_silence_is_unknown_and_leaves_the_link_up(session: Session, stream: FakeStream) -> None:
    assert session.ask(submit) == WireFault(Outcome.UNKNOWN, "timed_out")
    assert session.alive
    answer(stream)
    assert isinstance(session.ask(submit), Unit)


def test_a_full_window(session: Session) -> None:
    holder = threading.Thread(target=session.ask, args=(submit, 0.3))
    holder.start()
    time.sleep(0.02)
    assert session.ask(submit, 0.05) == WireFault(Outcome.RETRYABLE, "window_full")
    holder.join()


def test_an_answer_that_cannot_be_sent_is_the_loss_of_the_link(session: Session, stream: FakeStream) -> None:
    stream.on_send = fail
    session.tell(answered("enquire_link_resp", 1))
    assert not session.alive


def test_a_goodbye_is_said_once(session: Session, stream: FakeStream) -> None:
    said: list[int] = []
    stream.on_send = lambda octets: said.append(struct.unpack(">L", octets[4:8])[0])
    threading.Timer(0.05, stream.coming.put, [b""]).start()
    session.close()
    session.close()
    assert said == [0x06]
