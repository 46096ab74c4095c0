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
from tests.unit.loans.plain_daily import Pairs, plain_daily
from tests.unit.loans.plain_schedule import part_of, plain_schedule
from tests.unit.loans.portfolios import NO_SHRINKING, changes_frame, loans_frame
from tests.unit.loans.status_cases import payments_frame

SEEDS = st.integers(0, 2**32 - 1)
LP1 = ProductTerms(
    interest_basis="actual/365",
    recalculation="daily",
    annuity_rate="first_period",
    interest_rounding="half_even",
    installment_multiple=Decimal(1),
)
LOAN = LoanTerms(500_000, 120_000_000, 6, date(2022, 12, 1), date(2022, 11, 1), loan_id="L")


STRATEGIES = ("shorter_term", "smaller_installment", "next_installments")


def rules(terms: ProductTerms, applied_as: str = "") -> StandingSettings:
    """`applied_as`: what a prepayment changes, "" for one that is carried."""
    chosen = {"overpayment": "applied", "applied_as": applied_as} if applied_as else {}
    return StandingSettings(
        schedule=ScheduleSettings(default=terms),
        allocation=AllocationSettings.model_validate(chosen),
        delinquency=DelinquencySettings(tolerance=ToleranceSettings(amount="0", settled_below="0")),
    )


def tables(loans: Sequence[LoanTerms], paid: dict[str, Pairs]) -> LoanTables:
    frame = loans_frame(list(loans))
    frame["status"] = pd.Series(["active"] * len(frame), dtype="str")
    rows = [(name, str(day), amount) for name, pairs in paid.items() for day, amount in pairs]
    return LoanTables(frame, payments=payments_frame(*rows))


def told(
    as_of: date, *paid: tuple[date, int], applied_as: str = "", terms: ProductTerms = LP1
) -> list[tuple[int, int]]:
    rows, found = statement(tables([LOAN], {"L": list(paid)}), rules(terms, applied_as), as_of)
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
    assert told(date(2023, 1, 1), *paid, applied_as="shorter_term") == RP11


def interest_of(balance: int, days: int) -> int:
    return part_of(balance * days, 120_000_000, 365 * 10**9, LP1.interest_rounding)


def test_all_of_an_early_payment_saves_interest_from_its_day() -> None:
    """As Fineract: the due date takes the interest out of it, and what that leaves unpaid is asked for."""
    on, paid = date(2022, 11, 21), 50_000
    first = told(on, (on, paid))[0]
    interest = interest_of(500_000, 20) + interest_of(500_000 - paid, 10)
    assert first == (86_200 - interest, interest)
    dues = standing(tables([LOAN], {"L": [(on, paid)]}), rules(LP1), on).dues
    assert dues["unpaid_minor"].tolist()[0] == 86_200 - paid


@pytest.mark.parametrize("applied_as", STRATEGIES)
def test_an_early_payment_beyond_the_installments_principal_changes_the_coming_ones(applied_as: str) -> None:
    on, paid = date(2022, 11, 21), 100_000
    first, *coming = told(on, (on, paid), applied_as=applied_as)
    interest = interest_of(500_000, 20) + interest_of(500_000 - paid, 10)
    assert first == (paid, interest)
    ahead = paid - (86_200 - interest)
    totals = [principal + interest for principal, interest in coming]
    # PMT at 12 % × 30 / 365 of what is left, over five installments, in whole units.
    smaller = round(400_000 * (i := 0.12 * 30 / 365) / (1 - (1 + i) ** -5) / 100) * 100
    kept = {"shorter_term": 86_200, "smaller_installment": smaller, "next_installments": 86_200}[applied_as]
    assert totals[1:-1] == [kept] * 3
    assert totals[0] == kept - (ahead if applied_as == "next_installments" else 0)
    assert sum(principal for principal, _ in coming) == 400_000


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


