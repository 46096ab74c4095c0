"""The harness that third parties run: good providers pass it, and every breach is named."""

import io
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from carloan_notify.app import system_clock
from carloan_notify.delivery.gateway.provider import HttpProvider
from carloan_notify.delivery.provider import (
    Capabilities,
    CheckResult,
    Inquiry,
    LookUp,
    MessageFate,
    ReceiptMode,
    Received,
    Refused,
    ReturnPage,
)
from carloan_notify.delivery.providers.console import ConsoleProvider
from carloan_notify.delivery.registry import ConsoleProviderSettings, HttpProviderSettings, build_provider
from carloan_notify.delivery.simulator.server import Simulator
from carloan_notify.delivery.simulator.settings import Faults, simulator_settings
from carloan_notify.delivery.testing import check_faults, check_provider
from carloan_notify.records import Channel, OutboundMessage, PushAnswer, PushRequest, Receipt, SendResult
from tests.unit.delivery.gateways import batched, described
from tests.unit.delivery.world import accept, message

NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
FAULTS = [
    "dropped_after",
    "html",
    "truncated",
    "server_error",
    "unavailable",
    "throttled",
    "busy",
    "rejected",
]


def test_the_console_keeps_the_contract() -> None:
    console = ConsoleProvider(
        "console", ConsoleProviderSettings(type="console"), stream=io.StringIO(), clock=system_clock
    )
    assert check_provider(console, message(1), NOW) == []


@pytest.mark.parametrize("batch_limit", [1, 20])
@pytest.mark.parametrize("fault", ["", *FAULTS])
def test_a_described_gateway_keeps_the_contract_through_every_fault(fault: str, batch_limit: int) -> None:
    with Simulator(Faults.model_validate({fault: 1} if fault else {})) as simulator:
        raw = simulator_settings(simulator.url, Channel.SMS, batch_limit=batch_limit)
        provider = build_provider("sim", HttpProviderSettings.model_validate(raw), system_clock)
        assert check_provider(provider, message(1), NOW) == []


def at(url: str, settings: HttpProviderSettings, timeout_s: float = 0.15) -> HttpProvider:
    request = settings.request.model_copy(update={"url": url})
    times = {"read_timeout_s": timeout_s}
    return HttpProvider("main", settings.model_copy(update={"request": request, **times}), clock=system_clock)


@pytest.mark.parametrize("settings", [described(), batched(code="code")], ids=["single", "batch"])
def test_a_described_gateway_keeps_its_promises_when_everything_breaks(
    settings: HttpProviderSettings,
) -> None:
    assert check_faults(lambda url: at(url, settings), message(1)) == []


def test_a_gateway_may_promise_that_a_503_was_not_taken() -> None:
    answer = {"code": "code", "codes": {"accepted": ["0"]}, "http_status": {503: "retryable"}}
    promising = described(answer=answer)
    found = check_faults(lambda url: at(url, promising), message(1))
    assert [line.split(":")[0] for line in found] == ["503", "503 with a web page"]
    assert check_faults(lambda url: at(url, promising), message(1), not_taken={503}) == []


class Bad:
    """A provider that does as told, mostly wrong."""

    capabilities = Capabilities(look_up_window=None, receipts=ReceiptMode.PULL)

    def __init__(self, **does: Any) -> None:
        """`does` replaces what a good provider would do."""
        self.name: str = does.get("name", "bad")
        self.channels = frozenset(does.get("channels", {Channel.SMS}))
        self.batch_limit: int = does.get("batch_limit", 2)
        self._does = does

    def _do(self, what: str, otherwise: Callable[..., Any], *given: object) -> Any:
        return self._does.get(what, otherwise)(*given)

    def send(self, batch: Sequence[OutboundMessage]) -> list[SendResult]:
        answers: list[SendResult] = self._do("send", accept, batch)
        return answers

    def look_up(self, inquiries: Sequence[Inquiry]) -> list[LookUp]:
        answers: list[LookUp] = self._do("look_up", lambda _: [], inquiries)
        return answers

    def batch_key(self, message: OutboundMessage) -> str:
        key: str = self._do("batch_key", lambda _: "", message)
        return key

    def receive(self, request: PushRequest) -> Received | Refused:
        heard: Received | Refused = self._do("receive", lambda _: Refused(404, "none"), request)
        return heard

    def pull(self, since: datetime, cursor: str) -> ReturnPage:
        page: ReturnPage = self._do("pull", lambda *_: ReturnPage(), since, cursor)
        return page

    def check(self) -> list[CheckResult]:
        looked: list[CheckResult] = self._do("check", list)
        return looked


def boom(*_: object) -> Any:
    raise RuntimeError("phone +12025550100")


def believe(request: PushRequest) -> Received:
    del request
    return Received(
        ReturnPage((Receipt("bad", "r", "", delivered=True, code="0", detail="", occurred_at=NOW),)),
        PushAnswer(),
    )


