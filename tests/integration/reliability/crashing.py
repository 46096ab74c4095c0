"""A command crashes at one of its points, is started again, all is drained, and the promise is checked.

The witness is the gateway: what an undisturbed night tells is what a night cut in two must tell, each once.
"""

import json
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from carloan_notify.app import build_app
from carloan_notify.delivery.simulator.server import Simulator
from carloan_notify.delivery.simulator.settings import Faults, simulator_settings
from carloan_notify.ledger.tables import LOTS, MESSAGES, WHOLE
from carloan_notify.pipeline.setup import init_folder
from carloan_notify.records import Channel
from tests.integration.ledger.drafts import NOW
from tests.integration.ledger.test_restored import wipe
from tests.integration.reliability.crash_points import CRASHED, install, read_log, spread
from tests.integration.reliability.world import AFTER_LEASE, Done, World, make_world, sending

MESSAGES_WAITING = 4
NIGHT = NOW - timedelta(hours=8)
AGAIN = timedelta(minutes=1)
"""Later than a lease: whoever starts a command again has seen that it died."""
BELIEVED = timedelta(minutes=15)
"""After so long "never heard of it" is believed."""
SETTLED = frozenset({"accepted", "delivered", "cancelled", "rejected"})
Command = tuple[str, ...]


@dataclass(frozen=True)
class Scenario:
    """A command, what must stand before it, and how an operator starts it again after a crash."""

    name: str
    prepare: Callable[[World, str], Command]
    """Makes everything up to the command (with a ledger's URL, "" for SQLite) and gives its arguments."""
    begins: datetime = NOW
    again: Callable[[World, Command, datetime], Done] | None = None
    faults: Faults = field(default_factory=Faults)


@dataclass(frozen=True)
class Outcome:
    """What stands in the end, after a crash at `point` ("" for none)."""

    point: str
    told: int
    twice: int
    lost: int
    left: Counter[str]
    sound: bool
    restarted: Done


def play(scenario: Scenario, folder: Path, url: str, at: int) -> tuple[list[str], Outcome]:
    """Prepare, run the command with a crash at its point `at` (0: none), start it again, drain.

    The points passed, and what stands in the end.
    """
    with Simulator(scenario.faults) as simulator:
        folder.mkdir(parents=True)
        world = World(folder / "lender", simulator)
        args = scenario.prepare(world, url)
        log = folder / "points"
        process = world.fork(*args, first=partial(install, at, log))
        _, err = process.communicate(120)
        points = read_log(log)
        crashed = process.returncode == CRASHED
        assert crashed or process.returncode == 0, (scenario.name, at, process.returncode, err)
        simulator.gateway.faults = Faults()
        later = scenario.begins + AGAIN
        restarted = (scenario.again or start_again)(world, args, later) if crashed else Done(0, "", "")
        _drain(world, max(later, NOW))
        return points, _outcome(world, points[-1] if crashed else "", restarted)


def start_again(world: World, args: Command, now: datetime) -> Done:
    """The same command, a little later."""
    return world.carloan(*(("--now" in args and _at(args, now)) or args))


def _at(args: Command, now: datetime) -> Command:
    place = args.index("--now") + 1
    return (*args[:place], now.isoformat(), *args[place + 1 :])


def _drain(world: World, now: datetime) -> None:
    """Send, settle what is in doubt, send what never left, and take the receipts."""
    assert world.send(now + AGAIN).code in {0, 1}
    world.carloan("reconcile", "--now", (now + BELIEVED).isoformat())
    assert world.send(now + BELIEVED + AGAIN).code == 0
    assert world.carloan("receipts", "pull", "--now", (now + BELIEVED + 2 * AGAIN).isoformat()).code == 0


def _outcome(world: World, point: str, restarted: Done) -> Outcome:
    verdict = world.verdict()
    left = Counter({state: n for state, n in verdict.states.items() if state not in SETTLED})
    return Outcome(
        point=point,
        told=len(world.simulator.gateway.counts()),
        twice=verdict.twice,
        lost=verdict.lost - left.total(),
        left=left,
        sound=_is_sound(world),
        restarted=restarted,
    )


def _is_sound(world: World) -> bool:
    """Whether the chain is whole: at once, or where only a digest's file is missing, after the next `run`."""
    verified = world.carloan("audit", "verify", "--format", "json")
    if verified.code == 0:
        return True
    if {breach["kind"] for breach in json.loads(verified.out)["breaches"]} != {"missing_digest"}:
        return False
    next_night = NOW + timedelta(hours=16)
    world.carloan("run", "--as-of", "2026-11-24", "--now", next_night.isoformat())
    return world.carloan("audit", "verify").code == 0


