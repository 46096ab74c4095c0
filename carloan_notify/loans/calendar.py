"""Business days: a country's holidays from a kept library, the lender's own days on top, and shifts."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Final

import chinese_calendar
import holidays
import numpy as np
from chinese_calendar import constants as china

from carloan_notify.errors import CalendarError
from carloan_notify.finding_codes import Finding
from carloan_notify.loans.arrays import NO_DATE, Dates, Flags, Ints
from carloan_notify.loans.settings import (
    FIRST_YEAR,
    LAST_YEAR,
    CalendarSettings,
    Convention,
    Frequency,
    ScheduleSettings,
)

FIRST_DAY = np.datetime64(f"{FIRST_YEAR}-01-01", "D")
WEEKENDS = "weekends"
ANNOUNCED_MONTH: Final = 11
CALENDAR_ENDS: Final = Finding.CALENDAR_ENDS
"""The code of the finding that a calendar in use ends with this year."""


@dataclass(frozen=True, eq=False)
class Calendar:
    """One flag per day from 1990 to 2099, and the years whose holidays are known."""

    name: str
    business: Flags
    known_years: frozenset[int]
    cure: str

    def is_business_day(self, dates: Dates) -> Flags:
        """Whether each date is a business day. Raises CalendarError for a year without holiday data."""
        return self.business[self._positions(dates)]

    def adjust(self, dates: Dates, convention: Convention) -> Dates:
        """Each date shifted to a business day by the convention; NaT stays NaT.

        Raises CalendarError when a date, or the day it moves to, is in a year without holiday data.
        """
        if convention is Convention.UNADJUSTED:
            return dates
        adjusted = dates.copy()
        given = ~np.isnat(dates)
        adjusted[given] = self._shift(dates[given], convention)
        return adjusted

    def _shift(self, dates: Dates, convention: Convention) -> Dates:
        at = self._positions(dates)
        if convention is Convention.PRECEDING:
            return self._day(_previous(self.business)[at])
        following = self._day(_next(self.business)[at])
        if convention is Convention.FOLLOWING:
            return following
        leaves_month = following.astype("datetime64[M]") != dates.astype("datetime64[M]")
        return np.where(leaves_month, self._day(_previous(self.business)[at]), following)

    def _day(self, positions: Ints) -> Dates:
        days = FIRST_DAY + positions
        self._positions(days)
        return days

    def _positions(self, dates: Dates) -> Ints:
        years = np.unique(dates.astype("datetime64[Y]")).astype(np.int64) + 1970
        unknown = sorted(set(years.tolist()) - self.known_years)
        if unknown:
            raise CalendarError(
                f"calendar {self.name!r} has no holidays for {', '.join(map(str, unknown))}; {self.cure}"
            )
        return (dates.astype("datetime64[D]") - FIRST_DAY).astype(np.int64)


def _next(business: Flags) -> Ints:
    """For every day the position of the next business day, itself included."""
    positions = np.where(business, np.arange(len(business)), len(business) - 1)
    return np.minimum.accumulate(positions[::-1])[::-1]


def _previous(business: Flags) -> Ints:
    """For every day the position of the last business day, itself included."""
    return np.maximum.accumulate(np.where(business, np.arange(len(business)), 0))


@lru_cache(maxsize=32)
def load_calendar(settings: CalendarSettings) -> Calendar:
    """The calendar of these settings. Raises CalendarError for a region that no library knows."""
    business = _weekdays()
    known = _apply_china(business) if settings.region == "CN" else _apply_country(business, settings.region)
    for closed in settings.extra_holidays:
        business[_position(closed)] = False
    for worked in settings.extra_workdays:
        business[_position(worked)] = True
    business.flags.writeable = False
    lenient = settings.beyond_coverage == "weekends"
    every_year = range(FIRST_YEAR, LAST_YEAR + 1)
    return Calendar(
        name=settings.region,
        business=business,
        known_years=frozenset(every_year) if lenient else known | set(settings.covered_years),
        cure=_cure(settings.region),
    )


def missing_next_year(settings: ScheduleSettings, today: date) -> list[str]:
    """A sentence with its cure per calendar in use that holds no holidays for next year; none before November.

    A calendar is in use where a product moves due dates to business days. In China the State Council announces
    a year's holidays in the November before, so that nothing is missing earlier in the year.
    """
    if today.month < ANNOUNCED_MONTH:
        return []
    terms = (settings.default, *settings.products.values())
    used = {
        each.calendar: settings.calendar_of(each)
        for each in terms
        if each.convention is not Convention.UNADJUSTED
    }
    calendars = {name: load_calendar(calendar) for name, calendar in sorted(used.items())}
    return [
        f"calendar {name!r} has no holidays for {today.year + 1}; {calendar.cure}"
        for name, calendar in calendars.items()
        if today.year + 1 not in calendar.known_years
    ]


@dataclass(frozen=True, eq=False)
class WorkingDays:
    """The days on which a lender works: one flag per day from 1990 to 2099."""

    working: Flags

    def resting(self, dates: Dates) -> Flags:
        """Whether each date is a day of rest; false for NaT and for a date outside these years."""
        at = np.where(np.isnat(dates), -1, (dates.astype("datetime64[D]") - FIRST_DAY).astype(np.int64))
        known = (at >= 0) & (at < len(self.working))
        flags: Flags = known & ~self.working[np.where(known, at, 0)]
        return flags

    def between(self, first: date, until: date) -> int:
        """How many working days there are from `first` to the day before `until`; 0 where there is no day."""
        return int(self.working[max(_position(first), 0) : max(_position(until), 0)].sum())


def working_days(settings: ScheduleSettings) -> WorkingDays:
    """The days that a calendar of any product calls business days; a year without holiday data has its weekends.

    A product that moves no due date may name anything as its calendar: what is no region counts as weekends.
    """
    flags = [
        load_calendar(calendar if _is_known(calendar.region) else CalendarSettings()).business
        for calendar in map(settings.calendar_of, (settings.default, *settings.products.values()))
    ]
    return WorkingDays(np.logical_or.reduce(flags))


def _is_known(region: str) -> bool:
    return region in {"CN", WEEKENDS} or region in holidays.list_supported_countries()


def _cure(region: str) -> str:
    library = "chinesecalendar" if region == "CN" else "holidays"
    return (
        f"upgrade the package {library}, or list the year's holidays in extra_holidays (make-up working days "
        "in extra_workdays) and the year in covered_years, or set beyond_coverage: weekends"
    )


def _weekdays() -> Flags:
    days = FIRST_DAY + np.arange(_position(date(LAST_YEAR, 12, 31)) + 1)
    flags: Flags = np.is_busday(days)
    return flags


def _apply_china(business: Flags) -> frozenset[int]:
    """The State Council's holidays and make-up working days, as far as published."""
    years = frozenset(day.year for day in china.holidays)
    first, last = date(min(years), 1, 1), date(max(years), 12, 31)
    for day in chinese_calendar.get_dates(first, last):
        business[_position(day)] = chinese_calendar.is_workday(day)
    return years


