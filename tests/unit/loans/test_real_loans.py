"""6,417 real car loans of public filings: the installment we compute is the one in the contract."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from carloan_notify.loans.schedule import LoanTerms, build_schedules, one_loan, schedule_frame
from carloan_notify.loans.settings import ProductTerms, ScheduleSettings

FILE = Path(__file__).parents[2] / "data" / "absee_ally_carmax_loans.csv.gz"


def filed_loans() -> tuple[pd.DataFrame, "pd.Series[float]"]:
    """The loans twice, without and with 15 days of stub interest, and the filed installments."""
    filed = pd.read_csv(FILE)
    first = pd.to_datetime(filed["first_payment_month"]).to_numpy().astype("datetime64[M]")
    last = pd.to_datetime(filed["maturity_month"]).to_numpy().astype("datetime64[M]")
    usable = (filed["scheduled_payment"] > 0) & (last >= first) & (filed["original_amount"] > 0)
    blank = one_loan(LoanTerms(1, 0, 1, first_due_on=date(2016, 2, 15)))
    loans = blank.loc[[0] * len(filed)].reset_index(drop=True)
    loans["loan_id"] = filed["loan_key"].astype("str")
    loans["principal_minor"] = (filed["original_amount"] * 100).round().astype("int64")
    loans["annual_rate_ppb"] = (filed["annual_rate"] * 1e9).round().astype("int64")
    # Payments from the first month to maturity; a maturity that an extension has moved on does not add to
    # the contract's number, which is one less than `original_term` (that counts from the origination).
    months = (last - first).astype(np.int64) + 1
    loans["term_months"] = np.minimum(months, filed["original_term"].to_numpy() - 1)
    # The filings give months, not days: the 15th stands for the due day.
    due = first.astype("datetime64[D]") + 14
    loans["first_due_on"] = due.astype("datetime64[s]")
    begin = (first - 1).astype("datetime64[D]") + 14
    loans["disbursed_on"] = begin.astype("datetime64[s]")
    stubbed = loans.assign(loan_id=loans["loan_id"] + "+", disbursed_on=(begin - 15).astype("datetime64[s]"))
    assert usable.mean() > 0.999
    return pd.concat([loans, stubbed], ignore_index=True), filed.set_index("loan_key")["scheduled_payment"]


def test_the_installment_is_within_a_dollar_for_98_percent_of_real_loans() -> None:
    loans, filed = filed_loans()
    grids, findings = build_schedules(loans, None, ScheduleSettings(default=ProductTerms(stub="actual/365")))
    assert len(findings) <= 0.002 * len(loans)
    schedule = schedule_frame(grids)
    level = schedule[schedule["installment_no"] == 1].set_index("loan_id")["total_minor"] / 100
    plain = (level.reindex(filed.index) - filed).abs()
    stubbed = (level[level.index.str.endswith("+")].rename(lambda name: name[:-1]) - filed).abs()
    within = (plain <= 1) | (stubbed <= 1)
    assert within.mean() >= 0.98
    assert (plain <= 1).mean() < 0.80, "without the stub rule far fewer agree"
