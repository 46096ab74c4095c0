import random
import threading
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carloan_notify.delivery import dispatch
from carloan_notify.delivery.dispatch import Dispatcher, RunContext, Screened, engaged
from carloan_notify.delivery.provider import Provider
from carloan_notify.delivery.registry import DeliverySettings
from carloan_notify.delivery.summary import DrainSummary, StoppedBy
from carloan_notify.records import Channel, MessageState, OutboundMessage, Outcome, SendResult
from tests.unit.delivery.world import (
    START,
    CrashError,
    FakeOutbox,
    FakeProvider,
    FakeTime,
    accept,
    always,
    message,
    result,
)

S = MessageState


class Even(random.Random):
    """Chance that spreads nothing."""

    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2


def delivery(*names: str, pace: dict[str, Any] | None = None, **options: Any) -> DeliverySettings:
    one = {"type": "console", "channels": ["sms", "voice"], "concurrency": 4, **(pace or {})}
    return DeliverySettings.model_validate(
        {
            "channels": {"sms": list(names or ["main"])},
            "providers": dict.fromkeys(names or ["main"], one),
            "canary": {"size": 0},
            **options,
        }
    )


def drain(
    outbox: FakeOutbox,
    providers: Sequence[Provider],
    options: DeliverySettings | None = None,
    time: FakeTime | None = None,
    **around: Any,
) -> DrainSummary:
    time = time or FakeTime()
    options = options or delivery(*[p.name for p in providers])
    outside = RunContext(clock=time.clock, owner="me", monotonic=time.monotonic, sleep=time.sleep, **around)
    return Dispatcher(outbox, {Channel.SMS: providers}, options, outside).drain()


def test_everything_due_is_accepted_once() -> None:
    outbox, provider = FakeOutbox([message(i) for i in range(50)]), FakeProvider()
    summary = drain(outbox, [provider])
    assert outbox.states() == {S.ACCEPTED: 50}
    assert set(provider.seen.values()) == {1}
    assert (summary.accepted, summary.stopped_by, summary.released) == (50, StoppedBy.NOTHING, 0)
    assert summary.by_provider == {"main": {Outcome.ACCEPTED: 50}}


def test_an_empty_outbox_is_a_clean_drain() -> None:
    summary = drain(FakeOutbox([]), [FakeProvider()])
    assert (summary.accepted, summary.stopped_by) == (0, StoppedBy.NOTHING)


def test_batches_fill_up_to_the_limit_and_the_last_is_short() -> None:
    provider = FakeProvider(batch_limit=20)
    drain(FakeOutbox([message(i) for i in range(50)]), [provider])
    assert sorted(provider.batches) == [10, 20, 20]


def test_no_more_requests_overlap_than_configured() -> None:
    gate = threading.Barrier(4, timeout=5)

    def together(batch: Sequence[OutboundMessage]) -> list[SendResult]:
        gate.wait()
        return accept(batch)

    provider = FakeProvider(script=together)
    drain(FakeOutbox([message(i) for i in range(20)]), [provider])
    assert provider.overlap == 4


def test_what_is_late_expires_and_what_is_not_due_waits() -> None:
    outbox = FakeOutbox([message(i) for i in range(3)])
    late, early, _ = outbox.rows.values()
    late.expires_at = START
    early.due_at = START + timedelta(hours=1)
    summary = drain(outbox, [FakeProvider()])
    assert outbox.states() == {S.EXPIRED: 1, S.QUEUED: 1, S.ACCEPTED: 1}
    assert summary.expired == 1


def test_unknown_is_never_sent_again_nor_elsewhere() -> None:
    outbox, main, spare = (
        FakeOutbox([message(1)]),
        FakeProvider(script=always(Outcome.UNKNOWN)),
        FakeProvider("spare"),
    )
    summary = drain(outbox, [main, spare])
    assert outbox.states() == {S.UNKNOWN: 1}
    assert (summary.unknown, sum(main.seen.values()), sum(spare.seen.values())) == (1, 1, 0)


