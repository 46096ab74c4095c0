"""One text → an amount, a rate or a whole number, as spreadsheets and core systems write them. Pure."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from babel import Locale

from carloan_notify.finding_codes import CellProblem
from carloan_notify.phones import known_country
from carloan_notify.records import PPB

MOST_MAJOR_UNITS: Final = 10**13
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
_INVISIBLE: Final = re.compile("[\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
_MINUS_SIGNS: Final = str.maketrans("−–—", "---")


def folded(text: str) -> str:
    """Full-width digits and signs as ASCII, every kind of minus as `-`, nothing invisible, no space around."""
    return _INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).translate(_MINUS_SIGNS).strip()


def is_scientific(text: str) -> bool:
    """True for `1.38E+10`: what a spreadsheet shows of a long number, its last digits lost."""
    return _SCIENTIFIC.fullmatch(folded(text).lstrip("'")) is not None


def parse_amount(text: str, *, currency: str, digits: int) -> int | CellProblem:
    """Minor units of `12,345.60`, `￥12345.6`, `12元`, `(1,234.00)` (negative); `digits`: its currency's."""
    number = _plain_number(_without_currency(folded(text).lstrip("'"), currency))
    if number is None:
        return CellProblem.BAD_AMOUNT
    if abs(number) >= MOST_MAJOR_UNITS:
        return CellProblem.OUT_OF_RANGE
    minor = number.scaleb(digits)
    return int(minor) if minor == minor.to_integral_value() else CellProblem.AMOUNT_PRECISION


def parse_rate(text: str) -> int | CellProblem:
    """Parts per billion of an annual rate: `5%` or `0.05`.

    A number without % is a fraction. Above 1 it might as well be per cent, so it is refused, not guessed;
    a rate above 100 % must be written with its %. Finer than one part per billion is rounded half-even.
    """
    plain = folded(text).lstrip("'")
    percent = plain.endswith("%")
    number = _plain_number(plain.removesuffix("%").strip())
    if number is None:
        return CellProblem.BAD_RATE
    if not percent and number > 1:
        return CellProblem.RATE_AMBIGUOUS
    rate = int((number * PPB / (100 if percent else 1)).to_integral_value())
    return rate if 0 <= rate <= HIGHEST_RATE_PPB else CellProblem.RATE_OUT_OF_RANGE


def parse_count(text: str) -> int | CellProblem:
    """A whole number; `12.0` counts, `12.5` does not."""
    number = _plain_number(folded(text).lstrip("'"))
    if number is None or number != number.to_integral_value():
        return CellProblem.BAD_NUMBER
    return int(number) if abs(number) < MOST_MAJOR_UNITS else CellProblem.OUT_OF_RANGE


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


# One text → a calendar date, as spreadsheets and databases write dates. Pure.

FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2199

_CLOCK: Final = (
    r"(?:[T\s]+(?P<clock>\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?)"
    r"\s*(?P<zone>Z|[+-]\d{2}:?\d{2}|[+-]\d{2})?)?"
)
_DATE: Final = re.compile(
    r"(?P<year>\d{4})(?:"
    r"(?P<mark>[-/.])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})"
    r"|年\s*(?P<month_cn>\d{1,2})月\s*(?P<day_cn>\d{1,2})日"
    r"|(?P<month_8>\d{2})(?P<day_8>\d{2})"
    rf"){_CLOCK}",
)
_EXCEL_SERIAL: Final = re.compile(r"\d{5}(?:\.\d+)?")


def parse_date(text: str, *, zone: ZoneInfo, date_format: str = "") -> date | CellProblem:
    """The date of `2026-01-05`, `2026/1/5`, `2026.1.5`, `20260105`, `2026年1月5日`, with or without a time.

    A time with an offset is carried to `zone` (the lender's) before its date is taken, but for midnight UTC,
    which is that date; a time without an offset is local already.
    `date_format` (strptime) takes precedence; only it reads day-first dates.
    """
    plain = folded(text).lstrip("'")
    if date_format:
        return _by_format(plain, zone, date_format)
    found = _DATE.fullmatch(plain)
    if found is None:
        return CellProblem.EXCEL_SERIAL_DATE if _EXCEL_SERIAL.fullmatch(plain) else CellProblem.BAD_DATE
    parts = found.groupdict()
    month = parts["month"] or parts["month_cn"] or parts["month_8"]
    day = parts["day"] or parts["day_cn"] or parts["day_8"]
    iso_day = f"{parts['year']}-{int(month):02}-{int(day):02}"
    return _in_range(_at_home(iso_day, parts["clock"], parts["zone"], zone))


def _day_of(moment: datetime, zone: ZoneInfo) -> date:
    """Its date in `zone`; midnight UTC is how a date without a time is often written, and is that date."""
    if moment.utcoffset() == timedelta(0) and moment.time() == time(0):
        return moment.date()
    return moment.astimezone(zone).date()


