"""How fast, how long to wait, when to leave a provider alone. Pure state machines: time comes in as seconds.

tenacity, pybreaker and pyrate-limiter were looked at and left out: retries here outlive the process (the
outbox holds `retry_at`), pybreaker knows no error share and reads the wall clock, pyrate-limiter keeps one
entry per message in whole milliseconds and cannot carry a batch larger than its burst as debt.
"""

import math
import random
from collections import deque
from typing import Final

from carloan_notify.delivery.settings import BreakerSettings, RetrySettings

BURST_SECONDS: Final = 0.1
"""Default burst: what a tenth of a second carries, so that a slow disk does not cost rate."""
LEAST_BURST: Final = 1.5
"""The smallest default: half a message of slack. A configured burst of 1 is kept to the letter instead."""


class TokenBucket:
    """A rate in messages a second with a burst. A batch larger than the burst leaves and is paid back.

    Over any span of T seconds at most `burst + rate * T` messages plus one batch leave.
    """

    def __init__(self, rate: float | None, burst: float | None, now: float) -> None:
        """Full at first; `rate` None never makes anybody wait."""
        self._rate = rate
        self._burst = burst or max(LEAST_BURST, (rate or 0.0) * BURST_SECONDS)
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


def retry_wait(attempts: int, settings: RetrySettings, rng: random.Random) -> float:
    """Seconds before the next try after `attempts` tries: exponential, at most `longest_s`, then jittered."""
    exponent = min(max(attempts, 1) - 1, 64)  # 2**64 s is past any limit, and nothing overflows
    wait = min(settings.longest_s, settings.first_s * settings.factor**exponent)
    return wait * (1 + settings.jitter * rng.uniform(-1, 1))


class CircuitBreaker:
    """Opens on failures in a row or on their share of a full window, whichever comes first; later lets one try.

    A share of 1 opens when every request of the window failed, also where more failures in a row are allowed.
    To go by failures in a row alone, make the window longer than these.
    """

    def __init__(self, settings: BreakerSettings) -> None:
        """Closed at first."""
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
