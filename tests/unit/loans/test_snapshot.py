"""Standing from what the loans table itself says is due and overdue."""

from datetime import date, timedelta
from random import Random
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carloan_notify.loans.settings import ScheduleSettings
from carloan_notify.loans.standing import LoanTables, Standing, standing
from carloan_notify.loans.standing_settings import DelinquencySettings, StandingSettings
from tests.unit.loans.portfolios import NO_SHRINKING
from tests.unit.loans.status_cases import loans_frame
from tests.unit.loans.status_twin import plain_days_30_360

AS_OF = date(2026, 3, 20)
SNAPSHOT = ScheduleSettings(basis="snapshot")
RULES = StandingSettings(schedule=SNAPSHOT)


def loan(**cells: Any) -> dict[str, Any]:
    given_days = {name: pd.Timestamp(value) for name, value in cells.items() if name.endswith("_on")}
    return {"loan_id": "L", **cells, **given_days}


def told(*rows: dict[str, Any], as_of: date = AS_OF, rules: StandingSettings = RULES) -> Standing:
    return standing(LoanTables(loans_frame(*rows)), rules, as_of)


def test_the_oldest_due_date_is_the_one_that_has_the_days() -> None:
    found = told(loan(overdue_minor=2_000, days_past_due=10, next_due_on="2026-04-10", amount_due_minor=900))
    (row,) = found.loans.to_dict("records")
    assert row["oldest_due_on"] == row["oldest_original_due_on"] == pd.Timestamp("2026-03-10")
    assert row["oldest_installment_no"] == 0, "a snapshot does not say which one"
    assert (row["overdue_minor"], row["days_past_due"], row["bucket"]) == (2_000, 10, "M1")
    assert (row["next_due_on"], row["next_due_minor"]) == (pd.Timestamp("2026-04-10"), 900)
    dues = found.dues[["installment_no", "due_on", "unpaid_minor"]].astype({"due_on": "str"})
    assert dues.to_numpy().tolist() == [[0, "2026-03-10", 2_000], [0, "2026-04-10", 900]]


@pytest.mark.parametrize("convention", ["calendar", "30/360"])
def test_the_identity_stays_while_nothing_is_paid(convention: str) -> None:
    rules = StandingSettings(
        schedule=SNAPSHOT, delinquency=DelinquencySettings.model_validate({"dpd_convention": convention})
    )
    dues = {f"L{day:02d}": date(2026, 1, day) for day in range(1, 32)}
    names: dict[str, set[pd.Timestamp]] = {name: set() for name in dues}
    for night in range(1, 75, 7):
        as_of = date(2026, 1, 31) + timedelta(days=night)
        rows = []
        for name, due in dues.items():
            days = (as_of - due).days if convention == "calendar" else plain_days_30_360(due, as_of)
            rows.append(loan(loan_id=name, overdue_minor=2_000, days_past_due=days))
        found = told(*rows, as_of=as_of, rules=rules)
        for name, known, due_on in zip(
            found.loans["loan_id"], found.loans["oldest_original_due_on"], found.dues["due_on"], strict=True
        ):
            assert known == due_on
            names[name].add(known)
    expected = {name: {pd.Timestamp(due)} for name, due in dues.items()}
    if convention == "30/360":  # a month's 30th and 31st are one day to it
        expected["L30"] = expected["L31"]
    assert names == expected


def test_what_is_due_today_is_next_and_not_overdue() -> None:
    found = told(loan(next_due_on="2026-03-20", amount_due_minor=900, next_installment_no=4))
    (row,) = found.loans.to_dict("records")
    assert (row["next_due_on"], row["next_installment_no"]) == (pd.Timestamp("2026-03-20"), 4)
    assert pd.isna(row["oldest_due_on"])
    assert (row["days_past_due"], row["bucket"]) == (0, "M0")
    assert found.dues["installment_no"].tolist() == [4]


def test_a_due_date_beyond_the_horizon_is_known_and_not_handed_on() -> None:
    found = told(loan(next_due_on="2026-04-21", amount_due_minor=900))
    assert found.loans["next_due_minor"].tolist() == [900]
    assert found.dues.empty
    assert len(told(loan(next_due_on="2026-04-20", amount_due_minor=900)).dues) == 1


def test_nothing_due_is_nothing_next() -> None:
    found = told(loan(next_due_on="2026-04-10", next_installment_no=4))
    assert found.loans["next_due_on"].isna().tolist() == [True]
    assert found.loans["next_installment_no"].tolist() == [0]
    assert found.dues.empty


