"""Parts of a text message, against published cases and a plain walk."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.gsm import GSM_BASIC, GSM_EXTENSION, china_units, count_segments

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "data" / "sms_cases.json").read_text(encoding="utf-8")
)["segments"]


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_published_cases(case: dict[str, Any]) -> None:
    counted = count_segments(case["text"])
    assert (counted.encoding, counted.segments) == (case["encoding"], case["segments"])


@pytest.mark.parametrize(
    ("text", "encoding", "units", "segments"),
    [
        ("", "GSM-7", 0, 1),
        ("a" * 160, "GSM-7", 160, 1),
        ("a" * 161, "GSM-7", 161, 2),
        ("a" * 306, "GSM-7", 306, 2),
        ("a" * 307, "GSM-7", 307, 3),
        ("]" * 80, "GSM-7", 160, 1),
        ("]" * 152, "GSM-7", 304, 2),
        ("]" * 153, "GSM-7", 306, 3),  # 76 pairs fit a part of 153 septets; dividing by 153 would say 2
        ("\f" * 80, "GSM-7", 160, 1),
        ("a" * 152 + "€" + "a" * 153, "GSM-7", 307, 3),
        ("a" * 151 + "€" + "a" * 153, "GSM-7", 306, 2),
        ("\x1b", "UCS-2", 1, 1),
        ("ç", "UCS-2", 1, 1),
        ("Ç", "GSM-7", 1, 1),
        ("还" * 70, "UCS-2", 70, 1),
        ("还" * 71, "UCS-2", 71, 2),
        ("还" * 134, "UCS-2", 134, 2),
        ("😜" * 35, "UCS-2", 70, 1),
        ("😜" * 66, "UCS-2", 132, 2),
        ("😜" * 67, "UCS-2", 134, 3),
        ("😀" + "]" * 68, "UCS-2", 70, 1),
        ("😀" + "]" * 69, "UCS-2", 71, 2),
        ("e\u0301\u0301\u0301" + "a" * 67, "UCS-2", 71, 2),
    ],
)
def test_boundaries(text: str, encoding: str, units: int, segments: int) -> None:
    counted = count_segments(text)
    assert (counted.encoding, counted.units, counted.segments) == (encoding, units, segments)


def plain_segments(text: str) -> tuple[str, int, int]:
    """The slow twin: cut the text into parts, one character after the other."""
    gsm = all(char in GSM_BASIC or char in GSM_EXTENSION for char in text)
    widths = [
        (2 if char in GSM_EXTENSION else 1) if gsm else len(char.encode("utf-16-le")) // 2 for char in text
    ]
    single, part = (160, 153) if gsm else (70, 67)
    parts = [[0]]
    for width in widths:
        if sum(parts[-1]) + width > part:
            parts.append([])
        parts[-1].append(width)
    return "GSM-7" if gsm else "UCS-2", sum(widths), 1 if sum(widths) <= single else len(parts)


@given(
    st.one_of(
        st.text(st.sampled_from("aé€]^\n@"), max_size=700),
        st.text(st.sampled_from("a还😀]€"), max_size=400),
        st.text(max_size=300),
    )
)
def test_agrees_with_the_plain_walk(text: str) -> None:
    counted = count_segments(text)
    assert (counted.encoding, counted.units, counted.segments) == plain_segments(text)


@pytest.mark.parametrize(
    ("length", "units"), [(0, 1), (1, 1), (70, 1), (71, 2), (134, 2), (135, 3), (500, 8)]
)
def test_china_counts_every_character_once(length: int, units: int) -> None:
    assert china_units("a" * length) == units
    assert china_units("还" * length) == units


@given(st.integers(71, 5000))
def test_china_parts_hold_67(length: int) -> None:
    units = china_units("x" * length)
    assert (units - 1) * 67 < length <= units * 67
