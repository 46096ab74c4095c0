import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from carloan_notify.delivery.provider import (
    UNLISTED_CODE,
    CheckResult,
    CheckVerdict,
    Inquiry,
    LookUp,
    MessageFate,
    ReceiptMode,
    Received,
    Refused,
    ReturnPage,
)
from carloan_notify.delivery.providers.twilio.settings import SpeakerSettings
from carloan_notify.delivery.providers.twilio.twilio import (
    NOTHING_TO_SAY,
    is_genuine,
    is_genuine_json,
    signature_of,
    twiml,
)
from carloan_notify.records import Channel, Outcome, PushRequest, Receipt, Reply, SendResult
from tests.unit.delivery.providers.vendors import (
    ACCOUNT,
    CALLBACK,
    NOW,
    PUBLIC,
    SECRET,
    TOKEN,
    Network,
    listed,
    message,
    twilio,
    twilio_settings,
    twilio_voice,
)

PHONE = "+12025550100"
SID = "SM" + "1" * 32
REFERENCE = "A" * 26
BEYOND = "Sun, 22 Nov 99999999999999999999 10:00:00 +0000"
CREATED = {"sid": SID, "status": "queued", "error_code": None}


def sent(status: int, fields: object, headers: Mapping[str, str] | None = None) -> SendResult:
    (only,) = twilio(Network.saying(status, fields, headers).session).send([message(PHONE)])
    return only


def form_of(network: Network) -> dict[str, list[str]]:
    body = network.requests[0].body
    assert isinstance(body, bytes)
    return parse_qs(body.decode(), keep_blank_values=True)


@pytest.mark.parametrize("state", ["queued", "accepted", "scheduled"])
def test_a_created_message_is_accepted(state: str) -> None:
    assert sent(201, {**CREATED, "status": state}) == SendResult(REFERENCE, Outcome.ACCEPTED, SID, state)


@pytest.mark.parametrize(
    ("fields", "outcome", "code"),
    [
        ({"status": "failed", "error_code": 21610}, Outcome.BLOCKED, "21610"),
        ({"status": "failed", "error_code": 99999}, Outcome.REJECTED, "failed"),
        ({"status": "canceled"}, Outcome.REJECTED, "canceled"),
        ({"sid": ""}, Outcome.UNKNOWN, "unreadable_answer"),
        ({"sid": 7, "status": ""}, Outcome.ACCEPTED, "created"),
    ],
)
def test_other_answers_of_success(fields: Mapping[str, object], outcome: Outcome, code: str) -> None:
    only = sent(201, {**CREATED, **fields})
    assert (only.outcome, only.code) == (outcome, code)


@pytest.mark.parametrize(
    ("status", "body", "outcome", "code"),
    [
        (401, {"code": 20003}, Outcome.ACCOUNT, "20003"),
        (401, b"", Outcome.ACCOUNT, "http_401"),
        (403, {"code": 99999}, Outcome.ACCOUNT, "http_403"),
        (404, {"code": 20404}, Outcome.ACCOUNT, "20404"),
        (429, {"code": 20429}, Outcome.THROTTLED, "20429"),
        (429, b"<html>", Outcome.THROTTLED, "http_429"),
        (400, {"code": 21211}, Outcome.REJECTED, "21211"),
        (400, {"code": 21614}, Outcome.REJECTED, "21614"),
        (400, {"code": 21610}, Outcome.BLOCKED, "21610"),
        (400, {"code": 21611}, Outcome.THROTTLED, "21611"),
        (400, {"code": 99999}, Outcome.UNKNOWN, "99999"),
        (500, {"code": 20500}, Outcome.UNKNOWN, "20500"),
        (500, {"message": "x"}, Outcome.UNKNOWN, "http_500"),
        (503, b"<html>", Outcome.UNKNOWN, "http_503"),
        (200, b"<html>", Outcome.UNKNOWN, "unreadable_answer"),
        (201, b'{"sid": "SM', Outcome.UNKNOWN, "unreadable_answer"),
        (201, b"", Outcome.UNKNOWN, "unreadable_answer"),
        (302, b"", Outcome.UNKNOWN, "http_302"),
    ],
)
def test_refusals(status: int, body: object, outcome: Outcome, code: str) -> None:
    only = sent(status, body)
    assert (only.outcome, only.code) == (outcome, code)