@pytest.mark.parametrize(
    ("does", "breach"),
    [
        ({"name": ""}, "name: is empty"),
        ({"channels": {Channel.VOICE}}, "channels: sms is not served"),
        ({"batch_limit": 0}, "batch_limit: 0 is less than 1"),
        ({"batch_key": lambda m: m.message_id}, "batch_key: differs though only id and number do"),
        ({"batch_key": lambda _: None}, "batch_key: is no text"),
        ({"batch_key": boom}, "batch_key: raised RuntimeError"),
        ({"send": lambda batch: accept(batch)[1:]}, "send: a batch of 2 got 1 results"),
        ({"send": boom}, "send: raised RuntimeError"),
        ({}, "look_up: not one answer per inquiry"),
        ({"look_up": boom}, "look_up: raised RuntimeError"),
        ({"receive": boom}, "receive b'null': raised RuntimeError"),
        ({"receive": boom}, "receive GET: raised RuntimeError"),
        ({"receive": believe}, "receive b'null': was believed"),
        ({"receive": lambda _: None}, "receive b'null': neither Received nor Refused"),
        ({"pull": boom}, "pull: raised RuntimeError"),
        ({"pull": lambda *_: None}, "pull: no ReturnPage"),
        ({"check": boom}, "check: raised RuntimeError"),
        ({"check": lambda: [None]}, "check: not a list of CheckResult"),
    ],
)
def test_every_breach_is_named(does: dict[str, Any], breach: str) -> None:
    found = check_provider(Bad(**does), message(1), NOW)
    assert any(line.startswith(breach) for line in found), found
    assert "2025550100" not in " ".join(found)


def test_a_batch_goes_to_the_sample_s_number_and_to_nobody_s() -> None:
    seen: list[str] = []

    def note(batch: Sequence[OutboundMessage]) -> list[SendResult]:
        seen.extend(m.phone for m in batch)
        return accept(batch)

    check_provider(Bad(send=note, batch_limit=300), message(1), NOW)
    assert len(seen) == 301
    assert seen[0] == seen[1] == message(1).phone
    assert all(phone[5:10] == "55501" for phone in seen[2:])
    assert len(set(seen[1:])) == 300


def test_what_is_sent_has_an_end_as_at_night() -> None:
    seen: list[OutboundMessage] = []

    def note(batch: Sequence[OutboundMessage]) -> list[SendResult]:
        seen.extend(batch)
        return accept(batch)

    mine = NOW + timedelta(minutes=5)
    check_provider(Bad(send=note), message(1), NOW)
    check_provider(Bad(send=note), replace(message(1), expires_at=mine), NOW)
    assert [m.expires_at for m in seen] == [NOW + timedelta(hours=1)] * 3 + [mine] * 3


def test_numbers_of_two_countries_need_not_share_a_request() -> None:
    seen: list[OutboundMessage] = []

    def note(batch: Sequence[OutboundMessage]) -> list[SendResult]:
        seen.extend(batch)
        return accept(batch)

    abroad = Bad(send=note, batch_key=lambda m: m.phone[:3], look_up=asked)
    assert check_provider(abroad, replace(message(1), phone="+8613800138000"), NOW) == []
    assert [m.phone[:3] for m in seen] == ["+86", "+12", "+12"]


def asked(inquiries: Sequence[Inquiry]) -> list[LookUp]:
    return [LookUp(inquiry.message_id, MessageFate.UNCLEAR) for inquiry in inquiries]


class Careless(Bad):
    """Talks to the server, and then says what it likes."""

    def __init__(
        self, url: str, says: Callable[[Sequence[OutboundMessage]], list[SendResult]], **http: Any
    ) -> None:
        """`says` answers instead of the gateway."""
        super().__init__()
        self._wire = at(url, described(**http))
        self._says = says

    def send(self, batch: Sequence[OutboundMessage]) -> list[SendResult]:
        for one in batch:
            self._wire.send([one])
        return self._says(batch)


def test_a_provider_that_guesses_and_asks_twice_is_found_out() -> None:
    found = check_faults(lambda url: Careless(url, accept), message(1))
    assert found[0] == "connection refused: the outcome is accepted, must be retryable"
    assert "429: the outcome is accepted, must be throttled" in found
    assert "429: retry_after_s is [0.0], must be 7" in found
    assert "403: the outcome is accepted, must be account or unknown" in found
    assert "a web page: the outcome is accepted, must be unknown" in found
    assert "a web page: 2 requests were made, must be 1" in found
    assert not any(line.startswith("connection refused: ") for line in found[1:])


def test_a_provider_that_raises_is_found_out() -> None:
    found = check_faults(lambda url: Careless(url, boom), message(1))
    assert "a web page: send: raised RuntimeError" in found
    assert "a web page: a batch of 2 got 0 results, or results for other messages" in found


def test_a_provider_that_waits_longer_than_its_time_outs_is_found_out() -> None:
    waits = threading.Event()

    def slow(url: str) -> Bad:
        wire = at(url, described(), 0.1)

        def send(batch: Sequence[OutboundMessage]) -> list[SendResult]:
            results = wire.send(batch[:1])
            if results[0].code == "http_401" and not waits.is_set():
                waits.wait(5)
                waits.set()
            return results

        return Bad(send=send, batch_limit=1)

    found = check_faults(slow, message(1))
    assert any(
        line.startswith("401: send took 5.") and line.endswith("s; give it time-outs and keep them")
        for line in found
    ), found
