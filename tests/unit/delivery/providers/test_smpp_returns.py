"""What an SMSC delivers: receipts by text and by parameters, replies alone and in parts."""

import struct
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carloan_notify.delivery.codes import carrier_codes
from carloan_notify.delivery.provider import ReturnPage
from carloan_notify.delivery.providers.smpp.pdus import (
    DELIVER_SM,
    MESSAGE_STATE,
    PAYLOAD,
    RECEIPTED_ID,
    SAR_NUMBER,
    SAR_REFERENCE,
    SAR_TOTAL,
    ReceiptIds,
    Unit,
)
from carloan_notify.delivery.providers.smpp.sms import SmppReturns
from carloan_notify.gsm import encode
from tests.unit.delivery.providers.test_smpp_pdus import deliver_sm, parameter
from tests.unit.delivery.providers.vendors import listed

NOW = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)
TEXT = (
    "id:{id} sub:001 dlvrd:001 submit date:2611230900 done date:{done} stat:{stat} err:{err} text:Due today"
)


def reader(ids: ReceiptIds = "same") -> SmppReturns:
    zone = ZoneInfo("Asia/Shanghai")
    return SmppReturns("line", carrier_codes("smpp"), lambda: NOW, region="CN", zone=zone, ids=ids)


def read(*units: Unit, ids: ReceiptIds = "same") -> ReturnPage:
    return reader(ids).read(units)


def report(stat: str = "DELIVRD", err: str = "000", done: str = "2611230902", **fields: Any) -> Unit:
    text = TEXT.format(id="id-7", stat=stat, err=err, done=done)
    return deliver_sm(**{"esm_class": 4, "short_message": text.encode(), **fields})


def reply(text: str = "R", *parameters: bytes, **fields: Any) -> Unit:
    encoded = encode(text)
    coding = 8 if encoded.ucs2 else 0
    octets = b"".join(encoded.parts)
    whole = {
        "source_addr": "8613800138000",
        "source_addr_ton": 1,
        "data_coding": coding,
        "short_message": octets,
    }
    return deliver_sm(*parameters, **{**whole, **fields})


