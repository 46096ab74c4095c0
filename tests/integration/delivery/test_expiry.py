"""What each kind of provider tells the network of a message's end: on the wire, and nowhere later than that end."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from pydantic import TypeAdapter
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from carloan_notify.delivery.provider import Provider
from carloan_notify.delivery.registry import (
    AnyProviderSettings,
    HttpProviderSettings,
    build_provider,
    provider_types,
)
from carloan_notify.delivery.simulator.settings import simulator_settings
from carloan_notify.records import Channel, OutboundMessage
from tests.integration.delivery.smsc import Smsc
from tests.integration.delivery.test_vendors import VENDORS, sample
from tests.unit.delivery.gateways import described
from tests.unit.delivery.world import message

NOW = datetime(2026, 11, 23, 12, 58, 30, tzinfo=UTC)
"""20:58:30 in Shanghai: a minute and a half before a window closes there."""
ANYWHERE = re.compile("")
ADAPTER: TypeAdapter[Any] = TypeAdapter(AnyProviderSettings)
BOUNDING: Mapping[str, Callable[[Request], timedelta]] = {
    "kannel": lambda request: timedelta(minutes=int(request.headers["X-Kannel-Validity"])),
    "twilio": lambda request: timedelta(
        seconds=int(parse_qs(request.get_data(as_text=True))["ValidityPeriod"][0])
    ),
}
"""How long a request over HTTP lets the network try."""
UNBOUNDED = {"aliyun", "aliyun_voice", "huawei", "tencent", "tencent_voice", "twilio_voice"}
"""Their requests have no field for it (`tests/data/wire`, the vendors' own SDKs)."""
ELSEWHERE = {"console", "http", "smpp"}
"""Printed at once; as described and by SMPP, below."""
LEFT = [timedelta(seconds=90), timedelta(minutes=30), timedelta(hours=9, seconds=59)]


def http(kind: str, url: str) -> Provider:
    raw = {"type": kind, "base_url": url, **VENDORS[kind]}
    return build_provider("main", ADAPTER.validate_python(raw), lambda: NOW)


def taken(server: HTTPServer) -> list[Request]:
    """Every request that comes, each answered with nothing in particular."""
    seen: list[Request] = []

    def answer(request: Request) -> Response:
        request.get_data()
        seen.append(request)
        return Response('{"code":"0"}')

    server.expect_request(ANYWHERE).respond_with_handler(answer)
    return seen


def ending(of: OutboundMessage, left: timedelta) -> OutboundMessage:
    return replace(of, expires_at=NOW + left)


def test_every_kind_is_looked_at() -> None:
    assert {*BOUNDING, *UNBOUNDED, *ELSEWHERE} == {*provider_types()}


@pytest.mark.parametrize("left", LEFT)
@pytest.mark.parametrize("kind", sorted(BOUNDING))
def test_the_end_is_on_the_wire(kind: str, left: timedelta, httpserver: HTTPServer) -> None:
    seen = taken(httpserver)
    provider = http(kind, httpserver.url_for("").rstrip("/"))
    provider.send([ending(sample(kind), left)])
    assert provider.capabilities.bounds_delivery
    told = BOUNDING[kind](seen[0])
    most = timedelta(hours=1) if kind == "twilio" else left
    assert min(left, most) - timedelta(minutes=1) < told <= left


@pytest.mark.parametrize("kind", sorted(UNBOUNDED))
def test_who_cannot_be_told_says_so(kind: str, httpserver: HTTPServer) -> None:
    """And the request is the same with and without an end, but for its signature's moment and nonce."""
    seen = taken(httpserver)
    provider = http(kind, httpserver.url_for("").rstrip("/"))
    provider.send([sample(kind)])
    provider.send([ending(sample(kind), LEFT[0])])
    assert not provider.capabilities.bounds_delivery
    plain, ended = (request.get_data() for request in seen)
    assert plain == ended


@pytest.mark.parametrize("kind", ["kannel", "twilio"])
def test_a_message_without_an_end_is_sent_as_before(kind: str, httpserver: HTTPServer) -> None:
    seen = taken(httpserver)
    http(kind, httpserver.url_for("").rstrip("/")).send([sample(kind)])
    assert "X-Kannel-Validity" not in seen[0].headers
    if kind == "twilio":
        assert BOUNDING[kind](seen[0]) == timedelta(hours=1)


@pytest.mark.parametrize("long_messages", ["parts", "payload"])
def test_smpp_tells_the_very_instant_with_every_part(long_messages: str) -> None:
    raw = {"type": "smpp", "system_id": "lender", "password": "secret", "long_messages": long_messages}
    with Smsc() as smsc:
        settings = ADAPTER.validate_python({**raw, "host": "127.0.0.1", "port": smsc.port})
        line = build_provider("line", settings, lambda: NOW)
        long = replace(message(1), text="Your car loan payment is due today. " * 9)
        line.send([ending(long, timedelta(seconds=90))])
        told = [unit.validity for unit in smsc.submitted]
        smsc.submitted.clear()
        line.send([long])
        untold = [unit.validity for unit in smsc.submitted]
    assert line.capabilities.bounds_delivery
    assert told == ["261123130000000+"] * (3 if long_messages == "parts" else 1)
    assert untold == [""] * len(told)


# Described gateways: whatever they call it, in whatever place and unit.

DESCRIPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"body": {"text": "{text}", "valid": "{validity_minutes}"}}, '"valid":1'),
    ({"body": {"text": "{text}", "ttl": "{validity_seconds}"}}, '"ttl":90'),
    ({"body": {"text": "{text}", "expire": "{expires_at}"}}, '"expire":"20261123210000"'),
    (
        {
            "body": {"text": "{text}", "options": {"until": "{expires_at}"}},
            "time_format": "%Y-%m-%dT%H:%M:%SZ",
            "time_zone": "UTC",
        },
        '"until":"2026-11-23T13:00:00Z"',
    ),
    ({"query": {"validity": "{validity_minutes}"}, "body": {"text": "{text}"}}, "validity=1"),
    ({"headers": {"X-Validity": "PT{validity_seconds}S"}, "body": {"text": "{text}"}}, "PT90S"),
]


