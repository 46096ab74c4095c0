"""Payments, penalties and days past due of other systems (tests/data/schedule_cases.json).

Each case is judged by its own stated conventions; where it shows another system's own way, the test says why
ours differs. Schedules and due dates are judged in test_schedule_cases.py.
"""

import re
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from carloan_notify.loans.allocation import owed_after_payments
from carloan_notify.loans.delinquency import days_past_due
from carloan_notify.loans.questions import statement
from carloan_notify.loans.schedule import one_loan
from carloan_notify.loans.settings import ScheduleSettings
from carloan_notify.loans.standing import LoanTables, standing
from carloan_notify.loans.standing_settings import (
    AllocationSettings,
    DelinquencySettings,
    PenaltyBase,
    PenaltySettings,
    StandingSettings,
)
from tests.unit.loans.portfolios import changes_frame
from tests.unit.loans.status_cases import grid_of, installments_frame, loans_frame, payments_frame, rule_of
from tests.unit.loans.status_cases import payments_of as dated
from tests.unit.loans.status_twin import PlainInstallment, PlainLoan
from tests.unit.loans.test_schedule_cases import CASES, Case, loan_of, minor, settings_of

BY_ID = {case["id"]: case for case in CASES}
SUPPLIED = ScheduleSettings(basis="supplied")
PAID = [
    case
    for case in CASES
    if "paid" in case.get("expected_schedule", [{}])[0] and case["category"] != "early_settlement"
]
"""Cases that say what is paid of an installment; settlements are judged beside the payoff."""


def repayments(case: Case) -> pd.DataFrame:
    return payments_frame(
        *(
            ("L", event["date"], minor(event["amount"]))
            for event in case["events"]
            if event["event"] == "repayment"
        )
    )


def statement_of(case: Case) -> list[dict[str, Any]]:
    """Every installment after the case's payments, on the day of the last of them."""
    payments = repayments(case)
    reduces = "REDUCE_NUMBER" in case["conventions"].get("prepayment_strategy", "")
    chosen = StandingSettings(
        schedule=settings_of(case),
        allocation=AllocationSettings(overpayment="applied" if reduces else "carried"),
    )
    as_of = payments["paid_on"].max().date()
    rows, findings = statement(LoanTables(one_loan(loan_of(case)), payments=payments), chosen, as_of)
    assert findings.empty, findings.to_string()
    told: list[dict[str, Any]] = rows.to_dict("records")  # type: ignore[assignment]  # names are texts
    return told


@pytest.mark.parametrize("case", PAID, ids=lambda case: case["id"])
def test_payments_leave_what_the_other_system_leaves(case: Case) -> None:
    found = statement_of(case)
    expected = case["expected_schedule"]
    assert [row["total_minor"] for row in found] == [minor(row["total_due"]) for row in expected]
    assert [row["unpaid_minor"] for row in found] == [
        minor(row.get("outstanding", row["total_due"])) for row in expected
    ]


def test_a_part_payment_on_the_due_date_settles_interest_first() -> None:
    # FIN-RP05: 200.00 of 862.00 settle 49.32 interest, then principal; nothing is overdue on the day itself.
    case = BY_ID["FIN-RP05"]
    tables = LoanTables(one_loan(loan_of(case)), payments=repayments(case))
    told = [
        standing(tables, StandingSettings(schedule=settings_of(case)), day).loans.iloc[0]
        for day in (date(2022, 12, 1), date(2022, 12, 2))
    ]
    assert [row["overdue_minor"] for row in told] == [0, 66_200]
    assert [row["days_past_due"] for row in told] == [0, 1]
    assert [row["outstanding_principal_minor"] for row in told] == [500_000 - (20_000 - 4_932)] * 2


def test_an_over_payment_makes_the_term_shorter_as_it_does_there_without_a_change_being_recorded() -> None:
    # FIN-RP11: there and here what a payment leaves after the installment repays principal on its day.
    case = BY_ID["FIN-RP11"]
    found = statement_of(case)
    assert [
        (row["installment_no"], row["principal_minor"], row["interest_minor"], row["balance_after_minor"])
        for row in found
    ] == [
        (row["n"], minor(row["principal"]), minor(row["interest"]), minor(row["balance_after"]))
        for row in case["expected_schedule"]
    ]


def test_past_due_days_grace_and_pause() -> None:
    case = BY_ID["FIN-DPD-GRACE-PAUSE"]
    inputs = case["inputs"]
    pause, rows = (
        inputs["pause"],
        [(one["due_date"], minor(one["amount"]), 0) for one in inputs["installments"]],
    )
    bands = dict.fromkeys(re.findall(r"\d+-\d+", case["conventions"]["buckets"]))
    rule = DelinquencySettings(
        grace_days=inputs["grace_on_arrears_days"],
        counts_from="grace_end",
        buckets={band: int(band.split("-")[0]) for band in bands},
    )
    tables = LoanTables(
        loans_frame({"loan_id": "L"}),
        installments=installments_frame("L", *rows),
        changes=changes_frame(("L", "pause", pause["start"], f"{pause['start']}..{pause['end']}")),
    )
    for expected in case["expected_status"]:
        as_of = date.fromisoformat(expected["as_of"])
        row = standing(tables, StandingSettings(schedule=SUPPLIED, delinquency=rule), as_of).loans.iloc[0]
        oldest = row["oldest_due_on"].to_numpy().reshape(1)
        assert row["overdue_minor"] == minor(expected["overdue_amount"])
        assert row["bucket"] == expected["bucket"].replace("NONE", "M0")
        assert days_past_due(oldest, as_of).tolist() == [expected["past_due_days"]]
        # Their past-due days run on through a pause, ours stand still: nobody is to be told that they are
        # later than the day on which the lender agreed to wait.
        late = row["days_past_due"]
        assert late == expected["past_due_days"] - held(expected, as_of, pause)
        assert max(late - rule.grace_days, 0) == expected["delinquent_days"]
        assert row["oldest_due_on"] + timedelta(days=rule.grace_days) == pd.Timestamp(
            expected["delinquent_date"]
        )


