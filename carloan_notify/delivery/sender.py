"""One provider while messages drain: its threads, its pace and its health."""

import math
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from carloan_notify.delivery.approved import NO_TEMPLATE, ApprovedWording, wording
from carloan_notify.delivery.provider import Provider, ProviderSettings, one_per_message, same_for_all
from carloan_notify.delivery.registry import BreakerSettings, RetrySettings
from carloan_notify.records import OutboundMessage, Outcome, SendResult

# How fast, how long to wait, when to leave a provider alone. Pure state machines: time comes in as seconds.
#
# tenacity, pybreaker and pyrate-limiter were looked at and left out: retries here outlive the process (the
# outbox holds `retry_at`), pybreaker knows no error share and reads the wall clock, pyrate-limiter keeps one
# entry per message in whole milliseconds and cannot carry a batch larger than its burst as debt.

BURST_SECONDS: Final = 0.1
"""A burst is what a tenth of a second carries, so that a slow disk does not cost rate."""
LEAST_BURST: Final = 1.5
"""The smallest burst: half a message of slack."""


class TokenBucket:
    """A rate in messages a second with a burst. A batch larger than the burst leaves and is paid back.

    Over any span of T seconds at most `burst + rate * T` messages plus one batch leave.
    """

    def __init__(self, rate: float | None, now: float) -> None:
        """Full at first; `rate` None never makes anybody wait."""
        self._rate = rate
        self._burst = max(LEAST_BURST, (rate or 0.0) * BURST_SECONDS)
        self._tokens = self._burst
        self._at = now

    def wait(self, messages: int, now: float) -> float:
        """Seconds until so many messages may leave together; 0 for now."""
        if self._rate is None:
            return 0.0
        self._refill(now)
        return max(0.0, self._needed(messages) - self._tokens) / self._rate

    def room(self, wanted: int, batch: int, now: float) -> int:
        """How many of the wanted messages may leave now, in batches of at most `batch`."""
        if self._rate is None:
            return wanted
        self._refill(now)
        room = 0
        while room < wanted:
            following = min(batch, wanted - room)
            if self._tokens - room < self._needed(following):
                break
            room += following
        return room

    def take(self, messages: int, now: float) -> None:
        """Let so many messages leave."""
        if self._rate is not None:
            self._refill(now)
            self._tokens -= messages

    def _needed(self, messages: int) -> float:
        """Tokens that must be there. Half a burst suffices: asked for all of it, a late riser loses rate.

        A hair less, because after waiting exactly as told rounding must not ask for another 1e-16 s.
        """
        return min(float(messages), max(1.0, self._burst / 2)) - 1e-9

    def _refill(self, now: float) -> None:
        passed = max(0.0, now - self._at)
        self._tokens = min(self._burst, self._tokens + passed * (self._rate or 0.0))
        self._at = max(self._at, now)


NO_VALUES: Final = "no_values"
JITTER: Final = 0.2
"""Waits differ by up to this share, so that retries spread."""


def retry_wait(attempts: int, settings: RetrySettings, rng: random.Random) -> float:
    """Seconds before the next try after `attempts` tries: doubling, at most `longest_s`, then jittered."""
    exponent = min(max(attempts, 1) - 1, 64)  # 2**64 s is past any limit, and nothing overflows
    wait = min(settings.longest_s, settings.first_s * 2.0**exponent)
    return wait * (1 + JITTER * rng.uniform(-1, 1))


class CircuitBreaker:
    """Opens on failures in a row or on their share of a full window, whichever comes first; later lets one try.

    A share of 1 opens when every request of the window failed, also where more failures in a row are allowed.
    To go by failures in a row alone, make the window longer than these.
    """

    def __init__(self, settings: BreakerSettings) -> None:
        self._settings = settings
        self._in_a_row = 0
        self._recent: deque[bool] = deque(maxlen=settings.window)
        share = settings.error_share * settings.window
        self._too_many = math.ceil(share - 1e-9)  # 0.07 * 100 is a hair more than 7
        self._opened_at: float | None = None
        self._trying = False

    def wait(self, now: float) -> float:
        """Seconds until a request may go: 0 when closed or due for a try, infinite during a try."""
        if self._opened_at is None:
            return 0.0
        if self._trying:
            return float("inf")
        return max(0.0, self._opened_at + self._settings.open_seconds - now)

    @property
    def is_open(self) -> bool:
        """Whether only a single request may try."""
        return self._opened_at is not None

    def started(self) -> None:
        """A request leaves; an open breaker lets no other follow before its answer."""
        self._trying = self.is_open

    def succeeded(self) -> None:
        """A usable answer came; an open breaker closes and forgets."""
        self._in_a_row = 0
        if self.is_open:
            self._recent.clear()
        self._recent.append(False)
        self._opened_at = None
        self._trying = False

    def failed(self, now: float) -> None:
        """No usable answer came."""
        self._in_a_row += 1
        self._recent.append(True)
        full = len(self._recent) == self._settings.window
        too_many = full and sum(self._recent) >= self._too_many
        if self._trying or too_many or self._in_a_row >= self._settings.consecutive_errors:
            self._opened_at = now
        self._trying = False

    def undecided(self) -> None:
        """The answer says nothing about the provider's health (it asked us to slow down)."""
        self._trying = False


HEALTHY: Final = frozenset({Outcome.ACCEPTED, Outcome.REJECTED, Outcome.BLOCKED, Outcome.NOT_TONIGHT})
LONGEST_WAIT_S: Final = 86_400.0
"""What a provider asks for beyond a day is not taken at its word."""
UNDECIDED: Final = frozenset({Outcome.THROTTLED, Outcome.APART, Outcome.TEMPLATE, Outcome.ACCOUNT})
"""Answers that say nothing about the provider's health."""
FIRST_PAUSE_S: Final = 1.0
"""Pause after a throttling answer that names none; doubled while they keep coming."""
LONGEST_PAUSE_S: Final = 60.0
LEAST_VALIDITY: Final = timedelta(minutes=1)
"""The shortest time that every provider which bounds delivery can be told: some count in whole minutes."""
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