def test_what_certainly_was_not_sent_goes_to_the_next_provider_at_once() -> None:
    outbox, spare = FakeOutbox([message(i) for i in range(5)]), FakeProvider("spare")
    time = FakeTime()
    summary = drain(outbox, [FakeProvider(script=always(Outcome.RETRYABLE)), spare], time=time)
    assert outbox.states() == {S.ACCEPTED: 5}
    assert (summary.retryable, summary.accepted, set(spare.seen.values())) == (5, 5, {1})
    assert time.seconds < 1


def test_a_rejection_does_not_fail_over() -> None:
    spare = FakeProvider("spare")
    drain(FakeOutbox([message(1)]), [FakeProvider(script=always(Outcome.REJECTED)), spare])
    assert not spare.seen


def test_a_near_retry_is_waited_for_and_backs_off() -> None:
    outbox, time = FakeOutbox([message(1)]), FakeTime()
    answers = [Outcome.RETRYABLE, Outcome.RETRYABLE, Outcome.ACCEPTED]
    provider = FakeProvider(script=lambda batch: [result(m, answers.pop(0)) for m in batch])
    summary = drain(outbox, [provider], None, time, rng=Even())
    assert outbox.states() == {S.ACCEPTED: 1}
    assert (summary.retryable, summary.accepted) == (2, 1)
    assert time.seconds == pytest.approx(5 + 10, abs=0.1)


def test_a_retry_that_falls_due_while_the_outbox_is_asked_is_not_forgotten() -> None:
    outbox, time = FakeOutbox([message(1)]), FakeTime()
    ask = outbox.claim

    def slowly(**asked: Any) -> list[OutboundMessage]:
        claimed = ask(**asked)
        time.seconds += 3
        return claimed

    outbox.claim = slowly  # type: ignore[method-assign]  # a database that is held up
    answers = [Outcome.RETRYABLE, Outcome.ACCEPTED]
    provider = FakeProvider(script=lambda batch: [result(m, answers.pop(0)) for m in batch])
    drain(outbox, [provider], delivery(retry={"first_s": 1, "wait_within_s": 30}), time, rng=Even())
    assert outbox.states() == {S.ACCEPTED: 1}


def test_a_far_retry_is_left_for_the_next_drain() -> None:
    outbox, time = FakeOutbox([message(1, attempts=5)]), FakeTime()
    drain(outbox, [FakeProvider(script=always(Outcome.RETRYABLE))], None, time, rng=Even())
    (row,) = outbox.rows.values()
    assert (row.state, row.due_at) == (S.RETRYABLE, START + timedelta(seconds=5 * 2**5))
    assert time.seconds < 1


def test_throttling_stops_the_whole_queue_for_as_long_as_asked() -> None:
    time, times = FakeTime(), list[float]()

    def once(batch: Sequence[OutboundMessage]) -> list[SendResult]:
        times.append(time.seconds)
        first = len(times) == 1
        return [result(m, Outcome.THROTTLED if first else Outcome.ACCEPTED, retry_after_s=7.0) for m in batch]

    outbox = FakeOutbox([message(i) for i in range(10)])
    drain(outbox, [FakeProvider(script=once)], delivery(pace={"concurrency": 1}), time)
    assert outbox.states() == {S.ACCEPTED: 10}
    assert min(times[1:]) >= 7.0


def test_a_pause_that_is_too_long_ends_the_drain() -> None:
    outbox = FakeOutbox([message(i) for i in range(10)])
    options = delivery(pace={"concurrency": 1})
    summary = drain(outbox, [FakeProvider(script=always(Outcome.THROTTLED, 600.0))], options)
    assert summary.stopped_by is StoppedBy.THROTTLED
    assert outbox.states() == {S.QUEUED: 9, S.RETRYABLE: 1}


def test_an_account_error_stops_at_once_and_says_what_to_do() -> None:
    outbox = FakeOutbox([message(i) for i in range(100)])
    provider = FakeProvider(script=always(Outcome.ACCOUNT))
    summary = drain(outbox, [provider, FakeProvider("spare")])
    assert summary.stopped_by is StoppedBy.ACCOUNT
    assert len(provider.seen) <= 4
    assert outbox.states()[S.QUEUED] + outbox.states()[S.RETRYABLE] == 100
    (stop,) = summary.account_stops
    assert stop.code == "c"
    assert "balance" in stop.cure


