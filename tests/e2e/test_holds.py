"""Holds: a column, a reply in Chinese or English, a file and a command decide alike, before queueing and after it."""

from typing import Any

import pytest

from carloan_notify.codes import Reason
from tests.e2e.after import audited
from tests.e2e.conftest import Desk
from tests.e2e.tiny import CONTACTS, LOANS, Loan, export, only_sms, options

KIND = {"provider": "portal", "phone": "phone", "text": "text", "time": "time", "id": "id"}
FIRST_DUE = "2026-11-20"  # three days past due on the day of these nights
COLUMN, CHINESE, ENGLISH, COMMAND, FREE = "L1", "L2", "L3", "L4", "L5"
HELD = (COLUMN, CHINESE, ENGLISH, COMMAND)


def phone(loan_id: str) -> str:
    return f"1000000001{loan_id[-1]}"


@pytest.fixture
def five(desk: Desk) -> Desk:
    """Five loans of five people, each three days past due."""
    only_sms(desk)
    desk.configure(inbound={"reply_files": {"portal": KIND}})
    desk.run("ledger", "migrate")
    lend(desk)
    return desk


def lend(desk: Desk, *, day: str = "2026-11-23", hold: str = "", until: str = "") -> None:
    """The export of a day; the first loan carries the hold."""
    loans = [Loan(name, FIRST_DUE, phone=phone(name)) for name in (*HELD, FREE)]
    export(desk, loans, day=day)
    rows = [f"{loan.row(day)},{hold if loan.loan_id == COLUMN else ''},{until}" for loan in loans]
    desk.write("loans", f"{LOANS},hold,hold_until", rows)


def hold_all(desk: Desk, words: tuple[str, str, str, str], day: str = "2026-11-23") -> None:
    """The same reason by each of the four ways: a column's word, two replies, a command's kind."""
    column, chinese, english, kind = words
    lend(desk, day=day, hold=column)
    lines = [
        f"{phone(CHINESE)},{chinese},2026-11-23T09:00:00,1",
        f"{phone(ENGLISH)},{english},2026-11-23T09:00:00,2",
    ]
    (desk.folder / "replies.csv").write_text("\n".join(["phone,text,time,id", *lines, ""]), encoding="utf-8")
    at = ("--now", "2026-11-23T09:30:00+08:00")
    desk.run("replies", "import", "replies.csv", "--kind", "portal", *at)
    desk.run("holds", "add", "--loan", COMMAND, "--kind", kind, "--reason", "ticket 4711", *at)


def decided(desk: Desk, day: str = "2026-11-23") -> dict[str, tuple[str, str]]:
    rows = desk.run("preview", "--as-of", day, "--now", f"{day}T10:00:00+08:00", "--format", "json").json
    told = [row for row in rows if row["notice"] == "overdue_3"]
    return {row["loan_id"]: (row["decision"], CODES[row["why"]]) for row in told}


CODES = {
    "": "",
    **{reason.chinese: reason.value for reason in Reason},
    **{r.english: r.value for r in Reason},
}
WAYS = [
    ("破产", "我已申请破产", "I filed for bankruptcy", "bankruptcy"),
    ("身故", "借款人已去世", "He passed away last month", "deceased"),
    ("困难", "我失业了", "I lost my job", "hardship"),
]


@pytest.mark.parametrize("words", WAYS, ids=[words[-1] for words in WAYS])
def test_every_way_to_say_it_decides_alike_before_it_is_queued(
    five: Desk, words: tuple[str, str, str, str]
) -> None:
    hold_all(five, words)
    found = decided(five)
    assert found == {**dict.fromkeys(HELD, ("held", words[-1])), FREE: ("queued", "")}