def test_an_unlisted_code_is_reported_by_name_and_throttling_by_time() -> None:
    assert sent(400, {"code": 99999}).detail == UNLISTED_CODE
    assert sent(429, {"code": 20429}, {"Retry-After": "9"}).retry_after_s == 9


@pytest.mark.parametrize(("code", "outcome"), listed("twilio/codes.yaml"))
def test_every_code_maps_where_it_is_listed(code: str, outcome: str) -> None:
    only = sent(400, {"code": code})
    assert (only.outcome, only.code) == (outcome, code)
    assert only.detail


def test_what_is_sent() -> None:
    network = Network.saying(201, CREATED)
    twilio(network.session).send([message(PHONE, text="您好 & <b>")])
    request = network.requests[0]
    assert request.url == f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    assert (
        request.headers["Authorization"]
        == "Basic " + base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
    )
    assert form_of(network) == {
        "To": [PHONE],
        "From": ["+12025550199"],
        "Body": ["您好 & <b>"],
        "ValidityPeriod": ["3600"],
        "StatusCallback": [f"{CALLBACK}?ref={REFERENCE}"],
    }


def test_without_an_address_nothing_is_pushed() -> None:
    network = Network.saying(201, CREATED)
    provider = twilio(network.session, public_url="", sender="", messaging_service_sid="MG1")
    provider.send([message(PHONE)])
    assert sorted(form_of(network)) == ["Body", "MessagingServiceSid", "To", "ValidityPeriod"]
    assert provider.capabilities.receipts is ReceiptMode.NONE
    assert twilio(push_secret=None).capabilities.receipts is ReceiptMode.NONE


def test_declared() -> None:
    assert twilio().batch_limit == 1
    assert twilio().capabilities.receipts is ReceiptMode.PUSH
    assert twilio().capabilities.look_up_window == timedelta(days=7)
    assert twilio().channels == {Channel.SMS}
    assert twilio_voice().channels == {Channel.VOICE}


