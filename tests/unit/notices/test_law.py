"""The law of each place at its boundaries, minute by minute, in the person's own zone, by weekday and by holiday."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carloan_notify.config.presets import PRESETS, load_presets, preset
from carloan_notify.loans.calendar import is_public_holiday, region_code
from carloan_notify.notices.decide import NOTICE_COLUMNS
from carloan_notify.notices.law import binding, bound_by, located
from carloan_notify.notices.law_settings import Day, HoursSettings, PresetHours
from carloan_notify.notices.policy import apply_policy
from carloan_notify.notices.release import Tonight
from carloan_notify.notices.settings import PolicySettings
from tests.unit.notices.tables import history, table

ALL_DAY = (HoursSettings(window="00:00-24:00"),)
ZONES = {
    "CN": "Asia/Shanghai",
    "US": "America/New_York",
    "IN": "Asia/Kolkata",
    "TH": "Asia/Bangkok",
    "ID": "Asia/Jakarta",
    "AU": "Australia/Sydney",
    "PH": "Asia/Manila",
}


def lender(*names: str, hours: Iterable[HoursSettings] = ALL_DAY, **more: object) -> PolicySettings:
    """A lender with these presets, whose own policy forbids nothing unless it says so."""
    values: dict[str, object] = {"caps": (), **more}
    policy = PolicySettings.model_validate({**values, "presets": names, "hours": tuple(hours)})
    return policy.with_law(load_presets(names))


def notice(country: str, **more: object) -> pd.DataFrame:
    """A collection text to a borrower there."""
    base = {
        "idempotency_key": "K", "loan_id": "L", "notice": "overdue_3", "channel": "sms", "role": "borrower",
        "message_class": "collection", "language": "en", "phone": "+8613800000000", "phone_hash": "H",
        "country": country, "timezone": ZONES.get(country, "UTC"), "days_past_due": 3, "catch_up_days": 0,
    }  # fmt: skip
    columns = {**NOTICE_COLUMNS, "phone_hash": "str"}
    blank = {"str": "", "int64": 0, "bool": False}
    row = {name: blank.get(kind, pd.NaT) for name, kind in columns.items()} | base | more
    return pd.DataFrame([row]).astype(columns)


def judged(rows: pd.DataFrame, policy: PolicySettings, local: str, zone: str) -> "pd.Series[Any]":
    now = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone))
    tonight = Tonight(now.astimezone(UTC), now.date())
    return apply_policy(rows, policy, history(), tonight).iloc[0]


BOUNDARIES = """
preset   | country | channel | days_past_due | local time       | may it leave at once
cn       | CN      | sms     | 3             | 2026-11-23T07:59 | no
cn       | CN      | sms     | 3             | 2026-11-23T08:00 | yes
cn       | CN      | voice   | 3             | 2026-11-23T21:59 | yes
cn       | CN      | sms     | 3             | 2026-11-23T22:00 | never today
us-reg-f | US      | sms     | 3             | 2026-11-23T07:59 | no
us-reg-f | US      | voice   | 3             | 2026-11-23T08:00 | yes
us-reg-f | US      | sms     | 3             | 2026-11-23T20:59 | yes
us-reg-f | US      | sms     | 3             | 2026-11-23T21:00 | never today
us-reg-f | US      | sms     | 3             | 2026-03-08T07:59 | no
us-reg-f | US      | sms     | 3             | 2026-03-08T08:00 | yes
us-reg-f | US      | sms     | 3             | 2026-11-01T20:59 | yes
us-reg-f | US      | sms     | 3             | 2026-11-01T21:00 | never today
in       | IN      | sms     | 3             | 2026-11-23T07:59 | no
in       | IN      | voice   | 3             | 2026-11-23T18:59 | yes
in       | IN      | sms     | 3             | 2026-11-23T19:00 | never today
th       | TH      | sms     | 3             | 2026-11-27T19:59 | yes
th       | TH      | sms     | 3             | 2026-11-27T20:00 | never today
th       | TH      | sms     | 3             | 2026-11-28T17:59 | yes
th       | TH      | sms     | 3             | 2026-11-28T18:00 | never today
th       | TH      | sms     | 3             | 2026-12-10T17:59 | yes
th       | TH      | sms     | 3             | 2026-12-10T18:00 | never today
id       | ID      | sms     | 3             | 2026-11-28T19:59 | yes
id       | ID      | sms     | 3             | 2026-11-28T20:00 | never today
id       | ID      | sms     | 3             | 2026-11-29T12:00 | never today
id       | ID      | sms     | 3             | 2026-12-25T12:00 | never today
au       | AU      | sms     | 3             | 2026-11-27T07:29 | no
au       | AU      | sms     | 3             | 2026-11-27T07:30 | yes
au       | AU      | voice   | 3             | 2026-11-27T20:59 | yes
au       | AU      | sms     | 3             | 2026-11-27T21:00 | never today
au       | AU      | sms     | 3             | 2026-11-28T08:59 | no
au       | AU      | sms     | 3             | 2026-11-28T09:00 | yes
au       | AU      | sms     | 3             | 2026-12-25T12:00 | never today
au       | AU      | sms     | 3             | 2026-10-04T09:00 | yes
au       | AU      | sms     | 3             | 2026-10-04T08:59 | no
ph       | PH      | sms     | 15            | 2026-11-23T05:59 | no
ph       | PH      | sms     | 15            | 2026-11-23T06:00 | yes
ph       | PH      | sms     | 15            | 2026-11-23T21:59 | yes
ph       | PH      | sms     | 15            | 2026-11-23T22:00 | never today
ph       | PH      | sms     | 16            | 2026-11-23T22:00 | yes
ph       | PH      | sms     | 16            | 2026-11-23T03:00 | yes
"""


def lines(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()[1:]]


@pytest.mark.parametrize("line", lines(BOUNDARIES), ids=" ".join)
def test_boundaries_of_each_preset(line: list[str]) -> None:
    name, country, channel, days, local, expected = line
    row = judged(
        notice(country, channel=channel, days_past_due=int(days)), lender(name), local, ZONES[country]
    )
    at = pd.Timestamp(datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(ZONES[country])))
    if expected == "never today":
        assert row["reason"] in {"too_late", "no_contact_date"}
    else:
        assert row["reason"] == ""
        assert (row["not_before"] == at) == (expected == "yes")
        assert row["not_before"] < row["expires_at"]


@pytest.mark.parametrize("name", ["cn", "ph"])
def test_who_agreed_to_other_hours_is_bound_by_the_lenders_own(name: str) -> None:
    country, asks = name.upper(), f"2026-11-23T{'22:30'}"
    agreed = notice(country, consent="service, hours")
    assert judged(agreed, lender(name), asks, ZONES[country])["reason"] == ""
    assert (
        judged(notice(country, consent="service"), lender(name), asks, ZONES[country])["reason"] == "too_late"
    )
    assert (
        judged(agreed, lender(name, hours=[HoursSettings(window="08:00-21:00")]), asks, ZONES[country])[
            "reason"
        ]
        == "too_late"
    )


@pytest.mark.parametrize("message_class", ["service", "marketing"])
def test_presets_speak_of_collection_and_leave_other_messages_to_the_lender(message_class: str) -> None:
    row = judged(
        notice("ID", message_class=message_class, consent="marketing"),
        lender("id"),
        "2026-12-25T22:00",
        ZONES["ID"],
    )
    assert row["reason"] == ""


WHERE = """
country | region        | phone          | presets that bind
US      | MA            | +8613800000000 | us-reg-f,us-ma,us-tcpa
US      | US-MA         | +12025550100   | us-reg-f,us-ma,us-tcpa
US      | Massachusetts | +12025550100   | us-reg-f,us-ma,us-tcpa
US      | TX            | +12025550100   | us-reg-f,us-tcpa
US      |               | +12025550100   | us-reg-f,us-ma,us-tcpa
US      | Mass.         | +12025550100   | us-reg-f,us-ma,us-tcpa
        |               | +12025550100   | us-reg-f,us-ma,us-tcpa
        | TX            | +12025550100   | us-reg-f,us-tcpa
