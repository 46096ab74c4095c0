from datetime import date, timedelta
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from carloan_notify.frames import STANDING
from carloan_notify.loans.arrays import Dates, Ints
from carloan_notify.loans.delinquency import (
    Pauses,
    buckets,
    customer_level,
    days_past_due,
    delinquent_days,
    due_date_of,
    paused_days,
    read_pauses,
)
from carloan_notify.loans.standing_settings import BUCKET_PRESETS, DayCount, DelinquencySettings
from tests.unit.loans.portfolios import NO_SHRINKING, changes_frame
from tests.unit.loans.status_cases import BUCKETS, frame, loans_frame, random_day
from tests.unit.loans.status_twin import (
    plain_bucket,
    plain_days_past_due,
    plain_held_days,
)

SEEDS = st.integers(0, 2**32 - 1)
ANY_DAY = st.dates(date(1990, 1, 1), date(2099, 12, 31))


def days(*values: date | None) -> Dates:
    return np.array(values, dtype="datetime64[D]")


def counts(*values: int) -> Ints:
    return np.array(values, dtype=np.int64)


@settings(max_examples=15, deadline=None, phases=NO_SHRINKING)  # 100 dates each
@given(SEEDS, ANY_DAY, st.sampled_from(DayCount))
def test_days_past_due_are_what_the_plain_count_says(seed: int, as_of: date, convention: DayCount) -> None:
    rng = Random(seed)  # noqa: S311 - test data
    due = [as_of + timedelta(days=rng.randrange(-2000, 400)) for _ in range(100)]
    found = days_past_due(days(*due, None), as_of, convention)
    assert found.tolist() == [*(plain_days_past_due(day, as_of, convention) for day in due), 0]


@pytest.mark.parametrize(
    ("due", "as_of", "calendar", "thirty"),
    [
        ("2026-01-31", "2026-01-31", 0, 0),  # the due date itself is no day late
        ("2026-01-31", "2026-02-01", 1, 1),
        ("2026-01-31", "2026-02-28", 28, 30),  # a whole month
        ("2026-01-30", "2026-01-31", 1, 0),  # both are a 30th
        ("2024-02-29", "2024-03-31", 31, 30),
        ("2026-02-27", "2026-03-01", 2, 4),
        ("2026-05-10", "2026-05-01", 0, 0),
    ],
)
def test_two_ways_to_count_days_past_due(due: str, as_of: str, calendar: int, thirty: int) -> None:
    due_on, today = days(date.fromisoformat(due)), date.fromisoformat(as_of)
    assert days_past_due(due_on, today).tolist() == [calendar]
    assert days_past_due(due_on, today, DayCount.THIRTY_360).tolist() == [thirty]


@settings(max_examples=30, deadline=None)  # 3,000 counts each
@given(ANY_DAY, st.sampled_from(DayCount))
def test_the_due_date_of_a_count_has_that_count(as_of: date, convention: DayCount) -> None:
    wanted = np.arange(3000)
    due_on = due_date_of(wanted, as_of, convention)
    assert np.isnat(due_on).tolist() == [True] + [False] * 2999
    short = wanted - days_past_due(due_on, as_of, convention)
    # In 30/360 the last of February is its 30th, so that a February lacks a 28th or a 29th.
    february_ends = np.isin([str(day)[5:] for day in due_on], ["02-28", "02-29"])
    lacking = february_ends & (convention is DayCount.THIRTY_360)
    assert (short[~lacking] == 0).all()
    assert np.isin(short[lacking], [0, 1, 2]).all()


@settings(max_examples=300, deadline=None)
@given(ANY_DAY, st.integers(1, 400), st.integers(1, 90), st.sampled_from(DayCount))
def test_the_due_date_of_a_count_is_the_same_on_every_later_night(
    due: date, late: int, more: int, convention: DayCount
) -> None:
    nights = [due + timedelta(days=late), due + timedelta(days=late + more)]
    found = [
        due_date_of(days_past_due(days(due), night, convention), night, convention)[0]
        for night in nights
        if days_past_due(days(due), night, convention)[0]
    ]
    assert len(set(found)) <= 1


