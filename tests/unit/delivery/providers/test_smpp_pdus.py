"""SMPP units: cut from a stream, read with odd optional parameters, written with their sequence numbers."""

import struct
import sys
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.delivery.providers.smpp import pdus
from carloan_notify.delivery.providers.smpp.pdus import (
    DELIVER_SM,
    MESSAGE_STATE,
    PAYLOAD,
    RECEIPTED_ID,
    RESPONSE,
    ProtocolError,
    ReceiptIds,
    Unit,
    Units,
    answered,
    delivered,
    of_answer,
    of_receipt,
    status_name,
    submitted_id,
    written,
)
from carloan_notify.errors import ConfigError
from tests.unit.delivery.providers.vendors import listed


def parameter(tag: int, value: bytes) -> bytes:
    return struct.pack(">HH", tag, len(value)) + value


def deliver_sm(*parameters: bytes, **fields: Any) -> Unit:
    whole = written("deliver_sm", 7, **{"source_addr": "12025550123", **fields}) + b"".join(parameters)
    (unit,) = Units().fed(struct.pack(">L", len(whole)) + whole[4:])
    return unit


@given(st.lists(st.integers(1, 200), min_size=1, max_size=6), st.data())
def test_units_come_whole_however_the_stream_is_cut(sequences: list[int], data: st.DataObject) -> None:
    stream = b"".join(written("enquire_link", sequence) for sequence in sequences)
    units = Units()
    found: list[Unit] = []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        found += units.fed(stream[:cut])
        stream = stream[cut:]
    assert [unit.sequence for unit in found] == sequences


@pytest.mark.parametrize("length", [0, 15, 128 * 1024 + 1, 0xFFFFFFFF])
def test_a_length_that_no_unit_has(length: int) -> None:
    with pytest.raises(ProtocolError):
        list(Units().fed(struct.pack(">LLLL", length, 0, 0, 0)))


def test_an_http_server_is_no_smsc() -> None:
    with pytest.raises(ProtocolError):
        list(Units().fed(b"HTTP/1.1 400 Bad Request\r\n\r\n"))


def test_fields() -> None:
    unit = deliver_sm(source_addr_ton=1, data_coding=8, esm_class=4, short_message="退订".encode("utf-16-be"))
    message = delivered(unit)
    assert (unit.command, unit.sequence, unit.is_response) == (DELIVER_SM, 7, False)
    assert (message.source, message.source_ton, message.data_coding, message.esm_class) == (
        "12025550123", 1, 8, 4,
    )  # fmt: skip
    assert message.octets == b"\x90\x00\x8b\xa2"
    assert "2025550123" not in repr(message)
    assert "2025550123" not in repr(unit)


@pytest.mark.parametrize("value", [b"id-77", b"id-77\0"])
def test_an_id_with_or_without_its_nul(value: bytes) -> None:
    # smpplib takes the last octet for NUL whatever it is.
    assert (
        delivered(deliver_sm(parameter(RECEIPTED_ID, value))).options[RECEIPTED_ID].rstrip(b"\0") == b"id-77"
    )


def test_parameters_that_nobody_expects_do_no_harm() -> None:
    odd = [parameter(0x1403, b"operator"), parameter(0x0005, b"\1"), parameter(MESSAGE_STATE, b"\2")]
    options = delivered(deliver_sm(*odd)).options
    assert options == {0x1403: b"operator", 0x0005: b"\1", MESSAGE_STATE: b"\2"}


def test_a_long_text_in_its_payload() -> None:
    assert delivered(deliver_sm(parameter(PAYLOAD, b"a" * 1000))).octets == b"a" * 1000


def test_a_parameter_that_is_cut_off() -> None:
    message = delivered(
        deliver_sm(parameter(MESSAGE_STATE, b"\2"), struct.pack(">HH", RECEIPTED_ID, 9) + b"id")
    )
    assert message.options == {MESSAGE_STATE: b"\2"}


@given(st.binary(max_size=80))
def test_any_deliver_sm_is_read_or_refused(body: bytes) -> None:
    raw = struct.pack(">LLLL", 16 + len(body), DELIVER_SM, 0, 1) + body
    try:
        delivered(Unit(DELIVER_SM, 0, 1, raw))
    except ProtocolError:
        return


def test_the_id_of_an_answer() -> None:
    command = RESPONSE | 4

    def told(status: int, body: bytes) -> str:
        return submitted_id(Unit(command, status, 1, b"\0" * 16 + body))

    assert told(0, b"id-1\0") == "id-1"
    assert told(0, b"id-1") == "id-1"
    assert told(0, b"") == ""
    assert told(0x58, b"id-1\0") == ""


def test_names_of_statuses() -> None:
    assert status_name(0x58) == "ESME_RTHROTTLED"
    assert status_name(0x400) == "0x400"
    assert answered("deliver_sm_resp", 3, 0x64)[8:16] == struct.pack(">LL", 0x64, 3)


def test_every_listed_status_is_one() -> None:
    known = {status_name(status) for status in range(0x100)}
    assert [code for code, _ in listed("smpp/codes.yaml") if code not in known] == []


@pytest.mark.parametrize(
    ("ids", "answer", "receipt", "reference"),
    [
        ("same", "0A1b", "0A1b", "0A1b"),
        ("hex_in_answer", "0A1B", "2587", "2587"),
        ("hex_in_answer", "a1b", "0000002587", "2587"),
        ("decimal_in_answer", "2587", "a1b", "2587"),
        ("hex_in_answer", "no-hex", "no-hex", "no-hex"),
    ],
)
def test_one_spelling(ids: ReceiptIds, answer: str, receipt: str, reference: str) -> None:
    assert of_answer(answer, ids) == of_receipt(receipt, ids) == reference


def test_without_its_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "smpplib", None)
    again = spec_from_file_location("pdus_without_smpplib", pdus.__file__)
    assert again is not None
    assert again.loader is not None
    with pytest.raises(ConfigError, match=r"pip install 'carloan-notify\[smpp\]'"):
        again.loader.exec_module(module_from_spec(again))
