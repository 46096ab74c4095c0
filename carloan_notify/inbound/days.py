"""Which day a text names, in Chinese and English. Pure; a day that could be several is said to be so, never guessed.

A day is told from the day on which the text was written. `20号` is the next twentieth, today included; a bare
weekday the next one, but of today's own name nobody can say which; `下周五` the Friday of the next calendar week,
which begins on Monday; `月底` the month's last day. A day that its month does not have (31 June) is refused, never
moved. `next Friday` means two days to English readers: unclear.
"""

import re
from calendar import monthrange
from collections.abc import Callable
from datetime import date, timedelta
from types import MappingProxyType
from typing import Final

from carloan_notify.promise_codes import PromiseDoubt

Day = date | PromiseDoubt
"""A day, or why the words name none."""


def days_in(text: str, said_on: date) -> tuple[list[Day], str]:
    """Every day that a text in folded form names, each once, in order of the patterns; and the text without them.

    A vague time (`过几天`, `next week`) is DATE_UNCLEAR. Where a day was, a comma is left.
    """
    found: list[Day] = []
    for pattern, meaning in _MEANINGS:
        found += [meaning(match, said_on) for match in pattern.finditer(text)]
        text = pattern.sub(",", text)
    return list(dict.fromkeys(found)), text


# Words for numbers.