def _by_format(text: str, zone: ZoneInfo, date_format: str) -> date | CellProblem:
    try:
        moment = datetime.strptime(text, date_format)  # noqa: DTZ007 - a time without offset is the lender's
    except ValueError:
        return CellProblem.BAD_DATE
    return _in_range(_day_of(moment, zone) if moment.tzinfo else moment.date())


def _at_home(iso_day: str, clock: str | None, offset: str | None, zone: ZoneInfo) -> date | CellProblem:
    try:
        if clock is None:
            return date.fromisoformat(iso_day)
        clock = clock if clock[1:2] != ":" else f"0{clock}"
        moment = datetime.fromisoformat(f"{iso_day}T{clock.replace(',', '.')}{offset or ''}")
        return _day_of(moment, zone) if offset else moment.date()
    except (ValueError, OverflowError):
        return CellProblem.IMPOSSIBLE_DATE


def _in_range(day: date | CellProblem) -> date | CellProblem:
    if isinstance(day, CellProblem) or FIRST_YEAR <= day.year <= LAST_YEAR:
        return day
    return CellProblem.DATE_OUT_OF_RANGE


# One text → a flag, a language tag, a time zone, hours or one of a few known words. Pure.

_TRUE: Final = frozenset({"1", "yes", "y", "true", "t", "是", "有"})
_FALSE: Final = frozenset({"0", "no", "n", "false", "f", "否", "无"})
_LANGUAGE: Final = re.compile(r"([a-zA-Z]{2,3})(?:[-_]([a-zA-Z]{4}))?(?:[-_]([a-zA-Z]{2}|\d{3}))?")
_HOURS: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)\s*[-~至]+\s*([01]?\d|2[0-4]):([0-5]\d)")


def word_key(text: str) -> str:
    """The form in which words and headers are compared: no case, spaces, `_` or `-`; full-width folded."""
    return re.sub(r"[\s_\-]+", "", folded(text)).casefold()


def parse_flag(text: str) -> bool | CellProblem:
    """True or False from 1/0, yes/no, true/false, 是/否; any other word is refused, never taken for False."""
    word = re.sub(r"^([01])\.0+$", r"\1", folded(text).casefold())
    return True if word in _TRUE else False if word in _FALSE else CellProblem.BAD_FLAG


def parse_choice(text: str, words: Mapping[str, str]) -> str | CellProblem:
    """The canonical word; `words` maps `word_key` forms to it."""
    return words.get(word_key(text), CellProblem.UNKNOWN_VALUE)


def parse_choices(text: str, words: Mapping[str, str]) -> str | CellProblem:
    """A comma list of canonical words from a list parted by comma, 、 or ;."""
    parts = [parse_choice(part, words) for part in re.split(r"[,;、，；]", text) if part.strip()]
    problems = [part for part in parts if isinstance(part, CellProblem)]
    return problems[0] if problems else ",".join(dict.fromkeys(parts))


def parse_language(text: str) -> str | CellProblem:
    """A BCP 47 tag in its usual case: `zh_cn` → `zh-CN`."""
    found = _LANGUAGE.fullmatch(folded(text))
    if found is None:
        return CellProblem.BAD_LANGUAGE
    language, script, region = found.groups()
    tags = (language.lower(), (script or "").title(), (region or "").upper())
    return "-".join(tag for tag in tags if tag)


def parse_timezone(text: str) -> str | CellProblem:
    """An IANA zone in its own spelling: `asia/shanghai` → `Asia/Shanghai`."""
    return _zones().get(folded(text).casefold(), CellProblem.UNKNOWN_TIMEZONE)


def parse_country(text: str) -> str | CellProblem:
    """An ISO 3166 code from the code or from the country's name in English or Chinese: `us`, `China`, `中国`."""
    return _countries().get(word_key(text), CellProblem.UNKNOWN_COUNTRY)


def parse_hours(text: str) -> str | CellProblem:
    """Hours of one day as `18:00-20:00`; the end is later than the start and at most 24:00."""
    found = _HOURS.fullmatch(folded(text))
    if found is None:
        return CellProblem.BAD_HOURS
    first_hour, first_minute, last_hour, last_minute = map(int, found.groups())
    start, end = (first_hour, first_minute), (last_hour, last_minute)
    if not start < end <= (24, 0):
        return CellProblem.BAD_HOURS
    return f"{first_hour:02}:{first_minute:02}-{last_hour:02}:{last_minute:02}"


@cache
def _countries() -> Mapping[str, str]:
    """By `word_key` form; source of the names: CLDR."""
    names = {
        word_key(name): code
        for language in ("zh", "en")
        for code, name in Locale(language).territories.items()
        if known_country(code)
    }
    codes = {code.casefold(): code for code in names.values()}
    return {**names, **codes, "usa": "US", "uk": "GB"}


@cache
def _zones() -> Mapping[str, str]:
    return {name.casefold(): name for name in available_timezones()}
