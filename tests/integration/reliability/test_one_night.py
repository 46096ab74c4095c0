"""One night at a time: on one machine by a file, among machines by the database they share."""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from carloan_notify.app import App, build_app, one_night
from carloan_notify.delivery.simulator.server import Simulator
from carloan_notify.errors import LedgerError, LockedError
from tests.integration.ledger.drafts import NOW
from tests.integration.reliability.lender_database import NIGHT
from tests.integration.reliability.world import Done, World, make_world

RUN = ("run", "--as-of", "2026-11-23", "--now", NIGHT)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as started:
        yield started


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """For what changes nothing that matters to another test."""
    with Simulator() as started:
        yield make_world(tmp_path_factory.mktemp("one") / "lender", started, 1)


def house_of(world: World) -> App:
    return build_app(world.folder / "config.yaml", NOW)


def two_hosts(tmp_path: Path, simulator: Simulator, ledger_url: str) -> tuple[World, World]:
    """Two folders, as on two machines, that share nothing but the ledger's database."""
    one = make_world(tmp_path / "one", simulator, 1, ledger_url=ledger_url)
    shutil.copytree(one.folder, tmp_path / "other")
    return one, World(tmp_path / "other", simulator)


def test_a_second_run_names_the_holder_of_the_file(tmp_path: Path, simulator: Simulator) -> None:
    world = make_world(tmp_path / "lender", simulator, 1)
    with one_night(house_of(world), "wang"):
        done = world.carloan(*RUN)
    assert done.code == 4
    assert "wang on " in done.err
    assert f"process {os.getpid()}" in done.err
    assert world.carloan(*RUN).code == 0


@pytest.mark.parametrize(
    ("args", "deed"),
    [
        (("purge", "--older-than", "5", "--yes"), "purges the ledger"),
        (("erase", "--customer", "C1", "--yes"), "erases a customer"),
        (("rotate-keys", "--yes"), "rotates the keys"),
        (("compact", "--yes"), "compacts the ledger"),
        (("migrate",), "migrates the ledger"),
        (("restore", "config.yaml"), "restores the ledger"),
    ],
)
def test_upkeep_waits_for_the_night(world: World, args: tuple[str, ...], deed: str) -> None:
    with one_night(house_of(world), "wang"):
        done = world.carloan("ledger", *args)
    assert done.code == 4
    assert f"process {os.getpid()} runs a night already; wait for it to end" in done.err
    with one_night(house_of(world), "wang", deed):
        done = world.carloan("ledger", *args)
    assert done.code == 4
    assert f"process {os.getpid()} {deed} already; wait for it to end" in done.err


def test_upkeep_that_meets_nobody(world: World) -> None:
    for args in (("migrate",), ("backup",), ("rotate-keys", "--yes"), ("erase", "--customer", "C1", "--yes")):
        assert world.carloan("ledger", *args).code == 0
    assert world.carloan("ledger", "restore", "config.yaml").code == 2
    assert not (world.folder / "run.lock.holder").exists()


def test_a_second_host_names_the_holder_of_the_database(
    tmp_path: Path, simulator: Simulator, fresh_postgres: str
) -> None:
    one, other = two_hosts(tmp_path, simulator, fresh_postgres)
    with one_night(house_of(one), "wang"):
        done = other.carloan(*RUN)
        assert done.code == 4
        assert "the ledger's database" in done.err
        assert "wang on " in done.err
        assert str(sa.make_url(fresh_postgres).database) in done.err
    with one_night(house_of(other), "li"), pytest.raises(LockedError, match="li on "):  # noqa: SIM117 - the first is the state, the second the test
        with one_night(house_of(one), "wang"):
            pytest.fail("two nights at once")


def test_the_locks_die_with_their_holder(tmp_path: Path, simulator: Simulator, fresh_postgres: str) -> None:
    """A night that waits for a slow provider is killed; the next one need not wait for anything."""
    one, other = two_hosts(tmp_path, simulator, fresh_postgres)
    simulator.gateway.faults = simulator.gateway.faults.model_copy(update={"latency_s": 30})
    holder = one.fork("run", "--as-of", "2026-11-23", "--now", "2026-11-23T10:00:00+08:00")
    deadline = time.monotonic() + 60
    while not simulator.gateway.stats()["requests"] and time.monotonic() < deadline:
        time.sleep(0.01)
    assert other.carloan(*RUN).code == 4
    assert one.carloan(*RUN).code == 4
    holder.kill()
    holder.communicate()
    assert _soon(other).code == 0
    assert one.carloan(*RUN).code == 0


def _soon(world: World) -> Done:
    """Run; a database takes a moment to notice that its client is gone."""
    for _ in range(50):
        done = world.carloan(*RUN)
        if done.code != 4:
            break
        time.sleep(0.02)
    return done


def test_a_database_that_does_not_answer_is_an_error_with_its_cure(
    tmp_path: Path, simulator: Simulator
) -> None:
    app = house_of(make_world(tmp_path / "lender", simulator, 1))
    gone = app.settings.ledger.model_copy(
        update={"url": "postgresql+psycopg://nobody@127.0.0.1:1/none?connect_timeout=1"}
    )
    away = replace(app, settings=app.settings.model_copy(update={"ledger": gone}))
    with pytest.raises(LedgerError, match="does not answer"), one_night(away, "wang"):
        pytest.fail("a lock that nobody holds")
    with one_night(app, "wang"):
        pass