@pytest.mark.parametrize(
    "changes",
    [
        {"sender": ""},
        {"messaging_service_sid": "MG1"},
        {"validity_s": 0},
        {"base_url": "http://api.twilio.com"},
    ],
)
def test_settings_that_cannot_work(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        twilio_settings(**changes)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"account_sid": "AC0\n"}, "holds a line break"),
        ({"account_sid": "AC“0"}, "neither a Latin letter"),
        ({"auth_token": "token\r\n"}, "holds a line break"),
        ({"auth_token": " token"}, "begins or ends with a space"),
    ],
)
def test_settings_that_would_lose_messages_or_secrets(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        twilio_settings(**changes)


def test_secrets_do_not_show() -> None:
    shown = repr(twilio_settings()) + repr(twilio())
    assert TOKEN not in shown
    assert SECRET not in shown


@pytest.mark.parametrize(
    ("language", "attributes"),
    [
        ("en", 'language="en-US" loop="2"'),
        ("zh-CN", 'language="cmn-CN" loop="2" voice="Polly.Zhiyu"'),
        ("fr-FR", 'language="fr-FR" loop="2"'),
    ],
)
def test_a_call_speaks_the_language_of_the_message(language: str, attributes: str) -> None:
    network = Network.saying(201, CREATED)
    twilio_voice(network.session).send([message(PHONE, text="a < b & c", language=language)])
    form = form_of(network)
    assert form["Twiml"] == [f"<Response><Say {attributes}>a &lt; b &amp; c</Say></Response>"]
    assert (form["From"], form["StatusCallback"]) == (["+12025550199"], [f"{CALLBACK}?ref={REFERENCE}"])
    assert urlsplit(str(network.requests[0].url)).path.endswith("/Calls.json")


def test_what_no_document_may_hold_is_left_out() -> None:
    assert ">ab<" in twiml("a\x00\x1b\ufffeb", SpeakerSettings(language="en-US"), 1)


# The vendor's published vectors (twilio-python, tests/unit/test_request_validator.py).
VECTOR_TOKEN = "12345"
VECTOR_URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
VECTOR_FORM = {
    "CallSid": ["CA1234567890ABCDE"],
    "Digits": ["1234"],
    "From": ["+14158675309"],
    "To": ["+18005551212"],
    "Caller": ["+14158675309"],
}
VECTOR = "RSOYDt4T1cUTdK1PDd93/VVr8B8="
VECTOR_BODY = b'{"property": "value", "boolean": true}'
VECTOR_SHA = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"


@pytest.mark.parametrize(
    ("url", "signature"),
    [
        (VECTOR_URL, VECTOR),
        (VECTOR_URL.replace(".com", ".com:1234"), VECTOR),
        (VECTOR_URL, "kvajT1Ptam85bY51eRf/AJRuM3w="),
        (VECTOR_URL.replace("https", "http").replace(".com", ".com:80"), "0ZXoZLH/DfblKGATFgpif+LLRf4="),
        (VECTOR_URL.replace("https", "http"), "0ZXoZLH/DfblKGATFgpif+LLRf4="),
    ],
)
def test_published_vectors_with_and_without_ports(url: str, signature: str) -> None:
    assert is_genuine(VECTOR_TOKEN, signature, [url], VECTOR_FORM)
    assert not is_genuine("12346", signature, [url], VECTOR_FORM)
    assert not is_genuine(VECTOR_TOKEN, signature, [url], {**VECTOR_FORM, "Digits": ["1235"]})
    assert not is_genuine(VECTOR_TOKEN, signature, [url + "3"], VECTOR_FORM)


def test_published_vectors_for_values_given_twice_and_json() -> None:
    assert signature_of(VECTOR_TOKEN, VECTOR_URL, VECTOR_FORM) == VECTOR
    twice = {"Sid": ["CA123"], "SidAccount": ["AC123"], "Digits": ["5678", "1234", "1234"]}
    assert signature_of(VECTOR_TOKEN, VECTOR_URL, twice) == "IK+Dwps556ElfBT0I3Rgjkr1wJU="
    url, signature = f"{VECTOR_URL}&bodySHA256={VECTOR_SHA}", "a9nBmqA0ju/hNViExpshrM61xv4="
    assert is_genuine_json(VECTOR_TOKEN, signature, [url], VECTOR_BODY)
    assert not is_genuine_json(VECTOR_TOKEN, signature, [url], VECTOR_BODY + b" ")
    assert not is_genuine_json(
        VECTOR_TOKEN, signature_of(VECTOR_TOKEN, VECTOR_URL, {}), [VECTOR_URL], VECTOR_BODY
    )


def test_an_ipv6_address_keeps_its_brackets() -> None:
    signature = signature_of("t", "https://[::1]:443/a", {})
    assert is_genuine("t", signature, ["https://[::1]/a"], {})


URL = f"{CALLBACK}?ref={REFERENCE}"


def push(fields: Mapping[str, str], url: str = URL, signed_url: str = "", **changes: str) -> PushRequest:
    """A form signed for `signed_url`; `changes` are made after signing."""
    signature = signature_of(TOKEN, signed_url or url, {name: [value] for name, value in fields.items()})
    headers = {"content-type": "application/x-www-form-urlencoded", "x-twilio-signature": signature}
    return PushRequest("POST", url, headers, urlencode({**fields, **changes}).encode())


def page_of(fields: Mapping[str, str], url: str = URL) -> ReturnPage:
    received = twilio().receive(push(fields, url))
    assert isinstance(received, Received)
    assert received.answer == NOTHING_TO_SAY
    return received.page


DELIVERED = {
    "MessageSid": SID,
    "MessageStatus": "delivered",
    "SmsStatus": "delivered",
    "To": PHONE,
    "From": "+12025550199",
}
INCOMING = {
    "MessageSid": SID,
    "SmsStatus": "received",
    "From": PHONE,
    "To": "+12025550199",
    "Body": "停 STOP + ~",
}


def test_a_receipt_tells_our_reference() -> None:
    (receipt,) = page_of(DELIVERED).receipts
    assert receipt == Receipt(
        "main",
        SID,
        REFERENCE,
        delivered=True,
        code="delivered",
        detail="delivered",
        occurred_at=NOW,
        phone=PHONE,
    )
    (bare,) = page_of(DELIVERED, f"{CALLBACK}?ref=%2B1").receipts
    assert bare.message_id == ""


@pytest.mark.parametrize(
    ("state", "error", "code", "blocked"),
    [
        ("undelivered", "30003", "30003", False),
        ("failed", "21610", "21610", True),
        ("undelivered", "30999", "30999", False),
        ("failed", "", "failed", False),
    ],
)
def test_an_undelivered_message_says_why(state: str, error: str, code: str, *, blocked: bool) -> None:
    (receipt,) = page_of({**DELIVERED, "MessageStatus": state, "ErrorCode": error}).receipts
    assert (receipt.delivered, receipt.code, receipt.blocked) == (False, code, blocked)
    assert receipt.detail


@pytest.mark.parametrize("state", ["queued", "sent", "sending", "accepted"])
def test_a_message_under_way_is_no_receipt_yet(state: str) -> None:
    assert page_of({**DELIVERED, "MessageStatus": state}) == ReturnPage()


@pytest.mark.parametrize(
    ("timestamp", "occurred_at"),
    [
        ("Sun, 22 Nov 2026 10:00:00 +0000", datetime(2026, 11, 22, 10, tzinfo=UTC)),
        ("Sun, 22 Nov 2026 10:00:00 -0000", datetime(2026, 11, 22, 10, tzinfo=UTC)),
        ("yesterday", NOW),
        (BEYOND, NOW),
        ("Fri, 31 Dec 9999 23:00:00 -2300", NOW),
    ],
)
def test_a_call_tells_when(timestamp: str, occurred_at: datetime) -> None:
    fields = {"CallSid": "CA1", "CallStatus": "completed", "To": PHONE, "Timestamp": timestamp}
    received = twilio_voice().receive(push(fields))
    assert isinstance(received, Received)
    (receipt,) = received.page.receipts
    assert (receipt.provider_ref, receipt.delivered, receipt.occurred_at) == ("CA1", True, occurred_at)


@pytest.mark.parametrize("state", ["busy", "no-answer", "failed", "canceled"])
def test_a_call_nobody_took_is_undelivered(state: str) -> None:
    (receipt,) = page_of({"CallSid": "CA1", "CallStatus": state, "To": PHONE}).receipts
    assert (receipt.delivered, receipt.code) == (False, state)


@pytest.mark.parametrize(
    ("code", "kind"), [c for c in listed("twilio/receipts.yaml") if not c[0].isdecimal()]
)
def test_every_state_means_what_it_is_listed_under(code: str, kind: str) -> None:
    receipts = page_of({**DELIVERED, "MessageStatus": code}).receipts
    assert [r.delivered for r in receipts] == ([] if kind == "pending" else [kind == "delivered"])


@pytest.mark.parametrize(("code", "kind"), [c for c in listed("twilio/receipts.yaml") if c[0].isdecimal()])
def test_every_error_code_of_a_receipt_has_its_reason(code: str, kind: str) -> None:
    (receipt,) = page_of({**DELIVERED, "MessageStatus": "undelivered", "ErrorCode": code}).receipts
    assert (receipt.code, receipt.blocked) == (code, kind == "blocked")
    assert receipt.detail != "the network could not deliver it"


def test_a_reply() -> None:
    page = page_of(INCOMING, CALLBACK)
    assert page.replies == (Reply("main", SID, PHONE, "停 STOP + ~", NOW),)
    assert page.receipts == ()


@pytest.mark.parametrize(
    ("kind", "opted_out"), [("STOP", True), ("HELP", False), ("START", False), ("", False)]
)
def test_an_opt_out_by_a_keyword_of_the_accounts_own_is_one(kind: str, *, opted_out: bool) -> None:
    (reply,) = page_of({**INCOMING, "Body": "BASTA", "OptOutType": kind}, CALLBACK).replies
    assert (reply.text, reply.opted_out) == ("BASTA", opted_out)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"MessageSid": SID, "MessageStatus": "dancing"},
        {"MessageStatus": "delivered", "To": PHONE},
        {"From": "whatsapp:" + PHONE, "Body": "hi"},
        {"From": PHONE},
    ],
)
def test_what_is_neither_is_kept(fields: Mapping[str, str]) -> None:
    page = page_of(fields)
    assert (page.receipts, page.replies, page.unread) == ((), (), urlencode(fields).encode())
    assert PHONE not in page.problems[0]


