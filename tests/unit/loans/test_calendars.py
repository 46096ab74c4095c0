"""Business days of countries and lenders, against known dates, a plain walk and QuantLib."""

from datetime import date, timedelta

import numpy as np
import pytest
import QuantLib as ql  # noqa: N813 - its documentation's own abbreviation
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import ValidationError

from carloan_notify.errors import CalendarError
from carloan_notify.loans.arrays import Dates
from carloan_notify.loans.calendar import load_calendar, missing_next_year, working_days
from carloan_notify.loans.settings import CalendarSettings, Convention, ProductTerms, ScheduleSettings
from tests.unit.loans.plain_schedule import plain_shift

CHINA = load_calendar(CalendarSettings(region="CN"))
QUANTLIB = {
    Convention.FOLLOWING: ql.Following,
    Convention.MODIFIED_FOLLOWING: ql.ModifiedFollowing,
    Convention.PRECEDING: ql.Preceding,
}


def days(*texts: str) -> Dates:
    return np.array(texts, dtype="datetime64[D]")


def test_china_rests_on_holidays_and_works_on_make_up_days() -> None:
    # State Council notice for 2026: National Day 1 to 7 October, work on Saturday 10 October.
    flags = CHINA.is_business_day(days("2026-10-01", "2026-10-07", "2026-10-08", "2026-10-10", "2026-10-11"))
    assert flags.tolist() == [False, False, True, True, False]


@pytest.mark.parametrize(
    ("region", "holiday"),
    [
        ("US", "2026-11-26"),
        ("HK", "2026-07-01"),
        ("SG", "2026-08-10"),
        ("JP", "2026-01-01"),
        ("DE", "2026-10-03"),
        ("DE", "2026-12-25"),
    ],
)
def test_other_countries_have_their_holidays(region: str, holiday: str) -> None:
    known = load_calendar(CalendarSettings(region=region))
    assert not known.is_business_day(days(holiday)).any()
    assert known.is_business_day(days("2026-03-17")).all()


def test_the_lenders_own_days_win() -> None:
    own = load_calendar(
        CalendarSettings(
            region="CN",
            extra_holidays=(date(2026, 10, 8), date(2026, 10, 12), date(2026, 10, 13)),
            extra_workdays=(date(2026, 10, 11),),
        )
    )
    moved = own.adjust(days("2026-10-08", "2026-10-11", "2026-10-12", "NaT"), Convention.FOLLOWING)
    assert moved.astype(str).tolist() == ["2026-10-09", "2026-10-11", "2026-10-14", "NaT"]


def test_a_year_without_holidays_is_an_error_that_names_year_and_cure() -> None:
    with pytest.raises(
        CalendarError, match=r"no holidays for 2003, 2051; upgrade the package chinesecalendar"
    ):
        CHINA.adjust(days("2003-02-01", "2051-02-01"), Convention.FOLLOWING)
    last = max(CHINA.known_years)
    closed = load_calendar(CalendarSettings(region="CN", extra_holidays=(date(last, 12, 31),)))
    with pytest.raises(CalendarError, match=str(last + 1)):
        closed.adjust(days(f"{last}-12-31"), Convention.FOLLOWING)


def test_the_lender_can_cover_a_year_itself_or_accept_weekends() -> None:
    covered = load_calendar(
        CalendarSettings(region="CN", covered_years=(2050,), extra_holidays=(date(2050, 10, 3),))
    )
    assert covered.adjust(days("2050-10-03"), Convention.FOLLOWING).astype(str).tolist() == ["2050-10-04"]
    lenient = load_calendar(CalendarSettings(region="CN", beyond_coverage="weekends"))
    assert lenient.adjust(days("2050-10-01"), Convention.FOLLOWING).astype(str).tolist() == ["2050-10-03"]


def test_an_unknown_region_is_an_error_that_names_the_choices() -> None:
    with pytest.raises(CalendarError, match=r"'XX'.*US, HK, SG"):
        load_calendar(CalendarSettings(region="XX"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"extra_holidays": ["2026-05-01"], "extra_workdays": ["2026-05-01"]},
        {"extra_holidays": ["1980-05-01"]},
    ],
)
def test_settings_that_contradict_themselves_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CalendarSettings.model_validate(wrong)


