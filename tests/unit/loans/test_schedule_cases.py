"""Schedules of other systems (tests/data/schedule_cases.json), each judged by its own stated conventions.

The adapter below reads the conventions of a case into our settings; it knows no case by name, except where
`QUIRKS` says what is the other system's own way. Cases about payments, penalties and days past due are judged
beside the code for those.
"""

import json
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from carloan_notify.loans.grid import Grid
from carloan_notify.loans.schedule import LoanTerms, build_schedules, one_loan, schedule_frame
from carloan_notify.loans.settings import CalendarSettings, Convention, ProductTerms, ScheduleSettings
from tests.unit.loans.portfolios import changes_frame

Case = dict[str, Any]
CASES: list[Case] = json.loads(
    (Path(__file__).parents[2] / "data" / "schedule_cases.json").read_text("utf-8")
)["cases"]
OTHER_ROOMS = ("dpd", "penalty", "reminder_trigger")
SCHEDULED = [case for case in CASES if "expected_schedule" in case]
DATED = [case for case in CASES if "expected_due_dates" in case]
QUIRKS = {
    # The other system keeps its rows after a settlement, marked as paid in advance; ours ends there.
    "FIN-PAYOFF-PRECLOSE": "the schedule ends with the settlement",
}


def minor(text: str) -> int:
    return int(Decimal(text) * 100)


def terms_of(case: Case) -> ProductTerms:
    said, inputs = case["conventions"], case["inputs"]
    rounding = "half_even" if "HALF_EVEN" in said.get("interest_rounding", "") else "half_up"
    installment = said.get("installment_rounding", "")
    whole_units = "MultiplesOf=1" in installment and method_of(case) != "equal_principal"
    shifts = "next working day" in said.get("shift_rule", "")
    return ProductTerms.model_validate(
        {
            "interest_rounding": rounding,
            "installment_rounding": rounding,
            "interest_basis": "actual/365" if said.get("day_count", "") == "actual/365" else "rate/12",
            "installment_multiple": "1" if whole_units else "0",
            "annuity_rate": "first_period" if "first period rate" in installment else "exact",
            "principal_grace": inputs.get("grace_on_principal_installments", 0),
            "interest_free_periods": inputs.get("interest_free_installments", 0),
            "residue": "spread" if said.get("rounding") == "0.01" else "last",
            "convention": "following" if shifts else "unadjusted",
            "charge_shift_interest": any(event.get("charge_interest_during_shift") for event in events(case)),
        }
    )


def method_of(case: Case) -> str:
    inputs = case["inputs"]
    if "flat" in case["conventions"].get("rate", "") or inputs.get("interest_type") == "FLAT":
        return "flat"
    is_principal = inputs.get("amortization") == "EQUAL_PRINCIPAL_PAYMENTS"
    return "equal_principal" if is_principal else "equal_installment"


def events(case: Case) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = case.get("events", [])
    return found


def loan_of(case: Case) -> LoanTerms:
    inputs = case["inputs"]
    begin = date.fromisoformat(inputs.get("disbursement_date") or inputs["submitted_on"])
    if "period_rate_pct" in inputs:
        rate = int(Decimal(inputs["period_rate_pct"]) * 12 * 10**7)
    else:
        rate = int(Decimal(inputs["annual_rate_pct"]) * 10**7)
    month = begin.month % 12 + 1
    return LoanTerms(
        loan_id="L",
        principal_minor=minor(inputs["principal"]),
        annual_rate_ppb=rate,
        installments=inputs["number_of_repayments"],
        first_due_on=date(begin.year + (month == 1), month, begin.day),
        disbursed_on=begin,
        repayment_method=method_of(case),
    )


def changes_of(case: Case, plain: pd.DataFrame) -> pd.DataFrame:
    """The case's events, and a due day that its title or dates show, as our changes."""
    rows: list[tuple[str, str, str, str]] = []
    for event in events(case):
        rows += change_of(event, case, plain)
    due = [date.fromisoformat(row["due_date"]) for row in case["expected_schedule"]]
    if case["category"] == "due_date_change":
        moved = next(row for row, day in enumerate(due) if day.day != due[0].day)
        rows.append(("L", "due_day", str(plain["due_on"][moved].date()), str(due[moved].day)))
    return changes_frame(*rows)


def change_of(event: dict[str, Any], case: Case, plain: pd.DataFrame) -> list[tuple[str, str, str, str]]:
    if event["event"] == "rate_change":
        # Their first day of a rate is the first day charged; ours is the day whose evening it is.
        day = date.fromisoformat(event["effective_from"]) - timedelta(days=1)
        return [("L", "rate", str(day), event["new_annual_rate_pct"] + "%")]
    if event["event"] == "payoff":
        return [("L", "settlement", event["date"], "")]
    if "extraTerms" in event:
        return [("L", "extension", event["rescheduleFromDate"], event["extraTerms"])]
    if "shift_days" in event:
        number = case["expected_schedule"][0]["n"]
        before = plain["original_due_on"][number - 1].date()
        to = before + timedelta(days=event["shift_days"])
        return [("L", "deferral", str(before), f"{number} {to}")]
    if event["event"] == "repayment" and "REDUCE_NUMBER" in case["conventions"].get(
        "prepayment_strategy", ""
    ):
        due = plain.loc[plain["due_on"] == pd.Timestamp(event["date"]), "total_minor"].iloc[0]
        extra = Decimal(minor(event["amount"]) - int(due)) / 100
        return [("L", "prepayment", event["date"], f"{extra:.2f} shorter_term")]
    return []


def settings_of(case: Case) -> ScheduleSettings:
    return ScheduleSettings(default=terms_of(case), max_annual_rate=Decimal(5))


