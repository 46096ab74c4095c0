"""What happened to loans is told once, from one source."""

from datetime import date, timedelta

import pandas as pd
import pytest

from carloan_notify import frames
from carloan_notify.notices.decide import Decided, Identity, decide
from carloan_notify.notices.events import CHANGES_TOLD, DecideInputs, happened
from carloan_notify.notices.ladder import DEFAULT_LADDER
from carloan_notify.notices.settings import EventType, PolicySettings
from tests.unit.notices.tables import AS_OF, no_dues, one_loan, standing_table, table

ACTIVE = standing_table("loan_id\nL1")


def night(
    *,
    events: str = "",
    payments: str = "",
    changes: str = "",
    standing: pd.DataFrame = ACTIVE,
    as_of: date = AS_OF,
    derived: tuple[EventType, ...] | None = None,
) -> Decided:
    """Tonight's notices of L1 by the default ladder."""
    inputs = DecideInputs(
        one_loan(),
        no_dues(),
        standing,
        events=table(events, frames.EVENTS) if events else None,
        payments=table(payments, frames.PAYMENTS) if payments else None,
        changes_told=table(changes, CHANGES_TOLD) if changes else None,
    )
    policy = PolicySettings() if derived is None else PolicySettings(derived_events=derived)
    return decide(inputs, DEFAULT_LADDER, policy, as_of, Identity("andacar", str))


@pytest.mark.parametrize(("days_ago", "fires"), [(-1, False), (0, True), (2, True), (3, False)])
def test_an_event_is_told_on_its_day_or_caught_up(days_ago: int, fires: bool) -> None:  # noqa: FBT001 - a case
    when = AS_OF - timedelta(days=days_ago)
    notices = night(events=f"loan_id|type|occurred_on|amount_minor\nL1|loan_disbursed|{when}|500000").notices
    assert notices["notice"].tolist() == ["loan_disbursed"] * fires
    assert notices["amount_minor"].tolist() == [500000] * fires
    assert not notices["until_paid"].any()


def test_what_happens_once_is_told_once_whatever_its_id() -> None:
    rows = "event_id|loan_id|type|occurred_on\n{}|L1|contract_signed|2026-11-22"
    first, second = (night(events=rows.format(event)).notices for event in ("E1", "E2"))
    twice = night(events=rows.format("E1") + "\nE2|L1|contract_signed|2026-11-23").notices
    keys = {frame["idempotency_key"].item() for frame in (first, second, twice)}
    assert len(keys) == 1
    assert twice["installment_no"].item() == 0
    assert pd.isna(twice["original_due_on"].item())


def test_what_may_repeat_is_told_each_time() -> None:
    payments = "payment_id|loan_id|paid_on|amount_minor\nP1|L1|2026-11-22|1000\nP2|L1|2026-11-22|1000"
    notices = night(payments=payments).notices
    assert notices["event_id"].tolist() == ["P1", "P2"]
    assert notices["idempotency_key"].nunique() == 2


def test_a_derived_event_has_one_source() -> None:
    found = night(
        events="event_id|loan_id|type|occurred_on\nE1|L1|payment_received|2026-11-22",
        payments="payment_id|loan_id|paid_on|amount_minor\nP1|L1|2026-11-22|32800",
    )
    assert found.notices["event_id"].tolist() == ["P1"]
    assert found.findings[["code", "loan_id", "value"]].to_numpy().tolist() == [
        ["event_derived", "L1", "payment_received"]
    ]


def test_without_derivation_the_events_table_speaks() -> None:
    found = night(
        events="event_id|loan_id|type|occurred_on|detail\nE1|L1|due_day_changed|2026-11-22|5 → 15",
        payments="payment_id|loan_id|paid_on|amount_minor\nP1|L1|2026-11-22|32800",
        derived=(),
    )
    assert found.notices[["notice", "event_id", "event_detail"]].to_numpy().tolist() == [
        ["due_day_changed", "E1", "5 → 15"]
    ]


@pytest.mark.parametrize(
    ("rows", "received"),
    [
        ("P1|L1|2026-11-22|500\nP2|L1|2026-11-23|-500", []),
        ("P1|L1|2026-11-22|500\nP2|L1|2026-11-22|-500\nP3|L1|2026-11-23|500", ["P3"]),
        ("P1|L1|2026-11-21|500\nP2|L1|2026-11-22|500\nP3|L1|2026-11-23|-500", ["P1"]),
        ("P1|L1|2026-11-22|500\nP2|L1|2026-11-23|-400", ["P1"]),
        ("P0|L1|2026-11-21|-500\nP1|L1|2026-11-22|500", ["P1"]),
        ("P1|L2|2026-11-22|500", []),
        ("P1|L1|2026-11-22|0", []),
    ],
)
def test_a_payment_that_was_taken_back_is_not_thanked_for(rows: str, received: list[str]) -> None:
    notices = night(payments=f"payment_id|loan_id|paid_on|amount_minor\n{rows}").notices
    assert notices["event_id"].tolist() == received


