"""The morning after: send one message again, and stop messages to a person."""

import csv
import io
import re
from decimal import Decimal

import pytest

from carloan_notify.codes import Repeated
from tests.e2e.after import AS_OF, AT, YES, audited, one, pay
from tests.e2e.conftest import MORNING, NIGHT, Desk, Lender


def test_resend_by_message_and_again_by_loan(after: Desk) -> None:
    first = one(after, "due_today")
    done = after.run("resend", "--message", first["message_id"], *YES, "--format", "json")
    (row,) = done.json
    assert row["resend_of"] == first["message_id"]
    assert "Earlier attempts" in done.err
    # `--now` starts a clock that runs: later than `resend` can have taken.
    assert after.send("2026-11-23T10:05:00+08:00")["accepted"] == 1

    again = after.run("resend", "--loan", first["loans"], "--notice", "due_today", *YES, "--format", "csv")
    assert next(csv.DictReader(io.StringIO(again.out)))["resend_of"] == row["message_id"]
    sent = after.messages("--loan", first["loans"], "--notice", "due_today")
    assert len({message["message_id"] for message in sent}) == 3
    assert {message["reason"] for message in sent} == {"", "handset lost, ticket 4711"}
    assert after.night(AS_OF)["queued"] == 0  # a resend is not a licence to tell it again


def test_resend_twice_queues_one(after: Desk) -> None:
    first = one(after, "due_today")
    by_message = ("resend", "--message", first["message_id"], *YES, "--format", "json")
    repetition = after.run(*by_message).json[0]["message_id"]
    by_loan = ("resend", "--loan", first["loans"], "--notice", "due_today", *YES, "--format", "json")
    for again in (by_message, by_loan):  # as an operator does who saw it crash
        (row,) = after.run(*again, code=1).json
        assert row["message_id"] == ""
        assert row["refusal"] == Repeated.WAITS.english.format(message_id=repetition)
    assert len(after.messages("--notice", "due_today", "--state", "queued")) == 1
    assert after.send("2026-11-23T10:05:00+08:00")["accepted"] == 1
    assert after.run(*by_message).json[0]["message_id"]  # it is over, so once more is a wish of its own


def test_resend_asks_first(after: Desk) -> None:
    message_id = one(after, "due_today")["message_id"]
    args = ("resend", "--message", message_id, "--reason", "x", *AT)
    assert "interrupted" in after.run(*args, stdin="n\n", code=130).err
    assert len(after.messages("--notice", "due_today", "--state", "queued")) == 0
    after.run(*args, stdin="y\n")
    assert len(after.messages("--notice", "due_today", "--state", "queued")) == 1


def test_resend_is_refused_when_paid(after: Desk) -> None:
    first = one(after, "overdue_3")
    pay(after, first["loans"])
    (row,) = after.run("resend", "--message", first["message_id"], *YES, "--format", "json", code=1).json
    assert row["message_id"] == ""
    assert "has been paid" in row["refusal"]


def test_resend_is_refused_when_opted_out(after: Desk) -> None:
    first = one(after, "due_today")
    customer = f"C2{first['loans'][-4:]}"
    after.run(
        "suppress",
        "add",
        "--customer",
        customer,
        "--class",
        "service",
        "--opt-out",
        "--reason",
        "asked by phone",
    )
    (row,) = after.run("resend", "--message", first["message_id"], *YES, "--format", "json", code=1).json
    assert row["message_id"] == ""
    assert row["refusal"]


def test_resend_to_a_number_that_changed_is_refused(after: Desk) -> None:
    first = one(after, "due_today")
    loans = after.folder / "export" / "loans.csv"
    number = int(first["loans"][-4:])
    text = loans.read_text(encoding="utf-8").replace(f"{10_000_000_000 + number}", "10000009999")
    loans.write_text(text, encoding="utf-8")
    done = after.run("resend", "--message", first["message_id"], *YES, code=2)
    assert "no longer has that number; the next `run` uses the new one" in done.err


