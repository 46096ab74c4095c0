import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from carloan_notify.delivery.provider import UNLISTED_CODE, Inquiry, LookUp, MessageFate
from carloan_notify.delivery.providers.aliyun.api import batch_out_id, batch_reference_in
from carloan_notify.records import Channel, Outcome
from tests.unit.delivery.providers.aliyun_world import (
    IDS,
    NOW,
    PHONES,
    Answers,
    message,
    sms,
    voice,
)

SENT = NOW - timedelta(hours=2)
SENT_TEXT = "2026-11-23 07:02:03"


def record(**changes: Any) -> dict[str, Any]:
    return {
        "PhoneNum": "13800138000",
        "SendStatus": 3,
        "ErrCode": "DELIVERED",
        "OutId": IDS[0],
        "SendDate": SENT_TEXT,
        **changes,
    }


def page(*records: dict[str, Any], total: object = None) -> tuple[int, object]:
    count = len(records) if total is None else total
    return 200, {"Code": "OK", "TotalCount": count, "SmsSendDetailDTOs": {"SmsSendDetailDTO": list(records)}}


def ask(answers: Sequence[tuple[int, object]], **changes: Any) -> tuple[LookUp, Answers]:
    provider, vendor = sms(answers)
    known = {"provider_ref": "", "sent_at": SENT, **changes}
    inquiry = Inquiry(IDS[0], Channel.SMS, known["provider_ref"], known["sent_at"], PHONES[0])
    (found,) = provider.look_up([inquiry])
    return found, vendor


def test_nobody_is_asked_about_a_number_that_the_vendor_takes_for_another() -> None:
    provider, vendor = sms([page(record(PhoneNum="13105550123"))])
    (found,) = provider.look_up([Inquiry(IDS[0], Channel.SMS, "", SENT, "+13105550123")])
    assert (found.standing, found.code) == (MessageFate.UNCLEAR, "ambiguous_number")
    assert vendor.requests == []


def queries(vendor: Answers) -> list[dict[str, str]]:
    return [
        {name: value for name, (value,) in parse_qs(urlsplit(str(sent.url)).query).items()}
        for sent in vendor.requests
    ]


@pytest.mark.parametrize(
    ("changes", "standing", "detail"),
    [
        ({}, MessageFate.DELIVERED, ""),
        ({"SendStatus": 1, "ErrCode": ""}, MessageFate.ACCEPTED, ""),
        ({"SendStatus": "2", "ErrCode": "MK:0001"}, MessageFate.UNDELIVERED, "no such number"),
        ({"SendStatus": 9}, MessageFate.UNCLEAR, ""),
    ],
)
def test_what_became_of_a_message(changes: dict[str, Any], standing: MessageFate, detail: str) -> None:
    found, vendor = ask([page(record(OutId=IDS[1]), record(**changes))])
    assert (found.standing, found.detail) == (standing, detail)
    assert [query["SendDate"] for query in queries(vendor)] == ["20261123"]


def test_a_message_of_a_lost_batch_is_found_and_learns_its_reference() -> None:
    out_id = batch_out_id(IDS)
    found, _ = ask([page(record(OutId=out_id))])
    assert (found.standing, found.provider_ref) == (MessageFate.DELIVERED, batch_reference_in(out_id))


def test_nothing_of_it_after_a_while_means_it_never_arrived() -> None:
    others = [record(OutId=IDS[1]), record(OutId=batch_out_id(IDS[1:]))]
    assert ask([page(*others)])[0].standing is MessageFate.ABSENT
    assert ask([page()])[0].standing is MessageFate.ABSENT


@pytest.mark.parametrize(
    ("answers", "changes", "code"),
    [
        ([page()], {"sent_at": NOW - timedelta(minutes=29)}, "not_settled_yet"),
        ([page(record(OutId=""))], {}, "record_without_our_reference"),
        ([page(record(OutId=batch_out_id(IDS)[:200]))], {}, "record_without_our_reference"),
        ([page(record(OutId="", SendDate=""))], {}, "record_without_our_reference"),
        ([page(total="?")], {}, "unreadable_answer"),
        ([page(total=3)], {}, "missing_records"),
        ([(200, {"Code": "isv.NEW"})], {}, "isv.NEW"),
        ([(200, {"Code": "OK"})], {}, "unreadable_answer"),
        ([(500, "")], {}, "http_500"),
        ([], {}, "not_connected:ConnectionError"),
    ],
)
def test_what_nobody_can_say(answers: list[tuple[int, object]], changes: dict[str, Any], code: str) -> None:
    found, _ = ask(answers, **changes)
    assert (found.standing, found.code) == (MessageFate.UNCLEAR, code)


