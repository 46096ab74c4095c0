import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from carloan_notify.delivery.approved import NO_TEMPLATE
from carloan_notify.delivery.http import WireAnswer, WireFault
from carloan_notify.delivery.provider import (
    NO_ANSWER,
    REQUEST_FULL,
    UNLISTED_CODE,
    CheckVerdict,
    ReceiptMode,
    Received,
    Refused,
    ReturnPage,
)
from carloan_notify.delivery.providers.huawei.huawei import LONGEST_CONTENT, e164
from carloan_notify.delivery.registry import DeliverySettings
from carloan_notify.delivery.vendor import clock_check
from carloan_notify.records import OutboundMessage, Outcome, PushRequest, Receipt, Reply, SendResult
from tests.unit.delivery.providers.vendors import (
    CALLBACK,
    HUAWEI,
    NOW,
    SECRET,
    Network,
    huawei,
    huawei_settings,
    listed,
    message,
    messages,
)

BATCH = messages(3)


def accept(request: requests.PreparedRequest) -> tuple[int, object]:
    numbers = [content["to"][0] for content in contents(request)]
    return 200, {"code": "000000", "result": [status(number, "000000") for number in numbers]}


def refuse(_: requests.PreparedRequest) -> tuple[int, object]:
    return 400, {"code": "E000503"}


def fields_of(request: requests.PreparedRequest) -> dict[str, Any]:
    assert isinstance(request.body, bytes)
    fields: dict[str, Any] = json.loads(request.body)
    return fields


def contents(request: requests.PreparedRequest) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = fields_of(request)["smsContent"]
    return listed


def status(number: str, code: str, sms_id: str = "id") -> dict[str, str]:
    return {"originTo": number, "status": code, "smsMsgId": sms_id}


def answered(
    code: str = "000000", http: int = 200, headers: Mapping[str, str] | None = None, **fields: Any
) -> WireAnswer:
    return WireAnswer(http, headers or {}, json.dumps({"code": code, **fields}).encode())


def outcomes(results: list[SendResult]) -> list[Outcome]:
    return [result.outcome for result in results]


READER = huawei()


def read(end: WireAnswer | WireFault, batch: list[OutboundMessage] = BATCH) -> list[SendResult]:
    return READER.read_fault(end, batch) if isinstance(end, WireFault) else READER.read(end, batch)


def test_each_number_has_its_own_status() -> None:
    phones = [m.phone for m in BATCH]
    items = [
        status(phones[1], "E200028", "b"),
        status(phones[0], "000000", "a"),
        status(phones[2], "E200015"),
    ]
    first, second, third = read(answered(result=items))
    assert (first.outcome, first.provider_ref) == (Outcome.ACCEPTED, "a")
    assert (second.outcome, second.code) == (Outcome.REJECTED, "E200028")
    assert third.outcome is Outcome.THROTTLED


@pytest.mark.parametrize("written", ["13800138000", "8613800138000", "+8613800138000"])
def test_a_number_may_come_back_in_another_form(written: str) -> None:
    assert outcomes(read(answered(result=[status(written, "000000")]), [message()])) == [Outcome.ACCEPTED]


def test_a_number_without_an_answer_is_unknown_and_strangers_are_dropped() -> None:
    items = [status(BATCH[0].phone, "000000"), status("+12025550100", "000000"), "nonsense", {}]
    results = read(answered(result=items))
    assert outcomes(results) == [Outcome.ACCEPTED, Outcome.UNKNOWN, Outcome.UNKNOWN]
    assert results[1].code == NO_ANSWER


def test_a_number_without_a_status_is_unknown() -> None:
    (only,) = read(answered(result=[{"originTo": BATCH[0].phone}]), BATCH[:1])
    assert (only.outcome, only.code, only.detail) == (Outcome.UNKNOWN, "no_status", UNLISTED_CODE)


def test_a_failed_request_says_why_for_each_number() -> None:
    items = [status(m.phone, "E200028") for m in BATCH]
    assert outcomes(read(answered("E000510", 400, result=items))) == [Outcome.REJECTED] * 3


