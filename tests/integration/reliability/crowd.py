"""Several senders, one ledger."""

import json
from dataclasses import dataclass
from pathlib import Path

from carloan_notify.delivery.simulator.server import Simulator
from tests.integration.ledger.drafts import NOW
from tests.integration.reliability.world import make_world, sending


@dataclass(frozen=True)
class Crowd:
    """What each sender got accepted, and what the gateway and the ledger say in the end."""

    accepted: tuple[int, ...]
    told: int
    twice: int
    left: int
    sound: bool


def drain_together(folder: Path, ledger_url: str, *, senders: int, messages: int, batch: int) -> Crowd:
    """Let `senders` processes drain the same outbox at once."""
    with Simulator() as simulator:
        world = make_world(folder, simulator, messages, ledger_url=ledger_url, batch_limit=batch)
        running = [world.fork(*sending(NOW)) for _ in range(senders)]
        ended = [(*process.communicate(600), process.returncode) for process in running]
        assert [code for _, _, code in ended] == [0] * senders, [err for _, err, _ in ended]
        stats = simulator.gateway.stats()
        states = world.states()
        return Crowd(
            accepted=tuple(json.loads(out)["accepted"] for out, _, _ in ended),
            told=len(simulator.gateway.counts()),
            twice=stats["duplicates"],
            left=sum(state != "accepted" for state in states.values()),
            sound=world.carloan("audit", "verify").code == 0,
        )


def assert_shared(found: Crowd, *, messages: int) -> None:
    """Everybody worked, nobody was told twice, nothing is left, and the chain did not fork."""
    assert (found.told, found.twice, found.left) == (messages, 0, 0), found
    assert sum(found.accepted) == messages, found
    assert all(found.accepted), found
    assert found.sound, found
