"""Receipts and replies out of Tencent's queues, and what became of one message, over real sockets."""

import json
from datetime import timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from carloan_notify.delivery.provider import Inquiry, MessageFate
from carloan_notify.pipeline.returns import pull
from carloan_notify.records import Channel
from tests.integration.delivery.tencent import INQUIRY, at, listening, reset
from tests.unit.delivery.providers.tencent import NOW, SDK, error

Case = dict[str, Any]


def receipt(serial: str, told: str = "SUCCESS", **more: Any) -> Case:
    return {
        "SerialNo": serial,
        "PhoneNumber": "+12025550100",
        "ReportStatus": told,
        "Description": "DELIVRD" if told == "SUCCESS" else "UNDELIV",
        "UserReceiveTime": SDK["now"],
        **more,
    }


def test_both_queues_are_emptied(httpserver: HTTPServer) -> None:
    reply = {"PhoneNumber": "+12025550100", "ReplyContent": "TD", "ReplyTime": SDK["now"]}
    waiting: dict[str, list[list[Case]]] = {
        "PullSmsSendStatus": [[receipt("1"), receipt("2")], [receipt("3"), {"SerialNo": ""}], []],
        "PullSmsReplyStatus": [[reply], []],
    }

    def serve(request: Request) -> Response:
        action = request.headers["X-TC-Action"]
        return Response(json.dumps({"Response": {f"{action}Set": waiting[action].pop(0)}}))

    httpserver.expect_request("/").respond_with_handler(serve)
    pages = list(pull(at(httpserver, pull_receipts=True), NOW))
    assert [r.provider_ref for page in pages for r in page.receipts] == ["1", "2", "3"]
    assert [r.text for page in pages for r in page.replies] == ["TD"]
    assert [problem for page in pages for problem in page.problems] == ["t: record 2: SerialNo is missing"]
    assert b'"SerialNo": ""' in pages[1].unread
    assert len(pages) == 5


def test_a_queue_that_is_closed_does_not_close_the_other(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_json(
        {"Response": error("UnauthorizedOperation.RequestPermissionDeny")}
    )
    first = at(httpserver).pull(NOW, "")
    assert first.problems == ("t: PullSmsSendStatus: UnauthorizedOperation.RequestPermissionDeny",)
    assert (first.cursor, first.more) == ("PullSmsReplyStatus:0", True)
    second = at(httpserver).pull(NOW, first.cursor)
    assert (second.cursor, second.more, len(second.problems)) == ("", False, 1)


def test_an_unreadable_page_is_kept(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data('{"Response": {"PullSmsSendStatusSet": [{')
    found = at(httpserver).pull(NOW, "")
    assert found.unread == b'{"Response": {"PullSmsSendStatusSet": [{'
    assert found.problems == ("t: PullSmsSendStatus: http_200; the answer cannot be read",)


def test_a_page_that_was_lost_on_its_way_is_said_so() -> None:
    with listening(reset) as url:
        (problem,) = at(url).pull(NOW, "").problems
    assert problem.endswith("; records on their way may be lost, look for them in the console")


@pytest.mark.parametrize(
    ("found", "standing", "ref"),
    [
        ([receipt("other"), receipt("s")], MessageFate.DELIVERED, "s"),
        ([receipt("s", "FAIL")], MessageFate.UNDELIVERED, "s"),
        ([receipt("healed", SessionContext="M" * 26)], MessageFate.DELIVERED, "healed"),
        ([receipt("other"), "junk"], MessageFate.UNCLEAR, ""),
        ([], MessageFate.UNCLEAR, ""),
    ],
)
def test_a_look_up_finds_its_message_and_no_other(
    httpserver: HTTPServer, found: list[Any], standing: MessageFate, ref: str
) -> None:
    httpserver.expect_request("/").respond_with_json({"Response": {"PullSmsSendStatusSet": found}})
    (told,) = at(httpserver).look_up([INQUIRY])
    assert (told.message_id, told.standing, told.provider_ref) == (INQUIRY.message_id, standing, ref)


def test_a_message_without_a_serial_is_not_taken_for_another(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_json({"Response": {"PullSmsSendStatusSet": [receipt("x")]}})
    inquiry = Inquiry("M" * 26, Channel.SMS, "", NOW - timedelta(days=30), "+12025550100")
    (told,) = at(httpserver).look_up([inquiry])
    assert (told.standing, told.code) == (MessageFate.UNCLEAR, "no_receipt_yet")
    asked = json.loads(httpserver.log[0][0].data)
    assert asked["EndTime"] - asked["BeginTime"] == 7 * 86400


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("<html/>", "http_200"),
        (json.dumps({"Response": error("RequestLimitExceeded")}), "RequestLimitExceeded"),
    ],
)
def test_a_look_up_that_fails_is_unclear(httpserver: HTTPServer, body: str, code: str) -> None:
    httpserver.expect_request("/").respond_with_data(body)
    (told,) = at(httpserver).look_up([INQUIRY])
    assert (told.standing, told.code) == (MessageFate.UNCLEAR, code)
