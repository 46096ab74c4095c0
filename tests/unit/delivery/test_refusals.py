"""What a drain does with a number that has heard enough, a template that is refused, and requests of one key."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from carloan_notify.delivery.approved import NO_TEMPLATE
from carloan_notify.delivery.dispatch import Dispatcher, RunContext
from carloan_notify.records import Channel, MessageState, OutboundMessage, Outcome, SendResult
from tests.unit.delivery.test_dispatcher import delivery, drain
from tests.unit.delivery.world import (
    START,
    FakeOutbox,
    FakeProvider,
    FakeTime,
    accept,
    always,
    message,
    result,
)

S = MessageState
PATIENT = {"retry": {"longest_s": 600, "wait_within_s": 30}}


def of_notice(number: int, notice: str) -> OutboundMessage:
    return replace(message(number), notice=notice)


def refusing(notice: str, code: str = "isv.SMS_TEMPLATE_ILLEGAL") -> FakeProvider:
    def script(batch: Sequence[OutboundMessage]) -> list[SendResult]:
        return [
            result(m, Outcome.TEMPLATE, code) if m.notice == notice else result(m, Outcome.ACCEPTED)
            for m in batch
        ]

    return FakeProvider(script=script)


def test_a_request_holds_one_key_and_no_number_twice() -> None:
    seen: list[list[OutboundMessage]] = []

    def remember(batch: Sequence[OutboundMessage]) -> list[SendResult]:
        seen.append(list(batch))
        return accept(batch)

    keyed = [replace(message(i), params={"key": "ab"[i % 2]}) for i in range(40)]
    twice = [replace(m, phone=keyed[0].phone) if i in (2, 4) else m for i, m in enumerate(keyed)]
    outbox = FakeOutbox(twice)
    drain(outbox, [FakeProvider(script=remember, batch_limit=10)])
    assert outbox.states() == {S.ACCEPTED: 40}
    assert all(len({m.params["key"] for m in batch}) == 1 for batch in seen)
    assert all(len({m.phone for m in batch}) == len(batch) for batch in seen)


def test_keys_that_never_meet_still_all_leave_within_the_concurrency() -> None:
    outbox = FakeOutbox([replace(message(i), params={"key": str(i)}) for i in range(30)])
    provider = FakeProvider(batch_limit=200)
    drain(outbox, [provider], delivery("main", pace={"concurrency": 3}))
    assert outbox.states() == {S.ACCEPTED: 30}
    assert provider.batches == [1] * 30
    assert provider.overlap <= 3


def test_a_refused_template_is_asked_for_three_times_and_others_go_on() -> None:
    outbox = FakeOutbox([of_notice(i, "overdue_1" if i % 2 else "due_today") for i in range(40)])
    provider = refusing("overdue_1")
    summary = drain(outbox, [provider], delivery("main", pace={"concurrency": 1}, **PATIENT))
    assert outbox.states() == {S.ACCEPTED: 20, S.RETRYABLE: 20}
    asked = [row.message.notice for row in outbox.rows.values() if provider.seen[row.message.message_id]]
    assert asked.count("overdue_1") == 3
    assert summary.refused_templates == {"main:isv.SMS_TEMPLATE_ILLEGAL": 20}
    assert summary.retryable == 20
    waiting = [row for row in outbox.rows.values() if row.state is S.RETRYABLE]
    assert {row.due_at - START for row in waiting} == {timedelta(seconds=600)}


def test_another_wording_of_the_same_notice_is_tried() -> None:
    one, several = of_notice(1, "due_today"), of_notice(2, "due_today")
    several = replace(several, params={"loan_count": "2"})
    outbox, provider = FakeOutbox([one, several]), refusing("due_today")
    drain(outbox, [provider], delivery("main", pace={"concurrency": 1}, **PATIENT))
    assert set(provider.seen) == {one.message_id, several.message_id}


def test_a_missing_template_says_nothing_about_other_messages() -> None:
    outbox, provider = (
        FakeOutbox([of_notice(i, "due_today") for i in range(5)]),
        refusing("due_today", NO_TEMPLATE),
    )
    drain(outbox, [provider], delivery("main", pace={"concurrency": 1}, **PATIENT))
    assert len(provider.seen) == 5


def test_what_one_provider_has_no_template_for_another_may_send() -> None:
    outbox = FakeOutbox([of_notice(i, "overdue_1") for i in range(6)])
    first, spare = refusing("overdue_1"), FakeProvider("spare")
    first.name = "main"
    drain(outbox, [first, spare])
    assert outbox.states() == {S.ACCEPTED: 6}
    assert set(spare.seen.values()) == {1}


def test_a_message_whose_values_were_not_kept_goes_by_a_provider_that_asks_for_none() -> None:
    template = {"notices": ["overdue_1"], "code": "SMS_1", "sign": "Anda"}
    asking = {"type": "aliyun", "access_key_id": "a", "access_key_secret": "b", "templates": [template]}
    spare_one = {"type": "console", "channels": ["sms"]}
    settings = delivery("main", "spare", providers={"main": asking, "spare": spare_one})
    assert settings.asking_values == {Channel.SMS}
    told = [replace(message(0), params={"name": "Ada"}), replace(message(1), params={})]
    outbox, main, spare = FakeOutbox(told), FakeProvider(), FakeProvider("spare")
    drain(outbox, [main, spare], settings)
    assert outbox.states() == {S.ACCEPTED: 2}
    assert (set(main.seen), set(spare.seen)) == ({told[0].message_id}, {told[1].message_id})


def test_a_number_that_has_heard_enough_waits_a_day_and_goes_nowhere_else() -> None:
    outbox = FakeOutbox([message(1)])
    outbox.rows[message(1).message_id].expires_at = START + timedelta(days=3)
    spare = FakeProvider("spare")
    summary = drain(outbox, [FakeProvider(script=always(Outcome.NOT_TONIGHT)), spare])
    (row,) = outbox.rows.values()
    assert (row.state, row.due_at) == (S.RETRYABLE, START + timedelta(days=1))
    assert not spare.seen
    assert summary.retryable == 1


def test_neither_opens_the_breaker_and_a_blocked_number_counts_as_rejected() -> None:
    outbox = FakeOutbox([message(i) for i in range(60)])
    summary = drain(outbox, [FakeProvider(script=always(Outcome.BLOCKED))])
    assert (summary.rejected, summary.stopped_by) == (60, "")
    assert outbox.states() == {S.REJECTED: 60}


def test_a_request_refused_for_one_of_its_messages_goes_again_apart_and_nowhere_else() -> None:
    class OneRefused(FakeProvider):
        def send(self, batch: Sequence[OutboundMessage]) -> list[SendResult]:
            self.seen.update(m.message_id for m in batch)
            if len(batch) == 1:
                return [result(batch[0], Outcome.REJECTED if batch[0] == bad else Outcome.ACCEPTED)]
            return [result(m, Outcome.APART) for m in batch]

    messages = [message(i) for i in range(40)]
    bad, outbox, spare = messages[7], FakeOutbox(messages), FakeProvider("spare")
    options = delivery("main", "spare", canary={"size": 10}, breaker={"consecutive_errors": 2})
    provider = OneRefused(batch_limit=10)
    bad = replace(bad, attempts=1)
    summary = drain(outbox, [provider, spare], options)
    assert outbox.states() == {S.ACCEPTED: 39, S.REJECTED: 1}
    assert set(provider.seen.values()) == {2}
    assert not spare.seen
    assert (summary.retryable, summary.stopped_by) == (40, "")


def test_one_number_of_many_does_not_stop_a_notice_for_everybody() -> None:
    odd = {message(i).message_id for i in range(0, 200, 10)}

    def script(batch: Sequence[OutboundMessage]) -> list[SendResult]:
        return [result(m, Outcome.TEMPLATE if m.message_id in odd else Outcome.ACCEPTED) for m in batch]

    outbox = FakeOutbox([message(i) for i in range(200)])
    options = delivery("main", pace={"concurrency": 1}, canary={"size": 20}, **PATIENT)
    summary = drain(outbox, [FakeProvider(script=script)], options)
    assert (outbox.states(), summary.stopped_by) == ({S.ACCEPTED: 180, S.RETRYABLE: 20}, "")


def test_a_refused_template_does_not_end_the_canary() -> None:
    first = [of_notice(i, "overdue_1") for i in range(10)]
    outbox = FakeOutbox([*first, *(of_notice(i, "due_today") for i in range(10, 60))])
    options = delivery("main", pace={"concurrency": 1}, canary={"size": 5}, **PATIENT)
    drain(outbox, [refusing("overdue_1")], options)
    assert outbox.states() == {S.ACCEPTED: 50, S.RETRYABLE: 10}


def test_a_cap_that_says_for_how_long_is_taken_at_its_word() -> None:
    outbox = FakeOutbox([message(1)])
    drain(outbox, [FakeProvider(script=always(Outcome.NOT_TONIGHT, 3600.0))])
    (row,) = outbox.rows.values()
    assert row.due_at == START + timedelta(hours=1)


def test_apart_for_ever_waits_in_the_end() -> None:
    outbox, provider = FakeOutbox([message(1)]), FakeProvider(script=always(Outcome.APART))
    drain(outbox, [provider], delivery("main", retry={"first_s": 100, "wait_within_s": 30}))
    (row,) = outbox.rows.values()
    assert (row.state, provider.seen[message(1).message_id]) == (S.RETRYABLE, 4)
    assert row.due_at > START + timedelta(seconds=60)


def test_a_provider_that_asks_for_an_hour_leaves_the_night_to_the_spare() -> None:
    outbox, spare = FakeOutbox([message(i) for i in range(20)]), FakeProvider("spare")
    main = FakeProvider(script=always(Outcome.THROTTLED, 3600.0))
    summary = drain(outbox, [main, spare], delivery("main", "spare", pace={"concurrency": 1}))
    assert outbox.states() == {S.ACCEPTED: 19, S.RETRYABLE: 1}
    assert (spare.seen.total(), summary.stopped_by) == (19, "")


def test_a_wait_beyond_all_reason_is_cut_to_a_day() -> None:
    outbox = FakeOutbox([message(1)])
    drain(outbox, [FakeProvider(script=always(Outcome.RETRYABLE, 1e12))])
    (row,) = outbox.rows.values()
    assert row.due_at == START + timedelta(days=1)


def test_a_line_that_fails_to_learn_loses_no_other_lines_answers() -> None:
    class Failing(FakeOutbox):
        """Refuses to write one provider's answers, once."""

        def record(self, results: Sequence[SendResult], provider: str, *rest: Any, **more: Any) -> None:
            if provider == "main" and not self.calls["failed"]:
                self.calls["failed"] += 1
                raise OSError("no space left")
            super().record(results, provider, *rest, **more)

    sms, voice = FakeProvider("main"), FakeProvider("calls")
    outbox = Failing([message(1), message(2, Channel.VOICE)])
    time, options = FakeTime(), delivery("main", "calls")
    around = RunContext(clock=time.clock, owner="me", monotonic=time.monotonic, sleep=time.sleep)
    with pytest.raises(OSError, match="no space"):
        Dispatcher(outbox, {Channel.SMS: [sms], Channel.VOICE: [voice]}, options, around).drain()
    assert outbox.states() == {S.ACCEPTED: 2}


def test_a_machine_without_threads_has_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none_left)
    outbox = FakeOutbox([message(1)])
    drain(outbox, [FakeProvider()], delivery("main", retry={"first_s": 100}))
    assert outbox.states() == {S.RETRYABLE: 1}
