"""What the tables say of the people of messages that wait, held against ifs."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from carloan_notify import frames
from carloan_notify.codes import Look
from carloan_notify.notices.addressees import WAITING, addressees
from carloan_notify.notices.policy import OnRecord
from carloan_notify.notices.recipients import RECIPIENTS
from carloan_notify.notices.release import Tonight
from carloan_notify.notices.settings import PolicySettings

Row = dict[str, Any]
NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)  # in Shanghai
ZONES = ("Asia/Shanghai", "America/Los_Angeles", "Pacific/Kiritimati", "Pacific/Pago_Pago")

loans, names = st.sampled_from(["L1", "L2"]), st.sampled_from(["", "Li", "Wu"])
roles = st.sampled_from(["borrower", "guarantor"])
phones = st.sampled_from(["+12025550101", "+12025550102"])
people = st.lists(
    st.fixed_dictionaries(
        {
            "loan_id": loans,
            "role": roles,
            "phone": phones,
            "recipient_name": names,
            "timezone": st.sampled_from([*ZONES, ""]),
            "do_not_contact": st.sampled_from([False, False, False, True]),
            "holds": st.sampled_from(["", "dispute", "hardship:2026-11-20", "deceased"]),
            "opt_out": st.sampled_from(["", "", "service", "service,collection"]),
            "channels": st.sampled_from(["", "sms", "voice"]),
            "preferred_hours": st.sampled_from(["", "18:00-20:00", "evenings"]),
        }
    ),
    max_size=4,
    unique_by=lambda row: (row["loan_id"], row["role"], row["role"] == "borrower" or row["phone"]),
)
waiting = st.lists(
    st.fixed_dictionaries(
        {
            "loan_id": loans,
            "role": roles,
            "phone_hash": phones,
            "name": names,
            "channel": st.sampled_from(["sms", "voice"]),
            "message_class": st.sampled_from(["service", "collection"]),
            "notice": st.just("overdue_1"),
            "window": st.sampled_from(["", "10:00-12:00"]),
        }
    ),
    min_size=1,
    max_size=4,
)


def asked(rows: list[Row], those: list[Row], now: datetime) -> pd.DataFrame:
    blank = frames.blank_row(RECIPIENTS)
    table = pd.DataFrame([{**blank, **one} for one in those], columns=list(RECIPIENTS)).astype(
        dict(RECIPIENTS)
    )
    waits = frames.blank_row(WAITING)
    messages = pd.DataFrame([{**waits, "message_id": f"M{n}", **row} for n, row in enumerate(rows)])
    with_hash = table.assign(phone_hash=table["phone"], customer_id="", unfit="")
    moment = Tonight(now, now.date())
    return addressees(messages.astype(dict(WAITING)), with_hash, PolicySettings(), moment, OnRecord())


def plain(row: Row, those: list[Row], now: datetime) -> str:
    mine = [one for one in those if (one["loan_id"], one["role"]) == (row["loan_id"], row["role"])]
    here = [one for one in mine if one["phone"] == row["phone_hash"]]
    if not here:
        moved = row["role"] == "borrower" or any(row["name"] == o["recipient_name"] != "" for o in mine)
        return Look.NUMBER_CHANGED if moved else Look.PERSON_GONE
    (one,) = here
    if one["do_not_contact"] or row["message_class"] in one["opt_out"].split(","):
        return Look.REFUSED
    if one["holds"] == "deceased":
        return Look.ON_HOLD
    if row["message_class"] == "collection" and one["holds"] == "dispute":
        return Look.IN_DISPUTE
    if one["channels"] not in {"", row["channel"]}:
        return Look.REFUSED
    return "" if is_hour(row, one, now) else Look.OUT_OF_HOURS


def is_hour(row: Row, one: Row, now: datetime) -> bool:
    if not one["timezone"] or one["preferred_hours"] == "evenings":
        return False
    call = (row["channel"], row["message_class"]) == ("voice", "collection")
    windows = [(9, 20) if call else (8, 21)]
    windows += [(18, 20)] if one["preferred_hours"] else []
    windows += [(10, 12)] if row["window"] else []
    hour = now.astimezone(ZoneInfo(one["timezone"])).hour
    return all(first <= hour < last for first, last in windows)


@settings(max_examples=60, deadline=None)
@given(waiting, people, st.integers(0, 48 * 60))
def test_says_of_each_person_what_ifs_say(rows: list[Row], those: list[Row], minute: int) -> None:
    now = NOON + timedelta(minutes=minute)
    found = asked(rows, those, now)
    assert found["message_id"].tolist() == [f"M{n}" for n in range(len(rows))]
    assert found["look"].tolist() == [str(plain(row, those, now)) for row in rows]
    early = found[found["opens"].notna()]
    assert (early["look"] == "").sum() == 0
    assert (early["opens"] > pd.Timestamp(now)).all()


def test_who_is_asleep_is_told_when_the_hours_open() -> None:
    row = {"loan_id": "L1", "role": "borrower", "phone_hash": "+12025550101", "name": "Li", "window": ""}
    there = {"loan_id": "L1", "role": "borrower", "phone": "+12025550101", "timezone": "America/Los_Angeles"}
    row |= {"notice": "due_today", "channel": "sms", "message_class": "service"}
    found = asked([row], [there], NOON + timedelta(hours=3))
    assert found["look"].tolist() == [Look.OUT_OF_HOURS]
    assert found["opens"].tolist() == [pd.Timestamp("2026-11-23 08:00", tz="America/Los_Angeles")]
