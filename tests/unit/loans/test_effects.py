"""What each payment did, against a slow plain count, installment by installment."""

from datetime import date, timedelta

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from carloan_notify import frames
from carloan_notify.loans.effects import PAYMENT_EFFECTS, payment_effects
from carloan_notify.loans.schedule import LoanTerms, one_loan
from carloan_notify.loans.standing import LoanTables
from carloan_notify.loans.standing_settings import AllocationSettings, StandingSettings

EACH, COUNT = 100_000, 12
AS_OF = date(2026, 7, 1)
LOANS = pd.concat(
    [
        one_loan(LoanTerms(EACH * COUNT, 0, COUNT, date(2026, 1, 10), date(2025, 12, 10), loan_id=name))
        for name in ("L1", "L2")
    ],
    ignore_index=True,
)
Payment = tuple[str, str, date, int]
"""Loan, payment id, day, minor units."""


def payments_of(rows: list[Payment]) -> pd.DataFrame:
    cells = [(name, loan, pd.Timestamp(day), amount) for loan, name, day, amount in rows]
    return pd.DataFrame(cells, columns=list(frames.PAYMENTS)).astype(dict(frames.PAYMENTS))


def effects(
    rows: list[Payment], since: date, chosen: StandingSettings | None = None
) -> list[tuple[object, ...]]:
    tables = LoanTables(LOANS, payments=payments_of(rows))
    found = payment_effects(tables, chosen or StandingSettings(), AS_OF, since)
    assert {name: str(kind) for name, kind in found.dtypes.items()} == dict(PAYMENT_EFFECTS)
    return sorted(found.itertuples(index=False, name=None))


def plainly(rows: list[Payment], since: date) -> list[tuple[object, ...]]:
    """Each loan's payments one after the other, filling installments from the oldest on."""
    told = []
    for loan in {row[0] for row in rows}:
        mine = sorted((row for row in rows if row[0] == loan), key=lambda row: (row[2], row[1]))
        before = 0
        for place, (_, name, day, amount) in enumerate(mine):
            off = range(before // EACH + 1, min((before + amount) // EACH, COUNT) + 1)
            reached = before + amount
            part = reached // EACH + 1 if reached % EACH and reached < EACH * COUNT else 0
            left = max(COUNT - reached // EACH, 0) if place == len(mine) - 1 else 0
            before = reached
            if day >= since:
                told.append((loan, name, off[0] if off else 0, off[-1] if off else 0, part, left))
    return sorted(told)


@st.composite
def rows_of(draw: st.DrawFn) -> list[Payment]:
    drawn = draw(
        st.lists(
            st.tuples(st.sampled_from(["L1", "L2"]), st.integers(0, 180), st.integers(1, 300)), max_size=12
        )
    )
    return [
        (loan, f"P{place:02d}", date(2026, 1, 1) + timedelta(days=later), size * 1000)
        for place, (loan, later, size) in enumerate(drawn)
    ]


@settings(max_examples=15, deadline=None)
@given(rows_of(), st.integers(0, 181))
def test_payments_pay_off_what_a_plain_count_says(rows: list[Payment], later: int) -> None:
    since = date(2026, 1, 1) + timedelta(days=later)
    assert effects(rows, since) == plainly(rows, since)


ROWS: list[Payment] = [("L1", "P1", date(2026, 6, 30), 250_000)]


def test_a_rest_within_the_tolerance_is_paid_off() -> None:
    rows: list[Payment] = [("L1", "P1", date(2026, 6, 30), EACH - 50)]
    assert effects(rows, date(2026, 6, 1)) == [("L1", "P1", 1, 1, 0, COUNT - 1)]


def test_nothing_is_told_of_what_is_not_certain() -> None:
    since = date(2026, 6, 1)
    assert effects(ROWS, since) == [("L1", "P1", 1, 2, 3, 10)]
    assert effects([*ROWS, ("L1", "P2", date(2026, 7, 1), -1000)], since) == []
    assert effects([("L9", "P1", date(2026, 6, 30), 1000)], since) == []
    applied = StandingSettings(allocation=AllocationSettings(overpayment="applied"))
    assert effects(ROWS, since, applied) == []
    snapshot = StandingSettings()
    basis = snapshot.schedule.model_copy(update={"basis": "snapshot"})
    snapshot = snapshot.model_copy(update={"schedule": basis})
    assert effects(ROWS, since, snapshot) == []
