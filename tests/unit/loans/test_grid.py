"""The grid: to a frame and back, some of its loans, its totals."""

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd

from carloan_notify.loans.grid import Grid
from carloan_notify.loans.schedule import LoanTerms, build_schedules
from carloan_notify.loans.settings import ScheduleSettings
from tests.unit.loans.portfolios import loans_frame

LOAN = LoanTerms(100_000, 120_000_000, 3, date(2026, 1, 31), loan_id="A")


def some_grid() -> Grid:
    loans = [LOAN, replace(LOAN, loan_id="B", installments=5)]
    grids, _ = build_schedules(loans_frame(loans), None, ScheduleSettings())
    return grids[0]


def test_a_grid_goes_to_a_frame_and_back() -> None:
    grid = some_grid()
    frame = grid.to_frame()
    back = Grid.from_frame(frame)
    pd.testing.assert_frame_equal(back.to_frame(), frame)
    assert back.opening_minor.tolist() == [100_000, 100_000]
    assert back.count.tolist() == [3, 5]


def test_a_frame_without_rows_is_a_grid_without_loans() -> None:
    empty = Grid.from_frame(some_grid().to_frame().iloc[:0])
    assert len(empty) == 0
    assert empty.rows == 0


def test_taking_loans_keeps_their_columns() -> None:
    grid = some_grid()
    taken = grid.take([1])
    assert taken.loan_ids.tolist() == ["B"]
    assert len(taken) == 1
    flagged = grid.take(np.array([True, False])).trimmed()
    assert flagged.rows == 3
    pd.testing.assert_frame_equal(flagged.to_frame(), grid.to_frame().iloc[:3])


def test_totals_and_balances_are_empty_beyond_the_count() -> None:
    grid = some_grid()
    assert grid.balance_after_minor[:, 0].tolist()[2:] == [0, 0, 0]
    assert grid.total_minor[3:, 0].tolist() == [0, 0]
    assert np.isnat(grid.due_on[3:, 0]).all()
