"""SIGTERM, SIGINT and the kill switch: what is on the wire is finished, the rest goes back."""

import json
import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from carloan_notify.delivery.simulator.server import Simulator
from carloan_notify.delivery.simulator.settings import Faults
from tests.integration.ledger.drafts import NOW
from tests.integration.reliability.world import CONCURRENCY, World, make_world, sending

MESSAGES = 150
LATER = NOW + timedelta(minutes=1)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with Simulator(Faults(latency_s=0.1)) as simulator:
        yield make_world(tmp_path / "lender", simulator, MESSAGES)


def wait_for_messages(world: World, accepted: int) -> None:
    deadline = time.monotonic() + 60
    while world.simulator.gateway.stats()["accepted"] < accepted and time.monotonic() < deadline:
        time.sleep(0.005)


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_finishes_what_is_on_the_wire(world: World, asked: signal.Signals) -> None:
    process = world.start(*sending(NOW))
    wait_for_messages(world, 2 * CONCURRENCY)
    process.send_signal(asked)
    began = time.monotonic()
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert time.monotonic() - began < 5
    figures = json.loads(out)
    told = world.simulator.gateway.counts()
    assert (figures["stopped_by"], figures["unknown"]) == ("signal", 0)
    assert figures["accepted"] == len(told) < MESSAGES
    states = world.states()
    assert {name for name, state in states.items() if state == "accepted"} == set(told)
    assert {state for name, state in states.items() if name not in told} == {"queued"}

    world.simulator.gateway.faults = Faults()
    assert world.send(LATER).code == 0
    assert world.simulator.gateway.stats() == {
        "requests": MESSAGES,
        "accepted": MESSAGES,
        "duplicates": 0,
    }


def test_the_kill_switch_stops_the_next_batch(world: World) -> None:
    process = world.fork(*sending(NOW))
    wait_for_messages(world, 2 * CONCURRENCY)
    (world.folder / "STOP").touch()
    at_switch = world.simulator.gateway.stats()["requests"]
    out, err = process.communicate(timeout=30)
    assert process.returncode == 1, err
    assert json.loads(out)["stopped_by"] == "kill_switch"
    # Those on the wire, and those that were handed over while the file was being written.
    assert world.simulator.gateway.stats()["requests"] <= at_switch + 2 * CONCURRENCY
    assert set(world.states().values()) == {"accepted", "queued"}

    before = world.simulator.gateway.stats()["requests"]
    assert world.send(LATER).code == 1
    assert world.simulator.gateway.stats()["requests"] == before
    (world.folder / "STOP").unlink()
    world.simulator.gateway.faults = Faults()
    assert world.send(LATER).code == 0
    assert world.simulator.gateway.stats()["duplicates"] == 0
    assert set(world.states().values()) == {"accepted"}
