import json
from pathlib import Path
from typing import Any

import numpy as np
import phonenumbers
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberType

from carloan_notify.finding_codes import CellProblem
from carloan_notify.notices.landlines import landlines
from carloan_notify.phones import (
    FICTITIOUS_PREFIXES,
    PhoneResult,
    country_of,
    is_landline,
    known_country,
    normalise_phone,
)
from carloan_notify.sources.cells import phone_cells

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "data" / "phone_cases.json").read_text(encoding="utf-8")
)


def at_home(text: str, region: str = "CN", *, fictitious: bool = False) -> PhoneResult:
    return normalise_phone(
        text, region=region, allow_international=False, allow_landline=False, allow_fictitious=fictitious
    )


def anywhere(text: str, region: str = "GB") -> PhoneResult:
    return normalise_phone(text, region=region, allow_international=True, allow_landline=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["id"]))
def test_transcribed_cases(case: dict[str, Any]) -> None:
    found = normalise_phone(
        case["input"],
        region=case["default_region"],
        allow_international=case["allow_international"],
        allow_landline=case["allow_landline"],
    )
    assert (found.e164 or None, found.error or None) == (case["e164"], case["error"])


@pytest.mark.parametrize(
    "text",
    [
        "13800138000",
        "138 0013 8000",
        "138-0013-8000",
        "+86 138 0013 8000",
        "+86 (0)138-0013-8000",
        "0086 13800138000",
        "8613800138000",
        "086 13800138000",
        "'13800138000",
        "13800138000.0",
        "１３８００１３８０００",
        "\u200b+86\u00a013800138000\ufeff\r\n",
        "138\u20110013\u20148000",
    ],
)
def test_a_chinese_mobile_in_many_dresses(text: str) -> None:
    assert at_home(text) == PhoneResult(e164="+8613800138000")


@pytest.mark.parametrize(
    ("text", "e164"),
    [
        ("+7 (8) (495) 123-45-67", "+74951234567"),
        ("784951234567", "+74951234567"),
        ("1-202-555-0104", "+12025550104"),
        ("+0012025550104", "+12025550104"),
        ("+04915161123456", "+4915161123456"),
        ("0+44(0)7779123456", "+447779123456"),
        ("04407379123456", "+447379123456"),
        ("007341123456", "+447341123456"),
        ("447700900020", "+447700900020"),
    ],
)
def test_spreadsheet_damage_is_mended_where_foreign_numbers_are_allowed(text: str, e164: str) -> None:
    assert anywhere(text) == PhoneResult(e164=e164)


@pytest.mark.parametrize(
    ("text", "region", "error"),
    [
        ("", "CN", "too_short"),
        ("12", "GB", "too_short"),
        ("138001380001234", "CN", "too_long"),
        ("10000000000", "CN", "invalid_number"),
        ("010-88888888", "CN", "not_a_cn_mobile"),
        ("+447723456789", "CN", "not_a_cn_mobile"),
        ("447723456789", "CN", "invalid_number"),
        ("1.38E+10", "CN", "unknown_character"),
        ("13800138000/13900139000", "CN", "unknown_character"),
        ("0900 123 4567", "GB", "invalid_number"),
        ("030 1234 5678", "GB", "not_a_uk_mobile"),
        ("+999 12345678", "CN", "invalid_number"),
        ("2025550", "US", "too_short"),
    ],
)
def test_refused_numbers_say_why(text: str, region: str, error: str) -> None:
    assert at_home(text, region) == PhoneResult(error=error)


def test_a_north_american_number_is_no_landline_for_certain() -> None:
    assert at_home("(202) 555-0104", "US").e164 == "+12025550104"


@pytest.mark.parametrize(
    ("text", "region", "e164"),
    [
        ("10055501234", "CN", "+8610055501234"),
        ("+86 100 5550 1234", "CN", "+8610055501234"),
        ("+1 202 555 0123", "CN", "+12025550123"),
        ("07700 900123", "GB", "+447700900123"),
    ],
)
def test_numbers_that_reach_nobody_count_on_request(text: str, region: str, e164: str) -> None:
    assert at_home(text, region, fictitious=True).e164 == e164
    assert any(e164.startswith(prefix) for prefix in FICTITIOUS_PREFIXES)


def test_numbers_that_reach_nobody_do_not_count_in_earnest() -> None:
    assert at_home("10055501234").error == "invalid_number"


def test_no_foreign_number_is_read_into_a_home_one() -> None:
    assert at_home("12025550104", fictitious=True).e164 == ""


