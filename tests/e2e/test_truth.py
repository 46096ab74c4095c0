"""Nothing untrue is said, on whatever day it is said."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import pytest

from carloan_notify.app import build_app
from carloan_notify.codes import Reason
from carloan_notify.ledger import receipts
from carloan_notify.records import Receipt
from tests.e2e.conftest import MORNING, Desk
from tests.e2e.tiny import AS_OF, PAYMENTS, Loan, export, october, only_sms, options, preview, texts
from tests.transactions import commit


def test_a_bill_for_several_accounts_names_none(desk: Desk) -> None:
    loans = [
        Loan("L-A-0001", "2026-11-23", customer_id="C1"),
        Loan("L-B-0002", "2026-11-23", 2400, customer_id="C1", account_tail="2222"),
    ]
    export(desk, loans)
    (text,) = texts(preview(desk))
    assert "300.00" in text
    assert not any(part in text for part in ("1111", "2222", "https://"))


def test_a_bill_for_several_loans_names_the_account_they_share(desk: Desk) -> None:
    export(desk, [Loan(name, "2026-11-23", customer_id="C1") for name in ("L-A-0001", "L-B-0002")])
    (text,) = texts(preview(desk))
    assert "200.00" in text
    assert "1111" in text


def test_what_leaves_tomorrow_counts_from_tomorrow(desk: Desk) -> None:
    only_sms(desk)
    export(desk, [Loan("L1", "2026-11-20"), Loan("L2", "2026-11-30", phone="10000000002")])
    rows = [row for row in preview(desk, now="2026-11-23T21:30:00+08:00") if row["text"]]
    assert [row["not_before"][:10] for row in rows] == ["2026-11-24"] * 2
    assert "逾期4天" in rows[0]["text"]
    assert "还有6天" in rows[1]["text"]


def test_an_installment_that_falls_due_meanwhile_is_in_the_sum(desk: Desk) -> None:
    """Overdue since October; the November installment of the 23rd is overdue when the message is read."""
    only_sms(desk)
    desk.configure(rules=[{"notice": "overdue_30", "when": {"days_past_due": 31}, "class": "collection"}])
    export(desk, [Loan("L1", "2026-10-23")])
    (tonight,) = texts(preview(desk))
    (tomorrow,) = texts(preview(desk, now="2026-11-23T21:30:00+08:00"))
    assert "100.00" in tonight
    assert "200.00" in tomorrow


@pytest.mark.parametrize(
    ("as_of", "today", "said"),
    [
        ("2026-11-23", "2026-12-03", "10 days back"),
        ("2026-11-23", "2026-11-25", "2 days back"),
        ("2026-11-24", "2026-11-23", "1 day ahead"),
        ("2027-11-23", "2026-11-23", "365 days ahead"),
    ],
)
def test_a_business_date_far_from_today_stops(desk: Desk, as_of: str, today: str, said: str) -> None:
    export(desk, [Loan("L1", "2026-11-20")], day=as_of)
    now = f"{today}T09:10:00+08:00"
    done = desk.run("run", "--as-of", as_of, "--now", now, "--format", "json", code=5)
    assert "business_date" in done.json["guards_tripped"]
    assert done.json["accepted"] == 0
    assert said in done.err
    assert f"--as-of {today}" in done.err


def test_last_night_made_up_for_tells_what_is_true_today(desk: Desk) -> None:
    """Due yesterday: over. Seven days ahead: six. Past due: a day more, and who paid today hears nothing."""
    only_sms(desk)
    loans = [
        Loan("DUE", "2026-11-22"),
        Loan("AHEAD", "2026-11-29", phone="10000000002"),
        Loan("LATE", "2026-11-19", phone="10000000003"),
        Loan("PAID", "2026-11-19", phone="10000000004"),
    ]
    export(desk, loans, [f"P1,PAID,{AS_OF},100.00"], day="2026-11-22")
    rows = preview(desk, as_of="2026-11-22")
    said = {row["loan_id"]: row["text"] for row in rows if row["text"]}
    assert sorted(said) == ["AHEAD", "LATE"]
    assert "还有6天" in said["AHEAD"]
    assert "逾期4天" in said["LATE"]
    held = {row["loan_id"]: row["why"] for row in rows if not row["text"] and row["notice"] != "overdue_1"}
    assert held == {"DUE": Reason.TOO_LATE.english, "PAID": Reason.NO_LONGER_TRUE.english}


OVERDUE_3: Final[dict[str, Any]] = {
    "notice": "overdue_3",
    "when": {"days_past_due": 3},
    "class": "collection",
}


def test_last_night_made_up_for_after_tonight_ends_nothing_of_tonight(desk: Desk) -> None:
    desk.configure(rules=[OVERDUE_3])
    export(desk, [Loan("L1", "2026-11-20")])
    assert desk.night(AS_OF)["queued"] == 1  # three days past due tonight, two by the night that is made up
    desk.night("2026-11-22", "--now", f"{AS_OF}T03:00:00+08:00")
    assert desk.send(MORNING)["accepted"] == 1


def test_the_tables_of_the_newest_night_decide_what_leaves(desk: Desk) -> None:
    """Files are dated; what was paid today stands in today's alone, and the night made up for reads yesterday's."""
    sources = options(desk)["sources"]
    desk.configure(rules=[OVERDUE_3], sources=sources | {"payments": {"path": "export/payments-{as_of}.csv"}})
    export(desk, [Loan("L1", "2026-11-20")])
    desk.write("payments-2026-11-22", PAYMENTS)
    desk.write("payments-2026-11-23", PAYMENTS, [f"P1,L1,{AS_OF},60"])
    assert desk.night(AS_OF)["queued"] == 1
    desk.night("2026-11-22", "--now", f"{AS_OF}T03:00:00+08:00")
    assert desk.send(MORNING)["accepted"] == 1
    assert "40.00" in sent_text(desk, "L1")


def test_a_payment_of_a_day_to_come_holds_collection_for_its_loan_alone(desk: Desk) -> None:
    only_sms(desk)
    loans = [Loan("L1", "2026-11-20"), Loan("L2", "2026-11-20", phone="10000000002")]
    export(desk, loans, ["P1,L1,2062-11-20,100.00"])
    rows = {row["loan_id"]: row for row in preview(desk) if row["notice"] == "overdue_3"}
    assert (rows["L1"]["decision"], rows["L1"]["why"]) == ("held", Reason.PAYMENT_AHEAD.english)
    assert rows["L2"]["decision"] == "queued"
    told = desk.run("explain", "L1", "--as-of", AS_OF, "--now", f"{AS_OF}T10:00:00+08:00", "--language", "zh")
    assert "还款日期晚于今日" in told.out


def guaranteed(desk: Desk, notice: str, *roles: str) -> None:
    """Let a notice go to other parties."""
    rules = options(desk)["rules"]
    desk.configure(
        rules=[rule | {"who": list(roles)} if rule["notice"] == notice else rule for rule in rules]
    )


def test_a_couple_with_one_number_hears_of_one_debt_once(desk: Desk) -> None:
    only_sms(desk)
    guaranteed(desk, "overdue_3", "borrower", "co_borrower")
    export(
        desk,
        [Loan("L1", "2026-11-20", customer_id="C1")],
        contacts=["C1,co_borrower,李二,10000000001,zh-CN,"],
    )
    rows = [row for row in preview(desk) if row["notice"] == "overdue_3"]
    assert {row["role"]: row["decision"] for row in rows} == {
        "borrower": "queued",
        "co_borrower": "suppressed",
    }
    assert Reason.SAME_NUMBER.english in [row["why"] for row in rows]


def test_a_couple_hears_once_also_where_each_has_a_rule_of_its_own(desk: Desk) -> None:
    desk.configure(rules=[OVERDUE_3, OVERDUE_3 | {"who": ["co_borrower"]}])
    export(
        desk,
        [Loan("L1", "2026-11-20", customer_id="C1")],
        contacts=["C1,co_borrower,李二,10000000001,zh-CN,"],
    )
    assert len(texts(preview(desk))) == 1


def test_a_couple_hears_once_also_when_the_second_joins_the_next_day(desk: Desk) -> None:
    only_sms(desk)
    guaranteed(desk, "overdue_3", "borrower", "co_borrower")
    loans = [Loan("L1", "2026-11-20", customer_id="C1")]
    export(desk, loans)
    desk.night(AS_OF, at="10:00")
    export(desk, loans, contacts=["C1,co_borrower,李二,10000000001,zh-CN,"], day="2026-11-24")
    assert texts(preview(desk, "2026-11-24", "2026-11-24T10:00:00+08:00")) == []


@pytest.mark.parametrize(
    ("contacts", "told"),
    [
        (["C1,guarantor,丁二,10000000008,zh-CN,", "C1,guarantor,王五,10000000009,zh-CN,"], ["0008"]),
        (["C1,guarantor,王武,10000000009,zh-CN,"], []),  # renamed
        (["C1,guarantor,王五,10000000007,zh-CN,"], []),  # a new number
        (["C1,guarantor,丁二,10000000008,zh-CN,"], ["0008"]),  # replaced
    ],
)
def test_a_guarantor_who_was_told_is_not_told_again(desk: Desk, contacts: list[str], told: list[str]) -> None:
    only_sms(desk)
    guaranteed(desk, "overdue_3", "guarantor")
    loans = [Loan("L1", "2026-11-20", customer_id="C1")]
    export(desk, loans, contacts=["C1,guarantor,王五,10000000009,zh-CN,"])
    desk.night(AS_OF, at="10:00")
    export(desk, loans, contacts=contacts, day="2026-11-24")
    rows = preview(desk, "2026-11-24", "2026-11-24T10:00:00+08:00")
    assert [row["phone"][-4:] for row in rows if row["text"] and row["notice"] == "overdue_3"] == told


def queued_at_night(desk: Desk, loans: Sequence[Loan], payments: Sequence[str] = ()) -> None:
    only_sms(desk)
    export(desk, loans, payments)
    desk.night(AS_OF)


def sent_text(desk: Desk, loan_id: str) -> str:
    """The stored text of the one message that left about a loan."""
    rows = desk.run("ledger", "messages", "--reveal", "--reason", "check", "--format", "json").json
    (text,) = [row["text"] for row in rows if loan_id in row["loans"] and row["state"] == "accepted"]
    return str(text)


def test_who_paid_a_part_is_asked_for_the_rest(desk: Desk) -> None:
    queued_at_night(desk, [Loan("L1", "2026-11-20")])
    export(desk, [Loan("L1", "2026-11-20")], [f"P1,L1,{AS_OF},60"])
    assert desk.send(MORNING)["accepted"] == 1
    text = sent_text(desk, "L1")
    assert "40.00" in text
    assert "100.00" not in text
    assert "message.reworded" in desk.run("audit", "show", "--format", "json").out


def test_of_two_merged_loans_the_one_that_is_owed_is_told_today(desk: Desk) -> None:
    loans = [Loan(name, AS_OF, customer_id="C1") for name in ("L-A-0001", "L-B-0002")]
    queued_at_night(desk, loans)
    export(desk, loans, [f"P1,L-A-0001,{AS_OF},100"])
    figures = desk.send(MORNING)
    assert (figures["accepted"], figures["cancelled"]) == (1, 0)
    text = sent_text(desk, "L-B-0002")
    assert "100.00" in text
    assert "0002" in text
    assert "2笔" not in text


def test_a_half_written_export_holds_and_cancels_nothing(desk: Desk) -> None:
    loans = [Loan(f"L{n}", "2026-10-20", phone=f"100000000{n}") for n in range(10, 40)]
    queued_at_night(desk, loans, october(loans))
    export(desk, loans[:15], october(loans[:15]))
    figures = desk.send(MORNING, code=1)
    assert (figures["accepted"], figures["cancelled"], figures["held"]) == (0, 0, 30)
    export(desk, loans, [*october(loans), f"P1,L10,{AS_OF},100"])
    figures = desk.send("2026-11-23T10:05:00+08:00")
    assert (figures["accepted"], figures["cancelled"], figures["held"]) == (29, 1, 0)


def test_a_header_alone_stops_the_sending_and_ends_nothing(desk: Desk) -> None:
    loans = [Loan(f"L{n}", "2026-11-20", phone=f"100000000{n}") for n in range(10, 13)]
    queued_at_night(desk, loans)
    export(desk, [])
    assert "has no row at all" in desk.run("send", "--now", MORNING, code=2).err
    export(desk, loans)
    assert desk.send("2026-11-23T10:05:00+08:00")["accepted"] == 3


def test_payments_that_became_a_header_hold(desk: Desk) -> None:
    loans = [Loan("L1", "2026-11-20"), Loan("L2", "2026-11-20", phone="10000000002")]
    queued_at_night(desk, loans, ["P1,L1,2026-11-20,50"])
    export(desk, loans)
    assert desk.send(MORNING, code=1)["held"] == 2


def test_what_a_cap_held_to_its_last_night_is_given_up_and_said_so(desk: Desk) -> None:
    """A cap of nothing holds every call; the night after next is the last, or comes too late."""
    only_sms(desk)
    policy = options(desk)["policy"]
    desk.configure(policy=policy | {"caps": [{"per": "number", "channel": "sms", "limit": 0}]})
    loans = [Loan("L1", "2026-11-20"), Loan("L2", "2026-11-22", phone="10000000002")]
    export(desk, loans)
    first = desk.night("2026-11-23")
    assert first["reasons"]["held:over_cap"] == 2  # overdue_3 of L1, overdue_1 of L2
    export(desk, loans, day="2026-11-26")
    later = desk.night("2026-11-26")
    assert later["reasons"]["suppressed:expired_over_cap"] == 2  # both; overdue_3 of L2 is new and waits
    assert later["reasons"]["held:over_cap"] == 1
    at = ("--as-of", "2026-11-25", "--now", "2026-11-25T02:00:00+08:00")
    explained = desk.run("explain", "L1", *at, "--language", "zh")
    assert Reason.EXPIRED.chinese[:8] in "".join(explained.out.split())
    exported = desk.run("explain", "L1", *at, "--format", "json")
    assert any(Reason.EXPIRED.english in row["why"] for row in exported.json["tonight"])


def test_what_tonight_held_ends_also_where_last_night_was_made_up_for_afterwards(desk: Desk) -> None:
    desk.configure(rules=[OVERDUE_3])
    loans, ahead = [Loan("L1", "2026-11-20")], ["P1,L1,2062-11-20,100.00"]
    export(desk, loans, ahead)
    assert desk.night(AS_OF)["reasons"] == {"held:payment_ahead": 1}
    desk.night("2026-11-22", "--now", f"{AS_OF}T03:00:00+08:00")
    export(desk, loans, ahead, day="2026-11-26")
    assert desk.night("2026-11-26")["reasons"] == {"suppressed:expired_payment_ahead": 1}


def test_a_payment_that_is_taken_back_is_told_of_again(desk: Desk) -> None:
    """Nobody was told while it counted as paid, so the next night tells it."""
    queued_at_night(desk, [Loan("L1", "2026-11-20")])
    export(desk, [Loan("L1", "2026-11-20")], [f"P1,L1,{AS_OF},100"])
    assert desk.send(MORNING)["cancelled"] == 1
    export(
        desk, [Loan("L1", "2026-11-20")], [f"P1,L1,{AS_OF},100", "P2,L1,2026-11-24,-100"], day="2026-11-24"
    )
    rows = preview(desk, "2026-11-24", "2026-11-24T10:00:00+08:00")
    assert [row["decision"] for row in rows if row["notice"] == "overdue_3"] == ["queued"]


def test_a_text_follows_its_call_and_not_where_it_was_answered(desk: Desk) -> None:
    """L1 answers, L2 does not: only L2 hears more, and after the call."""
    loans = [Loan("L1", "2026-11-22"), Loan("L2", "2026-11-22", phone="10000000002")]
    export(desk, loans)
    desk.night(AS_OF)
    assert desk.send("2026-11-23T08:30:00+08:00")["accepted"] == 0  # texts may go from 8, calls from 9
    assert desk.send("2026-11-23T09:05:00+08:00")["accepted"] == 2  # the calls
    (call,) = [row for row in desk.messages("--loan", "L1") if row["channel"] == "voice"]
    app = build_app(desk.folder / "config.yaml", datetime.fromisoformat("2026-11-23T09:10:00+08:00"))
    answered = Receipt("console", "", call["message_id"], True, "ok", "answered", app.clock())  # noqa: FBT003 - delivered
    with app.open_ledger() as ledger:
        commit(ledger, receipts.settle, [answered], app.clock())
    figures = desk.send("2026-11-23T10:10:00+08:00")
    assert (figures["accepted"], figures["cancelled"]) == (1, 1)
    states = {(row["loans"], row["channel"]): (row["state"], row["code"]) for row in desk.messages()}
    assert states["L1", "sms"] == ("cancelled", "answered")
    assert states["L2", "sms"][0] == "accepted"
