"""Promises to pay over a fortnight: proposed by a reply, confirmed, waited for, decided, revised, and told once."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Desk, copied
from tests.e2e.tiny import Loan, export, only_sms, options

LATE = Loan("L1", "2026-11-20")
OTHER = Loan("L2", "2026-11-20", phone="10000000002")
KIND = {"provider": "portal", "phone": "手机号", "text": "内容", "time": "时间", "id": "编号"}


@pytest.fixture(scope="module")
def late_folder(fresh_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two loans three days past due, their texts queued in the night of the 23rd; a rule tells of broken promises."""
    desk = Desk(copied(fresh_folder, tmp_path_factory.mktemp("late")))
    export(desk, [LATE, OTHER])
    only_sms(desk)
    broken = {"notice": "promise_broken", "when": {"event": "promise_broken"}, "class": "collection"}
    desk.configure(rules=[*options(desk)["rules"], broken], inbound={"reply_files": {"portal": KIND}})
    night(desk, "2026-11-23")
    return desk.folder


@pytest.fixture
def late(late_folder: Path, tmp_path: Path) -> Desk:
    """The same in a folder of its own."""
    return Desk(copied(late_folder, tmp_path))


def night(desk: Desk, day: str, payments: tuple[str, ...] = ()) -> Any:
    export(desk, [LATE, OTHER], payments, day=day)
    accepted = (
        "no_new_payments",
        "same_export",
        "message_count",
        "unpaid_dues",
        "status_shift",
        "all_due_today",
        "overdue_jump",
    )
    accept = [part for name in accepted for part in ("--accept", name)]
    return desk.night(day, *accept, "--reason", "a portfolio of two")


