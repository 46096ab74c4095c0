"""Installments as the lender gives them: taken as they are, or left out with a reason."""

from collections.abc import Mapping
from datetime import date, timedelta
from itertools import pairwise
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carloan_notify.frames import INSTALLMENTS
from carloan_notify.loans.settings import ScheduleSettings
from carloan_notify.loans.standing import LoanTables, standing
from carloan_notify.loans.standing_settings import StandingSettings
from carloan_notify.loans.supplied import SuppliedTable, supplied_table
from tests.unit.loans.portfolios import NO_SHRINKING
from tests.unit.loans.status_cases import frame, loans_frame

RULES = StandingSettings(schedule=ScheduleSettings(basis="supplied"))
ROW: dict[str, Any] = {"loan_id": "L", "principal_minor": 900, "interest_minor": 100, "total_minor": 1000}


def row(number: int, due_on: str, **other: Any) -> dict[str, Any]:
    return {**ROW, "installment_no": number, "due_on": pd.Timestamp(due_on), **other}


def read(*rows: Mapping[str, Any], loans: tuple[str, ...] = ("L",)) -> tuple[SuppliedTable, list[list[str]]]:
    table, notes = supplied_table(frame(INSTALLMENTS, rows), pd.Series(loans, dtype="str"))
    return table, notes[["loan_id", "code"]].to_numpy().tolist()


def money(table: SuppliedTable) -> list[tuple[int, ...]]:
    """Number, principal, interest, fees and paid of the first loan's installments."""
    found = table.schedule(np.array([0]))
    grid = found.grid
    cells = (found.numbers, grid.principal_minor, grid.interest_minor, grid.fees_minor, found.paid_minor)
    return [tuple(int(cell) for cell in line) for line in zip(*(part[:, 0] for part in cells), strict=True)]


def test_amounts_are_taken_as_they_are() -> None:
    table, notes = read(row(2, "2026-03-10", paid_minor=7), row(1, "2026-02-10"))
    assert notes == []
    assert money(table) == [(1, 900, 100, 0, 0), (2, 900, 100, 0, 7)]


def test_a_total_beyond_its_parts_is_fees_and_a_bare_total_is_principal() -> None:
    none = {"principal_minor": 0, "interest_minor": 0}
    table, _ = read(
        row(1, "2026-02-10", total_minor=1050),
        row(2, "2026-03-10", **none),
        row(3, "2026-04-10", total_minor=0),
    )
    assert money(table) == [(1, 900, 100, 50, 0), (2, 1000, 0, 0, 0), (3, 900, 100, 0, 0)]


def test_gaps_and_a_numbering_that_begins_late_are_the_lenders_own() -> None:
    table, notes = read(row(13, "2026-02-10"), row(15, "2026-04-10"))
    assert notes == []
    assert [line[0] for line in money(table)] == [13, 15]
    loans = loans_frame({"loan_id": "L"})
    tables = LoanTables(
        loans, installments=frame(INSTALLMENTS, [row(13, "2026-02-10"), row(15, "2026-04-10")])
    )
    found = standing(tables, RULES, date(2026, 3, 1)).loans
    assert found[["oldest_installment_no", "next_installment_no", "installments"]].to_numpy().tolist() == [
        [13, 15, 2]
    ]


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (row(1, "NaT"), "installment_without_due_date"),
        (row(2, "2026-04-10"), "installment_duplicate"),
        (row(1, "2026-05-10"), "installment_dates_not_ascending"),
        (row(1, "2026-02-10", interest_minor=-1), "installment_negative"),
        (row(1, "2026-02-10", paid_minor=-1), "installment_negative"),
        (row(1, "2026-02-10", total_minor=999), "installment_total_too_small"),
    ],
)
def test_one_bad_row_leaves_its_loan_out_and_no_other(bad: dict[str, Any], code: str) -> None:
    sound = row(1, "2026-02-10", loan_id="M")
    table, notes = read(bad, row(2, "2026-03-10"), sound, loans=("L", "M"))
    assert notes == [["L", code]]
    assert table.count.tolist() == [0, 1]


def test_a_loan_with_several_faults_is_named_once() -> None:
    _, notes = read(row(1, "NaT", interest_minor=-1), row(1, "2026-03-10"))
    assert notes == [["L", "installment_without_due_date"]]


def test_installments_of_unknown_loans_are_told_once_each() -> None:
    table, notes = read(
        row(1, "2026-02-10"), row(1, "2026-02-10", loan_id="X"), row(2, "2026-03-10", loan_id="X")
    )
    assert notes == [["X", "installment_unknown_loan"]]
    assert table.count.tolist() == [1]


@pytest.mark.parametrize("status", ["active", "pending"])
def test_only_an_active_loan_needs_a_table(status: str) -> None:
    loans = loans_frame({"loan_id": "L", "status": status})
    found = standing(LoanTables(loans), RULES, date(2026, 3, 1))
    active = status == "active"
    assert found.findings["code"].tolist() == (["installments_missing"] if active else [])
    assert len(found.loans) == (0 if active else 1)
    assert found.dues.empty


