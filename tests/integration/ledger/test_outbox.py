"""The outbox on both databases: what waits, what is leased, what was on the wire."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from carloan_notify.errors import LedgerError
from carloan_notify.ledger import (
    answers,
    audit,
    intake,
    notices,
    outbox,
    receipts,
    rewording,
    stopping,
    unknowns,
    views,
)
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.outbox import Recovered
from carloan_notify.ledger.unknowns import Verdict
from carloan_notify.records import Channel, MessageState, Outcome, Rendered, SendResult
from tests.integration.ledger.drafts import (
    NAME,
    NOW,
    PHONE,
    TEXT,
    answer,
    claim,
    draft,
    name_of,
    on_sqlite,
    put_on_wire,
    receipt,
    shown_of,
    state,
)
from tests.transactions import commit, look


def test_a_draft_comes_out_as_it_went_in(ledger: Ledger) -> None:
    assert commit(ledger, intake.enqueue, "R1", [draft(1)], NOW).queued == 1
    (message,) = claim(ledger)
    assert (message.phone, message.text, dict(message.params)) == (PHONE, TEXT, {"name": NAME})
    assert (message.message_id, message.channel, message.attempts) == (name_of(1), Channel.SMS, 0)
    assert claim(ledger, owner="two") == []


def test_a_key_is_taken_once_and_a_merged_message_stays_whole(ledger: Ledger) -> None:
    commit(ledger, intake.enqueue, "R1", [draft(1, loans=("A",))], NOW)
    result = commit(
        ledger,
        intake.enqueue,
        "R2",
        [draft(2, loans=("B", "A")), draft(3, loans=("D",)), draft(4, loans=("D",))],
        NOW,
    )
    assert result.queued == 1
    assert result.already == ("key-A", "key-D")
    assert result.left_out == ("key-B",)
    assert look(ledger, notices.known, ["key-A", "key-B", "key-D"]) == {"key-A", "key-D"}


def test_many_drafts_go_in_several_transactions(
    sqlite_ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "DRAFTS_PER_TRANSACTION", 1_000)
    parts = intake.in_chunks(draft(n) for n in range(2_100))
    queued = [commit(sqlite_ledger, intake.enqueue, "R1", part, NOW).queued for part in parts]
    assert queued == [1_000, 1_000, 100]
    assert look(sqlite_ledger, outbox.counts, "R1") == {MessageState.QUEUED: 2_100}
    assert look(sqlite_ledger, outbox.pending) == 2_100


@on_sqlite
def test_nothing_leaves_early_late_or_on_another_channel(ledger: Ledger) -> None:
    later = NOW + timedelta(hours=6)
    drafts = [draft(1, not_before=later), draft(2, expires_at=NOW), draft(3, channel=Channel.VOICE), draft(4)]
    commit(ledger, intake.enqueue, "R1", drafts, NOW)
    sms = commit(ledger, outbox.claim, channels=[Channel.SMS], limit=9, owner="one", now=NOW, lease_s=60)
    assert [message.message_id for message in sms] == [name_of(4)]
    assert look(ledger, outbox.next_due, NOW) == NOW
    assert [m.message_id for m in claim(ledger)] == [name_of(3)]
    assert look(ledger, outbox.next_due, NOW) == later
    assert look(ledger, outbox.next_due, NOW + timedelta(days=2)) is None


@on_sqlite
def test_the_longest_due_goes_first_over_all_channels(ledger: Ledger) -> None:
    earlier = NOW - timedelta(minutes=1)
    commit(
        ledger,
        intake.enqueue,
        "R1",
        [draft(1), draft(2, channel=Channel.VOICE, not_before=earlier), draft(3)],
        NOW,
    )
    assert [m.message_id for m in claim(ledger, limit=2)] == [name_of(2), name_of(1)]


@on_sqlite
def test_only_the_owner_may_begin_and_only_what_is_still_claimed(ledger: Ledger) -> None:
    commit(ledger, intake.enqueue, "R1", [draft(1), draft(2)], NOW)
    ids = [message.message_id for message in claim(ledger)]
    assert commit(ledger, outbox.begin, ids, "gate", NOW, owner="two", lease_s=60) == []
    commit(ledger, outbox.cancel, ids[:1], "paid", NOW)
    assert (
        commit(ledger, outbox.begin, [*reversed(ids), ids[1]], "gate", NOW, owner="one", lease_s=60)
        == ids[1:]
    )


def test_what_expired_since_it_was_claimed_never_leaves(ledger: Ledger) -> None:
    soon = NOW + timedelta(seconds=10)
    commit(
        ledger, intake.enqueue, "R1", [draft(1, expires_at=soon), draft(2), draft(3, expires_at=soon)], NOW
    )
    ids = [message.message_id for message in claim(ledger)]
    begun = commit(ledger, outbox.begin, ids, "gate", soon, owner="one", lease_s=60)
    assert begun == [name_of(2)]
    assert claim(ledger, now=soon) == []
    assert commit(ledger, outbox.expire, soon) == 2
    assert look(ledger, outbox.counts, "R1") == {MessageState.SENDING: 1, MessageState.EXPIRED: 2}
    assert look(ledger, notices.known, ["key-L1", "key-L2", "key-L3"]) == {"key-L2"}
    assert list(look(ledger, audit.show, mentions=name_of(1))["kind"])[-2:] == [
        "message.released",
        "message.expired",
    ]


def test_answers_of_many_kinds_are_written_together(ledger: Ledger) -> None:
    commit(ledger, intake.enqueue, "R1", [draft(n) for n in range(5)], NOW)
    ids = put_on_wire(ledger)
    results = [
        SendResult(ids[0], Outcome.ACCEPTED, "r0", "0"),
        SendResult(ids[1], Outcome.ACCEPTED, "r'1", "queued"),
        SendResult(ids[2], Outcome.ACCEPTED, "", "0"),
        SendResult(ids[3], Outcome.REJECTED, "", "dead"),
        SendResult(ids[4], Outcome.ACCEPTED, "r4", "0", "a word"),
    ]
    commit(ledger, answers.record, results, "gate", NOW)
    columns = ["state", "provider", "provider_ref", "code", "detail"]
    shown = [shown_of(ledger, message_id) for message_id in ids]
    assert [tuple(one[name] for name in columns) for one in shown] == [
        ("accepted", "gate", "r0", "0", ""),
        ("accepted", "gate", "r'1", "queued", ""),
        ("accepted", "gate", "", "0", ""),
        ("rejected", "gate", "", "dead", ""),
        ("accepted", "gate", "r4", "0", "a word"),
    ]
    told = look(ledger, audit.show, kind="message.accepted")["data"].map(json.loads)
    assert sorted(name for data in told for name, _ in data["messages"]) == [*ids[:3], ids[4]]


@pytest.mark.parametrize(
    ("outcome", "after"),
    [
        (Outcome.ACCEPTED, MessageState.ACCEPTED),
        (Outcome.REJECTED, MessageState.REJECTED),
        (Outcome.RETRYABLE, MessageState.RETRYABLE),
        (Outcome.THROTTLED, MessageState.RETRYABLE),
        (Outcome.ACCOUNT, MessageState.RETRYABLE),
        (Outcome.UNKNOWN, MessageState.UNKNOWN),
    ],
)
def test_an_answer_moves_the_message(sqlite_ledger: Ledger, outcome: Outcome, after: MessageState) -> None:
    commit(sqlite_ledger, intake.enqueue, "R1", [draft(1)], NOW)
    (message_id,) = put_on_wire(sqlite_ledger)
    answer(sqlite_ledger, message_id, outcome, "ref")
    assert look(sqlite_ledger, outbox.counts, "R1") == {after: 1}
    assert claim(sqlite_ledger) == [] or after is MessageState.RETRYABLE


@on_sqlite
def test_a_retry_waits_for_its_time_and_counts_attempts(ledger: Ledger) -> None:
    commit(ledger, intake.enqueue, "R1", [draft(1)], NOW)
    (message_id,) = put_on_wire(ledger)
    later = NOW + timedelta(minutes=10)
    results = [SendResult(message_id, Outcome.RETRYABLE, code="busy", detail="call 13800138000")]
    commit(ledger, answers.record, results, "gate", NOW, {message_id: later})
    assert claim(ledger) == []
    (message,) = claim(ledger, now=later)
    assert message.attempts == 1
    shown = look(ledger, views.message, message_id)
    assert shown is not None
    assert shown["detail"] == "call 138****8000"


@on_sqlite
def test_released_messages_wait_again_without_an_attempt(ledger: Ledger) -> None:
    commit(ledger, intake.enqueue, "R1", [draft(1), draft(2)], NOW)
    ids = [message.message_id for message in claim(ledger)]
    commit(ledger, outbox.begin, ids[:1], "gate", NOW, owner="one", lease_s=60)
    commit(ledger, outbox.release, ids, NOW)
    assert state(ledger, ids[0]) == MessageState.SENDING
    assert [(m.message_id, m.attempts) for m in claim(ledger, owner="two")] == [(ids[1], 0)]


def test_after_a_crash_only_what_was_on_the_wire_is_unknown(ledger: Ledger) -> None:
    commit(ledger, intake.enqueue, "R1", [draft(n) for n in range(3)], NOW)
    claim(ledger, limit=1)
    ids = [m.message_id for m in claim(ledger, limit=1)]
    commit(ledger, outbox.begin, ids, "gate", NOW, owner="one", lease_s=60)
    recovered = commit(ledger, outbox.recover, NOW + timedelta(seconds=59))
    assert (recovered.requeued, recovered.unknown) == (0, 0)
    recovered = commit(ledger, outbox.recover, NOW + timedelta(seconds=60))
    assert (recovered.requeued, recovered.unknown) == (1, 1)
    assert look(ledger, outbox.counts, "R1") == {MessageState.QUEUED: 2, MessageState.UNKNOWN: 1}
    (doubtful,) = look(ledger, unknowns.waiting, provider="gate")
    assert (doubtful.message_id, doubtful.phone, doubtful.sent_at) == (ids[0], PHONE, NOW)
    assert look(ledger, unknowns.waiting, provider="other") == []


@on_sqlite
def test_an_answer_after_the_lease_lapsed_still_counts(ledger: Ledger) -> None:
    commit(ledger, intake.enqueue, "R1", [draft(1)], NOW)
    (message_id,) = put_on_wire(ledger)
    commit(ledger, outbox.recover, NOW + timedelta(hours=1))
    answer(ledger, message_id, Outcome.ACCEPTED, "ref")
    assert state(ledger, message_id) == MessageState.ACCEPTED


def test_expired_messages_free_their_keys(ledger: Ledger) -> None:
    commit(ledger, intake.enqueue, "R1", [draft(1), draft(2, expires_at=NOW + timedelta(days=2))], NOW)
    assert commit(ledger, outbox.expire, NOW + timedelta(hours=12)) == 1
    assert state(ledger, name_of(1)) == MessageState.EXPIRED
    assert look(ledger, notices.known, ["key-L1", "key-L2"]) == {"key-L2"}
    assert commit(ledger, intake.enqueue, "R2", [draft(3, loans=("L1",))], NOW).queued == 1
    of_loan = views.MessageFilter(loan_id="L1")
    assert list(look(ledger, views.messages, of_loan)["message_id"]) == [
        name_of(3),
        name_of(1),
    ]


@on_sqlite
def test_a_retry_too_late_for_its_message_expires(ledger: Ledger) -> None:
    commit(ledger, intake.enqueue, "R1", [draft(1)], NOW)
    (message_id,) = put_on_wire(ledger)
    commit(
        ledger,
        answers.record,
        [SendResult(message_id, Outcome.RETRYABLE)],
        "gate",
        NOW,
        {message_id: NOW + timedelta(days=1)},
    )
    assert commit(ledger, outbox.expire, NOW) == 1


def test_what_is_paid_is_cancelled_and_the_loans_that_owe_are_told_later(ledger: Ledger) -> None:
    commit(
        ledger, intake.enqueue, "R1", [draft(1, loans=("A", "B")), draft(2, until_paid=False), draft(3)], NOW
    )
    waiting = look(ledger, views.waiting)
    assert [(m.message_id, [c.loan_id for c in m.covers], m.until_paid) for m in waiting] == [
        (name_of(1), ["A", "B"], True),
        (name_of(2), ["L2"], False),
        (name_of(3), ["L3"], True),
    ]
    assert waiting[0].covers[0] == draft(1, loans=("A", "B")).covers[0]
    assert [m.message_id for m in look(ledger, views.waiting, [name_of(2), name_of(3)])] == [
        name_of(2),
        name_of(3),
    ]
    assert look(ledger, views.of_other_runs, "R1") == []
    assert look(ledger, views.of_other_runs, "R2") == [name_of(1), name_of(2), name_of(3)]
    claim(ledger)
    assert commit(ledger, outbox.cancel, [name_of(1)], "paid", NOW, release_keys=["key-B", "key-L3"]) == [
        name_of(1)
    ]
    assert look(ledger, notices.known, ["key-A", "key-B", "key-L3"]) == {"key-A", "key-L3"}
    assert commit(ledger, outbox.cancel, [name_of(1)], "paid", NOW) == []


def test_what_is_held_waits_a_while_and_says_why(ledger: Ledger) -> None:
    commit(ledger, intake.enqueue, "R1", [draft(1), draft(2)], NOW)
    claim(ledger)
    later = NOW + timedelta(minutes=1)
    assert commit(ledger, outbox.hold, [name_of(1), "nobody"], "export_doubted", NOW, later) == [name_of(1)]
    assert claim(ledger) == []
    (again,) = claim(ledger, now=later)
    assert again.message_id == name_of(1)
    assert again.attempts == 0
    assert commit(ledger, outbox.hold, [name_of(3)], "export_doubted", NOW, later) == []


def test_other_words_replace_the_stored_ones(ledger: Ledger) -> None:
    commit(ledger, intake.enqueue, "R1", [draft(1, loans=("A", "B")), draft(2)], NOW)
    claim(ledger, limit=1)
    new = draft(1, amount_minor=7, rendered=Rendered("less", "GSM-7", 4, 1, "due_day.sms", "v2"))
    changes = [rewording.Reworded(name_of(1), new, ("key-B",)), rewording.Reworded(name_of(2), new)]
    commit(ledger, rewording.reword, changes, NOW)
    stored, other = look(ledger, views.stored, name_of(1)), look(ledger, views.stored, name_of(2))
    assert stored is not None
    assert other is not None
    assert (stored.rendered.text, stored.amount_minor) == ("less", 7)
    assert other.rendered.text != "less"  # not claimed: it may be on its way elsewhere
    assert look(ledger, notices.known, ["key-A", "key-B"]) == {"key-A"}


@on_sqlite
def test_an_operator_decides_an_unknown_message(ledger: Ledger) -> None:
    commit(ledger, intake.enqueue, "R1", [draft(1), draft(2)], NOW)
    for message_id in put_on_wire(ledger):
        answer(ledger, message_id, Outcome.UNKNOWN)
    commit(ledger, unknowns.mark, name_of(1), Verdict.SENT, "kim", "portal says so", NOW)
    commit(ledger, unknowns.mark, name_of(2), Verdict.NOT_SENT, "kim", "portal has no trace", NOW)
    assert state(ledger, name_of(1)) == MessageState.ACCEPTED
    assert [m.message_id for m in claim(ledger)] == [name_of(2)]
    with pytest.raises(LedgerError, match="cannot mark_sent while accepted"):
        commit(ledger, unknowns.mark, name_of(1), Verdict.SENT, "kim", "again", NOW)
    with pytest.raises(LedgerError, match="not in the ledger"):
        commit(ledger, unknowns.mark, "nobody", Verdict.SENT, "kim", "", NOW)
    assert len(look(ledger, audit.show, kind="message.marked")) == 2


@on_sqlite
def test_an_answer_that_does_not_fit_changes_nothing_and_is_audited(ledger: Ledger) -> None:
    commit(ledger, intake.enqueue, "R1", [draft(1)], NOW)
    commit(
        ledger,
        answers.record,
        [SendResult(name_of(1), Outcome.ACCEPTED, "r1"), SendResult("stranger", Outcome.ACCEPTED)],
        "gate",
        NOW,
    )
    assert state(ledger, name_of(1)) == MessageState.QUEUED
    (row,) = look(ledger, audit.show, kind="message.conflict")["data"]
    assert row == f'{{"messages":[["{name_of(1)}","queued","accepted"],["stranger","absent","accepted"]]}}'


def test_receipts_settle_once_in_any_order(ledger: Ledger) -> None:
    commit(ledger, intake.enqueue, "R1", [draft(1)], NOW)
    (message_id,) = put_on_wire(ledger)
    answer(ledger, message_id, Outcome.ACCEPTED, "ref-1")
    settled = commit(
        ledger, receipts.settle, [receipt("ref-1", minute=9), receipt("ref-1", delivered=False)], NOW
    )
    assert (settled.settled, settled.repeated) == (1, 0)
    assert state(ledger, message_id) == MessageState.DELIVERED
    again = commit(ledger, receipts.settle, [receipt("ref-1", minute=9)] * 2, NOW)
    assert (again.settled, again.repeated) == (0, 2)
    assert list(look(ledger, views.receipts_of, message_id)["code"]) == ["UNDELIV", "DELIVRD"]


@on_sqlite
def test_a_receipt_heals_an_unknown_message(ledger: Ledger) -> None:
    commit(ledger, intake.enqueue, "R1", [draft(1)], NOW)
    (message_id,) = put_on_wire(ledger)
    answer(ledger, message_id, Outcome.UNKNOWN)
    commit(ledger, receipts.settle, [receipt("late", message_id=message_id, delivered=False)], NOW)
    assert state(ledger, message_id) == MessageState.UNDELIVERED
    shown = look(ledger, views.message, message_id)
    assert shown is not None
    assert shown["provider_ref"] == "late"


def test_a_receipt_before_the_answer_waits_for_it(ledger: Ledger) -> None:
    commit(ledger, intake.enqueue, "R1", [draft(1)], NOW)
    (message_id,) = put_on_wire(ledger)
    assert commit(ledger, receipts.settle, [receipt("ref-1")], NOW).unmatched == 1
    answer(ledger, message_id, Outcome.ACCEPTED, "ref-1")
    assert state(ledger, message_id) == MessageState.DELIVERED


@on_sqlite
def test_a_reference_shared_by_a_batch_keeps_no_other_receipt_waiting(ledger: Ledger) -> None:
    commit(ledger, intake.enqueue, "R1", [draft(n) for n in range(3)], NOW)
    ids = put_on_wire(ledger)
    commit(ledger, receipts.settle, [receipt("own"), receipt("shared")], NOW)
    references = ("shared", "shared", "own")
    commit(
        ledger,
        answers.record,
        [SendResult(i, Outcome.ACCEPTED, ref) for i, ref in zip(ids, references, strict=True)],
        "gate",
        NOW,
    )
    assert [state(ledger, i) for i in ids] == ["accepted", "accepted", "delivered"]


@on_sqlite
def test_a_receipt_naming_the_message_may_overtake_its_answer(ledger: Ledger) -> None:
    commit(ledger, intake.enqueue, "R1", [draft(1)], NOW)
    (message_id,) = put_on_wire(ledger)
    commit(ledger, receipts.settle, [receipt("", message_id=message_id)], NOW)
    answer(ledger, message_id, Outcome.ACCEPTED, "ref-1")
    shown = look(ledger, views.message, message_id)
    assert shown is not None
    assert (shown["state"], shown["provider_ref"], shown["code"]) == ("delivered", "ref-1", "DELIVRD")


@on_sqlite
def test_a_receipt_stops_a_retry(ledger: Ledger) -> None:
    commit(ledger, intake.enqueue, "R1", [draft(1)], NOW)
    (message_id,) = put_on_wire(ledger)
    answer(ledger, message_id, Outcome.RETRYABLE)
    claim(ledger)
    commit(ledger, receipts.settle, [receipt("", message_id=message_id)], NOW)
    assert commit(ledger, outbox.begin, [message_id], "gate", NOW, owner="one", lease_s=60) == []


@on_sqlite
def test_receipts_that_fit_nothing_are_values(ledger: Ledger) -> None:
    commit(
        ledger, intake.enqueue, "R1", [draft(1), draft(2), draft(3, not_before=NOW + timedelta(hours=1))], NOW
    )
    ids = put_on_wire(ledger)
    results = [SendResult(message_id, Outcome.ACCEPTED, "shared") for message_id in ids]
    commit(ledger, answers.record, results, "gate", NOW)
    settled = commit(
        ledger, receipts.settle, [receipt("shared"), receipt("none"), receipt("", message_id=name_of(3))], NOW
    )
    assert (settled.settled, settled.unmatched, len(settled.refused)) == (0, 1, 2)
    assert "several messages share it" in settled.refused[0]
    assert "never sent" in settled.refused[1]
    assert commit(ledger, receipts.settle, [], NOW).settled == 0


def test_answers_alike_are_written_down_though_one_of_their_messages_lapsed(ledger: Ledger) -> None:
    commit(ledger, intake.enqueue, "R1", [draft(n) for n in range(3)], NOW)
    ids = [message.message_id for message in claim(ledger)]
    commit(ledger, outbox.begin, ids[:1], "gate", NOW - timedelta(hours=1), owner="one", lease_s=60)
    commit(ledger, outbox.begin, ids[1:], "gate", NOW, owner="one", lease_s=60)
    assert commit(ledger, outbox.recover, NOW) == Recovered(requeued=0, unknown=1)
    results = [SendResult(name, Outcome.ACCEPTED, f"ref-{name}", "0") for name in [*ids, "STRANGER"]]
    commit(ledger, answers.record, results, "gate", NOW)
    assert look(ledger, outbox.counts, "R1") == {MessageState.ACCEPTED: 3}
    told = look(ledger, audit.show, kind="message.accepted")["data"].map(json.loads)
    assert sorted(name for data in told for name, _ in data["messages"]) == ids
    assert len(look(ledger, audit.show, kind="message.conflict")) == 1
    assert ledger.verify_audit().ok


def test_two_senders_that_begin_and_settle_the_same_rows_do_not_lock_each_other_out(ledger: Ledger) -> None:
    commit(ledger, intake.enqueue, "R1", [draft(n) for n in range(200)], NOW)
    ids = [message.message_id for message in claim(ledger, limit=200)]
    begun = commit(ledger, outbox.begin, ids[::-1], "gate", NOW, owner="one", lease_s=60)
    results = [SendResult(name, Outcome.ACCEPTED, f"ref-{name}", "0") for name in ids]
    came = [receipt("", message_id=name) for name in ids]
    with ThreadPoolExecutor(2) as pool:
        parts = [results[start::4][::-1] for start in range(4)]
        recorded = [pool.submit(commit, ledger, answers.record, part, "gate", NOW) for part in parts]
        settled = [pool.submit(commit, ledger, receipts.settle, came[start::3], NOW) for start in range(3)]
        for future in recorded:
            future.result(timeout=30)
        assert sum(future.result(timeout=30).settled for future in settled) == 200
    assert begun == ids[::-1]
    assert look(ledger, outbox.counts, "R1") == {MessageState.DELIVERED: 200}


def test_what_a_later_stage_replaces(ledger: Ledger) -> None:
    """The same loan, due date and role; another party by its number too; a resend and another installment stay."""
    guarantor = {"role": "guarantor", "phone": "+12025550101"}
    earlier = [
        draft(1, loans=("A",), notice="overdue_1"),
        draft(2, loans=("B",), notice="overdue_1", **guarantor),
        draft(3, loans=("C",), notice="overdue_1", resend_of=name_of(9)),
        draft(4, loans=("D",), notice="overdue_1"),
        draft(5, loans=("E",), notice="overdue_1"),
    ]
    following = [
        draft(11, loans=("A",), notice="overdue_3", phone="+12025550102"),
        draft(12, loans=("B",), notice="overdue_3", **guarantor),
        draft(13, loans=("C",), notice="overdue_3"),
        draft(14, loans=("D",), notice="overdue_3", role="guarantor"),
        draft(15, loans=("E",), notice="overdue_3"),
    ]
    following = [
        replace(one, covers=tuple(replace(c, idempotency_key=f"later-{c.loan_id}") for c in one.covers))
        for one in following
    ]
    commit(ledger, intake.enqueue, "R1", earlier, NOW)
    commit(ledger, intake.enqueue, "R2", following, NOW)
    replaces = {"overdue_3": {"overdue_1"}}
    assert look(ledger, stopping.superseded, replaces) == [name_of(1), name_of(2), name_of(5)]
    assert look(ledger, stopping.superseded, replaces, but_run="R1") == []
    commit(ledger, outbox.cancel, [name_of(15)], "paid", NOW)
    assert look(ledger, stopping.superseded, replaces, but_run="R2") == [name_of(1), name_of(2)]
    assert look(ledger, stopping.superseded, {"overdue_3": set()}) == []