@pytest.mark.parametrize(
    ("end", "outcome", "code"),
    [
        (answered("E000112"), Outcome.ACCOUNT, "E000112"),
        (answered("E000045", 401), Outcome.ACCOUNT, "E000045"),
        (answered("E000620", 403), Outcome.ACCOUNT, "E000620"),
        (answered("E000000", 400), Outcome.UNKNOWN, "E000000"),
        (answered("E000510"), Outcome.UNKNOWN, "E000510"),
        (answered("E999999"), Outcome.UNKNOWN, "E999999"),
        (answered("E999999", 500), Outcome.UNKNOWN, "E999999"),
        (answered("E999999", 403), Outcome.ACCOUNT, "http_403"),
        (answered("000000"), Outcome.UNKNOWN, "no_status_per_number"),
        (answered("000000", 502), Outcome.UNKNOWN, "contradicting_answer"),
        (answered(""), Outcome.UNKNOWN, "unreadable_answer"),
        (WireAnswer(200, {}, b"[]"), Outcome.UNKNOWN, "unreadable_answer"),
        (WireAnswer(429, {}, b'{"error_code":"APIG.0308"}'), Outcome.THROTTLED, "APIG.0308"),
        (WireAnswer(500, {}, b"<html>"), Outcome.UNKNOWN, "http_500"),
        (WireFault(Outcome.UNKNOWN, "timed_out"), Outcome.UNKNOWN, "timed_out"),
    ],
)
def test_an_answer_for_the_whole_request(end: WireAnswer | WireFault, outcome: Outcome, code: str) -> None:
    results = read(end)
    assert {(result.outcome, result.code) for result in results} == {(outcome, code)}
    assert len(results) == 3


def test_a_throttling_answer_may_say_for_how_long() -> None:
    assert read(answered("APIG.0308", 429, {"Retry-After": "7"}))[0].retry_after_s == 7


CODES = [
    (code, outcome)
    for outcome, codes in {
        "accepted": ["000000"],
        "rejected": ["E000503", "E200028", "E200041"],
        "retryable": ["E200022", "E200023"],
        "template": ["E200018", "E200029", "E200030", "E200031", "E200033"],
        "account": ["E000001", "E000005", "E000045", "E000101", "E000102", "E000111", "E000112", "E000620"],
        "throttled": ["E200015"],
        "unknown": ["E000000", "E000510"],
    }.items()
    for code in codes
]


@pytest.mark.parametrize(("code", "outcome"), CODES)
def test_codes_that_matter_map_where_they_should(code: str, outcome: str) -> None:
    (only,) = read(answered(result=[status(BATCH[0].phone, code)]), BATCH[:1])
    assert only.outcome == outcome
    assert only.detail != UNLISTED_CODE


@pytest.mark.parametrize(("code", "outcome"), listed("huawei/codes.yaml"))
def test_every_code_maps_where_it_is_listed(code: str, outcome: str) -> None:
    (only,) = read(answered(result=[status(BATCH[0].phone, code)]), BATCH[:1])
    assert (only.outcome, only.code) == (outcome, code)
    assert only.detail or only.outcome is Outcome.ACCEPTED


def test_one_bad_message_costs_no_other_its_turn() -> None:
    network = Network(refuse)
    provider = huawei(network.session)
    refused = provider.send(BATCH)
    assert {(r.outcome, r.code) for r in refused} == {(Outcome.APART, "E000503")}
    assert outcomes(provider.send(BATCH[:1])) == [Outcome.REJECTED]
    network.answers = accept
    assert outcomes(provider.send(BATCH[1:2])) == [Outcome.ACCEPTED]


@pytest.mark.parametrize(("code", "outcome"), listed("huawei/codes.yaml"))
def test_what_is_true_of_one_message_of_a_batch_is_said_of_none(code: str, outcome: str) -> None:
    of_one = outcome in {"rejected", "blocked", "not_tonight", "template", "retryable"}
    expected = {"accepted": Outcome.UNKNOWN}.get(outcome) or (Outcome.APART if of_one else Outcome(outcome))
    assert outcomes(read(answered(code, 400 if code != "000000" else 200))) == [expected] * 3


