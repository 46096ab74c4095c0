"""Guards through `run`: an implausible night queues nothing, says why, and passes only by name."""

import csv
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.conftest import MORNING, NIGHT, Desk, copied

FIRST, SECOND = "2026-11-23", "2026-11-24"
EXPORT = Path("export")
Table = list[dict[str, str]]


@pytest.fixture(scope="module")
def small_folder(fresh_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lender with two tables and two rules: quick nights; copied, never used itself."""
    desk = Desk(copied(fresh_folder, tmp_path_factory.mktemp("small")))
    values = yaml.safe_load((desk.folder / "config.yaml").read_text(encoding="utf-8"))
    sources = {name: values["sources"][name] for name in ("loans", "payments")}
    rules = [rule for rule in values["rules"] if "due" in rule["notice"] and "event" not in rule["when"]][:2]
    desk.configure(sources=sources, rules=rules)
    return desk.folder


@pytest.fixture(scope="module")
def first_folder(small_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That lender when the first night is over; copied, never used itself."""
    desk = Desk(copied(small_folder, tmp_path_factory.mktemp("first")))
    desk.night(FIRST)
    return desk.folder


@pytest.fixture
def desk(small_folder: Path, tmp_path: Path) -> Desk:
    """Before any night."""
    return Desk(copied(small_folder, tmp_path))


@pytest.fixture
def second(first_folder: Path, tmp_path: Path) -> Desk:
    """After the first night."""
    return Desk(copied(first_folder, tmp_path))


def read(desk: Desk, name: str) -> Table:
    with (desk.folder / EXPORT / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write(desk: Desk, name: str, rows: Table, header: list[str] | None = None) -> None:
    with (desk.folder / EXPORT / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, header or list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def export_of(desk: Desk, day: str, edit: Callable[[Table], Table] = lambda rows: rows) -> None:
    """Today's loans, as a lender's export would have them on `day`."""
    write(desk, "loans", edit([row | {"data_date": day} for row in read(desk, "loans")]))


def guards(desk: Desk, **options: Any) -> None:
    """Change some guards and leave the others."""
    values = yaml.safe_load((desk.folder / "config.yaml").read_text(encoding="utf-8"))
    desk.configure(guards=values["guards"] | options)


def stopped(desk: Desk, as_of: str, *guards: str) -> str:
    """The night stops at these guards, no others, and nothing is queued; what stderr says."""
    before = desk.messages() if (desk.folder / "ledger.db").exists() else []
    now = f"{as_of}T10:00:00+08:00"
    done = desk.run("run", "--as-of", as_of, "--now", now, "--format", "json", code=5)
    assert done.json["status"] == "stopped"
    assert done.json["guards_tripped"] == list(guards)
    assert desk.messages() == before
    assert all(f"--accept {guard}" in done.err for guard in guards)
    return done.err


def accepted(desk: Desk, as_of: str, *guards: str) -> None:
    """The night passes when the guards are accepted by name, and the audit knows who did it and why."""
    names = [word for guard in guards for word in ("--accept", guard)]
    report = desk.night(as_of, *names, "--reason", "checked, ticket 4711")
    assert report["status"] == "finished"
    assert report["guards_accepted"] == sorted(guards)
    rows = desk.run("audit", "show", "--kind", "guard.accepted", "--format", "json").json
    assert sorted(row["subject"] for row in rows) == sorted(guards)
    assert all("ticket 4711" in str(row) for row in rows)


def test_yesterdays_export(desk: Desk) -> None:
    guards(desk, max_export_age_days=0)
    said = stopped(desk, SECOND, "export_stale")
    assert "The loan export is of 2026-11-23, 1 days before the business date; 0 are allowed." in said
    accepted(desk, SECOND, "export_stale")


def test_export_is_dated_by_its_file_without_a_column(desk: Desk) -> None:
    guards(desk, export_date_column="")
    written = datetime.fromisoformat(NIGHT).timestamp()
    os.utime(desk.folder / "export" / "loans.csv", (written, written))
    far = "2026-12-23"
    done = desk.run("run", "--as-of", far, "--now", f"{far}T02:00:00+08:00", "--format", "json", code=5)
    assert "export_stale" in done.json["guards_tripped"]


def test_same_export_again(second: Desk) -> None:
    said = stopped(second, SECOND, "same_export")
    assert "The content of the input is the same as that of 2026-11-23." in said
    accepted(second, SECOND, "same_export")


def test_half_the_rows(second: Desk) -> None:
    export_of(second, SECOND, lambda rows: rows[: len(rows) // 2])
    all_three = ("row_drop", "orphan_rows", "loans_replaced")
    said = stopped(second, SECOND, *all_three)
    assert "30 loans were read after 61 on 2026-11-23; a fall of 10.0% is allowed." in said
    accepted(second, SECOND, *all_three)


def test_payments_file_empty(second: Desk) -> None:
    header = list(read(second, "payments")[0])
    export_of(second, SECOND)
    write(second, "payments", [], header)
    guards(second, overdue_jump_loans=1000, max_reject_rate=0.5)
    said = stopped(second, SECOND, "no_new_payments")
    assert "No payments were read after 799 on 2026-11-23." in said
    accepted(second, SECOND, "no_new_payments")


def test_payments_file_missing_sends_nothing_and_cannot_be_accepted(second: Desk) -> None:
    waiting = second.messages("--state", "queued")
    (second.folder / EXPORT / "payments.csv").unlink()
    export_of(second, SECOND)
    args = ("run", "--as-of", SECOND, "--now", f"{SECOND}T10:00:00+08:00", "--accept", "no_new_payments")
    assert "payments.csv: no such file" in second.run(*args, code=2).err
    (second.folder / EXPORT / "payments.csv").touch()
    assert "payments.csv: is empty, without even a header row" in second.run(*args, code=2).err
    (second.folder / EXPORT / "payments.csv").unlink()
    assert "payments.csv: no such file" in second.run("send", "--now", MORNING, code=2).err
    assert second.messages("--state", "queued") == waiting


def test_payments_of_last_month(desk: Desk) -> None:
    guards(desk, payment_age_from_loans=10)
    write(desk, "payments", [row for row in read(desk, "payments") if row["paid_on"] < "2026-11-01"])
    said = stopped(desk, FIRST, "no_new_payments")
    assert "7 days are allowed" in said


def test_overdue_share_tripled(second: Desk) -> None:
    export_of(second, SECOND)
    recent = [row for row in read(second, "payments") if row["paid_on"] < "2026-06-01"]
    write(second, "payments", [*recent, read(second, "payments")[-1]])
    said = stopped(second, SECOND, "no_new_payments", "overdue_jump")
    assert "of active loans are overdue after" in said
    accepted(second, SECOND, "no_new_payments", "overdue_jump")


def test_too_many_rejects(desk: Desk) -> None:
    guards(desk, max_reject_rate=0.001)
    said = stopped(desk, FIRST, "reject_rate")
    assert "4 of 860 input rows were rejected; 0.1% are allowed." in said
    assert list((desk.folder / "reports").glob("rejects-*.csv"))
    accepted(desk, FIRST, "reject_rate")


@pytest.mark.parametrize("period", ["daily", "monthly"])
def test_cost_caps(desk: Desk, period: str) -> None:
    guards(desk, **{f"{period}_cost_cap_minor": 100})
    said = stopped(desk, FIRST, f"{period}_cost_cap")
    assert "minor units with tonight's messages; the cap is 100" in said
    accepted(desk, FIRST, f"{period}_cost_cap")


def test_far_more_messages_than_the_last_night_promised(second: Desk) -> None:
    guards(second, message_slack=0, cost_slack_minor=0)
    second.configure(rules=[{"notice": "due_today", "when": {"days_before_due": 0}}])
    terms = {"disbursed_on": "2026-10-24", "first_due_on": SECOND, "due_day": "24", "status": "active"}
    loan = next(row for row in read(second, "loans") if row["status"] == "active")
    fresh = [
        loan | terms | {"loan_id": f"NEW{n}", "customer_id": f"N{n}", "phone": f"100000009{n:02d}"}
        for n in range(10)
    ]
    export_of(second, SECOND, lambda rows: [*rows, *fresh])
    said = stopped(second, SECOND, "message_count", "cost")
    assert "were expected from the last night's portfolio" in said
    accepted(second, SECOND, "message_count", "cost")


def test_a_marker_and_a_trailer_say_whether_a_table_is_whole(desk: Desk) -> None:
    values = yaml.safe_load((desk.folder / "config.yaml").read_text(encoding="utf-8"))
    sources = values["sources"]
    sources["loans"]["complete_marker"] = "export/loans-{as_of}.done"
    sources["payments"]["trailer"] = "END"
    desk.configure(sources=sources)
    said = stopped(desk, FIRST, "incomplete_export")
    assert "is missing" in said
    assert "payments: the last line does not begin with 'END'" in said
    (desk.folder / EXPORT / f"loans-{FIRST}.done").write_text("61 rows\n", encoding="utf-8")
    payments = desk.folder / EXPORT / "payments.csv"
    whole = payments.read_text(encoding="utf-8")
    payments.write_text(f"{whole}END,798\n", encoding="utf-8")
    assert "the trailer declares 798 rows, 799 were read" in stopped(desk, FIRST, "incomplete_export")
    payments.write_text(f"{whole}END,799\n", encoding="utf-8")
    assert desk.night(FIRST)["rows_rejected"] == 4


def test_a_cut_file(desk: Desk) -> None:
    loans = desk.folder / EXPORT / "loans.csv"
    loans.write_text(loans.read_text(encoding="utf-8")[:-30], encoding="utf-8")
    said = stopped(desk, FIRST, "incomplete_export")
    assert "loans: the last line has no end and" in said
    accepted(desk, FIRST, "incomplete_export")


def test_a_stopped_night_is_not_remembered(second: Desk) -> None:
    whole = (second.folder / EXPORT / "loans.csv").read_text(encoding="utf-8")
    rows = read(second, "loans")
    moved = [row | {"phone": other["phone"]} for row, other in zip(rows, [*rows[1:], rows[0]], strict=True)]
    for _ in range(2):
        write(second, "loans", [row | {"data_date": SECOND} for row in moved])
        stopped(second, SECOND, "phones_moved")
    (second.folder / EXPORT / "loans.csv").write_text(whole, encoding="utf-8")
    export_of(second, SECOND)
    assert second.night(SECOND)["guards_tripped"] == []


def test_one_accepted_guard_of_two_is_not_enough(desk: Desk) -> None:
    guards(desk, max_reject_rate=0.001, daily_cost_cap_minor=1)
    done = desk.run("run", "--as-of", FIRST, "--now", NIGHT, "--accept", "reject_rate", code=5)
    assert "STOPPED" in done.out
    assert "accepted" in done.out
    assert "--accept daily_cost_cap" in done.err
    assert "--accept reject_rate" not in done.err
    assert desk.messages() == []


def test_dry_run_and_preview_show_the_guard(desk: Desk) -> None:
    guards(desk, daily_cost_cap_minor=1)
    args = ("--as-of", FIRST, "--now", NIGHT)
    assert desk.run("run", "--dry-run", *args, "--format", "json", code=5).json["status"] == "dry run"
    assert "daily_cost_cap" in desk.run("preview", *args, "--html", "tonight.html").out
    page = (desk.folder / "tonight.html").read_text(encoding="utf-8")
    assert '<p class="stopped"><b>daily_cost_cap</b>' in page


def test_unknown_guard_is_refused_before_anything_is_read(desk: Desk) -> None:
    done = desk.run("run", "--as-of", FIRST, "--now", NIGHT, "--accept", "all", "--accept", "rowdrop", code=2)
    assert "--accept all: no such guard; the guards are export_stale, same_export" in done.err
    assert "--accept rowdrop: no such guard" in done.err
    assert not (desk.folder / "ledger.db").exists()
