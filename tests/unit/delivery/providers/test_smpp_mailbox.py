"""What is delivered is answered when it is on disk, put off when nobody fetches it."""

import struct
import threading

from carloan_notify.delivery.providers.smpp import pdus
from carloan_notify.delivery.providers.smpp.pdus import DELIVER_SM, NOT_NOW, OK, Mailbox, Unit


class FakeLine:
    def __init__(self) -> None:
        self.alive = True
        self.answers: list[tuple[int, int]] = []

    def tell(self, octets: bytes) -> None:
        status, sequence = struct.unpack(">LL", octets[8:16])
        self.answers.append((sequence, status))


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def unit(sequence: int) -> Unit:
    return Unit(DELIVER_SM, 0, sequence, b"")


def test_a_page_is_answered_when_the_next_is_asked_for() -> None:
    box, line = Mailbox(), FakeLine()
    box.put(line, unit(1))
    box.put(line, unit(2))
    name, page = box.take(0)
    assert [one.sequence for one in page] == [1, 2]
    assert line.answers == []
    box.confirm("another process's")
    assert line.answers == []
    box.confirm(name)
    box.confirm(name)
    assert line.answers == [(1, OK), (2, OK)]
    assert box.take(0) == ("", [])


def test_pages_have_a_most() -> None:
    box, line = Mailbox(), FakeLine()
    for sequence in range(pdus.PAGE + 1):
        box.put(line, unit(sequence))
    (first, one), (second, two) = box.take(0), box.take(0)
    assert (len(one), len(two)) == (pdus.PAGE, 1)
    assert first != second


def test_too_many_are_put_off() -> None:
    box, line = Mailbox(), FakeLine()
    for sequence in range(pdus.MOST_HELD + 2):
        box.put(line, unit(sequence))
    assert line.answers == [(pdus.MOST_HELD, NOT_NOW), (pdus.MOST_HELD + 1, NOT_NOW)]


def test_what_nobody_fetches_is_put_off_in_time() -> None:
    now, line = Time(), FakeLine()
    box = Mailbox(now)
    box.put(line, unit(1))
    now.now = pdus.LONGEST_HOLD_S - 1
    box.put(line, unit(2))
    box.put_off_overdue()
    assert line.answers == []
    now.now += 1
    box.put_off_overdue()
    assert line.answers == [(1, NOT_NOW)]


def test_at_the_end_everything_is_put_off_but_what_is_on_disk() -> None:
    box, line = Mailbox(), FakeLine()
    box.put(line, unit(1))
    on_disk, _ = box.take(0)
    box.put(line, unit(2))
    box.take(0)
    box.put(line, unit(3))
    box.confirm(on_disk)
    box.put_off_all()
    assert line.answers == [(1, OK), (3, NOT_NOW), (2, NOT_NOW)]


def test_a_lost_lines_deliveries_come_again_by_themselves() -> None:
    box, line = Mailbox(), FakeLine()
    box.put(line, unit(1))
    line.alive = False
    assert box.take(0) == ("", [])
    box.put_off_all()
    assert line.answers == []


def test_whoever_waits_is_woken() -> None:
    box, line = Mailbox(), FakeLine()
    timer = threading.Timer(0.05, box.put, (line, unit(1)))
    timer.start()
    assert box.take(5)[1] == [unit(1)]
    timer.join()
