"""Business days: a country's holidays from a kept library, the lender's own days on top, and shifts."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

import chinese_calendar
import holidays
import numpy as np
from chinese_calendar import constants as china

from carloan_notify.errors import CalendarError
from carloan_notify.loans.grid import Dates, Flags, Ints
from carloan_notify.loans.settings import FIRST_YEAR, LAST_YEAR, CalendarSettings, Convention

FIRST_DAY = np.datetime64(f"{FIRST_YEAR}-01-01", "D")
WEEKENDS = "weekends"


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
    for closed in (*_days(settings.closures), *settings.extra_holidays):
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


def _days(closures: tuple[tuple[date, date], ...]) -> Iterator[date]:
    for first, last in closures:
        for step in range((last - first).days + 1):
            yield first + timedelta(days=step)


def _position(day: date) -> int:
    return (day - date(FIRST_YEAR, 1, 1)).days
