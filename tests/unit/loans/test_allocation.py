from datetime import date
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carloan_notify.loans.allocation import (
    AllocationRule,
    Owed,
    owed_after_installment_paid,
    owed_after_payments,
    owed_after_total,
    replay,
    surpluses,
)
from carloan_notify.loans.standing_settings import AllocationSettings, DelinquencySettings
from carloan_notify.loans.waterfall import COMPONENTS, Waterfall
from tests.unit.loans.portfolios import NO_SHRINKING
from tests.unit.loans.status_cases import (
    grid_of,
    payments_of,
    random_day,
    random_loans,
    random_payments,
    rule_of,
)
from tests.unit.loans.status_twin import PlainInstallment, PlainLoan

PLAIN_RULES = (AllocationSettings(), DelinquencySettings())
SEEDS = st.integers(0, 2**32)
LOANS = 50
portfolios = settings(max_examples=25, deadline=None, phases=NO_SHRINKING)  # of 50 loans each


def unpaid_of(owed: Owed, loan: int, installments: int) -> list[dict[str, int]]:
    return [
        {name: int(owed.unpaid[at, row, loan]) for at, name in enumerate(COMPONENTS)}
        for row in range(installments)
    ]


@portfolios
@given(SEEDS)
def test_payments_settle_as_the_plain_account_says(seed: int) -> None:
    rng = Random(seed)  # noqa: S311 - test data
    loans, as_of = random_loans(rng, LOANS), random_day(rng)
    paid = [[pair for pair in random_payments(rng) if pair[0] <= as_of] for _ in loans]
    grid, rule = grid_of(loans), rule_of(loans)
    owed = owed_after_payments(grid, payments_of(paid), rule, as_of)
    replayed = replay(grid, payments_of(paid), rule, as_of)
    for at, loan in enumerate(loans):
        loan.settle(paid[at], as_of)
        wanted = [one.unpaid for one in loan.installments]
        assert unpaid_of(owed, at, len(wanted)) == wanted
        assert unpaid_of(replayed, at, len(wanted)) == wanted
        assert owed.credit_minor[at] == replayed.credit_minor[at] == loan.credit
        assert owed.spared_minor[at] == replayed.spared_minor[at] == loan.spared


@portfolios
@given(SEEDS)
def test_what_a_payment_leaves_is_what_the_plain_account_says(seed: int) -> None:
    rng = Random(seed)  # noqa: S311 - test data
    loans = random_loans(rng, LOANS)
    paid = [random_payments(rng) for _ in loans]
    left = surpluses(grid_of(loans), payments_of(paid), rule_of(loans))
    assert left.tolist() == [
        loan.pay(day, amount) for loan, own in zip(loans, paid, strict=True) for day, amount in own
    ]


@portfolios
@given(SEEDS)
def test_allocations_sum_to_the_payments_and_nothing_is_negative(seed: int) -> None:
    rng = Random(seed)  # noqa: S311 - test data
    loans = [
        PlainLoan(loan.installments, loan.annual_rate_ppb, loan.allocation, DelinquencySettings())
        for loan in random_loans(rng, LOANS)
    ]
    paid = [random_payments(rng) for _ in loans]
    grid, payments = grid_of(loans), payments_of(paid)
    owed = owed_after_payments(grid, payments, rule_of(loans), date(2026, 12, 31))
    settled = (grid.total_minor - owed.installment_minor).sum(axis=0)
    np.testing.assert_array_equal(settled + owed.credit_minor, payments.paid_minor)
    assert (owed.unpaid >= 0).all()
    assert (owed.credit_minor >= 0).all()
    assert (owed.unpaid[:, ~grid.present] == 0).all()


@portfolios
@given(SEEDS)
def test_a_sum_of_payments_fills_installments_from_the_oldest_on(seed: int) -> None:
    rng = Random(seed)  # noqa: S311 - test data
    loans, as_of = random_loans(rng, LOANS), random_day(rng)
    paid = [rng.randrange(rng.choice([5000, 2 * 10**9])) for _ in loans]
    owed = owed_after_total(grid_of(loans), np.array(paid), rule_of(loans), as_of)
    for at, loan in enumerate(loans):
        loan.carry(paid[at])
        loan.accrue(as_of)
        assert unpaid_of(owed, at, len(loan.installments)) == [one.unpaid for one in loan.installments]
        assert owed.credit_minor[at] == loan.credit


@portfolios
@given(SEEDS)
def test_what_the_lender_says_was_paid_of_each_installment_is_taken_as_it_is(seed: int) -> None:
    rng = Random(seed)  # noqa: S311 - test data
    loans, as_of = random_loans(rng, LOANS), random_day(rng)
    grid, rule = grid_of(loans), rule_of(loans)
    paid = np.zeros(grid.due_on.shape, dtype=np.int64)
    for at, loan in enumerate(loans):
        parts = [COMPONENTS[c] for c in loan.allocation.steps.order]
        for row, one in enumerate(loan.installments):
            paid[row, at] = rng.choice([0, one.total, rng.randrange(one.total + 5)])
            loan.credit += loan.take(one, parts, int(paid[row, at]))
        loan.accrue(as_of)
    owed = owed_after_installment_paid(grid, paid, rule, as_of)
    for at, loan in enumerate(loans):
        assert unpaid_of(owed, at, len(loan.installments)) == [one.unpaid for one in loan.installments]
        assert owed.credit_minor[at] == loan.credit