@pytest.mark.parametrize(
    "forged",
    [
        push(DELIVERED, MessageStatus="failed"),
        push(DELIVERED, Extra="1"),
        push(DELIVERED, URL + "B", URL),
        push(DELIVERED, URL, URL.replace("/main", "/other")),
        push(DELIVERED, f"https://evil.example:port/?ref={'B' * 26}", URL),
        replace(push(DELIVERED), headers={"content-type": "application/x-www-form-urlencoded"}),
        replace(push(DELIVERED), headers={"x-twilio-signature": "é"}),
        replace(push(DELIVERED), body=b"\xff=\xfe"),
        replace(push(DELIVERED), body=b""),
    ],
)
def test_what_twilio_did_not_sign_is_refused(forged: PushRequest) -> None:
    assert twilio().receive(forged) == Refused(403, "bad_signature")


def test_only_posts_are_taken() -> None:
    assert twilio().receive(replace(push(DELIVERED), method="GET")) == Refused(405, "not_a_post")


def test_behind_a_proxy_the_public_address_counts() -> None:
    inside = URL.replace(PUBLIC, "http://127.0.0.1:8080/inside")
    assert isinstance(twilio().receive(push(DELIVERED, inside, URL)), Received)
    plain = CALLBACK.replace(PUBLIC, "http://127.0.0.1:8080")
    assert isinstance(twilio().receive(push(INCOMING, plain, CALLBACK)), Received)
    assert twilio(public_url="").receive(push(DELIVERED, inside, URL)) == Refused(403, "bad_signature")