def test_every_way_to_say_it_keeps_back_what_is_queued_already(five: Desk) -> None:
    assert five.night("2026-11-23")["queued"] == 5
    hold_all(five, WAYS[0])
    figures = five.send("2026-11-23T10:00:00+08:00", code=1)
    assert (figures["accepted"], figures["held"]) == (1, 1)  # the others were cancelled at once
    states = {row["loans"]: (row["state"], row["code"]) for row in five.messages()}
    assert states[FREE][0] == "accepted"
    assert {states[name] for name in (CHINESE, ENGLISH, COMMAND)} == {("cancelled", "held_bankruptcy")}
    lend(five, day="2026-11-24", hold="破产")
    five.send("2026-11-23T21:30:00+08:00", code=1)  # its hours are over: what only waited expires
    assert {name: decided(five, "2026-11-24")[name] for name in HELD} == dict.fromkeys(
        HELD, ("held", "bankruptcy")
    )


def test_what_is_held_and_by_whom_is_told(five: Desk) -> None:
    hold_all(five, WAYS[2])
    rows = five.run("holds", "list", "--format", "json").json
    assert [(row["kind"], row["on"], row["until"], row["then"]) for row in rows] == [
        ("hardship", "phone_hash", "2026-12-06", "resumes"),
        ("hardship", "phone_hash", "2026-12-06", "resumes"),
        ("hardship", "loan_id", "2026-12-06", "resumes"),
    ]
    assert [row["set_by"] for row in rows][:2] == ["reply:hardship"] * 2
    assert "4711" in audited(five, "hold.set")[-1]
    for name, by in ((COLUMN, "tables"), (CHINESE, "reply:hardship")):
        explained = five.run("explain", name, "--as-of", "2026-11-23", "--format", "json").json
        (hold,) = explained["holds"]
        assert (hold["kind"], hold["set_by"], hold["then"], hold["holds"]) == (
            "hardship",
            by,
            "resumes",
            True,
        )
        assert five.run("holds", "show", name, "--format", "json").json[0]["kind"] == "hardship"
    assert "cannot pay" in five.run("explain", COMMAND, "--as-of", "2026-11-23").out
    assert "还款困难" in five.run("explain", COMMAND, "--as-of", "2026-11-23", "--language", "zh").out
    number = rows[-1]["hold_no"]
    assert five.run("holds", "end", str(number), "--reason", "has work again").out == "ended: hardship\n"
    assert (
        five.run("holds", "end", str(number), "--reason", "again", code=1).out
        == "there is none of that number\n"
    )
    assert decided(five)[COMMAND] == ("queued", "")


def test_after_its_last_day_the_ladder_goes_on_without_a_burst(five: Desk) -> None:
    add = ("holds", "add", "--kind", "pause", "--reason", "asked", "--now", "2026-11-23T01:00:00+08:00")
    five.run(*add, "--loan", FREE, "--until", "2026-12-04")
    told: list[tuple[str, str]] = []
    for day in ("2026-11-23", "2026-12-04", "2026-12-05", "2026-12-06"):
        told += night(five, day)
    assert told == [("2026-12-05", "overdue_15")]  # of the stages of the pause not one
    assert len(audited(five, "hold.expired")) == 1
    assert five.run("holds", "list", "--format", "json").json == []


def night(desk: Desk, day: str) -> list[tuple[str, str]]:
    export(desk, [Loan(FREE, FIRST_DUE, phone=phone(FREE))], day=day)
    found = desk.night(day, "--accept", "row_drop", "--accept", "loans_replaced", "--reason", "a test")
    assert found["status"] == "finished", found
    rows = desk.messages("--state", "queued")
    desk.send(f"{day}T10:00:00+08:00")
    return [(day, row["notice"]) for row in rows if row["loans"] == FREE]


def test_a_hold_that_needs_a_look_goes_on_and_says_so(five: Desk) -> None:
    at = ("--now", "2026-11-22T10:00:00+08:00")
    add = ("holds", "add", "--loan", FREE, "--kind", "dispute", "--until", "2026-11-22", "--reason", "x")
    five.run(*add, *at)
    found = five.night("2026-11-23")
    assert found["findings"]["hold_needs_review"] == 1
    assert decided(five)[FREE] == ("held", "in_dispute")
    assert "hold_needs_review" in five.run("explain", FREE, "--as-of", "2026-11-23").out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--kind", "pause"), "needs its last day"),
        (("--kind", "deceased", "--until", "2026-12-01"), "has no end"),
        (("--kind", "pause", "--until", "2026-11-01"), "is over"),
        (("--kind", "dispute", "--phone", "+8610000000011"), "exactly one"),
        (("--kind", "promise"), "'promise' is not one of"),
    ],
)
def test_what_makes_no_hold_says_why(five: Desk, args: tuple[str, ...], said: str) -> None:
    at = ("--now", "2026-11-23T10:00:00+08:00")
    assert said in five.run("holds", "add", "--loan", FREE, *args, "--reason", "x", *at, code=2).err


