import pytest

from carloan_notify.finding_codes import CellProblem
from carloan_notify.sources.values import (
    parse_choice,
    parse_choices,
    parse_flag,
    parse_hours,
    parse_language,
    parse_timezone,
    word_key,
)


def test_words_are_compared_without_case_spaces_and_width() -> None:
    assert word_key(" Loan_ID ") == word_key("loan-id") == word_key("ＬｏａｎＩＤ") == "loanid"
    assert word_key("\ufeffloan\u200b_id\u00a0") == "loanid"


@pytest.mark.parametrize("text", ["1", "1.0", "1.000000000", "yes", "Y", "TRUE", "是", "１"])
def test_true(text: str) -> None:
    assert parse_flag(text) is True


@pytest.mark.parametrize("text", ["0", "0.0", "no", "N", "False", "否"])
def test_false(text: str) -> None:
    assert parse_flag(text) is False


def test_any_other_flag_is_refused() -> None:
    assert parse_flag("maybe") is CellProblem.BAD_FLAG


def test_choices() -> None:
    words = {"sms": "sms", "短信": "sms", "voice": "voice"}
    assert parse_choice("SMS", words) == "sms"
    assert parse_choice("fax", words) is CellProblem.UNKNOWN_VALUE
    assert parse_choices("短信、voice;sms", words) == "sms,voice"
    assert parse_choices("sms,fax", words) is CellProblem.UNKNOWN_VALUE


@pytest.mark.parametrize(
    ("text", "tag"),
    [("zh_cn", "zh-CN"), ("EN", "en"), ("zh-hans-cn", "zh-Hans-CN"), ("es-419", "es-419")],
)
def test_languages(text: str, tag: str) -> None:
    assert parse_language(text) == tag


def test_what_is_no_language() -> None:
    assert parse_language("Chinese") is CellProblem.BAD_LANGUAGE


def test_time_zones() -> None:
    assert parse_timezone("asia/shanghai") == "Asia/Shanghai"
    assert parse_timezone("Mars/Base") is CellProblem.UNKNOWN_TIMEZONE


@pytest.mark.parametrize(
    ("text", "hours"),
    [("18:00-20:00", "18:00-20:00"), ("9:00~12:30", "09:00-12:30"), ("18:00至24:00", "18:00-24:00")],
)
def test_hours(text: str, hours: str) -> None:
    assert parse_hours(text) == hours


@pytest.mark.parametrize("text", ["20:00-18:00", "18:00", "18:00-24:30", "evening", "18:00-18:00"])
def test_what_are_no_hours(text: str) -> None:
    assert parse_hours(text) is CellProblem.BAD_HOURS
