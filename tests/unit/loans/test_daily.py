"""Interest by the day of actual payment, against other systems' figures and a slow plain twin."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from random import Random

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from carloan_notify.loans.questions import payoff, statement
from carloan_notify.loans.schedule import LoanTerms
from carloan_notify.loans.settings import ProductTerms, ScheduleSettings
from carloan_notify.loans.standing import LoanTables, standing
from carloan_notify.loans.standing_settings import (
    AllocationSettings,
    DelinquencySettings,
    PayoffSettings,
    StandingSettings,
    ToleranceSettings,
)
from tests.unit.loans.plain_schedule import part_of, plain_days, plain_schedule
from tests.unit.loans.portfolios import NO_SHRINKING, changes_frame, loans_frame
from tests.unit.loans.status_cases import payments_frame

Pairs = list[tuple[date, int]]
SEEDS = st.integers(0, 2**32 - 1)
LP1 = ProductTerms(
    interest_basis="actual/365",
    recalculation="daily",
    annuity_rate="first_period",
    interest_rounding="half_even",
    installment_multiple=Decimal(1),
)
LOAN = LoanTerms(500_000, 120_000_000, 6, date(2022, 12, 1), date(2022, 11, 1), loan_id="L")


def rules(terms: ProductTerms, overpayment: str = "carried") -> StandingSettings:
    return StandingSettings(
        schedule=ScheduleSettings(default=terms),
        allocation=AllocationSettings.model_validate({"overpayment": overpayment}),
        delinquency=DelinquencySettings(tolerance=ToleranceSettings(amount="0", settled_below="0")),
    )


def tables(loans: Sequence[LoanTerms], paid: dict[str, Pairs]) -> LoanTables:
    frame = loans_frame(list(loans))
    frame["status"] = pd.Series(["active"] * len(frame), dtype="str")
    rows = [(name, str(day), amount) for name, pairs in paid.items() for day, amount in pairs]
    return LoanTables(frame, payments=payments_frame(*rows))


def told(
    as_of: date, *paid: tuple[date, int], overpayment: str = "carried", terms: ProductTerms = LP1
) -> list[tuple[int, int]]:
    rows, found = statement(tables([LOAN], {"L": list(paid)}), rules(terms, overpayment), as_of)
    assert found.empty
    return list(zip(rows["principal_minor"].tolist(), rows["interest_minor"].tolist(), strict=True))


# Apache Fineract, LoanRepayment.feature (see tests/data/schedule_cases.json for its commit): principal, interest.
RP04 = [(81268, 4932), (81825, 4375), (82766, 3434), (83861, 2339), (84465, 1735), (85815, 846)]
RP05 = [(81268, 4932), (81932, 4268), (82767, 3433), (83862, 2338), (84466, 1734), (85705, 845)]
RP11 = [(95068, 4932), (195873, 4127), (84069, 2131), (85049, 1151), (39941, 407)]


def test_a_late_payment_costs_interest_in_the_next_installment() -> None:
    assert told(date(2022, 12, 5), (date(2022, 12, 5), 86_200)) == RP04


def test_a_part_payment_on_the_due_date_changes_nothing_yet() -> None:
    assert told(date(2022, 12, 1), (date(2022, 12, 1), 20_000)) == RP05


def test_over_payments_that_are_applied_shorten_the_term() -> None:
    paid = (date(2022, 12, 1), 100_000), (date(2023, 1, 1), 200_000)
    assert told(date(2023, 1, 1), *paid, overpayment="applied") == RP11


def test_an_early_payment_saves_interest_to_the_day() -> None:
    first = told(date(2022, 11, 21), (date(2022, 11, 21), 86_200))[0]
    accrued = part_of(500_000 * 20, 120_000_000, 365 * 10**9, LP1.interest_rounding)
    rest = 500_000 - (86_200 - accrued)
    interest = accrued + part_of(rest * 10, 120_000_000, 365 * 10**9, LP1.interest_rounding)
    assert first == (86_200 - interest, interest)


def test_simple_interest_is_settled_up_to_the_day_of_the_payment() -> None:
    simple = LP1.model_copy(update={"recalculation": "simple"})
    late = told(date(2022, 12, 5), (date(2022, 12, 5), 86_200), terms=simple)
    since_due = part_of(500_000 * 4, 120_000_000, 365 * 10**9, LP1.interest_rounding)
    assert late[0] == RP04[0]
    # What the payment left of installment 1 is taken as paid on the business date, so the rest of December
    # bears interest on what the schedule leaves.
    rest = part_of((500_000 - 81_268) * 27, 120_000_000, 365 * 10**9, LP1.interest_rounding)
    assert late[1][1] == since_due + rest
    rows, _ = statement(
        tables([LOAN], {"L": [(date(2022, 12, 5), 86_200)]}), rules(simple), date(2022, 12, 5)
    )
    assert rows["unpaid_minor"].tolist()[:2] == [0, 86_200]


def test_what_cannot_be_counted_by_days_is_refused() -> None:
    with pytest.raises(ValidationError, match="interest_basis: actual/365"):
        ProductTerms(recalculation="daily")


# The slow plain twin: one loan, day by day.


def plain_daily(
    loan: LoanTerms, terms: ProductTerms, paid: Pairs, as_of: date, *, applied: bool
) -> list[tuple[int, int]]:
    agreed = plain_schedule(loan, terms, lambda _: True)
    begin = loan.disbursed_on
    assert begin is not None
    open_principal, due_principal, due_interest, settled = loan.principal_minor, 0, 0, 0
    weight, earlier = 0, 0
    rows: list[tuple[int, int]] = []

    def accrued() -> int:
        days = 365 if terms.interest_basis == "actual/365" else 360
        return earlier + part_of(weight, loan.annual_rate_ppb, days * 10**9, terms.interest_rounding)

    def repay(left: int) -> None:
        nonlocal open_principal, weight, earlier
        if left != open_principal:
            earlier, weight, open_principal = accrued(), 0, left

    last = max(agreed[-1].interest_on, as_of)
    for number in range((last - begin).days + 1):
        day = begin + timedelta(days=number)
        if number:
            weight += open_principal * plain_days(day - timedelta(days=1), day, terms.interest_basis)
        for _, amount in [pair for pair in paid if pair[0] == day and day <= as_of]:
            for_interest = min(amount, due_interest)
            due_interest -= for_interest
            left = amount - for_interest
            overdue = min(left, max(due_principal - (loan.principal_minor - open_principal), 0))
            overdue = 0 if terms.recalculation == "simple" else overdue
            running = min(left - overdue, max(accrued() - settled, 0))
            settled += running
            repay(open_principal - min(left - running, open_principal))
        if len(rows) < len(agreed) - 1 and agreed[len(rows)].interest_on == day:
            one = agreed[len(rows)]
            interest = accrued()
            keeps_total = loan.repayment_method == "equal_installment" and one.principal > 0
            principal = one.principal + one.interest - interest if keeps_total else one.principal
            if applied:
                principal = max(principal, loan.principal_minor - open_principal - due_principal)
            principal = max(0, min(principal, loan.principal_minor - due_principal))
            rows.append((principal, interest))
            due_principal += principal
            due_interest += max(interest - settled, 0)
            settled, weight, earlier = 0, 0, 0
        if day >= as_of:
            repay(min(open_principal, loan.principal_minor - due_principal))
            due_interest = 0
    rows.append((loan.principal_minor - due_principal, accrued()))
    done = next(at for at in range(len(rows)) if sum(p for p, _ in rows[: at + 1]) >= loan.principal_minor)
    rest = sum(interest for _, interest in rows[done + 1 :])
    return [*rows[:done], (rows[done][0], rows[done][1] + rest)]


def random_case(rng: Random, name: str) -> tuple[LoanTerms, Pairs]:
    begin = date(2024, 1, 1) + timedelta(days=rng.randrange(60))
    loan = LoanTerms(
        principal_minor=rng.randrange(100_000, 10**8),
        annual_rate_ppb=rng.choice([0, 69_900_000, 240_000_000]),
        installments=rng.randrange(1, 14),
        first_due_on=begin + timedelta(days=rng.randrange(15, 50)),
        disbursed_on=begin,
        repayment_method=rng.choice(["equal_installment", "equal_principal", "interest_only"]),
        loan_id=name,
    )
    usual = loan.principal_minor // loan.installments + 1
    days = sorted(begin + timedelta(days=rng.randrange(0, 400)) for _ in range(rng.randrange(12)))
    return loan, [(day, rng.choice([usual, usual // 3 + 1, 2 * usual])) for day in days]


@settings(max_examples=5, deadline=None, phases=NO_SHRINKING)  # 60 loans each
@given(seed=SEEDS)
def test_schedules_equal_the_plain_twin(seed: int) -> None:
    rng = Random(seed)  # noqa: S311 - test data
    applied = rng.random() < 0.5
    terms = ProductTerms(
        interest_basis=rng.choice(["actual/365", "actual/360", "30/360"]),
        recalculation=rng.choice(["daily", "simple"]),
    )
    cases = [random_case(rng, f"L{at:02d}") for at in range(60)]
    as_of = date(2024, 2, 1) + timedelta(days=rng.randrange(500))
    chosen = rules(terms, "applied" if applied else "carried")
    book = tables([loan for loan, _ in cases], {loan.loan_id: paid for loan, paid in cases})
    rows, found = statement(book, chosen, as_of)
    assert set(found["code"]) <= {"payment_after_settlement"}
    ours = {
        str(name): list(zip(part["principal_minor"].tolist(), part["interest_minor"].tolist(), strict=True))
        for name, part in rows.groupby("loan_id")
    }
    assert ours == {
        loan.loan_id: plain_daily(loan, terms, paid, as_of, applied=applied) for loan, paid in cases
    }


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_who_pays_on_time_pays_the_agreed_interest_and_earlier_means_less(seed: int) -> None:
    rng = Random(seed)  # noqa: S311 - test data
    terms = ProductTerms(interest_basis="actual/365", recalculation=rng.choice(["daily", "simple"]))
    loan, _ = random_case(rng, "L")
    loan = replace(loan, installments=rng.randrange(3, 14))
    agreed = plain_schedule(loan, terms, lambda _: True)
    paid = [(row.due_on, row.principal + row.interest) for row in agreed]
    as_of = agreed[-1].due_on
    interest = []
    for days in (0, 5, 20):
        moved = [(day - timedelta(days=days if at else 0), amount) for at, (day, amount) in enumerate(paid)]
        rows, _ = statement(tables([loan], {"L": moved}), rules(terms), as_of)
        assert rows["principal_minor"].sum() == loan.principal_minor
        interest.append(int(rows["interest_minor"].sum()))
    assert interest[0] == sum(row.interest for row in agreed)
    assert interest[0] >= interest[1] >= interest[2]


@settings(max_examples=5, deadline=None, phases=NO_SHRINKING)  # 60 loans each
@given(seed=SEEDS)
def test_the_payoff_of_any_day_settles_the_loan(seed: int) -> None:
    rng = Random(seed)  # noqa: S311 - test data
    terms = ProductTerms(interest_basis="actual/365", recalculation=rng.choice(["daily", "simple"]))
    on = date(2024, 3, 15) + timedelta(days=rng.randrange(300))
    cases = [random_case(rng, f"L{at:02d}") for at in range(60)]
    known = {loan.loan_id: [pair for pair in paid if pair[0] <= on] for loan, paid in cases}
    loans = [loan for loan, _ in cases]
    figures, _ = payoff(tables(loans, known), rules(terms), PayoffSettings(), on)
    asked = dict(zip(figures["loan_id"], figures["payoff_minor"].tolist(), strict=True))
    assert len(asked) > len(loans) * 0.9
    last = {loan.loan_id: plain_schedule(loan, terms, lambda _: True)[-1].due_on for loan in loans}
    ends = changes_frame(*((name, "settlement", str(on), "") for name in asked if last[name] > on))
    for short, status in ((0, "settled"), (1, "active")):
        due = {name: amount - short for name, amount in asked.items() if amount > short}
        paid = {name: [*known[name], (on, amount)] for name, amount in due.items()}
        mine = [loan for loan in loans if loan.loan_id in due]
        after = standing(replace(tables(mine, paid), changes=ends), rules(terms), on).loans
        assert set(after["status"]) == {status}
