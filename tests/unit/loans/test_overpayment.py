from dataclasses import replace
from datetime import date, timedelta
from random import Random

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carloan_notify.loans.questions import statement
from carloan_notify.loans.schedule import LoanTerms, one_loan
from carloan_notify.loans.settings import InterestBasis, ProductTerms, Rounding, ScheduleSettings
from carloan_notify.loans.standing import LoanTables, Standing, standing
from carloan_notify.loans.standing_settings import AllocationSettings, DelinquencySettings, StandingSettings
from tests.unit.loans.plain_changes import PlainChange, plain_changed
from tests.unit.loans.plain_schedule import Row
from tests.unit.loans.portfolios import NO_SHRINKING, changes_frame, loans_frame, random_loan
from tests.unit.loans.status_cases import payments_frame, random_rules
from tests.unit.loans.status_twin import PlainInstallment, PlainLoan

LOAN = LoanTerms(
    loan_id="L",
    principal_minor=1_200_000,
    annual_rate_ppb=120_000_000,
    installments=12,
    first_due_on=date(2026, 1, 31),
    disbursed_on=date(2025, 12, 31),
)
LEVEL = 106_619  # its equal installment
AS_OF = date(2026, 3, 1)


def settings_of(overpayment: str = "applied", applied_as: str = "shorter_term") -> StandingSettings:
    chosen = {"overpayment": overpayment, "applied_as": applied_as}
    return StandingSettings(allocation=AllocationSettings.model_validate(chosen))