def test_the_breaker_opens_and_the_spare_takes_over() -> None:
    outbox, spare = FakeOutbox([message(i) for i in range(60)]), FakeProvider("spare")
    main = FakeProvider(script=always(Outcome.UNKNOWN))
    options = delivery("main", "spare", breaker={"consecutive_errors": 5})
    summary = drain(outbox, [main, spare], options)
    assert summary.unknown == sum(main.seen.values())
    assert 5 <= summary.unknown <= 8  # five, and what was on the wire with the fifth
    assert outbox.states()[S.ACCEPTED] == 60 - summary.unknown


def test_the_breaker_without_a_spare_ends_the_drain() -> None:
    outbox = FakeOutbox([message(i) for i in range(60)])
    options = delivery(breaker={"consecutive_errors": 5, "open_seconds": 300})
    summary = drain(outbox, [FakeProvider(script=always(Outcome.UNKNOWN))], options)
    assert summary.stopped_by is StoppedBy.BREAKER
    assert outbox.states()[S.QUEUED] == 60 - summary.unknown


def test_an_open_breaker_tries_once_and_closes_on_success() -> None:
    outbox, time = FakeOutbox([message(i) for i in range(30)]), FakeTime()
    main = FakeProvider(script=lambda b: accept(b) if time.seconds >= 10 else always(Outcome.UNKNOWN)(b))
    options = delivery(breaker={"consecutive_errors": 3, "open_seconds": 10}, pace={"concurrency": 1})
    summary = drain(outbox, [main], options, time)
    assert (summary.unknown, summary.accepted, summary.stopped_by) == (3, 27, StoppedBy.NOTHING)


@pytest.mark.parametrize(("accepted", "stopped"), [(8, StoppedBy.NOTHING), (7, StoppedBy.CANARY)])
def test_the_canary_decides_about_the_rest(accepted: int, stopped: StoppedBy) -> None:
    good = {message(i).message_id for i in range(accepted)} | {message(i).message_id for i in range(10, 100)}
    provider = FakeProvider(
        script=lambda b: [
            result(m, Outcome.ACCEPTED if m.message_id in good else Outcome.REJECTED) for m in b
        ],
        batch_limit=5,
    )
    outbox = FakeOutbox([message(i) for i in range(100)])
    summary = drain(outbox, [provider], delivery(canary={"size": 10, "min_accept_share": 0.8}))
    assert summary.stopped_by is stopped
    assert len(provider.seen) == (100 if stopped is StoppedBy.NOTHING else 10)
    assert outbox.states()[S.QUEUED] == 100 - len(provider.seen)


def test_a_throttled_canary_says_nothing_about_the_messages() -> None:
    answers = [Outcome.THROTTLED] * 4
    provider = FakeProvider(
        script=lambda b: [result(m, answers.pop() if answers else Outcome.ACCEPTED) for m in b]
    )
    outbox = FakeOutbox([message(i) for i in range(30)])
    assert drain(outbox, [provider], delivery(canary={"size": 10})).stopped_by is StoppedBy.NOTHING
    assert outbox.states() == {S.ACCEPTED: 30}


def test_the_kill_switch_is_seen_before_every_batch(tmp_path: Path) -> None:
    switch = tmp_path / "STOP"

    def pull_the_plug(batch: Sequence[OutboundMessage]) -> list[SendResult]:
        switch.touch()
        return accept(batch)

    outbox = FakeOutbox([message(i) for i in range(50)])
    summary = drain(outbox, [FakeProvider(script=pull_the_plug)], kill_switch=switch)
    assert summary.stopped_by is StoppedBy.KILL_SWITCH
    assert outbox.states() == {S.ACCEPTED: summary.accepted, S.QUEUED: 50 - summary.accepted}
    assert summary.accepted <= 8


