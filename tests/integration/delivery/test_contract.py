import io
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from carloan_notify.delivery.contract import check_provider
from carloan_notify.delivery.provider import Capabilities, Inquiry, LookUp, ReceiptMode
from carloan_notify.delivery.providers.console import ConsoleProvider
from carloan_notify.delivery.registry import build_provider
from carloan_notify.delivery.settings import ConsoleProviderSettings, HttpProviderSettings
from carloan_notify.delivery.simulator import Faults, Simulator, simulator_settings
from carloan_notify.records import Channel
from tests.unit.delivery.world import FakeProvider, accept, message

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
    console = ConsoleProvider("console", ConsoleProviderSettings(type="console"), stream=io.StringIO())
    assert check_provider(console, message(1), datetime.now(UTC)) == []


@pytest.mark.parametrize("batch_limit", [1, 20])
@pytest.mark.parametrize("fault", ["", *FAULTS])
def test_a_described_gateway_keeps_the_contract_through_every_fault(fault: str, batch_limit: int) -> None:
    with Simulator(Faults.model_validate({fault: 1} if fault else {})) as simulator:
        raw = simulator_settings(simulator.url, Channel.SMS, batch_limit=batch_limit)
        provider = build_provider("sim", HttpProviderSettings.model_validate(raw))
        assert check_provider(provider, message(1), datetime.now(UTC)) == []


class BadProvider(FakeProvider):
    capabilities = Capabilities(client_reference=False, look_up_window=None, receipts=ReceiptMode.PULL)

    def look_up(self, inquiries: Sequence[Inquiry]) -> list[LookUp]:
        del inquiries
        return []


def test_every_breach_is_named() -> None:
    bad = BadProvider("", lambda batch: accept(batch)[1:], batch_limit=0, channels=[Channel.VOICE])
    found = check_provider(bad, message(1), datetime.now(UTC))
    assert [breach.split(":")[0] for breach in found] == [
        "name",
        "channels",
        "batch_limit",
        "send",
        "look_up",
        "pull_receipts",
    ]
