"""The full status of up to three million loans, each size in a process of its own.

The floor, measured in the same process, is what any vectorised way must do: write the four amounts of every
installment once and sum them.
"""

import json
import resource
import subprocess
import sys
import time
from datetime import date, timedelta
from typing import Final

import numpy as np
import pandas as pd

from benchmarks.loans_schedule import TERMS, chunk
from carloan_notify.loans.schedule import LoanTerms
from carloan_notify.loans.settings import ProductTerms
from carloan_notify.loans.standing import CHUNK, LoanTables, Standing, standing
from carloan_notify.loans.standing_settings import DelinquencySettings, PenaltySettings, StandingSettings
from tests.unit.loans.plain_schedule import plain_schedule
from tests.unit.loans.status_twin import PlainInstallment, PlainLoan

SIZES: Final = (100_000, 1_000_000, 3_000_000)
TWIN_LOANS: Final = 300
LIMIT_SECONDS: Final = 6.0
LIMIT_MB: Final = 1000
LIMIT_GROWTH: Final = 1.3
LIMIT_RATIO: Final = 100
AS_OF: Final = date(2026, 11, 23)
RULES: Final = StandingSettings(delinquency=DelinquencySettings(penalty=PenaltySettings(enabled=True)))
TERM: Final = 36


def portfolio(size: int) -> pd.DataFrame:
    """Loans begun within the last three years; nine of ten have paid what was due, the others are behind."""
    rng = np.random.default_rng(7)
    loans = chunk(7, size)
    age = rng.integers(0, TERM, size)
    first = np.datetime64(AS_OF, "D") - (age * 30.44).astype(np.int64) - rng.integers(0, 30, size)
    loans["first_due_on"] = first.astype("datetime64[s]")
    loans["disbursed_on"] = (first - 31).astype("datetime64[s]")
    behind = np.where(rng.random(size) < 0.1, rng.integers(1, 7, size), 0)  # noqa: PLR2004 - one loan of ten
    growth = np.maximum(loans["annual_rate_ppb"].to_numpy() / 12e9, 1e-9)
    level = np.ceil(loans["principal_minor"].to_numpy() * growth / (1 - (1 + growth) ** -TERM)) + 1
    loans["paid_to_date_minor"] = (np.maximum(age + 1 - behind, 0) * level).astype(np.int64)
    return loans


def measure(size: int) -> dict[str, float]:
    """CPU seconds of one status, of the floor and of the twin per loan, and this process's peak with its input."""
    standing(LoanTables(portfolio(1000)), RULES, AS_OF)  # first-use costs are no loan's
    loans = portfolio(size)
    twin = twin_seconds_per_loan()
    begin = time.process_time()
    found = standing(LoanTables(loans), RULES, AS_OF)
    seconds = time.process_time() - begin
    twin = (twin + twin_seconds_per_loan()) / 2  # before and after, so that a busy machine slows both
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    _check(found, size)
    return {"seconds": seconds, "peak_mb": peak, "floor_seconds": floor_seconds(size), "twin_seconds": twin}


def _check(found: Standing, size: int) -> None:
    overdue = (found.loans["days_past_due"] > 0).mean()
    penalty = found.loans["penalty_minor"].sum()
    if len(found.loans) != size or len(found.findings) or not 0.02 < overdue < 0.5 or not penalty:  # noqa: PLR2004 - plausible
        raise AssertionError((len(found.loans), len(found.findings), overdue, penalty))


def floor_seconds(size: int) -> float:
    """CPU seconds for writing four amounts of every installment once and summing them."""
    begin = time.process_time()
    for at in range(0, size, CHUNK):
        amounts = np.ones((4, TERM, min(CHUNK, size - at)), dtype=np.int64)
        amounts.sum(axis=(0, 1))
    return time.process_time() - begin


def twin_seconds_per_loan() -> float:
    """CPU seconds of the plain twin: schedule, money received, penalty, oldest and next due."""
    loans = portfolio(TWIN_LOANS)
    begin = time.process_time()
    for row in loans.to_dict("records"):
        loan = LoanTerms(
            principal_minor=row["principal_minor"],
            annual_rate_ppb=row["annual_rate_ppb"],
            installments=TERMS.installments,
            first_due_on=row["first_due_on"].date(),
            disbursed_on=row["disbursed_on"].date(),
        )
        rows = plain_schedule(loan, ProductTerms(), lambda _: True)
        parts = [PlainInstallment(one.due_on, one.fees, one.interest, one.principal) for one in rows]
        plain = PlainLoan(parts, loan.annual_rate_ppb, RULES.allocation, RULES.delinquency)
        plain.carry(row["paid_to_date_minor"])
        plain.accrue(AS_OF)
        plain.standing(AS_OF, [], row["paid_to_date_minor"])
        plain.dues(AS_OF + timedelta(days=RULES.horizon_days))
    return (time.process_time() - begin) / TWIN_LOANS


def in_own_process(size: int) -> dict[str, float]:
    """`measure` in a fresh process, so that each size has a peak of its own."""
    command = [sys.executable, "-m", "benchmarks.loans_status", str(size)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def run() -> dict[str, float]:
    """Measure, print and return the figures; `ok` is 1 when all limits hold."""
    measured = {size: in_own_process(size) for size in SIZES}
    small, million, large = (measured[size] for size in SIZES)
    growth = (large["seconds"] / SIZES[2]) / (small["seconds"] / SIZES[0])
    faster = million["twin_seconds"] / (million["seconds"] / SIZES[1])
    figures = {
        "cpu_seconds_for_a_million_loans": round(million["seconds"], 2),
        "times_the_floor": round(million["seconds"] / million["floor_seconds"], 1),
        "peak_mb": round(million["peak_mb"]),
        "cost_per_loan_of_3_million_to_100_thousand": round(growth, 2),
        "times_faster_than_the_plain_twin": round(faster),
    }
    within = (
        million["seconds"] <= LIMIT_SECONDS,
        million["peak_mb"] <= LIMIT_MB,
        growth <= LIMIT_GROWTH,
        faster >= LIMIT_RATIO,
    )
    figures["ok"] = float(all(within))
    for name, value in figures.items():
        print(f"{name}: {value:g}")
    print(
        f"wanted: up to {LIMIT_SECONDS:g} s, {LIMIT_MB} MB, {LIMIT_GROWTH:g}; at least {LIMIT_RATIO} times faster"
    )
    return figures


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(int(sys.argv[1]))))
    else:
        run()