def test_a_stranger_of_another_hour_is_no_doubt() -> None:
    assert (
        ask([page(record(OutId="theirs", SendDate="2026-11-23 01:00:00"))])[0].standing is MessageFate.ABSENT
    )


def test_page_after_page_and_around_midnight() -> None:
    late = datetime(2026, 11, 22, 15, 55, tzinfo=UTC)  # five to twelve in China
    others = [record(OutId=IDS[1])] * 50
    answers = [page(*others, total=51), page(record(OutId=IDS[1]), total=51), page(record())]
    found, vendor = ask(answers, sent_at=late)
    assert found.standing is MessageFate.DELIVERED
    asked = [(query["SendDate"], query["CurrentPage"]) for query in queries(vendor)]
    assert asked == [("20261122", "1"), ("20261122", "2"), ("20261123", "1")]


def test_it_does_not_ask_for_ever() -> None:
    found, vendor = ask([page(record(OutId=IDS[1]), total=99)] * 30)
    assert (found.code, len(vendor.requests)) == ("too_many_records", 20)


def test_the_vendors_reference_suffices() -> None:
    found, vendor = ask([page(record(OutId=""))], provider_ref="1^0")
    assert (found.standing, found.provider_ref) == (MessageFate.DELIVERED, "1^0")
    assert queries(vendor)[0]["BizId"] == "1^0"


# --- calls ---
def ask_call(answers: Sequence[tuple[int, object]], provider_ref: str = "2^0") -> LookUp:
    provider, _ = voice(answers)
    (found,) = provider.look_up([Inquiry(IDS[0], Channel.VOICE, provider_ref, SENT, PHONES[0])])
    return found


@pytest.mark.parametrize(
    ("data", "standing", "code", "detail"),
    [
        (json.dumps({"state": "200000"}), MessageFate.DELIVERED, "200000", ""),
        ({"state": 200001}, MessageFate.DELIVERED, "200001", ""),
        (json.dumps({"state": "200002"}), MessageFate.UNDELIVERED, "200002", "the line was busy"),
        (json.dumps({"state": "200101"}), MessageFate.ACCEPTED, "200101", ""),
        (json.dumps({"state": "123"}), MessageFate.UNCLEAR, "123", UNLISTED_CODE),
        ("{}", MessageFate.UNCLEAR, "no_state", ""),
        ("{", MessageFate.UNCLEAR, "no_state", ""),
        (None, MessageFate.UNCLEAR, "no_state", ""),
    ],
)
def test_what_became_of_a_call(data: object, standing: MessageFate, code: str, detail: str) -> None:
    found = ask_call([(200, {"Code": "OK", "Data": data})])
    assert (found.standing, found.code, found.detail, found.provider_ref) == (standing, code, detail, "2^0")


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ([(200, {"Code": "isv.CALL_NOT_FOUND"})], "isv.CALL_NOT_FOUND"),
        ([(503, "")], "http_503"),
        ([], "not_connected:ConnectionError"),
    ],
)
def test_calls_nobody_can_tell_of(answers: list[tuple[int, object]], code: str) -> None:
    found = ask_call(answers)
    assert (found.standing, found.code) == (MessageFate.UNCLEAR, code)
    assert ask_call(answers, "").code == "no_call_id"


def test_a_call_is_made() -> None:
    call = message(channel=Channel.VOICE)
    provider, vendor = voice(
        [(200, {"Code": "OK", "CallId": "2^0"}), (200, {"Code": "isv.TTS_TEMPLATE_ILLEGAL"})]
    )
    (made,), (refused,) = provider.send([call]), provider.send([call])
    assert (made.outcome, made.provider_ref) == (Outcome.ACCEPTED, "2^0")
    assert (refused.outcome, refused.detail) == (Outcome.TEMPLATE, "no such approved voice template")
    assert queries(vendor)[0]["OutId"] == IDS[0][:15]
    assert provider.send([message(notice="none")])[0].outcome is Outcome.TEMPLATE
    shared, vendor = voice([(200, {"Code": "OK"})], called_show_number="")
    shared.send([call])
    assert "CalledShowNumber" not in queries(vendor)[0]
