"""One channel while messages drain: what is claimed, which provider takes what, and the canary."""

from collections import deque
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from heapq import heappop, heappush
from typing import Final

from carloan_notify.delivery.provider import REQUEST_FULL
from carloan_notify.delivery.registry import CanarySettings
from carloan_notify.delivery.sender import Answer, Sender
from carloan_notify.delivery.summary import StoppedBy
from carloan_notify.records import Channel, OutboundMessage, Outcome, SendResult

# Messages packed into requests: those of one key together, and no number twice in a request.
#
# A batch mostly carries one reference, and receipts then tell its messages apart by number alone.


class Batcher:
    """At most `requests` batches of at most `limit` messages; `key_of` says what may share a request."""

    def __init__(self, requests: int, limit: int, key_of: Callable[[OutboundMessage], str]) -> None:
        self.batches: list[list[OutboundMessage]] = []
        self._requests = requests
        self._limit = limit
        self._key_of = key_of
        self._open: dict[str, tuple[list[OutboundMessage], set[str]]] = {}

    def add(self, message: OutboundMessage) -> bool:
        """Whether the message found a place."""
        key = self._key_of(message)
        place = self._open.get(key)
        if place is None or len(place[0]) >= self._limit or message.phone in place[1]:
            if len(self.batches) >= self._requests:
                return False
            place = self._open[key] = [], set()
            self.batches.append(place[0])
        place[0].append(message)
        place[1].add(message.phone)
        return True


AHEAD: Final = 16
"""Claimed messages per message that can be on the wire."""
LARGEST_CLAIM: Final = 2000
LOOK_AHEAD: Final = 500
"""Messages that do not fit into a request are passed over; after so many, the requests leave as they are."""
NEVER: Final = datetime.max.replace(tzinfo=UTC)
FRESH_S: Final = 15.0
"""A claim older than this goes back: a message must not leave long after its expiry was looked at."""

ELSEWHERE: Final = frozenset({Outcome.RETRYABLE, Outcome.TEMPLATE})
"""Definitely not sent, for a reason that another provider need not share. A number's cap is no such reason:
the person has heard enough."""

SAME_AGAIN: Final = frozenset({Outcome.THROTTLED, Outcome.APART})
"""Says nothing about the message; the same provider is asked again."""
NO_CANARY: Final = SAME_AGAIN | {Outcome.TEMPLATE}
"""Says nothing about the rest of the night: a refused template stops only its own messages."""