def test_a_kill_switch_that_cannot_be_looked_at_counts_as_pulled(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert engaged(tmp_path / "file" / "STOP")
    assert not engaged(tmp_path / "STOP")


def test_a_signal_finishes_the_wire_and_puts_the_rest_back() -> None:
    stop = threading.Event()

    def interrupted(batch: Sequence[OutboundMessage]) -> list[SendResult]:
        stop.set()
        return accept(batch)

    outbox = FakeOutbox([message(i) for i in range(50)])
    summary = drain(outbox, [FakeProvider(script=interrupted)], stop=stop)
    assert summary.stopped_by is StoppedBy.SIGNAL
    assert outbox.states() == {S.ACCEPTED: summary.accepted, S.QUEUED: 50 - summary.accepted}
    assert summary.released > 0


def test_the_deadline_leaves_the_rest_queued(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "LONGEST_DRAIN_S", 10)
    outbox, time = FakeOutbox([message(i) for i in range(100)]), FakeTime()
    options = delivery(pace={"rate_per_second": 1})
    summary = drain(outbox, [FakeProvider()], options, time)
    assert summary.stopped_by is StoppedBy.DEADLINE
    assert 9 <= summary.accepted <= 12


def test_the_rate_is_held_over_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "LONGEST_DRAIN_S", 60)
    outbox, time = FakeOutbox([message(i) for i in range(13_000)]), FakeTime()
    options = delivery(pace={"rate_per_second": 200})
    summary = drain(outbox, [FakeProvider(batch_limit=10)], options, time)
    assert 196 <= summary.accepted / 60 <= 204


def test_a_claim_that_waited_too_long_goes_back_before_it_leaves() -> None:
    outbox, time = FakeOutbox([message(i) for i in range(3)]), FakeTime()
    options = delivery(pace={"rate_per_second": 0.04, "concurrency": 1})
    outbox.rows[message(2).message_id].expires_at = START + timedelta(seconds=30)
    drain(outbox, [FakeProvider()], options, time)
    assert outbox.states() == {S.ACCEPTED: 2, S.EXPIRED: 1}
    assert S.ACCEPTED not in outbox.rows[message(2).message_id].history


def test_a_message_that_expires_while_it_is_claimed_does_not_leave() -> None:
    outbox, time = FakeOutbox([message(i) for i in range(4)]), FakeTime()
    outbox.rows[message(2).message_id].expires_at = START + timedelta(seconds=1)
    summary = drain(outbox, [FakeProvider()], delivery(pace={"rate_per_second": 1}), time)
    assert outbox.rows[message(2).message_id].history == [S.CLAIMED, S.QUEUED, S.EXPIRED]
    assert (summary.accepted, summary.expired, outbox.calls["claim"]) == (3, 1, 2)


def test_the_last_look_cancels_and_keeps_back() -> None:
    outbox = FakeOutbox([message(i) for i in range(9)])

    def look(messages: Sequence[OutboundMessage]) -> Screened:
        paid = [m for m in messages if m.message_id[-1] in "147"]
        for m in paid:
            outbox.rows[m.message_id].state = S.CANCELLED
        return Screened([m for m in messages if m not in paid], [m.message_id for m in paid])

    summary = drain(outbox, [FakeProvider()], before_send=look)
    assert (summary.cancelled, summary.accepted) == (3, 6)
    assert outbox.states() == {S.CANCELLED: 3, S.ACCEPTED: 6}


def test_a_last_look_that_keeps_a_message_back_puts_it_back() -> None:
    outbox, stop = FakeOutbox([message(i) for i in range(2)]), threading.Event()

    def look(messages: Sequence[OutboundMessage]) -> Screened:
        stop.set()
        return Screened([m for m in messages if m.message_id == message(0).message_id])

    drain(outbox, [FakeProvider()], before_send=look, stop=stop)
    assert outbox.states() == {S.ACCEPTED: 1, S.QUEUED: 1}


