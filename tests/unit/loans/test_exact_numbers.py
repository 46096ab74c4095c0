"""Exact rounding and the equal installment, against `Decimal` and numpy-financial."""

from fractions import Fraction

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from carloan_notify.loans.amounts import LevelQuestion, level_installment
from carloan_notify.loans.arrays import Ints, mul_div
from carloan_notify.loans.settings import Rounding
from tests.unit.loans.plain_schedule import level, part_of


def ints(*values: int) -> Ints:
    return np.array(values, dtype=np.int64)


@settings(max_examples=1000, deadline=None)
@given(
    value=st.integers(-(10**13), 10**13),
    numerator=st.integers(-(10**12), 10**12),
    denominator=st.integers(10**11, 10**12),
    rounding=st.sampled_from(Rounding),
)
@example(value=125_000, numerator=150_000_000, denominator=12_000_000_000, rounding=Rounding.HALF_EVEN)
@example(value=125_000, numerator=150_000_000, denominator=12_000_000_000, rounding=Rounding.HALF_UP)
@example(value=10**13, numerator=10**10 * 40, denominator=365 * 10**9, rounding=Rounding.UP)
def test_mul_div_rounds_exactly_although_the_product_overflows(
    value: int, numerator: int, denominator: int, rounding: Rounding
) -> None:
    ours = mul_div(ints(value), ints(numerator), ints(denominator), rounding)
    assert ours.tolist() == [part_of(value, numerator, denominator, rounding)]


@settings(max_examples=1000, deadline=None)
@given(
    half=st.integers(0, 10**9),
    denominator=st.integers(1, 10**9).map(lambda number: 2 * number),
    off=st.integers(-1, 1),
    rounding=st.sampled_from(Rounding),
)
def test_mul_div_decides_ties_and_their_neighbours(
    half: int, denominator: int, off: int, rounding: Rounding
) -> None:
    numerator = (2 * half + 1) * (denominator // 2) + off
    ours = mul_div(ints(1), ints(numerator), ints(denominator), rounding)
    assert ours.tolist() == [part_of(1, numerator, denominator, rounding)]


@settings(max_examples=1000, deadline=None)
@given(
    owed=st.integers(1, 10**12),
    share_left=st.integers(0, 100),
    rate=st.sampled_from([0, 1, 5_000_000, 70_000_000, 10**9]),
    rows=st.integers(1, 90),
    unit=st.sampled_from([1, 5, 100]),
    rounding=st.sampled_from(Rounding),
)
@example(owed=101, share_left=0, rate=0, rows=2, unit=1, rounding=Rounding.HALF_EVEN)
@example(owed=12_000_000_000, share_left=0, rate=1, rows=1, unit=1, rounding=Rounding.UP)
@example(owed=600, share_left=0, rate=10**9, rows=1, unit=100, rounding=Rounding.HALF_UP)
@example(owed=600, share_left=0, rate=10**9, rows=1, unit=100, rounding=Rounding.HALF_EVEN)
def test_the_equal_installment_is_exact(
    owed: int, share_left: int, rate: int, rows: int, unit: int, rounding: Rounding
) -> None:
    left = owed * share_left // 100
    question = LevelQuestion(
        owed=ints(owed),
        left=ints(left),
        pays=np.ones((rows, 1), dtype=bool),
        numerator=ints(rate)[None, :],
        denominator=ints(12 * 10**9)[None, :],
    )
    expected = level(owed, left, [(rate, 12 * 10**9)] * rows, unit, rounding)
    assert level_installment(question, unit, rounding).tolist() == [expected]


def test_a_payment_exactly_between_two_cents_is_recognised() -> None:
    # One payment after one month at 100 %: 6 × 13 / 12 = 6.5.
    question = LevelQuestion(
        ints(6, 6),
        ints(0, 0),
        np.ones((1, 2), dtype=bool),
        ints(10**9, 10**9)[None, :],
        ints(12 * 10**9)[None, :],
    )
    rounded = {rounding: level_installment(question, 1, rounding).tolist()[0] for rounding in Rounding}
    assert Fraction(6) * 13 / 12 == Fraction(13, 2)
    assert rounded == {Rounding.HALF_UP: 7, Rounding.HALF_EVEN: 6, Rounding.UP: 7, Rounding.DOWN: 6}


def test_a_loan_without_paying_rows_has_no_installment() -> None:
    question = LevelQuestion(
        ints(6), ints(0), np.zeros((3, 1), dtype=bool), ints(10**9)[None, :], ints(12 * 10**9)[None, :]
    )
    assert level_installment(question, 1, Rounding.UP).tolist() == [0]
