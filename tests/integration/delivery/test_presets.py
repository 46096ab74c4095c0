"""The sample gateways, driven: what they send, what they make of answers, and what is pushed to them."""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
import yaml
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from carloan_notify.delivery.gateway.provider import HttpProvider
from carloan_notify.delivery.provider import ReceiptMode, Received, Refused
from carloan_notify.delivery.registry import HttpProviderSettings
from carloan_notify.records import Outcome, PushAnswer, PushRequest
from tests.unit.delivery.world import message

NOW = datetime(2026, 11, 23, 2, tzinfo=UTC)
LOCAL = "2026-11-23 10:00:00"
FOLDER = Path(__file__).parents[3] / "samples" / "gateways"
REFERENCE = message(7).message_id
PHONE = "+8613800138000"


def preset(name: str, url: str = "") -> HttpProvider:
    """The gateway of a sample; `url` replaces the host of its request."""
    ((given, raw),) = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8")).items()
    if url:
        raw["request"]["url"] = url + raw["request"]["url"].split(".example", 1)[1]
    return HttpProvider(given, HttpProviderSettings.model_validate(raw), clock=lambda: NOW)


def pushed(
    provider: HttpProvider, body: bytes, ending: str = "", method: str = "POST", **headers: str
) -> Any:
    url = f"https://notify.lender.example/{provider.name}/SECRET{ending}"
    return provider.receive(
        PushRequest(method, url, {k.replace("_", "-"): v for k, v in headers.items()}, body)
    )


def replying(server: HTTPServer, path: str, body: str) -> list[Request]:
    """The gateway answers so, and its requests."""
    seen: list[Request] = []

    def answer(request: Request) -> Response:
        seen.append(request)
        return Response(body)

    server.expect_request(path).respond_with_handler(answer)
    return seen


@pytest.mark.parametrize(
    ("answer", "outcome", "reference"),
    [
        ('{"code":0,"data":{"msgId":"m-1"}}', Outcome.ACCEPTED, "m-1"),
        ('{"code":"1003"}', Outcome.BLOCKED, ""),
        ('{"code":"1010"}', Outcome.NOT_TONIGHT, ""),
        ('{"code":2002}', Outcome.ACCOUNT, ""),
        ('{"code":7777}', Outcome.UNKNOWN, ""),
        ("<html>", Outcome.UNKNOWN, ""),
    ],
)
def test_json_with_a_key(httpserver: HTTPServer, answer: str, outcome: Outcome, reference: str) -> None:
    seen = replying(httpserver, "/v2/sms", answer)
    (only,) = preset("json-key", httpserver.url_for("").rstrip("/")).send([message(7)])
    assert (only.outcome, only.provider_ref) == (outcome, reference)
    (request,) = seen
    assert request.headers["X-Api-Key"] == "${GATEWAY_KEY}"
    assert request.json == {"mobile": "2025550007", "content": "text 7", "reference": REFERENCE}


def sealed(body: bytes, at: int, key: bytes = b"${GATEWAY_KEY}") -> dict[str, str]:
    return {
        "x_timestamp": str(at),
        "x_signature": hmac.new(key, str(at).encode() + body, "sha256").hexdigest(),
    }


def test_json_pushes() -> None:
    provider = preset("json-key")
    assert provider.capabilities.receipts is ReceiptMode.PUSH
    at = int(NOW.timestamp())
    report = {"reference": REFERENCE, "msgId": "m-1", "mobile": "13800138000", "reportTime": LOCAL}
    states = ("DELIVRD", "ACCEPTD", "UNSUBSCRIBED", "MBBLACK", "UNDELIV")
    receipts = json.dumps({"reports": [{**report, "status": state} for state in states]}).encode()
    heard = pushed(provider, receipts, **sealed(receipts, at))
    assert isinstance(heard, Received)
    assert heard.answer == PushAnswer(200, "application/json", b'{"code":0}')
    found = [(r.code, r.delivered, r.blocked) for r in heard.page.receipts]
    assert found == [
        ("DELIVRD", True, False),
        ("UNSUBSCRIBED", False, True),
        ("MBBLACK", False, True),
        ("UNDELIV", False, False),
    ]
    assert {(r.message_id, r.phone, r.occurred_at) for r in heard.page.receipts} == {(REFERENCE, PHONE, NOW)}
    reply = {"replyId": 9, "mobile": "13800138000", "content": "退订", "replyTime": LOCAL}
    replies = json.dumps({"replies": [reply]}, ensure_ascii=False).encode()
    (only,) = pushed(provider, replies, **sealed(replies, at)).page.replies
    assert (only.reply_id, only.phone, only.text, only.received_at) == ("9", PHONE, "退订", NOW)
    assert pushed(provider, replies, **sealed(replies, at, b"guess")) == Refused(403, "bad_signature")
    assert pushed(provider, replies, **sealed(replies, at - 301)) == Refused(403, "stale_push")