def test_a_wire_that_never_connected_sends_nobody_apart() -> None:
    assert outcomes(read(WireFault(Outcome.RETRYABLE, "not_connected:x"))) == [Outcome.RETRYABLE] * 3


@pytest.mark.parametrize("http", [302, 400, 500])
def test_success_under_another_status_is_not_believed(http: int) -> None:
    items = [status(m.phone, "000000") for m in BATCH]
    results = read(answered(http=http, result=items))
    assert {(r.outcome, r.code) for r in results} == {(Outcome.UNKNOWN, "contradicting_answer")}


def test_a_number_that_is_well_in_a_request_that_took_nobody_is_in_doubt() -> None:
    items = [status(BATCH[0].phone, "000000"), *(status(m.phone, "E200028") for m in BATCH[1:])]
    first, second, _ = read(answered("E000510", 400, result=items))
    assert (first.outcome, first.code) == (Outcome.UNKNOWN, "contradicting_answer")
    assert second.outcome is Outcome.REJECTED


def test_a_batch_is_known_by_one_reference_whatever_is_heard() -> None:
    reference = f"batch-{BATCH[0].message_id}"
    results = huawei(Network(accept).session).send(BATCH)
    assert {(r.outcome, r.provider_ref) for r in results} == {(Outcome.ACCEPTED, reference)}
    unheard = huawei(Network.saying(200, b"<html>").session).send(BATCH)
    assert {(r.outcome, r.provider_ref) for r in unheard} == {(Outcome.UNKNOWN, reference)}
    refused = huawei(Network.saying(400, {"code": "E000112"}).session).send(BATCH)
    assert {(r.outcome, r.provider_ref) for r in refused} == {(Outcome.ACCOUNT, "")}
    (alone,) = huawei(Network(accept).session).send(BATCH[:1])
    assert (alone.outcome, alone.provider_ref) == (Outcome.ACCEPTED, "id")


def test_a_batch_that_begins_with_a_message_tried_before_has_another_reference() -> None:
    again = [replace(BATCH[0], attempts=2), *BATCH[1:]]
    network = Network(accept)
    results = huawei(network.session).send(again)
    reference = f"batch-{BATCH[0].message_id}-2"
    assert {r.provider_ref for r in results} == {reference}
    assert fields_of(network.requests[0])["extend"] == reference


@pytest.mark.parametrize(
    ("extend", "reference", "message_id"),
    [
        ("batch-" + "A" * 26, "batch-" + "A" * 26, ""),
        ("batch-" + "A" * 26 + "-12", "batch-" + "A" * 26 + "-12", ""),
        ("A" * 26, "2ea20735-f856-4376_1", "A" * 26),
        ("batch-7", "2ea20735-f856-4376_1", ""),
        ("", "2ea20735-f856-4376_1", ""),
    ],
)
def test_a_receipt_of_a_batch_goes_by_the_batch_and_the_number(
    extend: str, reference: str, message_id: str
) -> None:
    (receipt,) = page_of(push({**RECEIPT, "extend": extend})).receipts
    assert (receipt.provider_ref, receipt.message_id, receipt.phone) == (
        reference,
        message_id,
        "+8613800138000",
    )


def test_numbers_of_other_countries_never_share_a_request_with_those_of_china() -> None:
    keys = [
        huawei().batch_key(message(phone)) for phone in ("+8613800138000", "+13105550123", "+12025550100")
    ]
    assert keys[0] != keys[1] == keys[2]


def test_templates_variables_and_signs_differ_within_a_request() -> None:
    network = Network(accept)
    plain = message("+8610055550001", reference="B" * 26, notice="settled")
    assert outcomes(huawei(network.session).send([message(), plain])) == [Outcome.ACCEPTED] * 2
    sent = fields_of(network.requests[0])
    first, second = sent["smsContent"]
    assert first["templateParas"] == ["张三", "12.50"]
    assert (first["signature"], first["templateId"]) == ("安达车贷", "0c5a7f1e000000000000000000000001")
    assert second == {"to": ["+8610055550001"], "templateId": "plain"}
    assert (sent["from"], sent["statusCallback"], sent["extend"]) == (
        "8823111111111",
        CALLBACK,
        "batch-" + "A" * 26,
    )
    assert len(network.requests) == 1


