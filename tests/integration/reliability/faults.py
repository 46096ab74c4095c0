"""Every fault of docs/reliability.md: how it is made, what heals it, what `send` says meanwhile."""

import resource
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from carloan_notify.delivery.simulator.server import Simulator
from carloan_notify.delivery.simulator.settings import Faults
from tests.integration.ledger.drafts import NOW
from tests.integration.reliability.forking import Forked
from tests.integration.reliability.world import World, make_world, sending

MESSAGES = 24
LATER = NOW + timedelta(minutes=15)  # "never arrived" is believed by then
IN_HALF_AN_HOUR = NOW + timedelta(minutes=30)
FINE = Faults()
HEALED_AFTER_S = 0.2


@dataclass(frozen=True)
class Case:
    """A fault. `play` makes it happen and returns the exit code of the `send` that met it."""

    name: str
    play: Callable[[World], int]
    healed_by: str
    faults: Faults = FINE
    options: dict[str, Any] = field(default_factory=dict)
    messages: int = MESSAGES
    heal_at: datetime = LATER
    then: str = ""  # what to say of the states where they depend on the moment


@dataclass(frozen=True)
class Measured:
    """What a fault led to; a line of the matrix."""

    fault: str
    exit_code: int
    then: str
    healed_by: str
    end: str
    told_twice: int
    lost: int

    def row(self) -> str:
        """The line as Markdown."""
        cells = (
            self.fault,
            str(self.exit_code),
            self.then,
            self.healed_by,
            self.end,
            str(self.told_twice),
            str(self.lost),
        )
        return "| " + " | ".join(cells) + " |"


HEADING = (
    "| Fault | `send` exits | messages then | healed by | with their receipts | told twice | lost |\n"
    "|---|---|---|---|---|---|---|"
)
NEXT = "the next `send`"
RECONCILED = "`reconcile`"
RESENT = "`reconcile`, the next `send`"
ITSELF = "waiting, in the same `send`"
NOBODY = "—"
AS_FAR = "as far as it came"


def measure(case: Case, folder: Path) -> Measured:
    """Live through a fault, heal it as `healed_by` says, and hold the ledger against the gateway."""
    with Simulator(case.faults, seed=11) as simulator:
        world = make_world(folder, simulator, case.messages, **case.options)
        code = case.play(world)
        then = case.then or _told(world)
        simulator.gateway.faults = simulator.gateway.faults.model_copy(update=_calm(case.faults))
        _heal(world, case)
        end = world.verdict()
        return Measured(case.name, code, then, case.healed_by, _told(world), end.twice, end.lost)


def _calm(faults: Faults) -> dict[str, Any]:
    """Requests go well again; what the network makes of messages and receipts stays as it was."""
    lasting = {"rejected", "undelivered", "duplicate_receipts", "receipts_out_of_order"}
    return {name: getattr(FINE, name) for name in type(faults).model_fields if name not in lasting}


def _heal(world: World, case: Case) -> None:
    """Do as `healed_by` says; then receipts come, as they do whatever happened."""
    if RECONCILED in case.healed_by:
        world.carloan("reconcile", "--now", case.heal_at.isoformat())
    if NEXT in case.healed_by:
        assert world.send(case.heal_at + timedelta(minutes=1)).code == 0
    for minute in (2, 3):
        at = case.heal_at + timedelta(minutes=minute)
        assert world.carloan("receipts", "pull", "--now", at.isoformat()).code == 0


def _told(world: World) -> str:
    return ", ".join(sorted(set(world.states().values())))


def plainly(world: World) -> int:
    """`send`, once."""
    return world.send(NOW).code


def healed_meanwhile(world: World) -> int:
    """`send`, while the gateway recovers a moment after it was first asked."""
    gateway = world.simulator.gateway

    def recover() -> None:
        while not gateway.stats()["requests"]:
            time.sleep(0.005)
        time.sleep(HEALED_AFTER_S)
        gateway.faults = FINE

    recovery = threading.Thread(target=recover)
    recovery.start()
    code = world.send(NOW).code
    recovery.join()
    return code


def throttled(world: World) -> int:
    """The gateway asks for a second of quiet, gets it, and recovers."""
    began = time.monotonic()
    code = healed_meanwhile(world)
    assert time.monotonic() - began >= 1
    requests = world.simulator.gateway.stats()["requests"]
    assert requests <= MESSAGES + 4, requests  # one refusal per request that was on the wire, then quiet
    return code


def receipts_overtake(world: World) -> int:
    """Receipts are pulled while the gateway still owes its answers, which then never come."""
    sender = world.fork(*sending(NOW))
    while len(world.simulator.gateway.counts()) < MESSAGES:
        time.sleep(0.01)
    assert world.carloan("receipts", "pull", "--now", NOW.isoformat()).code == 0
    assert set(world.states().values()) == {"delivered"}
    return _exit_code(sender)


