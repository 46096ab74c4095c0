from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from carloan_notify.finding_codes import CellProblem
from carloan_notify.sources.values import parse_date

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-05",
        "2026-1-5",
        "2026/1/5",
        "2026/01/05",
        "2026.1.5",
        "20260105",
        "2026年1月5日",
        "2026年01月05日",
        "２０２６/１/５",
        "2026-01-05 00:00:00",
        "2026-01-05T23:59:59.999",
        "2026/1/5 8:30",
        "'2026-01-05",
        "2026-01-05 01:00+08:00",
        "2026-01-04T16:00:00Z",
        "2026-01-05 00:00:00.000000000",
    ],
)
def test_one_day_in_many_spellings(text: str) -> None:
    assert parse_date(text, zone=SHANGHAI) == date(2026, 1, 5)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("2026-02-31", CellProblem.IMPOSSIBLE_DATE),
        ("2026-13-01", CellProblem.IMPOSSIBLE_DATE),
        ("2026-02-29 10:00", CellProblem.IMPOSSIBLE_DATE),
        ("2026-01-05 25:00", CellProblem.IMPOSSIBLE_DATE),
        ("46027", CellProblem.EXCEL_SERIAL_DATE),
        ("46027.5", CellProblem.EXCEL_SERIAL_DATE),
        ("05/01/2026", CellProblem.BAD_DATE),
        ("2026-01/05", CellProblem.BAD_DATE),
        ("26-01-05", CellProblem.BAD_DATE),
        ("tomorrow", CellProblem.BAD_DATE),
        ("1900-01-01", CellProblem.DATE_OUT_OF_RANGE),
        ("9999-12-31", CellProblem.DATE_OUT_OF_RANGE),
        ("9999-12-31T23:00:00-12:00", CellProblem.IMPOSSIBLE_DATE),
    ],
)
def test_what_is_no_date(text: str, problem: CellProblem) -> None:
    assert parse_date(text, zone=SHANGHAI) is problem


def test_a_format_of_the_lender() -> None:
    assert parse_date("05/01/2026", zone=SHANGHAI, date_format="%d/%m/%Y") == date(2026, 1, 5)
    assert parse_date("2026-01-05", zone=SHANGHAI, date_format="%d/%m/%Y") is CellProblem.BAD_DATE
    late = parse_date("04/01/2026 20:00 +0000", zone=SHANGHAI, date_format="%d/%m/%Y %H:%M %z")
    assert late == date(2026, 1, 5)


@pytest.mark.parametrize(
    ("text", "date_format"),
    [
        ("2026-11-24T00:00:00Z", ""),
        ("2026-11-24 00:00:00+00:00", ""),
        ("2026-11-24T00:00:00.000+0000", ""),
        ("2026-11-24 00:00-00:00", ""),
        ("24/11/2026 00:00 +0000", "%d/%m/%Y %H:%M %z"),
    ],
)
@pytest.mark.parametrize("zone", ["America/Chicago", "Asia/Shanghai", "UTC"])
def test_midnight_utc_is_a_date_and_not_the_evening_before(text: str, date_format: str, zone: str) -> None:
    assert parse_date(text, zone=ZoneInfo(zone), date_format=date_format) == date(2026, 11, 24)


@given(
    st.datetimes(datetime(1971, 1, 1), datetime(2198, 12, 30)),  # noqa: DTZ001 - the zone is drawn apart
    st.integers(-12, 14),
)
def test_a_moment_is_dated_where_the_lender_is(moment: datetime, offset: int) -> None:
    aware = moment.replace(microsecond=0, tzinfo=timezone(timedelta(hours=offset)))
    assume(offset or aware.time() != time(0))  # midnight UTC: see above
    expected = (aware.astimezone(UTC)).astimezone(SHANGHAI).date()
    assert parse_date(aware.isoformat(), zone=SHANGHAI) == expected
