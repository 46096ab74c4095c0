"""The ledger is lost after the morning's `send` and put back from the backup of the night: the gateway is witness."""

from datetime import timedelta
from pathlib import Path

import pytest

from carloan_notify.app import build_app
from carloan_notify.delivery.simulator.server import Simulator
from carloan_notify.ledger import upkeep
from tests.integration.ledger.drafts import NOW
from tests.integration.ledger.test_restored import wipe
from tests.integration.reliability.world import World, make_world

MESSAGES = 6
LATER = NOW + timedelta(hours=1)
RUN = ("run", "--as-of", "2026-11-23", "--now", LATER.isoformat(), "--format", "json")
ACCEPT = ("--accept", "ledger_restored", "--reason", "asked 13800138000, ticket 4711")


def lose_and_restore(world: World, backup: Path) -> None:
    app = build_app(world.folder / "config.yaml", LATER)
    wipe(app.settings.ledger, world.folder)
    assert upkeep.restore(app.settings.ledger, world.folder, backup, LATER).unknown == MESSAGES


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_nobody_is_told_twice(tmp_path: Path, request: pytest.FixtureRequest, database: str) -> None:
    url = "" if database == "sqlite" else request.getfixturevalue("fresh_postgres")
    with Simulator() as simulator:
        world = make_world(tmp_path / "lender", simulator, MESSAGES, ledger_url=url)
        settings = build_app(world.folder / "config.yaml", NOW).settings.ledger
        backup = upkeep.back_up(settings, world.folder, NOW).path
        assert world.send(NOW).code == 0
        assert sorted(simulator.gateway.counts().values()) == [1] * MESSAGES

        lose_and_restore(world, backup)
        assert '"accepted": 0' in world.send(LATER).out
        stopped = world.carloan(*RUN)
        assert stopped.code == 5
        assert "from 2026-11-23 10:00 to 2026-11-23 11:00 is missing in it" in stopped.err
        assert "--accept ledger_restored --reason …" in stopped.err
        assert set(world.states().values()) == {"unknown"}
        assert world.carloan("run", "--dry-run", *RUN[1:]).code == 5

        assert world.carloan(*RUN, *ACCEPT).code == 0
        assert world.carloan(*RUN).code == 0  # accepted once for all
        assert set(simulator.gateway.counts().values()) == {1}
        assert len(simulator.gateway.counts()) > MESSAGES
        (shown,) = world.carloan(
            "audit", "show", "--kind", "guard.accepted", "--format", "csv"
        ).out.splitlines()[1:]
        assert "ledger_restored" in shown
        assert "asked 138****8000, ticket 4711" in shown
        assert world.carloan("audit", "verify").code == 0
