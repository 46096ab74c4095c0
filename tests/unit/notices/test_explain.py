"""Why one loan gets what it gets."""

from datetime import date, timedelta

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carloan_notify import frames
from carloan_notify.codes import Why
from carloan_notify.notices.events import CHANGES_TOLD, DecideInputs
from carloan_notify.notices.explain import Explanation, explain
from carloan_notify.notices.settings import EventType, PolicySettings, RuleSettings, When
from tests.unit.notices.tables import (
    AS_OF,
    decided,
    dues_table,
    late,
    loans_table,
    no_dues,
    one_loan,
    standing_table,
    table,
)

ACTIVE = standing_table("loan_id\nL1")
RULES = [
    RuleSettings(notice="soon", when=When(days_before_due=7)),
    RuleSettings(notice="today", when=When(days_before_due=0)),
    RuleSettings(notice="late", when=When(days_past_due=3)),
    RuleSettings(notice="disbursed", when=When(event=EventType.LOAN_DISBURSED)),
]


def explained(
    inputs: DecideInputs, rules: list[RuleSettings] | None = None
) -> dict[str, tuple[Why, int | None, str]]:
    found = explain(inputs, rules or RULES, PolicySettings(), AS_OF, "L1")
    return {one.notice: (one.why, one.days, str(one.next_on or "")) for one in found}


def test_a_loan_that_is_early() -> None:
    dues = dues_table("loan_id | due_on\nL1 | 2026-12-03")
    assert explained(DecideInputs(one_loan(), dues, ACTIVE)) == {
        "soon": (Why.TOO_EARLY, 10, "2026-11-26"),
        "today": (Why.TOO_EARLY, 10, "2026-12-03"),
        "late": (Why.NOT_LATE, None, "2026-12-06"),
        "disbursed": (Why.NOT_HAPPENED, None, ""),
    }


def test_a_loan_between_its_notices_and_one_whose_next_is_in_sight() -> None:
    dues = dues_table("loan_id | due_on\nL1 | 2026-11-26\nL1 | 2026-12-26")
    found = explained(DecideInputs(one_loan(), dues, ACTIVE))
    assert found["soon"] == (Why.PASSED, 3, "2026-12-19")
    assert found["today"] == (Why.TOO_EARLY, 3, "2026-11-26")


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (1, (Why.TOO_EARLY, 1, "2026-11-25")),
        (3, (Why.FIRES, 3, "2026-11-23")),
        (5, (Why.FIRES, 5, "2026-11-23")),
        (6, (Why.PASSED, 6, "")),
    ],
)
def test_a_late_loan(days: int, expected: tuple[Why, int, str]) -> None:
    assert explained(DecideInputs(one_loan(), no_dues(), late(days)))["late"] == expected


def test_a_loan_with_nothing_due_and_one_that_is_closed() -> None:
    nothing = explained(DecideInputs(one_loan(), no_dues(), ACTIVE))
    assert nothing["soon"] == (Why.NOTHING_DUE, None, "")
    assert nothing["late"] == (Why.NOT_LATE, None, "")
    closed = explained(DecideInputs(one_loan(), no_dues(), late(3).assign(status="settled")))
    assert closed["late"] == (Why.NOT_ACTIVE, None, "")


@pytest.mark.parametrize(
    ("occurred_on", "expected"),
    [
        ("2026-11-25", (Why.TOO_EARLY, -2, "2026-11-25")),
        ("2026-11-22", (Why.FIRES, 1, "2026-11-23")),
        ("2026-11-01", (Why.PASSED, 22, "")),
    ],
)
def test_an_event(occurred_on: str, expected: tuple[Why, int, str]) -> None:
    events = table(f"loan_id|type|occurred_on\nL1|loan_disbursed|{occurred_on}", frames.EVENTS)
    payments = table("payment_id|loan_id|paid_on\nP1|L1|2026-11-01", frames.PAYMENTS)
    inputs = DecideInputs(one_loan(), no_dues(), ACTIVE, events, payments, frames.empty(CHANGES_TOLD))
    assert explained(inputs)["disbursed"] == expected


def test_sentences_in_both_languages() -> None:
    for why in Why:
        one = Explanation("n", "sms", why, 3, None)
        assert one.sentence("en").endswith(".")
        assert one.sentence("zh-CN").endswith("。")
        assert one.fires is (why is Why.FIRES)


@settings(max_examples=10, deadline=None)
@given(st.integers(-12, 40))
def test_says_fires_exactly_when_decide_does_and_names_the_next_date_rightly(offset: int) -> None:
    due_on = AS_OF - timedelta(days=offset)
    found = explain(world(due_on, AS_OF), RULES, PolicySettings(), AS_OF, "L1")
    firing = {(one.notice, one.channel) for one in found if one.fires}
    notices = decided(world(due_on, AS_OF), RULES)
    assert firing == set(zip(notices["notice"], notices["channel"], strict=True))
    for next_on in {one.next_on for one in found if one.next_on and not one.fires}:
        promised = {one.notice for one in found if one.next_on == next_on}
        later = decided(world(due_on, next_on), RULES, next_on)
        assert promised <= set(later["notice"])


def world(due_on: date, as_of: date) -> DecideInputs:
    """A loan with one unpaid installment, as it stands on a date, beside another that must not matter."""
    loans = pd.concat([one_loan(), loans_table("loan_id\nL2")], ignore_index=True)
    if due_on < as_of:
        return DecideInputs(loans, no_dues(), late((as_of - due_on).days, as_of=as_of))
    return DecideInputs(
        loans, dues_table(f"loan_id | due_on\nL1 | {due_on}"), standing_table("loan_id\nL1\nL2")
    )
