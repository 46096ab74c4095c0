"""Rows as a table, as JSON, as CSV."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.reports.tables import csv_cell, frame_rows, print_rows
from carloan_notify.text import FORMULA_STARTS


def printed(rows: Sequence[Mapping[str, Any]], form: str, **options: Any) -> str:
    stream = io.StringIO()
    print_rows(rows, stream, form, **options)
    return stream.getvalue()


@given(st.text(alphabet=st.characters(exclude_characters="\x00", exclude_categories=["Cs"])))
def test_no_cell_is_a_formula(text: str) -> None:
    cell = csv_cell(text)
    assert cell.removeprefix("'") == text.removeprefix("'")
    if cell.startswith(FORMULA_STARTS):
        float(cell)  # a plain number, nothing else


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"), ("@SUM(A1)", "'@SUM(A1)"), ("\t=1", "'\t=1"), ("-1+1", "'-1+1"), ("+86 100", "'+86 100"),
        ("-12.50", "-12.50"), (-3, "-3"), (None, ""), ("", ""), ("a=b", "a=b"),
    ],
)  # fmt: skip
def test_cells(value: object, cell: str) -> None:
    assert csv_cell(value) == cell


def test_csv_survives_commas_quotes_and_line_ends() -> None:
    rows: list[dict[str, Any]] = [{"a": 'x,"y"\nz', "b": 1}, {"a": None, "b": 2}]
    assert list(csv.reader(io.StringIO(printed(rows, "csv")))) == [["a", "b"], ['x,"y"\nz', "1"], ["", "2"]]


def test_json_keeps_chinese_and_chooses_columns() -> None:
    text = printed([{"a": "逾期", "b": 1}], "json", columns=("b", "a"))
    assert text == '[{"b": 1, "a": "逾期"}]\n'
    assert json.loads(printed([], "json", columns=("a",))) == []


def test_no_rows_still_have_a_header() -> None:
    assert printed([], "csv", columns=("a", "b")) == "a,b\n"
    assert "a" in printed([], "table", columns=("a", "b"))


def test_table_is_literal_and_titled_on_one_line() -> None:
    text = printed(
        [{"n": 1, "said": "[bold]x[/bold]"}], "table", title="Where the loans stand tonight, all told"
    )
    assert "Where the loans stand tonight, all told\n" in text
    assert "[bold]x[/bold]" in text


def test_table_folds_rather_than_cuts() -> None:
    text = printed([{"a": "abcdefghij" * 40, "b": "end"}], "table")
    assert text.count("abcdefghij") + text.count("a") >= 40
    assert "…" not in text


def test_frame_rows() -> None:
    assert frame_rows(pd.DataFrame({"a": [1, 2], 3: ["x", "y"]})) == [{"a": 1, "3": "x"}, {"a": 2, "3": "y"}]


@pytest.mark.parametrize("missing", [float("nan"), pd.NaT, pd.NA, None])
def test_what_a_frame_lacks_is_shown_as_nothing(missing: object) -> None:
    rows = [{"void_at": missing, "n": 1}, {"void_at": "2026-11-26", "n": 2}]
    whole = {}
    for form in ("json", "csv", "table"):
        stream = io.StringIO()
        print_rows(rows, stream, form)
        whole[form] = stream.getvalue()
    read = json.loads(whole["json"], parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert [row["void_at"] for row in read] == [None, "2026-11-26"]
    assert whole["csv"].splitlines()[1] == ",1"
    assert not any(word in whole["table"] for word in ("nan", "NaT", "NA"))