@hypothesis_settings(max_examples=1000, deadline=None)
@given(
    day=st.dates(date(2005, 1, 1), date(2026, 11, 30)),
    convention=st.sampled_from(Convention),
)
def test_shifts_equal_the_plain_walk(day: date, convention: Convention) -> None:
    def is_business_day(candidate: date) -> bool:
        return bool(CHINA.is_business_day(days(candidate.isoformat()))[0])

    moved = CHINA.adjust(days(day.isoformat()), convention)[0]
    assert moved.astype(object) == plain_shift(day, convention, is_business_day)


def test_conventions_agree_with_quantlib_on_weekends() -> None:
    ours = load_calendar(CalendarSettings(region="weekends"))
    theirs = ql.WeekendsOnly()
    start = date(2000, 1, 1)
    dates = [start + timedelta(days=step) for step in range(2000)]
    for convention, name in QUANTLIB.items():
        expected = [theirs.adjust(ql.Date(day.day, day.month, day.year), name).ISO() for day in dates]
        assert (
            ours.adjust(np.array(dates, dtype="datetime64[D]"), convention).astype(str).tolist() == expected
        )


def test_china_agrees_with_quantlibs_interbank_calendar_where_both_know_the_year() -> None:
    # QuantLib's interbank calendar opens on make-up weekends; years it does not know (from 2026 on) have
    # weekends only, and in 2012 to 2019 a few make-up days of banks differ from those of the State Council.
    theirs = ql.China(ql.China.IB)
    differ = []
    for year in range(2020, 2026):
        for step in range(365):
            day = date(year, 1, 1) + timedelta(days=step)
            ours = bool(CHINA.is_business_day(days(day.isoformat()))[0])
            if ours != theirs.isBusinessDay(ql.Date(day.day, day.month, day.year)):
                differ.append(day)
    assert differ == []


def scheduled(calendar: str, convention: Convention) -> ScheduleSettings:
    return ScheduleSettings(products={"new": ProductTerms(calendar=calendar, convention=convention)})


@given(st.integers(2026, 2090), st.integers(1, 12), st.sampled_from(Convention))
def test_next_years_holidays_are_asked_for_from_november_on_where_a_product_needs_them(
    year: int, month: int, convention: Convention
) -> None:
    told = missing_next_year(scheduled("CN", convention), date(year, month, 1))
    missing = year + 1 not in load_calendar(CalendarSettings(region="CN")).known_years
    assert bool(told) is (month >= 11 and missing and convention is not Convention.UNADJUSTED)
    assert all(
        f"'CN' has no holidays for {year + 1}; upgrade the package chinesecalendar" in text for text in told
    )


def test_a_lender_that_lists_next_year_itself_is_asked_for_nothing() -> None:
    schedule = ScheduleSettings(
        products={"new": ProductTerms(calendar="CN", convention=Convention.FOLLOWING)},
        calendars={"CN": CalendarSettings(region="CN", covered_years=(2099,))},
    )
    assert missing_next_year(schedule, date(2098, 12, 31)) == []
    assert len(missing_next_year(schedule, date(2097, 12, 31))) == 1


def test_a_day_rests_when_no_products_calendar_works_on_it() -> None:
    china = ProductTerms(calendar="CN")
    plain, chinese, both = (
        working_days(ScheduleSettings(default=default, products=products))
        for default, products in ((ProductTerms(), {}), (china, {}), (china, {"other": ProductTerms()}))
    )
    holiday, make_up, sunday = days("2026-10-01"), days("2026-10-10"), days("2026-10-11")
    assert [bool(one.resting(holiday)[0]) for one in (plain, chinese, both)] == [False, True, False]
    assert [bool(one.resting(make_up)[0]) for one in (plain, chinese, both)] == [True, False, False]
    assert [bool(one.resting(sunday)[0]) for one in (plain, chinese, both)] == [True, True, True]
    assert chinese.between(date(2026, 10, 1), date(2026, 10, 8)) == 0
    assert chinese.between(date(2026, 9, 30), date(2026, 10, 9)) == 2
    assert chinese.between(date(2026, 10, 9), date(2026, 10, 9)) == 0


def test_an_unused_calendar_of_any_name_and_dates_out_of_all_years_do_no_harm() -> None:
    named = working_days(ScheduleSettings(default=ProductTerms(calendar="none of ours")))
    assert named.resting(days("2026-11-22", "2026-11-23", "NaT", "1970-01-04", "2150-01-03")).tolist() == [
        True,
        False,
        False,
        False,
        False,
    ]
    assert named.between(date(1980, 1, 1), date(2150, 1, 1)) == named.working.sum()
