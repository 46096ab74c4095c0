from typing import Any

import pytest
from pydantic import ValidationError

from carloan_notify.loans.standing_settings import (
    AllocationSettings,
    DueDaySettings,
    PenaltySettings,
    StandingSettings,
)
from carloan_notify.loans.waterfall import FEES, INTEREST, PENALTY, PRINCIPAL


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"allowed_days": [0, 5]}, "days of the month, 1 to 31"),
        ({"allowed_days": [5, 32]}, "days of the month, 1 to 31"),
        ({"allowed_days": []}, "at least 1 item"),
        ({"days_after_payday": [5, 1]}, "days_after_payday: write the smaller number first"),
        ({"days_to_first": [-1, 30]}, "days_to_first: write the smaller number first, none below 0"),
    ],
)
def test_due_day_limits_that_make_no_sense_are_refused(given: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        DueDaySettings.model_validate(given)


def test_a_days_limit_may_be_one_single_day() -> None:
    assert DueDaySettings.model_validate({"days_to_first": [30, 30]}).days_to_first == (30, 30)


def test_the_default_order_is_that_of_the_civil_code() -> None:
    assert StandingSettings().allocation.steps.order == (FEES, PENALTY, INTEREST, PRINCIPAL)
    assert StandingSettings().allocation.steps.by_installment


def test_the_order_of_the_2013_contract_begins_with_principal_and_ends_with_fees() -> None:
    steps = AllocationSettings(waterfall="car_finance_2013").steps
    assert steps.order == (PENALTY, PRINCIPAL, INTEREST, FEES)
    assert [(step.overdue, step.current, step.components) for step in steps.steps] == [
        (True, False, (PRINCIPAL,)),
        (True, False, (INTEREST,)),
        (True, True, (PENALTY,)),
        (False, True, (PRINCIPAL,)),
        (False, True, (INTEREST,)),
        (True, True, (FEES,)),
    ]


def test_no_penalty_is_charged_and_no_money_is_applied_unless_the_lender_says_so() -> None:
    assert not PenaltySettings().enabled
    assert StandingSettings().allocation.overpayment == "carried"


@pytest.mark.parametrize(
    "given",
    [
        {"rate_multiplier": -1},
        {"rate_multiplier": 11},
        {"annual_rate": 11},
        {"day_basis": 364},
        {"base": "car"},
    ],
)
def test_penalty_terms_out_of_bounds_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PenaltySettings.model_validate(given)