def ours(case: Case) -> pd.DataFrame:
    loan, chosen = one_loan(loan_of(case)), settings_of(case)
    plain = schedule_frame(build_schedules(loan, None, chosen)[0])
    grids, findings = build_schedules(loan, changes_of(case, plain), chosen)
    assert findings.empty, findings.to_string()
    return schedule_frame(grids)


def money(schedule: pd.DataFrame) -> list[tuple[int, str, int, int, int]]:
    return [
        (number, str(due.date()), principal, interest, balance)
        for number, due, principal, interest, balance in zip(
            schedule["installment_no"],
            schedule["due_on"],
            schedule["principal_minor"],
            schedule["interest_minor"],
            schedule["balance_after_minor"],
            strict=True,
        )
    ]


@pytest.mark.parametrize(
    "case", [case for case in SCHEDULED if case["id"] not in QUIRKS], ids=lambda case: case["id"]
)
def test_a_schedule_is_the_expected_one_to_the_cent(case: Case) -> None:
    schedule = ours(case)
    first = case["expected_schedule"][0]["n"]
    expected = [
        (row["n"], row["due_date"], minor(row["principal"]), minor(row["interest"]))
        for row in case["expected_schedule"]
    ]
    shown = schedule[schedule["installment_no"] >= first]
    assert [row[:4] for row in money(shown)] == expected
    with_balance = [
        minor(row["balance_after"]) for row in case["expected_schedule"] if "balance_after" in row
    ]
    assert [row[4] for row in money(shown)][: len(with_balance)] == with_balance


def test_a_settlement_asks_what_the_other_system_asks_and_ends_the_schedule() -> None:
    case = next(case for case in CASES if case["id"] == "FIN-PAYOFF-PRECLOSE")
    schedule = ours(case)
    payoff = case["expected_transactions"][-1]
    assert money(schedule)[-1] == (
        2,
        payoff["date"],
        minor(payoff["principal"]),
        minor(payoff["interest"]),
        0,
    )
    before = schedule_frame(build_schedules(one_loan(loan_of(case)), None, settings_of(case))[0])
    expected = [
        (
            row["n"],
            row["due_date"],
            minor(row["principal"]),
            minor(row["interest"]),
            minor(row["balance_after"]),
        )
        for row in case["schedule_before_changes"]
    ]
    assert money(before) == expected


@pytest.mark.parametrize(
    "case", [case for case in CASES if "schedule_before_changes" in case], ids=lambda case: case["id"]
)
def test_the_schedule_before_changes_too(case: Case) -> None:
    plain = schedule_frame(build_schedules(one_loan(loan_of(case)), None, settings_of(case))[0])
    assert [(row[1], row[2]) for row in money(plain)] == [
        (row["due_date"], minor(row["principal"])) for row in case["schedule_before_changes"]
    ]


@pytest.mark.parametrize("case", DATED, ids=lambda case: case["id"])
def test_due_dates_are_the_expected_ones(case: Case) -> None:
    inputs, said = case["inputs"], case["conventions"]
    holidays = [date.fromisoformat(day) for day in said.get("public_holidays", [])]
    first = inputs.get("first_repayment_date")
    begin = date.fromisoformat(inputs.get("start_date") or first)
    month = begin.month % 12 + 1
    loan = LoanTerms(
        loan_id="L",
        principal_minor=1_000_000,
        annual_rate_ppb=0,
        installments=inputs.get("number_of_repayments") or inputs["installment_number"],
        first_due_on=begin if first else date(begin.year + (month == 1), month, begin.day),
    )
    terms = ProductTerms(
        calendar="own", convention=Convention.FOLLOWING if "shift_rule" in said else Convention.UNADJUSTED
    )
    own = {"own": CalendarSettings(extra_holidays=tuple(holidays))}
    grids, _ = build_schedules(one_loan(loan), None, ScheduleSettings(default=terms, calendars=own))
    assert schedule_frame(grids)["due_on"].astype(str).tolist() == case["expected_due_dates"]


def test_a_weekend_due_date_moves_and_then_the_customers_own_date_holds() -> None:
    case = next(case for case in CASES if case["id"] == "FIN-WEEKDAY-SAT")
    inputs, expected = case["inputs"], case["expected"]
    loan = LoanTerms(
        loan_id="L",
        principal_minor=minor(inputs["principal"]),
        annual_rate_ppb=120_000_000,
        installments=inputs["number_of_repayments"],
        first_due_on=date.fromisoformat(inputs["first_repayment_date"]),
        disbursed_on=date.fromisoformat(inputs["disbursement_date"]),
    )
    chosen = ScheduleSettings(default=ProductTerms(convention="following", interest_basis="actual/365"))
    event = events(case)[-1]
    plain = build_schedules(one_loan(loan), None, chosen)[0][0]
    number = due(plain).index(expected["installment_due_before_change"]) + 1
    change = ("L", "deferral", event["rescheduleFromDate"], f"{number} {event['adjustedDueDate']}")
    moved = build_schedules(one_loan(loan), changes_frame(change), chosen)[0][0]
    assert due(moved)[number - 1] == expected["installment_due_after_change"]
    assert due(moved)[: number - 1] == due(plain)[: number - 1]
    assert moved.original_due_on.tolist() == plain.original_due_on.tolist()


def due(grid: Grid) -> list[str]:
    return [str(day) for day in grid.due_on[:, 0]]


def test_every_case_is_judged_somewhere() -> None:
    here = {case["id"] for case in SCHEDULED + DATED} | {"FIN-WEEKDAY-SAT"}
    assert {case["category"] for case in CASES if case["id"] not in here} <= set(OTHER_ROOMS)
