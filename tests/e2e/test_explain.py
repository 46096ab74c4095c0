"""Why a loan got what it got."""

import re
from dataclasses import replace
from typing import Any

import pytest

from tests.e2e.after import AS_OF, AT, one
from tests.e2e.conftest import Desk, Lender


def explained(desk: Lender, loan_id: str, *args: str) -> Any:
    return desk.run("explain", loan_id, "--as-of", AS_OF, *AT, "--format", "json", *args).json


def test_explain_what_was_told(after: Desk) -> None:
    first = one(after, "overdue_1")
    told = explained(after, first["loans"])
    assert told["standing"]["days_past_due"] == "1"
    assert {row["decision"] for row in told["tonight"]} == {"already_sent"}
    assert {row["channel"] for row in told["told"]} == {"sms", "voice"}
    assert len(told["rules"]) == 28
    assert all(row["says"] for row in told["rules"])
    chinese = explained(after, first["loans"], "--language", "zh")
    assert [row["notice"] for row in chinese["rules"]] == [row["notice"] for row in told["rules"]]
    shown = after.run("explain", first["loans"], "--as-of", AS_OF, *AT).out
    for title in ("standing", "rules", "tonight", "told"):
        assert title in shown
    assert any("\u4e00" <= character <= "\u9fff" for row in chinese["rules"] for character in row["says"])


@pytest.mark.parametrize(
    ("loan_id", "decision", "why"),
    [
        ("AD2026000053", "held", "dispute"),
        ("AD2026000054", "suppressed", "not"),
        ("AD2026000055", "suppressed", "opted out"),
    ],
)
def test_explain_what_was_not_told(after: Desk, loan_id: str, decision: str, why: str) -> None:
    told = explained(after, loan_id)
    assert told["told"] == []
    assert any(row["decision"] == decision and why in row["why"] for row in told["tonight"])


def test_explain_a_rejected_row(after: Desk) -> None:
    told = explained(after, "AD2026000060")
    assert told["standing"] == {}
    assert "loans.csv:61: impossible_date: no such day in the calendar" in told["rejected_rows"][0]
    assert len(told["findings"]) == 1  # not once per payment
    assert "impossible_date" in after.run("explain", "AD2026000060", "--as-of", AS_OF, *AT).out


def test_explain_a_loan_that_nobody_knows(after: Desk) -> None:
    done = after.run("explain", "L0", "--as-of", AS_OF, *AT, code=2)
    assert "loan L0: in no table of 2026-11-23, and no rejected row names it; check the number" in done.err


def test_explain_before_the_first_night(lender: Lender) -> None:
    told = explained(Desk(lender.folder), "AD2026000007")
    assert told["told"] == []
    assert "queued" in {row["decision"] for row in told["tonight"]}
    assert not (lender.folder / "ledger.db").exists()


STAYS = re.compile(
    r"`\w+`|(?:/[\w.-]+)+|\b[A-Z2-7]{26}\b|[A-Z]{2}\d+|\w+[._]\w+|[\w.+-]*\d[\w.:+-]*|IANA|\bzh-CN\b"
)
"""Paths, ids, codes, tags of languages, names of options and files, figures: they are the same in every language."""


@pytest.mark.parametrize("number", range(1, 62, 4))
def test_in_chinese_nothing_is_said_in_english(after: Desk, number: int) -> None:
    loan = f"AD202600{number:04d}"
    wide = replace(after, env={"COLUMNS": "400"})
    table = wide.run("explain", loan, "--as-of", AS_OF, "--language", "zh").out
    assert re.findall(r"[A-Za-z]{2,}", STAYS.sub("", table)) == []
    told = after.run("explain", loan, "--as-of", AS_OF, "--language", "zh", "--format", "json").json
    said = [rule["says"] for rule in told["rules"]] + [row["why"] for row in told["tonight"] if row["why"]]
    assert said
    assert all(re.search("[\u4e00-\u9fff]", sentence) for sentence in said)