def one_cell(text: str, region: str = "CN") -> str | CellProblem:
    values, problems = phone_cells(pa.array([text]), region, fictitious=False)
    return next((problem for problem, mask in problems.items() if mask[0]), values[0].as_py())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ""),
        ("1.38E+10", CellProblem.PHONE_SCIENTIFIC),
        ("'1.38e+10", CellProblem.PHONE_SCIENTIFIC),
        ("+447723456789", "+447723456789"),
        ("00447723456789", "+447723456789"),
        ("00 44 (0)7723 456789", "+447723456789"),
        ("'（＋４４）7723456789", "+447723456789"),
        ("447723456789", CellProblem.PHONE_INVALID),
        ("010-88888888", "+861088888888"),
        ("+86 10 8888 8888", "+861088888888"),
        ("1088888888", CellProblem.PHONE_NOT_HOME_MOBILE),
        ("3912345678", CellProblem.PHONE_NOT_HOME_MOBILE),
        ("4008123123", CellProblem.PHONE_INVALID),
        ("+3225484211", "+3225484211"),
        ("0032 2 548 42 11", "+3225484211"),
        ("10000000000", CellProblem.PHONE_INVALID),
        ("13800138000", "+8613800138000"),
        ("abc", CellProblem.PHONE_UNKNOWN_CHARACTER),
    ],
)
def test_cells(text: str, found: str | CellProblem) -> None:
    assert one_cell(text) == found


@pytest.mark.parametrize(
    ("text", "region", "found"),
    [
        ("011 44 7723 456789", "US", "+447723456789"),
        ("0011 44 7723 456789", "AU", "+447723456789"),
        ("010 86 138 0013 8000", "JP", "+8613800138000"),
        ("+8613800138000.0", "CN", "+8613800138000"),
        ("008613800138000", "CN", "+8613800138000"),
        ("(202) 555-0104", "US", "+12025550104"),
        ("912 345 678", "ES", "+34912345678"),
        ("030 123456", "DE", "+4930123456"),
        ("30 123456", "DE", CellProblem.PHONE_NOT_HOME_MOBILE),
    ],
)
def test_cells_of_other_countries(text: str, region: str, found: str | CellProblem) -> None:
    assert one_cell(text, region) == found


def test_cells_of_a_region_without_the_quick_way() -> None:
    assert one_cell("07723456789", "GB") == "+447723456789"


@given(
    st.lists(
        st.one_of(
            st.from_regex(r"(\+86|\+1|86|1)?1?[0-9]{9,11}", fullmatch=True),
            st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True),
            st.from_regex(r"(\+86|86|0086)?100[0-9]{7,9}|(\+1|1)?20255501[0-9]{1,3}", fullmatch=True),
            st.sampled_from(["", "x", "+447723456789", "+447700900123"]),
        ),
        max_size=8,
    ),
    st.sampled_from(["CN", "US"]),
    st.booleans(),
)
def test_the_quick_way_finds_what_the_careful_way_finds(
    texts: list[str],
    region: str,
    fictitious: bool,  # noqa: FBT001 - drawn
) -> None:
    values, problems = phone_cells(pa.array(texts, pa.string()), region, fictitious=fictitious)
    bad = np.logical_or.reduce([np.zeros(len(texts), dtype=bool), *problems.values()])
    for text, e164, is_bad in zip(texts, values.to_pylist(), bad, strict=True):
        one_by_one = normalise_phone(
            text,
            region=region,
            allow_international=text.startswith(("+", "00")),
            allow_landline=text.startswith(("+", "0")) or (region == "US" and text.startswith("1")),
            allow_fictitious=fictitious,
        )
        assert e164 == one_by_one.e164
        assert is_bad == bool(text and one_by_one.error)


@pytest.mark.parametrize("country", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_landlines_and_mobiles_of_every_country(country: str) -> None:
    """The library's own example numbers, each as the library itself classes it."""
    for kind in (PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE, PhoneNumberType.UAN):
        example = phonenumbers.example_number_for_type(country, kind)
        if example is None:
            continue
        number = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
        texts = phonenumbers.number_type(example) in {PhoneNumberType.FIXED_LINE, PhoneNumberType.UAN}
        assert is_landline(number) == texts
        assert country_of(number) == phonenumbers.region_code_for_number(example)
        assert known_country(country)
        found = normalise_phone(
            f"00{number[1:]}", region="CN", allow_international=True, allow_landline=False
        )
        assert (found.e164 == "") == texts or not phonenumbers.is_valid_number(example)


def test_what_is_no_number_is_nowhere() -> None:
    assert [country_of(text) for text in ("", "x", "+", "+999123", "+8821612345678")] == [""] * 5
    assert not any(is_landline(text) for text in ("", "x", "+", "+999123", "+8610055501234"))
    assert not known_country("UK")


@given(st.from_regex(r"\+(86|1|44|32|7)[0-9]{9,10}", fullmatch=True))
def test_the_quick_look_is_the_librarys(number: str) -> None:
    parsed = phonenumbers.parse(number)
    assert is_landline(number) == (
        phonenumbers.number_type(parsed) in {PhoneNumberType.FIXED_LINE, PhoneNumberType.UAN}
    )


@given(
    st.lists(
        st.from_regex(r"\+(86|1|44|32|7|999)[0-9]{5,11}", fullmatch=True) | st.sampled_from(["", "+", "x"])
    )
)
def test_many_numbers_are_asked_as_one_by_one(numbers: list[str]) -> None:
    assert landlines(numbers) == {number for number in numbers if is_landline(number)}