def _apply_country(business: Flags, region: str) -> frozenset[int]:
    if region == WEEKENDS:
        return frozenset(range(FIRST_YEAR, LAST_YEAR + 1))
    try:
        country = holidays.country_holidays(region, years=range(FIRST_YEAR, LAST_YEAR + 1))
    except NotImplementedError as error:
        raise CalendarError(
            f"no holiday library knows the region {region!r}; use CN, an ISO 3166 code such as US, HK, SG, "
            f"JP or DE, or {WEEKENDS!r} with the lender's own days"
        ) from error
    for position in range(len(business)):
        day = date(FIRST_YEAR, 1, 1) + timedelta(days=position)
        business[position] = country.is_working_day(day)
    return frozenset(range(max(FIRST_YEAR, country.start_year), min(LAST_YEAR, country.end_year) + 1))


def _position(day: date) -> int:
    return (day - date(FIRST_YEAR, 1, 1)).days


# Due dates from an anchor: the contract's due day in every month, never stepped from the date before.

MONTHS_PER_PERIOD = {Frequency.MONTHLY: 1, Frequency.QUARTERLY: 3}
DAYS_PER_PERIOD = {Frequency.WEEKLY: 7, Frequency.BIWEEKLY: 14}


def day_of_month(dates: Dates) -> Ints:
    """1 … 31; the dates must not be NaT."""
    day: Ints = (dates - dates.astype("datetime64[M]")).astype(np.int64) + 1
    return day


