"""Alibaba Cloud over real sockets: what arrives there, and every fault of the way back."""

from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from carloan_notify.delivery.provider import CheckVerdict, Inquiry, MessageFate
from carloan_notify.delivery.providers.aliyun import aliyun
from carloan_notify.delivery.providers.aliyun.aliyun import AliyunSms, AliyunVoice
from carloan_notify.records import Channel, Outcome, SendResult
from tests.integration.delivery.ends import Serve, half, hang, reset, served, unused
from tests.unit.delivery.providers.aliyun_world import (
    NOW,
    PHONES,
    RECORDED,
    at,
    message,
    nonce,
    sms_settings,
    voice_settings,
)

OK = {"Code": "OK", "BizId": "1^0", "CallId": "2^0"}


def sms(url: str) -> AliyunSms:
    return AliyunSms("main", sms_settings(base_url=url), clock=at(NOW), nonce=nonce)


def send(url: str, count: int = 1) -> list[SendResult]:
    return sms(url).send([message(n) for n in range(count)])


def url_of(server: HTTPServer) -> str:
    return server.url_for("").rstrip("/")


@pytest.mark.parametrize(("name", "count"), [("send", 1), ("batch", 3)])
def test_the_bytes_that_arrive_are_those_of_the_sdk(httpserver: HTTPServer, name: str, count: int) -> None:
    """Query, body and signed headers as they come off the socket; only the port in `host` is another."""
    httpserver.expect_request("/").respond_with_json(OK)
    assert {result.outcome for result in send(url_of(httpserver), count)} == {Outcome.ACCEPTED}
    ((arrived, _),) = httpserver.log
    recorded = RECORDED["exchanges"][name]
    assert f"/?{arrived.query_string.decode()}" == recorded["target"]
    assert arrived.get_data().decode() == recorded["body"]
    for header, value in recorded["headers"].items():
        if header == "authorization":
            assert arrived.headers[header].split("Signature=")[0] == value.split("Signature=")[0]
        elif header != "host":
            assert arrived.headers[header] == value


def test_a_call_arrives_and_is_asked_about(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_json({**OK, "Data": '{"state":"200000"}'})
    settings = voice_settings(base_url=url_of(httpserver))
    provider = AliyunVoice("calls", settings, clock=at(NOW), nonce=nonce)
    (made,) = provider.send([message(channel=Channel.VOICE)])
    (found,) = provider.look_up([Inquiry(made.message_id, Channel.VOICE, made.provider_ref, NOW, PHONES[0])])
    assert (made.outcome, found.standing) == (Outcome.ACCEPTED, MessageFate.DELIVERED)
    assert httpserver.log[0][0].query_string.decode() == RECORDED["exchanges"]["call"]["target"][2:]


@pytest.mark.parametrize(
    ("status", "body", "header", "outcome", "wait"),
    [
        (200, "<html>busy</html>", (), Outcome.UNKNOWN, 0),
        (200, '{"Code":"OK","Biz', (), Outcome.UNKNOWN, 0),
        (200, "", (), Outcome.UNKNOWN, 0),
        (307, "", ("Location", "/elsewhere"), Outcome.UNKNOWN, 0),
        (401, "", (), Outcome.ACCOUNT, 0),
        (403, '{"Code":"Forbidden.RAM"}', (), Outcome.ACCOUNT, 0),
        (429, "", ("Retry-After", "7"), Outcome.THROTTLED, 7),
        (429, '{"Code":"Throttling.User"}', ("x-acs-retry-after", "1500"), Outcome.THROTTLED, 1.5),
        (400, '{"Code":"Throttling.Api"}', ("Retry-After", "3"), Outcome.THROTTLED, 3),
        (500, "oops", (), Outcome.UNKNOWN, 0),
        (500, '{"Code":"InternalError"}', (), Outcome.UNKNOWN, 0),
        (503, '{"Code":"ServiceUnavailable"}', (), Outcome.UNKNOWN, 0),
    ],
)
def test_every_answer_is_the_answer_for_every_message(
    httpserver: HTTPServer, status: int, body: str, header: tuple[str, ...], outcome: Outcome, wait: float
) -> None:
    headers = {header[0]: header[1]} if header else {}
    httpserver.expect_request("/").respond_with_data(body, status, headers)
    for count in (1, 3):
        results = send(url_of(httpserver), count)
        assert len(results) == count
        assert {(result.outcome, result.retry_after_s) for result in results} == {(outcome, wait)}


@pytest.mark.parametrize(
    ("serve", "code"), [(reset, "broken_answer:"), (hang, "timed_out"), (half, "broken_answer:")]
)
def test_what_left_and_was_not_answered_is_unknown(serve: Serve, code: str) -> None:
    with served(serve) as url:
        results = send(url, 3)
    assert {result.outcome for result in results} == {Outcome.UNKNOWN}
    assert all(result.code.startswith(code) and result.provider_ref for result in results)


def test_what_never_connected_was_certainly_not_sent() -> None:
    (only,) = send(unused())
    assert (only.outcome, only.provider_ref) == (Outcome.RETRYABLE, "")


def test_a_wrong_clock_is_seen(httpserver: HTTPServer) -> None:
    def late(_: Request) -> Response:
        return Response('{"Code":"OK"}', headers={"Date": "Mon, 23 Nov 2026 01:10:03 GMT"})

    httpserver.expect_request("/").respond_with_handler(late)
    found = {result.what: result for result in sms(url_of(httpserver)).check()}
    assert found["clock"].verdict is CheckVerdict.WRONG
    assert found["credentials"].verdict is CheckVerdict.OK


def test_the_queues_over_a_socket(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    url = url_of(httpserver)
    token: dict[str, Any] = {"AccessKeyId": "STS.1", "AccessKeySecret": "s", "SecurityToken": "t"}
    httpserver.expect_request("/", method="POST").respond_with_json({"Code": "OK", "MessageTokenDTO": token})
    inside = '<Message><ReceiptHandle>h</ReceiptHandle><MessageBody>{"x":1}</MessageBody></Message>'
    answers = [
        Response(f"<Messages>{inside}</Messages>"),
        Response("", 204),
        Response("<E><Code>MessageNotExist</Code></E>", 404),
    ]
    path = "/queues/Q-1/messages"
    httpserver.expect_request(path).respond_with_handler(lambda _: answers.pop(0))
    monkeypatch.setattr(aliyun, "QUEUES_URL", url)
    monkeypatch.setattr(aliyun, "HANDOUT_URL", url)
    settings = sms_settings(base_url=url, mns={"reports_queue": "Q-1"})
    provider = AliyunSms("main", settings, clock=at(NOW), nonce=nonce)
    first = provider.pull(NOW, "")
    assert (first.problems, first.more) == (("main: record 0: neither receipt nor reply",), True)
    assert provider.pull(NOW, first.cursor).more is False
    assert [request.method for request, _ in httpserver.log] == ["POST", "GET", "DELETE", "GET"]
    fetched = next(request for request, _ in httpserver.log if request.method == "GET")
    assert fetched.headers["security-token"] == "t"
    assert fetched.headers["Authorization"].startswith("MNS STS.1:")
