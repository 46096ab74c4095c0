"""Amounts of money and how they are written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton
from babel.numbers import format_currency
from jinja2 import Undefined

from carloan_notify.records import Channel, Lender, currency_exponent

# What Chinese readers expect after an amount; CLDR's own long name (人民币) reads stiffly in a text message.
CHINESE_UNITS: Final = {"CNY": "元"}
_PROBE: Final = 123_456_789


@dataclass(frozen=True, slots=True)
class Money:
    """`minor` units (分, cents) of an ISO 4217 `currency`. False when zero."""

    minor: int
    currency: str

    def __bool__(self) -> bool:
        """Whether there is anything to pay, so that a template may say `{% if penalty %}`."""
        return self.minor != 0

    @classmethod
    def of(cls, amount: Decimal, currency: str) -> "Money":
        """An amount in whole currency units; what is finer than the currency is cut off."""
        return cls(int(amount.scaleb(currency_exponent(currency))), currency)

    def decimal(self) -> Decimal:
        """The amount in whole currency units, with the currency's decimals: 1234.56."""
        return Decimal(self.minor).scaleb(-currency_exponent(self.currency))

    def plain(self) -> str:
        """`decimal()` as text, for a tenth of its time: a night writes millions."""
        digits = currency_exponent(self.currency)
        if self.minor < 0 or not digits:
            return str(self.decimal())
        whole, part = divmod(self.minor, 10**digits)
        return f"{whole}.{part:0{digits}d}"


@lru_cache(maxsize=64)
def money_writer(locale: str, currency: str, *, grouped: bool) -> Callable[[int], str]:
    """How minor units of this currency are written in this Babel locale (`zh_Hans_CN`, `en_US`).

    Babel takes 28 µs an amount; a night writes millions. So Babel is asked once how it writes a known amount,
    and the same frame is put around the others. A locale that groups digits otherwise than by threes, and
    negative amounts, are left to Babel itself. `grouped=False` (for speech) leaves the separators out.
    """
    digits = currency_exponent(currency)
    sample = _by_babel(_PROBE, locale, currency, digits)
    frame = _frame(sample, digits)
    if frame.write(_PROBE) != sample:
        return lambda minor: _by_babel(minor, locale, currency, digits)
    if not grouped:
        frame = replace(frame, separator="")
    return lambda minor: frame.write(minor) if minor >= 0 else _by_babel(minor, locale, currency, digits)


@dataclass(frozen=True, slots=True)
class _Frame:
    prefix: str
    suffix: str
    separator: str
    point: str
    digits: int

    def write(self, minor: int) -> str:
        whole, part = divmod(minor, 10**self.digits)
        grouped = f"{whole:,}".replace(",", self.separator)
        fraction = f"{self.point}{part:0{self.digits}d}" if self.digits else ""
        return f"{self.prefix}{grouped}{fraction}{self.suffix}"


def _frame(sample: str, digits: int) -> _Frame:
    """What stands around and between the digits of `sample`, the probe as Babel wrote it."""
    places = [place for place, char in enumerate(sample) if char.isdigit()]
    point = sample[places[-1] - digits] if digits else ""
    return _Frame(sample[: places[0]], sample[places[-1] + 1 :], _separator(sample, digits), point, digits)


def _separator(sample: str, digits: int) -> str:
    """The character between thousands in Babel's `1,234,567.89` (or `123,456,789` without decimals)."""
    first = next(i for i, char in enumerate(sample) if char.isdigit())
    leading = (len(str(_PROBE)) - digits) % 3 or 3
    following = sample[first + leading]
    return "" if following.isdigit() else following


def _by_babel(minor: int, locale: str, currency: str, digits: int) -> str:
    amount = Decimal(minor).scaleb(-digits)
    if not locale.startswith("zh"):
        return _plain_spaces(format_currency(amount, currency, locale=locale))
    text: str = format_currency(amount, currency, locale=locale, format_type="name")
    if currency not in CHINESE_UNITS:
        return _plain_spaces(text)
    return text.removesuffix("人民币") + CHINESE_UNITS[currency]


def _plain_spaces(text: str) -> str:
    """No-break spaces would turn a GSM-7 message into UCS-2, at twice the price."""
    return text.replace("\u00a0", " ").replace("\u202f", " ")


# Filters of one language and channel: money, dates, masks, spelled digits.

KEPT_WHEN_MASKED: Final = 4
_CHINESE_DIGITS: Final = str.maketrans("0123456789", "零一二三四五六七八九")


def build_filters(language: str, channel: str, lender: Lender) -> Mapping[str, Callable[..., Any]]:
    """The filters of `context.FILTERS`, bound to one language and channel.

    Raises:
        ValueError: the language is none that Babel knows.
    """
    locale, spoken = babel_locale(language, lender.country), channel == Channel.VOICE

    def money(value: object) -> str:
        if not isinstance(value, Money):
            raise TypeError("`money` needs an amount such as amount, penalty or total_due")
        return money_writer(locale, value.currency, grouped=not spoken)(value.minor)

    return {
        "money": money,
        "date": lambda value: _written_date(_day(value), locale, with_year=False, spoken=spoken),
        "long_date": lambda value: _written_date(_day(value), locale, with_year=True, spoken=spoken),
        "mask": mask,
        "spelled": spelled_in_chinese if language.startswith("zh") else spelled,
        "default": default,
        "length": len,
        "upper": str.upper,
        "lower": str.lower,
        "trim": str.strip,
    }


def babel_locale(language: str, country: str) -> str:
    """The Babel locale of a folder: `zh-CN` → `zh_Hans_CN`; `en` in the US → `en_US`, in China → `en_001`.

    Raises:
        ValueError: the language is none that Babel knows.
    """
    tags = [language] if "-" in language else [f"{language}-{country}", f"{language}-001", language]
    for tag in tags:
        try:
            return str(Locale.parse(tag, sep="-"))
        except (UnknownLocaleError, ValueError):
            continue
    raise ValueError(
        f"`{language}` is no known language; name the folder with a BCP 47 tag such as zh-CN or en"
    )


def mask(value: str) -> str:
    """All but the last four characters as stars; a text of four or fewer is hidden altogether."""
    kept = value[-KEPT_WHEN_MASKED:] if len(value) > KEPT_WHEN_MASKED else ""
    return "*" * KEPT_WHEN_MASKED + kept


def spelled(value: str) -> str:
    """Letters and digits one by one, with a pause where the writer put a dash or a blank."""
    return ", ".join(" ".join(group) for group in _groups(value))


def spelled_in_chinese(value: str) -> str:
    """Digits as Chinese numerals, which every speech engine reads one by one; a pause between groups."""
    return "，".join(_groups(value)).translate(_CHINESE_DIGITS)


def default(value: object, other: str = "") -> object:
    """`other` where the value is missing or empty."""
    return other if isinstance(value, Undefined) or value in ("", None) else value


def _groups(value: str) -> list[str]:
    return "".join(char if char.isalnum() else " " for char in value).split()


def _day(value: object) -> date:
    if isinstance(value, datetime):
        return value.date()
    if not isinstance(value, date):
        raise TypeError("`date` needs a day such as due_on; guard it with {% if due_on %}")
    return value


@lru_cache(maxsize=4096)
def _written_date(day: date, locale: str, *, with_year: bool, spoken: bool) -> str:
    """The long date where it is asked for; else in Chinese without the year, elsewhere with a short month in SMS."""
    if with_year:
        return str(format_date(day, "long", locale=locale))
    if locale.startswith("zh"):
        return str(format_skeleton("MMMd", day, locale=locale))
    return str(format_date(day, "long" if spoken else "medium", locale=locale))