def told(
    chosen: StandingSettings, *payments: tuple[str, int], loan: LoanTerms = LOAN
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The statement on 1 March after these payments, and the findings."""
    rows = payments_frame(*(("L", day, amount) for day, amount in payments))
    return statement(LoanTables(one_loan(loan), payments=rows), chosen, AS_OF)


def plain_account(
    loan: LoanTerms, terms: ProductTerms, rules: PlainLoan, paid: list[tuple[date, int]]
) -> tuple[PlainLoan, int]:
    """The account when every over-payment becomes a prepayment, day by day; and how many were refused."""
    changes: list[PlainChange] = []
    refused, seen = 0, date.min
    while True:
        rows = plain_changed(loan, terms, changes)
        assert not isinstance(rows, str)
        account = of_rows(rows, rules)
        left: dict[date, int] = {}
        for day, amount in paid:
            left[day] = left.get(day, 0) + account.pay(day, amount)
        over = next((day for day, amount in left.items() if amount and day > seen), None)
        if over is None:
            return of_rows(rows, rules), refused
        more = [*changes, PlainChange("prepayment", over, left[over], rules.allocation.applied_as)]
        if isinstance(plain_changed(loan, terms, more), str):
            refused += 1
        else:
            changes = more
        seen = over


def of_rows(rows: list[Row], rules: PlainLoan) -> PlainLoan:
    installments = [
        PlainInstallment(row.due_on, row.fees, row.interest, row.principal, at, row.original_due_on)
        for at, row in enumerate(rows, 1)
    ]
    return replace(rules, installments=installments)


@settings(max_examples=4, deadline=None, phases=NO_SHRINKING)  # 250 loans each
@given(st.integers(0, 2**32))
def test_applied_over_payments_are_what_the_plain_account_says(seed: int) -> None:
    rng = Random(seed)  # noqa: S311 - test data
    terms = ProductTerms(
        interest_basis=rng.choice(list(InterestBasis)),
        interest_rounding=rng.choice([Rounding.HALF_UP, Rounding.HALF_EVEN]),
        installment_rounding=rng.choice([Rounding.HALF_UP, Rounding.UP]),
        fee_per_installment=rng.choice(["0", "3"]),
    )
    allocation, delinquency = random_rules(rng)
    allocation = allocation.model_copy(
        update={
            "overpayment": "applied",
            "applied_as": rng.choice(["shorter_term", "smaller_installment"]),
        }
    )
    method = rng.choice(["equal_installment", "equal_principal"])
    loans = [replace(overpaying(rng, at), repayment_method=method) for at in range(250)]
    paid = {loan.loan_id: random_payments(rng, loan) for loan in loans}
    as_of = date(2027, 6, 1)
    chosen = StandingSettings(
        schedule=ScheduleSettings(default=terms), allocation=allocation, delinquency=delinquency
    )
    rows = [(loan, str(day), amount) for loan, own in paid.items() for day, amount in own]
    found = standing(LoanTables(loans_frame(loans), payments=payments_frame(*rows)), chosen, as_of)
    refusals = found.findings["loan_id"][found.findings["code"] == "overpayment_not_applied"].value_counts()
    for loan, row in zip(loans, found.loans.to_dict("records"), strict=True):
        rules = PlainLoan([], loan.annual_rate_ppb, allocation, delinquency)
        account, refused = plain_account(loan, terms, rules, paid[loan.loan_id])
        account.settle(paid[loan.loan_id], as_of)
        expected = account.standing(as_of, [], sum(amount for _, amount in paid[loan.loan_id]))
        assert {name: none_if_missing(row[name]) for name in expected} == expected
        assert refusals.get(loan.loan_id, 0) == refused


def none_if_missing(value: object) -> object:
    if isinstance(value, pd.Timestamp):
        return value.date()
    return None if value is pd.NaT else value


def overpaying(rng: Random, at: int) -> LoanTerms:
    first = date(2026, 1, 1) + timedelta(days=rng.randrange(60))
    return replace(
        random_loan(rng, f"L{at:03d}"),
        principal_minor=rng.choice([10_000, rng.randrange(10_000, 10**8)]),
        annual_rate_ppb=rng.choice([0, 70_000_000, 240_000_000]),
        installments=rng.randrange(2, 9),
        first_due_on=first,
        due_day=0,
        disbursed_on=first - timedelta(days=rng.randrange(20, 40)),
        balloon_minor=0,
    )


def random_payments(rng: Random, loan: LoanTerms) -> list[tuple[date, int]]:
    usual = loan.principal_minor // loan.installments
    days = [loan.first_due_on + timedelta(days=rng.randrange(-50, 300)) for _ in range(rng.randrange(5))]
    return sorted((day, rng.choice([usual, usual // 2, 2 * usual, 5 * usual]) + 1) for day in days)


def test_an_over_payment_on_a_due_date_repays_principal_and_shortens_the_term() -> None:
    rows, found = told(settings_of(), ("2026-01-31", LEVEL + 300_000))
    assert found.empty
    assert rows["total_minor"].tolist()[:2] == [LEVEL + 300_000, LEVEL]
    assert rows["principal_minor"].sum() == 1_200_000
    assert len(rows) == 9
    assert rows["state"].tolist()[:2] == ["paid", "overdue"]


def test_or_it_makes_the_installments_smaller() -> None:
    rows, _ = told(settings_of(applied_as="smaller_installment"), ("2026-01-31", LEVEL + 300_000))
    assert len(rows) == 12
    assert rows["total_minor"].tolist()[1] < LEVEL


def test_carried_money_pays_the_coming_installments_and_changes_no_schedule() -> None:
    rows, _ = told(settings_of("carried"), ("2026-01-31", LEVEL + 300_000))
    assert rows["unpaid_minor"].tolist()[:4] == [0, 0, 0, 4 * LEVEL - (LEVEL + 300_000)]
    assert rows["total_minor"].tolist()[:11] == [LEVEL] * 11


def test_where_interest_is_not_recalculated_sparing_the_next_installments_is_carrying() -> None:
    paid = ("2026-01-31", LEVEL + 300_000)
    spared, carried = (
        told(settings_of(applied_as="next_installments"), paid),
        told(settings_of("carried"), paid),
    )
    pd.testing.assert_frame_equal(spared[0], carried[0])
    assert spared[1].empty


def test_the_interest_saved_within_the_period_is_carried() -> None:
    terms = ScheduleSettings(default=ProductTerms(interest_basis="actual/365"))
    chosen = settings_of().model_copy(update={"schedule": terms})
    usual = int(told(chosen)[0]["total_minor"].iloc[0])
    rows, _ = told(chosen, ("2026-01-21", usual + 365_000))
    saved = 365_000 * 12 * 10 // (100 * 365)
    assert int(rows["total_minor"].iloc[0]) == usual + 365_000 - saved
    assert int(rows["total_minor"].iloc[1] - rows["unpaid_minor"].iloc[1]) == saved


def test_two_payments_of_one_day_are_one_early_repayment() -> None:
    once, _ = told(settings_of(), ("2026-01-31", LEVEL + 300_000))
    twice, _ = told(settings_of(), ("2026-01-31", LEVEL + 100_000), ("2026-01-31", 200_000))
    pd.testing.assert_frame_equal(once, twice)


@pytest.mark.parametrize(
    ("loan", "day", "amount", "reason"),
    [
        (LOAN, "2026-01-31", 5_000_000, "prepayment_too_large"),
        (LOAN, "2025-12-01", LEVEL + 5_000, "change_before_disbursement"),
        (replace(LOAN, repayment_method="interest_only"), "2026-01-31", 500_000, "change_not_applicable"),
        (replace(LOAN, installments=1), "2026-02-02", 1_300_000, "change_after_last_due"),
    ],
)
def test_money_that_no_early_repayment_can_take_is_carried_and_a_finding_says_why(
    loan: LoanTerms, day: str, amount: int, reason: str
) -> None:
    rows, found = told(settings_of(), (day, amount), loan=loan)
    carried, _ = told(settings_of("carried"), (day, amount), loan=loan)
    pd.testing.assert_frame_equal(rows, carried)
    notes = found[found["code"] == "overpayment_not_applied"]
    assert notes["value"].tolist() == [f"{day} {reason}"]


def test_an_early_repayment_that_the_lender_has_recorded_is_not_applied_again() -> None:
    changes = changes_frame(("L", "prepayment", "2026-01-31", "3000.00 shorter_term"))
    paid = payments_frame(("L", "2026-01-31", LEVEL + 300_000))
    tables = LoanTables(one_loan(LOAN), payments=paid, changes=changes)
    recorded, found = statement(tables, settings_of(), AS_OF)
    assert found.empty
    pd.testing.assert_frame_equal(recorded, told(settings_of(), ("2026-01-31", LEVEL + 300_000))[0])


def test_a_supplied_schedule_is_never_changed_by_an_over_payment() -> None:
    def supplied(overpayment: str) -> Standing:
        rows = told(settings_of())[0].assign(paid_minor=0)
        basis = ScheduleSettings(basis="supplied")
        chosen = settings_of(overpayment).model_copy(update={"schedule": basis})
        paid = payments_frame(("L", "2026-01-31", LEVEL + 300_000))
        return standing(LoanTables(one_loan(LOAN), installments=rows, payments=paid), chosen, AS_OF)

    pd.testing.assert_frame_equal(supplied("applied").loans, supplied("carried").loans)


def test_delinquency_settings_reach_the_account() -> None:
    # The penalty is settled before anything is left over.
    rule = DelinquencySettings.model_validate({"penalty": {"enabled": True}})
    with_penalty = settings_of().model_copy(update={"delinquency": rule})
    paid = ("2026-02-20", 2 * LEVEL + 300_000)
    plain, charged = told(settings_of(), paid)[0], told(with_penalty, paid)[0]
    repaid = int(plain["principal_minor"].iloc[1] - charged["principal_minor"].iloc[1])
    penalty = round(94_619 * 0.18 / 360 * 20)
    assert repaid == penalty
