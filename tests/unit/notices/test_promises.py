"""Promises against payments: a slow plain twin, and what holds whatever comes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carloan_notify import frames
from carloan_notify.notices.promises import (
    PROMISES,
    PaymentEvidence,
    appropriated,
    judged,
    promise_events,
)
from carloan_notify.notices.settings import EventType
from carloan_notify.promise_codes import PromiseState

FIRST: Final = date(2026, 11, 1)


@dataclass(frozen=True)
class Promise:
    """One promise of the plain twin; days count from FIRST."""

    name: str
    loan: str
    made: int
    end: int
    amount: int
    state: str = PromiseState.OPEN
    paid: int = 0
    before: int = 0
    overdue_before: int = 0


@dataclass(frozen=True)
class Payment:
    """One row of the payments table; a negative amount takes back."""

    loan: str
    day: int
    amount: int


def on(day: int) -> date:
    return FIRST + timedelta(days=day)


def promise_frame(promises: Sequence[Promise]) -> pd.DataFrame:
    rows = [
        (
            *(each.name, each.loan, each.state, "clerk"),
            *(on(each.made), on(each.end - 1), on(each.end)),
            *(each.amount, 100, each.paid, each.before, each.overdue_before),
        )
        for each in promises
    ]
    return pd.DataFrame(rows, columns=list(PROMISES)).astype(dict(PROMISES))


def payment_frame(payments: Sequence[Payment]) -> pd.DataFrame:
    rows = [(f"P{place}", each.loan, on(each.day), each.amount) for place, each in enumerate(payments)]
    return pd.DataFrame(rows, columns=list(frames.PAYMENTS)).astype(dict(frames.PAYMENTS))


def standing_frame(loans: Sequence[tuple[str, int, int]]) -> pd.DataFrame:
    """Loans with what they have paid in all and what is overdue."""
    rows = frames.blank_rows(frames.STANDING, len(loans))
    names, paid, overdue = zip(*loans, strict=True)
    return rows.assign(loan_id=list(names), paid_minor=paid, overdue_minor=overdue, status="active")


def netted(payments: Sequence[Payment]) -> list[tuple[int, int]]:
    """Day and sum of one loan's payments with reversals taken out, one after the other."""
    left: list[list[int]] = []
    for each in sorted(payments, key=lambda row: (row.day, -row.amount)):
        if each.amount >= 0:
            left.append([each.day, each.amount])
            continue
        wanted = -each.amount
        for row in reversed(left):
            if row[1] == wanted:
                row[1], wanted = 0, 0
                break
        for row in reversed(left):
            cut = min(row[1], wanted)
            row[1], wanted = row[1] - cut, wanted - cut
    return [(day, sum_) for day, sum_ in left if sum_]


def plain(promises: Sequence[Promise], payments: Sequence[Payment], as_of: int) -> list[int]:
    """What each promise received, one coin after the other."""
    got = dict.fromkeys((each.name for each in promises), 0)
    for loan in {each.loan for each in promises}:
        line = sorted((p for p in promises if p.loan == loan), key=lambda p: (p.end, p.made, p.name))
        for day, coins in netted([p for p in payments if p.loan == loan and p.day <= as_of]):
            for _ in range(coins):
                first = next((p for p in line if p.made <= day <= p.end and got[p.name] < p.amount), None)
                if first is not None:
                    got[first.name] += 1
    return [got[each.name] for each in promises]


def received_by(promises: Sequence[Promise], payments: Sequence[Payment], as_of: int) -> list[int]:
    return appropriated(promise_frame(promises), payment_frame(payments), on(as_of)).tolist()


LOANS: Final = st.sampled_from("ABC")
DAYS: Final = st.integers(0, 12)
PAYMENTS: Final = st.lists(st.builds(Payment, LOANS, DAYS, st.integers(-6, 9).filter(bool)), max_size=10)


@st.composite
def some_promises(draw: st.DrawFn) -> list[Promise]:
    rows = draw(st.lists(st.tuples(LOANS, DAYS, st.integers(1, 8), st.integers(1, 9)), max_size=6))
    return [
        Promise(f"p{n}", loan, made, made + ahead, sum_) for n, (loan, made, ahead, sum_) in enumerate(rows)
    ]