def promises(desk: Desk, *args: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = desk.run("promises", "list", "--format", "json", *args).json
    return rows


def add(desk: Desk, *args: str, code: int = 0) -> str:
    done = desk.run("promises", "add", "--now", "2026-11-23T07:00:00+08:00", *args, code=code)
    return done.out + done.err


def states(desk: Desk) -> list[tuple[str, str]]:
    return sorted((row["notice"], row["state"]) for row in desk.messages() if "L1" in json.dumps(row))


def test_an_open_promise_ends_what_waits_and_holds_collection_until_its_end(late: Desk) -> None:
    told = add(late, "--loan", "L1", "--on", "2026-11-25", "--amount", "100")
    assert "waiting messages cancelled: 1" in told
    late.send("2026-11-23T10:00:00+08:00")
    assert [state for _, state in states(late)] == ["cancelled"]
    assert night(late, "2026-11-25")["reasons"]["held:promised"] == 1
    assert {name for name, state in states(late) if state != "cancelled"} == set()


def test_a_broken_promise_is_decided_told_once_and_revised_by_a_late_booking(late: Desk) -> None:
    add(late, "--loan", "L1", "--on", "2026-11-25", "--amount", "100")
    assert night(late, "2026-11-26")["promises"] == {"open": 1}
    decided = night(late, "2026-11-27")
    assert decided["promises"] == {"broken": 1}
    assert len(decided["promise_outcomes"]) == 1
    assert decided["by_notice"]["promise_broken.sms"] == 1
    again = night(late, "2026-11-28")
    assert again["promise_outcomes"] == []
    assert "promise_broken.sms" not in again["by_notice"]
    revised = night(late, "2026-11-29", ("P1,L1,2026-11-25,100",))
    assert revised["promises"] == {"kept": 1}
    kept = promises(late, "--all")[0]
    assert (kept["state"], kept["paid"], kept["amount"]) == ("kept", "100.00", "100.00")
    taken_back = night(late, "2026-11-30", ("P1,L1,2026-11-25,100", "P2,L1,2026-11-29,-100"))
    assert taken_back["promises"] == {"broken": 1}
    told = late.run("promises", "show", kept["promise_id"], "--format", "json").json
    kinds = [row["kind"] for row in told["history"]]
    assert kinds == [
        "promise.proposed",
        "promise.confirmed",
        "promise.decided",
        "promise.revised",
        "promise.revised",
    ]
    late.run("audit", "verify")


def replied(desk: Desk, *texts: str) -> list[dict[str, Any]]:
    desk.send("2026-11-23T10:00:00+08:00")
    rows = [f"10000000001,{text},2026-11-23T10:30:00,{place}" for place, text in enumerate(texts)]
    (desk.folder / "replies.csv").write_text(
        "\n".join(["手机号,内容,时间,编号", *rows, ""]), encoding="utf-8"
    )
    desk.run("replies", "import", "replies.csv", "--kind", "portal", "--now", "2026-11-23T11:00:00+08:00")
    return promises(desk)


def test_a_reply_becomes_a_proposal_that_a_clerk_confirms(late: Desk) -> None:
    found = replied(late, "周五还50", "我已经还了", "20号还不了")
    assert [(row["loan_id"], row["state"], row["pay_on"], row["amount"]) for row in found] == [
        ("L1", "proposed", "2026-11-27", "50.00")
    ]
    at = ("--now", "2026-11-23T12:00:00+08:00")
    late.run("promises", "confirm", found[0]["promise_id"], *at)
    assert promises(late)[0]["state"] == "open"
    assert (
        "it is open, not proposed" in late.run("promises", "confirm", found[0]["promise_id"], *at, code=2).err
    )
    late.run("promises", "withdraw", found[0]["promise_id"], "--note", "about another loan")
    assert [row["state"] for row in promises(late, "--all")] == ["withdrawn"]
    assert promises(late) == []


def test_the_rule_confirms_only_what_leaves_no_doubt_and_within_limits(late: Desk) -> None:
    late.configure(promises={"confirm": "auto", "max_days_ahead": 10})
    replied(late, "周五还50", "25号可以还吗", "下个月20号还30")
    late.send("2026-11-23T11:30:00+08:00")
    found = {row["amount"]: (row["state"], row["operator"]) for row in promises(late)}
    assert found["50.00"] == ("open", "rule")
    assert {state for amount, (state, _) in found.items() if amount != "50.00"} <= {"proposed"}


def test_limits_hold_for_clerks_too_and_say_why(late: Desk) -> None:
    late.configure(promises={"most_per_stage": 1})
    add(late, "--loan", "L1", "--on", "2026-11-25", "--everything")
    told = add(late, "--loan", "L1", "--on", "2026-11-26", "--amount", "10", "--language", "zh", code=1)
    assert "too_many_in_stage" in told
    assert "承诺" in told
    assert "not_active" in add(late, "--loan", "L9", "--on", "2026-11-26", "--amount", "10", code=1)
    assert "too_far" in add(late, "--loan", "L2", "--on", "2027-11-26", "--amount", "10", code=1)


def test_a_file_is_entered_row_by_row_and_twice_is_once(late: Desk) -> None:
    path = late.folder / "promises.csv"
    rows = [
        "贷款编号,承诺日期,承诺金额",
        "L1,2026-11-25,100",
        "L2,2026-11-31,5",
        "L2,2026-11-26,-5",
        "L2,2026-11-26,",
        ",2026-11-26,5",
    ]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    at = ("--now", "2026-11-23T07:00:00+08:00")
    done = late.run("promises", "import", "promises.csv", *at, code=1)
    assert "rows: 5; entered: 2; known: 0; not entered: 3" in done.out
    assert [line.split(": ")[1] for line in done.err.splitlines()] == [
        "promises.csv:3:pay_on",
        "promises.csv:4:amount",
        "promises.csv:6:loan_id",
    ]
    assert "entered: 0; known: 2" in late.run("promises", "import", "promises.csv", *at, code=1).out
    assert {(row["loan_id"], row["amount"]) for row in promises(late)} == {("L1", "100.00"), ("L2", "100.00")}
    assert "未到期" not in late.run("promises", "list").out
    assert "待履行" in late.run("promises", "list", "--language", "zh").out


def test_explain_shows_the_promise_and_the_hold(late: Desk) -> None:
    add(late, "--loan", "L1", "--on", "2026-11-25", "--amount", "100")
    at = ("--as-of", "2026-11-24", "--now", "2026-11-24T02:00:00+08:00")
    told = late.run("explain", "L1", *at, "--format", "json").json
    assert [(row["state"], row["amount"]) for row in told["promises"]] == [("open", "100.00")]
    assert {row["kind"] for row in told["holds"]} == {"promise"}
    waiting = {row["notice"]: row for row in told["tonight"]}
    assert waiting["overdue_3"]["decision"] == "held"
    late.run("explain", "L1", *at, "--language", "zh")