def random_case(rng: Random, name: str, shortest: int = 1) -> tuple[LoanTerms, Pairs]:
    begin = date(2024, 1, 1) + timedelta(days=rng.randrange(60))
    loan = LoanTerms(
        principal_minor=rng.randrange(100_000, 10**8),
        annual_rate_ppb=rng.choice([0, 69_900_000, 240_000_000]),
        installments=rng.randrange(shortest, 14),
        first_due_on=begin + timedelta(days=rng.randrange(15, 50)),
        disbursed_on=begin,
        repayment_method=rng.choice(["equal_installment", "equal_principal", "interest_only", "balloon"]),
        loan_id=name,
    )
    if loan.repayment_method == "balloon":
        loan = replace(loan, balloon_minor=rng.choice([0, loan.principal_minor // 4]))
    usual = loan.principal_minor // loan.installments + 1
    days = sorted(begin + timedelta(days=rng.randrange(0, 400)) for _ in range(rng.randrange(12)))
    return loan, [(day, rng.choice([usual, usual // 3 + 1, 2 * usual])) for day in days]


@settings(max_examples=8, deadline=None, phases=NO_SHRINKING)  # 60 loans each
@given(seed=SEEDS)
def test_schedules_equal_the_plain_twin(seed: int) -> None:
    rng = Random(seed)  # noqa: S311 - test data
    applied_as = rng.choice(["", *STRATEGIES])
    terms = ProductTerms(
        interest_basis=rng.choice(["actual/365", "actual/360", "30/360"]),
        recalculation=rng.choice(["daily", "simple"]),
        annuity_rate=rng.choice(["exact", "first_period", "nominal"]),
        installment_multiple=rng.choice([Decimal(0), Decimal(1)]),
        principal_grace=rng.choice([0, 0, 2]),
    )
    cases = [random_case(rng, f"L{at:02d}", 1 + terms.principal_grace) for at in range(60)]
    as_of = date(2024, 2, 1) + timedelta(days=rng.randrange(500))
    chosen = rules(terms, applied_as)
    book = tables([loan for loan, _ in cases], {loan.loan_id: paid for loan, paid in cases})
    rows, found = statement(book, chosen, as_of)
    assert set(found["code"]) <= {"payment_after_settlement"}
    ours = {
        str(name): list(zip(part["principal_minor"].tolist(), part["interest_minor"].tolist(), strict=True))
        for name, part in rows.groupby("loan_id")
    }
    twins = {loan.loan_id: plain_daily(loan, terms, paid, as_of, applied_as) for loan, paid in cases}
    assert ours == twins


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


@settings(max_examples=6, deadline=None, phases=NO_SHRINKING)  # 20 loans each
@given(seed=SEEDS, applied_as=st.sampled_from(STRATEGIES))
def test_a_prepayment_costs_nothing_and_shrinks_what_it_says(seed: int, applied_as: str) -> None:
    rng = Random(seed)  # noqa: S311 - test data
    terms = ProductTerms(interest_basis="actual/365", recalculation=rng.choice(["daily", "simple"]))
    loans, agreed, paid = [], {}, {}
    for at in range(20):
        loan = replace(random_case(rng, f"L{at:02d}")[0], installments=rng.randrange(4, 14), balloon_minor=0)
        loan = replace(loan, repayment_method=rng.choice(["equal_installment", "equal_principal"]))
        rows = plain_schedule(loan, terms, lambda _: True)
        on = rows[0].due_on + timedelta(days=rng.randrange(1, 28))
        extra = rng.randrange(loan.principal_minor // 3)
        loans.append(loan)
        agreed[loan.loan_id] = [row.principal + row.interest for row in rows]
        paid[loan.loan_id] = [(rows[0].due_on, rows[0].principal + rows[0].interest), (on, extra)]
    as_of = max(pairs[-1][0] for pairs in paid.values())
    found, _ = statement(tables(loans, paid), rules(terms, applied_as), as_of)
    for loan in loans:
        mine = found[found["loan_id"] == loan.loan_id]
        totals, before = (mine["principal_minor"] + mine["interest_minor"]).tolist(), agreed[loan.loan_id]
        assert mine["principal_minor"].sum() == loan.principal_minor
        assert len(totals) <= len(before)
        if paid[loan.loan_id][-1][1] <= 2 * before[1]:
            continue
        if applied_as == "smaller_installment":
            assert all(new < old for new, old in zip(totals[2:-1], before[2:-1], strict=True))
        elif applied_as == "shorter_term":
            assert len(totals) < len(before)


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