@pytest.mark.parametrize(
    ("answer", "outcome", "reference"),
    [
        ("<returnsms><code>0</code><taskid>88</taskid></returnsms>", Outcome.ACCEPTED, "88"),
        ("<returnsms><code>3</code></returnsms>", Outcome.ACCOUNT, ""),
        ("<returnsms><code>0</code>", Outcome.UNKNOWN, ""),
        ("<!DOCTYPE html><html></html>", Outcome.UNKNOWN, ""),
    ],
)
def test_xml_answers(httpserver: HTTPServer, answer: str, outcome: Outcome, reference: str) -> None:
    seen = replying(httpserver, "/sms.aspx", answer)
    (only,) = preset("xml-answer", httpserver.url_for("").rstrip("/")).send([message(7)])
    assert (only.outcome, only.provider_ref) == (outcome, reference)
    form = seen[0].form
    at = str(int(NOW.timestamp()))
    assert form["sign"] == hashlib.md5(f"lender${{GATEWAY_PASSWORD}}{at}".encode()).hexdigest()  # noqa: S324 - the recipe
    assert (form["mobile"], form["extno"]) == ("2025550007", REFERENCE)


def test_xml_pushes() -> None:
    provider = preset("xml-answer")
    rest = "<mobile>13800138000</mobile><time>20261123100000</time></report>"
    one = "<report><taskid>88</taskid><status>{}</status>" + rest
    heard = pushed(
        provider, f"<reports>{one.format('DELIVRD')}{one.format('MK:0001')}</reports>".encode(), "/receipts"
    )
    assert [(r.provider_ref, r.phone, r.delivered) for r in heard.page.receipts] == [
        ("88", PHONE, True),
        ("88", PHONE, False),
    ]
    assert heard.answer.body == b"<result>0</result>"
    reply = (
        '<reply id="7"><mobile>13800138000</mobile><content>退订</content><time>20261123100000</time></reply>'
    )
    heard = pushed(provider, f"<replies>{reply}</replies>".encode(), "/replies")
    assert [(r.reply_id, r.text, r.received_at) for r in heard.page.replies] == [("7", "退订", NOW)]
    assert pushed(provider, b"<replies>", "/replies").page.unread == b"<replies>"


def test_form_pushes_are_signed_like_our_own_requests() -> None:
    provider = preset("form-sorted-fields")
    at = str(int(NOW.timestamp()))

    def signed(**fields: str) -> bytes:
        text = "&".join(f"{k}={v}" for k, v in sorted(fields.items())) + "&key=${GATEWAY_SECRET}"
        sign = hashlib.md5(text.encode()).hexdigest().upper()  # noqa: S324 - the recipe
        return urlencode({**fields, "sign": sign}).encode()

    receipt = {"out_id": REFERENCE, "sid": "s1", "mobile": "13800138000", "report_status": "SUCCESS"}
    heard = pushed(provider, signed(**receipt, user_receive_time=LOCAL, timestamp=at))
    assert [(r.message_id, r.delivered, r.occurred_at) for r in heard.page.receipts] == [
        (REFERENCE, True, NOW)
    ]
    assert heard.answer.body == b"success"
    heard = pushed(provider, signed(sid="s2", mobile="13800138000", text="已还 & 谢谢", timestamp=at))
    assert [(r.reply_id, r.text) for r in heard.page.replies] == [("s2", "已还 & 谢谢")]
    forged = signed(**receipt, user_receive_time=LOCAL, timestamp=at).replace(b"SUCCESS", b"FAILURE")
    assert pushed(provider, forged) == Refused(403, "bad_signature")


def test_gb18030_replies_come_in_the_address() -> None:
    query = urlencode(
        {"mobile": "13800138000", "msg": "退订", "at": int(NOW.timestamp())}, encoding="gb18030"
    )
    heard = pushed(preset("gbk-text"), b"", f"/replies?{query}", "GET")
    assert [(r.phone, r.text, r.received_at) for r in heard.page.replies] == [(PHONE, "退订", NOW)]
    assert parse_qs(query, encoding="gb18030")["msg"] == ["退订"]
