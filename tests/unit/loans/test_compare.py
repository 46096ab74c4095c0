"""Where a lender's own installments differ from the recomputed ones."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date, timedelta
from random import Random
from typing import Any

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from carloan_notify.frames import INSTALLMENTS
from carloan_notify.loans.questions import DIFFERS, compare, differences
from carloan_notify.loans.schedule import LoanTerms, build_schedules, one_loan, schedule_frame
from carloan_notify.loans.settings import ProductTerms, ScheduleSettings
from carloan_notify.loans.standing import LoanTables
from tests.unit.loans.plain_schedule import plain_schedule
from tests.unit.loans.portfolios import NO_SHRINKING, changes_frame, loans_frame, random_loan
from tests.unit.loans.status_cases import frame

LOAN = LoanTerms(1_200_000, 120_000_000, 12, date(2026, 2, 10), date(2026, 1, 10), loan_id="L")
MONEY = ("principal", "interest", "fees")


def supplied(loans: list[LoanTerms]) -> pd.DataFrame:
    """The installments that the plain twin computes, as the lender's own."""
    rows = [
        {
            "loan_id": loan.loan_id,
            "installment_no": number,
            "due_on": pd.Timestamp(row.due_on),
            "principal_minor": row.principal,
            "interest_minor": row.interest,
            "fees_minor": row.fees,
            "total_minor": row.principal + row.interest + row.fees,
        }
        for loan in loans
        for number, row in enumerate(plain_schedule(loan, ProductTerms(), lambda _: True), 1)
    ]
    return frame(INSTALLMENTS, rows)


def test_equal_tables_have_no_difference() -> None:
    rows, notes = compare(LoanTables(one_loan(LOAN), installments=supplied([LOAN])), ScheduleSettings())
    assert rows.empty
    assert notes.empty


def test_a_difference_is_told_by_installment_and_amount() -> None:
    table = supplied([LOAN])
    more = table["installment_no"].eq(3) * 150
    table["principal_minor"] += more
    table["total_minor"] += more
    table["due_on"] += pd.to_timedelta(table["installment_no"].eq(5) * 2, unit="D")
    rows, notes = compare(LoanTables(one_loan(LOAN), installments=table), ScheduleSettings())
    assert rows["installment_no"].tolist() == [3, 5]
    assert rows["principal_minor_difference"].tolist() == [150, 0]
    assert rows["total_minor_difference"].tolist() == [150, 0]
    assert rows["interest_minor_difference"].tolist() == [0, 0]
    assert (rows["principal_minor"] - rows["principal_minor_computed"]).tolist() == [150, 0]
    moved = rows["due_on"] - rows["due_on_computed"]
    assert moved.dt.days.tolist() == [0, 2]
    assert notes["code"].tolist() == [DIFFERS]
    assert notes["loan_id"].tolist() == ["L"]
    expected = (
        "installment 3: due 2026-04-10 (computed 2026-04-10), total +150 minor units; 2 installments differ"
    )
    assert notes["value"].tolist() == [expected]


def test_an_installment_on_one_side_only_is_a_difference() -> None:
    table = supplied([LOAN])
    longer = table.iloc[[-1]].assign(installment_no=13, due_on=pd.Timestamp("2027-02-10"))
    rows, notes = compare(
        LoanTables(one_loan(LOAN), installments=pd.concat([table.iloc[1:], longer])), ScheduleSettings()
    )
    assert rows["installment_no"].tolist() == [1, 13]
    assert rows["due_on"].isna().tolist() == [True, False]
    assert rows["due_on_computed"].isna().tolist() == [False, True]
    assert rows["total_minor"].tolist() == [0, int(table["total_minor"].iloc[-1])]
    assert rows["total_minor_computed"].iloc[1] == 0
    assert "installment 1: due none (computed 2026-02-10), total -" in notes["value"].iloc[0]


