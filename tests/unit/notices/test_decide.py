"""Which notices a business date calls for."""

import json
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carloan_notify import frames
from carloan_notify.notices.decide import NOTICE_COLUMNS, Identity, decide
from carloan_notify.notices.events import DecideInputs
from carloan_notify.notices.ladder import DEFAULT_LADDER, rule_problems
from carloan_notify.notices.settings import PolicySettings, RuleSettings, When
from carloan_notify.notices.where import Condition
from tests.unit.notices.plain_decide import plain_decide
from tests.unit.notices.tables import (
    AS_OF,
    decided,
    dues_table,
    late,
    loans_table,
    no_dues,
    one_loan,
    standing_table,
    told,
)

CASES = Path(__file__).parents[2] / "data" / "notice_cases.json"
ACTIVE = standing_table("loan_id\nL1")


def test_the_default_ladder_on_an_ordinary_night() -> None:
    """Every loan stands on another step of the ladder; L6 is early and late at once."""
    loans = loans_table("""
        loan_id | customer_id | phone
        L1      | C1          | +12025550101
        L2      | C2          | +12025550102
        L3      | C3          | +12025550103
        L4      | C4          | +12025550104
        L5      | C5          | +12025550105
        L6      | C6          | +12025550106
    """)
    dues = dues_table("""
        loan_id | installment_no | due_on     | unpaid_minor
        L1      | 1              | 2026-11-30 | 32800
        L2      | 2              | 2026-11-23 | 32800
        L3      | 3              | 2026-11-22 | 32800
        L5      | 5              | 2026-11-27 | 32800
        L6      | 7              | 2026-11-23 | 10000
    """)
    standing = standing_table("""
        loan_id|days_past_due|oldest_installment_no|oldest_due_on|oldest_original_due_on|overdue_minor
        L1|0|0|||0
        L2|0|0|||0
        L3|1|3|2026-11-22|2026-11-22|32800
        L4|16|4|2026-11-07|2026-11-08|65600
        L5|0|0|||0
        L6|31|6|2026-10-23|2026-10-23|10000
    """)
    notices = decided(DecideInputs(loans, dues, standing))
    assert told(notices) == [
        ("L1", "due_in_7_days", "sms"),
        ("L2", "due_today", "sms"),
        ("L3", "overdue_1", "voice"),
        ("L3", "overdue_1", "sms"),
        ("L4", "overdue_15", "voice"),
        ("L4", "overdue_15", "sms"),
        ("L6", "due_today", "sms"),
        ("L6", "overdue_30", "sms"),
    ]
    of_l4 = notices[notices["loan_id"] == "L4"].iloc[0]
    assert of_l4[["installment_no", "amount_minor", "days_past_due", "catch_up_days"]].tolist() == [
        4,
        65600,
        16,
        1,
    ]
    assert of_l4["original_due_on"] == pd.Timestamp("2026-11-08")
    assert of_l4[["message_class", "template", "until_paid", "role"]].tolist() == [
        "collection",
        "overdue_15",
        True,
        "borrower",
    ]


def test_the_frame_is_as_documented() -> None:
    notices = decide(
        DecideInputs(one_loan(), no_dues(), late(1)),
        DEFAULT_LADDER,
        PolicySettings(),
        AS_OF,
        Identity("x", str),
    ).notices
    assert notices.dtypes.astype(str).to_dict() == dict(NOTICE_COLUMNS)
    empty = decide(
        DecideInputs(one_loan(), no_dues(), ACTIVE),
        DEFAULT_LADDER,
        PolicySettings(),
        AS_OF,
        Identity("x", str),
    )
    assert empty.notices.dtypes.astype(str).to_dict() == dict(NOTICE_COLUMNS)
    assert empty.findings.empty


@pytest.mark.parametrize("status", ["pending", "settled", "charged_off", "cancelled"])
def test_a_loan_that_is_not_active_is_never_chased(status: str) -> None:
    dues = dues_table("loan_id | due_on\nL1 | 2026-11-23")
    standing = late(1).assign(status=status)
    assert decided(DecideInputs(one_loan(), dues, standing)).empty