def test_resend_of_what_never_left_is_refused(planned: Desk) -> None:
    first = one(planned, "overdue_3", "queued")
    done = planned.run("resend", "--message", first["message_id"], *YES, code=1)
    assert "still waits: `send` sends it when its time has come" in done.out
    with (planned.folder / "export" / "payments.csv").open("a", encoding="utf-8") as file:
        file.write(f"P-BAD,{first['loans']},2026-11-22,one thousand\n")
    assert planned.send(MORNING, code=1)["held"] == 1  # whether it is paid can no longer be told
    assert planned.send("2026-11-23T21:30:00+08:00", code=1)["expired"] >= 1
    done = planned.run("resend", "--message", first["message_id"], *YES, code=2)
    assert "it never left and its notice is free again; the next `run` tells it" in done.err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--message", "NOBODY"), "message NOBODY: not in the ledger"),
        (("--loan", "L0", "--notice", "due_today"), "loan L0: due_today was never queued"),
        (("--loan", "L0"), "give either --message, or --loan and --notice"),
        (
            ("--message", "M", "--loan", "L0", "--notice", "n"),
            "give either --message, or --loan and --notice",
        ),
    ],
)
def test_resend_of_nothing(after: Desk, args: tuple[str, ...], said: str) -> None:
    assert said in after.run("resend", *args, *YES, code=2).err


def test_suppress_add_list_remove(after: Desk) -> None:
    loan = one(after, "due_in_7_days")["loans"]
    args = ("--customer", f"C2{loan[-4:]}", "--reason", "asked by phone")
    assert after.run("suppress", "add", "--opt-out", *args).out == "added\n"
    assert after.run("suppress", "add", "--opt-out", *args).out == "stands already\n"
    (row,) = after.run("suppress", "list", "--format", "json").json
    assert row["reason"] == "asked by phone"
    assert "C2" not in row["customer_ref"]  # kept by keyed hash only
    assert after.run("suppress", "remove", *args).out == "removed: asked by phone\n"
    assert after.run("suppress", "remove", *args, code=1).out == "there was none\n"
    assert after.run("suppress", "list", "--format", "json").json == []
    (row,) = after.run("suppress", "list", "--all", "--format", "json").json
    assert row["removed_at"]
    assert len(audited(after, "suppression.added")) == len(audited(after, "suppression.removed")) == 1


def test_a_clerks_words_are_never_a_code(lender: Lender) -> None:
    desk = Desk(lender.folder)
    desk.run(
        "suppress", "add", "--phone", "10000000001", "--reason", "deceased"
    )  # an opt-out, whatever it says
    rows = desk.run("preview", "--as-of", AS_OF, "--now", NIGHT, "--format", "json").json
    assert {row["decision"] for row in rows if row["loan_id"] == "AD2026000001"} == {"suppressed"}


def test_suppressed_number_is_told_nothing(lender: Lender) -> None:
    desk = Desk(lender.folder)  # before the first night: the ledger is made for it
    desk.run("suppress", "add", "--phone", "+86 100 0000 0001", "--opt-out", "--reason", "wrong number")
    desk.run(
        "suppress", "add", "--phone", "10000000002", "--class", "marketing", "--opt-out", "--reason", "asked"
    )
    rows = desk.run("preview", "--as-of", AS_OF, "--now", NIGHT, "--format", "json").json
    decisions = {row["loan_id"]: row["decision"] for row in rows}
    assert decisions["AD2026000001"] == "suppressed"
    assert decisions["AD2026000002"] == "queued"  # the bill is no advertisement


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "give a phone or a customer, exactly one of them"),
        (("--phone", "+8613800138000", "--customer", "C1"), "exactly one of them"),
        (("--phone", "call me"), "--phone: unknown_character; write it as"),
        (("--customer", "C1", "--class", "all"), "'all' is not one of"),
    ],
)
def test_suppress_needs_one_subject(after: Desk, args: tuple[str, ...], said: str) -> None:
    assert said in after.run("suppress", "add", "--opt-out", *args, "--reason", "x", code=2).err


def test_resend_words_anew_what_was_partly_paid(after: Desk) -> None:
    first = one(after, "due_today")
    loan_id = first["loans"]
    with (after.folder / "export" / "payments.csv").open("a", encoding="utf-8") as file:
        file.write(f"P-PART,{loan_id},{AS_OF},1.00\n")
    repeated = after.run(
        "resend", "--message", first["message_id"], "--same-words", *YES, "--format", "json", code=1
    )
    assert "no longer true" in repeated.json[0]["refusal"]
    done = after.run("resend", "--message", first["message_id"], *YES, "--format", "json")
    said = re.findall(r"应还([\d,.]+)元", done.err)
    assert len(said) == 2  # both texts are shown
    before, now = (Decimal(text.replace(",", "")) for text in said)
    assert before - now == 1
    assert done.json[0]["message_id"] in [row["message_id"] for row in after.messages("--state", "queued")]


def test_resend_repeats_the_same_words_while_they_are_true(after: Desk) -> None:
    first = one(after, "due_today")
    done = after.run("resend", "--message", first["message_id"], "--same-words", *YES, "--format", "json")
    assert done.json[0]["message_id"]