class Sender:
    """A provider with its pool, bucket and breaker. Used by one thread; only `send` runs in others."""

    def __init__(
        self,
        provider: Provider,
        settings: ProviderSettings,
        breaker: BreakerSettings,
        monotonic: Callable[[], float] = time.monotonic,
        patience_s: float = float("inf"),
        hold_back: timedelta = timedelta(0),
    ) -> None:
        """No thread starts before the first batch. A pause longer than `patience_s` makes it unhealthy.

        `hold_back` is the time before a message's end in which it does not leave, unless the provider bounds delivery.
        """
        self.provider = provider
        self.concurrency = settings.concurrency
        self.rate = settings.rate_per_second
        self.in_flight = 0
        self.breaker = CircuitBreaker(breaker)
        self._monotonic = monotonic
        self._bucket = TokenBucket(settings.rate_per_second, monotonic())
        self._paused_until = monotonic()
        self._throttled_in_a_row = 0
        self._keys: dict[str, str] = {}
        self._refused: dict[ApprovedWording, SendResult] = {}
        self._refusals: Counter[ApprovedWording] = Counter()
        self._patience_s = patience_s
        self._asks_values = settings.asks_values
        self.needed = LEAST_VALIDITY if provider.capabilities.bounds_delivery else hold_back
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

    def in_time(self, message: OutboundMessage, now: datetime) -> bool:
        """Whether the message, leaving now, arrives before its end or not at all, as far as anybody can see to it."""
        return message.expires_at is None or now + self.needed <= message.expires_at

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
        doubtful = batch if self._asks_values or self._refused else ()
        refused = {m.message_id: its for m in doubtful if (its := self._held(m))}
        try:
            self._pool.submit(_send, self.provider, tuple(batch), refused, answered)
        except RuntimeError:  # the machine has no thread left, and nothing has left it
            answered(Answer(tuple(batch), tuple(same_for_all(batch, Outcome.RETRYABLE, "no_thread"))))

    def _held(self, message: OutboundMessage) -> SendResult | None:
        """Why the message cannot be given to this provider: its words were refused, or it lacks their values."""
        if self._asks_values and not message.params:
            detail = "queued before a provider asked for values of templates; told anew when it expires"
            return SendResult(message.message_id, Outcome.TEMPLATE, code=NO_VALUES, detail=detail)
        its = self._refused.get(wording(message)) if self._refused else None
        return replace(its, message_id=message.message_id) if its else None

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
        """Count refusals of each template's words; what is refused again and again is refused for every borrower."""
        words = {message.message_id: wording(message) for message in answer.batch}
        for result in answer.results:
            its = words[result.message_id]
            if result.outcome is Outcome.ACCEPTED:
                self._refusals.pop(its, None)
            elif result.outcome is Outcome.TEMPLATE and result.code not in (NO_TEMPLATE, NO_VALUES):
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
    refused: Mapping[str, SendResult],
    answered: Callable[[Answer], None],
) -> None:
    try:
        going = [m for m in batch if m.message_id not in refused] if refused else batch
        results = [*refused.values(), *(provider.send(going) if going else ())]
        answer = Answer(batch, tuple(one_per_message(batch, results)))
    except BaseException as bug:  # noqa: BLE001 - the batch may have left: it is written down, then this is raised
        code = f"bug:{type(bug).__name__}"
        answer = Answer(
            batch, tuple(SendResult(m.message_id, Outcome.UNKNOWN, code=code) for m in batch), bug
        )
    answered(answer)


# How long each message that certainly was not sent waits for its next try.

APART_AT_ONCE: Final = 3
"""Tries after which a message that is told to go apart waits like any other retry."""
CAPS_BELIEVED: Final = 5
"""Tries after which a number's cap of seconds or hours is taken for one of the day."""
NOT_TONIGHT_S: Final = 86_400.0
"""A number's daily cap is over a day later; by then the message mostly has expired, and the next night decides."""


def retry_waits(
    answer: Answer,
    elsewhere: Collection[str],
    settings: RetrySettings,
    pause_s: Callable[[], float],
    rng: random.Random,
) -> dict[str, float]:
    """Seconds by message id; `elsewhere` may go to another provider at once, `pause_s` is that of this one."""
    if all(result.outcome is Outcome.ACCEPTED for result in answer.results):
        return {}
    tries = {message.message_id: message.attempts + 1 for message in answer.batch}
    waits: dict[str, float] = {}
    for result in answer.results:
        name = result.message_id
        if name in elsewhere or (result.outcome is Outcome.APART and tries[name] <= APART_AT_ONCE):
            waits[name] = 0.0
        elif result.outcome is Outcome.THROTTLED:
            waits[name] = pause_s()
        elif result.outcome is Outcome.NOT_TONIGHT:
            told_s = result.retry_after_s if tries[name] <= CAPS_BELIEVED else 0.0
            waits[name] = told_s or NOT_TONIGHT_S
        elif result.outcome is Outcome.TEMPLATE:
            waits[name] = settings.longest_s
        elif result.outcome in (Outcome.RETRYABLE, Outcome.APART, Outcome.ACCOUNT):
            waits[name] = max(retry_wait(tries[name], settings, rng), result.retry_after_s)
    return {name: min(wait, LONGEST_WAIT_S) for name, wait in waits.items()}
