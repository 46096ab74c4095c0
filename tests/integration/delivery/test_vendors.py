"""Every adapter through the shared contract: the declared shape, and the whole list of faults on loopback.

And what they may never do: say a number, a credential or a text to any logger at any level.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter
from pytest_httpserver import HTTPServer
from werkzeug import Response

from carloan_notify.app import system_clock
from carloan_notify.delivery.provider import Provider
from carloan_notify.delivery.registry import AnyProviderSettings, build_provider, provider_types
from carloan_notify.delivery.testing import check_faults, check_provider
from carloan_notify.records import Channel, OutboundMessage

NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
SECRET = "made-up-secret-0123456789"
TEMPLATE = {
    "notices": ["due_today"],
    "code": "1234567",
    "sign": "安达车贷",
    "params": {"1": "{borrower_name}"},
}
ALIYUN = {
    "access_key_id": "made-up-key-id",
    "access_key_secret": SECRET,
    "templates": [TEMPLATE | {"params": {"name": "{borrower_name}"}}],
}
TENCENT = {"secret_id": "made-up-id", "secret_key": SECRET, "app_id": "1400000000", "templates": [TEMPLATE]}
TWILIO = {"account_sid": "AC" + "0" * 32, "auth_token": SECRET, "sender": "+12025550199"}
VENDORS: Mapping[str, Mapping[str, Any]] = {
    "aliyun": ALIYUN,
    "aliyun_voice": ALIYUN | {"called_show_number": "057100000000"},
    "huawei": {
        "app_key": "made-up-key",
        "app_secret": SECRET,
        "sender": "8823111111111",
        "templates": [TEMPLATE],
    },
    "kannel": {"username": "lender", "password": SECRET},
    "tencent": TENCENT,
    "tencent_voice": TENCENT,
    "twilio": TWILIO,
    "twilio_voice": TWILIO,
}
NO_ADAPTER_OF_THIS_KIND = {"console", "http", "smpp"}
"""Tested by themselves: they print, are described, or speak no HTTP."""
ADAPTER: TypeAdapter[Any] = TypeAdapter(AnyProviderSettings)
EVERYTHING = re.compile("")
BODIES = [
    "{}",
    '{"Code":"OK"}',
    "<html></html>",
    '{"Response":{"Error":{"Code":"AuthFailure","Message":"+8613800138000"}}}',
    "0: Accepted for delivery",
]


def vendor(kind: str, url: str, **changes: Any) -> Provider:
    raw = {"type": kind, "base_url": url, **VENDORS[kind], **changes}
    return build_provider("main", ADAPTER.validate_python(raw), system_clock)


def sample(kind: str) -> OutboundMessage:
    return OutboundMessage(
        "A" * 26,
        Channel.VOICE if kind.endswith("voice") else Channel.SMS,
        "due_today",
        "zh-CN",
        "+8613800138000",
        "【安达车贷】张三您好，今日应还1,234.56元。",
        {"borrower_name": "张三", "amount": "1234.56"},
    )


def test_no_adapter_is_left_out() -> None:
    assert set(VENDORS) == set(provider_types()) - NO_ADAPTER_OF_THIS_KIND


@pytest.mark.parametrize("kind", sorted(VENDORS))
def test_it_keeps_its_promises_when_everything_breaks(kind: str) -> None:
    assert check_faults(lambda url: vendor(kind, url), sample(kind)) == []


@pytest.mark.parametrize("kind", sorted(VENDORS))
def test_it_keeps_the_contract_whatever_is_answered(kind: str, httpserver: HTTPServer) -> None:
    answers = iter(BODIES * 1000)
    httpserver.expect_request(EVERYTHING).respond_with_handler(lambda _request: Response(next(answers), 200))
    provider = vendor(kind, httpserver.url_for("").rstrip("/"), push_secret="0123456789abcdef")
    assert check_provider(provider, sample(kind), NOW) == []


class Heard(logging.Handler):
    def __init__(self) -> None:
        """Nothing heard yet."""
        super().__init__(logging.NOTSET)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name != "werkzeug":  # the other end of the wire, which may say what it got
            self.lines.append(f"{record.getMessage()} {record.__dict__}")


@pytest.fixture
def heard() -> Iterator[Heard]:
    """Everything that any logger says, all of them opened wide."""
    handler = Heard()
    loggers = [
        logging.getLogger(),
        *(logging.getLogger(name) for name in list(logging.root.manager.loggerDict)),
    ]
    levels = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(1)
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)
    for one, level in zip(loggers, levels, strict=True):
        one.setLevel(level)


@pytest.mark.parametrize("kind", sorted(VENDORS))
def test_nothing_of_a_request_is_ever_logged(kind: str, heard: Heard, httpserver: HTTPServer) -> None:
    httpserver.expect_request(EVERYTHING).respond_with_data('{"Code":"Throttling.User"}', 429)
    for url in (httpserver.url_for("").rstrip("/"), "http://127.0.0.1:9"):
        provider = vendor(kind, url)
        provider.send([sample(kind)])
        provider.check()
    logging.getLogger("control").warning("control")
    said = "\n".join(heard.lines)
    assert "control" in said
    for secret in (SECRET, "13800138000", "张三", "1234.56", "made-up"):
        assert secret not in said
