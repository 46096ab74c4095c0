"""Bad input through the real command: a place and a cure, never a traceback, never a lost row."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import MORNING, NIGHT, Desk, Lender, assert_reconciles

AS_OF = "2026-11-23"
RUN = ("run", "--as-of", AS_OF, "--now", NIGHT, "--format", "json")
FORMULA = "=cmd|'/C calc'!A0"
CODE = "{{ 7*7 }}{% for x in [1] %}x{% endfor %}"


def loans_of(lender: Lender) -> Path:
    return lender.folder / "export" / "loans.csv"


def lines_of(lender: Lender) -> list[str]:
    return loans_of(lender).read_text(encoding="utf-8").splitlines()


def change_row(lender: Lender, line: int, **cells: str) -> None:
    """Set cells of a line (2 is the first loan) of the loans file."""
    rows = list(csv.reader(lines_of(lender)))
    for column, value in cells.items():
        rows[line - 1][rows[0].index(column)] = value
    with loans_of(lender).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def rejects(lender: Lender, report: dict[str, Any]) -> dict[int, tuple[str, str, str, str]]:
    """Rejected rows of the loans file: line to column, value, code, cure."""
    with Path(report["rejects_file"]).open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["file"] for row in rows} == {str(loans_of(lender))}
    return {int(row["line"]): (row["column"], row["value"], row["code"], row["cure"]) for row in rows}


UNREADABLE: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "missing": (Path.unlink, "no such file", "look at the export job"),
    "empty": (lambda path: path.write_text(""), "is empty, without even a header row", "export it again"),
    "header_only": (
        lambda path: path.write_text(path.read_text(encoding="utf-8").split("\n")[0] + "\n"),
        "has no row at all",
        "look at the export job",
    ),
    "missing_column": (
        lambda path: path.write_text(path.read_text(encoding="utf-8").replace("phone", "fax", 1)),
        "column 'phone' is missing",
        "map it in `columns`",
    ),
    "utf_16": (
        lambda path: path.write_bytes(path.read_text(encoding="utf-8").encode("utf-16")),
        "is UTF-16 text",
        "CSV UTF-8",
    ),
}


@pytest.mark.parametrize("damage", UNREADABLE)
def test_table_that_cannot_be_read_stops_the_night(desk: Desk, damage: str) -> None:
    spoil, what, cure = UNREADABLE[damage]
    spoil(loans_of(desk))
    done = desk.run(*RUN, code=2)
    assert not done.out
    assert done.err.startswith("carloan-notify: loans: ")
    assert what in done.err
    assert cure in done.err
    assert desk.messages() == []
    assert [row["status"] for row in desk.run("report", "--list", "--format", "json").json] == ["broken"]


def test_payments_file_gone_missing_stops_the_night(desk: Desk) -> None:
    (desk.folder / "export" / "payments.csv").unlink()
    done = desk.run(*RUN, code=2)
    assert "payments.csv: no such file" in done.err
    assert desk.messages() == []


def test_every_bad_row_is_named_and_the_night_goes_on(desk: Desk) -> None:
    before = desk.night(AS_OF, "--dry-run")
    change_row(desk, 2, first_due_on="2026-02-30")
    change_row(desk, 3, principal="-5.00", borrower_name=FORMULA)
    change_row(desk, 4, due_day="32")
    change_row(desk, 5, repayment_method="whatever")
    change_row(desk, 6, phone="447700900123")  # a British number without its +, at a Chinese lender
    change_row(desk, 7, principal="NaN")
    change_row(desk, 8, annual_rate="1e400")
    change_row(desk, 9, term_months="0")
    change_row(desk, 10, loan_id="AD2026000010")  # line 11 has it already
    lines = lines_of(desk)
    lines[11] += ",and,more"
    lines[12] = lines[12].rsplit(",", 3)[0]
    lines[13] = lines[13].replace("AD2026000013", "AD2026\0000013")
    loans_of(desk).write_bytes("\n".join([*lines, ""]).encode().replace("韩晨曦".encode(), b"\xff\xfe"))

    report = desk.night(AS_OF, "--accept", "reject_rate")
    found = rejects(desk, report)
    assert found[2][:3] == ("first_due_on", "2026-02-30", "impossible_date")
    assert found[3][:3] == ("principal", "'-5.00", "negative_amount")  # no spreadsheet takes it for a formula
    assert found[4][:3] == ("due_day", "32", "out_of_range")
    assert found[5][:3] == ("repayment_method", "whatever", "unknown_value")
    assert found[6][:3] == ("phone", "447****0123", "phone_invalid")
    assert found[7][:3] == ("principal", "", "missing_value")  # NaN is how a program writes nothing
    assert found[8][0] == "annual_rate"
    assert found[9][:3] == ("term_months", "0", "out_of_range")
    assert found[10][2] == found[11][2] == "duplicate_key"
    assert found[12][2] == found[13][2] == "ragged_row"
    assert found[14][2] == "nul_byte"
    assert found[15][2] == "bad_encoding"
    assert all(cure for *_, cure in found.values())
    assert report["rows_read"] == before["rows_read"]
    assert report["rows_rejected"] == len(found) == before["rows_rejected"] + 14
    assert report["status"] == "finished"
    assert report["queued"] > 0


TWO_NIGHTS = """
import os, resource, sys
from carloan_notify.cli.main import main

