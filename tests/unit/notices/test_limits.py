"""Caps, gaps and rest: tables that a clerk can read, and a slow plain twin."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carloan_notify.notices.law_settings import (
    CapSettings,
    CapSubject,
    CoolOffSettings,
    Counted,
    GapSettings,
)
from carloan_notify.notices.limits import CONVERSATIONS, RECENT, limited, rests_until, used
from carloan_notify.notices.policy import ContactHistory, apply_policy
from carloan_notify.notices.release import Tonight
from carloan_notify.notices.settings import PolicySettings
from carloan_notify.records import Channel, MessageClass
from tests.unit.notices.tables import history, table
from tests.unit.notices.test_law import ALL_DAY, lender, notice

DAY = date(2026, 11, 23)


def ago(days: int) -> date:
    return DAY - timedelta(days=days)


def contacts(text: str) -> pd.DataFrame:
    """Rows of RECENT: `days ago | channel | loan` and what else a test names."""
    rows = table(text, {**RECENT, "ago": "int64"}, message_class="collection", channel="sms", loan_ids="L")
    sent = rows["ago"].map(ago).astype("datetime64[s]")
    at = sent.dt.tz_localize("UTC") + pd.Timedelta(hours=12)
    given_ids = {
        name: rows[name].mask(rows[name] == "", default)
        for name, default in (("phone_hash", "H"), ("customer_id", "C"))
    }
    rows = rows.assign(sent_on=sent, leaves_at=at, left_by=at, **given_ids)
    return rows[list(RECENT)].astype(RECENT)


def talks(text: str) -> pd.DataFrame:
    rows = table(text, {**CONVERSATIONS, "ago": "int64"})
    return rows.assign(held_on=rows["ago"].map(ago))[list(CONVERSATIONS)].astype(CONVERSATIONS)


def reason(rows: pd.DataFrame, policy: PolicySettings, known: ContactHistory) -> str:
    now = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
    return str(apply_policy(rows, policy, known, Tonight(now, DAY))["reason"].iloc[0])


CAPS = """
preset   | channel | contacts before, in days ago (a: answered, n: not arrived) | reason
us-ma    | sms     | 1                   |
us-ma    | sms     | 1 6                 | over_cap
us-ma    | sms     | 1 7                 |
us-ma    | voice   | 0 3n                | over_cap
us-reg-f | voice   | 0 0 1 2 3 6         |
us-reg-f | voice   | 0 0 1 2 3 4 6       | over_cap
us-reg-f | voice   | 0 0 1 2 3 4 7       |
us-reg-f | sms     | 0 0 1 2 3 4 6       |
au       | sms     | 1 3                 |
au       | sms     | 1 3 6               | over_cap
au       | sms     | 1 3 7               |
au       | sms     | 8 9 10 15 16 17 22 23 24       |
au       | sms     | 8 9 10 15 16 17 22 23 24 29    | over_cap
au       | sms     | 8 9 10 15 16 17 22 23 24 30    | over_cap
au       | sms     | 8 9 10 15 16 17 22 23 24 31    |
th       | sms     | 0                   | over_cap
th       | sms     | 0n                  | over_cap
th       | voice   | 1                   |
cn       | voice   | 0 0                 |
cn       | voice   | 0 0 0               | over_cap
cn       | voice   | 0n 0n 0n 0n 0n      |
cn       | voice   | 0n 0n 0n 0n 0n 0n   | over_cap
cn       | voice   | 0 0 0n 0n 0n        |
cn       | voice   | 0 0 1               |
"""


@pytest.mark.parametrize("line", CAPS.strip().splitlines()[1:])
def test_caps_of_each_preset_at_their_boundaries(line: str) -> None:
    name, channel, before, expected = (cell.strip() for cell in line.split("|"))
    past = "ago | channel | failed\n" + "\n".join(
        f"{word.rstrip('an')} | {channel} | {'yes' if word.endswith('n') else ''}" for word in before.split()
    )
    country = {"us-ma": "US", "us-reg-f": "US"}.get(name, name.upper())
    rows = notice(country, channel=channel, customer_id="C", timezone="UTC")
    assert reason(rows, lender(name), history(recent=contacts(past))) == expected


def test_a_cap_per_loan_counts_every_message_that_tells_the_loan_and_no_other() -> None:
    past = contacts("ago | phone_hash | customer_id | loan_ids\n1 | H9 | C9 | L\n2 | H8 | C8 | L2")
    rows = notice("US", customer_id="C")
    one = lender(caps=[{"per": "loan", "days": 7, "limit": 1}])
    two = lender(caps=[{"per": "loan", "days": 7, "limit": 2}])
    assert [reason(rows, policy, history(recent=past)) for policy in (one, two)] == ["over_cap", ""]


def test_a_lenders_looser_caps_do_not_loosen_a_preset_and_tighter_ones_bind() -> None:
    past = history(recent=contacts("ago\n1\n2"))
    rows = notice("US", customer_id="C")
    loose = lender("us-ma", caps=[{"per": "loan", "class": "collection", "days": 7, "limit": 100}])
    tight = lender("us-ma", caps=[{"per": "borrower", "days": 1, "limit": 0}])
    assert [reason(rows, policy, past) for policy in (loose, tight)] == ["over_cap", "over_cap"]
    assert reason(notice("US", customer_id="C", region="TX"), loose, past) == ""


def test_the_day_of_a_cap_is_the_persons_own() -> None:
    """Sunday evening in Honolulu is Monday in Shanghai: the call of that evening leaves Monday's places free."""
    policy = lender(caps=[{"per": "number", "days": 1, "limit": 1}])
    past = contacts("ago\n1")
    rows = notice("US", timezone="Pacific/Honolulu", customer_id="C")
    monday = datetime(2026, 11, 23, 20, tzinfo=UTC)  # 10:00 there
    sunday = datetime(2026, 11, 23, 9, tzinfo=UTC)  # 23:00 on Sunday there
    known = history(recent=past)
    assert apply_policy(rows, policy, known, Tonight(monday, DAY))["reason"].tolist() == [""]
    assert apply_policy(rows, policy, known, Tonight(sunday, ago(1)))["reason"].tolist() == ["over_cap"]