def json_push(body: bytes, digest: str = "") -> PushRequest:
    url = f"{CALLBACK}?bodySHA256={digest or hashlib.sha256(body).hexdigest()}"
    headers = {"content-type": "application/json", "x-twilio-signature": signature_of(TOKEN, url, {})}
    return PushRequest("POST", url, headers, body)


def test_a_json_body_is_vouched_for_by_its_digest() -> None:
    received = twilio().receive(json_push(json.dumps({**DELIVERED, "n": 1}).encode()))
    assert isinstance(received, Received)
    assert received.page.receipts[0].delivered
    (empty,) = [twilio().receive(json_push(b"[]"))]
    assert isinstance(empty, Received)
    assert empty.page.unread == b"[]"
    for forged in (json_push(b"{}", "0" * 64), json_push(b"{"), json_push(b"[" * 100_000)):
        assert twilio().receive(forged) == Refused(403, "bad_signature")


GARBAGE = [
    b"",
    b"\x00\xff\xfe",
    b"{",
    b"[]",
    b"null",
    b'{"MessageStatus": "delivered", "MessageSid": {"a": 1}}',
    b'{"MessageStatus": ["delivered"], "MessageSid": "SM1"}',
    b'{"From": "+12025550100", "Body": 7}',
    b"<xml/>",
    b"status=delivered&id=1",
    b"MessageStatus=&MessageSid=&From=&Body=",
    b"MessageStatus=dancing&MessageSid=SM1",
    b"MessageStatus=delivered",
    b"From=nobody&Body=STOP",
    b"%00=%ff&=&&&",
    b"a" * 100_000,
    b"[" * 100_000,
]