def test_a_last_look_that_fails_lets_nothing_leave() -> None:
    outbox, provider = FakeOutbox([message(i) for i in range(9)]), FakeProvider()

    def look(messages: Sequence[OutboundMessage]) -> Screened:
        raise OSError(f"payments of {len(messages)} out of reach")

    with pytest.raises(OSError, match="out of reach"):
        drain(outbox, [provider], before_send=look)
    assert outbox.states() == {S.QUEUED: 9}
    assert not provider.seen


def test_a_message_whose_lease_passed_on_does_not_leave() -> None:
    outbox, provider = FakeOutbox([message(i) for i in range(3)]), FakeProvider()
    outbox.stolen = {message(1).message_id}
    drain(outbox, [provider])
    assert set(provider.seen) == {message(0).message_id, message(2).message_id}


def test_a_providers_bug_is_written_down_as_unknown_and_raised() -> None:
    def buggy(batch: Sequence[OutboundMessage]) -> list[SendResult]:
        raise ZeroDivisionError(len(batch))

    outbox = FakeOutbox([message(i) for i in range(50)])
    with pytest.raises(ZeroDivisionError):
        drain(outbox, [FakeProvider(script=buggy)])
    states = outbox.states()
    assert 1 <= states[S.UNKNOWN] <= 8
    assert states[S.QUEUED] == 50 - states[S.UNKNOWN]


def test_a_message_without_an_answer_is_unknown() -> None:
    outbox = FakeOutbox([message(i) for i in range(10)])
    drain(outbox, [FakeProvider(script=lambda b: accept(b[1:]), batch_limit=5)])
    assert outbox.states() == {S.ACCEPTED: 8, S.UNKNOWN: 2}


def test_two_channels_do_not_wait_for_each_other() -> None:
    sms, voice = FakeProvider("main", batch_limit=10), FakeProvider("calls")
    outbox = FakeOutbox([message(i, Channel.VOICE if i < 3 else Channel.SMS) for i in range(300)])
    time, slow = FakeTime(), {"type": "console", "channels": ["voice"], "rate_per_second": 1}
    options = DeliverySettings.model_validate(
        {
            "channels": {"sms": ["main"], "voice": ["calls"]},
            "providers": {"main": {"type": "console"}, "calls": slow},
        }
    )
    around = RunContext(clock=time.clock, owner="me", monotonic=time.monotonic, sleep=time.sleep)
    Dispatcher(outbox, {Channel.SMS: [sms], Channel.VOICE: [voice]}, options, around).drain()
    assert outbox.states() == {S.ACCEPTED: 300}
    told = outbox.recorded
    assert len(told) == 300
    assert told.index(message(299, Channel.SMS).message_id) < told.index(message(2, Channel.VOICE).message_id)


def test_only_a_channel_with_providers_is_drained() -> None:
    time, outbox = FakeTime(), FakeOutbox([message(1), message(2, Channel.VOICE)])
    provider = FakeProvider(channels=[Channel.SMS, Channel.VOICE])
    around = RunContext(clock=time.clock, owner="me", monotonic=time.monotonic, sleep=time.sleep)
    options = delivery("main")
    Dispatcher(outbox, {Channel.VOICE: [provider]}, options, around).drain()
    assert outbox.rows[message(1).message_id].state is S.QUEUED
    assert outbox.rows[message(2).message_id].state is S.ACCEPTED


def test_unlisted_codes_are_counted_by_name() -> None:
    detail = "code not in the provider's table"
    provider = FakeProvider(
        script=lambda b: [SendResult(m.message_id, Outcome.UNKNOWN, code="E77", detail=detail) for m in b]
    )
    summary = drain(FakeOutbox([message(1), message(2)]), [provider])
    assert summary.unlisted_codes == {"main:E77": 2}


CRASHES = [
    (call, nth, after)
    for call in ("claim", "begin", "record", "release")
    for nth in (1, 2, 3)
    for after in (False, True)
]