REST = """
rule per | conversation: days ago, number, customer, loan | channel | reason
loan     | 0 | H  | C  | L  | voice | cooling_off
loan     | 6 | H  | C  | L  | voice | cooling_off
loan     | 7 | H  | C  | L  | voice |
loan     | 6 | H  | C  | L2 | voice |
loan     | 6 | H  | C  |    | voice | cooling_off
loan     | 6 | H9 | C  |    | voice | cooling_off
loan     | 6 | H9 | C9 |    | voice |
loan     | 6 | H  | C  | L  | sms   |
borrower | 6 | H9 | C  | L2 | voice | cooling_off
borrower | 6 | H9 | C9 | L2 | voice |
number   | 6 | H  | C9 | L2 | voice | cooling_off
number   | 6 | H9 | C  | L2 | voice |
"""


@pytest.mark.parametrize("line", REST.strip().splitlines()[1:])
def test_rest_after_a_conversation(line: str) -> None:
    per, days, number, customer, loan, channel, expected = (cell.strip() for cell in line.split("|"))
    talked = talks(f"ago|phone_hash|customer_id|loan_ids\n{days}|{number}|{customer}|{loan}")
    rest = {"per": per, "channel": "voice", "class": "collection", "days": 7}
    known = ContactHistory(set(), history().suppressions, history().recent, ("en",), conversations=talked)
    rows = notice("US", channel=channel, customer_id="C")
    policy = lender(cool_offs=[rest])
    assert reason(rows, policy, known) == expected
    whose = {CapSubject.LOAN: "L", CapSubject.NUMBER: "H", CapSubject.BORROWER: "C"}
    until = rests_until(talked, policy.cool_offs[0], whose)
    assert (until is not None and until > DAY) == (expected != "" or (channel == "sms" and per == "loan"))


def test_regulation_f_rests_for_seven_days_after_an_answered_call() -> None:
    talked = talks("ago|phone_hash|customer_id|loan_ids\n6|H|C|L")
    known = ContactHistory(set(), history().suppressions, history().recent, ("en",), conversations=talked)
    rows = notice("US", channel="voice", customer_id="C")
    assert reason(rows, lender("us-reg-f"), known) == "cooling_off"
    assert reason(rows.assign(country="CN"), lender("us-reg-f"), known) == ""


GAPS = """
gap     | last contact, days ago | reason
days 1  | 0 | too_soon
days 1  | 1 |
days 2  | 1 | too_soon
days 2  | 2 |
hours 1 | 0 |
hours 24 | 0 | too_soon
hours 36 | 1 | too_soon
hours 35 | 1 |
"""