def test_a_file_of_holds_is_taken_whole_or_not_at_all(five: Desk) -> None:
    at = ("--now", "2026-11-23T10:00:00+08:00")
    path = five.folder / "holds.csv"
    path.write_text("合同号,暂缓原因,暂缓至\nL1,灾区,2026/12/31\nL2,anger,\n", encoding="gb18030")
    bad = five.run("holds", "import", "holds.csv", *at, code=1)
    assert "holds.csv:3: kind: no such one" in bad.err
    assert bad.out.startswith("held: 0")
    path.write_text("loan_id,kind,until\nL1,disaster,2026-12-31\nL2,暂停,2026-12-01\n", encoding="utf-8")
    assert five.run("holds", "import", "holds.csv", *at).out.startswith("held: 2")
    assert five.run("holds", "import", "holds.csv", *at).out.startswith("held: 0; held already: 2")
    assert decided(five)["L1"] == ("held", "disaster")
    assert decided(five)["L2"] == ("held", "paused")


def test_a_deceased_guarantor_is_spared_and_the_borrower_is_told(five: Desk) -> None:
    rules = options(five)["rules"]
    for rule in rules:
        if rule["notice"] == "overdue_3":
            rule["who"] = ["borrower", "guarantor"]
    five.configure(rules=rules)
    five.write(
        "contacts", f"{CONTACTS},hold", [f"{FREE},guarantor,保一,10000000020,zh-CN,Asia/Shanghai,身故"]
    )
    rows = five.run(
        "preview", "--as-of", "2026-11-23", "--now", "2026-11-23T10:00:00+08:00", "--format", "json"
    ).json
    told = [row for row in rows if row["loan_id"] == FREE and row["notice"] == "overdue_3"]
    mine = {row["role"]: CODES[row["why"]] for row in told}
    assert mine == {"borrower": "", "guarantor": "deceased"}


# Numbers.


def by_number(desk: Desk, **columns: str) -> dict[str, Any]:
    """What is decided about the loan `FREE` when its borrower's contact row says this."""
    names, cells = ",".join(columns), ",".join(columns.values())
    desk.write("contacts", f"{CONTACTS},{names}", [f"{FREE},borrower,,,zh-CN,Asia/Shanghai,{cells}"])
    return {"decided": decided(desk)[FREE]}


def test_one_door_for_a_number_that_is_somebody_elses(five: Desk) -> None:
    at = ("--now", "2026-11-23T09:30:00+08:00")
    lines = [
        f"{phone(CHINESE)},打错了,2026-11-23T09:00:00,1",
        f"{phone(ENGLISH)},wrong number,2026-11-23T09:00:00,2",
    ]
    (five.folder / "replies.csv").write_text("\n".join(["phone,text,time,id", *lines, ""]), encoding="utf-8")
    five.run("replies", "import", "replies.csv", "--kind", "portal", *at)
    (five.folder / "hlr.csv").write_text(
        f"手机号,检测结果,检测日期\n{phone(COLUMN)},二次放号,2026-11-23\n{phone(FREE)},实号,2026-11-23\n",
        encoding="gb18030",
    )
    done = five.run("numbers", "import", "hlr.csv", *at).out
    assert done.startswith("rows: 2; new: 2")
    to = ("--phone", f"+86{phone(COMMAND)}")
    quarantine = (
        "numbers",
        "quarantine",
        *to,
        "--status",
        "reassigned",
        "--reason",
        "a stranger answered",
        *at,
    )
    assert five.run(*quarantine).out == "reassigned\n"
    assert decided(five) == {**dict.fromkeys(HELD, ("held", "wrong_number")), FREE: ("queued", "")}
    rows = five.run("numbers", "list", "--status", "reassigned", "--format", "json").json
    assert {row["phone"] for row in rows} == {f"+86100****001{n}" for n in (1, 2, 3, 4)}
    assert five.run("numbers", "show", *to, "--format", "json").json[0]["closed"] is True
    release = ("numbers", "release", *to, "--reason", "the borrower called from it", *at)
    assert five.run(*release).out == "released\n"
    assert five.run(*release, code=1).out == "nothing stood against it\n"
    assert decided(five)[COMMAND] == ("queued", "")
    clear = five.run("numbers", "list", "--reveal", "--reason", "ticket 4711", "--format", "json").json
    assert f"+86{phone(FREE)}" in {row["phone"] for row in clear}
    assert "ticket 4711" in audited(five, "numbers.revealed")[0]
    assert "needs --reason" in five.run("numbers", "list", "--reveal", code=2).err