def test_a_loan_that_could_not_be_computed_is_never_chased() -> None:
    dues = dues_table("loan_id | due_on\nL1 | 2026-11-23")
    assert decided(DecideInputs(one_loan(), dues, frames.empty(frames.STANDING))).empty


def test_what_is_paid_is_not_billed() -> None:
    dues = dues_table("loan_id | due_on | unpaid_minor\nL1 | 2026-11-23 | 0")
    assert decided(DecideInputs(one_loan(), dues, ACTIVE)).empty


@pytest.mark.parametrize(
    ("missed", "expected"),
    [
        (-1, []),
        (0, ["due_in_7_days"]),
        (1, ["due_in_7_days"]),
        (2, ["due_in_7_days"]),
        (3, []),
        (7, ["due_today"]),
        (8, []),
    ],
)
def test_a_missed_night_is_caught_up_but_a_bill_never_after_its_date(
    missed: int, expected: list[str]
) -> None:
    due_on = AS_OF + timedelta(days=7 - missed)
    dues = dues_table(f"loan_id | due_on\nL1 | {due_on}")
    assert decided(DecideInputs(one_loan(), dues, ACTIVE))["notice"].tolist() == expected


def test_the_key_stays_the_same_while_a_notice_is_caught_up() -> None:
    dues = dues_table("loan_id | due_on\nL1 | 2026-11-30")
    keys = {
        decided(DecideInputs(one_loan(), dues, ACTIVE), as_of=AS_OF + timedelta(days=later))[
            "idempotency_key"
        ][0]
        for later in range(3)
    }
    assert len(keys) == 1


def test_two_installments_of_one_loan_are_two_notices() -> None:
    """A weekly loan after a missed night."""
    dues = dues_table("loan_id | installment_no | due_on\nL1 | 1 | 2026-11-24\nL1 | 2 | 2026-11-25")
    rules = [RuleSettings(notice="due_soon", when=When(days_before_due=2))]
    assert decided(DecideInputs(one_loan(), dues, ACTIVE), rules)["installment_no"].tolist() == [1, 2]


def reminder_cases() -> list[dict[str, str | int]]:
    cases: list[dict[str, str | int]] = json.loads(CASES.read_text(encoding="utf-8"))["cases"]
    return cases


@pytest.mark.parametrize("case", reminder_cases(), ids=lambda case: str(case["id"]))
def test_reminder_events_by_lead_and_lag_days(case: dict[str, str | int]) -> None:
    """Fineract counts from its close-of-business date, a day before the business date."""
    due_on = date.fromisoformat(str(case["due_date"]))
    lead, lag = int(case["lead_days"]) - 1, int(case["lag_days"]) + 1
    rules = [
        RuleSettings(notice="due", when=When(days_before_due=lead), catch_up_days=0),
        RuleSettings(notice="overdue", when=When(days_past_due=lag), catch_up_days=0),
    ]
    fired: dict[str, list[str]] = {"due": [], "overdue": []}
    for offset in range(-4, 6):
        as_of = due_on + timedelta(days=offset)
        dues = dues_table(f"loan_id | due_on\nL1 | {due_on}") if offset <= 0 else no_dues()
        standing = late(offset, as_of=as_of) if offset > 0 else ACTIVE
        for notice in decided(DecideInputs(one_loan(), dues, standing), rules, as_of)["notice"]:
            fired[notice].append(as_of.isoformat())
    assert fired == {"due": [case["due_event_on"]], "overdue": [case["overdue_event_on"]]}


