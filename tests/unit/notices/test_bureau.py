"""Told before reported (征信业管理条例 §15): the rule against its plain twin, and the cases a clerk asks about."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as example_count
from hypothesis import strategies as st

from carloan_notify import frames
from carloan_notify.notices.bureau import TOLD, Against, may_report
from carloan_notify.notices.bureau_settings import CreditBureauSettings
from carloan_notify.proof_codes import MayReport
from carloan_notify.records import MessageState
from tests.unit.notices.plain_bureau import plainly

DAY = date(2026, 11, 30)
DUE = date(2026, 10, 29)
BEFORE = date(2026, 9, 29)
LOAN: dict[str, Any] = {"loan_id": "L1", "status": "active", "days": 32, "owed": 1000, "oldest": DUE}
MESSAGE: dict[str, Any] = {
    "loan_id": "L1",
    "original_due_on": DUE,
    "message_id": "M1",
    "state": "delivered",
    "arrived_on": DAY - timedelta(days=7),
    "wrong_number": False,
}
NOTHING = Against()


def standing(loans: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    blank = frames.blank_row(frames.STANDING)
    rows = [
        {
            **blank,
            "loan_id": loan["loan_id"],
            "status": loan["status"],
            "days_past_due": loan["days"],
            "overdue_minor": loan["owed"],
            "oldest_due_on": pd.Timestamp(loan["oldest"]),
            "oldest_original_due_on": pd.Timestamp(loan["oldest"]),
        }
        for loan in loans
    ]
    return pd.DataFrame(rows, columns=list(frames.STANDING)).astype(dict(frames.STANDING))


def told(messages: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame([dict(each) for each in messages], columns=list(TOLD))
    days = {name: pd.to_datetime(frame[name]) for name in ("original_due_on", "arrived_on")}
    return frame.assign(**days).astype(dict(TOLD))


def verdict(loan: Mapping[str, Any], *messages: Mapping[str, Any], **options: Any) -> str:
    settings = CreditBureauSettings(**options)
    (row,) = may_report(standing([loan]), told(messages), NOTHING, DAY, settings).to_dict("records")
    assert row["may_report"] == (row["reason"] == MayReport.TOLD)
    return str(row["reason"])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "told"),
        ({"arrived_on": DAY - timedelta(days=1)}, "told"),
        ({"arrived_on": DAY}, "told_after"),
        ({"arrived_on": DAY + timedelta(days=3)}, "told_after"),
        ({"arrived_on": None}, "told_without_receipt"),
        ({"original_due_on": BEFORE}, "other_period"),
        ({"original_due_on": None}, "other_period"),
        ({"wrong_number": True}, "told_wrong_number"),
        ({"state": "accepted"}, "told_without_receipt"),
        ({"state": "undelivered"}, "told_undelivered"),
        ({"state": "unknown"}, "told_unknown"),
        ({"state": "queued"}, "told_waits"),
        ({"state": "sending"}, "told_waits"),
        ({"state": "cancelled"}, "told_cancelled"),
        ({"state": "expired"}, "told_cancelled"),
        ({"state": "rejected"}, "told_rejected"),
    ],
)
def test_what_a_message_says(changes: dict[str, Any], says: str) -> None:
    assert verdict(LOAN, MESSAGE | changes) == says


def test_of_several_messages_the_best_counts() -> None:
    undelivered = {**MESSAGE, "message_id": "M0", "state": "undelivered"}
    assert verdict(LOAN, undelivered, MESSAGE) == "told"
    assert verdict(LOAN) == "never_told"


def test_days_to_wait_and_messages_without_receipt_are_the_lenders_choice() -> None:
    assert verdict(LOAN, MESSAGE, days_before=7) == "told"
    assert verdict(LOAN, MESSAGE, days_before=8) == "told_recently"
    assert verdict(LOAN, {**MESSAGE, "state": "accepted"}, without_receipt=True) == "told"
    assert verdict(LOAN, {**MESSAGE, "state": "undelivered"}, without_receipt=True) == "told_undelivered"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"days": 0, "owed": 0, "oldest": None}, "not_overdue"),
        ({"status": "settled", "days": 0, "owed": 0, "oldest": None}, "not_overdue"),
        ({"status": "charged_off"}, "in_doubt"),
        ({"oldest": None}, "other_period"),
    ],
)
def test_what_the_tables_say_comes_first(changes: dict[str, Any], says: str) -> None:
    assert verdict(LOAN | changes, MESSAGE) == says


def test_a_loan_that_was_told_and_is_in_no_table_is_in_doubt() -> None:
    (row,) = may_report(standing([]), told([MESSAGE]), NOTHING, DAY, CreditBureauSettings()).to_dict(
        "records"
    )
    assert (row["loan_id"], row["reason"], row["may_report"]) == ("L1", "in_doubt", False)


def test_a_loan_that_stands_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        may_report(standing([LOAN, LOAN]), told([]), NOTHING, DAY, CreditBureauSettings())


IDS = st.sampled_from(["L1", "L2", "L3", "L4"])
DAYS = st.one_of(st.none(), st.sampled_from([DUE, BEFORE]))
LOANS = st.lists(
    st.fixed_dictionaries(
        {
            "loan_id": IDS,
            "status": st.sampled_from(["active", "active", "settled", "charged_off", "pending", "cancelled"]),
            "days": st.sampled_from([0, 1, 32]),
            "owed": st.sampled_from([0, 1000]),
            "oldest": DAYS,
        }
    ),
    unique_by=lambda loan: loan["loan_id"],
    max_size=4,
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {
            "loan_id": IDS,
            "original_due_on": DAYS,
            "message_id": st.sampled_from(["M1", "M2"]),
            "state": st.sampled_from([state.value for state in MessageState]),
            "arrived_on": st.one_of(st.none(), st.integers(-3, 9).map(lambda ago: DAY - timedelta(days=ago))),
            "wrong_number": st.booleans(),
        }
    ),
    max_size=6,
)
SOME = st.frozensets(IDS, max_size=1)
OPTIONS = st.builds(CreditBureauSettings, days_before=st.integers(1, 8), without_receipt=st.booleans())


@example_count(max_examples=40)
@given(LOANS, MESSAGES, st.builds(Against, SOME, SOME, SOME), OPTIONS)
def test_the_rule_is_its_plain_twin(
    loans: list[dict[str, Any]],
    messages: list[dict[str, Any]],
    against: Against,
    settings: CreditBureauSettings,
) -> None:
    listed = may_report(standing(loans), told(messages), against, DAY, settings)
    assert dict(zip(listed["loan_id"], listed["reason"], strict=True)) == plainly(
        loans, messages, against, DAY, settings
    )
    allowed = set(listed.loc[listed["may_report"], "loan_id"])
    assert allowed == set(listed.loc[listed["reason"] == MayReport.TOLD, "loan_id"])
    for name in allowed:  # whatever else: somebody was reached before that day about this delinquency
        (loan,) = [each for each in loans if each["loan_id"] == name]
        assert any(
            each["original_due_on"] == loan["oldest"] and each["arrived_on"] and each["arrived_on"] < DAY
            for each in messages
            if each["loan_id"] == name
        )
