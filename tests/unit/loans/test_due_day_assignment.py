"""Due days proposed for new loans: levelled, allowed, deterministic and explained."""

import calendar
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from carloan_notify.loans.due_days import ASSIGNED, NEW_LOANS, assign_due_days
from carloan_notify.loans.standing_settings import DueDaySettings
from tests.unit.loans.portfolios import NO_SHRINKING
from tests.unit.loans.status_cases import frame

EMPTY = np.zeros(31, dtype=np.int64)


def new(*loans: tuple[str, str, int, int]) -> pd.DataFrame:
    """New loans of (loan_id, disbursed_on, installment, payday)."""
    return frame(NEW_LOANS, [dict(zip(NEW_LOANS, loan, strict=True)) for loan in dated(loans)])


def dated(loans: Sequence[tuple[str, str, int, int]]) -> list[tuple[str, pd.Timestamp, int, int]]:
    return [(name, pd.Timestamp(day), installment, payday) for name, day, installment, payday in loans]


def only(settings_: Mapping[str, Any], *loans: tuple[str, str, int, int]) -> list[dict[str, Any]]:
    found, notes = assign_due_days(new(*loans), EMPTY, DueDaySettings(**settings_))
    assert notes.empty
    assert {name: str(kind) for name, kind in found.dtypes.items()} == ASSIGNED
    return [{str(name): value for name, value in row.items()} for row in found.to_dict("records")]


def test_a_loan_takes_the_lightest_day_after_payday() -> None:
    load = EMPTY.copy()
    load[[10, 11, 12, 13, 14]] = [500, 400, 300, 400, 500]  # days 11 to 15
    found, _ = assign_due_days(new(("L", "2026-01-05", 100, 10)), load, DueDaySettings())
    assert found["due_day"].tolist() == [13]
    assert found["inflow_before_minor"].tolist() == [300]
    assert found["first_due_on"].astype(str).tolist() == ["2026-02-13"]
    assert found["days_to_first"].tolist() == [39]
    assert found["reason"].tolist() == [
        "day 13 expects the least money so far; first installment after 39 days; 3 days after payday 10"
    ]


def test_a_payday_late_in_the_month_leads_into_the_next() -> None:
    (one,) = only({}, ("L", "2026-01-05", 100, 28))
    assert one["due_day"] == 1
    assert one["reason"].endswith("4 days after payday 28")


def test_an_unknown_payday_leaves_every_allowed_day() -> None:
    (one,) = only({"allowed_days": (25, 15)}, ("L", "2026-01-05", 100, 0))
    assert one["due_day"] == 15, "of equal days the earlier"
    assert one["reason"].endswith("payday unknown")


def test_the_payday_wish_gives_way_to_the_contract() -> None:
    (one,) = only({"allowed_days": (25,)}, ("L", "2026-01-05", 100, 10))
    assert one["due_day"] == 25
    assert one["reason"].endswith("no allowed day fits payday 10")


def test_due_days_beyond_a_months_end_fall_on_its_last_day() -> None:
    (one,) = only({"allowed_days": (31,)}, ("L", "2026-01-28", 100, 0))
    assert one["first_due_on"] == pd.Timestamp("2026-02-28")
    (one,) = only({"allowed_days": (31,), "days_to_first": (32, 70)}, ("L", "2026-01-28", 100, 0))
    assert one["first_due_on"] == pd.Timestamp("2026-03-31")


def test_where_no_day_is_possible_the_loan_has_a_finding() -> None:
    found, notes = assign_due_days(
        new(("B", "2026-01-05", 100, 0), ("A", "2026-01-20", 100, 0)),
        EMPTY,
        DueDaySettings(allowed_days=(10,), days_to_first=(20, 25)),
    )
    assert found["loan_id"].tolist() == ["A"]
    assert notes[["loan_id", "code"]].to_numpy().tolist() == [["B", "due_day_impossible"]]


def test_no_new_loans() -> None:
    found, notes = assign_due_days(new(), EMPTY, DueDaySettings())
    assert found.empty
    assert {name: str(kind) for name, kind in found.dtypes.items()} == ASSIGNED
    assert notes.empty


