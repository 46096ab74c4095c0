"""The walk names what was done, wherever it was done."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.ledger.audit import hash_of
from tests.unit.ledger.chains import chain, named, renumbered

LENGTH = 40
ROWS = chain(LENGTH)
inner = st.integers(2, LENGTH - 1)
row_number = st.integers(1, LENGTH)


@given(st.integers(0, 200))
def test_an_untouched_chain_is_whole(length: int) -> None:
    assert named(chain(length)) == []


@given(row_number, st.sampled_from(["at", "kind", "subject", "data"]))
def test_any_changed_field_of_any_row_is_modified(number: int, field: str) -> None:
    rows = list(ROWS)
    rows[number - 1] = replace(rows[number - 1], **{field: '{"n":0}'})  # type: ignore[arg-type]  # text fields only
    assert named(rows) == [("modified", f"audit row {number}")]


@given(inner)
def test_a_forged_row_with_a_fitting_hash_is_modified(number: int) -> None:
    rows = list(ROWS)
    forged = replace(rows[number - 1], subject="forged")
    rows[number - 1] = replace(forged, hash=hash_of(forged))
    assert named(rows) == [("modified", f"audit row {number}")]


@given(inner, st.integers(1, 5))
def test_a_gap_is_deleted(first: int, count: int) -> None:
    last = min(first + count - 1, LENGTH - 1)
    numbers = str(first) if first == last else f"{first}-{last}"
    assert named(ROWS[: first - 1] + ROWS[last:]) == [("deleted", f"audit row {numbers}")]


@given(inner, st.integers(1, 5))
def test_a_hidden_gap_is_deleted(first: int, count: int) -> None:
    last = min(first + count - 1, LENGTH - 1)
    numbers = str(first) if first == last else f"{first}-{last}"
    assert named(renumbered(ROWS[: first - 1] + ROWS[last:])) == [("deleted", f"audit row {numbers}")]


@given(inner, st.booleans())
def test_a_row_put_in_is_inserted(number: int, fits: bool) -> None:  # noqa: FBT001 - a drawn case
    strange = replace(ROWS[number - 1], seq=number, subject="forged", prev=ROWS[number - 2].hash)
    strange = replace(strange, hash=hash_of(strange) if fits else strange.hash)
    rows = renumbered([*ROWS[: number - 1], strange, *ROWS[number - 1 :]])
    assert named(rows) == [("inserted", f"audit row {number}")]


@given(row_number, row_number)
def test_exchanged_rows_are_reordered(one: int, other: int) -> None:
    rows = list(ROWS)
    rows[one - 1], rows[other - 1] = rows[other - 1], rows[one - 1]
    both = sorted({one, other})
    expected = [("reordered", f"audit row {number}") for number in both] if one != other else []
    assert named(renumbered(rows)) == expected


def test_rows_exchanged_far_apart_are_reordered() -> None:
    rows = chain(300)
    rows[9], rows[249] = rows[249], rows[9]
    assert named(renumbered(rows)) == [("reordered", "audit row 10"), ("reordered", "audit row 250")]


def test_several_breaches_are_told_apart() -> None:
    rows = chain(60)
    rows[9] = replace(rows[9], data="{}")
    del rows[29]
    rows[45], rows[46] = rows[46], rows[45]
    assert named([replace(row, seq=row.seq) for row in rows])[:2] == [
        ("modified", "audit row 10"),
        ("deleted", "audit row 30"),
    ]


def test_interleaved_exchanges_are_reordered() -> None:
    rows = chain(30)
    for one, other in ((9, 13), (11, 15)):
        rows[one], rows[other] = rows[other], rows[one]
    assert named(renumbered(rows)) == [("reordered", f"audit row {number}") for number in (10, 12, 14, 16)]
