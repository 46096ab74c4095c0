"""Rests too small to be arrears."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from carloan_notify.loans.tolerance import Tolerance, asked_minor

ONE = Tolerance(amount_minor=100)


def asked(unpaid: list[int], total: int = 10_000, tolerance: Tolerance = ONE, spared: int = 0) -> list[int]:
    column = np.array(unpaid, dtype=np.int64)[:, None]
    found: list[int] = asked_minor(column, np.full_like(column, total), tolerance, spared)[:, 0].tolist()
    return found


@pytest.mark.parametrize(
    ("unpaid", "wanted"),
    [
        ([1, 0], [0, 0]),  # ERPNext 20369: one cent short is no arrears
        ([100, 10_000], [0, 10_100]),  # and goes with the next installment
        ([101, 10_000], [101, 10_000]),
        ([60, 60, 0], [0, 120, 0]),  # rests add up
        ([0, 60, 0, 60, 10_000], [0, 0, 0, 120, 10_000]),
    ],
)
def test_small_rests_are_carried(unpaid: list[int], wanted: list[int]) -> None:
    assert asked(unpaid) == wanted


def test_a_share_of_the_installment_counts_where_it_is_larger() -> None:
    share = Tolerance(amount_minor=100, share_ppb=20_000_000)
    assert asked([200, 10_000], tolerance=share) == [0, 10_200]
    assert asked([201, 10_000], tolerance=share) == [201, 10_000]


def test_an_installment_of_which_nothing_was_paid_is_never_small() -> None:
    assert asked([50, 50], total=50) == [50, 50]


def test_what_penalty_took_first_may_be_unpaid_besides_but_no_more_than_half() -> None:
    assert asked([411, 10_000], spared=411) == [0, 10_411]
    assert asked([511, 10_000], spared=411) == [0, 10_511]
    assert asked([512, 10_000], spared=411) == [512, 10_000]
    assert asked([5_100, 10_000], spared=30_000) == [0, 15_100]
    assert asked([5_101, 10_000], spared=30_000) == [5_101, 10_000]
    assert asked([1, 10_000], tolerance=Tolerance(), spared=411) == [1, 10_000]


CELLS = arrays.arrays(np.int64, (6, 4), elements=st.integers(0, 400))
TOLERANCES = st.builds(
    Tolerance,
    amount_minor=st.integers(0, 300),
    share_ppb=st.integers(0, 500_000_000),
)


@given(unpaid=CELLS, more=CELLS, tolerance=TOLERANCES)
def test_nothing_is_lost_and_no_more_than_the_tolerance_is_not_asked(
    unpaid: np.ndarray, more: np.ndarray, tolerance: Tolerance
) -> None:
    total = unpaid + more
    found = asked_minor(unpaid, total, tolerance)
    carried = np.cumsum(unpaid - found, axis=0)
    assert (carried >= 0).all()
    assert (carried <= np.maximum(tolerance.of(total.max(axis=0)), 0)).all()
    assert (found[unpaid == 0] == 0).all()
    assert (found[(more == 0) & (unpaid > 0)] > 0).all()


@given(unpaid=CELLS)
def test_without_tolerance_all_that_is_unpaid_is_asked(unpaid: np.ndarray) -> None:
    assert (asked_minor(unpaid, unpaid, Tolerance()) == unpaid).all()