@settings(max_examples=30)
@given(some_promises(), PAYMENTS, DAYS)
def test_the_plain_twin_agrees(promises: list[Promise], payments: list[Payment], as_of: int) -> None:
    assert received_by(promises, payments, as_of) == plain(promises, payments, as_of)


@settings(max_examples=30)
@given(some_promises(), PAYMENTS, DAYS)
def test_no_more_is_given_than_came_and_than_was_promised(
    promises: list[Promise], payments: list[Payment], as_of: int
) -> None:
    got = received_by(promises, payments, as_of)
    assert all(0 <= sum_ <= each.amount for sum_, each in zip(got, promises, strict=True))
    for loan in "ABC":
        given_ = sum(sum_ for sum_, each in zip(got, promises, strict=True) if each.loan == loan)
        assert given_ <= sum(
            sum_ for _, sum_ in netted([p for p in payments if p.loan == loan and p.day <= as_of])
        )


@settings(max_examples=30)
@given(
    some_promises(), st.lists(st.builds(Payment, LOANS, DAYS, st.integers(1, 9)), max_size=8), DAYS, st.data()
)
def test_a_reversal_restores_what_was(
    promises: list[Promise], payments: list[Payment], back: int, data: st.DataObject
) -> None:
    loan, day, amount = data.draw(LOANS), data.draw(st.integers(0, back)), data.draw(st.integers(1, 9))
    wrong = [Payment(loan, day, amount), Payment(loan, back, -amount)]
    same_later = [p for p in payments if p.loan == loan and p.amount == amount and day < p.day <= back]
    if not same_later:  # of two equal payments the later is taken back
        assert received_by(promises, [*payments, *wrong], 12) == received_by(promises, payments, 12)


@settings(max_examples=30)
@given(some_promises(), PAYMENTS, st.randoms(use_true_random=False))
def test_the_order_of_rows_is_nothing(
    promises: list[Promise], payments: list[Payment], chance: object
) -> None:
    order = sorted(range(len(promises)), key=lambda place: hash((place, repr(chance))))
    turned = received_by([promises[place] for place in order], payments[::-1], 12)
    assert turned == [received_by(promises, payments, 12)[place] for place in order]


@settings(max_examples=30)
@given(some_promises(), PAYMENTS, DAYS)
def test_nothing_is_decided_before_its_end(
    promises: list[Promise], payments: list[Payment], as_of: int
) -> None:
    evidence = PaymentEvidence(standing_frame([(loan, 0, 9) for loan in "ABC"]), payment_frame(payments))
    states = judged(promise_frame(promises), evidence, on(as_of), 60)["state"]
    assert [state == PromiseState.OPEN for state in states] == [as_of <= each.end for each in promises]


ONE: Final = Promise("p", "A", 0, 5, 500)


@pytest.mark.parametrize(
    ("payments", "state"),
    [
        ([], PromiseState.BROKEN),
        ([Payment("A", 5, 500)], PromiseState.KEPT),
        ([Payment("A", 5, 499)], PromiseState.PARTLY_KEPT),
        ([Payment("A", 0, 200), Payment("A", 3, 300)], PromiseState.KEPT),
        ([Payment("A", 6, 500)], PromiseState.BROKEN),
        ([Payment("A", 4, 500), Payment("A", 6, -500)], PromiseState.BROKEN),
        ([Payment("B", 4, 500)], PromiseState.BROKEN),
    ],
)
def test_the_day_after_its_end_a_promise_is_decided(payments: list[Payment], state: PromiseState) -> None:
    evidence = PaymentEvidence(standing_frame([("A", 0, 900), ("B", 0, 0)]), payment_frame(payments))
    assert judged(promise_frame([ONE]), evidence, on(6), 60)["state"].tolist() == [state]


