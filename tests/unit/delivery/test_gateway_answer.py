import json
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.delivery.codes import CodeTable, public_code
from carloan_notify.delivery.gateway.answer import (
    AnswerReader,
    UnreadableError,
    at,
    fields_of,
    list_at,
    text_at,
)
from carloan_notify.delivery.gateway.returns import NEVER, LookUpReader, ReceiptReader, moment
from carloan_notify.delivery.gateway.settings import LookUpSettings, PullSettings, ShapeSettings
from carloan_notify.delivery.http import WireAnswer, retry_after
from carloan_notify.delivery.provider import NO_ANSWER, UNLISTED_CODE, Inquiry, MessageFate
from carloan_notify.delivery.registry import HttpProviderSettings
from carloan_notify.records import Channel, Outcome, SendResult
from tests.unit.delivery.gateways import NOW, batched, described, wire_answer
from tests.unit.delivery.world import message

BATCH = [message(1), message(2), message(3)]
IDS = [m.message_id for m in BATCH]


def read(answer: WireAnswer, settings: HttpProviderSettings | None = None, size: int = 1) -> list[SendResult]:
    return AnswerReader((settings or described()).answer).read(answer, BATCH[:size], NOW)


@pytest.mark.parametrize(
    ("body", "status", "outcome", "code"),
    [
        ('{"code":0,"id":77}', 200, Outcome.ACCEPTED, "0"),
        ('{"code":"0"}', 201, Outcome.ACCEPTED, "0"),
        ('{"code":"1"}', 200, Outcome.REJECTED, "1"),
        ('{"code":"1"}', 400, Outcome.REJECTED, "1"),
        ('{"code":"5"}', 500, Outcome.RETRYABLE, "5"),
        ('{"code":"T.User"}', 200, Outcome.THROTTLED, "T.User"),
        ('{"code":"9"}', 200, Outcome.ACCOUNT, "9"),
        ('{"code":"E77"}', 200, Outcome.UNKNOWN, "E77"),
        ('{"code":"0"}', 502, Outcome.UNKNOWN, "http_502"),
        ('{"code":"E77"}', 400, Outcome.UNKNOWN, "http_400"),
        ('{"id":"x"}', 200, Outcome.UNKNOWN, "no_code_in_answer"),
        ('{"code":null}', 200, Outcome.UNKNOWN, "no_code_in_answer"),
        ('{"code":{"a":1}}', 200, Outcome.UNKNOWN, "no_code_in_answer"),
        ("[]", 200, Outcome.UNKNOWN, "no_code_in_answer"),
        ("<html>", 200, Outcome.UNKNOWN, "unreadable_answer"),
        ('{"code":"0', 200, Outcome.UNKNOWN, "unreadable_answer"),
        ("", 200, Outcome.UNKNOWN, "unreadable_answer"),
        ("<html>", 500, Outcome.UNKNOWN, "http_500"),
        ("<html>", 503, Outcome.UNKNOWN, "http_503"),
        ("<html>", 302, Outcome.UNKNOWN, "http_302"),
        ("<html>", 404, Outcome.UNKNOWN, "http_404"),
        ("<html>", 401, Outcome.ACCOUNT, "http_401"),
        ("<html>", 403, Outcome.ACCOUNT, "http_403"),
        ("<html>", 429, Outcome.THROTTLED, "http_429"),
        ('\N{BYTE ORDER MARK}{"code":0}', 200, Outcome.ACCEPTED, "0"),
        ("[" * 100_000, 200, Outcome.UNKNOWN, "unreadable_answer"),
    ],
)
def test_one_answer_one_outcome(body: str, status: int, outcome: Outcome, code: str) -> None:
    (only,) = read(wire_answer(body, status))
    assert (only.outcome, only.code) == (outcome, code)


def test_an_unlisted_code_is_reported_as_such() -> None:
    assert read(wire_answer('{"code":"E77"}'))[0].detail == UNLISTED_CODE


def test_the_gateways_own_table_may_make_a_status_retryable() -> None:
    settings = described(
        answer={"code": "c", "codes": {"accepted": ["0"]}, "http_status": {503: "retryable"}}
    )
    assert read(wire_answer("<html>", 503), settings)[0].outcome is Outcome.RETRYABLE


def test_a_gateway_may_answer_by_status_alone() -> None:
    settings = described(answer={"format": "text", "pattern": "^", "http_status": {202: "accepted"}})
    assert read(wire_answer("", 202), settings)[0].outcome is Outcome.ACCEPTED
    assert read(wire_answer("", 500), settings)[0].outcome is Outcome.UNKNOWN


