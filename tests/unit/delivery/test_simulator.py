import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from pydantic import ValidationError

from carloan_notify.delivery.simulator.server import (
    BAD_NUMBER,
    BUSY,
    NO_BALANCE,
    OK,
    UNLISTED,
    Gateway,
    Simulator,
)
from carloan_notify.delivery.simulator.server import LARGEST_PAGE as PAGE
from carloan_notify.delivery.simulator.settings import Faults
from tests.unit.delivery.world import FakeTime


def gateway(seed: int = 1, time: FakeTime | None = None, **faults: Any) -> Gateway:
    return Gateway(Faults.model_validate(faults), seed, (time or FakeTime()).monotonic)


def codes(of: Gateway, count: int) -> list[str]:
    return [of.take("sms", f"M{i}", 1)[0] for i in range(count)]


def test_a_seed_decides_and_another_decides_otherwise() -> None:
    shares: dict[str, Any] = {"rejected": 0.2, "busy": 0.2, "unlisted": 0.2}
    first = codes(gateway(**shares), 500)
    assert first == codes(gateway(**shares), 500)
    assert first != codes(gateway(2, **shares), 500)
    assert set(first) == {OK, BAD_NUMBER, BUSY, UNLISTED}
    assert first.count(BAD_NUMBER) == pytest.approx(100, abs=35)


def test_request_faults_come_in_their_shares() -> None:
    of = gateway(html=0.3, hanging=0.1)
    fates = [of.fate([f"M{i}"])[0] for i in range(1000)]
    assert fates.count("html") == pytest.approx(300, abs=60)
    assert fates.count("hanging") == pytest.approx(100, abs=40)
    assert fates.count("") == 1000 - fates.count("html") - fates.count("hanging")
    assert of.fate([])[0] in {"", "html", "hanging"}


def test_shares_cannot_add_up_to_more_than_everything() -> None:
    with pytest.raises(ValidationError, match="add up to more than 1"):
        Faults(html=0.6, truncated=0.6)


def test_a_message_accepted_twice_is_counted() -> None:
    of = gateway()
    codes(of, 3)
    of.take("sms", "M1", 2)
    assert of.counts() == {"M0": 1, "M1": 2, "M2": 1}
    assert of.stats() == {"requests": 0, "accepted": 4, "duplicates": 1}


def test_an_empty_account_takes_no_more() -> None:
    assert codes(gateway(balance=2), 4) == [OK, OK, NO_BALANCE, NO_BALANCE]


def test_the_rate_limit_looks_at_the_last_second() -> None:
    time = FakeTime()
    of = gateway(time=time, rate_limit=10)
    assert [of.fate([f"M{i}"])[0] for i in range(11)].count("throttled") == 1
    assert of.fate(["x"] * 11)[0] == "throttled"
    time.seconds += 1
    assert of.fate(["x"] * 10)[0] == ""


def test_receipts_come_after_their_delay_in_pages() -> None:
    time = FakeTime()
    of = gateway(time=time, receipt_delay_s=10)
    codes(of, PAGE + 1)
    assert of.receipts(0) == {"receipts": [], "cursor": "0", "more": False}
    found = of.message("M0")
    assert found is not None
    assert found["state"] == "accepted"
    time.seconds = 10
    page = of.receipts(0)
    assert (len(page["receipts"]), page["cursor"], page["more"]) == (PAGE, str(PAGE), True)
    assert len(of.receipts(PAGE)["receipts"]) == 1
    assert of.message("nobody") is None


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


def test_it_listens_on_loopback_only(simulator: Simulator) -> None:
    assert simulator.url.startswith("http://127.0.0.1:")


def test_both_channels_single_and_in_batches(simulator: Simulator) -> None:
    for channel in ("sms", "voice"):
        one = requests.post(f"{simulator.url}/{channel}/send", json={"reference": channel}, timeout=5)
        assert one.json()["code"] == OK
        many = {"messages": [{"reference": f"{channel}{i}"} for i in range(3)]}
        batch = requests.post(f"{simulator.url}/{channel}/batch", json=many, timeout=5).json()
        assert [r["reference"] for r in batch["results"]] == [f"{channel}{i}" for i in range(3)]
    assert requests.get(f"{simulator.url}/accepted", timeout=5).json() == simulator.gateway.counts()
    assert requests.get(f"{simulator.url}/stats", timeout=5).json() == {
        "requests": 4,
        "accepted": 8,
        "duplicates": 0,
    }
    receipts = requests.get(f"{simulator.url}/receipts?cursor=odd", timeout=5).json()["receipts"]
    assert {r["channel"] for r in receipts} == {"sms", "voice"}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nowhere", b"", 404),
        ("POST", "/pigeon/send", b"{}", 404),
        ("POST", "/sms/sing", b"{}", 404),
        ("POST", "/sms/send", b"{", 400),
        ("POST", "/sms/send", b"[]", 400),
        ("POST", "/sms/send", b"", 400),
        ("POST", "/sms/batch", json.dumps({"messages": [{}]}).encode(), 400),
    ],
)
def test_what_it_does_not_understand(
    simulator: Simulator, method: str, path: str, body: bytes, status: int
) -> None:
    assert requests.request(method, simulator.url + path, data=body, timeout=5).status_code == status
    assert simulator.gateway.stats()["accepted"] == 0


def test_stopping_frees_the_port_and_hangs_up() -> None:
    simulator = Simulator()
    simulator.start()
    port = int(simulator.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as idle:
        idle.sendall(b"GET /stats HTTP/1.1\r\n\r\n")
        assert idle.recv(20)
        simulator.stop()
        idle.settimeout(5)
        while idle.recv(65536):
            pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port)).close()
