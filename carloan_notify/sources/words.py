"""One text → a flag, a language tag, a time zone, hours or one of a few known words. Pure."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Final
from zoneinfo import available_timezones

from carloan_notify.sources.amounts import folded
from carloan_notify.sources.problems import Problem

_TRUE: Final = frozenset({"1", "1.0", "yes", "y", "true", "t", "是", "有"})
_FALSE: Final = frozenset({"0", "0.0", "no", "n", "false", "f", "否", "无"})
_LANGUAGE: Final = re.compile(r"([a-zA-Z]{2,3})(?:[-_]([a-zA-Z]{4}))?(?:[-_]([a-zA-Z]{2}|\d{3}))?")
_HOURS: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)\s*[-~至]+\s*([01]?\d|2[0-4]):([0-5]\d)")


def word_key(text: str) -> str:
    """The form in which words and headers are compared: no case, spaces, `_` or `-`; full-width folded."""
    return re.sub(r"[\s_\-]+", "", folded(text)).casefold()


def parse_flag(text: str) -> bool | Problem:
    """True or False from 1/0, yes/no, true/false, 是/否; any other word is refused, never taken for False."""
    word = folded(text).casefold()
    return True if word in _TRUE else False if word in _FALSE else Problem.BAD_FLAG


def parse_choice(text: str, words: Mapping[str, str]) -> str | Problem:
    """The canonical word; `words` maps `word_key` forms to it."""
    return words.get(word_key(text), Problem.UNKNOWN_VALUE)


def parse_choices(text: str, words: Mapping[str, str]) -> str | Problem:
    """A comma list of canonical words from a list parted by comma, 、 or ;."""
    parts = [parse_choice(part, words) for part in re.split(r"[,;、，；]", text) if part.strip()]
    problems = [part for part in parts if isinstance(part, Problem)]
    return problems[0] if problems else ",".join(dict.fromkeys(parts))


def parse_language(text: str) -> str | Problem:
    """A BCP 47 tag in its usual case: `zh_cn` → `zh-CN`."""
    found = _LANGUAGE.fullmatch(folded(text))
    if found is None:
        return Problem.BAD_LANGUAGE
    language, script, region = found.groups()
    tags = (language.lower(), (script or "").title(), (region or "").upper())
    return "-".join(tag for tag in tags if tag)


def parse_timezone(text: str) -> str | Problem:
    """An IANA zone in its own spelling: `asia/shanghai` → `Asia/Shanghai`."""
    return _zones().get(folded(text).casefold(), Problem.UNKNOWN_TIMEZONE)


def parse_hours(text: str) -> str | Problem:
    """Hours of one day as `18:00-20:00`; the end is later than the start and at most 24:00."""
    found = _HOURS.fullmatch(folded(text))
    if found is None:
        return Problem.BAD_HOURS
    first_hour, first_minute, last_hour, last_minute = map(int, found.groups())
    start, end = (first_hour, first_minute), (last_hour, last_minute)
    if not start < end <= (24, 0):
        return Problem.BAD_HOURS
    return f"{first_hour:02}:{first_minute:02}-{last_hour:02}:{last_minute:02}"


@cache
def _zones() -> Mapping[str, str]:
    return {name.casefold(): name for name in available_timezones()}