def test_throttling_carries_how_long() -> None:
    (only,) = read(wire_answer("{}", 429, Retry_After="17"))
    assert only.retry_after_s == 17
    (only,) = read(wire_answer('{"code":"T.x"}', 200, Retry_After="3"))
    assert only.retry_after_s == 3


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("", 0),
        ("5", 5),
        (" 5 ", 5),
        ("-5", 0),
        ("soon", 0),
        ("Mon, 23 Nov 2026 01:00:30 GMT", 30),
        ("Mon, 23 Nov 2026 01:00:30 -0000", 30),
        ("Mon, 23 Nov 2026 00:00:30 GMT", 0),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float) -> None:
    assert retry_after({"Retry-After": value}, NOW) == seconds


def test_xml_answers() -> None:
    answer = {"format": "xml", "code": "r.code", "provider_ref": "r.m.@id", "codes": {"accepted": ["0"]}}
    settings = described(answer=answer)
    (only,) = read(wire_answer('<r><code> 0 </code><m id="7"><x/></m></r>'), settings)
    assert (only.outcome, only.provider_ref) == (Outcome.ACCEPTED, "7")
    for bad in ("<r><code>0</code>", '<!DOCTYPE r [<!ENTITY a "b">]><r><code>&a;</code></r>'):
        assert read(wire_answer(bad), settings)[0].code == "unreadable_answer"


def test_text_answers() -> None:
    pattern = r"^(?P<code>-?\d+)(,(?P<id>\w+))?$"
    answer = {
        "format": "text",
        "pattern": pattern,
        "code": "code",
        "provider_ref": "id",
        "codes": {"accepted": ["0"]},
    }
    (only,) = read(wire_answer("0,abc"), described(answer=answer))
    assert (only.outcome, only.provider_ref) == (Outcome.ACCEPTED, "abc")
    assert read(wire_answer("oops"), described(answer=answer))[0].code == "unreadable_answer"
    assert read(wire_answer(b"\xff\xfe"), described(answer=answer))[0].code == "unreadable_answer"


def outcomes(results: list[SendResult]) -> list[tuple[str, Outcome, str]]:
    return [(r.message_id, r.outcome, r.code) for r in results]


def test_a_batch_matched_by_position() -> None:
    body = '{"results":[{"code":0},{"code":1},{"code":"?!"}]}'
    assert outcomes(read(wire_answer(body), batched(), 3)) == [
        (IDS[0], Outcome.ACCEPTED, "0"),
        (IDS[1], Outcome.REJECTED, "1"),
        (IDS[2], Outcome.UNKNOWN, "unprintable_code"),
    ]


def test_a_batch_of_another_length_cannot_be_matched_by_position() -> None:
    results = read(wire_answer('{"results":[{"code":0}]}'), batched(), 3)
    assert {(r.outcome, r.code) for r in results} == {(Outcome.UNKNOWN, "batch_answer_of_other_length")}


def test_a_batch_matched_by_reference_in_any_order_with_gaps_and_strangers() -> None:
    items = [{"ref": IDS[2], "code": 1}, {"ref": "X", "code": 0}, {"ref": IDS[0], "code": 0, "i": 5}]
    body = json.dumps({"results": items})
    results = read(wire_answer(body), batched(item_reference="ref", item_provider_ref="i"), 3)
    assert outcomes(results) == [
        (IDS[0], Outcome.ACCEPTED, "0"),
        (IDS[1], Outcome.UNKNOWN, NO_ANSWER),
        (IDS[2], Outcome.REJECTED, "1"),
    ]
    assert results[0].provider_ref == "5"


def test_two_answers_that_disagree_are_unknown() -> None:
    body = f'{{"results":[{{"ref":"{IDS[0]}","code":1}},{{"ref":"{IDS[0]}","code":0}}]}}'
    assert read(wire_answer(body), batched(item_reference="ref"), 1)[0].code == "contradicting_answers"


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ('{"code":9}', Outcome.ACCOUNT),
        ('{"code":0,"results":[{"code":0},{"code":0},{"code":0}]}', Outcome.ACCEPTED),
        ('{"code":0}', Outcome.UNKNOWN),
        ('{"code":"77","results":[{"code":0},{"code":0},{"code":0}]}', Outcome.UNKNOWN),
    ],
)
def test_the_code_of_the_whole_batch_comes_first(body: str, outcome: Outcome) -> None:
    assert {r.outcome for r in read(wire_answer(body), batched(code="code"), 3)} == {outcome}


