"""Whether a loan is surely settled: each reason once, and a plain twin on anything."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any, Final

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carloan_notify import frames
from carloan_notify.certificate_codes import Refusal
from carloan_notify.loans.settlement import SettlementRule, SettlementTables, settlements

AS_OF: Final = date(2026, 11, 23)
WAIT: Final = 3


@dataclass(frozen=True)
class Case:
    """One loan as the tables tell of it; by default one that its lender calls settled."""

    status: str = "settled"
    stands: str = "settled"
    settled_on: date | None = date(2026, 11, 20)
    name: str = "王小明"
    principal: int = 100
    disbursed_on: date | None = date(2024, 1, 5)
    overdue: int = 0
    in_dispute: bool = False
    known: bool = True
    incomplete: bool = False
    odd_customer: bool = False
    told_on: date | None = None
    payments: Sequence[tuple[date, int]] = field(default=())
    dispute_of: str = ""


def frame(columns: Any, rows: Sequence[dict[str, object]]) -> pd.DataFrame:
    blank = frames.blank_row(columns)
    return pd.DataFrame([{**blank, **row} for row in rows], columns=list(columns)).astype(dict(columns))


def tables(cases: Sequence[Case]) -> SettlementTables:
    named = [(f"L{number}", f"C{number}", case) for number, case in enumerate(cases)]
    return SettlementTables(
        loans=frame(
            frames.LOANS,
            [
                {
                    "loan_id": loan,
                    "customer_id": customer,
                    "borrower_name": case.name,
                    "status": case.status,
                    "principal_minor": case.principal,
                    "disbursed_on": case.disbursed_on,
                    "overdue_minor": case.overdue,
                    "in_dispute": case.in_dispute,
                }
                for loan, customer, case in named
            ],
        ),
        standing=frame(
            frames.STANDING,
            [
                {"loan_id": loan, "status": case.stands, "settled_on": case.settled_on}
                for loan, _, case in reversed(named)
                if case.known
            ],
        ),
        payments=frame(
            frames.PAYMENTS,
            [
                {"loan_id": loan, "paid_on": day, "amount_minor": amount}
                for loan, _, case in named
                for day, amount in case.payments
            ],
        ),
        settled_events=frame(
            frames.EVENTS,
            [{"loan_id": loan, "occurred_on": case.told_on} for loan, _, case in named if case.told_on],
        )[["loan_id", "occurred_on"]],
        contacts=frame(
            frames.CONTACTS,
            [
                {
                    "customer_id": customer,
                    "loan_id": loan if case.dispute_of == "loan" else "",
                    "in_dispute": bool(case.dispute_of),
                }
                for loan, customer, case in named
            ],
        ),
        incomplete={loan for loan, _, case in named if case.incomplete},
        incomplete_customers={customer for _, customer, case in named if case.odd_customer},
    )


def judged(*cases: Case, wait: int = WAIT, since: date | None = None) -> dict[str, str]:
    rows = settlements(tables(cases), SettlementRule(AS_OF, wait, since))
    return dict(zip(rows["loan_id"], rows["refusal"], strict=True))


def plainly(case: Case) -> str:  # noqa: C901, PLR0911 - the rule as a list of questions
    day = (case.settled_on if case.known else None) or case.told_on
    if not case.known or case.stands == "" or case.incomplete or case.odd_customer:
        return Refusal.INCOMPLETE
    if case.stands != "settled":
        return Refusal.NOT_SETTLED
    if case.in_dispute or case.dispute_of:
        return Refusal.DISPUTED
    by_lender = case.status == "settled"
    if by_lender and case.overdue:
        return Refusal.STILL_OWED
    last = max((paid for paid, _ in case.payments), default=None)
    if by_lender and sum(amount for paid, amount in case.payments if paid == last) < 0:
        return Refusal.TAKEN_BACK
    if day is None or day > AS_OF:
        return Refusal.NO_DATE
    if not by_lender and (AS_OF - day).days < WAIT:
        return Refusal.NOT_YET
    if not case.name.strip():
        return Refusal.NO_NAME
    if not case.principal:
        return Refusal.NO_AMOUNT
    if case.disbursed_on is None or case.disbursed_on > day:
        return Refusal.NO_DISBURSAL
    return ""


SURE: Final = Case()
BY_PAYMENTS: Final = Case(status="active")


@pytest.mark.parametrize(
    ("case", "refusal"),
    [
        (SURE, ""),
        (BY_PAYMENTS, ""),  # paid three days ago
        (replace(BY_PAYMENTS, settled_on=date(2026, 11, 21)), Refusal.NOT_YET),
        (replace(SURE, settled_on=date(2026, 11, 23)), ""),
        (replace(SURE, settled_on=date(2026, 11, 24)), Refusal.NO_DATE),
        (replace(SURE, settled_on=None), Refusal.NO_DATE),
        (replace(SURE, settled_on=None, told_on=date(2026, 11, 19)), ""),
        (replace(SURE, stands="active"), Refusal.NOT_SETTLED),
        (replace(SURE, known=False), Refusal.INCOMPLETE),
        (replace(SURE, incomplete=True), Refusal.INCOMPLETE),
        (replace(SURE, odd_customer=True), Refusal.INCOMPLETE),
        (replace(SURE, in_dispute=True), Refusal.DISPUTED),
        (replace(SURE, dispute_of="loan"), Refusal.DISPUTED),
        (replace(SURE, dispute_of="customer"), Refusal.DISPUTED),
        (replace(SURE, overdue=1), Refusal.STILL_OWED),
        (replace(SURE, payments=[(date(2026, 11, 20), 50), (date(2026, 11, 22), -50)]), Refusal.TAKEN_BACK),
        (replace(SURE, payments=[(date(2026, 11, 20), -50), (date(2026, 11, 20), 50)]), ""),
        (replace(SURE, name=" "), Refusal.NO_NAME),
        (replace(SURE, principal=0), Refusal.NO_AMOUNT),
        (replace(SURE, disbursed_on=None), Refusal.NO_DISBURSAL),
        (replace(SURE, disbursed_on=date(2026, 11, 21)), Refusal.NO_DISBURSAL),
    ],
)
def test_each_reason(case: Case, refusal: str) -> None:
    assert judged(case) == {"L0": refusal}
    assert plainly(case) == refusal


def test_a_night_looks_back_only_so_far() -> None:
    old = replace(SURE, settled_on=date(2026, 10, 1))
    assert judged(SURE, old, replace(SURE, stands="active"), since=date(2026, 10, 24)) == {"L0": ""}


def test_a_loan_that_is_there_twice_is_in_no_standing() -> None:
    one = tables([SURE])
    twice = replace(
        one, loans=pd.concat([one.loans, one.loans], ignore_index=True), standing=one.standing.iloc[:0]
    )
    assert set(settlements(twice, SettlementRule(AS_OF, WAIT))["refusal"]) == {Refusal.INCOMPLETE}


def test_nothing_of_nothing() -> None:
    assert judged() == {}
    assert judged(since=AS_OF) == {}


days = st.one_of(st.none(), st.dates(AS_OF - timedelta(days=6), AS_OF + timedelta(days=2)))
cases = st.builds(
    Case,
    status=st.sampled_from(["settled", "active"]),
    stands=st.sampled_from(["settled", "settled", "settled", "active", ""]),
    settled_on=days,
    name=st.sampled_from(["王小明", "", " "]),
    principal=st.sampled_from([0, 100]),
    disbursed_on=days,
    overdue=st.sampled_from([0, 0, 1]),
    in_dispute=st.booleans(),
    known=st.booleans(),
    incomplete=st.booleans(),
    odd_customer=st.booleans(),
    told_on=days,
    payments=st.lists(
        st.tuples(st.dates(AS_OF - timedelta(days=2), AS_OF), st.sampled_from([-50, 50])), max_size=4
    ),
    dispute_of=st.sampled_from(["", "", "loan", "customer"]),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(cases, max_size=25))
def test_the_same_as_one_by_one(some: list[Case]) -> None:
    assert judged(*some) == {f"L{number}": plainly(case) for number, case in enumerate(some)}