@pytest.mark.parametrize(("request_", "expected"), DESCRIPTIONS)
def test_a_described_gateway_is_told_where_it_has_a_field(
    request_: dict[str, Any], expected: str, httpserver: HTTPServer
) -> None:
    seen = taken(httpserver)
    settings = described(request={"url": httpserver.url_for("/send"), "body_format": "json", **request_})
    provider = build_provider("main", settings, lambda: NOW)
    provider.send([ending(message(1), timedelta(seconds=90))])
    provider.send([message(1)])
    written = [f"{r.query_string.decode()} {r.headers} {r.get_data(as_text=True)}" for r in seen]
    assert provider.capabilities.bounds_delivery
    assert expected in written[0]
    assert expected not in written[1]


def batch(url: str, item: dict[str, str], **body: str) -> Provider:
    raw = simulator_settings(url, Channel.SMS, batch_limit=10)
    raw["request"]["body"] |= body
    raw["batch"]["item"] = {"reference": "{reference}", **item}
    return build_provider("main", HttpProviderSettings.model_validate(raw), lambda: NOW)


def test_each_message_of_a_batch_has_its_own_end_and_the_batch_has_the_first(httpserver: HTTPServer) -> None:
    seen = taken(httpserver)
    url = httpserver.url_for("").rstrip("/")
    messages = [ending(message(n), timedelta(minutes=n)) for n in (5, 2, 9)]
    batch(url, {"valid": "{validity_minutes}"}).send([*messages, message(4)])
    batch(url, {}, until="{expires_at}").send([*messages, message(4)])
    own, shared = (json.loads(request.get_data()) for request in seen)
    assert [item["valid"] for item in own["messages"]] == [5, 2, 9, ""]
    assert shared["until"] == "20261123210030"


def test_a_described_gateway_without_a_field_cannot_be_told() -> None:
    assert not build_provider("main", described(), lambda: NOW).capabilities.bounds_delivery
    assert not batch("http://127.0.0.1:9", {}).capabilities.bounds_delivery


def test_an_end_belongs_into_requests_that_send() -> None:
    look_up = {
        "request": {"url": "https://gateway.example/?x={expires_at}"},
        "state": "s",
        "states": {"accepted": ["1"]},
    }
    with pytest.raises(ValueError, match=r"\{expires_at\} is nothing we know"):
        described(look_up=look_up)
