"""A `send` late in the contact hours: the network is told until when, or the message does not leave."""

import json
import re
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from carloan_notify.delivery.simulator.settings import simulator_settings
from carloan_notify.records import Channel
from tests.e2e.after import audited
from tests.e2e.conftest import Desk

LATE = "2026-11-23T20:45:00+08:00"
NOON = "2026-11-23T12:00:00+08:00"


@pytest.fixture
def bodies(httpserver: HTTPServer) -> list[dict[str, Any]]:
    """What a gateway that accepts everything has been sent."""
    seen: list[dict[str, Any]] = []

    def answer(request: Request) -> Response:
        seen.append(json.loads(request.get_data()))
        return Response('{"code":"0","id":"' + str(len(seen)) + '"}')

    httpserver.expect_request(re.compile("")).respond_with_handler(answer)
    return seen


def configured(desk: Desk, url: str, *listed: str, **delivery: Any) -> None:
    """`told` has a field for the end of a message, `untold` has none."""
    told, untold = (simulator_settings(url, Channel.SMS) for _ in range(2))
    del untold["request"]["body"]["valid_minutes"]
    voice = {"type": "console", "channels": ["voice"]}
    channels = {"sms": list(listed), "voice": ["voice"]}
    providers = {"told": told, "untold": untold, "voice": voice}
    desk.configure(delivery={"channels": channels, "providers": providers, **delivery})


def ending_soon(desk: Desk) -> set[str]:
    """The SMS that wait at LATE and whose hours end within half an hour."""
    at, soon = datetime.fromisoformat(LATE), timedelta(minutes=30)
    rows = desk.messages("--state", "queued")
    left = {row["message_id"]: datetime.fromisoformat(row["expires_at"]) - at for row in rows}
    sms = {row["message_id"] for row in rows if row["channel"] == "sms"}
    return {name for name in sms if timedelta(0) < left[name] < soon}


def test_what_the_gateway_cannot_be_told_expires_and_says_why(
    planned: Desk, httpserver: HTTPServer, bodies: list[dict[str, Any]]
) -> None:
    configured(planned, httpserver.url_for("").rstrip("/"), "untold")
    late = ending_soon(planned)
    figures = planned.send(LATE, code=1)
    assert late
    assert late.isdisjoint(body["reference"] for body in bodies)
    assert figures["expired"] >= len(late)
    rows = [row for row in planned.messages("--state", "expired") if row["message_id"] in late]
    assert Counter(row["code"] for row in rows) == {"hours_ending": len(late)}
    told = " ".join(audited(planned, "message.held"))
    assert "hours_ending" in told
    assert all(message_id in told for message_id in late)


def test_by_day_the_same_gateway_takes_everything(
    planned: Desk, httpserver: HTTPServer, bodies: list[dict[str, Any]]
) -> None:
    configured(planned, httpserver.url_for("").rstrip("/"), "untold")
    assert planned.send(NOON)["accepted"] >= len(bodies) > 0


def test_a_gateway_that_is_told_takes_them_until_the_end(
    planned: Desk, httpserver: HTTPServer, bodies: list[dict[str, Any]]
) -> None:
    configured(planned, httpserver.url_for("").rstrip("/"), "untold", "told")
    late = ending_soon(planned)
    planned.send(LATE, code=1)
    told = {body["reference"]: body["valid_minutes"] for body in bodies if "valid_minutes" in body}
    assert set(told) == late
    assert set(told.values()) <= {14, 15}
    assert len(bodies) > len(told), "whose evening is longer, goes by the first"
    rows = [row for row in planned.messages("--state", "accepted") if row["message_id"] in late]
    assert {row["provider"] for row in rows} == {"told"}


def test_the_margin_can_be_set_to_nothing(
    planned: Desk, httpserver: HTTPServer, bodies: list[dict[str, Any]]
) -> None:
    configured(planned, httpserver.url_for("").rstrip("/"), "untold", hold_back_minutes=0)
    late = ending_soon(planned)
    planned.send(LATE, code=1)
    assert {body["reference"] for body in bodies} >= late


def test_the_list_of_providers_names_those_that_cannot_be_told(planned: Desk) -> None:
    configured(planned, "http://127.0.0.1:9", "untold", "told")
    rows = planned.run("providers", "list", "--format", "json").json
    assert {row["name"]: row["bounds_delivery"] for row in rows} == {
        "told": "yes",
        "untold": "no",
        "voice": "yes",
    }
