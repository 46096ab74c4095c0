"""Described pushes and pulls: receipts and replies, signed or not, in every form a gateway writes them."""

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from carloan_notify.delivery.gateway.answer import UnreadableError, fields_of
from carloan_notify.delivery.gateway.provider import HttpProvider
from carloan_notify.delivery.gateway.returns import NEVER, Queues
from carloan_notify.delivery.gateway.settings import RequestSettings, ShapeSettings
from carloan_notify.delivery.provider import ReceiptMode, Received, Refused
from carloan_notify.records import PushAnswer, PushRequest, Receipt, Reply
from tests.unit.delivery.gateways import NOW, described

AT = int(NOW.timestamp())
RECEIPTS = {
    "items": "reports", "reference": "ref", "state": "stat", "phone": "mobile",
    "delivered": ["DELIVRD", "OK*"], "pending": ["BUFFERED"], "blocked": ["UNSUB*"],
}  # fmt: skip
REPLIES = {
    "items": "mo",
    "phone": "mobile",
    "text": "content",
    "id": "moid",
    "time": "at",
    "time_format": "unix",
}
SIGNED = {
    "signature": {"algorithm": "md5", "text": "{sorted_fields}&key={secret}"},
    "signature_field": "sign",
}
URL = "https://notify.example/gate/SECRET"


def gateway(**changes: Any) -> HttpProvider:
    return HttpProvider("gate", described(**changes), clock=lambda: NOW)


def push(body: object, url: str = URL, method: str = "POST", **headers: str) -> PushRequest:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return PushRequest(
        method, url, {name.replace("_", "-"): value for name, value in headers.items()}, content
    )


def page(heard: Received | Refused) -> tuple[tuple[Receipt, ...], tuple[Reply, ...], tuple[str, ...]]:
    assert isinstance(heard, Received)
    return heard.page.receipts, heard.page.replies, heard.page.problems


# --- receipts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "delivered", "blocked", "detail"),
    [
        ("DELIVRD", True, False, "delivered"),
        ("OK_9", True, False, ""),
        ("UNSUB_1", False, True, ""),
        ("MBBLACK", False, True, "the number is on the channel's blacklist"),
        ("77", False, False, ""),
    ],
)
def test_a_state_means_what_the_lists_or_the_carriers_say(
    state: str,
    delivered: bool,  # noqa: FBT001 - a parameter of the case
    blocked: bool,  # noqa: FBT001 - same
    detail: str,
) -> None:
    heard = gateway(receipts=RECEIPTS).receive(
        push({"reports": [{"ref": "M1", "stat": state, "mobile": "13800138000"}]})
    )
    ((receipt,), _, _) = page(heard)
    assert (receipt.delivered, receipt.blocked, receipt.detail) == (delivered, blocked, detail)
    assert receipt.phone == "+8613800138000"


def test_the_gateway_s_own_lists_win_over_the_carriers_words() -> None:
    heard = gateway(receipts={**RECEIPTS, "delivered": ["MBBLACK"]}).receive(
        push({"reports": [{"ref": "M1", "stat": "MBBLACK"}]})
    )
    assert [(r.delivered, r.blocked) for r in page(heard)[0]] == [(True, False)]


# --- replies --------------------------------------------------------------------------------------------------


def test_a_reply_is_read_as_described() -> None:
    provider = gateway(replies={**REPLIES, "reference": "ext"})
    assert provider.capabilities.receipts is ReceiptMode.PUSH
    records = [
        {"mobile": "13800138000", "content": " 退订 ", "moid": 7, "at": AT, "ext": "M1"},
        {"mobile": "+12025550100", "content": 1, "at": AT + 1},
        {"mobile": "008613800138000", "content": "", "at": AT},
        {"mobile": "no number", "content": "x", "at": AT},
        {"mobile": "13800138000", "at": AT},
        {"mobile": "13800138000", "content": "x", "at": "noon"},
        {"content": "x"},
        5,
    ]
    heard = provider.receive(push({"mo": records}))
    _, replies, problems = page(heard)
    assert replies == (
        Reply("gate", "7", "+8613800138000", "退订", NOW, "M1"),
        Reply("gate", "", "+12025550100", "1", NOW + timedelta(seconds=1)),
        Reply("gate", "", "+8613800138000", "", NOW),
        Reply(
            "gate", "", "+8613800138000", "x", NEVER
        ),  # it may say stop; whoever keeps it takes the time of arrival
    )
    assert problems == (
        "gate: reply 3: no number that could be a sender's",
        "gate: reply 4: no text",
        "gate: reply 6: no number that could be a sender's",
        "gate: reply 7: no number that could be a sender's",
    )
    assert isinstance(heard, Received)
    assert heard.page.unread == push({"mo": records}).body


