"""Numbers: receipts of a batch told apart by them, and those that refuse messages."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from carloan_notify.errors import LedgerError
from carloan_notify.ledger import answers, audit, intake, outbox, receipts, stopping
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.settings import LedgerSettings
from carloan_notify.records import MessageClass, MessageState, Outcome, SendResult
from tests.integration.ledger.drafts import (
    NOW,
    PHONE,
    answer,
    claim,
    draft,
    name_of,
    on_sqlite,
    put_on_wire,
    receipt,
    state,
)
from tests.transactions import commit, look

PHONES = ["+12025550101", "+12025550102", "+12025550103"]


def batch_on_wire(ledger: Ledger) -> list[str]:
    commit(ledger, intake.enqueue, "R", [draft(i, phone=phone) for i, phone in enumerate(PHONES)], NOW)
    return put_on_wire(ledger)


def answer_batch(ledger: Ledger, ids: list[str], ref: str = "biz") -> None:
    commit(ledger, answers.record, [SendResult(i, Outcome.ACCEPTED, ref, "OK") for i in ids], "gate", NOW)


def states(ledger: Ledger) -> list[str]:
    return [state(ledger, name_of(i)) for i in range(len(PHONES))]


def test_receipts_of_one_reference_are_told_apart_by_number(ledger: Ledger) -> None:
    answer_batch(ledger, batch_on_wire(ledger))
    told = [replace(receipt("biz", delivered=phone != PHONES[1]), phone=phone) for phone in PHONES]
    assert commit(ledger, receipts.settle, told, NOW).settled == 3
    assert states(ledger) == ["delivered", "undelivered", "delivered"]
    assert commit(ledger, receipts.settle, told, NOW).repeated == 3


def test_they_may_come_before_the_answer(ledger: Ledger) -> None:
    ids = batch_on_wire(ledger)
    told = [replace(receipt("biz", delivered=phone != PHONES[1]), phone=phone) for phone in PHONES]
    assert commit(ledger, receipts.settle, told, NOW).unmatched == 3
    answer_batch(ledger, ids)
    assert states(ledger) == ["delivered", "undelivered", "delivered"]


def test_another_number_or_none_says_nothing_of_a_shared_reference(ledger: Ledger) -> None:
    answer_batch(ledger, batch_on_wire(ledger))
    settled = commit(
        ledger, receipts.settle, [replace(receipt("biz"), phone="+12025550199"), receipt("biz")], NOW
    )
    assert (settled.settled, settled.unmatched, len(settled.refused)) == (0, 1, 1)
    assert states(ledger) == ["accepted"] * 3


@on_sqlite
def test_no_number_is_kept_in_clear(ledger: Ledger, tmp_path: Path) -> None:
    answer_batch(ledger, batch_on_wire(ledger))
    commit(ledger, receipts.settle, [replace(receipt("biz"), phone=PHONES[0])], NOW)
    for file in tmp_path.rglob("*.db*"):
        assert PHONES[0][1:].encode() not in file.read_bytes()


def test_a_number_that_refuses_is_suppressed_and_what_waits_for_it_cancelled(ledger: Ledger) -> None:
    commit(ledger, intake.enqueue, "R", [draft(1), draft(2, phone=PHONES[0])], NOW)
    ids = put_on_wire(ledger)
    commit(ledger, intake.enqueue, "R", [draft(3), draft(4, phone=PHONES[0])], NOW)
    answer(ledger, name_of(1), Outcome.BLOCKED)
    answer(ledger, name_of(2), Outcome.ACCEPTED)
    assert len(ids) == 2
    assert [state(ledger, name_of(i)) for i in (1, 2, 3, 4)] == [
        MessageState.REJECTED,
        MessageState.ACCEPTED,
        MessageState.CANCELLED,
        MessageState.QUEUED,
    ]
    (row,) = look(ledger, stopping.table).to_dict("records")
    assert (row["phone_hash"], row["message_class"]) == (ledger.cipher.phone_hash(PHONE), "")
    assert (row["source"], row["reason"]) == ("provider:gate", "c1")
    told = look(ledger, audit.show, kind="message.cancelled")
    assert "suppressed" in told["data"].iloc[0]


def test_a_receipt_may_say_so_too_and_only_once(ledger: Ledger) -> None:
    answer_batch(ledger, batch_on_wire(ledger))
    refused = replace(receipt("biz", delivered=False), phone=PHONES[2], blocked=True, code="MBBLACK")
    commit(ledger, receipts.settle, [refused], NOW)
    commit(ledger, receipts.settle, [replace(refused, occurred_at=NOW)], NOW)
    (row,) = look(ledger, stopping.table).to_dict("records")
    assert (row["phone_hash"], row["reason"]) == (ledger.cipher.phone_hash(PHONES[2]), "MBBLACK")
    assert states(ledger) == ["accepted", "accepted", "undelivered"]


def test_a_suppression_of_one_class_cancels_only_that_class(ledger: Ledger) -> None:
    commit(ledger, intake.enqueue, "R", [draft(1), draft(2, message_class=MessageClass.COLLECTION)], NOW)
    subject = look(ledger, stopping.subject_of, phone=PHONE, message_class=MessageClass.COLLECTION)
    assert commit(ledger, stopping.stop, subject, "reply:opt_out", "opt_out", NOW).cancelled == (name_of(2),)
    assert [state(ledger, name_of(i)) for i in (1, 2)] == ["queued", "cancelled"]


def test_an_opt_out_behind_a_blacklist_stays_when_that_ends(ledger: Ledger) -> None:
    subject = look(ledger, stopping.subject_of, phone=PHONE)
    assert commit(ledger, stopping.stop, subject, "provider:gate", "MBBLACK", NOW).fresh
    assert commit(ledger, stopping.stop, subject, "reply:opt_out", "opt_out", NOW).fresh
    with pytest.raises(LedgerError, match=r"'MBBLACK', 'opt_out'.*--was"):
        commit(ledger, stopping.remove, subject, "kim", "it was him", NOW)
    assert commit(ledger, stopping.remove, subject, "kim", "it was him", NOW, was="nothing") is None
    assert commit(ledger, stopping.remove, subject, "kim", "it was him", NOW, was="MBBLACK") == "MBBLACK"
    assert list(look(ledger, stopping.table)["reason"]) == ["opt_out"]
    (told,) = look(ledger, audit.show, kind="suppression.removed")["data"]
    assert "MBBLACK" in str(told)


def test_what_was_refused_while_the_night_was_planned_is_cancelled_as_it_is_queued(ledger: Ledger) -> None:
    commit(
        ledger,
        stopping.stop,
        look(ledger, stopping.subject_of, phone=PHONE, message_class=MessageClass.COLLECTION),
        "reply",
        "opt_out",
        NOW,
    )
    commit(
        ledger, stopping.stop, look(ledger, stopping.subject_of, customer_id="C3"), "operator", "opt_out", NOW
    )
    ended = look(ledger, stopping.subject_of, customer_id="C4")
    commit(ledger, stopping.stop, ended, "operator", "opt_out", NOW)
    commit(ledger, stopping.remove, ended, "kim", "settled", NOW)
    drafts = [
        draft(1, message_class=MessageClass.COLLECTION),
        draft(2),
        draft(3, phone=PHONES[0]),
        draft(4, phone=PHONES[0]),
    ]
    assert commit(ledger, intake.enqueue, "R", drafts, NOW).queued == 4
    assert [state(ledger, name_of(i)) for i in (1, 2, 3, 4)] == ["cancelled", "queued", "cancelled", "queued"]


@on_sqlite
def test_twice_as_many_receipts_take_no_more_than_twice_the_statements(ledger: Ledger) -> None:
    commit(ledger, intake.enqueue, "R", [draft(i, phone=PHONES[0]) for i in range(900)], NOW)
    ids = [message.message_id for message in claim(ledger, limit=900)]
    commit(ledger, outbox.begin, ids, "gate", NOW, owner="one", lease_s=60)
    commit(ledger, answers.record, [SendResult(i, Outcome.ACCEPTED, f"r{i}", "OK") for i in ids], "gate", NOW)
    executed: list[str] = []
    sa.event.listen(ledger.store.engine, "before_cursor_execute", lambda *call: executed.append(call[2]))
    assert commit(ledger, receipts.settle, [receipt(f"r{i}") for i in ids[:300]], NOW).settled == 300
    first = len(executed)
    assert commit(ledger, receipts.settle, [receipt(f"r{i}") for i in ids[300:]], NOW).settled == 600
    assert len(executed) - first <= 2 * first


def test_writers_that_suppress_and_senders_do_not_lock_each_other_out(
    settings: LedgerSettings, tmp_path: Path
) -> None:
    with Ledger.open(settings, tmp_path, create=True, now=NOW) as ledger:
        commit(ledger, intake.enqueue, "R", [draft(i, phone=PHONES[i % 3]) for i in range(240)], NOW)
        wired = [message.message_id for message in claim(ledger, limit=60)]
        commit(ledger, outbox.begin, wired, "gate", NOW, owner="one", lease_s=60)

    def answer_them(part: list[str]) -> None:
        with Ledger.open(settings, tmp_path) as mine:
            for name in part:
                commit(mine, answers.record, [SendResult(name, Outcome.BLOCKED, "", "MBBLACK")], "gate", NOW)

    def send(owner: str) -> None:
        with Ledger.open(settings, tmp_path) as mine:
            while got := [m.message_id for m in claim(mine, owner=owner, limit=7)]:
                commit(mine, outbox.begin, got, "gate", NOW, owner=owner, lease_s=60)
                commit(
                    mine, answers.record, [SendResult(i, Outcome.ACCEPTED, i, "OK") for i in got], "gate", NOW
                )

    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(answer_them, wired[::2]), pool.submit(answer_them, wired[1::2])]
        jobs += [pool.submit(send, "two"), pool.submit(send, "three")]
        for job in jobs:
            job.result(timeout=60)
    with Ledger.open(settings, tmp_path) as ledger:
        counts = look(ledger, outbox.counts, "R")
        assert counts.pop(MessageState.REJECTED) == 60
        assert set(counts) <= {MessageState.ACCEPTED, MessageState.CANCELLED}
        assert sum(counts.values()) == 180
        assert len(look(ledger, stopping.table)) == 3
