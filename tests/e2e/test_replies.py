"""What borrowers write back: imported, acted on, worked off; and nobody's number or words in clear anywhere."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from carloan_notify.app import build_app
from carloan_notify.delivery.provider import ReturnPage
from carloan_notify.pipeline.inbox import keeper
from carloan_notify.records import Receipt, Reply
from tests.e2e.conftest import MORNING, Desk

NEXT = ("--as-of", "2026-11-24", "--now", "2026-11-24T02:00:00+08:00")
AT = ("--now", "2026-11-23T11:00:00+08:00")
KIND = {"provider": "portal", "phone": "手机号", "text": "内容", "time": "时间", "id": "编号"}
SAID = {
    "10000000007": "退订",
    "10000000008": "金额不对",
    "10000000009": "钱已经存进去了！",
    "+86 100 0000 0010": "打错了",
    "10000000011": "收到",
    "10000009999": "=今天天气不错",
}


@pytest.fixture
def answered(after: Desk) -> Desk:
    """The morning after, when replies of all sorts have been imported."""
    after.configure(inbound={"reply_files": {"portal": KIND}})
    write(after, SAID)
    after.run("replies", "import", "replies.csv", "--kind", "portal", *AT)
    return after


def write(desk: Desk, said: dict[str, str]) -> Path:
    path = desk.folder / "replies.csv"
    rows = [
        f"{phone},{text},2026-11-23T10:30:00,{number}" for number, (phone, text) in enumerate(said.items())
    ]
    path.write_text("\n".join(["手机号,内容,时间,编号", *rows, ""]), encoding="utf-8")
    return path


def listed(desk: Desk, *args: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = desk.run("replies", "list", "--format", "json", *args).json
    return rows


def test_an_import_is_counted_and_twice_is_once(answered: Desk) -> None:
    again = answered.run("replies", "import", "replies.csv", "--kind", "portal", *AT, "--format", "json").json
    assert again == [
        {"provider": "portal", "replies": 6, "known": 6, "work_list": 0, "stopping": 0, "cancelled": 0,
         "strangers": 0, "problems": 0}
    ]  # fmt: skip
    assert (
        "no kind 'web' (portal)"
        in answered.run("replies", "import", "replies.csv", "--kind", "web", code=2).err
    )


def test_the_next_night_does_what_replies_ask_for(answered: Desk) -> None:
    rows = answered.run("preview", *NEXT, "--format", "json").json
    told = {
        row["loan_id"][-2:]: (row["decision"], row["why"]) for row in rows if row["notice"] == "overdue_1"
    }
    assert told["07"][0] == "suppressed"
    assert "opted out" in told["07"][1]
    assert told["08"][0] == "held"
    assert "dispute" in told["08"][1]
    assert told["09"][0] == "queued", "the payments table decides who has paid"
    assert told["10"][0] in ("held", "suppressed")
    assert "number" in told["10"][1]
    assert told["11"][0] == "queued"


def test_the_work_list_is_worked_off(answered: Desk) -> None:
    work = listed(answered, "--open")
    assert {row["phone"][-2:]: row["kind"] for row in work} == {
        "08": "dispute",
        "09": "paid_already",
        "10": "wrong_person",
        "99": "other",
    }
    mine = next(row for row in work if row["kind"] == "paid_already")
    assert (mine["loans"], mine["notice"], mine["rule"]) == ("AD2026000009", "due_today", "paid_zh")
    answered.run("replies", "close", mine["reply_id"], "--note", "seen in the bank's file")
    assert len(listed(answered, "--open")) == 3
    assert listed(answered, "--kind", "paid_already")[0]["note"] == "seen in the bank's file"
    assert (
        "not on the work list"
        in answered.run("replies", "close", mine["reply_id"], "--note", "again", code=2).err
    )
    assert len(listed(answered, "--since", "2026-11-23")) == 6
    assert listed(answered, "--since", "2026-11-24") == []


def test_nobody_is_shown_in_clear_but_to_who_says_why(answered: Desk) -> None:
    shown = "".join(
        answered.run("replies", "list", "--format", form).out for form in ("table", "csv", "json")
    )
    kept = answered.run("audit", "show", "--format", "json").out
    files = b"".join(path.read_bytes() for path in answered.folder.glob("ledger.db*"))
    for secret in ("1000000000", "10000009999", "天气", "存进去"):
        assert secret not in shown
        assert secret not in kept
        assert secret.encode() not in files
    assert "--reveal needs --reason" in answered.run("replies", "list", "--reveal", code=2).err
    clear = answered.run("replies", "list", "--reveal", "--reason", "ticket 4711", "--format", "csv").out
    assert "+8610000000009" in clear
    assert "钱已经存进去了" in clear
    assert "'=今天天气不错" in clear, "no spreadsheet takes a reply for a formula"
    assert "text" in answered.run("replies", "list", "--reveal", "--reason", "ticket 4711").out
    assert "ticket 4711" in answered.run("audit", "show", "--kind", "reply.revealed", "--format", "json").out


def test_an_opt_out_cancels_what_waits_for_the_number(desk: Desk) -> None:
    desk.configure(inbound={"reply_files": {"portal": KIND}, "opt_out_stops": ["collection"]})
    desk.night("2026-11-23")
    before = {row["message_class"] for row in desk.messages("--loan", "AD2026000013")}
    write(desk, {"10000000013": "别再发了", "10000000007": "TD"})
    (figures,) = desk.run(
        "replies", "import", "replies.csv", "--kind", "portal", *AT, "--format", "json"
    ).json
    assert (figures["work_list"], figures["stopping"], figures["strangers"]) == (2, 2, 2)
    after = {row["message_class"]: row["state"] for row in desk.messages("--loan", "AD2026000013")}
    assert before == {"collection"}
    assert after == {"collection": "cancelled"}
    assert figures["cancelled"] == 2
    assert desk.messages("--loan", "AD2026000007")[0]["state"] == "queued", "a bill is a service message"
    assert desk.send(MORNING)["accepted"] > 0
    assert desk.messages("--loan", "AD2026000013")[0]["state"] == "cancelled"


def test_pull_without_a_provider_that_hands_out_anything(after: Desk) -> None:
    assert after.run("replies", "pull", "--format", "json").json == []
    assert after.run("receipts", "pull", "--format", "json").json == []


def test_authors_see_what_a_reply_is_taken_for(lender_of_rules: Desk) -> None:
    desk = lender_of_rules
    (row,) = desk.run("replies", "classify", "我已经还了，别再发了", "--format", "json").json
    assert row == {
        "kind": "opt_out",
        "rule": "stop_asked_zh, paid_zh",
        "action": "stop every class, work list",
    }
    assert (
        desk.run("replies", "classify", "-", "--format", "json", stdin="贵司何在\n").json[0]["kind"]
        == "other"
    )
    (desk.folder / "mine.yaml").write_text(desk.run("replies", "lexicon").out, encoding="utf-8")
    desk.configure(inbound={"lexicon_file": "mine.yaml"})
    assert "lexicon of replies" in desk.run("config", "check").out
    rules = "rules:\n  - {name: where, kind: asks_for_call, phrases: [贵司]}\n"
    (desk.folder / "mine.yaml").write_text(rules, encoding="utf-8")
    assert desk.run("replies", "lexicon").out == rules
    assert desk.run("replies", "classify", "贵司何在", "--format", "json").json[0]["rule"] == "where"
    (desk.folder / "mine.yaml").write_text("rules: [{name: a}]", encoding="utf-8")
    err = desk.run("config", "check", code=2).err
    assert "mine.yaml: rules[0].name" in err
    assert "mine.yaml: rules[0].kind" in err


@pytest.fixture
def lender_of_rules(after: Desk) -> Desk:
    """Any folder with keys does."""
    return after


def test_a_page_is_put_on_disk_as_a_whole(after: Desk) -> None:
    now = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
    app = build_app(after.folder / "config.yaml", now)
    page = ReturnPage(
        receipts=(Receipt("gate", "stranger", "", delivered=True, code="OK", detail="", occurred_at=now),),
        replies=(Reply("gate", "1", "10000000008", "TD", now),),
        problems=("gate: record 2: no time",),
        unread=b"phone=10000000012&text=hi",
    )
    with app.open_ledger() as ledger:
        kept = keeper(app)(app, ledger, "gate", page)
        figures, again = kept.figures, keeper(app)(app, ledger, "gate", page).figures
    assert kept.problems == page.problems
    assert (figures["receipts"], figures["unmatched"], figures["problems"]) == (1, 1, 1)
    assert (figures["replies"], figures["known"], figures["stopping"]) == (1, 0, 1)
    assert (again["repeated"], again["known"], again["stopping"]) == (1, 1, 0)
    assert "unread_returns" in after.run("ledger", "doctor", code=1).out
    assert "1 records" in after.run("replies", "unread", "look", "--reason", "new format").out
    (file,) = (after.folder / "look").iterdir()
    assert file.read_bytes() == page.unread
    assert "is there already" in after.run("replies", "unread", "look", "--reason", "again", code=2).err
    done = ("replies", "unread", "look", "--done", "--reason", "ticket 4711")
    assert "1 records done" in after.run(*done).out
    assert "unread_returns" not in after.run("ledger", "doctor").out
    assert "0 records" in after.run("replies", "unread", "new", "--reason", "any left?").out
    assert "1 records" in after.run("replies", "unread", "all", "--all", "--reason", "again").out
    empty = ("replies", "unread", "new", "--done", "--reason", "by mistake")
    assert "no record of `replies unread` is in it" in after.run(*empty, code=2).err
    assert "ticket 4711" in after.run("audit", "show", "--kind", "return.done", "--format", "json").out


def test_every_problem_of_an_import_is_told_with_its_place(desk: Desk) -> None:
    desk.configure(inbound={"reply_files": {"portal": KIND}})
    desk.night("2026-11-23")
    write(desk, {"": "退订", "138****8000": "退订", "10000000013": "退订"})
    done = desk.run("replies", "import", "replies.csv", "--kind", "portal", *AT, "--format", "json", code=1)
    (figures,) = done.json
    assert (figures["stopping"], figures["work_list"], figures["problems"]) == (1, 2, 2)
    assert done.err.splitlines() == [
        "problem: replies.csv:2: reply_without_number: no number; check the column",
        "problem: portal: reply 0: its sender is no number; it stops nothing, see the work list",
    ]


def test_one_reply_is_revealed_by_its_id(answered: Desk) -> None:
    first = listed(answered, "--since", "0001-01-01")[0]
    assert listed(answered, "--id", first["reply_id"]) == [first]
    shown = (
        "replies",
        "list",
        "--id",
        first["reply_id"],
        "--reveal",
        "--reason",
        "ticket",
        "--format",
        "json",
    )
    assert len(answered.run(*shown).json) == 1
    assert listed(answered, "--id", "nobody") == []