@pytest.mark.parametrize("line", GAPS.strip().splitlines()[1:])
def test_gaps(line: str) -> None:
    """The last contact was at noon, and the hours of today end at midnight."""
    gap, days, expected = (cell.strip() for cell in line.split("|"))
    unit, number = gap.split()
    policy = lender(gaps=[{"per": "number", unit: int(number)}])
    known = history(recent=contacts(f"ago\n{days}"))
    assert reason(notice("US", timezone="UTC"), policy, known) == expected


def test_a_gap_in_hours_puts_a_message_off_within_its_day() -> None:
    policy = lender(gaps=[{"per": "number", "hours": 30}])
    known = history(recent=contacts("ago\n1"))
    now = datetime(2026, 11, 23, tzinfo=UTC)
    row = apply_policy(notice("US", timezone="UTC"), policy, known, Tonight(now, DAY)).iloc[0]
    assert row["not_before"] == pd.Timestamp("2026-11-23 18:00", tz="UTC")
    assert row["expires_at"] == pd.Timestamp("2026-11-24 00:00", tz="UTC")


def test_two_of_tonight_keep_their_distance_too() -> None:
    rows = pd.concat(
        [notice("US", idempotency_key=key, notice=key, timezone="UTC") for key in ("a", "b")],
        ignore_index=True,
    )
    policy = lender(gaps=[{"per": "number", "hours": 2}])
    decided = apply_policy(rows, policy, history(), Tonight(datetime(2026, 11, 23, tzinfo=UTC), DAY))
    assert decided["reason"].tolist() == ["", "too_soon"]


def test_what_is_used_up_is_told() -> None:
    past = contacts("ago | channel | failed\n0|voice|\n1|voice|yes\n6|sms|\n7|voice|")
    whose = {CapSubject.LOAN: "L", CapSubject.NUMBER: "H", CapSubject.BORROWER: "C"}
    week = CapSettings(per=CapSubject.LOAN, days=7, limit=3)
    reached = CapSettings(
        per=CapSubject.NUMBER, days=8, limit=3, counts=Counted.CONTACTS, channel=Channel.VOICE
    )
    assert [used(past, cap, whose, DAY) for cap in (week, reached)] == [3, 2]
    assert used(past, week, {**whose, CapSubject.LOAN: "L9"}, DAY) == 0


def test_bad_words_are_refused_with_what_is_wrong() -> None:
    for wrong, says in (
        ({"gaps": [{"per": "number"}]}, "gap of nothing"),
        ({"hours": [{"days": ["sunday"], "window": "08:00-21:00"}]}, "mon"),
        ({"hours": [{"window": "nothing"}]}, "pattern"),
        ({"hours": [{"days": ["holiday"], "window": "08:00-21:00"}]}, "no time for service messages"),
        ({"hours": [{"window": "08:00-21:00", "calendar": "ZZ"}]}, "no country: ZZ"),
        ({"caps": [{"per": "household", "limit": 1}]}, "loan"),
        ({"presets": ["cn", "cn"]}, "named twice: cn"),
    ):
        with pytest.raises(ValueError, match=says):
            PolicySettings.model_validate(wrong)


def test_one_word_is_a_list_of_one_and_yamls_no_is_none() -> None:
    hours = [{"window": "08:00-21:00"}, {"days": "sun", "window": False}]
    policy = PolicySettings.model_validate({"presets": "cn", "hours": hours})
    assert (policy.presets, policy.hours[1].days, policy.hours[1].window) == (("cn",), ("sun",), "none")


# The twin: one message after the other, every window of days in turn.

some = st.sampled_from
subjects = st.fixed_dictionaries(
    {
        "phone_hash": some(["H1", "H2"]),
        "customer_id": some(["C1", ""]),
        "loan_ids": some(["L1", "L2", "L1\nL2"]),
    }
)
kinds = st.fixed_dictionaries(
    {"channel": some(list(Channel)), "message_class": some(["service", "collection"])}
)
past_ones = st.tuples(subjects, kinds, st.integers(-2, 8), st.booleans())
tonights = st.tuples(subjects, kinds, st.integers(0, 1))
entries = st.one_of(
    st.builds(
        CapSettings,
        per=some(CapSubject),
        counts=some(Counted),
        channel=some([None, Channel.SMS]),
        days=st.integers(1, 7),
        limit=st.integers(0, 3),
    ),
    st.builds(
        GapSettings,
        per=some(CapSubject),
        message_class=some([None, MessageClass.SERVICE]),
        days=st.integers(1, 3),
    ),
)
Row = dict[str, Any]


