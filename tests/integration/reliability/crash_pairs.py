"""Two senders on one outbox, of which both crash: at every pair of their points."""

import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from carloan_notify.delivery.simulator.server import Simulator
from tests.integration.ledger.drafts import NOW
from tests.integration.reliability.crash_points import CRASHED, install, read_log
from tests.integration.reliability.crashing import Outcome, drain, outcome_of
from tests.integration.reliability.world import AFTER_LEASE, World, make_world, sending


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
        drain(world, NOW + AFTER_LEASE)
        return second.returncode == CRASHED, outcome_of(world, f"{one}, {two}")


def assert_paired(found: Pairs) -> None:
    """Nobody twice, nobody lost, nothing in the air, no chain broken; and it was a trial of both."""
    assert (found.twice, found.lost, found.left, found.unsound) == (0, 0, 0, 0), found
    assert found.both_crashed, found