def test_changes_are_part_of_what_is_recomputed() -> None:
    changes = changes_frame(
        ("L", "deferral", "2026-04-10", "3"), ("elsewhere", "extension", "2026-04-10", "2")
    )
    changed = schedule_frame(build_schedules(one_loan(LOAN), changes[:1], ScheduleSettings())[0])
    table = frame(INSTALLMENTS, records(changed))
    tables = LoanTables(one_loan(LOAN), installments=table, changes=changes)
    for status in ("active", "settled"):
        loans = one_loan(LOAN).assign(status=status)
        rows, notes = compare(replace(tables, loans=loans), ScheduleSettings())
        assert rows.empty
        assert notes.empty
    rows, _ = compare(LoanTables(one_loan(LOAN), installments=table), ScheduleSettings())
    assert rows["installment_no"].tolist()[0] == 3


def test_a_loan_that_cannot_be_recomputed_says_why_and_one_without_a_table_is_not_compared() -> None:
    bad = LoanTerms(**{**asdict(LOAN), "loan_id": "B", "annual_rate_ppb": 12 * 10**9})
    alone = LoanTerms(**{**asdict(LOAN), "loan_id": "A"})
    table = pd.concat([supplied([LOAN]), supplied([LOAN]).assign(loan_id="B")], ignore_index=True)
    rows, notes = compare(LoanTables(loans_frame([LOAN, bad, alone]), installments=table), ScheduleSettings())
    assert rows.empty
    assert notes[["loan_id", "code"]].to_numpy().tolist() == [["B", "rate_out_of_range"]]


def test_no_table_no_difference() -> None:
    rows, notes = compare(LoanTables(one_loan(LOAN)), ScheduleSettings())
    assert rows.empty
    assert notes.empty


@settings(max_examples=10, deadline=None, phases=NO_SHRINKING)  # 100 loans each
@given(seed=st.integers(0, 2**32))
def test_differences_equal_the_plain_twin(seed: int) -> None:
    rng = Random(seed)  # noqa: S311 - test data
    loans = loans_frame([random_loan(rng, f"L{at:03d}") for at in range(100)])
    computed = schedule_frame(build_schedules(loans, None, ScheduleSettings())[0])
    rows = records(computed)
    theirs = [spoiled(rng, row) for row in rows if rng.random() > 0.01]
    found = differences(frame(INSTALLMENTS, rng.sample(theirs, len(theirs))), computed)
    names = [f"{name}_minor_difference" for name in (*MONEY, "total")]
    ours = {
        (row["loan_id"], row["installment_no"]): tuple(row[name] for name in names)
        for row in records(found, names)
    }
    assert ours == plain_differences(theirs, rows)


def records(table: pd.DataFrame, names: Sequence[str] = tuple(INSTALLMENTS)) -> list[dict[str, Any]]:
    """The rows as dictionaries, without what the frame does not have."""
    kept = [name for name in dict.fromkeys(("loan_id", "installment_no", *names)) if name in table]
    return [{str(name): value for name, value in row.items()} for row in table[kept].to_dict("records")]


def spoiled(rng: Random, row: dict[str, Any]) -> dict[str, Any]:
    """The row itself, or now and then with a wrong amount or date."""
    if rng.random() < 0.98:
        return row
    if rng.random() < 0.3:
        return {**row, "due_on": row["due_on"] + timedelta(days=1)}
    name, extra = rng.choice(MONEY), rng.randrange(1, 500)
    return {**row, f"{name}_minor": row[f"{name}_minor"] + extra, "total_minor": row["total_minor"] + extra}


def plain_differences(
    theirs: list[dict[str, Any]], ours: list[dict[str, Any]]
) -> dict[tuple[str, int], tuple[int, ...]]:
    """By loan and number: supplied less computed principal, interest, fees and total."""
    given_rows = {(row["loan_id"], row["installment_no"]): row for row in theirs}
    known = {row["loan_id"] for row in theirs}
    computed = {(row["loan_id"], row["installment_no"]): row for row in ours if row["loan_id"] in known}
    names = [f"{name}_minor" for name in (*MONEY, "total")]
    found = {}
    for key in given_rows.keys() | computed.keys():
        one, other = given_rows.get(key, {}), computed.get(key, {})
        amounts = tuple(one.get(name, 0) - other.get(name, 0) for name in names)
        if any(amounts) or one.get("due_on") != other.get("due_on"):
            found[key] = amounts
    return found
