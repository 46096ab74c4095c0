import json
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any

import pytest
import yaml

from carloan_notify.delivery.codes import carrier_codes
from carloan_notify.delivery.provider import Received
from carloan_notify.delivery.providers.aliyun.api import batch_out_id, batch_reference_in
from carloan_notify.delivery.providers.aliyun.returns import Returns
from carloan_notify.records import PushRequest, Receipt, Reply
from tests.unit.delivery.providers.aliyun_world import IDS, NOW, sms, voice

REPORT: dict[str, Any] = {
    "phone_number": "13800138000",
    "send_time": "2026-11-23 09:00:00",
    "report_time": "2026-11-23 09:00:05",
    "success": True,
    "err_code": "DELIVERED",
    "err_msg": "用户接收成功",
    "sms_size": "1",
    "biz_id": "123^0",
    "out_id": IDS[0],
}
UP: dict[str, Any] = {
    "phone_number": "13800138000",
    "content": "R 退订",
    "send_time": "2026-11-23 09:10:00",
    "dest_code": "1234",
    "sequence_id": 1234567890,
}
CALL: dict[str, Any] = {
    "call_id": "1226^1094",
    "status_code": "200003",
    "callee": "13800138000",
    "originate_time": "2026-11-23 09:00:00",
    "end_time": "",
    "out_id": IDS[0][:15],
    "duration": "0",
}
AT = datetime(2026, 11, 23, 1, 0, 5, tzinfo=UTC)
RETURNS = Returns("main")


def read(*records: object) -> Any:
    return RETURNS.page(json.dumps(records).encode(), NOW)


def test_a_delivered_message() -> None:
    assert read(REPORT).receipts == (
        Receipt("main", "123^0", IDS[0], True, "DELIVERED", "", AT, "+8613800138000"),  # noqa: FBT003 - delivered
    )


@pytest.mark.parametrize(
    ("code", "detail", "blocked"),
    [
        ("MK:0001", "no such number", False),
        ("MK:7777", "the network could not deliver it", False),
        ("MOBILE_IN_BLACK", "the number is on the carrier's blacklist", True),
        ("DB:0141", "the number is on the carrier's blacklist after complaints", True),
        ("isv.BLACK_KEY_CONTROL_LIMIT", "a value holds a word on the vendor's blacklist", False),
        ("USER_REJECT", "the number opted out", True),
        ("isv.BUSINESS_LIMIT_CONTROL", "the number has had as many messages as it may for now", False),
        ("NEVER_HEARD", "", False),
        ("", "", False),
    ],
)
def test_why_a_message_did_not_arrive(*, code: str, detail: str, blocked: bool) -> None:
    (receipt,) = read({**REPORT, "success": False, "err_code": code}).receipts
    assert (receipt.delivered, receipt.code, receipt.detail, receipt.blocked) == (
        False,
        code,
        detail,
        blocked,
    )


@pytest.mark.parametrize(
    ("success", "code", "delivered"),
    [
        ("true", "MK:0001", True),
        ("False", "DELIVRD", False),
        (None, "DELIVRD", True),
        (None, "MK:0001", False),
        (1, "DELIVRD", True),
    ],
)
def test_success_comes_before_the_code(*, success: object, code: str, delivered: bool) -> None:
    (receipt,) = read({**REPORT, "success": success, "err_code": code}).receipts
    assert receipt.delivered is delivered


@pytest.mark.parametrize("code", ["REQUEST_SUCCESS", "ACCEPTD", "ML:0000"])
def test_the_network_has_not_decided_yet(code: str) -> None:
    page = read({**REPORT, "success": False, "err_code": code})
    assert (page.receipts, page.problems) == ((), ())


def test_a_batch_is_found_by_its_reference_and_number() -> None:
    out_id = batch_out_id(IDS)
    (receipt,) = read({**REPORT, "out_id": out_id}).receipts
    assert (receipt.provider_ref, receipt.message_id) == (batch_reference_in(out_id), "")
    assert receipt.phone == "+8613800138000"


def test_a_reply() -> None:
    received_at = datetime(2026, 11, 23, 1, 10, tzinfo=UTC)
    assert read(UP).replies == (Reply("main", "1234567890", "+8613800138000", "R 退订", received_at),)
    assert read({**UP, "send_time": "20261123091000"}).replies[0].received_at == received_at


