import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carloan_notify.delivery.registry import BreakerSettings, ConsoleProviderSettings, RetrySettings
from carloan_notify.delivery.sender import Answer, CircuitBreaker, Sender, TokenBucket, retry_wait
from carloan_notify.records import Outcome
from tests.unit.delivery.world import FakeProvider, FakeTime, message, result


def burst_of(rate: float) -> float:
    return max(1.5, rate / 10)


RATES = st.floats(0.1, 5000)


@given(
    rate=RATES,
    batches=st.lists(st.tuples(st.integers(1, 200), st.floats(0, 0.5)), min_size=1, max_size=60),
)
def test_no_span_carries_more_than_burst_rate_and_one_batch(
    rate: float, batches: list[tuple[int, float]]
) -> None:
    bucket, now = TokenBucket(rate, 0.0), 0.0
    left: list[tuple[float, int]] = []
    for messages, idle in batches:
        now += idle
        now += bucket.wait(messages, now)
        assert bucket.wait(messages, now) == pytest.approx(0, abs=1e-6)
        bucket.take(messages, now)
        left.append((now, messages))
    for first in range(len(left)):
        for last in range(first, len(left)):
            span = left[last][0] - left[first][0]
            sent = sum(messages for _, messages in left[first : last + 1])
            assert sent <= burst_of(rate) + rate * span + left[last][1] + 1e-6


@settings(max_examples=30, deadline=None)
@given(rate=st.floats(10, 1000), batch=st.integers(1, 100), oversleep=st.floats(0, 0.01))
def test_a_minute_of_waiting_as_told_carries_the_rate_within_two_percent(
    rate: float, batch: int, oversleep: float
) -> None:
    bucket, now, sent = TokenBucket(rate, 0.0), 0.0, 0
    while True:
        wait = bucket.wait(batch, now)
        now += wait + (oversleep if wait else 0)
        if now >= 60:
            break
        bucket.take(batch, now)
        sent += batch
    slack = burst_of(rate) + batch
    assert rate * 60 * 0.98 - slack <= sent <= rate * 60 * 1.02 + slack


def test_without_a_rate_nobody_waits() -> None:
    bucket = TokenBucket(None, 0.0)
    bucket.take(10**9, 0.0)
    assert bucket.wait(10**9, 0.0) == 0


def test_a_clock_that_jumps_back_earns_nothing() -> None:
    bucket = TokenBucket(10, 100.0)
    bucket.take(1, 100.0)
    assert bucket.wait(1, 50.0) == pytest.approx(0.05)
    assert bucket.wait(1, 100.0) == pytest.approx(0.05)


@given(attempts=st.integers(-5, 10**6), seed=st.integers())
def test_retry_waits_grow_to_a_limit_and_spread(attempts: int, seed: int) -> None:
    retry = RetrySettings(first_s=5, longest_s=600)
    wait = retry_wait(attempts, retry, random.Random(seed))  # noqa: S311 - jitter is no secret
    plain = min(600, 5 * 2 ** min(max(attempts, 1) - 1, 20))
    assert plain * 0.8 <= wait <= plain * 1.2


BREAKER = BreakerSettings(consecutive_errors=3, error_share=0.5, window=10, open_seconds=30)


def test_failures_in_a_row_open_and_one_try_closes() -> None:
    breaker = CircuitBreaker(BREAKER)
    for _ in range(2):
        breaker.failed(0)
    assert breaker.wait(0) == 0
    breaker.failed(0)
    assert (breaker.is_open, breaker.wait(10), breaker.wait(30)) == (True, 20, 0)
    breaker.started()
    assert breaker.wait(30) == float("inf")
    breaker.succeeded()
    assert (breaker.is_open, breaker.wait(30)) == (False, 0)


def test_a_failed_try_opens_again_for_the_whole_time() -> None:
    breaker = CircuitBreaker(BREAKER)
    for _ in range(3):
        breaker.failed(0)
    breaker.started()
    breaker.failed(40)
    assert breaker.wait(41) == 29


def test_a_share_of_failures_opens_only_over_a_full_window() -> None:
    breaker = CircuitBreaker(BREAKER)
    for turn in range(9):
        (breaker.failed(0) if turn % 2 else breaker.succeeded())
    assert not breaker.is_open
    breaker.failed(0)
    assert breaker.is_open


def test_an_answer_that_decides_nothing_ends_the_try_but_not_the_opening() -> None:
    breaker = CircuitBreaker(BREAKER)
    for _ in range(3):
        breaker.failed(0)
    breaker.started()
    breaker.undecided()
    assert (breaker.is_open, breaker.wait(30)) == (True, 0)


def line(time: FakeTime, batch_limit: int = 1, **pace: float) -> Sender:
    console = ConsoleProviderSettings.model_validate({"type": "console", "concurrency": 4, **pace})
    return Sender(FakeProvider(batch_limit=batch_limit), console, BREAKER, time.monotonic)


def answer(outcome: Outcome) -> Answer:
    return Answer((message(1),), (result(message(1), outcome),))


def test_throttling_without_a_time_doubles_from_one_second_once_per_pause() -> None:
    time = FakeTime()
    slow = line(time)
    pauses = []
    for _ in range(8):
        for _ in range(4):  # all that was on the wire says the same
            slow.learn(answer(Outcome.THROTTLED))
        pauses.append(slow.pause())
        time.seconds += slow.pause()
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    slow.learn(answer(Outcome.ACCEPTED))
    slow.learn(answer(Outcome.THROTTLED))
    assert slow.pause() == 1


def test_room_is_what_the_bucket_holds() -> None:
    time = FakeTime()
    paced = line(time, rate_per_second=50)
    assert paced.room(100) == (5, 0)
    for number in range(3):
        paced.send([message(number)], lambda _: None)
    assert paced.room(100) == (2, 0)
    for number in range(2):
        paced.send([message(number)], lambda _: None)
    room, wait = paced.room(100)
    assert room == 0
    assert wait == pytest.approx(0.02)
    assert line(time).room(7) == (7, 0)
    assert line(time, batch_limit=100, rate_per_second=50).room(1000) == (100, 0)
    paced.close()
