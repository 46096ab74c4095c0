"""Simple interest against a year of real loans, whose payment days follow from the interest that was paid."""

from datetime import date, timedelta
from pathlib import Path

import pandas as pd

from carloan_notify.loans.questions import payoff
from carloan_notify.loans.schedule import LoanTerms
from carloan_notify.loans.settings import ProductTerms, ScheduleSettings
from carloan_notify.loans.standing import LoanTables
from carloan_notify.loans.standing_settings import PayoffSettings, StandingSettings
from tests.unit.loans.portfolios import loans_frame
from tests.unit.loans.status_cases import payments_frame

TAPE = Path(__file__).parents[2] / "data" / "absee_ally_simple_interest.csv.gz"
SIMPLE = ProductTerms(interest_basis="actual/365", recalculation="simple", interest_rounding="down")
RULES = StandingSettings(schedule=ScheduleSettings(default=SIMPLE))


def cents(amount: float) -> int:
    return round(amount * 100)


def told_by_tape(loan_id: str, reports: pd.DataFrame) -> tuple[LoanTerms, list[tuple[date, int]], int]:
    """The loan as it stands before its reports, its payments, and its balance after them in cents.

    A payment's day is as many days after the one before as its interest takes at rate / 365.
    """
    first = reports.iloc[0]
    begin, rate = date.fromisoformat(str(first["interest_paid_through"])), float(first["annual_rate"])
    day, balance = begin, float(first["first_balance"])
    terms = LoanTerms(
        cents(balance), round(rate * 10**9), 60, begin + timedelta(days=31), begin, loan_id=loan_id
    )
    paid = []
    for _, row in reports.iterrows():
        interest = row["paid_total"] - row["paid_principal"]
        day += timedelta(days=round(interest * 365 / (balance * rate)))
        paid.append((day, cents(row["paid_total"])))
        balance = float(row["end_balance"])
    return terms, paid, cents(balance)


def test_after_a_year_of_payments_every_balance_is_within_ten_cents() -> None:
    tape = pd.read_csv(TAPE).sort_values(["loan_key", "month_no"])
    known = [told_by_tape(str(name), reports) for name, reports in tape.groupby("loan_key")]
    assert len(known) == 20
    away = []
    for terms, paid, balance in known:
        frame = loans_frame([terms])
        frame["status"] = pd.Series(["active"], dtype="str")
        rows = payments_frame(*((terms.loan_id, str(day), amount) for day, amount in paid))
        figures, _ = payoff(LoanTables(frame, payments=rows), RULES, PayoffSettings(), paid[-1][0])
        away.append(abs(int(figures["payoff_minor"].iloc[0]) - balance))
    assert max(away) <= 10
    assert sorted(away)[len(away) // 2] <= 3
