"""A loan's schedule with what has been paid of it."""

from dataclasses import replace
from datetime import date, timedelta
from random import Random
from typing import Any

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from carloan_notify.frames import INSTALLMENTS
from carloan_notify.loans.questions import STATEMENT, statement
from carloan_notify.loans.schedule import LoanTerms, one_loan
from carloan_notify.loans.settings import ProductTerms, ScheduleSettings
from carloan_notify.loans.standing import LoanTables, standing
from carloan_notify.loans.standing_settings import DelinquencySettings, PenaltySettings, StandingSettings
from tests.unit.loans.plain_schedule import plain_schedule
from tests.unit.loans.portfolios import NO_SHRINKING, changes_frame, loans_frame
from tests.unit.loans.status_cases import frame, payments_frame
from tests.unit.loans.status_twin import PlainInstallment, PlainLoan

LOAN = LoanTerms(
    loan_id="L",
    principal_minor=1_200_000,
    annual_rate_ppb=120_000_000,
    installments=12,
    first_due_on=date(2026, 2, 10),
    disbursed_on=date(2026, 1, 10),
    repayment_method="equal_principal",
)
RULES = StandingSettings()
SUPPLIED = StandingSettings(schedule=ScheduleSettings(basis="supplied"))


def states(told: pd.DataFrame) -> list[str]:
    return told["state"].tolist()


def test_paid_overdue_and_upcoming_are_told_apart() -> None:
    tables = LoanTables(one_loan(LOAN), payments=payments_frame(("L", "2026-02-10", 112_500)))
    told, notes = statement(tables, RULES, date(2026, 4, 10))
    assert notes.empty
    assert {name: str(kind) for name, kind in told.dtypes.items()} == STATEMENT
    assert states(told) == ["paid", "overdue", *["upcoming"] * 10], "what falls due today is upcoming"
    assert told["unpaid_minor"].tolist()[:3] == [0, 111_000 - 500, 110_000]
    assert told["installment_no"].tolist() == list(range(1, 13))
    assert told["balance_after_minor"].iloc[-1] == 0


def test_changes_show() -> None:
    changes = changes_frame(("L", "settlement", "2026-02-24", ""))
    told, _ = statement(LoanTables(one_loan(LOAN), changes=changes), RULES, date(2026, 3, 1))
    assert told["due_on"].astype("str").tolist() == ["2026-02-10", "2026-02-24"]
    assert states(told) == ["overdue", "overdue"]


def test_supplied_installments_keep_their_numbers() -> None:
    rows: list[dict[str, Any]] = [
        {
            "loan_id": "L",
            "installment_no": number,
            "due_on": pd.Timestamp(2026, month, 10),
            "principal_minor": 1000,
            "total_minor": 1000,
            "paid_minor": paid,
        }
        for number, month, paid in ((7, 1, 1000), (8, 2, 400), (9, 3, 0))
    ]
    tables = LoanTables(one_loan(LOAN), installments=frame(INSTALLMENTS, rows))
    told, _ = statement(tables, SUPPLIED, date(2026, 3, 1))
    assert told[["installment_no", "unpaid_minor", "state"]].to_numpy().tolist() == [
        [7, 0, "paid"],
        [8, 600, "overdue"],
        [9, 1000, "upcoming"],
    ]


def test_every_loan_with_a_schedule_is_told_whatever_its_status() -> None:
    loans = loans_frame([LOAN, replace(LOAN, loan_id="M")])
    loans["status"] = pd.Series(["settled", "pending"], dtype="str")
    told, _ = statement(LoanTables(loans), RULES, date(2026, 3, 1))
    assert told.groupby("loan_id").size().to_dict() == {"L": 12, "M": 12}


def test_a_settled_loans_changes_are_part_of_its_history() -> None:
    tables = LoanTables(
        one_loan(LOAN).assign(status="settled"),
        payments=payments_frame(("L", "2026-02-24", 1_217_500)),
        changes=changes_frame(("L", "settlement", "2026-02-24", "")),
    )
    told, notes = statement(tables, RULES, date(2026, 3, 1))
    assert notes.empty
    assert states(told) == ["paid", "paid"]


def test_a_snapshot_has_none() -> None:
    rules = StandingSettings(schedule=ScheduleSettings(basis="snapshot"))
    told, notes = statement(LoanTables(one_loan(LOAN)), rules, date(2026, 3, 1))
    assert told.empty
    assert list(told.columns) == list(STATEMENT)
    assert notes["code"].tolist() == ["statement_needs_schedule"]


