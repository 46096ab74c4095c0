"""Texts to octets, against the counter of segments that prices them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.gsm import GSM, GSM_SIZES, UCS2_SIZES, count_segments, decode_septets, encode
from carloan_notify.phones import e164

GSM_TEXTS = st.text(st.sampled_from(sorted(GSM)), max_size=700)
TEXTS = GSM_TEXTS | st.text(max_size=700) | st.text(st.sampled_from("a€好🚗"), min_size=60, max_size=300)


@given(TEXTS)
def test_as_many_parts_as_are_priced(text: str) -> None:
    encoded, priced = encode(text), count_segments(text)
    assert (encoded.ucs2, len(encoded.parts)) == (priced.encoding == "UCS-2", priced.segments)


@given(TEXTS)
def test_every_part_fits_and_reads_alone(text: str) -> None:
    encoded = encode(text)
    single, part = UCS2_SIZES if encoded.ucs2 else GSM_SIZES
    assert all(len(octets) <= (single if len(encoded.parts) == 1 else part) for octets in encoded.parts)
    read = (
        (octets.decode("utf-16-be", "surrogatepass") for octets in encoded.parts)
        if encoded.ucs2
        else map(decode_septets, encoded.parts)
    )
    assert "".join(read) == text


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("@£$", b"\x00\x01\x02"),
        ("€~", b"\x1b\x65\x1b\x3d"),
        ("aà", b"\x61\x7f"),
        ("§`", "§`".encode("utf-16-be")),  # no backtick in GSM; its place in smpplib's table is §'s
        ("退订", b"\x90\x00\x8b\xa2"),
    ],
)
def test_known_octets(text: str, octets: bytes) -> None:
    assert encode(text).parts == (octets,)


def test_a_text_never_shows_in_a_repr() -> None:
    assert "hello" not in repr(encode("hello"))


@given(st.binary())
def test_any_octets_read(octets: bytes) -> None:
    assert len(decode_septets(octets)) <= len(octets)


def test_octets_outside_the_tables() -> None:
    assert decode_septets(b"a\x1b\x41\x80\x1b") == "a\ufffd\ufffd"


@pytest.mark.parametrize(
    ("written", "region", "expected"),
    [
        ("+8613800138000", "US", "+8613800138000"),
        ("008613800138000", "US", "+8613800138000"),
        ("13800138000", "CN", "+8613800138000"),
        ("8613800138000", "CN", "+8613800138000"),
        ("2025550100", "US", "+12025550100"),
        ("12025550100", "US", "+12025550100"),
        ("10086", "CN", None),
        ("ANDA", "CN", None),
        ("", "CN", None),
        ("+", "CN", None),
    ],
)
def test_numbers_of_senders(written: str, region: str, expected: str | None) -> None:
    assert e164(written, region) == expected