@pytest.mark.parametrize(
    ("changes", "delivered", "detail", "at"),
    [
        ({}, False, "it rang and nobody answered", AT - timedelta(seconds=5)),
        ({"status_code": "200000", "end_time": "2026-11-23 09:00:05"}, True, "", AT),
        ({"status_code": "200001", "originate_time": ""}, True, "", NOW),
        ({"status_code": "299999", "status_time": "2026-11-23 09:00:05"}, False, "", AT),
    ],
)
def test_a_call(*, changes: dict[str, str], delivered: bool, detail: str, at: datetime) -> None:
    (receipt,) = read({**CALL, **changes}).receipts
    assert (receipt.provider_ref, receipt.message_id, receipt.phone) == ("1226^1094", "", "+8613800138000")
    assert (receipt.delivered, receipt.detail, receipt.occurred_at) == (delivered, detail, at)


def test_a_call_that_goes_on_and_one_without_a_number() -> None:
    assert read({**CALL, "status_code": "200103"}).receipts == ()
    assert read({"call_id": "1^1", "status_code": "200010"}).receipts[0].phone == ""


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        ({**REPORT, "phone_number": "not 13800138000"}, "no phone number"),
        ({**REPORT, "report_time": "13800138000"}, "time is not in the format %Y-%m-%d %H:%M:%S"),
        ({**REPORT, "biz_id": "", "out_id": "x"}, "neither our reference nor the vendor's"),
        ({**UP, "send_time": ""}, "time is not in the format %Y-%m-%d %H:%M:%S"),
        ({**CALL, "status_code": ""}, "a call report without call_id or status_code"),
        ({"sign_name": "安达"}, "neither receipt nor reply"),
        ("text 13800138000", "no record"),
    ],
)
def test_a_bad_record_is_a_problem_and_the_rest_is_taken(record: object, problem: str) -> None:
    body = json.dumps([UP, record, REPORT]).encode()
    page = RETURNS.page(body, NOW)
    assert (len(page.receipts), len(page.replies)) == (1, 1)
    assert page.problems == (f"main: record 1: {problem}",)
    assert page.unread == body
    assert "13800138000" not in repr(page)


def test_what_is_no_json_is_kept_as_it_is() -> None:
    page = RETURNS.page(b"<html>13800138000</html>", NOW)
    assert page.problems == ("main: what came back is not JSON",)
    assert page.unread == b"<html>13800138000</html>"


@pytest.mark.parametrize(
    ("body", "problems"), [(b"", 0), (b"  ", 0), (b"[]", 0), (json.dumps([REPORT]).encode(), 0), (b"{", 1)]
)
def test_the_vendor_always_hears_that_it_was_taken(body: bytes, problems: int) -> None:
    for provider in (sms()[0], voice()[0]):
        received = provider.receive(PushRequest("POST", "https://h/main/secret", {}, body))
        assert isinstance(received, Received)
        assert json.loads(received.answer.body) == {"code": 0, "msg": "成功"}
        assert received.answer.content_type.startswith("application/json")
        assert len(received.page.problems) == problems


@pytest.mark.parametrize("table", ["", "aliyun", "aliyun/calls"])
def test_every_receipt_code_means_what_it_says(table: str) -> None:
    folder = resources.files("carloan_notify.delivery.providers")
    path = f"{table}/receipts.yaml" if table else "carrier_codes.yaml"
    listed = yaml.safe_load(folder.joinpath(path).read_text("utf-8"))
    assert listed.keys() <= {"delivered", "undelivered", "dead", "blocked", "pending"}
    for kind, codes in listed.items():
        for code, reason in codes.items():
            carried = carrier_codes(table).get(code.replace("*", "~"))
            assert isinstance(code, str)
            assert carried is not None
            assert carried.reason == reason
            assert (carried.delivered, carried.blocked, carried.final, carried.dead) == (
                kind == "delivered",
                kind == "blocked",
                kind != "pending",
                kind == "dead",
            )


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("DELIVRD", "delivered"),
        ("0", "delivered"),
        ("UNDELIV", "undelivered"),
        ("EXPIRED", "undelivered"),
        ("REJECTD", "undelivered"),
        ("UNKNOWN", "undelivered"),
        ("DELETED", "undelivered"),
        ("NOROUTE", "undelivered"),
        ("MK:0005", "undelivered"),
        ("DB:0140", "undelivered"),
        ("E200039", "undelivered"),
        ("MBBLACK", "blocked"),
        ("MB:1077", "blocked"),
        ("ID:0141", "blocked"),
        ("ACCEPTD", "pending"),
    ],
)
def test_the_carriers_codes_that_matter(code: str, kind: str) -> None:
    carried = carrier_codes().get(code)
    assert carried is not None
    found = (
        "pending"
        if not carried.final
        else "blocked"
        if carried.blocked
        else "delivered"
        if carried.delivered
        else "undelivered"
    )
    assert found == kind