@pytest.mark.parametrize("batch_limit", [1, 7])
@pytest.mark.parametrize("crash", CRASHES)
def test_a_crash_anywhere_tells_nobody_twice_and_loses_nobody(
    crash: tuple[str, int, bool], batch_limit: int
) -> None:
    outbox, time = FakeOutbox([message(i) for i in range(90)]), FakeTime()
    answers = iter([Outcome.ACCEPTED, Outcome.RETRYABLE, Outcome.REJECTED] * 1000)
    lock = threading.Lock()

    def script(batch: Sequence[OutboundMessage]) -> list[SendResult]:
        with lock:
            return [result(m, next(answers)) for m in batch]

    provider = FakeProvider(script=script, batch_limit=batch_limit)
    outbox.crash_at = crash
    told: dict[str, int] = {}
    provider.script = lambda batch: remember(told, script(batch))
    try:
        drain(outbox, [provider], time=time)
    except CrashError:
        assert outbox.dead
    on_the_wire = outbox.states()[S.SENDING]
    assert on_the_wire <= 4 * batch_limit
    outbox.dead, outbox.crash_at = False, None
    time.seconds += 400  # the leases lapse
    drain(outbox, [provider], time=time)
    assert max(told.values()) == 1, "accepted twice"
    assert outbox.states()[S.UNKNOWN] <= on_the_wire
    assert set(outbox.states()) <= {S.ACCEPTED, S.REJECTED, S.UNKNOWN, S.RETRYABLE}
    lost = [r for r in outbox.rows.values() if r.state is S.ACCEPTED and r.message.message_id not in told]
    assert not lost


def remember(told: dict[str, int], results: list[SendResult]) -> list[SendResult]:
    for answer in results:
        if answer.outcome is Outcome.ACCEPTED:
            told[answer.message_id] = told.get(answer.message_id, 0) + 1
    return results


def test_an_answer_that_could_not_be_written_is_written_at_the_end() -> None:
    outbox = FakeOutbox([message(1)])

    class Flaky(FakeOutbox):
        failed = False

        def record(self, *args: Any, **kwargs: Any) -> None:
            if not self.failed:
                self.failed = True
                raise OSError("no space left on device")
            super().record(*args, **kwargs)

    outbox = Flaky([message(1)])
    with pytest.raises(OSError, match="no space"):
        drain(outbox, [FakeProvider()])
    assert outbox.states() == {S.ACCEPTED: 1}


@settings(max_examples=40, deadline=None)
@given(
    outcomes=st.lists(st.sampled_from(list(Outcome)), min_size=1, max_size=40),
    batch_limit=st.integers(1, 5),
    canary=st.integers(0, 8),
)
def test_every_message_ends_in_the_state_of_its_last_answer(
    outcomes: list[Outcome], batch_limit: int, canary: int
) -> None:
    messages = [message(i) for i in range(len(outcomes))]
    script = {m.message_id: outcome for m, outcome in zip(messages, outcomes, strict=True)}
    seen: set[str] = set()

    def answer(batch: Sequence[OutboundMessage]) -> list[SendResult]:
        again = [m.message_id in seen for m in batch]
        seen.update(m.message_id for m in batch)
        return [
            result(m, Outcome.ACCEPTED if repeated else script[m.message_id])
            for m, repeated in zip(batch, again, strict=True)
        ]

    outbox, provider = FakeOutbox(messages), FakeProvider(script=answer, batch_limit=batch_limit)
    summary = drain(outbox, [provider], delivery(canary={"size": canary}, breaker={"consecutive_errors": 99}))
    final = {S.ACCEPTED, S.REJECTED, S.UNKNOWN}
    later = {Outcome.NOT_TONIGHT, Outcome.TEMPLATE}  # they wait longer than this drain does
    if summary.stopped_by is StoppedBy.NOTHING:
        waiting = {i for i, row in outbox.rows.items() if row.state not in final}
        refused = Outcome.TEMPLATE in outcomes  # then the same wording is spared from then on
        assert all(refused or script[i] in later for i in waiting)
    for message_id, row in outbox.rows.items():
        assert row.state in {*final, S.QUEUED, S.RETRYABLE}
        repeatable = script[message_id] in (
            Outcome.RETRYABLE,
            Outcome.THROTTLED,
            Outcome.APART,
            Outcome.ACCOUNT,
        )
        assert provider.seen[message_id] <= (2 if repeatable else 1)