@given(st.dictionaries(st.sampled_from(["a", "b", "0"]), st.lists(st.integers()) | st.text(), max_size=3))
def test_paths_never_fail(fields: dict[str, Any]) -> None:
    for path in ("", "a", "a.0", "b.9", "0.x.y", "a.b"):
        at(fields, path)
        assert isinstance(text_at(fields, path), str)
        assert isinstance(list_at(fields, path), list)


def test_paths() -> None:
    fields = {"a": [{"b": True}, 2.5], "c": "", "d": "one"}
    assert text_at(fields, "a.0.b") == "true"
    assert text_at(fields, "a.1") == "2.5"
    assert list_at(fields, "c") == []
    assert list_at(fields, "d") == ["one"]
    assert list_at(fields, "nothing") == []


def test_xml_lists() -> None:
    fields = fields_of(b"<r><i>1</i><i>2</i><i>3</i></r>", ShapeSettings(format="xml"))
    assert list_at(fields, "r.i") == ["1", "2", "3"]


def test_unreadable_is_an_error_of_its_own() -> None:
    with pytest.raises(UnreadableError):
        fields_of(b"nope", ShapeSettings(format="json"))


def test_the_longest_beginning_wins_over_a_shorter_and_an_exact_code_over_both() -> None:
    table = CodeTable(
        {Outcome.REJECTED: ["isv.*"], Outcome.THROTTLED: ["isv.BUSY*"], Outcome.ACCOUNT: ["isv.BUSY_1"]}
    )
    assert table.get("isv.X") is Outcome.REJECTED
    assert table.get("isv.BUSY_2") is Outcome.THROTTLED
    assert table.get("isv.BUSY_1") is Outcome.ACCOUNT
    assert table.get("other") is None


@pytest.mark.parametrize(
    ("code", "public"),
    [
        ("isv.BUSINESS_LIMIT:7", "isv.BUSINESS_LIMIT:7"),
        ("bad number 13800138000", "unprintable_code"),
        ("phone-13800138000", "unprintable_code"),
        ("x" * 65, "unprintable_code"),
        ("李先生", "unprintable_code"),
    ],
)
def test_codes_hold_no_personal_data(code: str, public: str) -> None:
    assert public_code(code) == public


PULL = PullSettings.model_validate(
    {
        "items": "list",
        "reference": "ref",
        "provider_ref": "id",
        "state": "s",
        "delivered": ["OK"],
        "pending": ["WAIT"],
        "time": "t",
        "time_format": "%Y%m%d%H%M",
        "cursor": "next",
    }
)


def test_receipts_are_read_and_bad_ones_reported() -> None:
    body = (
        '{"next":"5","list":[{"ref":"A","s":"OK","t":"202611230900"},{"id":7,"s":"E-1","t":"202611230901"},'
        '{"ref":"B","s":"WAIT"},{"s":"OK"},{"ref":"C"},{"ref":"D","s":"OK","t":"13800138000"}]}'
    )
    page = ReceiptReader("main", PULL).read(body.encode(), NOW)
    assert [(r.message_id, r.provider_ref, r.delivered, r.code) for r in page.receipts] == [
        ("A", "", True, "OK"),
        ("", "7", False, "E-1"),
    ]
    assert page.receipts[0].occurred_at == NOW
    assert [p.split(": ")[1] for p in page.problems] == ["receipt 3", "receipt 4", "receipt 5"]
    assert not any("13800138000" in p for p in page.problems)
    assert (page.cursor, page.more) == ("5", True)


def test_receipts_that_are_no_json_are_a_problem() -> None:
    page = ReceiptReader("main", PULL).read(b"<html>", NOW)
    assert (page.receipts, page.problems) == ((), ("main: receipts are not json",))


def test_a_flag_says_whether_more_are_waiting_and_the_time_of_arrival_fills_in() -> None:
    reader = ReceiptReader("main", PULL.model_copy(update={"more": "more", "time": ""}))
    page = reader.read(b'{"more":false,"next":"1","list":[{"ref":"A","s":"OK"}]}', NOW)
    assert (page.more, page.receipts[0].occurred_at) == (False, NOW)


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("2026-11-23T01:00:00Z", "iso"),
        ("2026-11-23 09:00:00", "iso"),
        (1795395600, "unix"),
        ("1795395600000", "unix_ms"),
        ("23.11.2026 09:00", "%d.%m.%Y %H:%M"),
    ],
)
def test_times_of_any_form(value: object, form: str) -> None:
    assert moment(value, form, "Asia/Shanghai") == NOW


