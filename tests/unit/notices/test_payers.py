"""Who pays when: what is assumed of payments, and how late people were so far."""

from datetime import date, timedelta
from random import Random
from typing import Final

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carloan_notify import frames
from carloan_notify.loans.standing import LoanTables
from carloan_notify.notices.ladder import DEFAULT_LADDER
from carloan_notify.notices.payers import (
    ASKED,
    FEWEST,
    Lateness,
    as_before,
    everybody,
    lateness,
    nobody,
    stage_days,
    with_payments,
)
from tests.unit.notices.tables import dues_table, table

FIRST: Final = date(2026, 11, 23)


def many_dues(count: int, due_on: date = FIRST) -> pd.DataFrame:
    rows = "\n".join(f"L{number} | {due_on}" for number in range(count))
    return dues_table(f"loan_id | due_on\n{rows}")


def test_everybody_pays_on_the_due_date_and_what_is_overdue_on_the_first_day() -> None:
    dues = dues_table("loan_id | due_on\nL1 | 2026-11-20\nL1 | 2026-12-20\nL2 | 2026-11-23")
    paid = everybody(dues, FIRST)
    assert list(paid.columns) == list(frames.PAYMENTS)
    assert [day.date().isoformat() for day in paid["paid_on"]] == ["2026-11-23", "2026-12-20", "2026-11-23"]
    assert paid["amount_minor"].tolist() == dues["unpaid_minor"].tolist()


def test_nobody_pays() -> None:
    assert nobody(many_dues(3)).empty


def test_stages_of_the_shipped_ladder_by_days_after_the_due_date() -> None:
    days = stage_days(DEFAULT_LADDER)
    assert (days["due_in_7_days"], days["due_today"], days["overdue_1"], days["overdue_30"]) == (-7, 0, 1, 30)
    assert "payment_received" not in days


# How late people were.

_STAGES: Final = {"due_today": 0, "overdue_1": 1, "overdue_3": 3}


def nights(installments: list[tuple[str, date, int]]) -> pd.DataFrame:
    """ASKED of installments (loan, due date, days after it on which it was paid), every night looked at."""
    rows = [
        (loan, due, notice, due + timedelta(days=day))
        for loan, due, paid_after in installments
        for notice, day in _STAGES.items()
        if day <= paid_after
    ]
    return pd.DataFrame(rows, columns=list(ASKED)).astype(dict(ASKED))


def test_shares_that_roll_from_stage_to_stage() -> None:
    loans = [(f"L{number}", FIRST, 0 if number < 40 else 1 if number < 60 else 30) for number in range(100)]
    found = lateness(nights(loans), _STAGES, FIRST + timedelta(days=60))
    assert found is not None
    assert found.days == (0, 1, 3)
    assert found.unpaid == pytest.approx((1.0, 0.6, 0.4))
    assert found.still_unpaid(np.array([-1, 0, 2, 400])).tolist() == pytest.approx([1.0, 1.0, 0.6, 0.4])


def test_what_has_not_come_to_its_next_stage_says_nothing_of_it() -> None:
    old = [(f"L{number}", FIRST, 30) for number in range(FEWEST)]
    fresh = [(f"M{number}", FIRST + timedelta(days=20), 0) for number in range(FEWEST)]
    seen = nights([*old, *fresh])
    found = lateness(seen, _STAGES, FIRST + timedelta(days=20))
    assert found is not None
    assert found.unpaid == (1.0, 1.0, 1.0)


def test_an_installment_behind_an_older_unpaid_one_is_left_out() -> None:
    """It gets no past-due notice of its own, which does not mean that it was paid."""
    older = [(f"L{number}", FIRST, 40) for number in range(FEWEST)]
    later = nights([(f"L{number}", FIRST + timedelta(days=30), 0) for number in range(FEWEST)])
    reached = nights(older).assign(as_of=lambda rows: rows["as_of"] + pd.Timedelta(days=30))
    found = lateness(pd.concat([nights(older), reached, later]), _STAGES, FIRST + timedelta(days=90))
    assert found is not None
    assert found.unpaid == (1.0, 1.0, 1.0)


