"""The Tencent adapters over real sockets: the same requests as the vendor's SDK, and every way an answer can fail."""

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest
import requests
from pytest_httpserver import HTTPServer
from requests.adapters import HTTPAdapter
from werkzeug import Request, Response

from carloan_notify.delivery.http import WireAnswer, WireFault
from carloan_notify.delivery.provider import CheckVerdict
from carloan_notify.delivery.providers.tencent.sms import TencentSms, TencentVoice
from carloan_notify.records import Channel, Outcome
from tests.integration.delivery.tencent import INQUIRY, at, call_at, hang, listening, reset
from tests.unit.delivery.providers.tencent import (
    NOW,
    SDK,
    TEMPLATE,
    error,
    message,
    sms_settings,
    status,
    voice_settings,
)

Case = dict[str, Any]
PARAMS = {str(n + 1): f"{{params.p{n}}}" for n in range(4)}


class ToLoopback(HTTPAdapter):
    """Takes requests for the vendor to a server here; they still name the vendor's host, which is signed."""

    def __init__(self, url: str) -> None:
        """`url` is the server's."""
        super().__init__()
        self._loopback = url

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Change the address and nothing else."""
        request.url = self._loopback + "/" + str(request.url).split("/", 3)[3]
        return super().send(request, *args, **kwargs)


# The wire: method, path, body and every header that the vendor reads, byte for byte. User-Agent, Accept and the
# SDK's own X-TC-RequestClient, X-TC-TraceId and X-TC-Language (the language of messages nobody reads) differ.


def sent_by_us(server: HTTPServer, case: Case, act: Callable[[Any], object], **changes: Any) -> Case:
    server.expect_request("/").respond_with_json({"Response": {}})
    headers = case["request"]["headers"]
    common = {"base_url": f"https://{headers['host']}", **changes}
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", ToLoopback(server.url_for("")))
    if case["service"] == "sms":
        act(TencentSms("t", sms_settings(**common), session=session, clock=lambda: NOW))
    else:
        act(TencentVoice("t", voice_settings(**common), session=session, clock=lambda: NOW))
    sent = server.log[0][0]
    return {
        "method": sent.method,
        "path": sent.path + ("?" + sent.query_string.decode() if sent.query_string else ""),
        "headers": {name: sent.headers[name] for name in headers},
        "body": sent.data.decode(),
    }


@pytest.mark.parametrize("name", [name for name in SDK["cases"] if name.startswith("send")])
def test_a_message_leaves_as_the_sdk_would_send_it(httpserver: HTTPServer, name: str) -> None:
    case = SDK["cases"][name]
    asked = case["parameters"]
    words = asked["TemplateParamSet"]
    number = int(asked.get("SessionContext", "M0")[1:])
    batch = [message(number + n, *words, phone=phone) for n, phone in enumerate(asked["PhoneNumberSet"])]
    template = {**TEMPLATE, "params": {key: PARAMS[key] for key in list(PARAMS)[: len(words)]}}
    options = {"extend_code": asked.get("ExtendCode", ""), "sender_id": asked.get("SenderId", "")}
    sent = sent_by_us(
        httpserver, case, lambda provider: provider.send(batch), templates=[template], **options
    )
    assert sent == case["request"]


def test_a_call_leaves_as_the_sdk_would_send_it(httpserver: HTTPServer) -> None:
    case = SDK["cases"]["call"]
    words = case["parameters"]["TemplateParamSet"]
    call = message(1, *words, phone=case["parameters"]["CalledNumber"], channel=Channel.VOICE)
    template = {**TEMPLATE, "code": case["parameters"]["TemplateId"]}
    sent = sent_by_us(
        httpserver, case, lambda provider: provider.send([call]), templates=[template], play_times=3
    )
    assert sent == case["request"]


@pytest.mark.parametrize(
    ("name", "act"),
    [
        ("query", lambda provider: provider.look_up([INQUIRY])),
        ("pull_statuses", lambda provider: provider.pull(NOW, "")),
        ("pull_replies", lambda provider: provider.pull(NOW, "PullSmsReplyStatus:0")),
        ("look_at_statistics", lambda provider: provider.check()),
        ("call_nobody", lambda provider: provider.check()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_question_leaves_as_the_sdk_would_send_it(
    httpserver: HTTPServer, name: str, act: Callable[[Any], object]
) -> None:
    case = SDK["cases"][name]
    assert sent_by_us(httpserver, case, act) == case["request"]


def test_a_template_and_a_sign_are_looked_at_as_the_sdk_would(httpserver: HTTPServer) -> None:
    asked: dict[str, list[Any]] = {}

    def serve(request: Request) -> Response:
        asked.setdefault(request.headers["X-TC-Action"], []).append(json.loads(request.data))
        return Response('{"Response":{}}')

    httpserver.expect_request("/").respond_with_handler(serve)
    at(httpserver).check()
    assert asked["DescribeSmsTemplateList"][0] == SDK["cases"]["look_at_template"]["parameters"]
    assert asked["DescribeSmsSignList"][0] == SDK["cases"]["look_at_signs"]["parameters"]


# Faults.


@pytest.mark.parametrize(
    ("meet", "code"), [(hang, "timed_out"), (reset, "broken_answer:ConnectionResetError")]
)
def test_what_left_and_was_not_answered_is_unknown(meet: Callable[[socket.socket], None], code: str) -> None:
    with listening(meet) as url:
        (result,) = at(url).send([message()])
    assert (result.outcome, result.code) == (Outcome.UNKNOWN, code)


def test_what_never_left_may_be_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    (result,) = at(f"http://127.0.0.1:{port}").send([message()])
    assert (result.outcome, result.code) == (Outcome.RETRYABLE, "not_connected:ConnectionRefusedError")


@pytest.mark.parametrize(
    ("http_status", "body", "outcome", "code"),
    [
        (200, "<html>maintenance</html>", Outcome.UNKNOWN, "unreadable_answer"),
        (200, '{"Response": {"SendStatusSet": [{"Code"', Outcome.UNKNOWN, "unreadable_answer"),
        (200, "", Outcome.UNKNOWN, "unreadable_answer"),
        (429, "", Outcome.THROTTLED, "http_429"),
        (401, "", Outcome.ACCOUNT, "http_401"),
        (403, "<html/>", Outcome.ACCOUNT, "http_403"),
        (500, "", Outcome.UNKNOWN, "http_500"),
        (500, json.dumps({"Response": error("InternalError")}), Outcome.UNKNOWN, "InternalError"),
        (
            503,
            json.dumps({"Response": error("RequestLimitExceeded")}),
            Outcome.THROTTLED,
            "RequestLimitExceeded",
        ),
        (302, "", Outcome.UNKNOWN, "http_302"),
    ],
)
def test_answers_that_fail(
    httpserver: HTTPServer, http_status: int, body: str, outcome: Outcome, code: str
) -> None:
    httpserver.expect_request("/").respond_with_data(body, status=http_status, headers={"Retry-After": "9"})
    (sms,) = at(httpserver).send([message()])
    (call,) = call_at(httpserver).send([message(channel=Channel.VOICE)])
    assert (sms.outcome, sms.code) == (call.outcome, call.code) == (outcome, code)
    if outcome is Outcome.THROTTLED:
        assert sms.retry_after_s == call.retry_after_s == 9


def test_half_a_batch_fails(httpserver: HTTPServer) -> None:
    batch = [message(number) for number in range(4)]
    answered = [
        status(batch[0].phone, serial="s0"),
        status(batch[1].phone, "LimitExceeded.PhoneNumberDailyLimit"),
        status(batch[3].phone, "InvalidParameterValue.IncorrectPhoneNumber"),
    ]
    httpserver.expect_request("/").respond_with_json({"Response": {"SendStatusSet": answered}})
    results = at(httpserver).send(batch)
    assert [r.outcome for r in results] == [
        Outcome.ACCEPTED,
        Outcome.NOT_TONIGHT,
        Outcome.UNKNOWN,
        Outcome.REJECTED,
    ]
    assert len(httpserver.log) == 1


def test_a_vendor_out_of_reach_tells_nothing() -> None:
    with listening(reset) as url:
        assert [one.verdict for one in at(url).check()] == [CheckVerdict.UNTOLD, CheckVerdict.UNTOLD]


def test_nothing_of_a_request_shows(caplog: pytest.LogCaptureFixture, httpserver: HTTPServer) -> None:
    caplog.set_level("DEBUG")
    httpserver.expect_request("/").respond_with_json({"Response": error("AuthFailure.SignatureFailure")})
    provider = at(httpserver)
    results = provider.send([message(0, "王小明")])
    request = provider._interface.request("SendSms", {"x": "王小明"})  # noqa: SLF001 - the repr of what is inside
    shown = caplog.text + repr(results) + repr(request) + repr(WireAnswer(200, {}, b"x")) + repr(WireFault)
    for secret in (SDK["secret_key"], SDK["secret_id"], "王小明", "2025550100", "Signature="):
        assert secret not in shown