BOTH = {"receipts": RECEIPTS, "replies": REPLIES}
REPORT = {"reports": [{"ref": "M1", "stat": "DELIVRD"}]}
REPLY = {"mo": [{"mobile": "13800138000", "content": "R", "at": AT}]}


@pytest.mark.parametrize(
    ("body", "ending", "receipts", "replies"),
    [
        (REPORT, "", 1, 0),
        (REPLY, "", 0, 1),
        (REPORT, "/receipts", 1, 0),
        (REPLY, "/replies", 0, 1),
        (REPLY, "/receipts", 0, 0),
        (REPORT, "/replies?x=/receipts", 0, 0),
        ({**REPORT, **REPLY}, "", 1, 0),
        ({}, "", 0, 0),
        ([], "", 0, 0),
    ],
)
def test_receipts_and_replies_are_told_apart(body: object, ending: str, receipts: int, replies: int) -> None:
    found = page(gateway(**BOTH).receive(push(body, URL + ending)))
    assert (len(found[0]), len(found[1])) == (receipts, replies)


def test_a_get_carries_its_fields_in_the_address() -> None:
    replies = {**REPLIES, "items": "", "format": "form", "charset": "gb18030"}
    text = urlencode({"mobile": "+8613800138000", "content": "退订", "at": AT}, encoding="gb18030")
    heard = gateway(replies=replies).receive(push(b"", f"{URL}?{text}", "GET"))
    assert [reply.text for reply in page(heard)[1]] == ["退订"]


# --- forms ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "body", "fields"),
    [
        ({"format": "form"}, b"a=%2B1&b=&a=2", {"a": "2", "b": ""}),
        ({"format": "form", "charset": "gbk"}, b"a=%CD%CB%B6%A9", {"a": "退订"}),
        ({"format": "json", "charset": "gbk"}, '{"a":"退订"}'.encode("gbk"), {"a": "退订"}),
        ({"format": "json"}, b'\xef\xbb\xbf{"a":1}', {"a": 1}),
        (
            {"format": "xml", "charset": "gbk"},
            '<?xml version="1.0" encoding="GBK"?><a>退订</a>'.encode("gbk"),
            {"a": "退订"},
        ),
        ({"format": "text", "charset": "gbk", "pattern": "(?P<a>.+)"}, "退订".encode("gbk"), {"a": "退订"}),
    ],
)
def test_forms_and_encodings(shape: dict[str, Any], body: bytes, fields: object) -> None:
    assert fields_of(body, ShapeSettings.model_validate(shape)) == fields


@pytest.mark.parametrize(
    ("form", "body"),
    [
        ("form", b"<html></html>"),
        ("form", b"a=%FF"),
        ("form", b"\xff=1"),
        ("form", b"&".join([b"a=1"] * 1001)),
        ("json", b"\xff"),
        ("json", b"[" * 100_000),
        ("xml", b"\xff\xfe<\x00a\x00>\x00"),
        ("xml", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
    ],
)
def test_what_is_not_of_the_form(form: str, body: bytes) -> None:
    with pytest.raises(UnreadableError):
        fields_of(body, ShapeSettings.model_validate({"format": form}))


# --- signatures -----------------------------------------------------------------------------------------------


def signed(fields: dict[str, Any], key: str = "hush") -> dict[str, Any]:
    text = "&".join(
        f"{k}={v if isinstance(v, str) else json.dumps(v, ensure_ascii=False, separators=(',', ':'))}"
        for k, v in sorted(fields.items())
    )
    return {**fields, "sign": hashlib.md5(f"{text}&key={key}".encode()).hexdigest()}  # noqa: S324 - the gateway's recipe


def guarded(**changes: Any) -> HttpProvider:
    push = {**SIGNED, "timestamp_field": "ts", **changes}
    return gateway(receipts=RECEIPTS, values={"secret": "hush"}, push=push)


def test_a_signed_push_is_believed_and_answered_as_described() -> None:
    answer = {"status": 202, "content_type": "application/json", "body": '{"code":0}'}
    provider = guarded(answer=answer)
    heard = provider.receive(push(signed({**REPORT, "ts": str(AT)})))
    assert isinstance(heard, Received)
    assert heard.answer == PushAnswer(202, "application/json", b'{"code":0}')
    assert len(heard.page.receipts) == 1
    assert "hush" not in repr(heard)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({**REPORT, "ts": str(AT)}, "bad_signature"),
        (signed({**REPORT, "ts": str(AT)}, "guess"), "bad_signature"),
        ({**signed({**REPORT, "ts": str(AT)}), "more": 1}, "bad_signature"),
        ({**signed({**REPORT, "ts": str(AT)}), "ts": str(AT + 1)}, "bad_signature"),
        ({**signed({**REPORT, "ts": str(AT)}), "sign": "ü"}, "bad_signature"),
        ({**signed({**REPORT, "ts": str(AT)}), "sign": None}, "bad_signature"),
        (signed({**REPORT, "ts": str(AT - 301)}), "stale_push"),
        (signed({**REPORT, "ts": str(AT + 301)}), "stale_push"),
        (signed({**REPORT, "ts": "soon"}), "stale_push"),
        (signed(REPORT), "stale_push"),
        ([], "bad_signature"),
        (b"<html>", "bad_signature"),
        (b"\xff", "unreadable_push"),
    ],
)
def test_a_forged_or_replayed_push_is_refused(body: object, code: str) -> None:
    assert guarded().receive(push(body)) == Refused(403, code)


