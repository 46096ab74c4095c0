"""`where`, from what a lender writes to a mask over many loans, against a plain look at one cell after the other."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from carloan_notify import frames
from carloan_notify.notices.fits import mask_of
from carloan_notify.notices.where import Condition, Kind, Of, Units, WhereColumn, bound, overlap

WORDS = st.sampled_from(["", "ev", "used", "vip"])
NUMBERS = st.integers(-3, 12)
DAYS = st.dates(dt.date(2026, 1, 1), dt.date(2026, 1, 9))


@st.composite
def conditions(draw: st.DrawFn, values: st.SearchStrategy[Any], *, ranges: bool) -> dict[str, Any]:
    kind = draw(st.sampled_from(["is", "not", "from", "to", "both"] if ranges else ["is", "not"]))
    if kind in ("is", "not"):
        return {kind: draw(st.lists(values, min_size=1, max_size=3))}
    least, most = sorted([draw(values), draw(values)])
    return {"from": {"from": least}, "to": {"to": most}, "both": {"from": least, "to": most}}[kind]


def plain(written: dict[str, Any], cell: Any) -> bool:
    """One cell; None is a day that is not there."""
    if "is" in written:
        return cell in written["is"]
    if "not" in written:
        return cell not in written["not"]
    return cell is not None and written.get("from", cell) <= cell <= written.get("to", cell)


@given(conditions(WORDS, ranges=False), st.lists(WORDS))
def test_texts(written: dict[str, Any], cells: list[str]) -> None:
    mask = mask_of(Condition.model_validate(written), pd.Series(cells, dtype=frames.TEXT))
    assert mask.tolist() == [plain(written, cell) for cell in cells]


@given(conditions(NUMBERS, ranges=True), st.lists(NUMBERS))
def test_numbers(written: dict[str, Any], cells: list[int]) -> None:
    mask = mask_of(Condition.model_validate(written), pd.Series(cells, dtype=frames.COUNT))
    assert mask.tolist() == [plain(written, cell) for cell in cells]


@given(conditions(DAYS, ranges=True), st.lists(st.none() | DAYS))
def test_days(written: dict[str, Any], cells: list[dt.date | None]) -> None:
    column = pd.Series([pd.NaT if cell is None else pd.Timestamp(cell) for cell in cells], dtype=frames.DATE)
    assert mask_of(Condition.model_validate(written), column).tolist() == [
        plain(written, cell) for cell in cells
    ]


@given(conditions(NUMBERS, ranges=True), conditions(NUMBERS, ranges=True))
def test_conditions_that_share_no_value_have_none_that_fits_both(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    first, second = Condition.model_validate(one), Condition.model_validate(other)
    both = any(first.holds(value) and second.holds(value) for value in range(-5, 15))
    assert first.shares(second) == second.shares(first)
    assert first.shares(second) or not both
    assert overlap({"a": first}, {"a": second, "b": first}) == first.shares(second)
    assert overlap({"a": first}, {"b": second})


@pytest.mark.parametrize(("written", "plainly"), [("ev", {"is": ["ev"]}), (["a", "b"], {"is": ["a", "b"]})])
def test_the_short_way_to_write_it(written: Any, plainly: dict[str, Any]) -> None:
    assert Condition.model_validate(written) == Condition.model_validate(plainly)


@pytest.mark.parametrize(
    "written", [None, [], {}, {"not": []}, {"is": "a", "not": "b"}, {"in": 1}, [["a"]], [{"a": 1}]]
)
def test_what_cannot_be_meant_is_refused(written: Any) -> None:
    with pytest.raises(ValidationError):
        Condition.model_validate(written)


UNITS = Units(
    {
        "amount": WhereColumn(Kind.AMOUNT, Of.LOAN, "amount_minor"),
        "status": WhereColumn(Kind.CHOICE, Of.STANDING, "status", {"正常": "active", "active": "active"}),
        "vip": WhereColumn(Kind.FLAG, Of.LOAN, "vip"),
    },
    digits=2,
)


def in_units(name: str, written: Any) -> Condition:
    found, problems = bound({name: Condition.model_validate(written)}, UNITS)
    assert not problems
    return found[name]


def test_values_come_in_the_units_of_frames() -> None:
    assert in_units("amount", {"from": 99.5, "to": 5000}) == in_units(
        "amount", {"from": Decimal("99.50"), "to": 5000}
    )
    assert in_units("amount", {"from": 99.5}).least == 9950
    assert in_units("status", "正常").one_of == ("active",)


@pytest.mark.parametrize(
    ("name", "written"),
    [("amount", 0.001), ("amount", "5"), ("amount", True), ("vip", 1), ("status", "gone"), ("vpi", True)],
)
def test_a_value_of_another_kind_is_named(name: str, written: Any) -> None:
    _, problems = bound({name: Condition.model_validate(written)}, UNITS)
    assert [problem.startswith(f"{name}: ") for problem in problems] == [True]