@settings(max_examples=30, deadline=None, phases=NO_SHRINKING)  # 50 loans each
@given(SEEDS)
def test_days_held_by_pauses_are_what_the_plain_count_says(seed: int) -> None:
    rng = Random(seed)  # noqa: S311 - test data
    as_of, grace = random_day(rng), rng.choice([0, 3, 10])
    due = [random_day(rng) for _ in range(50)]
    pauses = [[random_pause(rng) for _ in range(rng.randrange(4))] for _ in due]
    for convention in DayCount:
        held = paused_days(days(*due), grace, pauses_of(pauses), as_of, convention)
        assert held.tolist() == [
            plain_held_days(day, grace, own, as_of, convention) for day, own in zip(due, pauses, strict=True)
        ]


def random_pause(rng: Random) -> tuple[date, date]:
    first = random_day(rng)
    return first, first + timedelta(days=rng.randrange(40))


def pauses_of(pauses: list[list[tuple[date, date]]]) -> Pauses:
    """Pauses of loans L0, L1 and so on, by way of the changes table."""
    ids = [f"L{at}" for at in range(len(pauses))]
    rows = [
        (loan, "pause", str(first), f"{first}..{last}")
        for loan, own in zip(ids, pauses, strict=True)
        for first, last in own
    ]
    read, found = read_pauses(changes_frame(*rows), pd.Series(ids, dtype="str"))
    assert found.empty
    return read


@pytest.mark.parametrize("convention", list(DayCount))
def test_the_count_stands_still_on_every_day_of_a_pause(convention: DayCount) -> None:
    due, pause = days(date(2026, 1, 5)), pauses_of([[(date(2026, 1, 20), date(2026, 4, 2))]])
    nights = [date(2026, 1, 20) + timedelta(days=night) for night in range(73)]
    counted = [
        days_past_due(due, night, convention) - paused_days(due, 0, pause, night, convention)
        for night in nights
    ]
    assert {int(count[0]) for count in counted} == {15}


@pytest.mark.parametrize(
    ("second", "held"),
    [("2026-02-11", 18), ("2026-02-12", 16), ("2026-02-05", 18), ("2026-01-20", 18)],
)
def test_a_pause_that_follows_or_overlaps_another_goes_on_from_it(second: str, held: int) -> None:
    # The first is 1 to 10 February, the second ends on the 19th; a day between them counts, and so does the
    # first day of a pause. What one that begins on 20 January holds before February lies within the grace period.
    own = [(date(2026, 2, 1), date(2026, 2, 10)), (date.fromisoformat(second), date(2026, 2, 19))]
    found = paused_days(days(date(2026, 1, 31)), 1, pauses_of([own]), date(2026, 3, 1))
    assert found.tolist() == [held]


def test_a_loan_with_nothing_overdue_is_not_held() -> None:
    pause = pauses_of([[(date(2026, 1, 1), date(2026, 12, 31))]])
    assert paused_days(days(None), 0, pause, date(2026, 6, 1)).tolist() == [0]


def test_an_unreadable_pause_is_a_finding_and_holds_nothing() -> None:
    changes = changes_frame(
        ("A", "pause", "2026-01-01", "2026-01-01..2026-01-31"),
        ("B", "pause", "2026-01-01", "January"),
        ("C", "pause", "2026-01-01", "2026-01-31..2026-01-01"),
        ("D", "pause", "2026-01-01", "2026-02-30..2026-03-31"),
        ("unknown", "pause", "2026-01-01", "January"),
        ("A", "due_day", "2026-01-01", "15"),
    )
    pauses, found = read_pauses(changes, pd.Series(["A", "B", "C", "D"], dtype="str"))
    assert pauses.loan_at.tolist() == [0]
    assert found["code"].tolist() == ["change_pause_unreadable"] * 3
    assert found["loan_id"].tolist() == ["B", "C", "D"]


@pytest.mark.parametrize("grace", [0, 1, 3, 90])
@pytest.mark.parametrize("counts_from", ["due_date", "grace_end"])
@pytest.mark.parametrize("names", BUCKETS)
def test_the_bucket_is_what_the_plain_rule_says(grace: int, counts_from: str, names: object) -> None:
    rule = DelinquencySettings.model_validate(
        {"grace_days": grace, "counts_from": counts_from, "buckets": names}
    )
    found = buckets(delinquent_days(np.arange(400), rule), rule.bucket_edges)
    assert found.tolist() == [plain_bucket(count, rule) for count in range(400)]


