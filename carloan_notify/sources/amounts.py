"""One text → an amount, a rate or a whole number, as spreadsheets and core systems write them. Pure."""

import re
import unicodedata
from decimal import Decimal
from typing import Final

from carloan_notify.sources.problems import Problem

MOST_MAJOR_UNITS: Final = 10**13
PPB: Final = 10**9
HIGHEST_RATE_PPB: Final = 12 * PPB

_SYMBOLS: Final = {
    "CNY": ("¥", "元", "圆", "RMB"),
    "JPY": ("¥", "円"),
    "USD": ("US$", "$"),
    "HKD": ("HK$", "$"),
    "SGD": ("S$", "$"),
    "TWD": ("NT$", "$"),
    "EUR": ("€",),
    "GBP": ("£",),
}
_NUMBER: Final = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:,\d{3})+)(?:\.\d*)?|[+-]?\.\d+")
_SCIENTIFIC: Final = re.compile(r"[+-]?\d+(?:\.\d+)?[eE][+-]?\d+")
_MINUS_SIGNS: Final = str.maketrans("−–—", "---")


def folded(text: str) -> str:
    """Full-width digits and signs as ASCII, every kind of minus as `-`, no space around."""
    return unicodedata.normalize("NFKC", text).translate(_MINUS_SIGNS).strip()


def is_scientific(text: str) -> bool:
    """True for `1.38E+10`: what a spreadsheet shows of a long number, its last digits lost."""
    return _SCIENTIFIC.fullmatch(folded(text).lstrip("'")) is not None


def parse_amount(text: str, *, currency: str, digits: int) -> int | Problem:
    """Minor units of `12,345.60`, `￥12345.6`, `12元`, `(1,234.00)` (negative); `digits`: its currency's."""
    number = _plain_number(_without_currency(folded(text).lstrip("'"), currency))
    if number is None:
        return Problem.BAD_AMOUNT
    if abs(number) >= MOST_MAJOR_UNITS:
        return Problem.OUT_OF_RANGE
    minor = number.scaleb(digits)
    return int(minor) if minor == minor.to_integral_value() else Problem.AMOUNT_PRECISION


def parse_rate(text: str) -> int | Problem:
    """Parts per billion of an annual rate: `5%` or `0.05`.

    A number without % is a fraction. Above 1 it might as well be per cent, so it is refused, not guessed;
    a rate above 100 % must be written with its %. Finer than one part per billion is rounded half-even.
    """
    plain = folded(text).lstrip("'")
    percent = plain.endswith("%")
    number = _plain_number(plain.removesuffix("%").strip())
    if number is None:
        return Problem.BAD_RATE
    if not percent and number > 1:
        return Problem.RATE_AMBIGUOUS
    rate = int((number * PPB / (100 if percent else 1)).to_integral_value())
    return rate if 0 <= rate <= HIGHEST_RATE_PPB else Problem.RATE_OUT_OF_RANGE


def parse_count(text: str) -> int | Problem:
    """A whole number; `12.0` counts, `12.5` does not."""
    number = _plain_number(folded(text).lstrip("'"))
    if number is None or number != number.to_integral_value():
        return Problem.BAD_NUMBER
    return int(number) if abs(number) < MOST_MAJOR_UNITS else Problem.OUT_OF_RANGE


def _plain_number(text: str) -> Decimal | None:
    negative = text.startswith("(") and text.endswith(")")
    digits = text[1:-1].strip() if negative else text
    if not digits.isascii() or not _NUMBER.fullmatch(digits) or (negative and digits[0] in "+-"):
        return None
    number = Decimal(digits.replace(",", ""))
    return -number if negative else number


def _without_currency(text: str, currency: str) -> str:
    """The number alone; the sign may stand before or after the currency (`-¥5`, `¥-5`)."""
    sign, rest = (text[0], text[1:].strip()) if text[:1] in ("-", "+") else ("", text)
    for symbol in (currency, *_SYMBOLS.get(currency, ())):
        if rest.upper().startswith(symbol):
            rest = rest[len(symbol) :].strip()
            break
    for symbol in (currency, *_SYMBOLS.get(currency, ())):
        if rest.upper().endswith(symbol):
            rest = rest[: -len(symbol)].strip()
            break
    return sign + rest