@pytest.mark.parametrize(("value", "form"), [("x", "iso"), ("inf", "unix"), (None, "%Y"), ("nan", "unix_ms")])
def test_a_time_that_is_none_names_only_the_form(value: object, form: str) -> None:
    with pytest.raises(ValueError, match="time is not in the format") as caught:
        moment(value, form, "UTC")
    assert str(value) not in str(caught.value).removesuffix(form) or value is None


@pytest.mark.parametrize(
    ("value", "form", "zone"),
    [
        ("1e99", "unix", "UTC"),
        (1795395600000, "unix", "UTC"),
        (-1e14, "unix", "UTC"),
        ("1e25", "unix_ms", "UTC"),
        ("0001-01-01T00:00:00", "iso", "Asia/Shanghai"),
        ("9999-12-31T23:59:59-08:00", "iso", "UTC"),
        ("9999-12-31 23", "%Y-%m-%d %H", "America/Chicago"),
    ],
)
def test_a_time_that_no_calendar_holds_is_a_time_all_the_same(value: object, form: str, zone: str) -> None:
    at = moment(value, form, zone)
    assert at.utcoffset() == timedelta(0)
    assert at == NEVER or at.year == 9999


@given(
    st.text() | st.integers() | st.floats() | st.datetimes(timezones=st.timezones()).map(datetime.isoformat)
)
def test_no_time_breaks_the_reader(value: object) -> None:
    for form in ("iso", "unix", "unix_ms", "%Y-%m-%d %H:%M:%S"):
        with suppress(ValueError):
            assert moment(value, form, "Asia/Shanghai").utcoffset() == timedelta(0)


LOOK_UP = LookUpSettings.model_validate(
    {
        "request": {"method": "GET", "url": "https://g.example/{reference}"},
        "state": "s",
        "provider_ref": "id",
        "states": {"delivered": ["OK"], "absent": ["NONE"]},
        "http_status": {404: "absent"},
    }
)


@pytest.mark.parametrize(
    ("body", "status", "standing", "code"),
    [
        ('{"s":"OK","id":"7"}', 200, MessageFate.DELIVERED, "OK"),
        ('{"s":"NONE"}', 200, MessageFate.ABSENT, "NONE"),
        ('{"s":"ODD"}', 200, MessageFate.UNCLEAR, "ODD"),
        ("{}", 200, MessageFate.UNCLEAR, "unprintable_code"),
        ("<html>", 200, MessageFate.UNCLEAR, "unreadable_answer"),
        ("", 404, MessageFate.ABSENT, "http_404"),
        ("", 500, MessageFate.UNCLEAR, "http_500"),
    ],
)
def test_look_up_answers(body: str, status: int, standing: MessageFate, code: str) -> None:
    inquiry = Inquiry("A", Channel.SMS, "", NOW - timedelta(hours=1), "+12025550100")
    found = LookUpReader(LOOK_UP).read(wire_answer(body, status), inquiry)
    assert (found.message_id, found.standing, found.code) == ("A", standing, code)


@pytest.mark.parametrize(
    ("body", "status", "options", "outcome"),
    [
        ('{"code":"1"}', 200, {}, Outcome.APART),
        ('{"code":"2"}', 400, {}, Outcome.APART),
        ('{"code":"3"}', 200, {}, Outcome.APART),
        ("<html>", 422, {"http_status": {422: "rejected"}}, Outcome.APART),
        ('{"code":"9"}', 200, {}, Outcome.ACCOUNT),
        ('{"code":"5"}', 200, {}, Outcome.RETRYABLE),
    ],
)
def test_what_is_true_of_one_message_is_not_said_of_a_whole_batch(
    body: str, status: int, options: dict[str, object], outcome: Outcome
) -> None:
    codes = {
        "accepted": ["0"],
        "rejected": ["1"],
        "blocked": ["2"],
        "not_tonight": ["3"],
        "retryable": ["5"],
        "account": ["9"],
    }
    settings = batched(code="code", codes=codes, **options)
    results = read(wire_answer(body, status), settings, size=3)
    assert [(r.message_id, r.outcome) for r in results] == [(i, outcome) for i in IDS]
    alone = read(wire_answer(body, status), settings, size=1)
    assert alone[0].outcome is not Outcome.APART
