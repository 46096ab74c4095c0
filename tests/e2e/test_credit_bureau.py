"""Told before reported (征信业管理条例 §15): what the reporting job takes, over a small night with receipts."""

import csv
from datetime import datetime

import pytest
import sqlalchemy as sa

from carloan_notify.ledger.tables import MESSAGES
from tests.e2e.conftest import Desk
from tests.e2e.test_evidence import LOAN, deliver, ledger_of

OTHER = "AD2026000026"
LATER = "2026-11-24"
OLDER_ALLOWED = {"guards": {"export_date_column": "data_date", "max_export_age_days": 9}}


def listed(desk: Desk, day: str = LATER, *args: str) -> dict[str, dict[str, str]]:
    rows = desk.run(
        "credit-bureau", "list", "--as-of", day, "--language", "en", "--format", "json", *args
    ).json
    return {row["loan_id"]: row for row in rows}


def reasons(desk: Desk, day: str = LATER) -> tuple[str, str]:
    rows = listed(desk, day)
    return rows[LOAN]["reason"], rows[OTHER]["reason"]


def test_only_who_was_reached_before_that_day_may_be_reported(after: Desk) -> None:
    assert reasons(after) == ("told_without_receipt", "told_without_receipt")
    deliver(after, LOAN)
    rows = listed(after)
    assert (rows[LOAN]["may_report"], rows[LOAN]["told_on"]) == ("yes", "2026-11-23")
    assert (rows[OTHER]["may_report"], rows[OTHER]["told_on"]) == ("no", "")
    assert {row["reason"] for row in rows.values()} == {
        "told",
        "told_without_receipt",
        "never_told",
        "in_dispute",
    }  # one is in dispute by its column
    assert reasons(after, "2026-11-23")[0] == "told_after"  # on that day is not before it
    assert [*listed(after, LATER, "--only", "yes")] == [LOAN]


def test_midnight_is_that_of_the_lender(after: Desk) -> None:
    deliver(after, LOAN, datetime.fromisoformat("2026-11-23T23:59:59+08:00"))
    deliver(after, OTHER, datetime.fromisoformat("2026-11-24T00:00:01+08:00"))
    assert reasons(after) == ("told", "told_after")


def test_the_job_gets_one_whole_private_file(after: Desk) -> None:
    deliver(after, LOAN)
    listed(after, LATER, "--only", "yes", "--out", "report.csv")
    path = after.folder / "report.csv"
    with path.open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["loan_id"], row["may_report"], row["as_of"]) == (LOAN, "yes", LATER)
    assert path.stat().st_mode & 0o777 == 0o600
    assert (
        "cannot be written"
        in after.run("credit-bureau", "list", "--as-of", LATER, "--out", "no/r.csv", code=2).err
    )
    chinese = after.run("credit-bureau", "list", "--as-of", LATER).out
    assert "可以报送" in chinese


def test_a_dispute_an_open_reply_and_a_wrong_number_say_no(after: Desk) -> None:
    for loan in (LOAN, OTHER):
        deliver(after, loan)
    lines = (after.folder / "export" / "loans.csv").read_text(encoding="utf-8").splitlines()
    people = {line.split(",")[0]: line.split(",") for line in lines}
    heads = lines[0].split(",")
    customer, phone = (people[LOAN][1], people[OTHER][heads.index("phone")])
    after.run("holds", "add", "--customer", customer, "--kind", "dispute", "--reason", "letter 7")
    mark = ("--status", "reassigned", "--reason", "call 8")
    after.run("numbers", "quarantine", "--phone", f"+86{phone}", *mark)
    assert reasons(after) == ("in_dispute", "told_wrong_number")


def test_who_has_paid_since_is_not_reported(after: Desk) -> None:
    deliver(after, LOAN)
    with (after.folder / "export" / "payments.csv").open("a", encoding="utf-8") as file:
        file.write(f"P-9,{LOAN},2026-11-23,99999.00\n")
    assert reasons(after)[0] == "not_overdue"


def test_a_row_that_cannot_be_read_puts_its_loan_in_doubt(after: Desk) -> None:
    deliver(after, LOAN)
    with (after.folder / "export" / "payments.csv").open("a", encoding="utf-8") as file:
        file.write(f"P-9,{LOAN},2026-11-23,much\n")
    assert reasons(after)[0] == "in_doubt"


@pytest.mark.parametrize(
    ("state", "reason"), [("undelivered", "told_undelivered"), ("unknown", "told_unknown")]
)
def test_what_did_not_arrive_tells_nobody(after: Desk, state: str, reason: str) -> None:
    with ledger_of(after) as ledger, ledger.store.write() as connection:
        connection.execute(sa.update(MESSAGES).where(MESSAGES.c.state == "accepted").values(state=state))
    assert reasons(after)[0] == reason


def test_an_export_too_old_lets_nobody_be_reported(after: Desk) -> None:
    deliver(after, LOAN)
    done = after.run("credit-bureau", "list", "--as-of", "2026-11-26", "--format", "json", code=1)
    assert {row["reason"] for row in done.json} == {"in_doubt"}
    assert "the loan export is of 2026-11-23" in done.err
    after.configure(**OLDER_ALLOWED)
    assert reasons(after, "2026-11-26")[0] == "told"


def test_without_tables_nothing_is_listed(after: Desk) -> None:
    (after.folder / "export" / "loans.csv").unlink()
    done = after.run("credit-bureau", "list", "--as-of", LATER, "--out", "report.csv", code=2)
    assert "loans.csv" in done.err
    assert not (after.folder / "report.csv").exists()


def test_a_notice_that_no_rule_tells_is_refused(after: Desk) -> None:
    after.configure(credit_bureau={"notices": ["credit_bureau"], "days_before": 0})
    refused = after.run("credit-bureau", "list", code=2).err
    assert "credit_bureau.days_before" in refused
    after.configure(credit_bureau={"notices": ["credit_bureau"]})
    assert (
        "credit_bureau.notices[0]: no rule tells 'credit_bureau'" in after.run("config", "check", code=2).err
    )