def test_eighty_per_cent_may_be_enough() -> None:
    evidence = PaymentEvidence(standing_frame([("A", 0, 900)]), payment_frame([Payment("A", 5, 400)]))
    promises = promise_frame([ONE]).assign(threshold_percent=80)
    assert judged(promises, evidence, on(6), 60)["state"].tolist() == [PromiseState.KEPT]


def test_an_outcome_is_revised_by_a_late_booking_and_only_within_the_days_for_it() -> None:
    broken = promise_frame([replace(ONE, state=PromiseState.BROKEN)])
    evidence = PaymentEvidence(standing_frame([("A", 0, 900)]), payment_frame([Payment("A", 5, 500)]))
    assert judged(broken, evidence, on(8), 3)["state"].tolist() == [PromiseState.KEPT]
    assert judged(broken, evidence, on(9), 3)["state"].tolist() == [PromiseState.BROKEN]


def test_what_the_tables_do_not_know_or_half_know_is_decided_later() -> None:
    gone = PaymentEvidence(standing_frame([("B", 0, 0)]), payment_frame([]))
    doubtful = PaymentEvidence(standing_frame([("A", 0, 900)]), payment_frame([]), doubtful={"A"})
    for evidence in (gone, doubtful):
        assert judged(promise_frame([ONE]), evidence, on(6), 60)["state"].tolist() == [PromiseState.OPEN]


@pytest.mark.parametrize(
    ("paid", "overdue", "known", "state"),
    [
        (1_500, 400, True, PromiseState.KEPT),
        (1_200, 700, True, PromiseState.PARTLY_KEPT),
        (1_000, 900, True, PromiseState.BROKEN),
        (0, 0, False, PromiseState.KEPT),
        (0, 400, False, PromiseState.KEPT),
        (0, 900, False, PromiseState.UNPROVEN),
        (0, 600, False, PromiseState.UNPROVEN),
    ],
)
def test_without_payments_the_totals_speak_or_nobody_does(
    paid: int, overdue: int, *, known: bool, state: PromiseState
) -> None:
    promises = promise_frame([replace(ONE, before=1_000, overdue_before=900)])
    evidence = PaymentEvidence(standing_frame([("A", paid, overdue)]), None, paid_known=known)
    assert judged(promises, evidence, on(6), 60)["state"].tolist() == [state]


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 30), st.booleans()), max_size=5), st.integers(0, 60)
)
def test_totals_are_shared_out_first_in_first_out(rows: list[tuple[int, int, bool]], now: int) -> None:
    promises = [
        Promise(
            f"p{n}",
            "A",
            0,
            n + 1,
            amount,
            PromiseState.OPEN if is_open else PromiseState.KEPT,
            amount,
            before,
        )
        for n, (amount, before, is_open) in enumerate(rows)
    ]
    level, expected = 0, []
    for each in promises:
        began = max(level, each.before)
        took = min(max(now - began, 0), each.amount) if each.state == PromiseState.OPEN else each.paid
        level = began + took
        expected.append(took)
    evidence = PaymentEvidence(standing_frame([("A", now, 9)]))
    assert judged(promise_frame(promises), evidence, on(20), 60)["paid_minor"].tolist() == expected


def test_events_name_the_promise_and_ask_nobody_who_owes_nothing() -> None:
    promises = promise_frame(
        [
            replace(ONE, state=PromiseState.BROKEN),
            Promise("q", "B", 0, 5, 500, PromiseState.BROKEN),
            Promise("r", "B", 0, 5, 500, PromiseState.KEPT),
            Promise("s", "B", 0, 9, 500),
        ]
    )
    events = promise_events(promises, standing_frame([("A", 0, 900), ("B", 0, 0)]), 1)
    told = [
        tuple(row) for row in events[["event_id", "type", "occurred_on", "due_on"]].itertuples(index=False)
    ]
    assert told == [
        ("p", EventType.PROMISE_BROKEN, pd.Timestamp(on(6)), pd.Timestamp(on(4))),
        ("r", EventType.PROMISE_KEPT, pd.Timestamp(on(6)), pd.Timestamp(on(4))),
        ("s", EventType.PROMISE_DUE, pd.Timestamp(on(7)), pd.Timestamp(on(8))),
    ]