def in_month(months: Dates, day: Ints) -> Dates:
    """The day of month in each month, or the month's last day where it is shorter (Civil Code art. 202)."""
    first = months.astype("datetime64[D]")
    length = ((months + 1).astype("datetime64[D]") - first).astype(np.int64)
    dates: Dates = first + (np.minimum(day, length) - 1)
    return dates


def add_months(dates: Dates, months: Ints | int) -> Dates:
    """The month (unit M) that lies so many months after each date's own."""
    later: Dates = np.add(dates.astype("datetime64[M]"), months)
    return later


def anchor_day(first_due_on: Dates, due_day: Ints) -> Ints:
    """The day that later due dates keep: `due_day`, or the first due date's own where it is 0."""
    return np.where(due_day > 0, due_day, day_of_month(first_due_on))


def due_dates(first_due_on: Dates, due_day: Ints, rows: int, frequency: Frequency) -> Dates:
    """The first `rows` due dates of each loan, shape (rows, n), before any business-day shift.

    The first is `first_due_on` as given. Monthly and quarterly ones then fall on the anchor day of their
    month, clamped to its end (31 January, 28 February, 31 March); weekly and two-weekly ones step from the
    first.
    """
    steps = np.arange(rows)[:, None]
    if frequency in DAYS_PER_PERIOD:
        return first_due_on + steps * DAYS_PER_PERIOD[frequency]
    months = add_months(first_due_on, steps * MONTHS_PER_PERIOD[frequency])
    dates = in_month(months, anchor_day(first_due_on, due_day))
    dates[:1] = first_due_on
    return dates


def regular_start(first_due_on: Dates, due_day: Ints, frequency: Frequency) -> Dates:
    """One regular period before the first due date: where the first period would begin without a stub."""
    if frequency in DAYS_PER_PERIOD:
        return first_due_on - DAYS_PER_PERIOD[frequency]
    month = first_due_on.astype("datetime64[M]")
    anchor = anchor_day(first_due_on, due_day)
    kept = np.where(in_month(month, anchor) == first_due_on, anchor, day_of_month(first_due_on))
    return in_month(month - MONTHS_PER_PERIOD[frequency], kept)


def within_count(dates: Dates, count: Ints) -> Dates:
    """The same dates, NaT beyond each loan's number of installments."""
    return np.where(np.arange(len(dates))[:, None] < count, dates, NO_DATE)


# Public holidays and regions of a country, for people who are not told on them.


@lru_cache(maxsize=256)
def _country(country: str) -> holidays.HolidayBase | None:
    """The library's holidays of a country, which it works out year by year as it is asked."""
    if country not in holidays.list_supported_countries():
        return None
    return holidays.country_holidays(country)


def knows_holidays(country: str) -> bool:
    """Whether the public holidays of a country (ISO 3166) are known."""
    return _country(country) is not None


@lru_cache(maxsize=65_536)
def is_public_holiday(country: str, day: date) -> bool | None:
    """Whether a day is a public holiday in a country; None where nobody knows.

    In China the State Council's days, as far as published, then those of the kept library, which knows no days off
    that are moved. Holidays of a part of a country are none of the whole.
    """
    if country == "CN" and day.year in _china_years():
        return day in china.holidays
    known = _country(country)
    return None if known is None or not known.start_year <= day.year <= known.end_year else day in known


@lru_cache(maxsize=1)
def _china_years() -> frozenset[int]:
    return frozenset(day.year for day in china.holidays)


@lru_cache(maxsize=4_096)
def region_code(country: str, written: str) -> str:
    """A region of a country as ISO 3166-2 has it after the country, from `MA`, `US-MA` or `Massachusetts`; else ""."""
    known = _country(country)
    if known is None:
        return ""
    text = written.strip().casefold()
    text = text.removeprefix(f"{country.casefold()}-")
    aliases = known.get_subdivision_aliases()
    return next(
        (code for code in aliases if text in {code.casefold(), *map(str.casefold, aliases[code])}), ""
    )
