"""What a drain did, for the report and the exit code."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from carloan_notify.delivery.provider import UNLISTED_CODE
from carloan_notify.records import Outcome, SendResult

NOT_SENT: Final = (
    Outcome.RETRYABLE,
    Outcome.THROTTLED,
    Outcome.APART,
    Outcome.NOT_TONIGHT,
    Outcome.TEMPLATE,
    Outcome.ACCOUNT,
)


class StoppedBy(StrEnum):
    """Why a drain ended before the outbox was empty."""

    NOTHING = ""
    SIGNAL = "signal"
    KILL_SWITCH = "kill_switch"
    ACCOUNT = "account"
    CANARY = "canary"
    BREAKER = "breaker"
    THROTTLED = "throttled"
    DEADLINE = "deadline"


@dataclass(frozen=True, slots=True)
class AccountStop:
    """A provider that refuses the whole account, with what to do about it."""

    provider: str
    code: str
    cure: str


@dataclass(frozen=True, slots=True)
class DrainSummary:
    """Counts are answers: a message that was retried and then accepted counts once in each.

    `unlisted_codes` counts codes nobody has classified, as `provider:code`. `released` messages were claimed
    and put back unsent; `held` ones were put back because the last look was in doubt. `refused_templates` counts
    messages whose template a provider refuses or lacks, as `provider:code`; a person has to mend it.
    """

    accepted: int
    rejected: int
    unknown: int
    retryable: int
    cancelled: int
    expired: int
    released: int
    held: int
    by_provider: Mapping[str, Mapping[Outcome, int]]
    unlisted_codes: Mapping[str, int]
    account_stops: tuple[AccountStop, ...]
    stopped_by: StoppedBy
    refused_templates: Mapping[str, int] = field(default_factory=dict)


class Tally:
    """Counts while the drain goes on."""

    def __init__(self) -> None:
        self.cancelled = 0
        self.expired = 0
        self.released = 0
        self.held = 0
        self.account_stops: dict[str, AccountStop] = {}
        self._answers: Counter[tuple[str, Outcome]] = Counter()
        self._unlisted: Counter[str] = Counter()
        self._templates: Counter[str] = Counter()

    def add(self, provider: str, results: Sequence[SendResult]) -> None:
        """Count answers."""
        for result in results:
            self._answers[provider, result.outcome] += 1
            if result.detail == UNLISTED_CODE:
                self._unlisted[f"{provider}:{result.code}"] += 1
            if result.outcome is Outcome.TEMPLATE:
                self._templates[f"{provider}:{result.code}"] += 1
            if result.outcome is Outcome.ACCOUNT:
                self.account_stops.setdefault(provider, account_stop(provider, result))

    def summary(self, stopped_by: StoppedBy) -> DrainSummary:
        """What has been counted."""
        total: Counter[Outcome] = Counter()
        by_provider: dict[str, dict[Outcome, int]] = {}
        for (provider, outcome), count in self._answers.items():
            total[outcome] += count
            by_provider.setdefault(provider, {})[outcome] = count
        return DrainSummary(
            accepted=total[Outcome.ACCEPTED],
            rejected=total[Outcome.REJECTED] + total[Outcome.BLOCKED],
            unknown=total[Outcome.UNKNOWN],
            retryable=sum(total[outcome] for outcome in NOT_SENT),
            cancelled=self.cancelled,
            expired=self.expired,
            released=self.released,
            held=self.held,
            by_provider=by_provider,
            unlisted_codes=dict(self._unlisted),
            account_stops=tuple(self.account_stops.values()),
            stopped_by=stopped_by,
            refused_templates=dict(self._templates),
        )


def account_stop(provider: str, result: SendResult) -> AccountStop:
    """The refusal with its cure."""
    cure = (
        f"provider {provider} refuses the account ({result.code}): check its balance, credentials and "
        f"allowed addresses, try `providers test {provider}`, then run `send` again; nothing was lost"
    )
    return AccountStop(provider, result.code, cure)
