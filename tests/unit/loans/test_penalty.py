from datetime import date, timedelta
from decimal import Decimal, localcontext
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carloan_notify.loans.allocation import owed_after_payments
from carloan_notify.loans.payments import PenaltyRule, compound
from carloan_notify.loans.settings import Rounding
from carloan_notify.loans.standing_settings import (
    AllocationSettings,
    DelinquencySettings,
    PenaltyBase,
    PenaltySettings,
)
from tests.unit.loans.portfolios import NO_SHRINKING
from tests.unit.loans.status_cases import grid_of, payments_of, random_day, random_loans, rule_of
from tests.unit.loans.status_twin import MODES, PlainInstallment, PlainLoan

DUE = date(2026, 1, 15)
YEAR = 360 * 10**9


def penalty_of(
    days: int,
    rules: PenaltySettings,
    *,
    grace_days: int = 0,
    rate_ppb: int = 120_000_000,
    payments: tuple[tuple[int, int], ...] = (),
) -> int:
    """Penalty of one installment of 10,000.00 + 500.00 (of a loan of 30,000.00) so many days after it was due.

    Payments are (days after the due date, minor units).
    """
    installments = [
        PlainInstallment(DUE, 0, 50_000, 1_000_000),
        PlainInstallment(DUE + timedelta(days=900), 0, 0, 2_000_000),
    ]
    settings_ = DelinquencySettings(grace_days=grace_days, penalty=rules)
    loan = PlainLoan(installments, rate_ppb, AllocationSettings(), settings_)
    paid = [(DUE + timedelta(days=after), amount) for after, amount in payments]
    as_of = DUE + timedelta(days=days)
    owed = owed_after_payments(grid_of([loan]), payments_of([paid]), rule_of([loan]), as_of)
    return int(owed.penalty_minor[0])


@settings(max_examples=25, deadline=None, phases=NO_SHRINKING)  # 60 loans each
@given(st.integers(0, 2**32))
def test_penalty_between_two_days_is_what_the_plain_account_says(seed: int) -> None:
    rng = Random(seed)  # noqa: S311 - test data
    loans = random_loans(rng, 60)
    since, until = sorted([random_day(rng), random_day(rng)])
    grid, rule = grid_of(loans), rule_of(loans)
    nothing = payments_of([[] for _ in loans])
    owed = owed_after_payments(grid, nothing, rule, until)
    assert owed.penalty_minor.tolist() == [loan.settle([], until).penalty for loan in loans]
    earlier = owed_after_payments(grid, nothing, rule, since)
    assert (owed.penalty_minor >= earlier.penalty_minor).all()


@settings(max_examples=20, deadline=None, phases=NO_SHRINKING)  # 100 amounts each
@given(st.integers(0, 2**32), st.sampled_from(Rounding))
def test_compound_growth_is_exact_to_the_smallest_unit(seed: int, rounding: Rounding) -> None:
    rng = Random(seed)  # noqa: S311 - test data
    drawn = [
        (rng.randrange(10 ** rng.randrange(1, 13)), rng.randrange(4000), rng.randrange(400_000_000))
        for _ in range(100)
    ]
    amount, days, rate = (np.array(column) for column in zip(*drawn, strict=True))
    found = compound(amount, days, rate, YEAR, rounding)
    with localcontext(prec=60):
        grown = [amount * ((1 + Decimal(rate) / YEAR) ** days - 1) for amount, days, rate in drawn]
        assert found.tolist() == [int(one.quantize(Decimal(1), MODES[rounding])) for one in grown]


@pytest.mark.parametrize("rounding", list(Rounding))
@pytest.mark.parametrize("amount", [1, 3, 5, 10**12 - 1, 10**12 + 1])
def test_compound_growth_on_the_edge_of_rounding_is_decided_exactly(rounding: Rounding, amount: int) -> None:
    half = YEAR // 2  # one day at half of the amount: a tie for every odd amount
    found = compound(np.array([amount]), np.array([1]), np.array([half]), YEAR, rounding)
    assert found[0] == int((Decimal(amount) / 2).quantize(Decimal(1), MODES[rounding]))