def test_extend_is_always_sent_and_is_our_reference_when_the_message_is_alone() -> None:
    network = Network(accept)
    huawei(network.session, public_url="").send([message()])
    assert fields_of(network.requests[0])["extend"] == "A" * 26
    assert "statusCallback" not in fields_of(network.requests[0])


def test_a_message_that_no_template_words_leaves_no_trace_on_the_wire() -> None:
    network = Network(accept)
    (only,) = huawei(network.session).send([message(notice="overdue_3")])
    assert (only.outcome, only.code) == (Outcome.TEMPLATE, NO_TEMPLATE)
    assert network.requests == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": ""}, "unwritable_variable"),
        ({"name": "O'Neil"}, "unwritable_variable"),
        ({"amount": "{1}"}, "unwritable_variable"),
        ({"phone": "138-0013-8000"}, "unwritable_phone"),
        ({"phone": "13105550123"}, "unwritable_phone"),
        ({"phone": "1" * 22}, "unwritable_phone"),
    ],
)
def test_what_would_refuse_the_whole_request_stays_behind(changes: dict[str, str], code: str) -> None:
    network = Network(accept)
    odd = message(**{"reference": "B" * 26, **changes})
    results = {r.message_id: r for r in huawei(network.session).send([message("+8610055550009"), odd])}
    assert (results["B" * 26].outcome, results["B" * 26].code) == (Outcome.REJECTED, code)
    assert "O'Neil" not in results["B" * 26].detail
    assert results["A" * 26].outcome is Outcome.ACCEPTED
    assert len(contents(network.requests[0])) == 1


def test_what_does_not_fit_into_64_kb_goes_later() -> None:
    network = Network(accept)
    long = [replace(m, params={**m.params, "name": "长" * 2000}) for m in messages(8)]
    results = huawei(network.session).send(long)
    assert outcomes(results).count(Outcome.ACCEPTED) == 4
    assert {r.code for r in results if r.outcome is Outcome.APART} == {REQUEST_FULL}
    assert len(json.dumps(contents(network.requests[0]))) <= LONGEST_CONTENT
    provider = huawei(network.session)
    many = [replace(m, params={**m.params, "name": "长" * 2000}) for m in messages(14)]
    put_off = {r.message_id for r in provider.send(many) if r.outcome is Outcome.APART}
    later = [m for m in many if m.message_id in put_off]
    for key in {provider.batch_key(m) for m in later}:
        together = [m for m in later if provider.batch_key(m) == key]
        assert outcomes(provider.send(together)) == [Outcome.ACCEPTED] * len(together)
    assert len({provider.batch_key(m) for m in later}) == 3
    huge = replace(long[0], params={**long[0].params, "name": "长" * 20_000})
    assert outcomes(huawei(Network(accept).session).send([huge])) == [Outcome.ACCEPTED]


def test_declared() -> None:
    assert huawei().batch_limit == 100
    assert huawei().capabilities.receipts is ReceiptMode.PUSH
    assert huawei(push_secret=None).capabilities.receipts is ReceiptMode.NONE


@pytest.mark.parametrize(
    "changes",
    [
        {"sender": "安达"},
        {"base_url": "http://smsapi.example"},
        {"app_key": "key\n"},
        {"app_key": "key“"},
        {"app_secret": "secret\n"},
        {"app_secret": ""},
    ],
)
def test_settings_that_cannot_work(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        huawei_settings(**changes)


def test_secrets_do_not_show() -> None:
    shown = repr(huawei_settings()) + repr(huawei())
    assert HUAWEI["app_secret"] not in shown
    assert SECRET not in shown


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("+8613800138000", "+8613800138000"),
        ("8613800138000", "+8613800138000"),
        ("13800138000", "+8613800138000"),
        (" +12025550100 ", "+12025550100"),
        ("12025550100", "+12025550100"),
        ("", ""),
        ("+", ""),
        ("1069", ""),
        ("abc", ""),
    ],
)
def test_numbers(number: str, expected: str) -> None:
    assert e164(number) == expected