def plain_limited(
    tonight: Sequence[Row], past: Sequence[Row], rules: Sequence[CapSettings | GapSettings]
) -> list[str]:
    told, reasons = list(past), []
    for row in tonight:
        caps = [rule for rule in rules if isinstance(rule, CapSettings) and breaks(rule, row, told)]
        gaps = [rule for rule in rules if isinstance(rule, GapSettings) and breaks(rule, row, told)]
        reasons.append("over_cap" if caps else "too_soon" if gaps else "")
        if not reasons[-1]:
            told.append(row)
    return reasons


def breaks(rule: CapSettings | GapSettings, row: Row, told: Sequence[Row]) -> bool:
    if not rule.covers(row["channel"], row["message_class"]):
        return False
    for whose in names(rule, row):
        mine = [
            other["day"]
            for other in told
            if rule.covers(other["channel"], other["message_class"])
            and whose in names(rule, other)
            and not (
                isinstance(rule, CapSettings) and rule.counts is Counted.CONTACTS and other.get("failed")
            )
        ]
        if isinstance(rule, GapSettings):
            if any(abs((day - row["day"]).days) < rule.days for day in mine):
                return True
        elif any(
            sum(first <= day < first + timedelta(days=rule.days) for day in mine) >= rule.limit
            for first in (row["day"] - timedelta(days=back) for back in range(rule.days))
        ):
            return True
    return False


def names(rule: CapSettings | GapSettings, row: Row) -> list[str]:
    if rule.per is CapSubject.LOAN:
        return str(row["loan_ids"]).split("\n")
    return [row["phone_hash"] if rule.per is CapSubject.NUMBER else row["customer_id"] or row["phone_hash"]]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(tonights, min_size=1, max_size=5), st.lists(past_ones, max_size=6), st.lists(entries, max_size=3)
)
def test_limits_like_their_plain_twin(
    tonight: list[tuple[Row, Row, int]],
    past: list[tuple[Row, Row, int, bool]],
    rules: list[CapSettings | GapSettings],
) -> None:
    now = [{**who, **kind, "day": DAY + timedelta(days=later)} for who, kind, later in tonight]
    before = [{**who, **kind, "day": ago(days), "failed": failed} for who, kind, days, failed in past]
    policy = PolicySettings(
        hours=ALL_DAY,
        caps=tuple(rule for rule in rules if isinstance(rule, CapSettings)),
        gaps=tuple(rule for rule in rules if isinstance(rule, GapSettings)),
    )
    now.sort(key=lambda row: row["message_class"] != "service")  # the order in which places are given
    assert limited(framed(now), as_recent(before), policy)["reason"].tolist() == plain_limited(
        now, before, rules
    )


def framed(rows: Sequence[Row]) -> pd.DataFrame:
    mine = ("phone_hash", "customer_id", "channel", "message_class")
    notices = [notice("US", **{name: row[name] for name in mine}) for row in rows]
    frame = pd.concat(notices, ignore_index=True)
    day = pd.Series([row["day"] for row in rows]).astype("datetime64[s]")
    at = day.dt.tz_localize("UTC")
    return frame.assign(
        on=day,
        leaves_at=at,
        left_by=at + pd.Timedelta(hours=12),
        loan_ids=[row["loan_ids"] for row in rows],
        bound="",
    )


def as_recent(rows: Sequence[Row]) -> pd.DataFrame:
    at = [pd.Timestamp(row["day"], tz="UTC") for row in rows]
    named = [{**{k: row[k] for k in RECENT if k in row}, "sent_on": row["day"]} for row in rows]
    return pd.DataFrame(named, columns=list(RECENT)).assign(leaves_at=at, left_by=at).astype(dict(RECENT))


def test_a_rest_covers_what_it_names() -> None:
    rest = CoolOffSettings(channel=Channel.VOICE, days=7)
    assert rest.per is CapSubject.BORROWER
    assert (rest.covers("voice", "service"), rest.covers("sms", "service")) == (True, False)
