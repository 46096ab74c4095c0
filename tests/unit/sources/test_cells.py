"""The vectorised ways against the plain functions, cell by cell."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.finding_codes import CellProblem
from carloan_notify.sources.cells import CellRules, Values, as_text, parse_cells, values_as_text
from carloan_notify.sources.repeats import duplicate_rows
from carloan_notify.sources.settings import ReadContext
from carloan_notify.sources.tables import TABLES, CellKind, Column
from carloan_notify.sources.values import parse_amount, parse_count

COLUMNS = {column.name: column for spec in TABLES.values() for column in spec.columns}
NUMBERS = st.one_of(
    st.from_regex(r"\(?-?[¥$]?[0-9]{1,4}(,[0-9]{2,3})?(\.[0-9]{0,3})?\)?", fullmatch=True),
    st.sampled_from(["", "0", "600", "601", "99999999999999", "1,234,567.89", "x"]),
)


def rules(currency: str = "CNY") -> CellRules:
    return CellRules(ReadContext(date(2026, 11, 23), Path(), "supplied", currency, "CN", "Asia/Shanghai"))


def problem_of(found: Values, place: int) -> CellProblem | None:
    problems = [problem for problem, mask in found.problems.items() if mask[place]]
    assert len(problems) <= 1
    return problems[0] if problems else None


@given(st.lists(NUMBERS, min_size=1, max_size=6), st.sampled_from([("CNY", 2), ("JPY", 0)]))
def test_amounts(texts: list[str], currency: tuple[str, int]) -> None:
    code, digits = currency
    found = parse_cells(COLUMNS["principal"], pa.array(texts, pa.string()), rules(code))
    for place, text in enumerate(texts):
        one = parse_amount(text, currency=code, digits=digits) if text else 0
        if isinstance(one, CellProblem):
            assert problem_of(found, place) is one
        elif one < 0:
            assert problem_of(found, place) is CellProblem.NEGATIVE_AMOUNT
        else:
            assert (found.values[place], problem_of(found, place)) == (one, None)


@given(st.lists(NUMBERS, min_size=1, max_size=6))
def test_counts(texts: list[str]) -> None:
    found = parse_cells(COLUMNS["term_months"], pa.array(texts, pa.string()), rules())
    for place, text in enumerate(texts):
        one = parse_count(text) if text else 0
        if isinstance(one, CellProblem):
            assert problem_of(found, place) is one
        elif text and not 1 <= one <= 600:
            assert problem_of(found, place) is CellProblem.OUT_OF_RANGE
        else:
            assert (found.values[place], problem_of(found, place)) == (one, None)


@pytest.mark.parametrize("column", COLUMNS.values(), ids=lambda column: str(column.name))
def test_blank_cells_are_never_a_problem_of_the_cell(column: Column) -> None:
    found = parse_cells(column, pa.array(["", ""]), rules())
    assert found.problems == {}
    blank = np.array(
        found.values.tolist() if isinstance(found.values, np.ndarray) else found.values.to_pylist()
    )
    assert not blank.astype(bool).any() or column.kind is CellKind.DATE


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 1)), max_size=8),
    st.sets(st.sampled_from("abcd")),
)
def test_duplicates_as_a_plain_loop_finds_them(rows: list[tuple[str, int]], refused: set[str]) -> None:
    frame = pd.DataFrame(rows, columns=["key", "value"])
    seen: set[str] = set()
    later, closed = [], []
    for key, value in rows:
        later.append(key in seen)
        contradicted = any(other_key == key and other != value for other_key, other in rows)
        closed.append(key in seen or contradicted or key in refused)
        seen.add(key)
    assert duplicate_rows(frame, ["key"]).tolist() == later
    assert duplicate_rows(frame, ["key"], refused=pd.Series(sorted(refused), dtype="str")).tolist() == closed


def test_typed_cells_as_text() -> None:
    moments = pa.array([1, None], pa.timestamp("s", "UTC"))
    assert as_text(moments, "Asia/Shanghai").to_pylist() == ["1970-01-01 08:00:01.000000", ""]
    floats = [0.1 + 0.2, 1e300, float("inf"), None, 20001.0, -7.0, 2.0**60]
    assert as_text(pa.array(floats), "UTC").to_pylist() == [
        "0.300000000",
        "1e+300",
        "inf",
        "",
        "20001",
        "-7",
        "1152921504606846976.000000000",
    ]
    assert as_text(pa.array([b"x"]), "UTC").to_pylist() == ["x"]
    assert values_as_text([1, "x", None, 0.5, 20001.0, b"\xff"], "UTC").to_pylist() == [
        "1",
        "x",
        "",
        "0.500000000",
        "20001",
        "\ufffd",
    ]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/Chicago"])
@pytest.mark.parametrize("lender", ["Asia/Shanghai", "America/Chicago", "UTC"])
def test_a_typed_moment_at_midnight_utc_is_that_date(zone: str, lender: str) -> None:
    moments = pa.array([20_000 * 86_400], pa.timestamp("s", zone))
    assert as_text(moments, lender).to_pylist() == ["2024-10-04 00:00:00.000000"]