@st.composite
def portfolios(draw: st.DrawFn) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Loans, dues and standing of up to thirty loans around the business date."""
    ids = [f"L{number}" for number in range(draw(st.integers(1, 30)))]
    statuses = draw(
        st.lists(st.sampled_from(["active", "active", "settled", "pending"]), min_size=30, max_size=30)
    )
    days = draw(st.lists(st.integers(0, 40), min_size=30, max_size=30))
    standing_rows = [
        "loan_id|status|days_past_due|oldest_installment_no|oldest_due_on|oldest_original_due_on|overdue_minor"
    ]
    dues_rows = ["loan_id|installment_no|due_on|original_due_on|unpaid_minor"]
    for loan, status, dpd in zip(ids, statuses, days, strict=False):
        oldest = AS_OF - timedelta(days=dpd)
        when = f"{oldest}|{oldest - timedelta(days=1)}" if dpd else "|"
        if draw(st.booleans()):
            standing_rows.append(
                f"{loan}|{status}|{dpd}|{3 if dpd else 0}|{when}|{draw(st.integers(0, 2)) * dpd}"
            )
        for number in range(draw(st.integers(0, 3))):
            due_on = AS_OF + timedelta(days=draw(st.integers(-3, 12)) + 15 * number)
            dues_rows.append(f"{loan}|{number + 4}|{due_on}|{due_on}|{draw(st.integers(0, 2)) * 100}")
    kinds = draw(st.lists(st.sampled_from(["ev|en", "used|zh", "|en"]), min_size=30, max_size=30))
    rows = (f"{loan}|C{loan}|{kind}" for loan, kind in zip(ids, kinds, strict=False))
    loans = loans_table("loan_id|customer_id|product|language\n" + "\n".join(rows))
    return loans, dues_table("\n".join(dues_rows)), standing_table("\n".join(standing_rows))


WHERES = st.fixed_dictionaries(
    {},
    optional={
        "product": st.sampled_from(["ev", {"not": ["ev", "new"]}, ["used", ""]]),
        "language": st.sampled_from(["zh", {"not": "zh"}]),
        "days_past_due": st.sampled_from([{"from": 3}, {"to": 9}, {"from": 5, "to": 20}, 0]),
    },
)


@st.composite
def due_rules(draw: st.DrawFn) -> list[RuleSettings]:
    """Some are for some loans only; the first two, where there are two, may be one notice for two products."""
    before = [When(days_before_due=draw(st.integers(0, 9))) for _ in range(draw(st.integers(0, 3)))]
    after = [When(days_past_due=draw(st.integers(1, 35))) for _ in range(draw(st.integers(0, 3)))]
    rules = [
        RuleSettings.model_validate(
            {
                "notice": f"n{number}",
                "when": when,
                "where": draw(WHERES),
                "catch_up_days": draw(st.integers(0, 4)),
            }
        )
        for number, when in enumerate([*before, *after])
    ]
    if len(before) > 1 and draw(st.booleans()):
        ev, others = ({"product": Condition.model_validate(one)} for one in ("ev", {"not": "ev"}))
        rules[0] = rules[0].model_copy(update={"where": rules[0].where | ev})
        rules[1] = rules[1].model_copy(update={"notice": "n0", "where": rules[1].where | others})
        assert rule_problems(rules, PolicySettings()) == []
    return rules


@settings(max_examples=20, deadline=None)
@given(portfolios(), due_rules())
def test_decides_like_its_plain_twin(
    portfolio: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame], rules: list[RuleSettings]
) -> None:
    loans, dues, standing = portfolio
    mixed = [frame.sample(frac=1, random_state=7) for frame in (loans, dues, standing)]
    shuffled = DecideInputs(mixed[0], mixed[1], mixed[2])
    notices = decide(shuffled, rules, PolicySettings(), AS_OF, Identity("x", str)).notices
    columns = [
        "loan_id",
        "notice",
        "channel",
        "installment_no",
        "original_due_on",
        "amount_minor",
        "catch_up_days",
    ]
    dated = notices.assign(original_due_on=notices["original_due_on"].dt.strftime("%Y-%m-%d"))
    found = list(dated[columns].itertuples(index=False, name=None))
    assert set(found) == plain_decide(loans, dues, standing, rules, AS_OF)
    assert len(found) == len(set(found))
    whole = decide(DecideInputs(*portfolio), rules, PolicySettings(), AS_OF, Identity("x", str)).notices
    pd.testing.assert_frame_equal(notices, whole)
