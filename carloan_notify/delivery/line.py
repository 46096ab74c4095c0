"""One provider while messages drain: its threads, its pace and its health."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

from carloan_notify.delivery.approved import NO_TEMPLATE, Wording, wording
from carloan_notify.delivery.provider import Provider, one_per_message, same_for_all
from carloan_notify.delivery.provider_settings import ProviderSettings
from carloan_notify.delivery.resilience import CircuitBreaker, TokenBucket
from carloan_notify.delivery.settings import BreakerSettings
from carloan_notify.records import OutboundMessage, Outcome, SendResult

HEALTHY: Final = frozenset({Outcome.ACCEPTED, Outcome.REJECTED, Outcome.BLOCKED, Outcome.NOT_TONIGHT})
LONGEST_WAIT_S: Final = 86_400.0
"""What a provider asks for beyond a day is not taken at its word."""
UNDECIDED: Final = frozenset({Outcome.THROTTLED, Outcome.APART, Outcome.TEMPLATE, Outcome.ACCOUNT})
"""Answers that say nothing about the provider's health."""
FIRST_PAUSE_S: Final = 1.0
"""Pause after a throttling answer that names none; doubled while they keep coming."""
LONGEST_PAUSE_S: Final = 60.0
REFUSALS: Final = 3
"""A template refused so often, and taken for nobody in between, is refused for everybody."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A batch and what came of it. `bug` is what the provider should never have raised."""

    batch: tuple[OutboundMessage, ...]
    results: tuple[SendResult, ...]
    bug: BaseException | None = None

    def tries(self) -> list[tuple[str, int]]:
        """Which attempt each result is about, where that matters: when not all were simply accepted."""
        if all(result.outcome is Outcome.ACCEPTED for result in self.results):
            return []
        return [(message.message_id, message.attempts + 1) for message in self.batch]


class Line:
    """A provider with its pool, bucket and breaker. Used by one thread; only `send` runs in others."""

    def __init__(
        self,
        provider: Provider,
        settings: ProviderSettings,
        breaker: BreakerSettings,
        monotonic: Callable[[], float] = time.monotonic,
        patience_s: float = float("inf"),
    ) -> None:
        """No thread starts before the first batch. A pause longer than `patience_s` makes it unhealthy."""
        self.provider = provider
        self.concurrency = settings.concurrency
        self.rate = settings.rate_per_second
        self.in_flight = 0
        self.breaker = CircuitBreaker(breaker)
        self._monotonic = monotonic
        self._bucket = TokenBucket(settings.rate_per_second, settings.burst, monotonic())
        self._paused_until = monotonic()
        self._throttled_in_a_row = 0
        self._keys: dict[str, str] = {}
        self._refused: dict[Wording, SendResult] = {}
        self._refusals: Counter[Wording] = Counter()
        self._patience_s = patience_s
        self._pool = ThreadPoolExecutor(settings.concurrency, f"send-{provider.name}")

    @property
    def name(self) -> str:
        """The provider's name."""
        return self.provider.name

    @property
    def free(self) -> int:
        """Batches that may leave now as far as threads go; an open breaker lets one try."""
        return (1 if self.breaker.is_open else self.concurrency) - self.in_flight

    @property
    def healthy(self) -> bool:
        """Whether its breaker lets a request go, be it a single try, and no long pause was asked for."""
        now = self._monotonic()
        return self.breaker.wait(now) <= 0 and self._paused_until - now <= self._patience_s

    def pause(self) -> float:
        """Seconds until anything may leave, by throttling and breaker."""
        now = self._monotonic()
        return max(self._paused_until - now, self.breaker.wait(now), 0.0)

    def room(self, wanted: int) -> tuple[int, float]:
        """How many of the wanted messages may leave now, and the seconds until one may when none may."""
        now, batch = self._monotonic(), self.provider.batch_limit
        room = self._bucket.room(wanted, batch, now)
        return room, 0.0 if room else self._bucket.wait(min(batch, wanted), now)

    def send(self, batch: Sequence[OutboundMessage], answered: Callable[[Answer], None]) -> None:
        """Hand a batch to a thread, which calls `answered` whatever happens, be it a provider's bug."""
        self._bucket.take(len(batch), self._monotonic())
        self.breaker.started()
        self.in_flight += 1
        for message in batch:
            self._keys.pop(message.message_id, None)
        try:
            self._pool.submit(_send, self.provider, tuple(batch), dict(self._refused), answered)
        except RuntimeError:  # the machine has no thread left, and nothing has left it
            answered(Answer(tuple(batch), tuple(same_for_all(batch, Outcome.RETRYABLE, "no_thread"))))

    def learn(self, answer: Answer) -> None:
        """Draw conclusions from an answer for what leaves next."""
        self.in_flight -= 1
        results = answer.results
        outcomes = {result.outcome for result in results}
        if Outcome.TEMPLATE in outcomes or self._refusals:
            self._note_refused(answer)
        if Outcome.THROTTLED in outcomes:
            self._slow_down(max(result.retry_after_s for result in results))
        elif outcomes & HEALTHY:
            self._throttled_in_a_row = 0
        if outcomes & HEALTHY:
            self.breaker.succeeded()
        elif outcomes & UNDECIDED:
            self.breaker.undecided()
        else:
            self.breaker.failed(self._monotonic())

    def key_of(self, message: OutboundMessage) -> str:
        """The provider's batch key of a waiting message, asked once."""
        key = self._keys.get(message.message_id)
        if key is None:
            key = self._keys[message.message_id] = self.provider.batch_key(message)
        return key

    def _note_refused(self, answer: Answer) -> None:
        """A template refused again and again is refused for every borrower: spare it and us the rest of them."""
        words = {message.message_id: wording(message) for message in answer.batch}
        for result in answer.results:
            its = words[result.message_id]
            if result.outcome is Outcome.ACCEPTED:
                self._refusals.pop(its, None)
            elif result.outcome is Outcome.TEMPLATE and result.code != NO_TEMPLATE:
                self._refusals[its] += 1
                if self._refusals[its] >= REFUSALS:
                    self._refused.setdefault(its, result)

    def close(self) -> None:
        """Let the threads end; nothing is on the wire any more."""
        self._pool.shutdown(wait=True)

    def _slow_down(self, asked_s: float) -> None:
        now = self._monotonic()
        if now >= self._paused_until:  # else the rest of what was on the wire says the same again
            self._throttled_in_a_row = min(self._throttled_in_a_row + 1, 16)
        asked_s = min(asked_s, LONGEST_WAIT_S)
        own = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (self._throttled_in_a_row - 1))
        self._paused_until = max(self._paused_until, now + (asked_s or own))


def _send(
    provider: Provider,
    batch: tuple[OutboundMessage, ...],
    refused: Mapping[Wording, SendResult],
    answered: Callable[[Answer], None],
) -> None:
    try:
        held = (
            [replace(refused[wording(m)], message_id=m.message_id) for m in batch if wording(m) in refused]
            if refused
            else []
        )
        going = [m for m in batch if wording(m) not in refused] if held else batch
        results = [*held, *provider.send(going)] if going else held
        answer = Answer(batch, tuple(one_per_message(batch, results)))
    except BaseException as bug:  # noqa: BLE001 - the batch may have left: it is written down, then this is raised
        code = f"bug:{type(bug).__name__}"
        answer = Answer(
            batch, tuple(SendResult(m.message_id, Outcome.UNKNOWN, code=code) for m in batch), bug
        )
    answered(answer)
