"""Real loans of public filings: days past due go on from month to month while nothing is paid."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from carloan_notify.loans.delinquency import days_past_due, due_date_of
from carloan_notify.loans.settings import ScheduleSettings
from carloan_notify.loans.standing import LoanTables, standing
from carloan_notify.loans.standing_settings import DayCount, DelinquencySettings, StandingSettings
from tests.unit.loans.status_cases import loans_frame

FILE = Path(__file__).parents[2] / "data" / "absee_eight_lenders_delinquency.csv.gz"
SANTANDER = "SC"  # reports every month as 30 days


def unpaid_months() -> pd.DataFrame:
    """One row per report of a loan that is past due and not paid before the next report, and that next report.

    Left out: next reports of a repossessed, charged-off or closed loan, for which lenders stop counting and
    report 0, and of one with an extension or with another balance, which tells of a payment or a correction.
    """
    filed = pd.read_csv(FILE, parse_dates=["month_end"]).sort_values(["loan_key", "month_end"])
    rows = filed.join(filed.groupby("loan_key").shift(-1).add_suffix("_next"))
    goes_on = (
        (rows["days_delinquent"] > 0)
        & (rows["days_delinquent_next"] > 0)
        & (rows["paid_total_next"] == 0)
        & (rows["end_balance_next"] == rows["end_balance"])
        & ~rows["repossessed_next"].isin([True])  # some reports leave it empty
        & rows["zero_balance_code_next"].isna()
        & ~(rows["charged_off_next"] > 0)
        & ~(rows["payments_extended_next"] > 0)
    )
    return rows[goes_on].reset_index(drop=True)


def carried(rows: pd.DataFrame, convention: DayCount) -> pd.Series:
    """Whether the next report's days are those of the due date that this report's days lead back to."""
    same = []
    for _, row in rows.iterrows():
        due = due_date_of(np.array([row["days_delinquent"]]), row["month_end"].date(), convention)
        days = days_past_due(due, row["month_end_next"].date(), convention)
        same.append(int(days[0]) == int(row["days_delinquent_next"]))
    return pd.Series(same, index=rows.index)


def test_98_percent_of_unpaid_months_carry_the_days_on() -> None:
    rows = unpaid_months()
    santander = rows["lender"] == SANTANDER
    calendar = carried(rows[~santander], DayCount.CALENDAR)
    thirty = carried(rows[santander], DayCount.THIRTY_360)
    assert len(calendar) > 140
    assert len(thirty) > 50
    assert calendar.mean() >= 0.98
    assert thirty.mean() >= 0.98


def test_a_lenders_convention_is_configuration() -> None:
    rows = unpaid_months()
    santander = rows["lender"] == SANTANDER
    assert carried(rows[santander], DayCount.CALENDAR).mean() < 0.02
    assert carried(rows[~santander], DayCount.THIRTY_360).mean() < 0.02


@pytest.mark.parametrize("convention", list(DayCount))
def test_a_snapshot_names_the_same_due_date_in_every_unpaid_month(convention: DayCount) -> None:
    rows = unpaid_months()
    rows = rows[(rows["lender"] == SANTANDER) == (convention is DayCount.THIRTY_360)]
    first = identities(rows, "", convention)
    second = identities(rows, "_next", convention)
    assert len(first) == len(second) == len(rows)
    assert (first == second).mean() >= 0.98


def identities(rows: pd.DataFrame, suffix: str, convention: DayCount) -> "pd.Series[pd.Timestamp]":
    """The oldest original due date that a night on each report's date would put into its notices."""
    rules = StandingSettings(
        schedule=ScheduleSettings(basis="snapshot"),
        delinquency=DelinquencySettings(dpd_convention=convention),
    )
    found = []
    for month_end, part in rows.groupby(f"month_end{suffix}"):
        cells = [
            {"loan_id": str(at), "overdue_minor": 10_000, "days_past_due": int(days)}
            for at, days in part[f"days_delinquent{suffix}"].items()
        ]
        told = standing(LoanTables(loans_frame(*cells)), rules, as_date(month_end))
        found.append(told.loans.set_index("loan_id")["oldest_original_due_on"])
    joined: pd.Series[pd.Timestamp] = pd.concat(found).sort_index()
    return joined


def as_date(day: object) -> date:
    assert isinstance(day, pd.Timestamp)
    return day.date()
