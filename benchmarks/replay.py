"""49,073 real loan-months under three presets: what each lets through, and that it never lets too much through.

The loans and their monthly payments are those of public filings (origin: tests/data/README.loans.md). Filings give
months, not days: loan i falls due on day 1 + i mod 28, and what was paid in a month is paid on the due day. A loan
begins with its balance and remaining term of its first report. Each preset gets the same loans as borrowers of its place.

    python -m benchmarks replay              # every preset, the whole tape: about half an hour
    python -m benchmarks replay 60           # its first 60 days
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import yaml

from carloan_notify.app import build_app
from carloan_notify.config.example import sample_values
from carloan_notify.pipeline.setup import init_folder
from carloan_notify.pipeline.simulate import Walk

DATA: Final = Path(__file__).parents[1] / "tests" / "data"
LOANS: Final = DATA / "absee_ally_carmax_loans.csv.gz"
MONTHS: Final = DATA / "absee_ally_carmax_monthly_sample.csv.gz"


@dataclass(frozen=True)
class Place:
    """Where the borrowers live under a preset."""

    preset: str
    country: str
    region: str
    zone: str
    phone: str  # E.164, a number to fill in


PLACES: Final = (
    Place("cn", "CN", "", "Asia/Shanghai", "+86100{:08d}"),
    Place("us-ma", "US", "MA", "America/New_York", "+1617555{:04d}"),
    Place("au", "AU", "", "Australia/Sydney", "+614910{:05d}"),
)


def tape() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The sampled loans with their terms, and their loan-months."""
    months = pd.read_csv(MONTHS, parse_dates=["month_end"])
    terms = pd.read_csv(LOANS).set_index("loan_key")
    first = months.groupby("loan_key")["month_end"].min()
    loans = terms.loc[first.index].assign(started=first)
    loans = loans[(loans["scheduled_payment"] > 0) & (loans["begin_balance"] > 0)].reset_index()
    return loans, months[months["loan_key"].isin(loans["loan_key"])]


def loans_table(loans: pd.DataFrame, place: Place) -> pd.DataFrame:
    """The loans as an export of this place."""
    start = loans["started"].to_numpy().astype("datetime64[M]")
    last = pd.to_datetime(loans["maturity_month"]).to_numpy().astype("datetime64[M]")
    day = np.arange(len(loans)) % 28
    return pd.DataFrame(
        {
            "loan_id": loans["loan_key"],
            "customer_id": loans["loan_key"],
            "borrower_name": "Alex Morgan",
            "phone": [place.phone.format(number) for number in range(len(loans))],
            "principal": loans["begin_balance"],
            "annual_rate": loans["annual_rate"],
            "term_months": np.maximum((last - start).astype(np.int64) + 1, 1),
            "disbursed_on": (start - 1).astype("datetime64[D]") + day,
            "first_due_on": start.astype("datetime64[D]") + day,
            "due_day": day + 1,
            "repayment_method": "equal_installment",
            "status": "active",
            "language": "en",
            "timezone": place.zone,
            "country": place.country,
            "region": place.region,
        }
    )