def push(
    fields: Mapping[str, str] | bytes, content_type: str = "application/x-www-form-urlencoded"
) -> PushRequest:
    body = fields if isinstance(fields, bytes) else urlencode(fields).encode()
    return PushRequest("POST", CALLBACK, {"content-type": content_type}, body)


def page_of(request: PushRequest) -> ReturnPage:
    received = huawei().receive(request)
    assert isinstance(received, Received)
    return received.page


RECEIPT = {
    "smsMsgId": "2ea20735-f856-4376_1",
    "status": "DELIVRD",
    "updateTime": "2026-11-22T08:43:41Z",
    "to": "+8613800138000",
    "extend": "A" * 26,
    "total": "1",
    "sequence": "1",
    "source": "2",
}


def test_a_receipt() -> None:
    received = huawei().receive(push(RECEIPT))
    assert isinstance(received, Received)
    assert (received.answer.status, received.answer.body) == (200, b"")
    (receipt,) = received.page.receipts
    assert receipt == Receipt(
        "main",
        "2ea20735-f856-4376_1",
        "A" * 26,
        delivered=True,
        code="DELIVRD",
        detail="delivered",
        occurred_at=datetime(2026, 11, 22, 8, 43, 41, tzinfo=UTC),
        phone="+8613800138000",
    )
    assert not received.page.unread


@pytest.mark.parametrize(
    ("state", "delivered", "blocked"),
    [
        ("UNDELIV", False, False),
        ("EXPIRED", False, False),
        ("LIMIT", False, False),
        ("E200019", False, False),
        ("SC:0006", False, False),
        ("MBBLACK", False, True),
        ("TDBLACK", False, True),
        ("SC:0005", False, True),
    ],
)
def test_states_of_receipts(state: str, *, delivered: bool, blocked: bool) -> None:
    (receipt,) = page_of(push({**RECEIPT, "status": state})).receipts
    assert (receipt.delivered, receipt.blocked, receipt.code) == (delivered, blocked, state)
    assert receipt.detail


def test_an_unlisted_state_means_undelivered_and_a_pending_one_nothing_yet() -> None:
    (receipt,) = page_of(push({**RECEIPT, "status": "XQ:9999"})).receipts
    assert (receipt.delivered, receipt.detail) == (False, "")
    assert page_of(push({**RECEIPT, "status": "ACCEPTD"})) == ReturnPage()


def test_a_receipt_may_lack_time_number_and_reference() -> None:
    (receipt,) = page_of(push({"smsMsgId": "x", "status": "DELIVRD", "extend": "batch-" + "A" * 26})).receipts
    assert (receipt.occurred_at, receipt.phone, receipt.message_id) == (NOW, "", "")


def test_a_list_of_receipts() -> None:
    records = [RECEIPT, {**RECEIPT, "status": "UNDELIV", "smsMsgId": "b"}, {"smsMsgId": "c"}, 7]
    request = push(json.dumps({"statusReportList": records}).encode(), "application/json;charset=UTF-8")
    received = huawei().receive(request)
    assert isinstance(received, Received)
    assert json.loads(received.answer.body)["returnCode"] == 0
    assert [r.delivered for r in received.page.receipts] == [True, False]
    assert len(received.page.problems) == 2
    assert received.page.unread == request.body