@pytest.mark.parametrize("url", [CALLBACK, f"{CALLBACK}?ref=%00", f"{CALLBACK}?ref=&ref=x", "https://["])
@pytest.mark.parametrize("place", range(len(GARBAGE)))
def test_garbage_is_not_believed_behind_a_good_signature(place: int, url: str) -> None:
    body = GARBAGE[place]
    for request in (signed_form(body, url), json_push(body)):
        heard = twilio().receive(request)
        if isinstance(heard, Received):
            assert (heard.page.receipts, heard.page.replies, heard.page.unread) == ((), (), body)
        else:
            assert heard == Refused(403, "bad_signature")


@given(st.binary(max_size=200))
def test_whatever_is_signed_never_brings_it_down(body: bytes) -> None:
    for request in (signed_form(body, CALLBACK), json_push(body)):
        heard = twilio().receive(request)
        assert isinstance(heard, Refused) or heard.page.unread in {b"", body}


def signed_form(body: bytes, url: str) -> PushRequest:
    """A body under the signature that Twilio would give to whatever form is in it."""
    form = parse_qs(body.decode(errors="replace"), keep_blank_values=True)
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "x-twilio-signature": signature_of(TOKEN, url, form),
    }
    return PushRequest("POST", url, headers, body)


@given(st.binary(max_size=100), st.text(max_size=30), st.sampled_from(["application/json", ""]))
def test_no_push_brings_it_down(body: bytes, url: str, content_type: str) -> None:
    headers = {"content-type": content_type, "x-twilio-signature": "x"}
    assert twilio().receive(PushRequest("POST", url, headers, body)) == Refused(403, "bad_signature")


SENT_AT = NOW - timedelta(hours=1)
NOT_SURELY_OURS = "record_without_our_reference"


def inquiry(provider_ref: str = "", sent_at: datetime = SENT_AT) -> Inquiry:
    return Inquiry(REFERENCE, Channel.SMS, provider_ref, sent_at, PHONE)


def found(status: int, body: object, asked: Inquiry | None = None) -> LookUp:
    (only,) = twilio(Network.saying(status, body).session).look_up([asked or inquiry()])
    return only


def record(state: str = "delivered", after_s: float = 5, **fields: object) -> dict[str, object]:
    made_at = format_datetime(SENT_AT + timedelta(seconds=after_s))
    return {"sid": SID, "status": state, "direction": "outbound-api", "date_created": made_at, **fields}


@pytest.mark.parametrize(
    ("state", "standing"),
    [
        ("delivered", MessageFate.DELIVERED),
        ("sent", MessageFate.ACCEPTED),
        ("queued", MessageFate.ACCEPTED),
        ("undelivered", MessageFate.UNDELIVERED),
        ("dancing", MessageFate.UNCLEAR),
    ],
)
def test_a_message_is_asked_for_by_its_id(state: str, standing: MessageFate) -> None:
    network = Network.saying(200, record(state))
    (only,) = twilio(network.session).look_up([inquiry(SID)])
    assert (only.standing, only.provider_ref) == (standing, SID)
    assert urlsplit(str(network.requests[0].url)).path.endswith(f"/Messages/{SID}.json")


@pytest.mark.parametrize(("error", "code"), [(30003, "30003"), (30999, "30999"), (None, "undelivered")])
def test_a_failure_is_told_with_its_reason(error: int | None, code: str) -> None:
    only = found(200, record("undelivered", error_code=error), inquiry(SID))
    assert (only.code, bool(only.detail)) == (code, True)


