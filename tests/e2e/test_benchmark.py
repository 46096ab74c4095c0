"""The benchmark of the night compares like with like: command, floor and script tell the same people the same words."""

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.night import floor, script
from benchmarks.night.folder import Export, Form, make_folder
from benchmarks.night.ledgers import LEDGER, added_rows, app_of, job_of, make_floor
from benchmarks.night.measure import Spent
from benchmarks.night.nights import FIRST, ORDINARY, QUIET_DAY
from benchmarks.night.portfolio import Portfolio
from benchmarks.night.report import Row, write_section
from carloan_notify.pipeline.night import NightOrder, run_night
from carloan_notify.pipeline.preview import preview_night

LOANS = 800
Message = tuple[str, str, str, str]


def said(path: Path) -> list[Message]:
    return sorted(
        (loan, notice, channel, text) for loan, notice, channel, text in json.loads(path.read_text())
    )


@pytest.mark.parametrize(("form", "payments"), [("csv", False), ("parquet", True)])
def test_command_floor_and_script_word_the_same_messages(
    tmp_path: Path, form: Form, *, payments: bool
) -> None:
    export, beside = Export(tmp_path / "lender", form, payments), tmp_path / "floor"
    make_folder(export)
    make_floor(beside, FIRST)
    notices = set()
    for day in (FIRST, ORDINARY):
        export.write(Portfolio(LOANS), day)
        app, order = app_of(export.folder, day), NightOrder(day, "bench")
        rows = preview_night(app, order).rows
        ours = sorted(
            (row["loan_id"], row["notice"], row["channel"], row["text"]) for row in rows if row["text"]
        )
        assert not run_night(app, order).stopping_guards
        rows_file = beside / "rows.db"
        added_rows(export.folder / LEDGER, beside / LEDGER, rows_file)
        job = replace(
            job_of(export, beside, day, words=beside / "floor-words.json"),
            ledger=str(beside / LEDGER),
            rows=str(rows_file),
        )
        floor.night(job)
        script.night(replace(job, told=str(beside / "told.db"), words=str(beside / "script-words.json")))
        assert said(beside / "floor-words.json") == ours
        assert said(beside / "script-words.json") == ours
        notices |= {notice for _, notice, _, _ in ours}
    assert {"due_in_7_days", "due_today", "overdue_1", "overdue_3"} <= notices
    assert payments == ({"payment_received", "loan_settled"} <= notices)
    added_rows(export.folder / LEDGER, beside / LEDGER, beside / "rows.db")
    assert left_over(beside / "rows.db") == 0  # the floor inserted all that the command did


def left_over(rows: Path) -> int:
    connection = sqlite3.connect(rows)
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    counts = [connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names]  # noqa: S608
    connection.close()
    assert "messages" in names
    return sum(counts)


def test_a_quiet_portfolio_has_nothing_to_say_on_the_first_night(tmp_path: Path) -> None:
    export = Export(tmp_path / "lender", "csv", payments=False)
    make_folder(export)
    export.write(Portfolio(LOANS, due_day=QUIET_DAY), FIRST)
    preview = preview_night(app_of(export.folder, FIRST), NightOrder(FIRST, "bench"))
    assert not [row for row in preview.rows if row["text"]]
    assert not preview.report.stopping_guards


def test_a_size_replaces_its_own_section_and_leaves_the_rest(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text(
        "# Performance\n\n## Arithmetic\n\nfast\n\n## The night\n\nwords\n\n## Sending\n\nso\n"
    )
    rows = [Row("first night", Spent(10.0, 11.0, 500.0, ""), 1_000, 5.0, 200.0, 100.0)]
    write_section(1_000, rows, ["slow"], document)
    write_section(2_000, rows, ["old"], document)
    write_section(2_000, rows, ["new"], document)
    text = document.read_text()
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# Performance", "## Arithmetic", "## The night", "### 1,000 loans", "### 2,000 loans", "## Sending",
    ]  # fmt: skip
    assert "old" not in text
    assert "| first night | 10.00 | 11.00 | 500 | 1,000 | 91 | 5.00 | 200 | 2.00 | 100.0 | 10.0 |" in text
