"""Money, dates, masks and spelled digits."""

from datetime import date, datetime
from decimal import Decimal

import pytest
from babel.numbers import format_currency
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.messages.context import FILTERS
from carloan_notify.messages.values import (
    Money,
    babel_locale,
    build_filters,
    mask,
    money_writer,
    spelled,
    spelled_in_chinese,
)
from tests.unit.messages.lenders import CHINESE, US


@pytest.mark.parametrize(
    ("locale", "currency", "minor", "text"),
    [
        ("zh_Hans_CN", "CNY", 123456, "1,234.56元"),
        ("zh_Hans_CN", "CNY", 5, "0.05元"),
        ("zh_Hans_CN", "CNY", -123456, "-1,234.56元"),
        ("zh_Hans_CN", "USD", 123456, "1,234.56美元"),
        ("en_US", "USD", 123456, "$1,234.56"),
        ("en_US", "USD", 123456789012, "$1,234,567,890.12"),
        ("en_US", "USD", -5, "-$0.05"),
        ("en_001", "CNY", 100, "CN¥1.00"),
        ("de_DE", "EUR", 123456, "1.234,56 €"),
        ("fr_FR", "EUR", 123456, "1 234,56 €"),
        ("ja_JP", "JPY", 1234567, "￥1,234,567"),
        ("en_US", "KWD", 1234567, "KWD1,234.567"),
        ("en_IN", "INR", 123456789, "₹12,34,567.89"),
    ],
)
def test_money_is_written_as_people_write_it(locale: str, currency: str, minor: int, text: str) -> None:
    assert money_writer(locale, currency, grouped=True)(minor) == text


def test_spoken_money_has_no_separators() -> None:
    assert money_writer("zh_Hans_CN", "CNY", grouped=False)(123456789) == "1234567.89元"
    assert money_writer("en_US", "USD", grouped=False)(123456) == "$1234.56"
    assert money_writer("ja_JP", "JPY", grouped=False)(1234567) == "￥1234567"


@given(
    st.integers(-(10**12), 10**14),
    st.sampled_from([("en_US", "USD"), ("de_DE", "EUR"), ("en_GB", "GBP"), ("ja_JP", "JPY")]),
)
def test_the_fast_writer_agrees_with_babel(minor: int, place: tuple[str, str]) -> None:
    locale, currency = place
    digits = 0 if currency == "JPY" else 2
    expected = format_currency(Decimal(minor).scaleb(-digits), currency, locale=locale).replace("\u00a0", " ")
    assert money_writer(locale, currency, grouped=True)(minor) == expected


def test_money_in_whole_units() -> None:
    assert str(Money(123456, "CNY").decimal()) == "1234.56"
    assert str(Money(-5, "USD").decimal()) == "-0.05"
    assert str(Money(1234, "JPY").decimal()) == "1234"


def test_zero_money_is_false() -> None:
    assert not Money(0, "CNY")
    assert Money(1, "CNY")


def test_every_documented_filter_exists() -> None:
    assert set(build_filters("zh-CN", "sms", CHINESE)) == set(FILTERS)


@pytest.mark.parametrize(
    ("language", "short", "long"),
    [("zh-CN", "11月30日", "2026年11月30日"), ("en", "Nov 30, 2026", "November 30, 2026")],
)
def test_dates_follow_the_language(language: str, short: str, long: str) -> None:
    filters = build_filters(language, "sms", US)
    assert filters["date"](date(2026, 11, 30)) == short
    assert filters["date"](datetime(2026, 11, 30, 9)) == short  # noqa: DTZ001 - frames hold naive midnights
    assert filters["long_date"](date(2026, 11, 30)) == long


def test_english_outside_the_united_states() -> None:
    assert build_filters("en", "sms", CHINESE)["date"](date(2026, 11, 30)) == "30 Nov 2026"
    assert build_filters("en", "voice", CHINESE)["date"](date(2026, 11, 30)) == "30 November 2026"
    assert babel_locale("en", "CN") == "en_001"
    assert babel_locale("en-GB", "US") == "en_GB"


def test_an_unknown_language_is_an_error() -> None:
    with pytest.raises(ValueError, match="no known language"):
        babel_locale("klingon", "CN")


@pytest.mark.parametrize("name", ["money", "date", "long_date"])
def test_a_filter_refuses_what_it_is_not_for(name: str) -> None:
    with pytest.raises(TypeError, match="needs"):
        build_filters("en", "sms", US)[name]("text")


@pytest.mark.parametrize(
    ("text", "masked"),
    [("+8613800138000", "****8000"), ("12345", "****2345"), ("1234", "****"), ("", "****")],
)
def test_mask_leaves_four(text: str, masked: str) -> None:
    assert mask(text) == masked


@given(st.text())
def test_mask_never_shows_more_than_four(text: str) -> None:
    assert len(mask(text)) <= 8
    assert len(text) > 4 or mask(text) == "****"


def test_numbers_are_spoken_slowly() -> None:
    assert spelled("400-888-1234") == "4 0 0, 8 8 8, 1 2 3 4"
    assert spelled_in_chinese("400-888-1234") == "四零零，八八八，一二三四"


def test_default_stands_in_for_nothing() -> None:
    default = build_filters("en", "sms", US)["default"]
    assert (default("", "x"), default(None, "x"), default("y", "x"), default(0, "x")) == ("x", "x", "y", 0)