def test_a_dead_number_is_held_until_it_is_verified(five: Desk) -> None:
    at = ("--now", "2026-11-23T09:30:00+08:00")
    (five.folder / "hlr.csv").write_text(
        f"phone,status,date\n{phone(FREE)},空号,2026-11-20\n{phone(COLUMN)},landline,2026-11-20\n"
        f"{phone(CHINESE)},关机,2026-11-20\n{phone(ENGLISH)},携号转网,2026-11-20\n"
        f"{phone(COMMAND)},what,2026-11-20\n12,invalid,2026-11-20\n{phone(COMMAND)},invalid,2027-01-01\n",
        encoding="utf-8",
    )
    done = five.run("numbers", "import", "hlr.csv", *at, code=1)
    assert [line.split(":")[2:4] for line in done.err.splitlines()] == [
        ["6", " status"],
        ["7", " phone"],
        ["8", " date"],
    ]
    assert phone(COMMAND) not in done.err
    assert decided(five) == {
        COLUMN: ("held", "landline"),
        FREE: ("held", "number_dead"),
        **dict.fromkeys((CHINESE, ENGLISH, COMMAND), ("queued", "")),
    }
    assert by_number(five, phone_verified_on="2026-11-20")["decided"] == ("held", "number_dead")
    assert by_number(five, phone_verified_on="2026-11-21")["decided"] == ("queued", "")


@pytest.mark.parametrize(
    ("hold", "instead"),
    [("dispute", "holds add --kind dispute"), ("wrong_number", "numbers quarantine --status reassigned")],
)
def test_the_old_way_to_write_a_hold_says_the_new_one(five: Desk, hold: str, instead: str) -> None:
    said = five.run("suppress", "add", "--customer", "C1", "--hold", hold, "--reason", "x", code=2).err
    assert f"carloan-notify {instead}" in said


def test_a_hold_of_what_no_table_has_is_told(five: Desk) -> None:
    """A typing error holds nobody, and the borrower would be written to: the clerk hears of it, the hold stands."""
    five.run("run", "--as-of", "2026-11-23", "--now", "2026-11-23T05:00:00+08:00")
    base = ("--kind", "dispute", "--reason", "ticket 4711", "--now", "2026-11-23T06:00:00+08:00")
    for known in (("--loan", "L1"), ("--phone", phone("L2")), ("--customer", "L3")):
        assert five.run("holds", "add", *known, *base).err == ""
    wrong_ones = (
        ("--loan", "L11", "L11"),
        ("--phone", "13800138000", "this number"),
        ("--customer", "C9", "C9"),
    )
    for option, wrong, name in wrong_ones:
        done = five.run("holds", "add", option, wrong, *base)
        assert done.out.startswith("held until 2026-12-22")
        assert f"no table of 2026-11-23 has {name}" in done.err
    (five.folder / "export" / "loans.csv").unlink()
    done = five.run("holds", "add", "--loan", "L4", *base)
    assert done.out.startswith("held until")
    assert "nobody could look" in done.err
