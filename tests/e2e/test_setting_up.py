"""Providers, schedules and due days, as a clerk asks for them."""

import json
from datetime import datetime

import pytest
import yaml

from carloan_notify.app import build_app
from carloan_notify.pipeline.providers import check_setup
from tests.e2e.after import AS_OF, audited
from tests.e2e.conftest import Desk


def test_providers(after: Desk) -> None:
    (row,) = after.run("providers", "list", "--format", "json").json
    assert (row["name"], row["in_use"], row["look_up"]) == ("console", "sms:1 voice:1", "")
    args = ("providers", "test", "console", "--to", "+8610000000001")
    after.run(*args, stdin="n\n", code=130)
    (row,) = after.run(*args, "--channel", "voice", "--yes", "--format", "json").json
    assert row["outcome"] == "accepted"
    (entry,) = audited(after, "provider.tested")
    assert "10000000001" not in entry
    assert "there is console" in after.run("providers", "test", "none", "--to", "+86", "--yes", code=2).err


TERMS = (
    "schedule",
    "--principal",
    "5000",
    "--annual-rate",
    "0.12",
    "--term",
    "18",
    "--first-due",
    "2022-12-01",
)


def test_schedule_of_terms(after: Desk) -> None:
    rows = after.run(*TERMS, "--installment-multiple", "1", "--format", "json").json
    assert rows[0] == {
        "installment_no": 1, "due_on": "2022-12-01", "principal": "255.00", "interest": "50.00",
        "fees": "0.00", "total_due": "305.00", "balance_after": "4745.00",
    }  # fmt: skip
    assert rows[-1]["balance_after"] == "0.00"
    assert (
        after.run(*TERMS[:3], *("--annual-rate", "12%"), *TERMS[5:], "--format", "json").json[0]["interest"]
        == "50.00"
    )
    moved = after.run(*TERMS, "--change", "deferral@3", "--format", "json").json
    assert moved[2]["due_on"] == "2023-03-01"


def test_schedule_as_it_stands(after: Desk) -> None:
    paid = ("--payment", "2022-12-01=304.91", "--payment", "2023-01-01=100", "--as-of", "2023-02-15")
    shown = after.run(*TERMS, *paid).out
    assert shown.index("paid") < shown.index("overdue") < shown.index("upcoming")
    assert "204.91" in shown
    shown = after.run("schedule", "AD2026000001", "--as-of", AS_OF).out
    assert shown.index("paid") < shown.index("upcoming")
    assert "loan L0: not in the loans table" in after.run("schedule", "L0", "--as-of", AS_OF, code=2).err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("schedule",), "give LOAN_ID, or --principal, --annual-rate, --term, --first-due as well"),
        ((*TERMS, "--principal", "many"), "'many' is no number; write it as 5000.00 or 12%"),
        ((*TERMS, "--principal", "5000.001"), "--principal: 5000.001 has more than 2 decimals"),
        ((*TERMS, "--annual-rate", "inf"), "'inf' is no number"),
        ((*TERMS, "--annual-rate", "0.12345678901"), "--annual-rate: at most nine decimals"),
        ((*TERMS, "--first-due", "2022-02-30"), "'2022-02-30' is no date; write it as 2026-11-23"),
        ((*TERMS, "--due-day", "32"), "32 is not in the range"),
        ((*TERMS, "--term", "0"), "term_out_of_range"),
        ((*TERMS, "--payment", "500"), "'500' is no payment; write it as 2026-02-01=500.00"),
        ((*TERMS, "--payment", "today=500"), "'today' is no date"),
        ((*TERMS, "--change", "forgive@3"), "--change: 'forgive@3' is not type@installment"),
        ((*TERMS, "--change", "deferral@99"), "--change: deferral@99: the loan has 18 installments"),
        ((*TERMS, "--change", "deferral@3", "--term", "0"), "installments"),
        (
            (*TERMS, "--calendar", "XX", "--convention", "following"),
            "no holiday library knows the region 'XX'",
        ),
        (("schedule", "AD2026000001", "--compare"), "--compare needs the lender's installments table"),
    ],
)
def test_schedule_says_what_is_wrong(after: Desk, args: tuple[str, ...], said: str) -> None:
    assert said in after.run(*args, code=2).err


def test_compare_finds_the_installment_that_differs(after: Desk) -> None:
    rows = after.run("schedule", "AD2026000002", "--as-of", AS_OF, "--format", "json").json
    ours = [
        f"AD2026000002,{r['installment_no']},{r['due_on']},{r['principal']},{r['interest']},0,{r['total_due']}"
        for r in rows
    ]
    ours[4] = ours[4].rsplit(",", 1)[0] + ",9999.99"
    after.write(
        "installments", "loan_id,installment_no,due_on,principal_due,interest_due,fees_due,total_due", ours
    )
    values = yaml.safe_load((after.folder / "config.yaml").read_text(encoding="utf-8"))
    values["sources"]["installments"] = {"path": "export/installments.csv"}
    after.configure(sources=values["sources"])
    found = after.run("schedule", "AD2026000002", "--compare", "--as-of", AS_OF, "--format", "json").json
    assert "9999.99" in json.dumps(found)
    assert len(found) < len(rows)


def test_due_days_are_proposed_with_a_reason(after: Desk) -> None:
    rows = after.run("due-days", "assign", "--as-of", AS_OF, "--format", "json").json
    assert {row["loan_id"] for row in rows} >= {"AD2026000047", "AD2026000048"}
    assert all(1 <= row["due_day"] <= 31 and row["reason"] for row in rows)
    assert rows == after.run("due-days", "assign", "--as-of", AS_OF, "--format", "json").json
    loans = after.folder / "export" / "loans.csv"
    lines = loans.read_text(encoding="utf-8").splitlines()
    at = lines[0].split(",").index("term_months")
    pending = next(number for number, line in enumerate(lines) if line.startswith("AD2026000047"))
    cells = lines[pending].split(",")
    cells[at] = ""
    lines[pending] = ",".join(cells)
    loans.write_text("\n".join([*lines, ""]), encoding="utf-8")
    done = after.run("due-days", "assign", "--as-of", AS_OF, code=2)
    assert "AD2026000047: term_months is missing" in done.err


FOLLOWING = {"basis": "computed", "default": {"calendar": "CN", "convention": "following"}}


@pytest.mark.parametrize(("day", "told"), [("2097-10-31", False), ("2097-11-01", True)])
def test_holidays_of_next_year_are_asked_for_in_time(desk: Desk, day: str, *, told: bool) -> None:
    covered = {"region": "CN", "covered_years": [*range(2020, 2098)]}
    desk.configure(schedule={**FOLLOWING, "calendars": {"CN": covered}})
    report = desk.run(
        "run", "--as-of", day, "--now", f"{day}T02:00:00+08:00", "--format", "json", code=5
    ).json
    assert report["findings"].get("calendar_ends", 0) == int(told)
    app = build_app(desk.folder / "config.yaml", datetime.fromisoformat(f"{day}T02:00:00+08:00"))
    assert any("'CN' has no holidays for 2098; upgrade" in line for line in check_setup(app)) is told