def _exit_code(sender: Forked) -> int:
    sender.communicate(60)
    assert sender.returncode is not None
    return sender.returncode


def clock_jumps_back(world: World) -> int:
    """After refusals whose retry is due in the future, the clock is set back by half an hour."""
    assert world.send(IN_HALF_AN_HOUR).code == 0
    assert set(world.states().values()) == {"retryable"}
    world.simulator.gateway.faults = FINE
    return world.send(NOW).code


def killed_then_clock_jumps_back(world: World) -> int:
    """A killed sender's leases end in what is now the future: they are waited for, not broken."""
    sender = world.fork(*sending(IN_HALF_AN_HOUR))
    while not {"accepted", "sending"} <= set(world.states().values()):
        time.sleep(0.005)
    sender.kill()
    sender.communicate()
    _wait_for_the_wire(world)
    before = world.states()
    code = world.send(NOW).code
    assert world.states() == before
    return code


def _wait_for_the_wire(world: World) -> None:
    """Until the gateway has dealt with all it has read: the 15 minutes that follow pass for the clock only."""
    time.sleep(0.05)
    while (told := world.simulator.gateway.stats())["accepted"] < told["requests"]:
        time.sleep(0.01)


def disk_full(world: World) -> int:
    """There is no room for as much as the sending of all messages would write."""
    return send_with_room(world, (world.folder / "ledger.db").stat().st_size // 2)


def send_with_room(world: World, room: int) -> int:
    """`send` where no file may grow beyond `room` bytes."""

    def restrict() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    process = world.start(*sending(NOW), preexec_fn=restrict)
    _, err = process.communicate(timeout=60)
    assert "has disk space" in err, err
    return process.returncode


@contextmanager
def _held(path: Path) -> Iterator[None]:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


def ledger_locked(world: World) -> int:
    """Another program holds the ledger for longer than `ledger.busy_timeout_seconds`."""
    world.change(lambda values: values["ledger"].update(busy_timeout_seconds=1))
    with _held(world.folder / "ledger.db"):
        code = world.send(NOW).code
    assert world.simulator.gateway.stats()["requests"] == 0
    return code


HALF = {"rejected": 0.5}
CASES = (
    Case("none", plainly, NOBODY),
    Case("every answer takes its time", plainly, NOBODY, Faults(latency_s=0.1)),
    Case("500", plainly, RESENT, Faults(server_error=1)),
    Case("503: not taken", healed_meanwhile, ITSELF, Faults(unavailable=1)),
    Case("429 with Retry-After: 1", throttled, ITSELF, Faults(throttled=1, retry_after_s=1)),
    Case(
        "no answer within the time-out",
        plainly,
        RECONCILED,
        Faults(hanging=1, hang_s=5),
        {"provider": {"read_timeout_s": 0.2}},
    ),
    Case("connection dropped before the request was read", plainly, RESENT, Faults(dropped_before=1)),
    Case("connection dropped after the request was read", plainly, RECONCILED, Faults(dropped_after=1)),
    Case("a web page instead of JSON", plainly, RECONCILED, Faults(html=1)),
    Case("half of the JSON", plainly, RECONCILED, Faults(truncated=1)),
    Case("the same, a batch at a time", plainly, RECONCILED, Faults(truncated=1), {"batch_limit": 10}),
    Case("half of a batch refused", plainly, NOBODY, Faults(**HALF), {"batch_limit": 10}),
    Case("every receipt comes twice", plainly, NOBODY, Faults(duplicate_receipts=1)),
    Case(
        "receipts out of order, half of them bad",
        plainly,
        NOBODY,
        Faults(receipts_out_of_order=True, undelivered=0.5),
    ),
    Case(
        "receipts before the answers, which never come",
        receipts_overtake,
        NOBODY,
        Faults(hanging=1, hang_s=2),
        {"provider": {"concurrency": 32, "read_timeout_s": 10}},
    ),
    Case(
        "the clock jumps back while retries wait",
        clock_jumps_back,
        NEXT + ", once the clock is there again",
        Faults(unavailable=1),
        {"delivery": {"retry": {"first_s": 1, "longest_s": 2, "wait_within_s": 0}}},
        heal_at=IN_HALF_AN_HOUR,
    ),
    Case(
        "kill -9, then the clock jumps back",
        killed_then_clock_jumps_back,
        RESENT,
        Faults(
            latency_s=0.8
        ),  # longer than looking at the states takes: some are still on the wire when it dies
        heal_at=IN_HALF_AN_HOUR + timedelta(minutes=15),
    ),
    Case("disk full under the ledger", disk_full, RESENT, messages=300, then=AS_FAR),
    Case("ledger locked by another program", ledger_locked, NEXT),
)