def test_a_consumer_contract_charges_the_rate_over_360_times_one_and_a_half_on_overdue_principal() -> None:
    # 10,000.00 at 12 % a year, 10 days: 10,000.00 x 12 % / 360 x 1.5 x 10
    assert penalty_of(10, PenaltySettings(enabled=True)) == 5_000


def test_nothing_is_charged_on_the_due_date_and_one_day_on_the_day_after() -> None:
    rules = PenaltySettings(enabled=True)
    assert [penalty_of(days, rules) for days in (0, 1)] == [0, 500]


def test_penalty_is_off_unless_the_contract_says_so() -> None:
    assert penalty_of(300, PenaltySettings()) == 0


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        (PenaltyBase.OVERDUE_PRINCIPAL, 5_000),
        (PenaltyBase.OVERDUE_INTEREST, 250),
        (PenaltyBase.OVERDUE_AMOUNT, 5_250),
        (PenaltyBase.OUTSTANDING_PRINCIPAL, 15_000),
        (PenaltyBase.ORIGINAL_PRINCIPAL, 15_000),
    ],
)
def test_penalty_runs_on_the_base_of_the_contract(base: PenaltyBase, expected: int) -> None:
    assert penalty_of(10, PenaltySettings(enabled=True, base=base)) == expected


def test_what_is_repaid_bears_penalty_only_on_the_original_principal() -> None:
    outstanding = PenaltySettings(enabled=True, base=PenaltyBase.OUTSTANDING_PRINCIPAL)
    original = PenaltySettings(enabled=True, base=PenaltyBase.ORIGINAL_PRINCIPAL)
    before_due = ((-1, 50_000 + 400_000),)
    assert penalty_of(10, outstanding, payments=before_due) == 13_000
    assert penalty_of(10, original, payments=before_due) == 15_000


@pytest.mark.parametrize(
    ("starts", "expected"),
    [("day_1", [0, 0, 2_000, 2_500]), ("after_grace", [0, 0, 500, 1_000])],
)
def test_grace_is_free_and_then_counts_or_does_not(starts: str, expected: list[int]) -> None:
    rules = PenaltySettings.model_validate({"enabled": True, "starts": starts})
    assert [penalty_of(days, rules, grace_days=3) for days in (1, 3, 4, 5)] == expected


def test_a_fixed_rate_does_not_ask_for_the_contract_rate() -> None:
    # 0.05 % a day: 10,000.00 x 0.05 % x 10
    rules = PenaltySettings(enabled=True, annual_rate=Decimal("0.18"))
    assert penalty_of(10, rules, rate_ppb=0) == 5_000


def test_a_year_of_365_days_charges_less() -> None:
    assert penalty_of(365, PenaltySettings(enabled=True, day_basis=365)) == 180_000
    assert penalty_of(365, PenaltySettings(enabled=True, day_basis=360)) == 182_500


def test_compound_penalty_grows_by_the_day_and_simple_does_not() -> None:
    fast = {"enabled": True, "annual_rate": "3.6"}  # 1 % a day
    simple = PenaltySettings.model_validate(fast)
    grown = PenaltySettings.model_validate({**fast, "compounding": "compound"})
    assert penalty_of(10, simple) == 100_000
    assert penalty_of(10, grown) == 104_622  # 10,000.00 x (1.01 ** 10 - 1) = 1,046.221


def test_a_part_payment_lowers_what_the_following_days_cost() -> None:
    # Five days on 10,000.00 (25.00), then 500.00 interest, the penalty and 4,975.00 principal are paid.
    paid = ((5, 2_500 + 50_000 + 500_000),)
    assert penalty_of(15, PenaltySettings(enabled=True), payments=paid) == 2_500


def test_the_rate_of_a_rule_is_the_contract_rate_times_the_multiplier_or_none_when_switched_off() -> None:
    contract = np.array([120_000_000, 1], dtype=np.int64)
    on = DelinquencySettings(penalty=PenaltySettings(enabled=True, rate_multiplier=Decimal("1.5")))
    assert PenaltyRule.of(contract, on).rate_ppb.tolist() == [180_000_000, 2]
    assert PenaltyRule.of(contract, DelinquencySettings()).rate_ppb.tolist() == [0, 0]