def test_few_installments_say_nothing() -> None:
    loans = [(f"L{number}", FIRST, 30) for number in range(FEWEST - 1)]
    assert lateness(nights(loans), _STAGES, FIRST + timedelta(days=60)) is None
    assert lateness(nights([]), _STAGES, FIRST) is None


shares = st.lists(st.floats(0, 1), min_size=1, max_size=5).map(lambda parts: np.cumprod([1.0, *parts]))


@given(unpaid=shares, seed=st.integers(0, 10_000), days_late=st.integers(0, 40))
@settings(max_examples=60, deadline=None)
def test_payments_as_before_lie_in_their_interval_and_are_the_same_at_all_times(
    unpaid: np.ndarray, seed: int, days_late: int
) -> None:
    late = Lateness(tuple(range(0, 3 * len(unpaid), 3)), tuple(unpaid.tolist()))
    dues = many_dues(40, FIRST - timedelta(days=days_late)).assign(
        loan_id=lambda rows: f"{seed}-" + rows["loan_id"]
    )
    paid = as_before(dues, late, FIRST)
    assert paid.equals(as_before(dues, late, FIRST))
    shuffled = as_before(dues.iloc[::-1], late, FIRST)
    assert set(map(tuple, shuffled.to_numpy())) == set(map(tuple, paid.to_numpy()))
    last = dues["due_on"].iloc[0] + pd.Timedelta(days=late.days[-1])
    assert (paid["paid_on"] >= pd.Timestamp(FIRST)).all()
    assert (paid["paid_on"] < max(last, pd.Timestamp(FIRST + timedelta(days=1)))).all()
    if unpaid[-1] == 1.0:
        assert paid.empty
    if late.still_unpaid(np.array([days_late]))[0] > 0 and unpaid[-1] == 0.0:
        assert len(paid) == len(dues)


def test_payments_as_before_have_the_shares_they_are_drawn_from() -> None:
    late = Lateness((-7, 0, 1, 30), (1.0, 0.8, 0.3, 0.1))
    paid = as_before(many_dues(20_000, FIRST + timedelta(days=10)), late, FIRST)
    days = (paid["paid_on"] - pd.Timestamp(FIRST + timedelta(days=10))).dt.days
    shares = [
        float((days.between(first, last)).sum()) / 20_000 for first, last in ((-7, -1), (0, 0), (1, 29))
    ]
    assert shares == pytest.approx([0.2, 0.5, 0.2], abs=0.015)


# The tables as they will be.

amounts = st.lists(st.integers(1, 900), min_size=1, max_size=6)


@given(totals=amounts, paid=st.integers(0, 4000), seed=st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_money_settles_the_oldest_installments_first_as_a_plain_walk_does(
    totals: list[int], paid: int, seed: Random
) -> None:
    rows = [
        ("L1", number + 1, FIRST + timedelta(days=30 * number), total) for number, total in enumerate(totals)
    ]
    seed.shuffle(rows)
    frame = pd.DataFrame(rows, columns=["loan_id", "installment_no", "due_on", "total_minor"]).assign(
        paid_minor=0
    )
    payments = table("loan_id | paid_on\nL1 | 2026-11-23", frames.PAYMENTS, amount_minor=paid)
    loans = pd.DataFrame({"loan_id": ["L1"], "paid_to_date_minor": [0]})
    after = with_payments(LoanTables(loans, frame), payments, "supplied").installments
    assert after is not None
    left, plain = paid, {}
    for number, total in enumerate(totals):
        plain[number + 1] = min(left, total)
        left -= plain[number + 1]
    assert dict(zip(after["installment_no"], after["paid_minor"], strict=True)) == plain


def test_payments_go_where_the_lender_keeps_them() -> None:
    loans = pd.DataFrame({"loan_id": ["L1", "L2"], "paid_to_date_minor": [100, 200]})
    payments = table("loan_id | paid_on\nL2 | 2026-11-23", frames.PAYMENTS, amount_minor=50)
    summed = with_payments(LoanTables(loans), payments, "computed")
    assert summed.loans["paid_to_date_minor"].tolist() == [100, 250]
    listed = with_payments(LoanTables(loans, payments=payments), payments, "computed")
    assert listed.payments is not None
    assert listed.payments["amount_minor"].tolist() == [50, 50]
    assert listed.loans["paid_to_date_minor"].tolist() == [100, 200]