@dataclass(frozen=True)
class Campaign:
    """What came of crashing one command at many of its points."""

    command: str
    database: str
    points: int
    crashes: int
    twice: int
    lost: int
    half_nights: int
    places: frozenset[str]

    def row(self) -> str:
        """A line of the table in docs/reliability.md."""
        cells = (
            self.command,
            self.database,
            self.points,
            self.crashes,
            self.twice,
            self.lost,
            self.half_nights,
        )
        return "| " + " | ".join(map(str, cells)) + " |"


HEADING = "| command | database | points | crashes | told twice | lost | half nights |\n|---|---|---|---|---|---|---|"


def campaign(scenario: Scenario, folder: Path, urls: Callable[[], str], most: int) -> Campaign:
    """Count the points without a crash, then crash at `most` of them, or at all if there are fewer."""
    url = urls()
    points, calm = play(scenario, folder / "calm", url, 0)
    assert points, f"{scenario.name}: no point was passed"
    assert set(calm.left) <= {"queued"}, calm  # for another day
    assert_kept(calm, calm)
    found = [play(scenario, folder / f"at-{at}", urls(), at)[1] for at in spread(len(points), most)]
    for outcome in found:
        assert_kept(outcome, calm)
    return Campaign(
        command=scenario.name,
        database="PostgreSQL" if url else "SQLite",
        points=len(points),
        crashes=sum(bool(outcome.point) for outcome in found),
        twice=sum(outcome.twice for outcome in found),
        lost=sum(outcome.lost for outcome in found),
        half_nights=sum(outcome.told < calm.told for outcome in found),
        places=frozenset(point.split(" ", 1)[1] for point in points),
    )


def assert_kept(found: Outcome, calm: Outcome) -> None:
    """Nobody twice, nobody lost, nothing in the air, the chain whole, and the night as if nothing had happened."""
    assert found.twice == 0, found
    assert found.lost == 0, found
    assert found.left == calm.left, (found, calm)
    assert found.sound, found
    assert found.told == calm.told, (found, calm)


# Two senders on one outbox.


@dataclass(frozen=True)
class Pairs:
    """What came of crashing two senders at every pair of their points."""

    points: int
    pairs: int
    both_crashed: int
    twice: int
    lost: int
    left: int
    unsound: int


PAIR_MESSAGES = 2


def pairs(folder: Path, urls: Callable[[], str], firsts: Sequence[int] = ()) -> Pairs:
    """Two senders drain two messages; one halts at each of its points, the other crashes at each of its own.

    The second begins when the first one's lease is over. Then the first, which knows nothing of that, is killed
    where it stood or, every other time, goes on. `firsts`: points of the first; all if left out.
    """
    with Simulator() as simulator:
        world = _two_messages(folder / "calm", urls(), simulator)
        world.fork(*sending(NOW), first=partial(install, 0, folder / "calm" / "one")).communicate(60)
        points = len(read_log(folder / "calm" / "one"))
    found: list[tuple[bool, Outcome]] = []
    for one in firsts or range(1, points + 1):
        crashed, two = True, 0
        while crashed:
            two += 1
            place = folder / f"at-{one}-{two}"
            crashed, outcome = _pair(place, urls(), one, two, wakes=(one + two) % 2 == 0)
            found.append((crashed, outcome))
    return Pairs(
        points=points,
        pairs=len(found),
        both_crashed=sum(crashed for crashed, _ in found),
        twice=sum(outcome.twice for _, outcome in found),
        lost=sum(outcome.lost for _, outcome in found),
        left=sum(outcome.left.total() for _, outcome in found),
        unsound=sum(not outcome.sound for _, outcome in found),
    )


def _two_messages(folder: Path, url: str, simulator: Simulator) -> World:
    folder.mkdir(parents=True)
    return make_world(
        folder / "lender", simulator, PAIR_MESSAGES, ledger_url=url, provider={"concurrency": 1}
    )


def _pair(folder: Path, url: str, one: int, two: int, *, wakes: bool) -> tuple[bool, Outcome]:
    """Whether the second crashed before it was done, and what stands in the end."""
    with Simulator() as simulator:
        world = _two_messages(folder, url, simulator)
        world.change(lambda values: values["ledger"].update(busy_timeout_seconds=1))
        first = world.fork(*sending(NOW), first=partial(install, one, folder / "one", signal.SIGSTOP))
        while len(read_log(folder / "one")) < one and first.poll() is None:
            time.sleep(0.005)
        second = world.fork(*sending(NOW + AFTER_LEASE), first=partial(install, two, folder / "two"))
        second.communicate(60)
        (first.go_on if wakes else first.kill)()
        first.communicate(60)
        _drain(world, NOW + AFTER_LEASE)
        return second.returncode == CRASHED, _outcome(world, f"{one}, {two}", Done(0, "", ""))


