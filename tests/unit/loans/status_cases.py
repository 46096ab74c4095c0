"""Small grids, frames and seeded portfolios for the tests of a loan's standing."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import numpy as np
import pandas as pd

from carloan_notify.frames import INSTALLMENTS, LOANS, PAYMENTS
from carloan_notify.loans.allocation import AllocationRule
from carloan_notify.loans.grid import Grid
from carloan_notify.loans.payments import Payments, PenaltyRule
from carloan_notify.loans.settings import Rounding
from carloan_notify.loans.standing_settings import (
    AllocationSettings,
    DayCount,
    DelinquencySettings,
    PenaltyBase,
    PenaltySettings,
    ToleranceSettings,
)
from tests.unit.loans.status_twin import PlainInstallment, PlainLoan

MISSING = {"str": "", "int64": 0, "bool": False, "datetime64[s]": pd.NaT}
CUSTOM_STEPS = ("overdue interest, principal", "penalty", "current interest, fees, principal", "overdue fees")


def frame(columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """A frame of these rows; what a row does not name is missing."""
    cells = {name: [row.get(name, MISSING[kind]) for row in rows] for name, kind in columns.items()}
    return pd.DataFrame(cells).astype(dict(columns))


def loans_frame(*rows: Mapping[str, Any]) -> pd.DataFrame:
    return frame(LOANS, [{"status": "active", **row} for row in rows])


def payments_frame(*rows: tuple[str, str, int]) -> pd.DataFrame:
    """Payments of (loan_id, ISO date, minor units)."""
    return frame(
        PAYMENTS,
        [
            {"payment_id": f"P{at}", "loan_id": loan, "paid_on": pd.Timestamp(day), "amount_minor": amount}
            for at, (loan, day, amount) in enumerate(rows)
        ],
    )


def installments_frame(loan_id: str, *rows: tuple[str, int, int]) -> pd.DataFrame:
    """Installments 1, 2, … of (ISO date, principal, interest), nothing paid."""
    return frame(
        INSTALLMENTS,
        [
            {
                "loan_id": loan_id,
                "installment_no": at,
                "due_on": pd.Timestamp(day),
                "principal_minor": principal,
                "interest_minor": interest,
                "total_minor": principal + interest,
            }
            for at, (day, principal, interest) in enumerate(rows, 1)
        ],
    )


def grid_of(loans: Sequence[PlainLoan]) -> Grid:
    """The grid of these plain loans, as they were agreed."""
    count = np.array([len(loan.installments) for loan in loans], dtype=np.int64)
    shape = (int(count.max(initial=0)), len(loans))
    due = np.full(shape, np.datetime64("NaT", "D"))
    money = {name: np.zeros(shape, dtype=np.int64) for name in ("principal", "interest", "fees")}
    for column, loan in enumerate(loans):
        for row, one in enumerate(loan.installments):
            due[row, column] = one.due_on
            for name, cells in money.items():
                cells[row, column] = getattr(one, name)
    return Grid(
        loan_ids=np.array([f"L{at}" for at in range(len(loans))], dtype=object),
        count=count,
        due_on=due,
        original_due_on=due,
        interest_on=due,
        principal_minor=money["principal"],
        interest_minor=money["interest"],
        fees_minor=money["fees"],
        opening_minor=money["principal"].sum(axis=0),
    )


def payments_of(loans: Sequence[Sequence[tuple[date, int]]]) -> Payments:
    """Dated payments, already net and in order."""
    start = np.cumsum([0, *[len(one) for one in loans]]).astype(np.int64)
    rows = [pair for one in loans for pair in one]
    return Payments(
        start,
        np.array([day for day, _ in rows], dtype="datetime64[D]"),
        np.array([amount for _, amount in rows], dtype=np.int64),
    )


def rule_of(loans: Sequence[PlainLoan]) -> AllocationRule:
    """The rule these loans, which share their settings, are kept by."""
    rates = np.array([loan.annual_rate_ppb for loan in loans], dtype=np.int64)
    return AllocationRule(
        loans[0].allocation.steps, PenaltyRule.of(rates, loans[0].delinquency, loans[0].free)
    )


START = date(2026, 1, 10)
BUCKETS = ("m1_from_day_1", "m1_from_day_30", {"early": 1, "late": 8, "lost": 200})


def random_day(rng: Random, days: int = 250) -> date:
    return START + timedelta(days=rng.randrange(days))


def random_installments(rng: Random) -> list[PlainInstallment]:
    """Up to six installments; some of their parts are nothing, some are very large."""
    due = sorted({random_day(rng) for _ in range(rng.randrange(1, 7))})
    large = rng.choice([3000, 3000, 10**9])

    def part() -> int:
        return rng.choice([0, rng.randrange(large), rng.randrange(large)])

    return [
        PlainInstallment(day, rng.randrange(50), part(), part(), number=at, original_due_on=day)
        for at, day in enumerate(due, 1)
    ]


def random_payments(rng: Random) -> list[tuple[date, int]]:
    """Up to seven payments in order of date, one here and there on a day that has one already."""
    days = [random_day(rng) for _ in range(rng.randrange(7))]
    days += days[: rng.randrange(2)]
    return sorted((day, rng.randrange(1, rng.choice([400, 4000, 10**9]))) for day in days)


def random_rules(rng: Random) -> tuple[AllocationSettings, DelinquencySettings]:
    penalty = PenaltySettings(
        enabled=rng.random() < 0.7,
        rate_multiplier=rng.choice([Decimal("1.5"), Decimal("1.3")]),
        annual_rate=rng.choice([None, Decimal("0.18")]),
        day_basis=rng.choice([360, 365]),
        base=rng.choice(list(PenaltyBase)),
        compounding=rng.choice(["simple", "compound"]),
        starts=rng.choice(["day_1", "after_grace"]),
        rounding=rng.choice(list(Rounding)),
    )
    delinquency = DelinquencySettings(
        grace_days=rng.choice([0, 0, 3, 10]),
        counts_from=rng.choice(["due_date", "grace_end"]),
        dpd_convention=rng.choice(list(DayCount)),
        buckets=rng.choice(BUCKETS),
        penalty=penalty,
        tolerance=ToleranceSettings(
            amount=rng.choice(["0", "1.00", "12.34"]),
            share=rng.choice(["0", "0.1", "0.5"]),
            settled_below=rng.choice(["0", "1.00", "50.00"]),
        ),
    )
    waterfall = rng.choice(["civil_code_561", "car_finance_2013", CUSTOM_STEPS])
    return AllocationSettings(waterfall=waterfall), delinquency


def random_loans(rng: Random, count: int) -> list[PlainLoan]:
    """Loans that share their rules; some bear no interest and so no penalty of their own."""
    rules = random_rules(rng)
    rates = [0, 70_000_000, rng.randrange(360) * 10**6]
    return [PlainLoan(random_installments(rng), rng.choice(rates), *rules) for _ in range(count)]
