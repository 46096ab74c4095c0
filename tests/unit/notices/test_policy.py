"""May we, when, and why not."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from carloan_notify import frames
from carloan_notify.codes import Reason
from carloan_notify.hold_codes import NumberStatus
from carloan_notify.notices.decide import NOTICE_COLUMNS
from carloan_notify.notices.events import DecideInputs
from carloan_notify.notices.holds import HOLDS
from carloan_notify.notices.law_settings import CapSettings, CapSubject, Counted, HoursSettings
from carloan_notify.notices.limits import RECENT
from carloan_notify.notices.numbers import NUMBERS
from carloan_notify.notices.policy import DECISION_COLUMNS, DECISION_OF, SUPPRESSIONS, apply_policy
from carloan_notify.notices.release import Tonight
from carloan_notify.notices.settings import PolicySettings
from carloan_notify.records import Channel, MessageClass
from tests.unit.notices.plain_policy import plain_policy
from tests.unit.notices.tables import (
    AS_OF,
    NOON,
    decided,
    history,
    judged,
    late,
    lines,
    no_dues,
    one_loan,
    table,
)

COLUMNS = {**NOTICE_COLUMNS, "phone_hash": frames.TEXT}


def notices_table(text: str) -> pd.DataFrame:
    """Collection SMS to the borrower in Chinese, due five days ago, unless the table says otherwise."""
    frame = table(
        text,
        COLUMNS,
        notice="overdue_3",
        channel="sms",
        role="borrower",
        message_class="collection",
        language="zh-CN",
        timezone="Asia/Shanghai",
        phone="+12025550100",
        phone_hash="H0",
        customer_id="C0",
        amount_minor=100,
        due_on=pd.Timestamp("2026-11-18"),
    )
    keys = pd.Series([f"K{number}" for number in range(len(frame))], dtype="str")
    return frame.assign(idempotency_key=keys)


ONE = notices_table("loan_id\nL1")


def test_what_may_be_told_is_queued_within_the_hours_of_one_day() -> None:
    decision = judged(ONE)
    assert decision.dtypes.astype(str).to_dict() == dict(DECISION_COLUMNS)
    row = decision.iloc[0]
    assert row[["decision", "reason", "merged_into", "loan_count"]].tolist() == ["queued", "", "", 1]
    assert row["not_before"] == pd.Timestamp(NOON)
    assert row["expires_at"] == pd.Timestamp("2026-11-23 21:00", tz="Asia/Shanghai")


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("do_not_contact", True, "do_not_contact"),
        ("opt_out", "service, collection", "opted_out"),
        ("holds", "dispute", "in_dispute"),
        ("holds", "~bankruptcy", "bankruptcy"),
        ("holds", "~lawyer", ""),
        ("holds", "pause:2026-11-23", "paused"),
        ("holds", "pause:2026-11-22", ""),
        ("holds", "deceased:2026-11-22", "deceased"),
        ("holds", "promise:2026-11-30,hardship", "hardship"),
        ("message_class", "marketing", "no_consent"),
        ("phone", "", "no_phone"),
        ("phone", "+3225484211", "landline"),
        ("phone", "+861088888888", "landline"),
        ("phone", "+32470123456", ""),
        ("channels", "voice", "channel_refused"),
        ("language", "fr", "language_unknown"),
        ("timezone", "", "timezone_unknown"),
        ("timezone", "Mars/Olympus", "timezone_unknown"),
        ("preferred_hours", "after work", "preferred_hours_unreadable"),
        ("preferred_hours", "22:00-23:00", "preferred_hours_outside"),
        ("opt_out", "marketing", ""),
        ("channels", "voice, sms", ""),
        ("preferred_hours", "18:00-20:00", ""),
    ],
)
def test_every_no_has_a_reason(field: str, value: object, reason: str) -> None:
    row = judged(ONE.assign(**{field: pd.Series([value])})).iloc[0]
    assert row["reason"] == reason
    assert row["decision"] == (DECISION_OF[Reason(reason)] if reason else "queued")
    assert pd.isna(row["not_before"]) == bool(reason)


def test_a_landline_is_told_by_voice() -> None:
    row = judged(ONE.assign(phone="+3225484211", channel="voice")).iloc[0]
    assert (row["decision"], row["reason"]) == ("queued", "")


@pytest.mark.parametrize("channel", ["sms", "voice"])
@pytest.mark.parametrize(
    ("phone", "countries", "reason"),
    [
        ("+32470123456", {"CN", "HK"}, "country_refused"),
        ("+32470123456", {"BE"}, ""),
        ("+32470123456", set(), ""),
        ("+12025550100", {"CA"}, "country_refused"),
        ("+12025550100", {"US"}, ""),
        ("+8610055501234", {"CN"}, ""),
        ("+447700900123", {"GB"}, ""),
    ],
)
def test_only_numbers_of_the_named_countries(
    phone: str, countries: set[str], reason: str, channel: str
) -> None:
    policy = PolicySettings(countries=frozenset(countries))
    assert judged(ONE.assign(phone=phone, channel=channel), policy)["reason"].tolist() == [reason]


def test_a_country_that_is_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="no country: UK, cn"):
        PolicySettings(countries=frozenset({"UK", "cn", "CN"}))


def test_reasons_are_sentences_in_both_languages() -> None:
    for reason in Reason:
        assert reason.sentence("en").endswith(".")
        assert reason.sentence("zh-CN").endswith("。")


def test_a_dispute_holds_collection_only_and_consent_opens_marketing() -> None:
    assert judged(ONE.assign(holds="dispute", message_class="service"))["reason"].tolist() == [""]
    assert judged(ONE.assign(message_class="marketing", consent="marketing"))["reason"].tolist() == [""]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("H0 |    |            | reply R      ", "opted_out"),
        ("   | C0 | collection | operator     ", "opted_out"),
        ("H0 |    | marketing  | reply R      ", ""),
        ("H9 | C9 |            | reply R      ", ""),
        ("H9 | C0 |            | reply R      ", "opted_out"),
    ],
)
def test_suppressions(entry: str, reason: str) -> None:
    suppressions = table(f"phone_hash | customer_id | message_class | reason\n{entry}", SUPPRESSIONS)
    assert judged(ONE, known=history(suppressions=suppressions))["reason"].tolist() == [reason]


def test_the_language_is_one_that_has_templates() -> None:
    spoken = ["zh-CN", "zh", "EN-us", "en_GB", "fr", ""]
    rows = notices_table(
        "loan_id | customer_id\n" + "\n".join(f"L{number} | C{number}" for number in range(6))
    )
    rows = rows.assign(language=pd.Series(spoken, dtype="str"))
    policy = PolicySettings(default_language="zh-CN", caps=())
    assert judged(rows, policy)["language"].tolist() == ["zh-CN", "zh-CN", "en", "en", "zh-CN", "zh-CN"]
    strict = judged(rows, PolicySettings(caps=()))
    assert strict["reason"].tolist() == ["", "", "", "", "language_unknown", "language_unknown"]


def test_a_later_stage_replaces_the_earlier_ones_on_every_channel() -> None:
    inputs = DecideInputs(one_loan(), no_dues(), late(3))
    decisions = judged(decided(inputs))
    assert decisions[["notice", "channel", "reason"]].to_numpy().tolist() == [
        ["overdue_1", "voice", "superseded"],
        ["overdue_1", "sms", "superseded"],
        ["overdue_3", "sms", ""],
    ]
    sent = set(decided(inputs)["idempotency_key"])
    assert set(judged(decided(inputs), known=history(sent=sent))["decision"]) == {"already_sent"}


def test_a_stage_that_cannot_be_told_itself_replaces_nothing() -> None:
    rows = notices_table("""
        loan_id | customer_id | notice    | channel | supersedes | channels
        L1      | C1          | overdue_3 | voice   | overdue_1  | sms
        L1      | C1          | overdue_1 | sms     |            | sms
        L2      | C2          | overdue_1 | sms     |            |
    """)
    assert judged(rows)["reason"].tolist() == ["channel_refused", "", ""]


def test_loans_of_one_borrower_that_fall_due_together_are_one_message() -> None:
    rows = notices_table("""
        loan_id | customer_id | due_on     | event_id
        L2      | C0          | 2026-11-18 |
        L1      | C0          | 2026-11-18 |
        L3      | C0          | 2026-11-17 |
        L4      | C1          | 2026-11-18 |
        L5      |             | 2026-11-18 |
        L6      |             | 2026-11-18 |
        L7      | C0          |            | P1
        L8      | C0          |            | P2
    """)
    decisions = judged(rows, PolicySettings(caps=()))
    assert decisions["merged_into"].tolist() == ["K1", "", "", "", "", "", "", ""]
    assert decisions["reason"].tolist() == ["merged", "", "", "", "", "", "", ""]
    assert decisions["loan_count"].tolist() == [1, 2, 1, 1, 1, 1, 1, 1]
    assert decisions["amount_minor"].tolist() == [100, 200, *[100] * 6]
    apart = judged(rows, PolicySettings(caps=(), merge=False))
    assert apart["reason"].eq("").all()


def test_caps_count_what_was_sent_and_what_is_sent_tonight() -> None:
    rows = notices_table("""
        loan_id | channel | days_past_due | due_on
        L1      | voice   | 3             | 2026-11-20
        L2      | voice   | 9             | 2026-11-14
        L3      | voice   | 5             | 2026-11-18
    """).assign(days_past_due=[3, 9, 5])
    recent = table(
        """
        phone_hash | customer_id | message_class | channel | sent_on
        H0         | C0          | collection    | voice   | 2026-11-23
        H0         | C0          | collection    | voice   | 2026-11-22
        H0         | C0          | collection    | sms     | 2026-11-23
        """,
        RECENT,
    )
    decisions = judged(rows, known=history(recent=recent))
    assert decisions["reason"].tolist() == ["over_cap", "", ""]
    assert decisions["decision"].tolist() == ["held", "queued", "queued"]
    weekly = PolicySettings(
        caps=(CapSettings(per=CapSubject.BORROWER, channel=Channel.VOICE, days=7, limit=3),)
    )
    assert judged(rows, weekly, history(recent=recent))["reason"].tolist() == ["over_cap", "", "over_cap"]


def test_a_cap_holds_all_that_a_merged_message_tells() -> None:
    rows = notices_table("loan_id\nL1\nL2")
    decisions = judged(rows, PolicySettings(caps=(CapSettings(per=CapSubject.NUMBER, limit=0),)))
    assert decisions["reason"].tolist() == ["over_cap", "over_cap"]
    assert decisions["merged_into"].tolist() == ["", ""]
    assert decisions["amount_minor"].tolist() == [100, 100]


def at(text: str, zone: str = "Asia/Shanghai") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def test_a_night_at_two_is_told_in_the_morning_of_each_zone() -> None:
    rows = notices_table("""
        loan_id | timezone            | channel
        L1      | Asia/Shanghai       | sms
        L2      | Asia/Shanghai       | voice
        L3      | America/Los_Angeles | sms
    """)
    decisions = judged(rows, now=at("2026-11-23T02:00"))
    assert decisions["not_before"].tolist() == [
        pd.Timestamp(at("2026-11-23T08:00")),
        pd.Timestamp(at("2026-11-23T09:00")),
        pd.Timestamp(at("2026-11-23T08:00", "America/Los_Angeles")),
    ]


@pytest.mark.parametrize(
    ("nights_left", "closed", "expected"),
    [
        (0, (), "too_late"),
        (1, (), "2026-11-24"),
        (1, (24,), "too_late"),
        (2, (24,), "2026-11-25"),
        (1, (23, 24), "no_contact_date"),
    ],
)
def test_after_hours_it_moves_to_the_next_day_allowed(
    nights_left: int, closed: tuple[int, ...], expected: str
) -> None:
    policy = PolicySettings(no_contact_dates=frozenset(date(2026, 11, day) for day in closed))
    row = judged(ONE.assign(catch_up_days=nights_left), policy, now=at("2026-11-23T21:00")).iloc[0]
    if row["reason"]:
        assert row["reason"] == expected
    else:
        assert row["not_before"] == pd.Timestamp(at(f"{expected}T08:00"))
        assert row["expires_at"] == pd.Timestamp(at(f"{expected}T21:00"))


def test_a_rules_window_narrows_the_hours_and_must_fit_them() -> None:
    row = judged(ONE.assign(window="10:00-11:00"), now=at("2026-11-23T02:00")).iloc[0]
    assert row["not_before"] == pd.Timestamp(at("2026-11-23T10:00"))
    outside = judged(ONE.assign(window="22:00-23:00")).iloc[0]  # `config check` refuses such a rule already
    assert (outside["decision"], outside["reason"]) == ("held", "hours_outside")


def test_nothing_in_nothing_out() -> None:
    decisions = judged(ONE.iloc[:0])
    assert decisions.empty
    assert decisions.dtypes.astype(str).to_dict() == dict(DECISION_COLUMNS)


some = st.sampled_from
notices_of_a_night = st.lists(
    st.fixed_dictionaries(
        {
            "loan_id": some(["L1", "L2", "L3"]),
            "customer_id": some(["C1", "C1", "C2", ""]),
            "notice": some(["a", "b", "c"]),
            "channel": some(["sms", "voice"]),
            "message_class": some(["service", "collection", "collection", "marketing"]),
            "phone_hash": some(["H1", "H1", "H2"]),
            "phone": some(["+12025550100"] * 5 + ["", "+861088888888", "+3225484211"]),
            "language": some(["en"] * 5 + ["fr"]),
            "timezone": some(["Asia/Shanghai", "America/New_York", "Asia/Shanghai", ""]),
            "channels": some(["", "", "", "sms"]),
            "consent": some(["", "marketing"]),
            "opt_out": some(["", "", "", "marketing", "service,collection"]),
            "preferred_hours": some(["", "", "", "18:00-20:00", "23:00-24:00", "?"]),
            "do_not_contact": some([False] * 9 + [True]),
            "holds": some([""] * 9 + ["dispute"]),
            "phone_verified_on": some(
                [pd.NaT, pd.NaT, pd.Timestamp("2026-11-20"), pd.Timestamp("2026-11-22")]
            ),
            "supersedes": some(["", "", "a", "a,b"]),
            "event_id": some(["", "", "", "P1"]),
            "due_on": some([pd.Timestamp("2026-11-23"), pd.Timestamp("2026-11-22")]),
            "days_past_due": st.integers(0, 2),
            "catch_up_days": st.integers(0, 2),
            "amount_minor": st.integers(0, 9),
        }
    ),
    min_size=1,
    max_size=25,
)
contacts = st.tuples(
    some(["H1", "H2", ""]),
    some(["C1", "C2", ""]),
    some(["L0", "L1", "L0\nL1"]),
    some(["service", "collection", ""]),
    some(["sms", "voice"]),
    st.integers(-1, 3),
    st.booleans(),
)
known_numbers = st.tuples(
    some(["H1", "H2"]),
    some([status.value for status in NumberStatus]),
    some([pd.Timestamp("2026-11-19"), pd.Timestamp("2026-11-20"), pd.Timestamp("2026-11-21")]),
    st.integers(0, 4),
    some([pd.NaT, pd.Timestamp("2026-11-20"), pd.Timestamp("2026-11-21")]),
)
caps = st.builds(
    CapSettings,
    per=some(CapSubject),
    counts=some(Counted),
    channel=some([None, *Channel]),
    message_class=some([None, *MessageClass]),
    days=st.integers(1, 3),
    limit=st.integers(0, 4),
)


@settings(max_examples=30, deadline=None)
@given(
    notices_of_a_night,
    st.lists(contacts, max_size=6),
    st.lists(
        st.tuples(some(["H1", ""]), some(["C2", ""]), some(["", "service"]), some(["R", "dispute"])),
        max_size=2,
    ),
    st.lists(known_numbers, max_size=2, unique_by=lambda known: known[0]),
    st.tuples(st.lists(caps, max_size=2), st.booleans(), st.frozensets(some(["CN", "US", "BE"]), max_size=2)),
    st.datetimes(datetime(2026, 11, 22), datetime(2026, 11, 24), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds
)
def test_judges_like_its_plain_twin(
    values: list[dict[str, object]],
    contacted: list[tuple[str, str, str, str, str, int, bool]],
    suppressed: list[tuple[str, str, str, str]],
    numbers: list[tuple[str, str, pd.Timestamp, int, object]],
    chosen: tuple[list[CapSettings], bool, frozenset[str]],
    now: datetime,
) -> None:
    rows = notices_table("loan_id\n" + "\n".join("L" for _ in values))
    drawn = pd.DataFrame(values)
    rows = rows.assign(**{str(name): drawn[name] for name in drawn}).astype(COLUMNS)
    past = [(*who, AS_OF - timedelta(days=ago), failed, None, None) for *who, ago, failed in contacted]
    recent = pd.DataFrame(past, columns=list(RECENT))
    known = history(
        sent={"K0", "K7"},
        suppressions=pd.DataFrame(
            [row for row in suppressed if row[3] != "dispute"], columns=list(SUPPRESSIONS)
        ).astype(dict(SUPPRESSIONS)),
        recent=recent.astype(dict(RECENT)),
    )
    holds = [
        {**frames.blank_row(HOLDS), "phone_hash": phone, "customer_id": customer, "kind": reason}
        for phone, customer, _, reason in suppressed
        if reason == "dispute"
    ]
    known = replace(
        known,
        replaced={"K2", "K7"},
        holds=pd.DataFrame(holds, columns=list(HOLDS)).astype(dict(HOLDS)),
        numbers=pd.DataFrame(numbers, columns=list(NUMBERS)).astype(dict(NUMBERS)),
    )
    policy = PolicySettings(
        caps=tuple(chosen[0]),
        merge=chosen[1],
        countries=chosen[2],
        no_contact_dates=frozenset({date(2026, 11, 24)}),
        hours=(
            HoursSettings(window="08:00-21:00"),
            HoursSettings(channel=Channel.VOICE, window="09:00-19:00"),
        ),
    )
    decisions = judged(rows, policy, known, now)
    found = {
        row.idempotency_key: (row.reason, row.merged_into, row.loan_count, row.amount_minor)
        for row in lines(decisions)
    }
    assert found == plain_policy(rows, policy, known, Tonight(now, AS_OF))
    assert decisions["idempotency_key"].tolist() == rows["idempotency_key"].tolist()
    assert_never_at_night(decisions[decisions["decision"] == "queued"], now)


def assert_never_at_night(queued: pd.DataFrame, now: datetime) -> None:
    for row in lines(queued):
        opens, closes = (moment.tz_convert(row.timezone) for moment in (row.not_before, row.expires_at))
        assert now.replace(microsecond=0) <= row.not_before < row.expires_at
        assert opens.date() == closes.date()
        assert 8 <= opens.hour < 21
        assert (closes.hour, closes.minute) <= (21, 0)


def test_what_is_known_of_only_in_part_is_held() -> None:
    told = notices_table("loan_id | customer_id\nL1 | C1\nL2 | C2\nL3 | C3")
    known = replace(history(), doubtful_loans={"L1"}, doubtful_customers={"C2"})
    decisions = apply_policy(told, PolicySettings(), known, Tonight(NOON, AS_OF))
    assert decisions["decision"].tolist() == ["held", "held", "queued"]
    assert decisions["reason"].tolist()[:2] == [Reason.INCOMPLETE_DATA, Reason.INCOMPLETE_DATA]