def test_a_receipt() -> None:
    (receipt,) = read(report()).receipts
    assert (receipt.provider, receipt.provider_ref, receipt.message_id) == ("line", "id-7", "")
    assert (receipt.delivered, receipt.code, receipt.detail) == (True, "DELIVRD", "delivered")
    assert receipt.occurred_at == datetime(2026, 11, 23, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(("code", "kind"), listed("smpp/receipts.yaml"))
def test_every_listed_state(code: str, kind: str) -> None:
    if code.startswith("state_"):
        state = bytes([int(code.removeprefix("state_"))])
        unit = deliver_sm(parameter(RECEIPTED_ID, b"id-7\0"), parameter(MESSAGE_STATE, state), esm_class=4)
    else:
        unit = report(code)
    receipts = read(unit).receipts
    assert [receipt.delivered for receipt in receipts] == ([] if kind == "pending" else [kind == "delivered"])
    assert all(receipt.detail for receipt in receipts)


@pytest.mark.parametrize(
    ("unit", "code"),
    [
        (report("UNDELIV", "034"), "UNDELIV:034"),
        (report("undeliv", "0"), "UNDELIV"),
        (report("WHATEVER"), "WHATEVER"),
        (report("UNDELIV", "1234567"), "unprintable_code"),
    ],
)
def test_codes(unit: Unit, code: str) -> None:
    (receipt,) = read(unit).receipts
    assert (receipt.code, receipt.delivered) == (code, False)


@pytest.mark.parametrize(
    ("done", "at"),
    [
        ("261123090205", datetime(2026, 11, 23, 1, 2, 5, tzinfo=UTC)),
        ("2613230902", NOW),
        ("soon", NOW),
    ],
)
def test_times(done: str, at: datetime) -> None:
    assert read(report(done=done)).receipts[0].occurred_at == at


def test_the_parameter_names_the_message_before_the_text_does() -> None:
    text = TEXT.format(id="4660", stat="DELIVRD", err="000", done="2611230902").encode()
    both = deliver_sm(parameter(RECEIPTED_ID, b"1234\0"), esm_class=4, short_message=text)
    only_text = deliver_sm(esm_class=4, short_message=text)
    assert [r.provider_ref for r in read(both, only_text, ids="hex_in_answer").receipts] == ["4660", "4660"]
    assert [r.provider_ref for r in read(both, only_text).receipts] == ["1234", "4660"]


def test_a_receipt_without_its_mark() -> None:
    """Some SMSCs forget esm_class; a borrower's text alone is never taken for a receipt."""
    text = TEXT.format(id="id-7", stat="DELIVRD", err="000", done="2611230902")
    page = read(reply(text, parameter(RECEIPTED_ID, b"id-7\0")), reply(text))
    assert [receipt.provider_ref for receipt in page.receipts] == ["id-7"]
    assert [one.text for one in page.replies] == [text]


def test_a_receipt_in_the_payload() -> None:
    text = TEXT.format(id="id-9", stat="EXPIRED", err="000", done="2611230902").encode()
    (receipt,) = read(deliver_sm(parameter(PAYLOAD, text), esm_class=4)).receipts
    assert (receipt.provider_ref, receipt.code) == ("id-9", "EXPIRED")


def test_a_notification_on_the_way_settles_nothing() -> None:
    assert read(report("DELIVRD", esm_class=0x20)) == ReturnPage()


CUT_OFF = Unit(DELIVER_SM, 0, 1, struct.pack(">LLLL", 20, DELIVER_SM, 0, 1) + b"\0abc")


@pytest.mark.parametrize(
    "unit",
    [
        deliver_sm(esm_class=4, short_message=b"no receipt at all"),
        deliver_sm(parameter(RECEIPTED_ID, b"id-7\0"), esm_class=4, short_message=b"and no state"),
        deliver_sm(parameter(MESSAGE_STATE, b"\2"), esm_class=4),
        CUT_OFF,
        reply("R", source_addr="456"),
        reply("R", source_addr="ANDA", source_addr_ton=5),
        reply("R", data_coding=4),
        reply("R", data_coding=0xF5),
    ],
)
def test_what_cannot_be_read_is_kept(unit: Unit) -> None:
    page = read(unit, reply("R"))
    assert len(page.problems) == 1
    assert page.problems[0].startswith("line: ")
    assert page.unread == unit.raw
    assert (len(page.receipts), len(page.replies)) == (0, 1)


@settings(max_examples=40)
@given(st.text(st.characters(codec="utf-16-be"), max_size=60))
def test_replies_in_any_alphabet(text: str) -> None:
    (only,) = read(reply(text)).replies
    assert (only.phone, only.text, only.received_at) == ("+8613800138000", text, NOW)
    assert (only.provider, only.reply_id, only.message_id) == ("line", "", "")


@pytest.mark.parametrize(
    ("coding", "octets", "text"),
    [(0, b"\x00\x1b\x65", "@€"), (1, b"STOP", "STOP"), (3, b"\xe9", "é"), (8, b"\x90\x00\x8b", "退\ufffd")],
)
def test_alphabets(coding: int, octets: bytes, text: str) -> None:
    (only,) = read(reply(data_coding=coding, short_message=octets)).replies
    assert only.text == text


@pytest.mark.parametrize(
    ("source", "ton", "phone"),
    [
        ("8613800138000", 1, "+8613800138000"),
        ("+8613800138000", 1, "+8613800138000"),
        ("13800138000", 2, "+8613800138000"),
        ("13800138000", 0, "+8613800138000"),
        ("12025550123", 1, "+12025550123"),
    ],
)
def test_senders(source: str, ton: int, phone: str) -> None:
    (only,) = read(reply(source_addr=source, source_addr_ton=ton)).replies
    assert only.phone == phone


def pieces(text: str, *, wide: bool = False, reference: int = 9) -> list[Unit]:
    """A long reply in parts with headers."""
    encoded = encode(text)
    found = []
    for number, part in enumerate(encoded.parts, start=1):
        place = bytes([len(encoded.parts), number])
        header = bytes([8, 4, 1, reference]) + place if wide else bytes([0, 3, reference]) + place
        octets = bytes([len(header)]) + header + part
        found.append(reply(esm_class=0x40, data_coding=8 if encoded.ucs2 else 0, short_message=octets))
    return found


LONG = "我已经在上周五通过手机银行把这一期的钱全部还清了，请你们核对一下，不要再给我和我的家人发短信了。" * 3


@pytest.mark.parametrize("wide", [False, True])
def test_a_long_reply_is_joined_in_any_order(*, wide: bool) -> None:
    units = pieces(LONG, wide=wide)
    assert len(units) == 3
    (only,) = read(units[2], reply("R"), units[0], units[1]).replies[:1]
    assert only.text == LONG


def test_two_long_replies_are_kept_apart() -> None:
    units = [*pieces(LONG), *pieces("B" * 200, reference=10)]
    assert [one.text for one in read(*units).replies] == [LONG, "B" * 200]


def test_a_part_that_came_twice_reads_once() -> None:
    units = pieces(LONG)
    assert [one.text for one in read(*units, units[0]).replies] == [LONG]


def test_half_a_reply_is_better_than_none() -> None:
    first, _, last = pieces(LONG)
    (only,) = read(first, last).replies
    assert only.text == LONG[:67] + LONG[134:] + " […]"


def test_parts_by_parameters() -> None:
    def part(number: int, text: str) -> Unit:
        place = [(SAR_REFERENCE, b"\0\7"), (SAR_TOTAL, b"\2"), (SAR_NUMBER, bytes([number]))]
        return reply(text, *(parameter(tag, value) for tag, value in place))

    assert [one.text for one in read(part(2, "再发了"), part(1, "请不要")).replies] == ["请不要再发了"]


@pytest.mark.parametrize("header", [b"", b"\0", b"\x03\x24\x01\x01", b"\x02\x00\x05"])
def test_other_headers_do_no_harm(header: bytes) -> None:
    (only,) = read(reply(esm_class=0x40, data_coding=0, short_message=header)).replies
    assert only.text == ""


def test_the_same_reply_twice_is_two_replies() -> None:
    assert len(read(reply("R"), reply("R")).replies) == 2