@pytest.mark.parametrize("status", ["pending", "settled", "charged_off", "cancelled"])
def test_a_loan_that_is_not_active_has_nothing_due(status: str) -> None:
    found = told(loan(status=status, overdue_minor=2_000, days_past_due=10, paid_to_date_minor=5))
    assert found.dues.empty
    assert found.loans[["status", "overdue_minor", "paid_minor"]].to_numpy().tolist() == [[status, 0, 5]]


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ({"overdue_minor": -1}, "snapshot_negative"),
        ({"days_past_due": -1}, "snapshot_negative"),
        ({"amount_due_minor": -1}, "snapshot_negative"),
        ({"overdue_minor": 1}, "snapshot_overdue_without_days"),
        ({"days_past_due": 1}, "snapshot_days_without_overdue"),
        ({"amount_due_minor": 1}, "snapshot_due_without_date"),
        ({"amount_due_minor": 1, "next_due_on": "2026-03-19"}, "snapshot_next_due_past"),
    ],
)
def test_a_row_that_contradicts_itself_is_left_out_and_no_other(cells: dict[str, Any], code: str) -> None:
    found = told(loan(**cells), loan(loan_id="M", overdue_minor=500, days_past_due=2))
    assert found.findings[["loan_id", "code"]].to_numpy().tolist() == [["L", code]]
    assert found.loans["loan_id"].tolist() == ["M"]
    assert found.dues["loan_id"].tolist() == ["M"]


def test_a_past_next_due_date_is_the_overdue_one_where_days_are_given() -> None:
    found = told(loan(next_due_on="2026-03-10", amount_due_minor=900, overdue_minor=900, days_past_due=10))
    assert found.findings.empty
    assert found.dues["unpaid_minor"].tolist() == [900], "told once, as overdue"


@settings(max_examples=5, deadline=None, phases=NO_SHRINKING)  # 200 loans each
@given(seed=st.integers(0, 2**32))
def test_snapshots_equal_the_plain_twin_whatever_the_row_order(seed: int) -> None:
    rng = Random(seed)  # noqa: S311 - test data
    rules = StandingSettings(
        schedule=SNAPSHOT, delinquency=DelinquencySettings(grace_days=rng.choice([0, 3])), horizon_days=20
    )
    rows = [random_loan(rng, f"L{at:03d}") for at in range(200)]
    found = told(*rows, rules=rules)
    dues = found.dues.groupby("loan_id")
    ours = {
        row["loan_id"]: (
            row["oldest_due_on"],
            row["overdue_minor"],
            row["bucket"],
            row["next_due_on"],
            row["next_due_minor"],
            dues["unpaid_minor"].sum().get(row["loan_id"], 0),
        )
        for row in found.loans.to_dict("records")
    }
    assert ours == {row["loan_id"]: plain_snapshot(row, rules) for row in rows}
    turned = told(*rng.sample(rows, len(rows)), rules=rules).loans.sort_values("loan_id", ignore_index=True)
    pd.testing.assert_frame_equal(turned, found.loans)


def random_loan(rng: Random, name: str) -> dict[str, Any]:
    days = rng.choice([0, 0, rng.randrange(1, 120)])
    return loan(
        loan_id=name,
        days_past_due=days,
        overdue_minor=rng.choice([50, rng.randrange(1, 10**6)]) if days else 0,
        next_due_on=str(AS_OF + timedelta(days=rng.randrange(-5 if days else 0, 40))),
        amount_due_minor=rng.choice([0, rng.randrange(1, 10**6)]),
    )


def plain_snapshot(row: dict[str, Any], rules: StandingSettings) -> tuple[object, ...]:
    """Oldest due date, overdue, bucket, next due date and amount, and what is handed on."""
    days, overdue, due = row["days_past_due"], row["overdue_minor"], row["amount_due_minor"]
    carried = overdue if overdue <= (min(100, due - 1) if due else 100) else 0
    days, overdue = (0, 0) if carried else (days, overdue)
    late = days > rules.delinquency.grace_days
    bucket = "M0" if not late else next(b for b, most in BUCKETS if days <= most)
    coming = row["amount_due_minor"] > 0 and row["next_due_on"].date() >= AS_OF
    due += carried if coming else 0
    near = coming and (row["next_due_on"].date() - AS_OF).days <= rules.horizon_days
    return (
        pd.Timestamp(AS_OF - timedelta(days=days)) if days else pd.NaT,
        overdue,
        bucket,
        row["next_due_on"] if coming else pd.NaT,
        due if coming else 0,
        overdue + (due if near else 0),
    )


BUCKETS = (("M1", 30), ("M2", 60), ("M3", 90), ("M3+", 10**6))


def test_a_small_rest_is_carried_to_the_next_amount_due() -> None:
    found = told(loan(overdue_minor=1, days_past_due=10, next_due_on="2026-04-10", amount_due_minor=900))
    (row,) = found.loans.to_dict("records")
    assert (row["days_past_due"], row["overdue_minor"], row["carried_minor"]) == (0, 0, 1)
    assert found.dues["unpaid_minor"].tolist() == [901]
