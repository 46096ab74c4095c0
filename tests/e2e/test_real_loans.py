"""Nights over 6,417 real car loans of public filings (origin: tests/data/README.loans.md), English, US dollars."""

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from carloan_notify.config.example import ladder_values
from tests.e2e.conftest import Desk

FILE = Path(__file__).parents[1] / "data" / "absee_ally_carmax_loans.csv.gz"
TODAY, TOMORROW = "2019-10-10", "2019-10-11"
NOON = "T12:00:00-05:00"
AFTERNOON = "T13:05:00-05:00"
COLUMNS = {
    "loan_id": "loan_key", "customer_id": "loan_key", "principal": "original_amount", "term_months": "installments",
    "amount_due": "scheduled_payment", "days_past_due": "days_delinquent",
}  # fmt: skip
CONSTANT = {
    "status": "active",
    "language": "en",
    "timezone": "America/Chicago",
    "repayment_method": "equal_installment",
}


@pytest.fixture(scope="module")
def filed() -> pd.DataFrame:
    """The filed loans with what a lender's export would add: due days over the whole month, numbers that reach nobody.

    Filings give months, not days, so loan i falls due on day 1 + i mod 28. N counts the months to maturity (an
    extension does not add to the contract's), and the stub is the 0 or 15 days that the filed installment shows.
    """
    loans = pd.read_csv(FILE)
    first = pd.to_datetime(loans["first_payment_month"]).to_numpy().astype("datetime64[M]")
    last = pd.to_datetime(loans["maturity_month"]).to_numpy().astype("datetime64[M]")
    count = np.minimum((last - first).astype(np.int64) + 1, loans["original_term"].to_numpy() - 1)
    loans["installments"] = count
    usable = (loans["scheduled_payment"] > 0) & (count >= 1)
    day = np.arange(len(loans)) % 28
    begin = (first - 1).astype("datetime64[D]") + day - _stub_days(loans, count)
    return loans.assign(
        first_due_on=first.astype("datetime64[D]") + day,
        disbursed_on=begin,
        due_day=day + 1,
        phone=[f"+86100{number:08d}" for number in range(len(loans))],
        borrower_name="Alex Morgan",
        usable=usable,
    )


