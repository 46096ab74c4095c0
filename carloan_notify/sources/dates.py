"""One text → a calendar date, as spreadsheets and databases write dates. Pure."""

import re
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from carloan_notify.sources.amounts import folded
from carloan_notify.sources.problems import Problem

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


def parse_date(text: str, *, zone: ZoneInfo, date_format: str = "") -> date | Problem:
    """The date of `2026-01-05`, `2026/1/5`, `2026.1.5`, `20260105`, `2026年1月5日`, with or without a time.

    A time with an offset is carried to `zone` (the lender's) before its date is taken; a time without
    one is local already. `date_format` (strptime) takes precedence; only it reads day-first dates.
    """
    plain = folded(text).lstrip("'")
    if date_format:
        return _by_format(plain, zone, date_format)
    found = _DATE.fullmatch(plain)
    if found is None:
        return Problem.EXCEL_SERIAL_DATE if _EXCEL_SERIAL.fullmatch(plain) else Problem.BAD_DATE
    parts = found.groupdict()
    month = parts["month"] or parts["month_cn"] or parts["month_8"]
    day = parts["day"] or parts["day_cn"] or parts["day_8"]
    iso_day = f"{parts['year']}-{int(month):02}-{int(day):02}"
    return _in_range(_at_home(iso_day, parts["clock"], parts["zone"], zone))


def _by_format(text: str, zone: ZoneInfo, date_format: str) -> date | Problem:
    try:
        moment = datetime.strptime(text, date_format)  # noqa: DTZ007 - a time without offset is the lender's
    except ValueError:
        return Problem.BAD_DATE
    return _in_range(moment.astimezone(zone).date() if moment.tzinfo else moment.date())


def _at_home(iso_day: str, clock: str | None, offset: str | None, zone: ZoneInfo) -> date | Problem:
    try:
        if clock is None:
            return date.fromisoformat(iso_day)
        clock = clock if clock[1:2] != ":" else f"0{clock}"
        moment = datetime.fromisoformat(f"{iso_day}T{clock.replace(',', '.')}{offset or ''}")
        return moment.astimezone(zone).date() if offset else moment.date()
    except (ValueError, OverflowError):
        return Problem.IMPOSSIBLE_DATE


def _in_range(day: date | Problem) -> date | Problem:
    if isinstance(day, Problem) or FIRST_YEAR <= day.year <= LAST_YEAR:
        return day
    return Problem.DATE_OUT_OF_RANGE
