"""A command crashes at one of its points, is started again, all is drained, and the promise is checked.

The witness is the gateway: what an undisturbed night tells is what a night cut in two must tell, each once.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from carloan_notify.delivery.simulator.server import Simulator
from carloan_notify.delivery.simulator.settings import Faults
from tests.integration.ledger.drafts import NOW
from tests.integration.reliability.crash_points import CRASHED, install, read_log, spread
from tests.integration.reliability.world import Done, World, sending

AGAIN = timedelta(minutes=1)
"""Later than a lease: whoever starts a command again has seen that it died."""
BELIEVED = timedelta(minutes=15)
"""After so long "never heard of it" is believed."""
SETTLED = frozenset({"accepted", "delivered", "cancelled", "rejected"})
OK = frozenset({0})
Command = tuple[str, ...]


@dataclass(frozen=True)
class Scenario:
    """A command, what must stand before it, and how an operator starts it again after a crash."""

    name: str
    prepare: Callable[[World, str], Command]
    """Makes everything up to the command (with a ledger's URL, "" for SQLite) and gives its arguments."""
    begins: datetime = NOW
    faults: Faults = field(default_factory=Faults)
    ends: frozenset[int] = OK
    """Exit codes that the command may have when nothing kills it."""
    again: frozenset[int] = OK
    """Exit codes that it may have when it is started again."""
    drained: frozenset[int] = OK
    """Exit codes that the last `send` and `receipts pull` may have."""
    after: Callable[[World, datetime], None] = lambda _world, _now: None
    """What the operator does then, crash or not, who has read what the command said."""
    fewer: int = 0
    """So many points may be missing the next time: two channels at once share a commit, or do not."""
    over: int = 0
    """So many messages are rightly cancelled: paid, or replaced by a later stage."""
    breaches: frozenset[str] = frozenset()
    """What the audit's verification must say of the ledger, crash or not."""
    holds: Callable[[World], bool] = lambda _: True
    """What must be true besides, in the end."""


@dataclass(frozen=True)
class Passed:
    """A command that was prepared and has run to its end, or crashed; the points that it passed."""

    world: World
    args: Command
    points: list[str]
    crashed: bool


@dataclass(frozen=True)
class Outcome:
    """What stands in the end, after a crash at `point` ("" for none)."""

    point: str
    told: int
    twice: int
    lost: int
    left: Counter[str]
    sound: bool


def play(scenario: Scenario, folder: Path, url: str, at: int) -> tuple[list[str], Outcome]:
    """Prepare, run the command with a crash at its point `at` (0: none), start it again, drain.

    The points passed, and what stands in the end.
    """
    with Simulator(scenario.faults) as simulator:
        run = passed(scenario, folder, url, simulator, at)
        crashed = run.points[-1] if run.crashed else ""
        simulator.gateway.faults = Faults()
        later = scenario.begins + AGAIN
        if crashed:
            restarted = start_again(run.world, run.args, later)
            assert restarted.code in scenario.again, (scenario.name, crashed, restarted)
        scenario.after(run.world, later + AGAIN)
        drain(run.world, max(later, NOW), scenario.drained)
        assert scenario.holds(run.world), (scenario.name, crashed)
        found = outcome_of(run.world, crashed, scenario.breaches)
        return run.points, replace(found, lost=found.lost - scenario.over)


def passed(scenario: Scenario, folder: Path, url: str, simulator: Simulator, at: int = 0) -> Passed:
    """Prepare and run the command up to its point `at`; to its end for 0, and where it has fewer."""
    folder.mkdir(parents=True)
    world = World(folder / "lender", simulator)
    args = scenario.prepare(world, url)
    process = world.fork(*args, first=partial(install, at, folder / "points"))
    _, err = process.communicate(120)
    expected = scenario.ends | ({CRASHED} if at else set())
    assert process.returncode in expected, (scenario.name, at, process.returncode, err)
    return Passed(world, args, read_log(folder / "points"), process.returncode == CRASHED)


def start_again(world: World, args: Command, now: datetime) -> Done:
    """The same command, a little later."""
    return world.carloan(*(("--now" in args and _at(args, now)) or args))


def _at(args: Command, now: datetime) -> Command:
    place = args.index("--now") + 1
    return (*args[:place], now.isoformat(), *args[place + 1 :])


def drain(world: World, now: datetime, codes: frozenset[int] = OK) -> None:
    """Send, settle what is in doubt, send what never left, and take the receipts."""
    assert world.send(now + AGAIN).code in {0, 1}
    world.carloan("reconcile", "--now", (now + BELIEVED).isoformat())
    pull = ("receipts", "pull", "--now", (now + BELIEVED + 2 * AGAIN).isoformat())
    for last in (sending(now + BELIEVED + AGAIN), pull):
        done = world.carloan(*last)
        assert done.code in codes, done


def outcome_of(world: World, point: str, breaches: frozenset[str] = frozenset()) -> Outcome:
    """What stands in the end."""
    verdict = world.verdict()
    left = Counter({state: n for state, n in verdict.states.items() if state not in SETTLED})
    return Outcome(
        point=point,
        told=len(world.simulator.gateway.counts()),
        twice=verdict.twice,
        lost=verdict.lost - left.total(),
        left=left,
        sound=_is_sound(world, breaches),
    )


def _is_sound(world: World, expected: frozenset[str]) -> bool:
    """Whether the chain is whole: at once, or where only a digest's file is missing, after the next `run`."""
    if (found := _breaches(world)) == expected:
        return True
    if found != expected | {"missing_digest"}:
        return False
    next_night = NOW + timedelta(hours=16)
    world.carloan("run", "--as-of", "2026-11-24", "--now", next_night.isoformat())
    return _breaches(world) == expected


def _breaches(world: World) -> set[str]:
    return {
        each["kind"]
        for each in json.loads(world.carloan("audit", "verify", "--format", "json").out)["breaches"]
    }


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
    assert set(calm.left) <= {"queued", "expired"}, calm  # for another day, or never
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
        places=places(points),
    )


def places(points: Sequence[str]) -> frozenset[str]:
    """Where the points are, as `kind file:function:line`, whichever side of the act."""
    return frozenset(point.split(" ", 1)[1] for point in points)


def assert_kept(found: Outcome, calm: Outcome) -> None:
    """Nobody twice, nobody lost, nothing in the air, the chain whole, and the night as if nothing had happened."""
    assert found.twice == 0, found
    assert found.lost == 0, found
    assert found.left == calm.left, (found, calm)
    assert found.sound, found
    assert found.told == calm.told, (found, calm)