def test_a_reply() -> None:
    fields = {"from": "+8613800138000", "to": "1069031221280000001", "body": "退订 + R", "smsMsgId": "up-1"}
    page = page_of(push({**fields, "createTime": "2026-11-22T08:43:41"}))
    assert page.replies == (
        Reply("main", "up-1", "+8613800138000", "退订 + R", datetime(2026, 11, 22, 8, 43, 41, tzinfo=UTC)),
    )
    (bare,) = page_of(push({**fields, "from": "13800138000"})).replies
    assert (bare.phone, bare.received_at) == ("+8613800138000", NOW)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"from=%2B8613800138000&body=%FF%FE",
        b"to=%2B8613800138000",
        b"status=DELIVRD&to=%2B8613800138000",
        b"from=nobody&body=R",
        urlencode({**RECEIPT, "updateTime": "yesterday"}).encode(),
        urlencode({**RECEIPT, "updateTime": "0001-01-01T00:00:00+23:00"}).encode(),
    ],
)
def test_what_cannot_be_read_is_kept(body: bytes) -> None:
    page = page_of(push(body))
    assert (page.receipts, page.replies, page.unread) == ((), (), body)
    assert len(page.problems) == 1
    assert "13800138000" not in page.problems[0]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"statusReportList":{}}', b"[" * 100_000])
def test_a_list_that_is_none_is_kept(body: bytes) -> None:
    page = page_of(push(body, "application/json"))
    assert (page.receipts, page.unread, len(page.problems)) == ((), body, 1)


@given(
    st.binary(max_size=200), st.sampled_from(["application/json", "application/x-www-form-urlencoded", ""])
)
def test_no_body_brings_it_down(body: bytes, content_type: str) -> None:
    page = page_of(push(body, content_type))
    assert page.unread in {b"", body}
    assert bool(page.unread) == bool(page.problems) or not body


def test_only_posts_are_taken() -> None:
    assert huawei().receive(replace(push(RECEIPT), method="GET")) == Refused(405, "not_a_post")


@pytest.mark.parametrize(("code", "kind"), listed("huawei/receipts.yaml"))
def test_every_code_of_a_receipt_means_what_it_is_listed_under(code: str, kind: str) -> None:
    receipts = page_of(push({**RECEIPT, "status": code})).receipts
    told = [(r.delivered, r.blocked, bool(r.detail)) for r in receipts]
    meanings = {"delivered": [(True, False, True)], "blocked": [(False, True, True)], "pending": []}
    assert told == meanings.get(kind, [(False, False, True)])


CHECKS = [
    (401, {"code": "E000102"}, CheckVerdict.WRONG),
    (400, {"code": "E000503"}, CheckVerdict.OK),
    (400, {"code": "E000000"}, CheckVerdict.UNTOLD),
    (502, b"<html>", CheckVerdict.UNTOLD),
]


@pytest.mark.parametrize(("status_code", "body", "verdict"), CHECKS)
def test_the_check_offers_a_request_to_nobody(status_code: int, body: object, verdict: CheckVerdict) -> None:
    network = Network.saying(status_code, body, {"Date": "Mon, 23 Nov 2026 01:02:03 GMT"})
    credentials, clock, rest = huawei(network.session).check()
    assert contents(network.requests[0]) == []
    assert (credentials.what, credentials.verdict) == ("credentials", verdict)
    assert (clock.what, clock.verdict) == ("clock", CheckVerdict.OK)
    assert rest.verdict is CheckVerdict.UNTOLD


@pytest.mark.parametrize(
    ("date", "verdict"),
    [
        ("Mon, 23 Nov 2026 00:56:00 GMT", CheckVerdict.WRONG),
        ("Mon, 23 Nov 2026 01:08:00 -0000", CheckVerdict.WRONG),
        ("Mon, 23 Nov 2026 01:04:00 GMT", CheckVerdict.OK),
        ("soon", CheckVerdict.UNTOLD),
        ("", CheckVerdict.UNTOLD),
    ],
)
def test_a_wrong_clock_is_told(date: str, verdict: CheckVerdict) -> None:
    assert clock_check({"Date": date}, NOW).verdict is verdict


@pytest.mark.parametrize("vendor", ["huawei", "twilio"])
def test_the_example_in_the_documentation_is_valid(vendor: str) -> None:
    text = (Path(__file__).parents[4] / "docs" / "providers" / f"{vendor}.md").read_text(encoding="utf-8")
    example = yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])
    assert DeliverySettings.model_validate(example["delivery"]).providers["main"].type == vendor