def test_inflow_is_levelled() -> None:
    rng = Random(11)  # noqa: S311 - test data
    load = np.zeros(31, dtype=np.int64)
    load[:28] = [rng.randrange(0, 40_000_000) for _ in range(28)]
    loans = new(*((f"L{at:04d}", "2026-01-05", rng.randrange(100_000, 900_000), 0) for at in range(2000)))
    found, _ = assign_due_days(loans, load, DueDaySettings(days_to_first=(10, 50)))
    after = load.copy()
    np.add.at(after, found["due_day"].to_numpy() - 1, loans["installment_minor"].to_numpy())
    used = after[:28]
    assert used.max() - used.min() < 900_000, "no two days are further apart than one installment"
    assert not after[28:].any(), "days that contracts may not use stay empty"
    assert (load[:28].max() - load[:28].min()) > 20 * (used.max() - used.min())


@settings(max_examples=20, deadline=None, phases=NO_SHRINKING)  # 50 loans each
@given(seed=st.integers(0, 2**32))
def test_proposals_equal_the_plain_twin_whatever_the_row_order(seed: int) -> None:
    rng = Random(seed)  # noqa: S311 - test data
    limits = DueDaySettings(
        allowed_days=tuple(rng.sample(range(1, 32), rng.randrange(1, 32))),
        days_after_payday=(rng.choice([0, 1]), rng.randrange(1, 10)),
        days_to_first=(rng.randrange(0, 30), rng.randrange(30, 65)),
    )
    load = np.array([rng.randrange(1000) for _ in range(31)], dtype=np.int64)
    loans = [
        (
            f"L{at:02d}",
            str(date(2026, 1, 1) + timedelta(days=rng.randrange(700))),
            rng.choice([100, 200, rng.randrange(1, 500)]),
            rng.choice([0, rng.randrange(1, 32)]),
        )
        for at in range(50)
    ]
    found, notes = assign_due_days(new(*loans), load, limits)
    expected = plain_assignment(loans, [int(amount) for amount in load], limits)
    ours = {
        row["loan_id"]: (row["due_day"], row["first_due_on"].date(), row["inflow_before_minor"])
        for row in found.to_dict("records")
    }
    assert ours | dict.fromkeys(notes["loan_id"], None) == expected
    assert found["loan_id"].tolist() == sorted(found["loan_id"]), "in the order given"
    turned, _ = assign_due_days(new(*rng.sample(loans, len(loans))), load, limits)
    again = turned.sort_values("loan_id", ignore_index=True)
    pd.testing.assert_frame_equal(found, again)


def plain_assignment(
    loans: list[tuple[str, str, int, int]], load: list[int], limits: DueDaySettings
) -> dict[str, tuple[int, date, int] | None]:
    """Largest installment first; the lightest possible day that suits the payday, else the lightest possible."""
    least, most = limits.days_to_first
    placed: dict[str, tuple[int, date, int] | None] = {}
    for name, disbursed, installment, payday in sorted(loans, key=lambda loan: (-loan[2], loan[0])):
        begun = date.fromisoformat(disbursed)
        options = {}
        for day in sorted(limits.allowed_days):
            first = plain_first_due(begun + timedelta(days=least), day)
            if (first - begun).days <= most:
                options[day] = first
        wished = [day for day in options if payday and suits(day, payday, limits)] or list(options)
        if not wished:
            placed[name] = None
            continue
        chosen = min(wished, key=lambda day: (load[day - 1], day))
        placed[name] = chosen, options[chosen], load[chosen - 1]
        load[chosen - 1] += installment
    return placed


def suits(day: int, payday: int, limits: DueDaySettings) -> bool:
    early, late = limits.days_after_payday
    return any((payday + behind - 1) % 31 + 1 == day for behind in range(early, late + 1))


def plain_first_due(earliest: date, day: int) -> date:
    found = earliest
    while found.day != min(day, calendar.monthrange(found.year, found.month)[1]):
        found += timedelta(days=1)
    return found


@pytest.mark.parametrize(
    "wrong",
    [
        {"allowed_days": (0,)},
        {"allowed_days": (32,)},
        {"allowed_days": ()},
        {"days_after_payday": (5, 1)},
        {"days_to_first": (-1, 5)},
    ],
)
def test_limits_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DueDaySettings(**wrong)
