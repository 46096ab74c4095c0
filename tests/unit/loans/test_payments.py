from datetime import date, timedelta
from random import Random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carloan_notify.loans.payments import Payments, received
from tests.unit.loans.portfolios import NO_SHRINKING
from tests.unit.loans.status_cases import START, payments_frame
from tests.unit.loans.status_twin import plain_net

AS_OF = date(2026, 12, 31)


def ids(*names: str) -> "pd.Series[str]":
    return pd.Series(list(names), dtype="str")


def told(payments: Payments, loan: int = 0) -> list[tuple[str, int]]:
    own = payments.take(np.array([loan]))
    return [(str(day), int(amount)) for day, amount in zip(own.paid_on, own.amount_minor, strict=True)]


@settings(max_examples=25, deadline=None, phases=NO_SHRINKING)  # 50 loans each
@given(st.integers(0, 2**32 - 1))
def test_reversals_are_taken_out_as_in_the_plain_account_in_any_order_of_rows(seed: int) -> None:
    rng = Random(seed)  # noqa: S311 - test data
    as_of = START + timedelta(days=rng.randrange(30, 60))
    rows, expected = [], []
    names = [f"L{at}" for at in range(50)]
    for loan in names:
        own = []
        for _ in range(rng.randrange(7)):
            amount = rng.choice([rng.randrange(-300, 300), 100, -100, 100])
            own.append((START + timedelta(days=rng.randrange(60)), amount))
        rows += [(loan, str(day), amount) for day, amount in own]
        expected.append(plain_net([pair for pair in own if pair[0] <= as_of and pair[1]]))
    rng.shuffle(rows)
    payments, found = received(payments_frame(*rows), ids(*names), as_of)
    assert [told(payments, at) for at in range(50)] == [
        [(str(day), amount) for day, amount in own] for own in expected
    ]
    assert (payments.amount_minor > 0).all()
    assert payments.paid_minor.tolist() == [sum(amount for _, amount in own) for own in expected]
    assert set(found["code"]) <= {"payment_reversal_unmatched"}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # The latest payment of exactly that amount goes, not the last one.
        ([("01-05", 500), ("01-06", 500), ("01-07", 300), ("01-08", -500)], [("01-05", 500), ("01-07", 300)]),
        # No such amount: the latest payments are reduced.
        ([("01-05", 500), ("01-06", 300), ("01-07", -400)], [("01-05", 400)]),
        # A payment and its reversal on one day, in whatever order they stand.
        ([("01-05", -500), ("01-05", 500)], []),
        # Money that came after the reversal is none of its business.
        ([("01-05", 500), ("01-06", -500), ("01-07", 500)], [("01-07", 500)]),
        ([("01-05", 500), ("01-06", -200), ("01-07", -300)], []),
        ([("01-05", 0)], []),
    ],
)
def test_a_reversal_undoes_what_was_paid_before_it(
    rows: list[tuple[str, int]], expected: list[tuple[str, int]]
) -> None:
    payments, found = received(
        payments_frame(*(("A", f"2026-{day}", amount) for day, amount in rows)), ids("A"), AS_OF
    )
    assert told(payments) == [(f"2026-{day}", amount) for day, amount in expected]
    assert found.empty


def test_before_the_reversal_the_money_is_there() -> None:
    rows = payments_frame(("A", "2026-01-05", 500), ("A", "2026-01-20", -500))
    assert told(received(rows, ids("A"), date(2026, 1, 19))[0]) == [("2026-01-05", 500)]
    assert told(received(rows, ids("A"), date(2026, 1, 20))[0]) == []


def test_bad_payments_are_findings_and_leave_the_other_rows_alone() -> None:
    rows = payments_frame(
        ("A", "2026-01-05", 500),
        ("ghost", "2026-01-05", 700),
        ("A", "", 900),
        ("B", "2026-01-05", 100),
        ("B", "2026-01-06", -250),
        ("B", "2026-01-07", 40),
        ("A", "2027-01-05", 1),
    )
    payments, found = received(rows, ids("A", "B"), AS_OF)
    assert [told(payments, at) for at in (0, 1)] == [[("2026-01-05", 500)], [("2026-01-07", 40)]]
    assert found[["code", "loan_id", "value"]].to_numpy().tolist() == [
        ["payment_unknown_loan", "ghost", "P1"],
        ["payment_without_date", "A", "P2"],
        ["payment_reversal_unmatched", "B", ""],
    ]


def test_the_last_needed_payment_settles_and_the_ones_after_it_are_counted() -> None:
    rows = payments_frame(
        ("A", "2026-01-05", 500),
        ("A", "2026-02-05", 600),
        ("A", "2026-03-05", 10),
        ("B", "2026-01-07", 1_000),
        ("D", "2026-01-01", 7),
    )
    payments, _ = received(rows, ids("A", "B", "C", "D"), AS_OF)
    settled_on, after = payments.settled_on(np.array([110, 0, 0, 7]))
    assert [str(day) for day in settled_on] == ["2026-02-05", "2026-01-07", "NaT", "NaT"]
    assert after.tolist() == [1, 0, 0, 1]
    assert [str(day) for day in payments.last_on] == ["2026-03-05", "2026-01-07", "NaT", "2026-01-01"]


def test_no_payments_are_no_payments() -> None:
    payments, found = received(payments_frame(), ids("A"), AS_OF)
    assert (payments.count.tolist(), payments.paid_minor.tolist(), len(found)) == ([0], [0], 0)
