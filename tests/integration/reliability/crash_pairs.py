"""Two senders on one outbox, of which both crash: at every pair of their points, and each pair twice.

The night is as small as it can be, two messages, and is made once: each pair has a copy of its folder and its database.
"""

import shutil
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from carloan_notify.delivery.simulator.server import Simulator
from tests.integration.ledger.drafts import NOW
from tests.integration.reliability.crash_points import CRASHED, install, read_log
from tests.integration.reliability.crashing import Outcome, drain, outcome_of
from tests.integration.reliability.databases import Databases
from tests.integration.reliability.world import AFTER_LEASE, World, make_world, sending

MESSAGES = 2


@dataclass(frozen=True)
class Pairs:
    """What came of crashing two senders at every pair of their points."""

    points: int
    """Of the first sender alone."""
    pairs: int
    """Every point of the first with every one that the second came to, or with its end where it came to none."""
    both_crashed: int
    nights: int
    """Two for each pair: the first is killed where it stood, or goes on."""
    twice: int
    lost: int
    left: int
    unsound: int


@dataclass(frozen=True)
class SmallNight:
    """A folder and a database with the messages queued, to be copied."""

    folder: Path
    databases: Databases
    url: str

    @classmethod
    def make(cls, folder: Path, databases: Databases) -> "SmallNight":
        """Make the one that is copied."""
        url = databases.fresh()
        folder.mkdir(parents=True)
        with Simulator() as simulator:
            make_world(folder / "lender", simulator, MESSAGES, ledger_url=url)
        return cls(folder / "lender", databases, url)

    def copy(self, folder: Path, simulator: Simulator, url: str) -> World:
        """One more night like it, whose database is `url`."""
        shutil.copytree(self.folder, folder / "lender")
        world = World(folder / "lender", simulator)
        world.configure(ledger_url=url, provider={"concurrency": 1})
        world.change(lambda values: values["ledger"].update(busy_timeout_seconds=1))
        return world

    def points(self, folder: Path) -> int:
        """How many points a sender passes whom nobody disturbs."""
        with Simulator() as simulator, self.databases.copy_of(self.url) as url:
            world = self.copy(folder, simulator, url)
            world.fork(*sending(NOW), first=partial(install, 0, folder / "one")).communicate(60)
        return len(read_log(folder / "one"))

    def pair(self, folder: Path, one: int, two: int, *, wakes: bool) -> tuple[bool, Outcome]:
        """Whether the second crashed before it was done, and what stands in the end."""
        with Simulator() as simulator, self.databases.copy_of(self.url) as url:
            world = self.copy(folder, simulator, url)
            first = world.fork(*sending(NOW), first=partial(install, one, folder / "one", signal.SIGSTOP))
            while len(read_log(folder / "one")) < one and first.poll() is None:
                time.sleep(0.005)
            second = world.fork(*sending(NOW + AFTER_LEASE), first=partial(install, two, folder / "two"))
            second.communicate(60)
            (first.go_on if wakes else first.kill)()
            first.communicate(60)
            drain(world, NOW + AFTER_LEASE)
            return second.returncode == CRASHED, outcome_of(world, f"{one}, {two}")


def pairs(folder: Path, databases: Databases, firsts: Sequence[int] = ()) -> Pairs:
    """Two senders drain the messages; one halts at each of its points, the other crashes at each of its own.

    The second begins when the first one's lease is over. Then the first, which knows nothing of that, is killed
    where it stood, and in another night goes on. `firsts`: points of the first; all if left out.
    """
    night = SmallNight.make(folder / "night", databases)
    points = night.points(folder / "calm")
    found: list[tuple[bool, Outcome]] = []
    for one in firsts or range(1, points + 1):
        for wakes in (False, True):
            crashed, two = True, 0
            while crashed:
                two += 1
                place = folder / f"at-{one}-{two}-{wakes}"
                crashed, outcome = night.pair(place, one, two, wakes=wakes)
                found.append((crashed, outcome))
                shutil.rmtree(place)
    return Pairs(
        points=points,
        pairs=len({outcome.point for _, outcome in found}),
        both_crashed=len({outcome.point for crashed, outcome in found if crashed}),
        nights=len(found),
        twice=sum(outcome.twice for _, outcome in found),
        lost=sum(outcome.lost for _, outcome in found),
        left=sum(outcome.left.total() for _, outcome in found),
        unsound=sum(not outcome.sound for _, outcome in found),
    )


def assert_paired(found: Pairs) -> None:
    """Nobody twice, nobody lost, nothing in the air, no chain broken; and it was a trial of both."""
    assert (found.twice, found.lost, found.left, found.unsound) == (0, 0, 0, 0), found
    assert found.both_crashed, found