def test_a_settlement_is_told_from_the_standing() -> None:
    standing = standing_table("loan_id | status | settled_on\nL1 | settled | 2026-11-22")
    notices = night(
        standing=standing, payments="payment_id|loan_id|paid_on|amount_minor\nP9|L1|2026-11-22|500"
    ).notices
    assert notices["notice"].tolist() == ["payment_received", "loan_settled"]
    assert notices["supersedes"].tolist() == ["", "payment_received"]
    assert night(standing=standing, as_of=AS_OF + timedelta(days=2)).notices.empty


def test_what_is_left_after_the_last_installment_is_asked_for_once_and_until_paid() -> None:
    standing = standing_table("loan_id | remainder_on | remainder_minor\nL1 | 2026-11-20 | 411")
    notices = night(standing=standing).notices
    assert notices[["notice", "amount_minor", "until_paid"]].to_numpy().tolist() == [
        ["remainder_left", 411, True]
    ]
    again = night(standing=standing, as_of=AS_OF + timedelta(days=4)).notices
    assert again["idempotency_key"].tolist() == notices["idempotency_key"].tolist()
    assert night(standing=standing, as_of=AS_OF + timedelta(days=5)).notices.empty


@pytest.mark.parametrize(("days", "fires"), [(29, False), (30, True), (37, True), (38, False)])
def test_what_is_still_left_a_month_later_is_asked_for_once_more(days: int, fires: bool) -> None:  # noqa: FBT001 - a case
    standing = standing_table("loan_id | remainder_on | remainder_minor\nL1 | 2026-11-20 | 411")
    as_of = date(2026, 11, 20) + timedelta(days=days)
    payments = "payment_id|loan_id|paid_on|amount_minor\nP1|L1|2026-11-20|1000"
    notices = night(standing=standing, payments=payments, as_of=as_of).notices
    told = ["remainder_left_30", "remainder_left", 411, True]  # and nobody is thanked for an old payment
    columns = ["notice", "template", "amount_minor", "until_paid"]
    assert notices[columns].to_numpy().tolist() == [told] * fires


def test_a_new_due_day_is_told_with_before_and_after() -> None:
    changes = """
        change_id | loan_id | type     | event_detail                     | effective_on
        X1        | L1      | due_day  | 5 → 15                           | 2026-11-23
        X2        | L1      | deferral | due_on 2026-11-25 → 2026-12-25   | 2026-11-23
        X3        | L9      | due_day  | 1 → 2                            | 2026-11-23
        X4        | L1      | pause    |                                  | 2026-11-23
    """
    notices = night(changes=changes).notices
    assert notices[["notice", "event_id", "event_detail"]].to_numpy().tolist() == [
        ["due_day_changed", "X1", "5 → 15"],
        ["loan_deferred", "X2", "due_on 2026-11-25 → 2026-12-25"],
    ]


def test_rows_that_cannot_be_used_are_findings() -> None:
    found = night(
        events="""
            event_id | loan_id | type             | occurred_on
            E1       | L1      | painted_red      | 2026-11-23
            E2       | L9      | contract_signed  | 2026-11-23
                     | L1      | payment_received | 2026-11-23
        """,
        derived=(),
    )
    assert found.notices.empty
    assert found.findings[["code", "loan_id"]].to_numpy().tolist() == [
        ["event_type_unknown", "L1"],
        ["event_unknown_loan", "L9"],
        ["event_without_id", "L1"],
    ]


def test_order_of_rows_does_not_matter() -> None:
    rows = ["P1|L1|2026-11-22|500", "P2|L1|2026-11-22|500", "P3|L1|2026-11-22|-500", "P4|L1|2026-11-23|700"]
    header = "payment_id|loan_id|paid_on|amount_minor"
    forth, back = (night(payments="\n".join([header, *order])).notices for order in (rows, rows[::-1]))
    pd.testing.assert_frame_equal(forth, back)


def test_no_tables_no_events() -> None:
    events, problems = happened(
        DecideInputs(one_loan(), no_dues(), ACTIVE), tuple(PolicySettings().derived_events), AS_OF
    )
    assert events.empty
    assert problems.empty