@settings(max_examples=5, deadline=None, phases=NO_SHRINKING)
@given(SEEDS)
def test_a_loan_does_not_depend_on_its_neighbours(seed: int) -> None:
    rng = Random(seed)  # noqa: S311 - test data
    loans, as_of = random_loans(rng, 20), random_day(rng)
    paid = [random_payments(rng) for _ in loans]
    together = owed_after_payments(grid_of(loans), payments_of(paid), rule_of(loans), as_of)
    for at, loan in enumerate(loans):
        alone = owed_after_payments(grid_of([loan]), payments_of([paid[at]]), rule_of([loan]), as_of)
        rows = len(loan.installments)
        np.testing.assert_array_equal(alone.unpaid[:, :, 0], together.unpaid[:, :rows, at])


def three_installments() -> list[PlainInstallment]:
    return [
        PlainInstallment(date(2026, 1, 15), 0, 100, 900),
        PlainInstallment(date(2026, 2, 15), 20, 90, 910),
        PlainInstallment(date(2026, 3, 15), 0, 80, 920),
    ]


def paid_on_20_february(waterfall: str | tuple[str, ...], amount: int) -> list[tuple[int, int, int]]:
    """Unpaid fees, interest and principal: installments 1 and 2 are overdue, installment 3 is current."""
    rules = AllocationSettings.model_validate({"waterfall": waterfall}), DelinquencySettings()
    loan = PlainLoan(three_installments(), 0, *rules)
    day = date(2026, 2, 20)
    owed = owed_after_payments(grid_of([loan]), payments_of([[(day, amount)]]), rule_of([loan]), day)
    return [(one["fees"], one["interest"], one["principal"]) for one in unpaid_of(owed, 0, 3)]


@pytest.mark.parametrize(
    ("waterfall", "unpaid"),
    [
        ("civil_code_561", [(0, 0, 500), (20, 90, 910), (0, 80, 920)]),
        ("car_finance_2013", [(0, 100, 400), (20, 90, 910), (0, 80, 920)]),
        (("fees, interest", "principal, penalty"), [(0, 0, 690), (0, 0, 910), (0, 0, 920)]),
    ],
)
def test_the_waterfall_decides_what_a_part_payment_settles(
    waterfall: str | tuple[str, ...], unpaid: list[tuple[int, int, int]]
) -> None:
    assert paid_on_20_february(waterfall, 500) == unpaid


@pytest.mark.parametrize(
    ("amount", "unpaid"),
    [
        (1_810, [(0, 100, 0), (20, 90, 0), (0, 80, 920)]),  # earlier principal, all of it
        (1_900, [(0, 10, 0), (20, 90, 0), (0, 80, 920)]),  # then earlier interest
        (2_100, [(0, 0, 0), (20, 0, 0), (0, 80, 820)]),  # then principal of the current installment
        (3_000, [(0, 0, 0), (20, 0, 0), (0, 0, 0)]),  # then its interest
        (3_015, [(0, 0, 0), (5, 0, 0), (0, 0, 0)]),  # fees last
    ],
)
def test_the_2013_contract_goes_through_its_steps_in_order(
    amount: int, unpaid: list[tuple[int, int, int]]
) -> None:
    assert paid_on_20_february("car_finance_2013", amount) == unpaid


def test_an_older_installment_is_settled_whole_before_a_younger_one_under_the_civil_code() -> None:
    assert paid_on_20_february("civil_code_561", 1_060) == [(0, 0, 0), (0, 50, 910), (0, 80, 920)]


def test_a_payment_before_the_first_due_date_prepays_it() -> None:
    loan = PlainLoan(three_installments(), 0, *PLAIN_RULES)
    paid = payments_of([[(date(2026, 1, 1), 1050)]])
    owed = owed_after_payments(grid_of([loan]), paid, rule_of([loan]), date(2026, 1, 2))
    assert owed.installment_minor[:, 0].tolist() == [0, 970, 1000]


def test_no_loans_owe_nothing() -> None:
    loan = PlainLoan(three_installments(), 0, *PLAIN_RULES)
    nobody = np.zeros(0, dtype=np.int64)
    rule = AllocationRule(loan.allocation.steps, rule_of([loan]).penalty.take(nobody))
    none = owed_after_payments(grid_of([loan]).take(nobody), payments_of([]), rule, date(2026, 1, 1))
    assert none.unpaid.shape[2] == 0


@pytest.mark.parametrize(
    ("steps", "fault"),
    [
        (("overdue interest, principal",), "overdue installments: name each of fees, penalty"),
        (("fees, penalty, interest, principal", "current fees"), "current installments: name each of"),
        (("overdue costs", "current fees"), "'overdue costs': write"),
        (("overdue",), "'overdue': write"),
        (("",), "'': write"),
        ((), "overdue installments: name each of"),
    ],
)
def test_an_order_that_leaves_something_out_or_names_it_twice_is_refused(
    steps: tuple[str, ...], fault: str
) -> None:
    with pytest.raises(ValueError, match=fault):
        Waterfall.parse(steps)
    with pytest.raises(ValueError, match=fault):
        AllocationSettings(waterfall=steps)
