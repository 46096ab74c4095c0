"""Lengths of periods and the shares of a year that they count, in plain cases."""

from dataclasses import replace
from typing import Literal

import numpy as np
import numpy_financial
import pytest

from carloan_notify.loans.plan import days_between, whole_period
from carloan_notify.loans.settings import Frequency, InterestBasis, ProductTerms
from tests.unit.loans.test_schedule import LOAN, schedule_of


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        ("2007-01-15", "2007-01-30", 15),
        ("2007-01-15", "2007-02-15", 30),
        ("2007-09-30", "2008-03-31", 180),
        ("2007-08-31", "2008-02-28", 178),
        ("2008-02-29", "2008-08-31", 181),
    ],
)
def test_days_by_30_360(start: str, end: str, days: int) -> None:
    """30E/360, as ISDA's worked examples count it."""
    dates = (np.array([start], "datetime64[D]"), np.array([end], "datetime64[D]"))
    assert days_between(*dates, InterestBasis.THIRTY_360).tolist() == [days]


def test_actual_days() -> None:
    dates = (np.array(["2008-02-01"], "datetime64[D]"), np.array(["2008-03-01"], "datetime64[D]"))
    assert days_between(*dates, InterestBasis.ACTUAL_365).tolist() == [29]


@pytest.mark.parametrize(
    ("frequency", "share"),
    [
        (Frequency.MONTHLY, (1, 12)),
        (Frequency.QUARTERLY, (3, 12)),
        (Frequency.WEEKLY, (7, 365)),
        (Frequency.BIWEEKLY, (14, 365)),
    ],
)
def test_a_whole_period_of_a_year(frequency: Frequency, share: tuple[int, int]) -> None:
    assert whole_period(frequency) == share


@pytest.mark.parametrize(("annuity_rate", "year_share"), [("nominal", 1 / 12), ("first_period", 30 / 365)])
def test_the_rate_of_the_equal_installment(
    annuity_rate: Literal["nominal", "first_period"], year_share: float
) -> None:
    """Interest runs by days; the installment comes from twelfths, or from the 30 days of November."""
    terms = ProductTerms(interest_basis=InterestBasis.ACTUAL_365, annuity_rate=annuity_rate)
    level = -numpy_financial.pmt(0.12 * year_share, 18, 500_000)
    assert schedule_of(LOAN, terms)["total_minor"].iloc[0] == round(level)


FIRST = ProductTerms(residue="first")


def test_nothing_is_left_where_only_interest_is_paid() -> None:
    paid = schedule_of(replace(LOAN, repayment_method="interest_only"), FIRST)["principal_minor"]
    assert paid.tolist() == [0] * 17 + [500_000]


def test_the_first_installment_takes_what_rounding_leaves() -> None:
    loan = replace(LOAN, repayment_method="equal_principal", installments=3)
    assert schedule_of(loan, FIRST)["principal_minor"].tolist() == [166_666, 166_667, 166_667]


def test_a_balloon_is_no_rounding_difference() -> None:
    loan = replace(LOAN, repayment_method="balloon", balloon_minor=100_000)
    *level, last = schedule_of(loan, FIRST)["total_minor"].tolist()
    assert len(set(level[1:])) == 1
    assert abs(last - 100_000 - level[1]) <= 1
    assert abs(level[0] - level[1]) <= len(level)