def test_a_table_is_never_recomputed() -> None:
    loans = loans_frame(
        {"loan_id": "L", "principal_minor": 5_000_000, "annual_rate_ppb": 10**12, "term_months": -4}
    )
    tables = LoanTables(loans, installments=frame(INSTALLMENTS, [row(1, "2026-02-10"), row(2, "2026-03-10")]))
    found = standing(tables, RULES, date(2026, 2, 20))
    assert found.findings.empty, "terms that make no schedule matter to nobody here"
    assert found.dues[["installment_no", "unpaid_minor"]].to_numpy().tolist() == [[1, 1000], [2, 1000]]


@settings(max_examples=20, deadline=None, phases=NO_SHRINKING)  # 50 loans each
@given(seed=st.integers(0, 2**32))
def test_tables_equal_the_plain_twin_whatever_the_row_order(seed: int) -> None:
    rng = Random(seed)  # noqa: S311 - test data
    names = [f"L{at:02d}" for at in range(50)]
    rows = [one for name in names for one in random_rows(rng, name)]
    ids = rng.sample(names, 45)
    given_rows = frame(INSTALLMENTS, rng.sample(rows, len(rows)))
    table, notes = supplied_table(given_rows, pd.Series(ids, dtype="str"))
    found = table.schedule(np.arange(len(ids)))
    told = dict(zip(notes["loan_id"], notes["code"], strict=True))
    for at, name in enumerate(ids):
        expected = plain_table([one for one in rows if one["loan_id"] == name])
        if isinstance(expected, str):
            assert told.pop(name) == expected
            expected = []
        grid, count = found.grid, int(found.grid.count[at])
        ours = [
            (
                int(found.numbers[line, at]),
                grid.due_on[line, at].astype(date),
                int(grid.principal_minor[line, at]),
                int(grid.interest_minor[line, at]),
                int(grid.fees_minor[line, at]),
                int(found.paid_minor[line, at]),
            )
            for line in range(count)
        ]
        assert ours == expected
        assert not grid.total_minor[count:, at].any()
    unknown = {one["loan_id"] for one in rows} - set(ids)
    assert told == dict.fromkeys(unknown, "installment_unknown_loan")


def random_rows(rng: Random, name: str) -> list[dict[str, Any]]:
    """A loan's installments; one loan in three has a fault somewhere."""
    rows, due = [], date(2026, 1, 1) + timedelta(days=rng.randrange(60))
    for number in sorted(rng.sample(range(1, 20), rng.randrange(0, 8))):
        due += timedelta(days=rng.randrange(1, 40))
        parts = {
            f"{part}_minor": rng.choice([0, rng.randrange(10**6)])
            for part in ("principal", "interest", "fees")
        }
        total = rng.choice([0, sum(parts.values()), sum(parts.values()) + rng.randrange(100)])
        rows.append(
            row(number, str(due), **parts, total_minor=total, paid_minor=rng.randrange(100), loan_id=name)
        )
    if rows and rng.random() < 0.33:
        spoilt = rng.choice(rows)
        spoilt |= rng.choice(
            [
                {"due_on": pd.NaT},
                {"due_on": pd.Timestamp("2025-12-01")},
                {"due_on": pd.Timestamp("2027-12-01")},
                {"installment_no": rows[0]["installment_no"]},
                {"fees_minor": -1},
                {"principal_minor": 10**7, "total_minor": 10**6},
            ]
        )
    return rows


def plain_table(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]] | str:
    """The loan's installments, or the code of its first fault in the order in which faults are looked for."""
    rows = sorted(rows, key=lambda one: one["installment_no"])
    pairs = list(pairwise(rows))
    parts = [one["principal_minor"] + one["interest_minor"] + one["fees_minor"] for one in rows]
    if any(one["due_on"] is pd.NaT for one in rows):
        return "installment_without_due_date"
    if any(one["installment_no"] == later["installment_no"] for one, later in pairs):
        return "installment_duplicate"
    if any(one["due_on"] > later["due_on"] for one, later in pairs):
        return "installment_dates_not_ascending"
    if any(value < 0 for one in rows for name, value in one.items() if name.endswith("_minor")):
        return "installment_negative"
    if any(0 < one["total_minor"] < whole for one, whole in zip(rows, parts, strict=True)):
        return "installment_total_too_small"
    found = []
    for one, whole in zip(rows, parts, strict=True):
        beyond = max(one["total_minor"] - whole, 0)
        principal, fees = one["principal_minor"], one["fees_minor"]
        principal, fees = (principal + beyond, fees) if whole == 0 else (principal, fees + beyond)
        due = one["due_on"].date()
        found.append((one["installment_no"], due, principal, one["interest_minor"], fees, one["paid_minor"]))
    return found
