import csv
from pathlib import Path

import pandas as pd

from carloan_notify.finding_codes import CellProblem
from carloan_notify.sources.chunks import masked, shown
from carloan_notify.sources.read import write_rejects


def test_a_spreadsheet_opens_the_file_and_runs_nothing(tmp_path: Path) -> None:
    cells = ["=1+1", "+1", "-5", "@x", "\tx", "\rx", "plain", "张三"]
    rejects = pd.DataFrame(
        {
            "table": "loans",
            "file": "f.csv",
            "line": range(2, 10),
            "column": "c",
            "value": cells,
            "code": "x",
            "cure": "do, this",
            "owner": "L1",
        }
    )
    write_rejects(rejects, tmp_path / "rejects.csv")
    data = (tmp_path / "rejects.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    with (tmp_path / "rejects.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["value"] for row in rows] == ["'=1+1", "'+1", "'-5", "'@x", "'\tx", "'\rx", "plain", "张三"]
    assert list(rows[0]) == ["table", "file", "line", "column", "value", "code", "cure"]


def test_every_problem_has_a_cure() -> None:
    assert all(problem.english and problem.chinese for problem in CellProblem)


def test_masks_show_a_tail_at_most() -> None:
    assert masked("+8613800138000") == "+86****8000"
    assert masked("张三丰") == "张***"
    assert masked("") == ""
    assert shown("x" * 50, personal=False) == "x" * 40 + "…"
    assert shown("13800138000", personal=True) == "138****8000"
    assert shown("13800138000", personal=False) == "138****8000"
    assert shown("2026112313800138000", personal=False) == "2026112313800138000"