_DIGITS: Final = MappingProxyType(
    {sign: place for place, sign in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
)
_UNITS: Final = MappingProxyType({"十": 10, "百": 100, "千": 1_000})
_WAN: Final = 10_000
CHINESE_NUMBER: Final = "[零〇一二两三四五六七八九十百千万]"
_ENGLISH: Final = MappingProxyType(
    {
        **dict.fromkeys(("a", "an"), 1),
        **{
            word: number
            for number, word in enumerate(
                ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine"), 1
            )
        },
        "ten": 10,
    }
)


def chinese_number(text: str) -> int | None:
    """`二十一` is 21, `一千五` 1500, `两万零三百` 20300; None for what is no number."""
    head, wan, tail = text.rpartition("万")
    low = _below_wan(tail, _WAN if head else 1)
    high = _below_wan(head, 1) if wan else 0
    return None if low is None or high is None or (wan and not head) else high * _WAN + low


def _below_wan(text: str, last_unit: int) -> int | None:
    """A number below ten thousand; a digit left over at the end counts tenths of the unit before it (`一千五`)."""
    total, digit, unit = 0, None, last_unit
    for sign in text:
        if sign in _UNITS:
            unit = _UNITS[sign]
            total, digit = total + unit * (1 if digit is None else digit), None
        elif sign not in _DIGITS or digit:
            return None
        else:
            digit, unit = _DIGITS[sign], (unit if _DIGITS[sign] else 1)
    return total + (digit or 0) * max(unit // 10, 1)


def number_of(text: str) -> int | None:
    """The number in digits, in Chinese or, up to ten, in English words."""
    if text.isascii():
        return int(text) if text.isdigit() else _ENGLISH.get(text)
    return chinese_number(text)


# What each pattern means.

_Meaning = Callable[[re.Match[str], date], Day]
_HALF_A_YEAR: Final = 183
"""A month's day that was longer ago than this in this year is one of the next year; a nearer one is over."""
_LONGEST: Final = 3_650
"""Ten years in days: nobody promises so far ahead, and a date that Python does not know is not reached."""
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS: Final = MappingProxyType(
    {
        sign: place
        for place, signs in enumerate(("一1", "二2", "三3", "四4", "五5", "六6", "日天7"))
        for sign in signs
    }
)
_ENGLISH_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NEXT: Final = ("下", "next")


def _fixed(year: int, month: int, day: int) -> Day:
    try:
        return date(year, month, day)
    except ValueError:
        return PromiseDoubt.DATE_IMPOSSIBLE


def _of_year(month: int, day: int, said: date) -> Day:
    this = _fixed(said.year, month, day)
    if isinstance(this, date) and (said - this).days > _HALF_A_YEAR:
        return _fixed(said.year + 1, month, day)
    return this


def _month_after(said: date, months: int) -> tuple[int, int]:
    whole = said.year * 12 + said.month - 1 + months
    return whole // 12, whole % 12 + 1


def _full(found: re.Match[str], _said: date) -> Day:
    return _fixed(int(found["y"]), int(found["m"]), int(found["d"]))


def _month_and_day(found: re.Match[str], said: date) -> Day:
    month, day = number_of(found["m"]), number_of(found["d"])
    return PromiseDoubt.DATE_IMPOSSIBLE if not month or not day else _of_year(month, day, said)


def _named_month(found: re.Match[str], said: date) -> Day:
    month, day = _MONTHS.index(found["m"][:3]) + 1, int(found["d"])
    return _fixed(int(found["y"]), month, day) if found["y"] else _of_year(month, day, said)


def _slashed(found: re.Match[str], said: date) -> Day:
    """`12/5`: month first in a Chinese text, else only where one order alone is possible."""
    first, second, months = int(found["a"]), int(found["b"]), len(_MONTHS)
    if re.search("[\u3400-\u9fff]", found.string) or first == second or second > months:
        return _of_year(first, second, said)
    return _of_year(second, first, said) if first > months else PromiseDoubt.DATE_UNCLEAR


def _day_of_month(found: re.Match[str], said: date) -> Day:
    """`20号`: the next one, today included; `本月` and `下月` say which month."""
    day, which = number_of(found["d"]), found.groupdict().get("which") or ""
    if not day:
        return PromiseDoubt.DATE_IMPOSSIBLE
    ahead = which.startswith(_NEXT) or (not which and day < said.day)
    return _fixed(*_month_after(said, int(ahead)), day)


def _month_end(found: re.Match[str], said: date) -> Day:
    ahead = (found.groupdict().get("which") or "").startswith(_NEXT)
    year, month = _month_after(said, int(ahead))
    return date(year, month, monthrange(year, month)[1])


def _in_days(found: re.Match[str], said: date) -> Day:
    number = number_of(found["n"])
    if number is None or number > _LONGEST:
        return PromiseDoubt.DATE_UNCLEAR
    return said + timedelta(days=number * (7 if found["week"] else 1))


def _plus(days: int) -> _Meaning:
    return lambda _found, said: said + timedelta(days=days)


def _weekday(found: re.Match[str], said: date) -> Day:
    """`周五`: the next Friday; `这周五`, `下周五`: of that calendar week."""
    place, which = _WEEKDAYS[found["w"]], found["which"] or ""
    if not which:
        return _coming(place, said)
    return said + timedelta(days=place - said.weekday() + 7 * which.count("下"))


def _english_weekday(found: re.Match[str], said: date) -> Day:
    return (
        PromiseDoubt.DATE_UNCLEAR
        if found["which"]
        else _coming(_ENGLISH_WEEKDAYS.index(found["w"][:3]), said)
    )


def _coming(place: int, said: date) -> Day:
    ahead = (place - said.weekday()) % 7
    return said + timedelta(days=ahead) if ahead else PromiseDoubt.DATE_UNCLEAR


def _unclear(_found: re.Match[str], _said: date) -> Day:
    return PromiseDoubt.DATE_UNCLEAR


# The patterns, from those that say most to those that say least: what one finds is out of the text for the others.

_ZH_N: Final = rf"(?:\d{{1,4}}|{CHINESE_NUMBER}{{1,4}})"
_ZH_D: Final = rf"(?P<d>\d{{1,2}}|{CHINESE_NUMBER}{{1,3}})[号日](?!码)"
_ZH_AFTER: Final = "(?:之?[后内]|以[后内])"
_EN_D: Final = r"(?P<d>\d{1,2})(?:st|nd|rd|th)?"
_EN_TH: Final = r"\d{1,2}(?:st|nd|rd|th)"
_EN_N: Final = rf"(?P<n>\d{{1,4}}|{'|'.join(sorted(_ENGLISH, key=len, reverse=True))})"
_MONTH: Final = (
    "(?P<m>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    "|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_WEEKDAY: Final = (
    "(?P<w>mon(?:day)?|tues?(?:day)?|wed(?:nesday)?|thu(?:rs?)?(?:day)?|fri(?:day)?|sat(?:urday)?"
    "|sun(?:day)?)"
)
_PATTERNS: Final[tuple[tuple[str, _Meaning], ...]] = (
    # several days at once, or none in particular
    (rf"{_ZH_N}[号日]?(?:-|~|—|到|至|或者?|、){_ZH_N}[号日](?!码)", _unclear),
    (rf"\b(?:the )?{_EN_TH} ?(?:-|to|or|and) ?(?:the )?{_EN_TH}\b", _unclear),
    # whole dates
    (r"(?<!\d)(?P<y>20\d\d)[-/.年](?P<m>\d{1,2})[-/.月](?P<d>\d{1,2})(?!\d)[日号]?", _full),
    (rf"(?P<m>\d{{1,2}}|{CHINESE_NUMBER}{{1,2}})月份?{_ZH_D}", _month_and_day),
    (rf"\b{_MONTH}\.? {_EN_D}\b(?:,? (?P<y>20\d\d))?", _named_month),
    (rf"\b(?:the )?{_EN_D}(?: of)? {_MONTH}\b(?:,? (?P<y>20\d\d))?", _named_month),
    (r"(?<![\d/.])(?P<a>\d{1,2})/(?P<b>\d{1,2})(?![\d/])", _slashed),
    # a day of this month or the next
    (rf"(?P<which>下|本|这|当)个?月的?{_ZH_D}", _day_of_month),
    (rf"\b(?P<which>next|this) month,? (?:on )?(?:the )?{_EN_D}\b", _day_of_month),
    (rf"\b(?:the )?{_EN_D} (?:of )?(?P<which>next|this) month\b", _day_of_month),
    (r"(?P<which>下|本|这|当)?个?月(?:底|末|尾)", _month_end),
    (r"\b(?:the )?end of (?:the |(?P<which>next |this ))?month\b|\b(?:month end|eom)\b", _month_end),
    (rf"(?<!月){_ZH_D}", _day_of_month),
    (r"\bthe (?P<d>\d{1,2})(?:st|nd|rd|th)?\b", _day_of_month),
    (r"\b(?P<d>\d{1,2})(?:st|nd|rd|th)\b", _day_of_month),
    # so many days on
    (r"大后[天日]", _plus(3)),
    (r"后[天日]|\b(?:the )?day after (?:tomorrow|tmrw|tmr)\b", _plus(2)),
    (r"明[天日早晚儿]+|\b(?:tomorr?ow|tommorr?ow|tmrw|tmr|2moro)\b", _plus(1)),
    (r"今[天日早晚儿]+|\b(?:today|tonight)\b", _plus(0)),
    (rf"(?:再?过)?(?P<n>{_ZH_N})个?(?:[天日]|(?P<week>周|星期|礼拜)){_ZH_AFTER}", _in_days),
    (rf"\b(?:in|within) {_EN_N} (?:days?|(?P<week>weeks?))\b(?: time)?", _in_days),
    # a weekday
    (
        r"(?P<which>下下|下|这|本)?个?(?:周|星期|礼拜)(?P<w>[一二三四五六日天]|[1-7](?!\d))(?![天个])",
        _weekday,
    ),
    (rf"\b(?:(?:this )|(?P<which>next |following |every ))?(?:coming )?{_WEEKDAY}\b", _english_weekday),
    # times that are no one day
    (r"下?个?(?:周|星期|礼拜)(?:末|内)?|[下这本]个月|月[初中]|年[底末后前]|节[前后]|假期", _unclear),
    (
        r"(?:再?过|这|等|再)(?:[几两]|一?些|一?阵子?|一?段)(?:[天日子]|时间)?|[几数][天日]|两天|半个?月",
        _unclear,
    ),
    (r"\bend of (?:the |next |this )?week\b|\bweekend\b|\bin (?:a|\d+) months?\b", _unclear),
    (
        r"\b(?:next|this|the) (?:week|month|weekend|year)\b|\b(?:a )?(?:few|couple(?: of)?) (?:more )?days\b",
        _unclear,
    ),
)
_MEANINGS: Final = tuple((re.compile(pattern), meaning) for pattern, meaning in _PATTERNS)
