import json
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.delivery.codes import carrier_codes
from carloan_notify.delivery.provider import Received, Refused, ReturnPage
from carloan_notify.delivery.providers import tencent
from carloan_notify.delivery.providers.tencent.returns import PageReader, page
from carloan_notify.delivery.providers.tencent.sms import TencentSms, TencentVoice
from carloan_notify.records import PushRequest, Receipt, Reply
from tests.unit.delivery.providers.tencent import NOW, sms_settings, voice_settings

CODES: dict[str, dict[str, str]] = yaml.safe_load(
    resources.files(tencent).joinpath("receipts.yaml").read_text(encoding="utf-8")
)
SMS = TencentSms("t", sms_settings(), clock=lambda: NOW)
VOICE = TencentVoice("v", voice_settings(), clock=lambda: NOW)

STATUS: dict[str, Any] = {
    "user_receive_time": "2026-11-23 09:03:04",
    "nationcode": "86",
    "mobile": "13800138000",
    "report_status": "SUCCESS",
    "errmsg": "DELIVRD",
    "description": "用户短信送达成功",
    "sid": "2019:1",
}
REPLY: dict[str, Any] = {
    "extend": "10",
    "mobile": "13800138000",
    "nationcode": "86",
    "sign": "安达车贷",
    "text": "退订",
    "time": 1795395723,
}
CALL: dict[str, Any] = {
    "result": "0",
    "accept_time": "1795395700",
    "call_from": "",
    "callid": "c-1",
    "end_calltime": "1795395723",
    "fee": "1",
    "mobile": "13800138000",
    "nationcode": "86",
    "start_calltime": "1795395690",
}
FAILED: dict[str, Any] = {
    "call_from": "075583763333",
    "callid": "c-1",
    "failure_code": 8,
    "failure_reason": "空号",
    "mobile": "13800138000",
    "nationcode": "86",
}


def post(body: Any, method: str = "POST") -> PushRequest:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return PushRequest(method, "https://lender.example/t/secret", {}, raw)


def pushed(body: Any, provider: TencentSms | TencentVoice = SMS) -> ReturnPage:
    result = provider.receive(post(body))
    assert isinstance(result, Received)
    assert result.answer.status == 200
    assert json.loads(result.answer.body) == {"result": 0, "errmsg": "OK"}
    assert result.answer.content_type.startswith("application/json")
    return result.page


def test_a_delivery_becomes_a_receipt_in_utc() -> None:
    assert pushed([STATUS]).receipts == (
        Receipt(
            "t",
            "2019:1",
            "",
            delivered=True,
            code="DELIVRD",
            detail="delivered",
            occurred_at=datetime(2026, 11, 23, 1, 3, 4, tzinfo=UTC),
            phone="+8613800138000",
        ),
    )


def test_a_failure_needs_no_time_and_no_listed_code() -> None:
    failed = {**STATUS, "report_status": "FAIL", "errmsg": "ZZ:9", "user_receive_time": ""}
    (receipt,) = pushed([failed]).receipts
    assert (receipt.delivered, receipt.code, receipt.detail) == (False, "ZZ:9", "")
    assert (receipt.occurred_at, receipt.blocked) == (NOW, False)


def test_words_in_the_place_of_a_code_do_not_get_through() -> None:
    (receipt,) = pushed([{**STATUS, "errmsg": "送达 13800138000"}]).receipts
    assert (receipt.delivered, receipt.code) == (True, "SUCCESS")


def test_the_vendors_verdict_goes_before_the_carriers_code() -> None:
    (receipt,) = pushed([{**STATUS, "report_status": "FAIL"}]).receipts
    assert (receipt.delivered, receipt.code, receipt.detail) == (False, "DELIVRD", "")


@pytest.mark.parametrize(("kind", "code"), [(kind, code) for kind, codes in CODES.items() for code in codes])
def test_every_receipt_code_has_its_reason(kind: str, code: str) -> None:
    carried = carrier_codes("tencent").get(code)
    assert carried is not None
    assert (carried.delivered, carried.reason) == (kind == "delivered", CODES[kind][code])


def test_a_reply_comes_alone() -> None:
    page_ = pushed(REPLY)
    assert page_.replies == (Reply("t", "", "+8613800138000", "退订", NOW),)
    assert (page_.receipts, page_.problems) == ((), ())


@pytest.mark.parametrize(
    "broken",
    [
        {**STATUS, "sid": ""},
        {**STATUS, "report_status": "MAYBE"},
        {**STATUS, "user_receive_time": "yesterday, 13800138000"},
        {**STATUS, "user_receive_time": "9" * 30},
        {**STATUS, "user_receive_time": -5},
        {**REPLY, "mobile": ""},
        {**REPLY, "mobile": "call 13800138000"},
        {**REPLY, "nationcode": "0"},
        {**REPLY, "nationcode": ""},
        {**REPLY, "text": None},
        {"what": "13800138000"},
        "13800138000",
        None,
        [],
    ],
)
def test_a_broken_record_is_a_problem_and_the_rest_is_taken(broken: Any) -> None:
    body = json.dumps([STATUS, broken, REPLY]).encode()
    found = pushed(body)
    assert (len(found.receipts), len(found.replies), len(found.problems)) == (1, 1, 1)
    assert found.problems[0].startswith("t: record 2: ")
    assert found.unread == body
    assert "13800138000" not in found.problems[0] + repr(found)


