"""How long each message that certainly was not sent waits for its next try."""

import random
from collections.abc import Callable, Collection
from typing import Final

from carloan_notify.delivery.line import LONGEST_WAIT_S, Answer
from carloan_notify.delivery.resilience import retry_wait
from carloan_notify.delivery.settings import RetrySettings
from carloan_notify.records import Outcome

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
