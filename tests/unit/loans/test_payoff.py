"""What settles a loan: against a plain twin, against a settlement change, and against another system."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

from carloan_notify.frames import LOANS
from carloan_notify.loans.questions import COLUMNS, payoff
from carloan_notify.loans.schedule import LoanTerms, one_loan
from carloan_notify.loans.settings import ProductTerms, ScheduleSettings
from carloan_notify.loans.standing import LoanTables
from carloan_notify.loans.standing_settings import (
    DelinquencySettings,
    PayoffSettings,
    PenaltySettings,
    StandingSettings,
)
from tests.unit.loans.portfolios import changes_frame, loans_frame
from tests.unit.loans.status_cases import payments_frame
from tests.unit.loans.test_schedule_cases import CASES, loan_of, minor, settings_of

LOAN = LoanTerms(
    loan_id="L",
    principal_minor=1_200_000,
    annual_rate_ppb=120_000_000,
    installments=12,
    first_due_on=date(2026, 2, 10),
    disbursed_on=date(2026, 1, 10),
    repayment_method="equal_principal",
)
NO_PENALTY = DelinquencySettings(penalty=PenaltySettings(enabled=False))
FREE = PayoffSettings()
RULES = StandingSettings(delinquency=NO_PENALTY)


def owed(
    on: str,
    *payments: tuple[str, str, int],
    terms: ProductTerms | None = None,
    fee: PayoffSettings = FREE,
    rules: StandingSettings = RULES,
) -> dict[str, int]:
    """The payoff of LOAN without its loan_id, zeros left out."""
    chosen = rules.model_copy(update={"schedule": ScheduleSettings(default=terms or ProductTerms())})
    tables = LoanTables(one_loan(LOAN), payments=payments_frame(*payments))
    found, notes = payoff(tables, chosen, fee, date.fromisoformat(on))
    assert notes.empty, notes.to_string()
    assert list(found.columns) == list(COLUMNS)
    return {name: int(found[name].iloc[0]) for name in COLUMNS[1:] if found[name].iloc[0]}


def test_interest_runs_to_the_day() -> None:
    due = ("L", "2026-02-10", 112_000)
    half = owed("2026-02-24", due)  # 14 of the 28 days from 10 February to 10 March
    assert half == {"principal_minor": 1_100_000, "interest_minor": 5_500, "payoff_minor": 1_105_500}


def test_interest_runs_to_the_next_due_date_where_the_product_says_so() -> None:
    terms = ProductTerms(settlement_interest="to_next_due_date")
    whole = owed("2026-02-24", ("L", "2026-02-10", 112_000), terms=terms)
    assert whole == {"principal_minor": 1_100_000, "interest_minor": 11_000, "payoff_minor": 1_111_000}


def test_on_a_due_date_its_installment_is_owed_whole() -> None:
    assert owed("2026-02-10") == {
        "principal_minor": 1_200_000,
        "interest_minor": 12_000,
        "payoff_minor": 1_212_000,
    }


def test_money_paid_ahead_is_credited() -> None:
    ahead = owed("2026-02-24", ("L", "2026-02-10", 112_000), ("L", "2026-02-20", 111_000))
    assert ahead["payoff_minor"] == 1_105_500 - 111_000
    over = owed("2026-02-24", ("L", "2026-02-10", 112_000), ("L", "2026-02-20", 1_200_000))
    assert "payoff_minor" not in over, "nobody owes less than nothing"


def test_overdue_installments_and_penalty_are_part_of_it() -> None:
    rules = StandingSettings(
        delinquency=DelinquencySettings(penalty=PenaltySettings(enabled=True, day_basis=360))
    )
    late = owed("2026-02-24", rules=rules)
    # 100,000 overdue for 14 days at 12 % × 1.5 / 360
    assert late == {
        "principal_minor": 1_200_000,
        "interest_minor": 12_000 + 5_500,
        "penalty_minor": 700,
        "payoff_minor": 1_218_200,
    }


def test_the_fee_is_a_share_of_what_is_not_due_and_ends_after_some_installments() -> None:
    due = ("L", "2026-02-10", 112_000)
    fee = PayoffSettings(fee_rate=Decimal("0.03"), fee_fixed=Decimal("10.00"))
    assert owed("2026-02-24", due, fee=fee)["settlement_fee_minor"] == 33_000 + 1_000
    assert owed("2026-02-24", fee=fee)["settlement_fee_minor"] == 33_000 + 1_000, "overdue is not early"
    free = fee.model_copy(update={"fee_free_after": 1})
    assert "settlement_fee_minor" not in owed("2026-02-24", due, fee=free)
    assert owed("2026-02-09", fee=free)["settlement_fee_minor"] == 36_000 + 1_000
    assert "settlement_fee_minor" not in owed("2027-01-10", fee=fee), "nothing is early on the last due date"


def test_the_running_installments_fee_is_owed_and_no_later_one() -> None:
    terms = ProductTerms(fee_per_installment=Decimal("5.00"))
    assert owed("2026-02-24", terms=terms)["fees_minor"] == 1_000


def test_a_loan_that_is_not_active_has_no_payoff() -> None:
    loans = one_loan(LOAN).assign(status="settled").astype(dict(LOANS))
    found, _ = payoff(LoanTables(loans), RULES, FREE, date(2026, 3, 1))
    assert found.empty
    assert list(found.columns) == list(COLUMNS)


def test_a_snapshot_cannot_say_it() -> None:
    rules = StandingSettings(schedule=ScheduleSettings(basis="snapshot"))
    found, notes = payoff(LoanTables(one_loan(LOAN)), rules, FREE, date(2026, 3, 1))
    assert found.empty
    assert list(found.columns) == list(COLUMNS)
    assert notes["code"].tolist() == ["payoff_needs_schedule"]


def test_only_changes_up_to_the_day_count() -> None:
    changes = changes_frame(
        ("L", "rate", "2026-02-10", "24%"), ("L", "prepayment", "2026-06-10", "1000.00 shorter_term")
    )
    found, notes = payoff(LoanTables(one_loan(LOAN), changes=changes), RULES, FREE, date(2026, 2, 24))
    assert notes.empty
    assert found["interest_minor"].tolist() == [12_000 + 11_000]


def test_where_no_settlement_can_be_the_loan_has_a_finding_and_no_figure() -> None:
    other = replace(LOAN, loan_id="M")
    changes = changes_frame(("L", "prepayment", "2026-02-15", "1000.00 shorter_term"))
    tables = LoanTables(loans_frame([LOAN, other]), changes=changes)
    found, notes = payoff(tables, RULES, FREE, date(2026, 2, 24))
    assert notes[["loan_id", "code"]].to_numpy().tolist() == [["L", "changes_overlap"]]
    assert found["loan_id"].tolist() == ["M"]


def test_the_other_systems_payoff_is_ours() -> None:
    case = next(case for case in CASES if case["id"] == "FIN-PAYOFF-PRECLOSE")
    rules = RULES.model_copy(update={"schedule": settings_of(case)})
    paid = [
        ("L", event["date"], minor(event["amount"]))
        for event in case["events"]
        if event["event"] == "repayment"
    ]
    tables = LoanTables(one_loan(loan_of(case)), payments=payments_frame(*paid))
    theirs = case["expected_transactions"][-1]
    found, _ = payoff(tables, rules, FREE, date.fromisoformat(theirs["date"]))
    names = ("principal_minor", "interest_minor", "payoff_minor")
    ours = tuple(int(found[name].iloc[0]) for name in names)
    assert ours == tuple(minor(theirs[name]) for name in ("principal", "interest", "amount"))
