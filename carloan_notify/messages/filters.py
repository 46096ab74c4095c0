"""Filters of one language and channel: money, dates, masks, spelled digits."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton
from jinja2 import Undefined

from carloan_notify.messages.money import Money, money_writer
from carloan_notify.records import Channel, Lender

KEPT_WHEN_MASKED: Final = 4
_CHINESE_DIGITS: Final = str.maketrans("0123456789", "零一二三四五六七八九")


def build_filters(language: str, channel: str, lender: Lender) -> Mapping[str, Callable[..., Any]]:
    """The filters of `context.FILTERS`, bound to one language and channel.

    Raises:
        ValueError: the language is none that Babel knows.
    """
    locale = babel_locale(language, lender.country)

    def money(value: object) -> str:
        if not isinstance(value, Money):
            raise TypeError("`money` needs an amount such as amount, penalty or total_due")
        return money_writer(locale, value.currency, grouped=channel != Channel.VOICE)(value.minor)

    return {
        "money": money,
        "date": lambda value: _written_date(_day(value), locale, with_year=False),
        "long_date": lambda value: _written_date(_day(value), locale, with_year=True),
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
def _written_date(day: date, locale: str, *, with_year: bool) -> str:
    if with_year or not locale.startswith("zh"):
        return str(format_date(day, "long", locale=locale))
    return str(format_skeleton("MMMd", day, locale=locale))