def _stub_days(loans: pd.DataFrame, count: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """15 where the filed installment fits interest for 15 days before the first month better than none."""
    principal, rate = loans["original_amount"].to_numpy(), loans["annual_rate"].to_numpy()
    filed, i = loans["scheduled_payment"].to_numpy(), np.maximum(rate / 12, 1e-12)
    level = i / (1 - (1 + i) ** -count.clip(1))
    gaps = [abs(principal * (1 + rate * days / 365) * level - filed) for days in (0, 15)]
    return np.where(gaps[1] < gaps[0], 15, 0)


def us_lender(folder: Path, basis: str) -> Desk:
    shutil.copytree(Path(__file__).parents[2] / "templates", folder / "templates")
    (folder / "secrets").mkdir(mode=0o700)
    key = folder / "secrets" / "links.key"
    key.write_bytes(b"k" * 32)
    key.chmod(0o600)
    values = {
        "lender": {
            "lender_id": "example-auto", "name": "Example Auto Finance", "sign": "Example Auto",
            "hotline": "800-555-0100", "currency": "USD", "timezone": "America/Chicago", "country": "US",
        },
        "sources": {
            "loans": {
                "path": "loans-{as_of}.csv", "columns": COLUMNS, "defaults": CONSTANT, "fictitious_phones": True,
            }
        },
        "schedule": {"basis": basis, "default": {"stub": "actual/365"}},
        "rules": ladder_values(),
        "messages": {"default_language": "en", "billing": "gsm", "pay_link_base": "https://pay.example.com/p/"},
        "guards": {"max_row_drop": 0.5, "message_factor": 100},
        "delivery": {"canary": {"size": 5}},
    }  # fmt: skip
    (folder / "config.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    return Desk(folder)


def night(lender: Desk, as_of: str, *args: str) -> Any:
    done = lender.run("run", "--as-of", as_of, "--now", as_of + "T02:00:00-05:00", "--format", "json", *args)
    return done.json


def test_computed_basis(filed: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lender = us_lender(tmp_path, "computed")
    loans = filed.assign(paid_to_date=_paid_up_to(filed, TODAY))
    for day in (TODAY, TOMORROW):
        loans.drop(columns="usable").to_csv(tmp_path / f"loans-{day}.csv", index=False)

    first = night(lender, TODAY)
    assert first["rows_read"] == len(filed)
    assert first["rows_rejected"] == (~filed["usable"]).sum() < 10
    assert first["by_notice"].keys() >= {"due_in_7_days.sms", "due_today.sms"}
    again = night(lender, TODAY)
    assert again["queued"] == 0
    assert again["already_sent"] == first["queued"]

    following = night(lender, TOMORROW, "--accept", "same_export")
    days = {
        row["due_on"] for row in lender.messages("--run", following["run_id"]) if row["notice"] == "due_today"
    }
    assert days == {TOMORROW}
    months = (np.datetime64("2019-10") - filed["first_due_on"].to_numpy().astype("datetime64[M]")).astype(int)
    running = (months >= 0) & (months < filed["installments"]) & filed["usable"]
    assert following["by_notice"]["due_in_7_days.sms"] == sum(
        running & (filed["due_day"] == 18)
    )  # and nobody else

    share = _share_within_a_dollar(filed, lender)
    with capsys.disabled():
        print(  # noqa: T201 - the share is asked for
            f"\n{share:.1%} of {len(filed)} real loans: computed installment within 1 USD of the filed one"
        )
    assert share >= 0.98


def test_snapshot_basis(filed: pd.DataFrame, tmp_path: Path) -> None:
    lender = us_lender(tmp_path, "snapshot")
    for day in (TODAY, TOMORROW):
        _snapshot(filed, day).to_csv(tmp_path / f"loans-{day}.csv", index=False)
    first = night(lender, TODAY)
    late = filed["days_delinquent"].between(1, 3)
    assert (
        first["by_notice"].get("overdue_1.sms", 0) + first["by_notice"].get("overdue_1.voice", 0)
        <= 2 * late.sum()
    )
    assert night(lender, TODAY)["queued"] == 0
    sent = lender.run("send", "--now", TODAY + NOON, "--format", "json").json
    later = lender.run("send", "--now", TODAY + AFTERNOON, "--format", "json").json  # texts after their calls
    assert sent["accepted"] + later["accepted"] == first["queued"]
    shown = lender.messages("--notice", "due_in_7_days", "--reveal", "--reason", "test")
    assert all(row["text"].startswith("[Example Auto] ") for row in shown)
    assert all("$" in row["text"] for row in shown)
    following = night(lender, TOMORROW)
    told = {
        row["due_on"]
        for row in lender.messages("--run", following["run_id"])
        if row["notice"] == "due_in_7_days"
    }
    assert told == {"2019-10-18"}


def _paid_up_to(filed: pd.DataFrame, as_of: str) -> pd.Series:
    """Everything due before today is paid, in filed installments; what rounding leaves is paid too."""
    first = filed["first_due_on"].to_numpy().astype("datetime64[M]")
    today = np.datetime64(as_of)
    due = (today.astype("datetime64[M]") - first).astype(int) + (filed["due_day"] < 10).astype(int)
    paid: pd.Series = (due.clip(0) * filed["scheduled_payment"] + np.where(due > 0, 5, 0)).round(2)
    return paid


def _snapshot(filed: pd.DataFrame, day: str) -> pd.DataFrame:
    """What the lender's system knows that day: next due date, amount, days past due."""
    today = np.datetime64(day)
    this_month = today.astype("datetime64[M]").astype("datetime64[D]") + (filed["due_day"].to_numpy() - 1)
    next_month = (today.astype("datetime64[M]") + 1).astype("datetime64[D]") + (
        filed["due_day"].to_numpy() - 1
    )
    next_due = np.where(this_month >= today, this_month, next_month)
    late = filed["days_delinquent"] + (0 if day == TODAY else 1) * (filed["days_delinquent"] > 0)
    overdue = np.where(late > 0, filed["scheduled_payment"], 0)
    return filed.assign(next_due_on=next_due, overdue_amount=overdue, days_delinquent=late).drop(
        columns="usable"
    )


def _share_within_a_dollar(filed: pd.DataFrame, lender: Desk) -> float:
    """Against the schedules that the same configuration computes."""
    from carloan_notify.app import build_app  # noqa: PLC0415 - only here
    from carloan_notify.loans.schedule import build_schedules, schedule_frame  # noqa: PLC0415 - only here
    from carloan_notify.pipeline.portfolio import read_portfolio  # noqa: PLC0415 - only here

    app = build_app(lender.folder / "config.yaml")
    portfolio = read_portfolio(app, pd.Timestamp(TODAY).date())
    schedule = schedule_frame(build_schedules(portfolio.loans, None, app.settings.schedule)[0])
    level = schedule[schedule["installment_no"] == 1].set_index("loan_id")["total_minor"] / 100
    gap = (level.reindex(filed["loan_key"]).to_numpy() - filed["scheduled_payment"].to_numpy()).__abs__()
    return float((gap <= 1).mean())


def test_export_is_real(filed: pd.DataFrame) -> None:
    assert len(filed) == 6417
    assert not set(csv.DictReader([",".join(filed.columns)]).fieldnames or []) & {"ssn", "address"}
