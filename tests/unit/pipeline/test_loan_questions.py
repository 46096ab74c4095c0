"""Questions about single loans of the sample portfolio, asked without the command line."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from carloan_notify.app import App, build_app
from carloan_notify.errors import SourceError
from carloan_notify.pipeline.schedules import loan_payoff, loan_schedule, propose_due_days
from carloan_notify.pipeline.setup import init_folder

AS_OF = date(2026, 11, 23)


@pytest.fixture
def app(tmp_path: Path) -> App:
    init_folder(tmp_path / "lender")
    return build_app(tmp_path / "lender" / "config.yaml")


def test_payoff_is_the_sum_of_its_parts_and_grows_by_the_day(app: App) -> None:
    (today,) = loan_payoff(app, "AD2026000013", AS_OF)
    (later,) = loan_payoff(app, "AD2026000013", date(2026, 11, 30))
    parts = ("principal", "interest", "fees", "penalty", "settlement_fee")
    assert Decimal(today["payoff"]) == sum(Decimal(today[part]) for part in parts) - Decimal(today["credit"])
    assert Decimal(later["interest"]) > Decimal(today["interest"])
    unpaid = [row for row in loan_schedule(app, "AD2026000013", AS_OF) if row["state"] != "paid"]
    assert Decimal(today["principal"]) == sum(Decimal(row["principal"]) for row in unpaid)


@pytest.mark.parametrize("loan_id", ["AD2026000047", "NO-SUCH-LOAN"])
def test_nothing_to_settle_is_said_so(app: App, loan_id: str) -> None:
    with pytest.raises(SourceError, match=f"loan {loan_id}: nothing to settle"):
        loan_payoff(app, loan_id, AS_OF)


def test_a_loan_paid_to_the_last_cent_has_nothing_left(app: App) -> None:
    assert loan_payoff(app, "AD2026000044", AS_OF)[0]["payoff"] == "0.00"


def test_a_payday_that_is_none_is_named_and_not_guessed(app: App) -> None:
    path = app.path("export/loans.csv")
    loans = pd.read_csv(path, dtype=str, keep_default_na=False)
    loans["payday"] = (
        loans["loan_id"]
        .map({"AD2026000047": "10", "AD2026000048": "42", "AD2026000049": "Friday"})
        .fillna("")
    )
    loans.to_csv(path, index=False)
    rows, lines = propose_due_days(app, AS_OF)
    assert len(rows) == 4
    assert [line.split(":")[0] for line in lines] == ["AD2026000048", "AD2026000049"]
    assert "payday" in next(row["reason"] for row in rows if row["loan_id"] == "AD2026000047")