@pytest.mark.parametrize(
    ("preset", "edges"),
    [
        ("m1_from_day_1", {0: "M0", 1: "M1", 30: "M1", 31: "M2", 60: "M2", 61: "M3", 90: "M3", 91: "M3+"}),
        ("m1_from_day_30", {0: "M0", 29: "M0", 30: "M1", 59: "M1", 60: "M2", 89: "M2", 90: "M3", 120: "M3+"}),
    ],
)
def test_the_presets_begin_their_buckets_where_their_sources_say(preset: str, edges: dict[int, str]) -> None:
    assert buckets(counts(*edges), BUCKET_PRESETS[preset]).tolist() == list(edges.values())


@pytest.mark.parametrize("edges", [{}, {"M1": 0}, {"M1": 31, "M2": 31}, {"M1": 31, "M2": 1}])
def test_buckets_that_do_not_rise_are_refused(edges: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match="first days must be 1 or more and rise"):
        DelinquencySettings(buckets=edges)


def test_a_customer_is_as_late_as_their_latest_loan() -> None:
    rows: list[dict[str, Any]] = [
        {"loan_id": "A", "bucket": "M1", "days_past_due": 10, "overdue_minor": 500, "penalty_minor": 3},
        {"loan_id": "B", "bucket": "M3+", "days_past_due": 95, "overdue_minor": 700, "penalty_minor": 9},
        {"loan_id": "C", "bucket": "M0", "outstanding_principal_minor": 1_000},
        {"loan_id": "D", "bucket": "M0"},
    ]
    loans = loans_frame(
        {"loan_id": "D", "customer_id": "Y"},
        {"loan_id": "C", "customer_id": "X"},
        {"loan_id": "B", "customer_id": "X"},
        {"loan_id": "A", "customer_id": "X"},
        {"loan_id": "without standing", "customer_id": "Z"},
    )
    found = customer_level(frame(STANDING, rows), loans, DelinquencySettings().bucket_edges)
    assert found.to_dict("records") == [
        {
            "customer_id": "X",
            "loans": 3,
            "overdue_loans": 2,
            "days_past_due": 95,
            "bucket": "M3+",
            "overdue_minor": 1_200,
            "penalty_minor": 12,
            "outstanding_principal_minor": 1_000,
        },
        {
            "customer_id": "Y",
            "loans": 1,
            "overdue_loans": 0,
            "days_past_due": 0,
            "bucket": "M0",
            "overdue_minor": 0,
            "penalty_minor": 0,
            "outstanding_principal_minor": 0,
        },
    ]


@settings(max_examples=20, deadline=None, phases=NO_SHRINKING)  # 60 loans of 20 customers each
@given(SEEDS)
def test_customers_are_summed_as_by_hand(seed: int) -> None:
    rng = Random(seed)  # noqa: S311 - test data
    edges = DelinquencySettings().bucket_edges
    rows: list[dict[str, Any]] = [
        {
            "loan_id": f"L{at}",
            "bucket": rng.choice(["M0", *edges]),
            "days_past_due": rng.randrange(200),
            "overdue_minor": rng.choice([0, rng.randrange(10**9)]),
        }
        for at in range(60)
    ]
    owner = {row["loan_id"]: f"C{rng.randrange(20):02d}" for row in rows}
    loans = loans_frame(*({"loan_id": loan, "customer_id": who} for loan, who in owner.items()))
    found = customer_level(frame(STANDING, rows).sample(frac=1, random_state=seed), loans, edges)
    expected = {}
    for who in sorted(set(owner.values())):
        own = [row for row in rows if owner[row["loan_id"]] == who]
        worst = max((["M0", *edges].index(str(row["bucket"])), row["bucket"]) for row in own)[1]
        late = max(row["days_past_due"] for row in own)
        total = sum(row["overdue_minor"] for row in own)
        expected[who] = (len(own), late, worst, total)
    columns = ["loans", "days_past_due", "bucket", "overdue_minor"]
    assert dict(
        zip(found["customer_id"], found[columns].itertuples(index=False, name=None), strict=True)
    ) == (expected)