def test_a_receipt_without_a_readable_number_still_counts() -> None:
    for missing in ({"mobile": "", "nationcode": ""}, {"nationcode": ""}):
        (receipt,) = pushed([{**STATUS, **missing}]).receipts
        assert (receipt.provider_ref, receipt.phone) == ("2019:1", "")
    (receipt,) = pushed([{**STATUS, "nationcode": "+86"}]).receipts
    assert receipt.phone == "+8613800138000"


@pytest.mark.parametrize("provider", [SMS, VOICE], ids=["sms", "voice"])
@pytest.mark.parametrize("body", [b"", b"sid=1", b"\xff", b"[" * 100_000, b"null", b'"x"', b"7"])
def test_what_is_no_push_is_refused(provider: TencentSms | TencentVoice, body: bytes) -> None:
    assert provider.receive(post(body)) == Refused(400, "unreadable_push")
    assert provider.receive(post(STATUS, "GET")) == Refused(405, "not_a_post")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [*STATUS, *REPLY, "voiceprompt_callback", "voice_failure_callback", "callid"]
                ),
                inner,
            )
        ),
        max_leaves=12,
    )
)
def test_no_push_breaks_the_reader(body: Any) -> None:
    for provider in (SMS, VOICE):
        assert isinstance(provider.receive(post(body)), Received | Refused)


# Calls.


@pytest.mark.parametrize(
    ("result", "delivered", "detail"),
    [
        ("0", True, "the call was answered"),
        ("1", False, "the call was not answered"),
        (2, False, "the call failed"),
        ("9", False, ""),
    ],
)
def test_the_result_of_a_call(result: str | int, delivered: bool, detail: str) -> None:  # noqa: FBT001 - a case
    (receipt,) = pushed({"voiceprompt_callback": {**CALL, "result": result}}, VOICE).receipts
    assert receipt == Receipt(
        "v",
        "c-1",
        "",
        delivered=delivered,
        code=f"result:{result}",
        detail=detail,
        occurred_at=NOW,
        phone="+8613800138000",
    )


def test_the_reason_of_a_failed_call() -> None:
    (receipt,) = pushed({"voice_failure_callback": FAILED}, VOICE).receipts
    assert (receipt.provider_ref, receipt.delivered) == ("c-1", False)
    assert (receipt.code, receipt.detail) == ("failure_code:8", "the number is not in use")
    assert receipt.occurred_at == NOW


@pytest.mark.parametrize("kind", ["voicekey_callback", "voicecode_callback"])
def test_pressed_keys_and_verification_codes_are_acknowledged(kind: str) -> None:
    assert pushed({kind: {"callid": "c-1", "keypress": "2"}}, VOICE) == ReturnPage()


@pytest.mark.parametrize(
    "broken",
    [
        {"voiceprompt_callback": {}},
        {"voiceprompt_callback": "x"},
        {"voice_failure_callback": {"callid": "1"}},
        {},
    ],
)
def test_a_call_back_that_cannot_be_read_is_kept(broken: Any) -> None:
    found = pushed(broken, VOICE)
    assert (found.receipts, len(found.problems)) == ((), 1)
    assert json.loads(found.unread) == broken


# Pulled records.

READER = PageReader("t", NOW)
PULLED: dict[str, Any] = {
    "UserReceiveTime": 1795395723,
    "CountryCode": "86",
    "SubscriberNumber": "13800138000",
    "PhoneNumber": "+8613800138000",
    "SerialNo": "5000:1",
    "ReportStatus": "SUCCESS",
    "Description": "DELIVRD",
    "SessionContext": "",
}


def test_a_pulled_status() -> None:
    ours = {**PULLED, "SessionContext": "M" * 26}
    words = {**PULLED, "Description": "用户短信送达成功", "SessionContext": "not ours", "PhoneNumber": ""}
    found = page("t", [ours, words], READER.status, b"")
    assert [(r.message_id, r.code, r.phone) for r in found.receipts] == [
        ("M" * 26, "DELIVRD", "+8613800138000"),
        ("", "SUCCESS", "+8613800138000"),
    ]
    assert found.receipts[0].occurred_at == NOW


def test_a_pulled_reply() -> None:
    record = {"PhoneNumber": "+8613800138000", "ReplyContent": "R", "ReplyTime": 1795395723}
    apart = {"CountryCode": "86", "SubscriberNumber": "13800138000", "ReplyContent": "", "ReplyTime": 0}
    assert page("t", [record, apart], READER.reply, b"").replies == (
        Reply("t", "", "+8613800138000", "R", NOW),
        Reply("t", "", "+8613800138000", "", NOW),
    )