def night(*args):
    try:
        main([*sys.argv[1:], *args])
    finally:
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)

try:
    night("--dry-run")
except SystemExit:
    with open("export/loans.csv", "r+b") as file:
        file.seek(200_000_000, 2)  # a hole: 200 MB of NUL bytes that take no room on the disk
        file.write(b"\\n")
night()
"""


def test_line_of_200_mb_is_one_reject_and_takes_no_memory(lender: Lender) -> None:
    lines = len(lines_of(lender))
    command = [sys.executable, "-c", TWO_NIGHTS, *RUN]
    done = subprocess.run(command, cwd=lender.folder, capture_output=True, text=True, timeout=240, check=True)
    _, report = map(json.loads, done.stdout.splitlines())
    assert_reconciles(report)
    assert rejects(lender, report)[lines + 1][2] == "line_too_long"
    assert report["status"] == "finished"
    usual, peak = (int(line) / 1024 for line in done.stderr.splitlines() if line.isdigit())
    assert peak - usual < 100


def test_name_is_text_wherever_it_goes(desk: Desk) -> None:
    """Neither a template engine nor a spreadsheet runs what stands in a name."""
    change_row(desk, 2, borrower_name=CODE, loan_id=FORMULA)
    desk.configure(
        delivery={
            "channels": {"sms": ["console"], "voice": ["console"]},
            "providers": {"console": {"type": "console", "channels": ["sms", "voice"], "reveal": True}},
        }
    )
    desk.night(AS_OF)
    sent = desk.run("send", "--now", MORNING)
    name = CODE.replace("[1]", "(1)")  # nor can a name bring another sign: its brackets become round
    assert f"【安达车贷】{name}您好" in sent.out + sent.err
    row = next(
        csv.DictReader(desk.run("ledger", "messages", "--loan", FORMULA, "--format", "csv").out.splitlines())
    )
    assert row["loans"] == f"'{FORMULA}"
    assert row["state"] == "accepted"
    (again,) = desk.run(
        "preview", "--as-of", AS_OF, "--loan", FORMULA, "--now", NIGHT, "--format", "json"
    ).json
    assert again["loan_id"] == FORMULA


ENDLESS = {
    "nested_loops": (
        "template_endless",
        "{% for a in range(999) %}{% for b in range(999) %}{{ borrower_name }}{% endfor %}{% endfor %}",
    ),
    "huge_range": ("template_endless", "{% for a in range(999999999999) %}{{ borrower_name }}{% endfor %}"),
    "recursion": ("template_endless", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"),
    "huge_text": ("template_broken", "{{ borrower_name * 999999999 }}"),
}


@pytest.mark.parametrize("fault", ENDLESS)
def test_template_without_an_end_is_held_and_the_rest_goes_out(desk: Desk, fault: str) -> None:
    code, source = ENDLESS[fault]
    (desk.folder / "templates" / "zh-CN" / "due_today.sms.j2").write_text(source, encoding="utf-8")
    rules = [{"notice": "due_in_7_days", "when": {"days_before_due": 7}}]
    desk.configure(rules=[*rules, {"notice": "due_today", "when": {"days_before_due": 0}}])
    report = desk.night(AS_OF, code=1)
    assert report["by_notice"]["due_in_7_days.sms"] == 10
    assert report["reasons"][f"held:{code}"] >= 5
    (failure,) = report["template_failures"]
    assert failure.startswith("zh-CN/due_today.sms.j2:1: ")
    assert "; " in failure  # and how to mend it
    (finding, *_) = desk.run("templates", "lint", "--format", "json", code=1).json
    assert finding["place"].startswith("zh-CN/due_today.sms.j2")


def test_unreadable_payment_holds_its_loan_instead_of_chasing_it(desk: Desk) -> None:
    rows = desk.run("preview", "--as-of", AS_OF, "--now", NIGHT, "--format", "json").json
    late = next(row["loan_id"] for row in rows if row["notice"] == "overdue_1")
    payments = desk.folder / "export" / "payments.csv"
    with payments.open("a", encoding="utf-8") as file:
        file.write(f"P-BAD,{late},2026-11-22,one thousand\n")
    desk.night(AS_OF)
    rows = desk.run("preview", "--as-of", AS_OF, "--loan", late, "--now", NIGHT, "--format", "json").json
    assert {row["decision"] for row in rows} == {"held"}
    told = desk.run("explain", late, "--as-of", AS_OF, "--now", NIGHT, "--format", "json").json
    (reject,) = told["rejected_rows"]
    assert "payments.csv:801: bad_amount: write an amount such as" in reject


def test_export_date_that_is_no_date_stops_the_night(desk: Desk) -> None:
    desk.configure(guards={"export_date_column": "exported_on"})
    done = desk.run(*RUN, code=2)
    assert "column exported_on (guards.export_date_column) is missing" in done.err
