from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.finding_codes import CellProblem
from carloan_notify.sources.values import is_scientific, parse_amount, parse_count, parse_rate


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("12345.60", 1_234_560),
        ("12,345.60", 1_234_560),
        ("1,234,567", 123_456_700),
        ("￥12,345.6", 1_234_560),
        ("¥ 5", 500),
        ("-¥5", -500),
        ("¥-5", -500),
        ("RMB 5.00", 500),
        ("5.00 CNY", 500),
        ("１２，３４５．６０元", 1_234_560),
        ("(1,234.00)", -123_400),
        ("（88）", -8_800),
        ("−7.10", -710),
        ("'42", 4_200),
        (".5", 50),
        ("5.", 500),
        ("1.500000", 150),
        ("+3", 300),
        ("0", 0),
    ],
)
def test_amounts_as_spreadsheets_write_them(text: str, minor: int) -> None:
    assert parse_amount(text, currency="CNY", digits=2) == minor


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1,23", CellProblem.BAD_AMOUNT),
        ("1.234,50", CellProblem.BAD_AMOUNT),
        ("12 345", CellProblem.BAD_AMOUNT),
        ("$5", CellProblem.BAD_AMOUNT),
        ("NaN", CellProblem.BAD_AMOUNT),
        ("Infinity", CellProblem.BAD_AMOUNT),
        ("1E+5", CellProblem.BAD_AMOUNT),
        ("三百", CellProblem.BAD_AMOUNT),
        ("(-5)", CellProblem.BAD_AMOUNT),
        ("()", CellProblem.BAD_AMOUNT),
        ("¥", CellProblem.BAD_AMOUNT),
        ("٣", CellProblem.BAD_AMOUNT),
        ("--5", CellProblem.BAD_AMOUNT),
        ("0.001", CellProblem.AMOUNT_PRECISION),
        ("10000000000000", CellProblem.OUT_OF_RANGE),
    ],
)
def test_amounts_that_are_none(text: str, problem: CellProblem) -> None:
    assert parse_amount(text, currency="CNY", digits=2) is problem


def test_a_currency_without_minor_units() -> None:
    assert parse_amount("¥1,200", currency="JPY", digits=0) == 1200
    assert parse_amount("1200.5", currency="JPY", digits=0) is CellProblem.AMOUNT_PRECISION


@given(st.integers(-(10**14), 10**14))
def test_a_written_amount_reads_back(minor: int) -> None:
    major = Decimal(minor).scaleb(-2)
    for text in (f"{major:.2f}", f"{major:,.2f}"):
        assert parse_amount(text, currency="USD", digits=2) == minor


@pytest.mark.parametrize(
    ("text", "ppb"),
    [
        ("0.12", 120_000_000),
        ("12%", 120_000_000),
        ("12 %", 120_000_000),
        ("１２％", 120_000_000),
        ("4.35%", 43_500_000),
        ("1", 1_000_000_000),
        ("0", 0),
        ("1200%", 12_000_000_000),
    ],
)
def test_rates(text: str, ppb: int) -> None:
    assert parse_rate(text) == ppb


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("12", CellProblem.RATE_AMBIGUOUS),
        ("1.01", CellProblem.RATE_AMBIGUOUS),
        ("1201%", CellProblem.RATE_OUT_OF_RANGE),
        ("-5%", CellProblem.RATE_OUT_OF_RANGE),
        ("5‰", CellProblem.BAD_RATE),
        ("nan", CellProblem.BAD_RATE),
        ("%", CellProblem.BAD_RATE),
    ],
)
def test_rates_that_are_none(text: str, problem: CellProblem) -> None:
    assert parse_rate(text) is problem


def test_counts() -> None:
    assert parse_count("12.0") == 12
    assert parse_count("１２") == 12
    assert parse_count("1,200") == 1200
    assert parse_count("12.5") is CellProblem.BAD_NUMBER
    assert parse_count("twelve") is CellProblem.BAD_NUMBER
    assert parse_count("9" * 20) is CellProblem.OUT_OF_RANGE


def test_scientific_notation() -> None:
    assert is_scientific("1.38E+10")
    assert is_scientific("'1.38e+10")
    assert not is_scientific("E10")
    assert not is_scientific("13800138000")