def held(expected: dict[str, Any], as_of: date, pause: dict[str, str]) -> int:
    begin = max(date.fromisoformat(pause["start"]), date.fromisoformat(expected["delinquent_date"]))
    return max((min(as_of, date.fromisoformat(pause["end"])) - begin).days, 0)


PENALTY_BASES = {
    "overdue interest": PenaltyBase.OVERDUE_INTEREST,
    "overdue principal": PenaltyBase.OVERDUE_PRINCIPAL,
    "initial amount": PenaltyBase.ORIGINAL_PRINCIPAL,
    "outstanding balance (800 after two installments)": PenaltyBase.OUTSTANDING_PRINCIPAL,
}


def penalty_of(expected: dict[str, Any], base: PenaltyBase) -> int:
    """Penalty of one installment of OCBS-PENALTY, those before it paid on their due dates."""
    inputs = BY_ID["OCBS-PENALTY"]["inputs"]
    given = [
        PlainInstallment(
            date.fromisoformat(one["due_date"]), 0, minor(one["interest"]), minor(one["principal"])
        )
        for one in inputs["installments"]
    ]
    rest = minor(inputs["loan_amount"]) - sum(one.principal for one in given)
    given.append(PlainInstallment(date(2006, 5, 1), 0, 0, rest))
    daily = Decimal(inputs["daily_rate_pct"]) / 100
    rules = PenaltySettings(enabled=True, annual_rate=daily * 360, day_basis=360, base=base)
    loan = PlainLoan(given, 0, AllocationSettings(), DelinquencySettings(penalty=rules))
    earlier = [(one.due_on, one.total) for one in given[: expected["installment"] - 1]]
    as_of = date.fromisoformat(expected["as_of"])
    owed = owed_after_payments(grid_of([loan]), dated([earlier]), rule_of([loan]), as_of)
    return int(owed.penalty_minor[0])


@pytest.mark.parametrize(
    "expected", BY_ID["OCBS-PENALTY"]["expected_status"][:-1], ids=lambda row: row["base"]
)
def test_a_daily_penalty_on_every_base(expected: dict[str, Any]) -> None:
    assert penalty_of(expected, PENALTY_BASES[expected["base"]]) == minor(expected["penalty"])


def test_a_penalty_on_four_bases_at_once_without_weekends_is_that_systems_own() -> None:
    # There four bases may be charged together, each with or without weekends. Ours has one base, as the
    # contracts we know have, and charges every calendar day, because interest law counts days and not
    # business days. The parts are the same: each base on its own, 10 days here where 7 are charged there.
    expected = BY_ID["OCBS-PENALTY"]["expected_status"][-1]
    ours = {base: penalty_of(expected, base) for base in PENALTY_BASES.values()}
    without_weekends = [7 * ours[base] // 10 for base in ours if base is not PenaltyBase.ORIGINAL_PRINCIPAL]
    together = ours[PenaltyBase.ORIGINAL_PRINCIPAL] + sum(without_weekends)
    assert together == minor(expected["penalty"])


@pytest.mark.parametrize(
    ("due", "lead", "lag", "due_event_on", "overdue_event_on"),
    [
        ("2023-01-31", 1, 2, "2023-01-31", "2023-02-03"),
        ("2023-02-01", 3, 3, "2023-01-30", "2023-02-05"),  # the second scenario of the case's note
    ],
)
def test_reminders_fall_due_when_the_other_systems_do(
    due: str, lead: int, lag: int, due_event_on: str, overdue_event_on: str
) -> None:
    # There a night's work is done for the day before the business date. Ours has one date, that day.
    case = BY_ID["FIN-REMIND-EVENTS"]
    told = [*case["expected"].values(), case["notes"]]
    assert all(day in " ".join(told) for day in (due_event_on, overdue_event_on))
    tables = LoanTables(
        loans_frame({"loan_id": "L"}), installments=installments_frame("L", (due, 100_000, 0))
    )
    before, after = (
        standing(tables, StandingSettings(schedule=SUPPLIED), date.fromisoformat(day) - timedelta(days=1))
        for day in (due_event_on, overdue_event_on)
    )
    next_due = before.loans["next_due_on"].iloc[0].date()
    assert next_due == date.fromisoformat(due)
    assert next_due - timedelta(days=lead) == date.fromisoformat(due_event_on) - timedelta(days=1)
    assert before.loans["days_past_due"].tolist() == [0]
    assert after.loans["days_past_due"].tolist() == [lag]
    assert before.dues["unpaid_minor"].tolist() == after.dues["unpaid_minor"].tolist() == [100_000]