@pytest.mark.parametrize("late", [-300, 0, 300])
def test_clocks_may_differ_a_little(late: int) -> None:
    assert isinstance(guarded().receive(push(signed({**REPORT, "ts": str(AT + late)}))), Received)


def test_a_signature_over_the_body_in_a_header() -> None:
    recipe = {"algorithm": "hmac_sha256", "key": "{secret}", "text": "{timestamp}.{header.x_app}.{body}"}
    settings = {"signature": recipe, "signature_header": "X-Sign", "timestamp_header": "X-Time"}
    provider = guarded(signature_field="", timestamp_field="", time_format="unix_ms", **settings)
    body, at = json.dumps(REPORT).encode(), f"{AT}000"
    good = hmac.new(b"hush", f"{at}.app7.".encode() + body, "sha256").hexdigest()
    assert isinstance(provider.receive(push(body, x_sign=good, x_time=at, x_app="app7")), Received)
    assert provider.receive(push(body, x_sign=good, x_time=at)) == Refused(403, "bad_signature")
    assert provider.receive(push(body, x_sign=good.upper(), x_time=at, x_app="app7")) == Refused(
        403, "bad_signature"
    )


def test_fields_may_stand_in_the_recipe() -> None:
    recipe = {"algorithm": "sha1", "text": "{field.account}{secret}{field.none}"}
    provider = guarded(signature=recipe, timestamp_field="")
    sign = hashlib.sha1(b"N1hush").hexdigest()  # noqa: S324 - the gateway's recipe
    assert isinstance(provider.receive(push({**REPORT, "account": "N1", "sign": sign})), Received)


def test_a_time_alone_may_be_checked() -> None:
    provider = guarded(signature=None, signature_field="", timestamp_field="ts")
    assert isinstance(provider.receive(push({**REPORT, "ts": AT})), Received)
    assert provider.receive(push({**REPORT, "ts": AT - 999})) == Refused(403, "stale_push")


OPEN = gateway(**BOTH)
SEALED = gateway(**BOTH, values={"secret": "hush"}, push=SIGNED)


@given(
    st.binary(max_size=200),
    st.sampled_from(["", "/replies", "/receipts"]),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5)),
)
def test_whatever_is_pushed_is_refused_unless_signed(
    body: bytes, ending: str, headers: dict[str, str]
) -> None:
    assert isinstance(SEALED.receive(PushRequest("POST", URL + ending, headers, body)), Refused)