def test_a_loan_that_cannot_be_computed_has_a_finding() -> None:
    loans = loans_frame([LOAN, replace(LOAN, loan_id="M", installments=1000)])
    told, notes = statement(LoanTables(loans), RULES, date(2026, 3, 1))
    assert told["loan_id"].unique().tolist() == ["L"]
    assert notes[["loan_id", "code"]].to_numpy().tolist() == [["M", "term_out_of_range"]]


@settings(max_examples=5, deadline=None, phases=NO_SHRINKING)  # 200 loans each
@given(seed=st.integers(0, 2**32))
def test_statements_equal_the_plain_twin_and_sum_to_the_standing(seed: int) -> None:
    rng = Random(seed)  # noqa: S311 - test data
    as_of = date(2026, 3, 1) + timedelta(days=rng.randrange(300))
    penalty = PenaltySettings(enabled=rng.random() < 0.5)
    rules = StandingSettings(delinquency=DelinquencySettings(penalty=penalty))
    loans, payments, expected = [], [], {}
    for at in range(200):
        loan, paid = random_case(rng, f"L{at:03d}", as_of)
        loans.append(loan)
        payments += [(loan.loan_id, str(day), amount) for day, amount in paid]
        expected[loan.loan_id] = plain_statement(loan, paid, rules, as_of)
    tables = LoanTables(loans_frame(loans), payments=payments_frame(*payments))
    told, _ = statement(tables, rules, as_of)
    names = ["installment_no", "unpaid_minor", "state"]
    ours = {name: list(map(tuple, rows[names].to_numpy().tolist())) for name, rows in told.groupby("loan_id")}
    assert ours == expected
    sums_agree(tables, told, rules, as_of)
    turned = replace(tables, loans=tables.loans.iloc[::-1].reset_index(drop=True))
    pd.testing.assert_frame_equal(statement(turned, rules, as_of)[0], told)


def random_case(rng: Random, name: str, as_of: date) -> tuple[LoanTerms, list[tuple[date, int]]]:
    first = as_of - timedelta(days=rng.randrange(-40, 500))
    loan = replace(
        LOAN,
        loan_id=name,
        principal_minor=rng.randrange(10_000, 10**8),
        installments=rng.randrange(3, 15),
        first_due_on=first,
        disbursed_on=first - timedelta(days=30),
    )
    level = loan.principal_minor // loan.installments
    days = sorted(rng.randrange(-20, 300) for _ in range(rng.randrange(8)))
    paid = [(first + timedelta(days=day), rng.randrange(1, 3 * level)) for day in days]
    return loan, sorted(paid, key=lambda pair: (pair[0], -pair[1]))  # as payments of one day are taken


def plain_statement(
    loan: LoanTerms, paid: list[tuple[date, int]], rules: StandingSettings, as_of: date
) -> list[tuple[int, int, str]]:
    rows = plain_schedule(loan, ProductTerms(), lambda _: True)
    parts = [PlainInstallment(row.due_on, row.fees, row.interest, row.principal) for row in rows]
    plain = PlainLoan(parts, loan.annual_rate_ppb, rules.allocation, rules.delinquency)
    for day, amount in paid:
        if day <= as_of:
            plain.pay(day, amount)
    late = {True: "overdue", False: "upcoming"}
    asked = [id(one) for one, _ in plain.asked()]
    late_or_carried = [
        late[one.due_on < as_of] if id(one) in asked else "carried" for one in plain.installments
    ]
    return [
        (number, one.open, late_or_carried[number - 1] if one.open else "paid")
        for number, one in enumerate(plain.installments, 1)
    ]


def sums_agree(tables: LoanTables, told: pd.DataFrame, rules: StandingSettings, as_of: date) -> None:
    """Overdue rows sum to the overdue amount, the first upcoming one is the next due, where nothing is carried."""
    with_rests = told.loc[told["state"] == "carried", "loan_id"]
    told = told[~told["loan_id"].isin(with_rests)]
    found = standing(tables, rules, as_of).loans.set_index("loan_id").drop(with_rests.unique())
    overdue = told[told["state"] == "overdue"].groupby("loan_id")
    upcoming = told[told["state"] == "upcoming"].groupby("loan_id").first()
    assert (
        found["overdue_minor"][found["overdue_minor"] > 0].to_dict()
        == overdue["unpaid_minor"].sum().to_dict()
    )
    oldest = found["oldest_due_on"].dropna()
    assert oldest.to_dict() == overdue["due_on"].min().to_dict()
    coming = found[found["next_installment_no"] > 0]
    for name, column in (
        ("next_installment_no", "installment_no"),
        ("next_due_on", "due_on"),
        ("next_due_minor", "unpaid_minor"),
    ):
        assert coming[name].to_dict() == upcoming[column].to_dict()
