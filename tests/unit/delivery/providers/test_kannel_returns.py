"""Kannel's pushes: delivery reports in any order and of any type, replies in any charset."""

from datetime import UTC, datetime
from urllib.parse import quote_from_bytes, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.delivery.provider import Received, Refused, ReturnPage
from carloan_notify.delivery.providers.kannel.kannel import REPLY_QUERY, REPORT_QUERY
from carloan_notify.records import PushRequest
from tests.unit.delivery.providers.test_kannel import NOW, kannel
from tests.unit.delivery.providers.vendors import listed

THEN = datetime(2026, 11, 22, 16, 0, tzinfo=UTC)
READ = kannel()
REFERENCE = "M" + "0" * 25
SECRET = "0123456789abcdef"


def pushed(query: str) -> PushRequest:
    return PushRequest("GET", f"https://notify.example/main/{SECRET}?{query}", {}, b"")


def page(query: str) -> ReturnPage:
    end = READ.receive(pushed(query))
    assert isinstance(end, Received)
    assert (end.answer.status, end.answer.body) == (200, b"")
    return end.page


def report(kind: int | str, answer: str = "", **more: str) -> ReturnPage:
    fields = {"reference": REFERENCE, "type": str(kind), "answer": answer, "time": str(int(THEN.timestamp()))}
    return page(urlencode({**fields, **more}))


@pytest.mark.parametrize(
    ("kind", "answer", "delivered", "code"),
    [
        (1, "", True, "dlr_1"),
        (2, "", False, "dlr_2"),
        (16, "NACK/0x0000000b/Invalid Destination Address", False, "dlr_16"),
        (2, "NACK/Expired", False, "dlr_2"),
        (
            1,
            "id:7 sub:001 dlvrd:001 submit date:2611230901 done date:2611230902 stat:DELIVRD err:000",
            True,
            "DELIVRD",
        ),
        (
            2,
            "id:7 sub:001 dlvrd:000 done date:2611230902 stat:UNDELIV err:034 text:Due 138",
            False,
            "UNDELIV",
        ),
        (2, "id:7 stat:EXPIRED err:000", False, "EXPIRED"),
    ],
)
def test_reports(kind: int, answer: str, code: str, *, delivered: bool) -> None:
    (receipt,) = report(kind, answer).receipts
    assert (receipt.delivered, receipt.code, receipt.message_id) == (delivered, code, REFERENCE)
    assert (receipt.provider, receipt.provider_ref, receipt.occurred_at) == ("main", "", THEN)
    assert receipt.detail
    assert "Due" not in receipt.detail


@pytest.mark.parametrize(("code", "kind"), listed("kannel/receipts.yaml"))
def test_every_listed_state(code: str, kind: str) -> None:
    number = code.removeprefix("dlr_")
    told = report(number if number.isdecimal() else 2, "" if number.isdecimal() else f"stat:{code}")
    assert [receipt.delivered for receipt in told.receipts] == (
        [] if kind == "pending" else [kind == "delivered"]
    )


def test_the_type_decides_when_the_text_contradicts_it() -> None:
    (receipt,) = report(2, "stat:DELIVRD").receipts
    assert (receipt.delivered, receipt.detail) == (False, "the network could not deliver it")


def test_a_state_that_nobody_knows() -> None:
    (receipt,) = report(2, "stat:WHATEVER").receipts
    assert (receipt.delivered, receipt.code) == (False, "WHATEVER")


@pytest.mark.parametrize("seconds", ["", "yesterday", "9" * 30])
def test_a_report_without_a_time_happened_now(seconds: str) -> None:
    (receipt,) = report(1, time=seconds).receipts
    assert receipt.occurred_at == NOW


@pytest.mark.parametrize(
    "query",
    [
        f"reference={REFERENCE}",
        f"reference={REFERENCE}&type=3",
        f"reference={REFERENCE}&type=%d",
        "reference=&type=1",
        "reference=a b&type=1",
        "phone=10086&text=hi",
        "phone=ANDA&text=hi",
        "phone=&text=hi",
        "phone=13800138000&text=%ff%ff&charset=UTF-8",
        "phone=13800138000&text=%ff&charset=UTF-16BE",
        "phone=13800138000&text=a&charset=8-BIT",
    ],
)
def test_what_cannot_be_read_is_kept(query: str) -> None:
    told = page(query)
    assert (told.receipts, told.replies) == ((), ())
    assert len(told.problems) == 1
    assert "138001" not in told.problems[0]
    assert told.unread == query.encode()


def test_what_is_neither_is_refused() -> None:
    assert READ.receive(pushed("a=b")) == Refused(400, "no_report_and_no_reply")
    assert READ.receive(PushRequest("POST", "https://notify.example/main/x", {}, b"{}")) == Refused(
        400, "no_report_and_no_reply"
    )


TEXTS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=100)


@given(TEXTS, st.sampled_from(["UTF-8", "UTF-16BE", ""]))
def test_replies_survive_any_charset(text: str, charset: str) -> None:
    octets = quote_from_bytes(text.encode(charset or "utf-8"), safe="")
    fields = f"phone=%2B8613800138000&text={octets}&charset={charset}&time={int(THEN.timestamp())}&id=u-1"
    (reply,) = page(fields).replies
    assert (reply.phone, reply.text, reply.received_at, reply.reply_id) == (
        "+8613800138000",
        text,
        THEN,
        "u-1",
    )


def test_as_the_real_one_wrote_it() -> None:
    # Captured from Kannel 1.4.5: %b of a UCS-2 message, with a blank's octet inside a character.
    query = "phone=13800138000&text=%90%00%8B%A2%00+%00RN+&charset=UTF-16BE&time=1795443812&id=777cb886-061a"
    (reply,) = page(query).replies
    assert (reply.phone, reply.text) == ("+8613800138000", "退订 R丠")


@given(st.binary(max_size=200))
def test_any_query_is_read_or_refused(octets: bytes) -> None:
    end = READ.receive(pushed(quote_from_bytes(octets, safe="=&")))
    assert isinstance(end, Received | Refused)


def test_the_addresses_name_kannels_own_signs() -> None:
    assert REPORT_QUERY == "reference={reference}&type=%d&answer=%A&time=%T"
    assert REPLY_QUERY == "phone=%p&text=%b&charset=%C&time=%T&id=%I"