@given(
    st.binary(max_size=200)
    | st.builds(
        lambda v: json.dumps(v).encode(),
        st.recursive(
            st.none() | st.integers() | st.text(),
            lambda i: (
                st.lists(i) | st.dictionaries(st.sampled_from(["mo", "reports", "mobile", "stat", "ref"]), i)
            ),
        ),
    )
)
def test_whatever_is_pushed_is_read_or_kept(body: bytes) -> None:
    heard = OPEN.receive(PushRequest("POST", URL, {}, body))
    assert isinstance(heard, Received)
    assert bool(heard.page.problems) == bool(heard.page.unread) or not body


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"push": {}}, "push: neither receipts nor replies are described"),
        ({**BOTH, "push": {"signature_field": "s"}}, "push.signature: tell both how it is made and where"),
        ({**BOTH, "push": {"signature": SIGNED["signature"]}}, "push.signature: tell both"),
        (
            {**BOTH, "push": {**SIGNED, "signature_header": "h"}},
            "push.signature_header: give it or signature_field",
        ),
        (
            {
                **BOTH,
                "values": {"secret": "x"},
                "push": {
                    **SIGNED,
                    "signature": {"algorithm": "md5", "text": "{field.a}"},
                    "timestamp_field": "t",
                },
            },
            "push.timestamp_field: the signature does not cover it",
        ),
        (
            {**BOTH, "push": {"timestamp_field": "t", "timestamp_header": "h"}},
            "push.timestamp_header: give it or timestamp_field",
        ),
        ({**BOTH, "push": SIGNED}, "push.signature.text: {secret} is nothing we know"),
        (
            {
                **BOTH,
                "push": {"signature": {"algorithm": "hmac_md5", "text": "{body}"}, "signature_field": "s"},
            },
            "push.signature.key: hmac_md5 needs a key",
        ),
        ({"replies": {**REPLIES, "time_zone": "Mars"}}, "replies.time_zone: 'Mars'"),
        ({"receipts": {**RECEIPTS, "charset": "klingon"}}, "receipts.charset: 'klingon' is no encoding"),
        ({"replies": {**REPLIES, "request": {"url": "https://g/{x}"}}}, "replies.request.url: {x}"),
        ({"replies": {"phone": "p"}}, "replies.text"),
    ],
)
def test_a_wrong_description_says_where(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        described(**changes)
    assert problem in str(caught.value)


# --- pulls ----------------------------------------------------------------------------------------------------


def walk(settings: dict[str, Any], answers: dict[str, bytes | str]) -> list[tuple[str, int, int, int]]:
    """Every page until there are no more: where it stands, receipts, replies, problems."""
    queues, cursor, pages = Queues("gate", described(**settings)), "", []

    def fetch(request: RequestSettings, place: str) -> bytes | str:
        return answers[request.url.rsplit("/", 1)[-1] + place]

    for _ in range(9):
        found = queues.page(cursor, fetch, NOW)
        pages.append((cursor, len(found.receipts), len(found.replies), len(found.problems)))
        if not found.more or found.cursor == cursor:
            return pages
        cursor = found.cursor
    raise AssertionError(pages)


def asked(kind: dict[str, Any], name: str, **more: str) -> dict[str, Any]:
    return {**kind, "request": {"method": "GET", "url": f"https://g.example/{name}"}, **more}


R, M = asked(RECEIPTS, "r", cursor="next"), asked(REPLIES, "m", cursor="next")


def listed(of: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({**of, **more}).encode()


def test_receipts_are_pulled_to_their_end_then_replies() -> None:
    answers: dict[str, bytes | str] = {
        "r": listed(REPORT, next="2"), "r2": listed({"reports": []}),
        "m": listed(REPLY, next="9"), "m9": listed({"mo": []}, next="9"),
    }  # fmt: skip
    assert walk({"receipts": R, "replies": M}, answers) == [
        ("", 1, 0, 0),
        ("2", 0, 0, 0),
        ("replies:", 0, 1, 0),
        ("replies:9", 0, 0, 0),
    ]


def test_a_fault_in_one_queue_leaves_the_other() -> None:
    answers: dict[str, bytes | str] = {"r": "http_500", "m": listed(REPLY)}
    assert walk({"receipts": R, "replies": M}, answers) == [("", 0, 0, 1), ("replies:", 0, 1, 0)]


def test_a_cursor_that_stands_still_leads_on() -> None:
    receipts = asked(RECEIPTS, "r", more="more")
    answers: dict[str, bytes | str] = {"r": listed(REPORT, more=True), "m": "timed_out"}
    assert walk({"receipts": receipts, "replies": M}, answers) == [("", 1, 0, 0), ("replies:", 0, 0, 1)]


def test_one_queue_alone() -> None:
    assert walk({"receipts": RECEIPTS, "replies": M}, {"m": listed(REPLY)}) == [("", 0, 1, 0)]
    provider = gateway(replies=M)
    assert provider.capabilities.receipts is ReceiptMode.PULL
    assert "cannot be asked" in gateway(**BOTH).pull(datetime(2026, 11, 1, tzinfo=UTC), "").problems[0]
    assert quote("退订") not in repr(provider)