def assert_paired(found: Pairs) -> None:
    """Nobody twice, nobody lost, nothing in the air, no chain broken; and it was a trial of both."""
    assert (found.twice, found.lost, found.left, found.unsound) == (0, 0, 0, 0), found
    assert found.both_crashed, found


# The commands.


def _run(world: World, url: str) -> Command:
    _folder(world, url)
    return ("run", "--as-of", "2026-11-23", "--now", NIGHT.isoformat())


def _folder(world: World, url: str) -> None:
    init_folder(world.folder)
    world.configure(ledger_url=url, batch_limit=10)
    calls = simulator_settings(world.simulator.url, Channel.VOICE)
    world.change(lambda values: _calls_too(values, calls))


def _calls_too(values: dict[str, Any], calls: dict[str, Any]) -> None:
    values["delivery"]["channels"]["voice"] = ["calls"]
    values["delivery"]["providers"]["calls"] = calls


def _waiting(world: World, url: str) -> None:
    make_world(world.folder, world.simulator, MESSAGES_WAITING, ledger_url=url, provider={"concurrency": 1})


def _send(world: World, url: str) -> Command:
    _waiting(world, url)
    return sending(NOW)


def _sent(world: World, url: str) -> None:
    _waiting(world, url)
    world.send(NOW)


def _pull(world: World, url: str) -> Command:
    _sent(world, url)
    return ("receipts", "pull", "--now", (NOW + AGAIN).isoformat())


def _reconcile(world: World, url: str) -> Command:
    _sent(world, url)
    return ("reconcile", "--now", (NOW + BELIEVED).isoformat())


def _resend(world: World, url: str) -> Command:
    assert world.carloan(*_run(world, url)).code == 0
    assert world.send(NOW).code == 0
    query = sa.select(MESSAGES.c.message_id).where(
        MESSAGES.c.state == "accepted", MESSAGES.c.channel == "sms"
    )
    with (
        build_app(world.folder / "config.yaml", NOW).open_ledger() as ledger,
        ledger.store.read() as connection,
    ):
        message_id = connection.execute(query.order_by(MESSAGES.c.message_id)).scalars().first()
    at = ("--now", (NOW + AGAIN).isoformat())
    return ("resend", "--message", str(message_id), "--reason", "lost", "--yes", *at)


def _unless_queued(world: World, args: Command, now: datetime) -> Done:
    """As an operator does who looks at "Earlier attempts" before saying yes: a repetition that waits is enough."""
    if "queued" in {state for name, state in world.states().items() if name in _resent(world)}:
        return Done(0, "", "")
    return start_again(world, args, now)


def _resent(world: World) -> set[str]:
    """Messages that repeat another one."""
    query = sa.select(WHOLE.c.message_id).where(WHOLE.c.resend_of != "")
    with (
        build_app(world.folder / "config.yaml", NOW).open_ledger() as ledger,
        ledger.store.read() as connection,
    ):
        return set(connection.execute(query).scalars())


def _purge(world: World, url: str) -> Command:
    """What was told long ago: a clock of `purge` cannot be set."""
    _sent(world, url)
    with (
        build_app(world.folder / "config.yaml", NOW).open_ledger() as ledger,
        ledger.store.write() as connection,
    ):
        connection.execute(sa.update(LOTS).values(queued_at="2001-01-01T00:00:00.000000Z"))
    return ("ledger", "purge", "--older-than", "1", "--yes")


def _upkeep(*args: str) -> Callable[[World, str], Command]:
    def prepare(world: World, url: str) -> Command:
        _waiting(world, url)
        return ("ledger", *args)

    return prepare


def _restore(world: World, url: str) -> Command:
    _waiting(world, url)
    assert world.carloan("ledger", "backup", "--to", "kept").code == 0
    world.send(NOW)
    _lose(world)
    (backup,) = (world.folder / "kept").glob("*.backup")
    return ("ledger", "restore", str(backup))


def _lose(world: World) -> None:
    wipe(build_app(world.folder / "config.yaml", NOW).settings.ledger, world.folder)


SCENARIOS = (
    Scenario("run", _run, begins=NIGHT),
    Scenario("send", _send),
    Scenario("receipts pull", _pull),
    Scenario("reconcile", _reconcile, begins=NOW + BELIEVED, faults=Faults(dropped_after=1)),
    Scenario("resend", _resend, again=_unless_queued),
    Scenario("purge", _purge),
    Scenario("rotate-keys", _upkeep("rotate-keys", "--yes")),
    Scenario("backup", _upkeep("backup")),
    Scenario("restore", _restore),
)