class ChannelQueue:
    """A channel's claimed messages and its providers, by preference."""

    def __init__(self, channel: Channel, senders: Sequence[Sender], canary: CanarySettings) -> None:
        """Nothing claimed yet; `senders` is not empty."""
        self.channel = channel
        self.senders = senders
        self.ended_by: StoppedBy | None = None
        self.waiting: deque[OutboundMessage] = deque()
        self.claimed_at = 0.0
        self._exhausted = False
        self._at = datetime.min.replace(tzinfo=UTC)
        self._first_end = NEVER
        self._needed = min(sender.needed for sender in senders)
        self._retries: list[float] = []
        self._tried: dict[str, set[str]] = {}
        self._alone: set[str] = set()
        self._canary = canary
        self._canary_left = canary.size
        self._canary_answers: list[Outcome] = []

    @property
    def claim_limit(self) -> int:
        """Messages to claim at once: enough to keep the wire busy, few enough to be gone soon."""
        first = self.senders[0]
        batch = first.provider.batch_limit
        most = min(AHEAD * first.concurrency * batch, LARGEST_CLAIM)
        return most if first.rate is None else max(batch, min(most, int(first.rate * FRESH_S / 3)))

    @property
    def in_flight(self) -> int:
        """Batches on the wire."""
        return sum(sender.in_flight for sender in self.senders)

    def idle(self, now: float) -> bool:
        """Whether there is nothing to do before the next retry is due, if there is one."""
        return not self.waiting and self._exhausted and not (self._retries and self._retries[0] <= now)

    def retry_at(self, due: float) -> None:
        """Come back at this moment for a message that may be tried again then."""
        heappush(self._retries, due)

    def until_retry(self, now: float) -> list[float]:
        """Seconds until the next retry that is worth waiting for, in a list of one or none."""
        return [max(0.0, due - now) for due in self._retries[:1]]

    def refill(self, claimed: Sequence[OutboundMessage], now: float) -> None:
        """Take what was claimed; an empty claim means that nothing is due until a retry is."""
        self.waiting.extend(claimed)
        self.claimed_at = now
        self._exhausted = not claimed
        self._first_end = min((message.expires_at or NEVER for message in self.waiting), default=NEVER)
        while self._retries and self._retries[0] <= now:
            heappop(self._retries)

    def too_late(self, now: datetime) -> list[OutboundMessage]:
        """Take out what no provider of the channel can be given in time any more, by the time `now`."""
        self._at = now
        if now + self._needed <= self._first_end:
            return []
        late = [m for m in self.waiting if m.expires_at and m.expires_at < now + self._needed]
        if late:
            gone = {message.message_id for message in late}
            self.waiting = deque(m for m in self.waiting if m.message_id not in gone)
        return late

    def pick(self, sender: Sender, most: int) -> list[list[OutboundMessage]]:
        """Take up to `most` waiting messages that should go to this sender now, packed into requests."""
        packing = Batcher(
            sender.free, sender.provider.batch_limit, lambda message: self._key(sender, message)
        )
        picked, left = 0, list[OutboundMessage]()
        while self.waiting and picked < most and len(left) < LOOK_AHEAD:
            message = self.waiting.popleft()
            if self._choice(message) is sender and packing.add(message):
                picked += 1
            else:
                left.append(message)
        self.waiting.extendleft(reversed(left))
        return packing.batches

    def allowance(self, sender: Sender) -> int:
        """How many messages the sender may be given as far as threads and canary go."""
        most = sender.free * sender.provider.batch_limit
        return min(most, self._canary_left) if self._canary_open else most

    def wants(self, sender: Sender) -> bool:
        """Whether the sender has an allowance and a waiting message should go to it."""
        return self.allowance(sender) > 0 and any(self._choice(message) is sender for message in self.waiting)

    def handed_over(self, messages: int) -> None:
        """So many messages have been handed to a sender."""
        if self._canary_open:
            self._canary_left -= messages

    def learn(self, sender: Sender, answer: Answer) -> Collection[str]:
        """Note the answers; returns the ids that another provider may take at once."""
        if self._canary_open:
            self._learn_canary(answer.results)
        elsewhere = set()
        messages = {message.message_id: message for message in answer.batch}
        for result in answer.results:
            if result.outcome in ELSEWHERE and self._other_line(sender, messages[result.message_id]):
                elsewhere.add(result.message_id)
            elif result.outcome not in SAME_AGAIN:
                self._tried.pop(result.message_id, None)
            elif result.outcome is Outcome.APART and result.code != REQUEST_FULL:
                self._alone.add(result.message_id)
        return elsewhere

    def _key(self, sender: Sender, message: OutboundMessage) -> str:
        """What may share a request with the message; with one that was told to go apart, nothing."""
        alone = message.message_id in self._alone
        return f"alone {message.message_id}" if alone else sender.key_of(message)

    @property
    def _canary_open(self) -> bool:
        return len(self._canary_answers) < self._canary.size

    def _learn_canary(self, results: Sequence[SendResult]) -> None:
        told = [r.outcome for r in results if r.outcome not in NO_CANARY]  # that says nothing about them
        self._canary_left += len(results) - len(told)
        self._canary_answers += told
        if not self._canary_open:
            accepted = self._canary_answers.count(Outcome.ACCEPTED) / len(self._canary_answers)
            if accepted < self._canary.min_accept_share:
                self.ended_by = StoppedBy.CANARY

    def _choice(self, message: OutboundMessage) -> Sender:
        """Of those that are in time: the first healthy one that has not refused it, else a healthy one, else any."""
        if len(self.senders) == 1:
            return self.senders[0]
        tried = self._tried.get(message.message_id, set())
        fitting = [sender for sender in self.senders if sender.in_time(message, self._at)]
        healthy = [sender for sender in fitting if sender.healthy]
        untried = [sender for sender in healthy if sender.name not in tried]
        return next(iter([*untried, *healthy, *fitting, *self.senders]))

    def _other_line(self, sender: Sender, message: OutboundMessage) -> bool:
        tried = self._tried.setdefault(message.message_id, set())
        tried.add(sender.name)
        others = [other for other in self.senders if other.name not in tried]
        return any(other.healthy and other.in_time(message, self._at) for other in others)
