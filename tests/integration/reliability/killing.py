"""The kill test: `send` is killed any time, started again until nothing waits, and the gateway is asked."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from carloan_notify.delivery.simulator.server import Simulator
from carloan_notify.delivery.simulator.settings import Faults
from tests.integration.ledger.drafts import NOW
from tests.integration.reliability.world import AFTER_LEASE, CONCURRENCY, World, make_world, sending

if TYPE_CHECKING:
    import subprocess

    from tests.integration.reliability.forking import Forked

ANY_MOMENT = 0.25
"""Share of kills that may hit start-up too; the others come after the first request of this sender."""
AT_WORK_S = 0.3
PER_KILL = 90
"""Messages to have ready per kill, so that the last one still finds work."""


@dataclass(frozen=True)
class Hunt:
    """What came of one hunt. `wire_limit`: most messages that can be on the wire at once."""

    database: str
    batch: int
    messages: int
    kills: int
    on_wire_most: int
    wire_limit: int
    unknown: int
    twice: int
    lost: int
    settled: int

    def row(self) -> str:
        """A line of the table in docs/reliability.md."""
        return "| " + " | ".join(str(getattr(self, field.name)) for field in fields(self)) + " |"


def heading() -> str:
    """The head of that table."""
    names = [field.name.replace("_", " ") for field in fields(Hunt)]
    return f"| {' | '.join(names)} |\n|{'---|' * len(names)}"


@dataclass(frozen=True)
class Hunter:
    """How senders are started, and how long such a start takes at most."""

    start: Callable[[World, tuple[str, ...]], "subprocess.Popen[str] | Forked"]
    start_up_s: float


SPAWNING = Hunter(lambda world, args: world.start(*args), 1.5)
FORKING = Hunter(lambda world, args: world.fork(*args), 0.2)


def hunt(folder: Path, ledger_url: str, hunter: Hunter, *, batch: int, kills: int, seed: int) -> Hunt:
    """Kill `send` so many times, drain, reconcile, drain again; every message must be told exactly once."""
    messages = kills * PER_KILL * (2 if batch > 1 else 1)
    rate = {"rate_per_second": 300 if batch == 1 else 600}
    moments = random.Random(seed)  # noqa: S311 - no secret, a repeatable schedule
    with Simulator(Faults(latency_s=0.02)) as simulator:
        world = make_world(
            folder, simulator, messages, ledger_url=ledger_url, batch_limit=batch, provider=rate
        )
        now, killed, most = NOW, 0, 0
        while killed < kills:
            killed += _kill_one(world, hunter, moments, now)
            most = max(most, sum(state == "sending" for state in world.states().values()))
            now += AFTER_LEASE
        world.configure(ledger_url=ledger_url, batch_limit=batch)
        simulator.gateway.faults = Faults()  # the last drain is not hunted and may be quick
        assert world.send(now).code in {0, 1}
        after_drain = world.verdict()
        world.carloan("reconcile", "--now", (now + timedelta(minutes=15)).isoformat())
        assert world.send(now + timedelta(minutes=16)).code == 0
        told = simulator.gateway.counts()
        return Hunt(
            database="PostgreSQL" if ledger_url else "SQLite",
            batch=batch,
            messages=messages,
            kills=killed,
            on_wire_most=most,
            wire_limit=CONCURRENCY * batch,
            unknown=after_drain.states["unknown"],
            twice=sum(count > 1 for count in told.values()),
            lost=messages - len(told),
            settled=messages - world.verdict().states["unknown"],
        )


def _kill_one(world: World, hunter: Hunter, moments: random.Random, now: datetime) -> bool:
    """Start a sender and kill it; whether it was still alive then."""
    before = world.simulator.gateway.stats()["requests"]
    process = hunter.start(world, sending(now))
    if moments.random() < ANY_MOMENT:
        time.sleep(moments.uniform(0, hunter.start_up_s))
    else:
        while world.simulator.gateway.stats()["requests"] == before and process.poll() is None:
            time.sleep(0.002)
        time.sleep(moments.uniform(0, AT_WORK_S))
    process.kill()
    process.communicate()
    return process.returncode == -9


def assert_survived(found: Hunt) -> None:
    """Nobody twice, nobody lost, in doubt only what was on the wire, and the doubt was settled."""
    assert found.twice == 0, found
    assert found.lost == 0, found
    assert found.on_wire_most <= found.wire_limit, found
    assert found.unknown <= found.kills * found.wire_limit, found
    assert found.settled == found.messages, found
