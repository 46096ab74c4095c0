"""Huawei and Twilio on a real socket: what the vendors' SDKs send, and every end a request can come to.

`tests/wire/record_*.py` made the fixtures. Compared are method, path and query, body, and the headers that the
fixture names (credentials, signature, content type, and for Huawei the signed host and time); the User-Agent and
the order of headers are not.
"""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from pytest_httpserver import HTTPServer
from requests.adapters import BaseAdapter
from werkzeug import Request, Response

from carloan_notify.delivery.http import new_session
from carloan_notify.delivery.provider import NO_ANSWER, CheckVerdict, Inquiry, Provider
from carloan_notify.delivery.providers.huawei.huawei import HuaweiSms
from carloan_notify.delivery.providers.twilio.twilio import TwilioSms, signature_of
from carloan_notify.records import Channel, OutboundMessage, Outcome
from tests.integration.delivery.ends import half, hang, reset, served, unused
from tests.unit.delivery.providers.vendors import (
    CALLBACK,
    NOW,
    huawei,
    huawei_settings,
    message,
    messages,
    twilio,
    twilio_voice,
)

DATA = Path(__file__).parents[2] / "data" / "wire"


def fixture(vendor: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the SDK was given, and the requests it made."""
    whole = json.loads((DATA / f"{vendor}.json").read_text(encoding="utf-8"))
    return whole["given"], whole["requests"]


class _Elsewhere(BaseAdapter):
    """Sends to another port than the address says, so that a signed Host stays the recorded one."""

    def __init__(self, session: requests.Session, recorded: str, port: int) -> None:
        """Wraps the session's own adapter."""
        super().__init__()
        self._inner = session.get_adapter("http://")
        self._recorded, self._real = recorded, f"127.0.0.1:{port}"

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """The same request to the other port."""
        request.url = str(request.url).replace(self._recorded, self._real, 1)
        return self._inner.send(request, *args, **kwargs)

    def close(self) -> None:
        """The session closes the real one."""


def assert_same(request: Request, recorded: dict[str, Any]) -> None:
    query = f"?{request.query_string.decode()}" if request.query_string else ""
    assert (request.method, request.path + query) == (recorded["method"], recorded["path"])
    assert request.get_data().decode() == recorded["body"]
    asked = {**recorded["headers"]}
    if request.method == "GET":
        asked.pop("content-type", None)  # the SDK names one for an empty body
    assert {name: request.headers.get(name) for name in asked} == asked


@pytest.mark.parametrize(("name", "size"), [("one", 1), ("batch", 3)])
def test_huawei_sends_what_the_sdk_sends(name: str, size: int, httpserver: HTTPServer) -> None:
    given, recorded = fixture("huawei")
    httpserver.expect_request(recorded[name]["path"]).respond_with_json({"code": "000000", "result": []})
    host = recorded[name]["headers"]["host"]
    session = new_session(1)
    session.mount("http://", _Elsewhere(session, host, httpserver.port))
    settings = huawei_settings(
        app_key=given["app_key"],
        app_secret=given["app_secret"],
        sender=given["sender"],
        base_url=f"http://{host}",
        templates=[
            {
                "notices": ["due_today"],
                "code": given["template"],
                "sign": given["sign"],
                "params": {"name": "{name}", "amount": "{amount}"},
            }
        ],
    )
    batch = [
        message(phone, reference=reference, name=values[0], amount=values[1])
        for phone, reference, values in zip(
            given["phones"], given["references"], given["values"], strict=True
        )
    ]
    provider = HuaweiSms(
        "main",
        settings,
        session=session,
        clock=lambda: datetime.fromisoformat(given["now"]),
        push_url=CALLBACK,
    )
    assert {r.code for r in provider.send(batch[:size])} == {NO_ANSWER}
    assert_same(httpserver.log[0][0], recorded[name])


def at_twilio(httpserver: HTTPServer, given: dict[str, Any]) -> dict[str, Any]:
    httpserver.expect_request("").respond_with_json({"sid": "SM1", "status": "queued"}, 201)
    return {
        "base_url": httpserver.url_for("").rstrip("/"),
        "account_sid": given["account_sid"],
        "auth_token": given["auth_token"],
        "validity_s": given["validity_s"],
    }


def test_twilio_sends_what_the_sdk_sends(httpserver: HTTPServer) -> None:
    given, recorded = fixture("twilio")
    settings = at_twilio(httpserver, given)
    batch = [
        message(phone, reference=reference, text=text)
        for phone, reference, text in zip(given["phones"], given["references"], given["texts"], strict=True)
    ]
    twilio(sender=given["sender"], **settings).send(batch[:1])
    service = twilio(sender="", messaging_service_sid=given["messaging_service_sid"], **settings)
    for one in batch:
        service.send([one])
    for (request, _), name in zip(httpserver.log, ("one", "batch_1", "batch_2", "batch_3"), strict=True):
        assert_same(request, recorded[name])


def test_twilio_calls_as_the_sdk_calls(httpserver: HTTPServer) -> None:
    given, recorded = fixture("twilio")
    settings = at_twilio(httpserver, given)
    del settings["validity_s"]
    speakers = {"x": {"language": given["language"], "voice": given["voice"]}}
    text = given["texts"][0] + given["texts"][1]
    spoken = message(given["phones"][1], reference=given["references"][1], text=text, language="x")
    twilio_voice(sender=given["sender"], play_times=given["play_times"], speakers=speakers, **settings).send(
        [spoken]
    )
    assert_same(httpserver.log[0][0], recorded["call"])


def test_twilio_asks_as_the_sdk_asks(httpserver: HTTPServer) -> None:
    given, recorded = fixture("twilio")
    settings = at_twilio(httpserver, given)

    def inquiry(provider_ref: str) -> Inquiry:
        return Inquiry("A" * 26, Channel.SMS, provider_ref, NOW, given["phones"][0])

    twilio(**settings).look_up([inquiry(given["message_sid"]), inquiry("")])
    del settings["validity_s"]
    twilio_voice(**settings).look_up([inquiry("")])
    for (request, _), name in zip(
        httpserver.log, ("query_one", "query_messages", "query_calls"), strict=True
    ):
        assert_same(request, recorded[name])


def test_twilio_signs_as_its_validator_does() -> None:
    given, _ = fixture("twilio")
    url = f"{given['callback']}?ref={given['references'][0]}"
    form = {"From": [given["phones"][0]], "Body": [given["texts"][0]], "Empty": [""]}
    with_port = url.replace(".example", ".example:443")
    assert signature_of(given["auth_token"], url, form) == given["signatures"]["form"]
    assert signature_of(given["auth_token"], with_port, form) == given["signatures"]["form_with_port"]


Build = Callable[..., Provider]
PROVIDERS: list[Build] = [huawei, twilio, twilio_voice]
IDS = ["huawei", "twilio", "twilio_voice"]
BATCH: list[OutboundMessage] = [message()]


def sent_to(build: Build, url: str) -> tuple[Outcome, str]:
    (only,) = build(base_url=url).send(BATCH)
    return only.outcome, only.code


@pytest.mark.parametrize("build", PROVIDERS, ids=IDS)
def test_what_never_connected_was_not_sent(build: Build) -> None:
    outcome, code = sent_to(build, unused())
    assert outcome is Outcome.RETRYABLE
    assert code.startswith("not_connected:")


@pytest.mark.parametrize("build", PROVIDERS, ids=IDS)
@pytest.mark.parametrize(
    ("serve", "code"), [(hang, "timed_out"), (reset, "broken_answer:"), (half, "broken_answer:")]
)
def test_a_request_without_an_answer_is_unknown(
    build: Build, serve: Callable[[Any], None], code: str
) -> None:
    with served(serve) as url:
        outcome, told = sent_to(build, url)
    assert outcome is Outcome.UNKNOWN
    assert told.startswith(code)


@pytest.mark.parametrize("build", PROVIDERS, ids=IDS)
@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, "<html>", Outcome.UNKNOWN),
        (200, "", Outcome.UNKNOWN),
        (200, '{"code": "00', Outcome.UNKNOWN),
        (201, "{}", Outcome.UNKNOWN),
        (307, "", Outcome.UNKNOWN),
        (401, "", Outcome.ACCOUNT),
        (403, "<html>", Outcome.ACCOUNT),
        (404, "<html>", Outcome.UNKNOWN),
        (429, "", Outcome.THROTTLED),
        (500, "", Outcome.UNKNOWN),
        (500, '{"code": "NEW.1"}', Outcome.UNKNOWN),
        (503, "<html>", Outcome.UNKNOWN),
    ],
)
def test_answers_that_say_little(
    build: Build, status: int, body: str, outcome: Outcome, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("").respond_with_data(body, status, {"Retry-After": "5"})
    (only,) = build(base_url=httpserver.url_for("").rstrip("/")).send(BATCH)
    assert only.outcome is outcome
    assert only.retry_after_s == 5 or status != 429


def test_half_of_a_batch_fails_and_one_is_not_mentioned(httpserver: HTTPServer) -> None:
    def answer(request: Request) -> Response:
        numbers = [content["to"][0] for content in request.get_json()["smsContent"]]
        items = [
            {"originTo": number, "status": "E200028" if place % 2 else "000000", "smsMsgId": f"id-{place}"}
            for place, number in enumerate(numbers[:-1])
        ]
        return Response(json.dumps({"code": "000000", "result": items}), 200)

    httpserver.expect_request("").respond_with_handler(answer)
    results = huawei(base_url=httpserver.url_for("").rstrip("/")).send(messages(5))
    assert [r.outcome for r in results] == [
        Outcome.ACCEPTED,
        Outcome.REJECTED,
        Outcome.ACCEPTED,
        Outcome.REJECTED,
        Outcome.UNKNOWN,
    ]
    reference = f"batch-{messages(1)[0].message_id}"
    assert [r.provider_ref for r in results] == [reference, "", reference, "", reference]


@pytest.mark.parametrize("build", PROVIDERS, ids=IDS)
def test_a_check_that_reaches_nobody_says_so(build: Build) -> None:
    first, *_ = build(base_url=unused()).check()
    assert (first.what, first.verdict) == ("credentials", CheckVerdict.UNTOLD)


@pytest.mark.parametrize("build", [twilio, twilio_voice], ids=IDS[1:])
def test_an_inquiry_that_reaches_nobody_says_so(build: Callable[..., TwilioSms]) -> None:
    inquiries = [Inquiry("A" * 26, Channel.SMS, ref, NOW, "+12025550100") for ref in ("", "SM1")]
    assert all(
        found.code.startswith("not_connected:") for found in build(base_url=unused()).look_up(inquiries)
    )