@pytest.mark.parametrize(
    ("records", "standing", "code"),
    [
        ([], MessageFate.ABSENT, ""),
        ([record()], MessageFate.UNCLEAR, NOT_SURELY_OURS),
        ([record("undelivered")], MessageFate.UNCLEAR, NOT_SURELY_OURS),
        ([record(), record(after_s=60)], MessageFate.UNCLEAR, NOT_SURELY_OURS),
        ([record(after_s=-3600), record(after_s=1800)], MessageFate.ABSENT, ""),
        ([record(direction="inbound")], MessageFate.ABSENT, ""),
        ([record(date_created="soon", status="sent")], MessageFate.UNCLEAR, NOT_SURELY_OURS),
        ([record(date_created=BEYOND)], MessageFate.UNCLEAR, NOT_SURELY_OURS),
        (
            [record(date_created=format_datetime(SENT_AT).replace("+0000", "-0000"))],
            MessageFate.UNCLEAR,
            NOT_SURELY_OURS,
        ),
        (["x"], MessageFate.UNCLEAR, NOT_SURELY_OURS),
    ],
)
def test_a_message_without_an_id_may_be_any_to_its_number(
    records: list[object], standing: MessageFate, code: str
) -> None:
    only = found(200, {"messages": records, "next_page_uri": None})
    assert (only.standing, only.code, only.provider_ref) == (standing, code, "")


def test_absence_has_to_be_certain() -> None:
    assert found(200, {"messages": []}, inquiry(sent_at=NOW - timedelta(minutes=9))).code == "asked_too_early"
    assert found(200, {"messages": [], "next_page_uri": "/more"}).code == "too_many_to_one_number"
    assert found(200, {"calls": []}).code == "unreadable_answer"
    assert found(200, b"<html>").code == "unreadable_answer"
    assert found(404, {"code": 20404}, inquiry(SID)).code == "http_404"
    assert found(500, b"").standing is MessageFate.UNCLEAR


def test_calls_are_asked_for_as_calls() -> None:
    network = Network.saying(200, {"calls": [record("no-answer")]})
    (only,) = twilio_voice(network.session).look_up([inquiry()])
    assert only.code == NOT_SURELY_OURS
    address = urlsplit(str(network.requests[0].url))
    assert address.path.endswith("/Calls.json")
    assert parse_qs(address.query) == {"To": [PHONE], "PageSize": ["1000"]}


def checked(numbers: object, **changes: Any) -> CheckResult:
    def answers(request: Any) -> tuple[int, object]:
        return (200, numbers) if "IncomingPhoneNumbers" in request.url else (200, {"status": "active"})

    network = Network(answers, {"Date": "Mon, 23 Nov 2026 01:02:03 GMT"})
    account, clock, sender = twilio(network.session, **changes).check()
    assert (account.verdict, clock.verdict) == (CheckVerdict.OK, CheckVerdict.OK)
    return sender


def owned(*, sms: bool) -> object:
    return {"incoming_phone_numbers": [{"capabilities": {"sms": sms}}]}


def test_the_sender_is_looked_at() -> None:
    assert checked(owned(sms=True)).verdict is CheckVerdict.OK
    assert checked(owned(sms=False)).verdict is CheckVerdict.WRONG
    assert checked({"incoming_phone_numbers": []}).verdict is CheckVerdict.WRONG
    assert checked({"incoming_phone_numbers": ["x"]}).verdict is CheckVerdict.UNTOLD
    assert checked(b"<html>").verdict is CheckVerdict.UNTOLD
    assert checked({}, sender="", messaging_service_sid="MG1").verdict is CheckVerdict.UNTOLD


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (200, {"status": "suspended"}, CheckVerdict.WRONG),
        (401, {"code": 20003}, CheckVerdict.WRONG),
        (403, b"", CheckVerdict.WRONG),
        (429, {"code": 20429}, CheckVerdict.UNTOLD),
        (500, {"code": 20500}, CheckVerdict.UNTOLD),
        (200, b"<html>", CheckVerdict.UNTOLD),
    ],
)
def test_the_account_is_looked_at(status: int, body: object, verdict: CheckVerdict) -> None:
    account, _ = twilio(Network.saying(status, body).session).check()
    assert (account.what, account.verdict) == ("credentials", verdict)


def test_nothing_is_said_of_a_callers_number() -> None:
    *_, sender = twilio_voice(Network.saying(200, {"status": "active"}).session).check()
    assert sender.verdict is CheckVerdict.UNTOLD