CN      | MA            | +12025550100   | cn
        |               | +8613800000000 | cn
FR      |               | +33612345678   |
        |               |                | cn,us-reg-f,us-ma,us-tcpa
"""


@pytest.mark.parametrize("line", lines(WHERE), ids="|".join)
def test_where_a_person_is_says_what_binds(line: list[str]) -> None:
    country, region, phone, expected = line
    rows = notice(country, region=region, phone=phone)
    policy = lender("cn", "us-reg-f", "us-ma", "us-tcpa")
    assert bound_by(rows, policy).tolist() == [expected]
    where = located(rows).iloc[0]
    assert ",".join(one.name for one in binding(policy, where["country"], where["region"])) == expected


def test_where_nobody_knows_the_country_the_holidays_of_every_preset_count() -> None:
    nowhere = notice("", phone="", timezone="Australia/Sydney", role="borrower")
    rows = nowhere.assign(phone="+881612345678")  # a satellite phone is in no country
    assert judged(rows, lender("au"), "2026-12-25T12:00", "Australia/Sydney")["reason"] == "no_contact_date"
    assert judged(rows, lender("au"), "2026-12-24T12:00", "Australia/Sydney")["reason"] == ""


def test_the_stricter_of_policy_and_preset_binds_whichever_it_is() -> None:
    looser = lender("in", hours=[HoursSettings(window="06:00-23:00")])
    tighter = lender("in", hours=[HoursSettings(window="10:00-12:00")])
    crossing = lender("in", hours=[HoursSettings(window="18:00-21:00")])
    spans = []
    for policy in (looser, tighter, crossing):
        row = judged(notice("IN"), policy, "2026-11-23T02:00", ZONES["IN"])
        spans.append(
            [row[name].tz_convert(ZONES["IN"]).strftime("%H:%M") for name in ("not_before", "expires_at")]
        )
    assert spans == [["08:00", "19:00"], ["10:00", "12:00"], ["18:00", "19:00"]]


def test_a_policy_or_a_rule_that_shares_no_time_with_the_law_holds() -> None:
    late = lender("in", hours=[HoursSettings(window="20:00-21:00")])
    held = judged(notice("IN"), late, "2026-11-23T02:00", ZONES["IN"])
    assert (held["decision"], held["reason"]) == ("held", "hours_outside")
    assert judged(notice("IN", window="19:00-20:00"), lender("in"), "2026-11-23T02:00", ZONES["IN"])[
        "reason"
    ] == ("hours_outside")


def test_a_lenders_own_days_and_holidays() -> None:
    own = [
        HoursSettings(window="08:00-21:00"),
        HoursSettings(days=(Day.SUN,), window="none"),
        HoursSettings(days=(Day.HOLIDAY,), window="10:00-12:00"),
    ]
    policy = lender(hours=own)
    assert judged(notice("CN"), policy, "2026-11-29T12:00", ZONES["CN"])["reason"] == "no_contact_date"
    new_year = judged(notice("CN"), policy, "2026-01-01T08:00", ZONES["CN"])
    assert new_year["not_before"] == pd.Timestamp("2026-01-01 10:00", tz=ZONES["CN"])
    assert judged(notice("CN"), policy, "2026-01-01T12:00", ZONES["CN"])["reason"] == "too_late"
    waits = judged(notice("CN", catch_up_days=2), policy, "2026-11-28T21:00", ZONES["CN"])
    assert waits["not_before"] == pd.Timestamp("2026-11-30 08:00", tz=ZONES["CN"])


def test_holidays_that_nobody_knows_hold() -> None:
    own = [HoursSettings(window="08:00-21:00"), HoursSettings(days=(Day.HOLIDAY,), window="none")]
    held = judged(notice("AC"), lender(hours=own), "2026-11-23T12:00", "UTC")
    assert (held["decision"], held["reason"]) == ("held", "holidays_unknown")
    named = [own[0], HoursSettings(days=(Day.HOLIDAY,), calendar="CN", window="none")]
    assert judged(notice("AC"), lender(hours=named), "2026-11-23T12:00", "UTC")["reason"] == ""
    assert judged(notice("AC"), lender(hours=named), "2026-10-01T12:00", "UTC")["reason"] == "no_contact_date"


@pytest.mark.parametrize(
    ("country", "written", "code"),
    [
        ("US", "ma", "MA"),
        ("US", " us-tx ", "TX"),
        ("US", "new york", "NY"),
        ("US", "Mass.", ""),
        ("CN", "MA", ""),
        ("", "MA", ""),
    ],
)
def test_regions_are_known_by_code_or_name(country: str, written: str, code: str) -> None:
    assert region_code(country, written) == code


def test_presets_that_were_named_and_not_brought_let_nothing_go() -> None:
    with pytest.raises(RuntimeError, match="not brought"):
        judged(notice("CN"), PolicySettings(presets=("cn",)), "2026-11-23T12:00", ZONES["CN"])


# A slow plain twin: the clock read minute by minute.


def plain_may(entries: Iterable[HoursSettings], country: str, local: datetime, days_past_due: int) -> bool:
    """Whether entries of one origin let a message arrive at this local minute."""
    mine = [
        entry
        for entry in entries
        if entry.message_class in {None, "collection"}
        and not (
            isinstance(entry, PresetHours)
            and entry.until_days_past_due is not None
            and days_past_due > entry.until_days_past_due
        )
    ]
    if not mine:
        return True
    name = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[local.weekday()]
    usual = [entry for entry in mine if not entry.days or name in entry.days]
    also = [entry for entry in mine if "holiday" in entry.days and is_public_holiday(country, local.date())]
    clock = f"{local:%H:%M}"
    return bool(usual) and all(
        entry.window != "none" and entry.window[:5] <= clock < entry.window[6:] for entry in (*usual, *also)
    )


named = st.sampled_from(PRESETS)
own_hours = st.lists(
    st.builds(
        HoursSettings,
        days=st.lists(st.sampled_from(Day), max_size=3, unique=True).map(tuple),
        window=st.sampled_from(["none", "07:00-10:00", "09:30-20:30", "18:00-24:00"]),
    ),
    max_size=2,
)


@settings(max_examples=25, deadline=None)
@given(
    named,
    own_hours,
    st.dates(date(2026, 1, 1), date(2026, 12, 31)),
    st.integers(0, 24 * 60 - 1),
    st.sampled_from([1, 15, 16]),
    st.integers(0, 3),
)
def test_a_message_leaves_only_at_minutes_that_the_clock_allows(
    name: str, own: list[HoursSettings], day: date, minute: int, days: int, catch_up: int
) -> None:
    one = preset(name)
    country = one.countries[0]
    zone = ZoneInfo(ZONES[country])
    hours = [HoursSettings(window="06:30-23:00"), *own]
    if not PolicySettings.model_construct(hours=tuple(hours)).open_windows("sms", "collection"):
        return
    now = datetime.combine(day, datetime.min.time(), zone) + timedelta(minutes=minute)
    tonight = Tonight(now.astimezone(UTC), day)
    rows = notice(country, days_past_due=days, catch_up_days=catch_up)
    row = apply_policy(rows, lender(name, hours=hours), history(), tonight).iloc[0]
    end = datetime.combine(day + timedelta(days=catch_up + 1), datetime.min.time(), zone).astimezone(UTC)
    allowed = [
        at
        for step in range(0, int((end - tonight.now).total_seconds() // 60), 5)
        if all(
            plain_may(group, country, (at := tonight.now + timedelta(minutes=step)).astimezone(zone), days)
            for group in (hours, one.hours)
        )
    ]
    if row["reason"]:
        assert not allowed
        return
    span = [at for at in allowed if row["not_before"] <= at < row["expires_at"]]
    assert span
    assert all(later - earlier == timedelta(minutes=5) for earlier, later in pairwise(span))
    assert min(allowed) == span[0]  # nothing earlier is left out
    closing = row["expires_at"].to_pydatetime().astimezone(zone)
    assert (
        not all(plain_may(group, country, closing, days) for group in (hours, one.hours)) or closing.hour == 0
    )


def test_the_frame_of_a_table_test_is_complete() -> None:
    assert set(table("loan_id\nL", NOTICE_COLUMNS)) == set(notice("CN")) - {"phone_hash"}
