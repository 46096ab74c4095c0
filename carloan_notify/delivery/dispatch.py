"""Drains the outbox: claim, last look, commit *sending*, send, commit the answer, nothing fallible between.

One thread talks to the outbox and to the clock; providers are called from pools of their own. Commits are
grouped: whatever was answered while the last commit was written goes into the next one together.
"""

import queue
import random
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from carloan_notify.delivery.channel import FRESH_S, ChannelQueue
from carloan_notify.delivery.provider import Provider
from carloan_notify.delivery.registry import DeliverySettings
from carloan_notify.delivery.sender import Answer, Sender, retry_waits
from carloan_notify.delivery.summary import DrainSummary, StoppedBy, Tally
from carloan_notify.records import Channel, OutboundMessage, Outcome, SendResult

# What the run around a drain gives it: time, a way to stop, the last look before a batch leaves.


@dataclass(frozen=True, slots=True)
class Screened:
    """What the last look before a batch leaves said, with new words where they were needed.

    `cancelled` are cancelled in the outbox already; `held` wait there for a later look, because of a doubt, and
    `waiting` for their turn.
    """

    to_send: Sequence[OutboundMessage]
    cancelled: Collection[str] = ()
    held: Collection[str] = ()
    waiting: Collection[str] = ()


def send_all(messages: Sequence[OutboundMessage]) -> Screened:
    """The last look that finds nothing."""
    return Screened(messages)


@dataclass(frozen=True, slots=True)
class RunContext:
    """The world around a drain. `clock` gives aware UTC, `monotonic` seconds; `stop` ends the drain politely.

    `owner` names this sender among others; a lease has to outlast the slowest provider's time-outs.
    `before_send` may raise: nothing leaves then.
    """

    clock: Callable[[], datetime]
    owner: str
    lease_s: float = 300.0
    stop: threading.Event = field(default_factory=threading.Event)
    kill_switch: Path | None = None
    before_send: Callable[[Sequence[OutboundMessage]], Screened] = send_all
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] | None = None
    rng: random.Random = field(default_factory=random.Random)


def engaged(kill_switch: Path) -> bool:
    """Whether the kill-switch file is there; a place that cannot be looked at counts as yes."""
    try:
        kill_switch.stat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


# The outbox as the dispatcher needs it; the ledger implements it.
#
# Every method commits before it returns, and none keeps a transaction open. All are called from one thread.


class Outbox(Protocol):
    """States: queued → claimed → sending → accepted | rejected | retryable | unknown."""

    def claim(
        self, *, channels: Collection[Channel], limit: int, owner: str, now: datetime, lease_s: float
    ) -> list[OutboundMessage]:
        """Lease up to `limit` messages that are due (not_before ≤ now < expires_at, retry time reached)."""

    def begin(
        self, message_ids: Sequence[str], provider: str, now: datetime, *, owner: str, lease_s: float
    ) -> list[str]:
        """Claimed → sending, on disk before the network is touched, and the lease renewed.

        Returns the ids that may go: a message whose lease has passed to another sender stays away, and one
        that has expired since it was claimed waits for `expire`.
        """

    def record(
        self,
        results: Sequence[SendResult],
        provider: str,
        now: datetime,
        retry_at: Mapping[str, datetime] | None = None,
        tries: Mapping[str, int] | None = None,
    ) -> None:
        """Sending → the outcome's state; what was not sent → retryable, due at `retry_at`.

        `tries` is which attempt an answer is about: "not sent" of an earlier one changes nothing.
        """

    def release(self, message_ids: Sequence[str], now: datetime) -> None:
        """Claimed → queued: nothing was sent, no attempt is counted."""

    def hold_back(self, messages: Sequence[OutboundMessage], now: datetime) -> None:
        """Claimed → queued, for `expire` to end: too near to their `expires_at` for every provider."""

    def expire(self, now: datetime) -> int:
        """Queued or retryable past `expires_at`, or held back → expired; how many."""

    def recover(self, now: datetime) -> object:
        """After a crash: expired leases go back, claimed → queued and sending → unknown."""


GATHER_S: Final = 0.005
"""After the first answer, others are waited for this long or until half of the wire is free: one commit."""
LONGEST_DRAIN_S: Final = 3600.0
"""A `send` that takes longer stops and leaves the rest queued for the next."""
LONGEST_THROTTLE_S: Final = 120.0
"""A provider that asks for a longer pause ends the `send`; the rest stays queued."""
TICK_S: Final = 0.2
"""Longest sleep between looks at the stop event and the kill switch."""
_Unrecorded = tuple[list[SendResult], str, datetime, dict[str, datetime], dict[str, int]]
"""What `Outbox.record` is given."""


class Dispatcher:
    """Sends what the outbox holds, through each channel's providers. Built for one drain, then thrown away."""

    def __init__(
        self,
        outbox: Outbox,
        channels: Mapping[Channel, Sequence[Provider]],
        settings: DeliverySettings,
        surroundings: RunContext,
    ) -> None:
        """A sender per provider and a queue per channel that has any; opens nothing.

        `settings.providers` gives each provider's pace by its name.
        """
        self._outbox = outbox
        self._settings = settings
        self._around = surroundings
        self._started = surroundings.monotonic()
        self._tally = Tally()
        self._stopped_by: StoppedBy | None = None
        self._bug: BaseException | None = None
        self._unrecorded: list[_Unrecorded] = []
        self._answers: queue.SimpleQueue[tuple[ChannelQueue, Sender, Answer]] = queue.SimpleQueue()
        self._in_flight = 0
        self._claimed: dict[str, OutboundMessage] = {}
        providers = {provider.name: provider for listed in channels.values() for provider in listed}
        self._senders = {
            name: Sender(
                provider,
                settings.providers[name],
                settings.breaker,
                surroundings.monotonic,
                LONGEST_THROTTLE_S,
                timedelta(minutes=settings.hold_back_minutes),
            )
            for name, provider in providers.items()
        }
        self._queues = [
            ChannelQueue(channel, [self._senders[p.name] for p in listed], settings.canary)
            for channel, listed in channels.items()
            if listed
        ]

    def drain(self) -> DrainSummary:
        """Send all that is due until none is left or something stops it.

        Raises whatever the outbox or `before_send` raises, after writing down every answer that came and
        putting the unsent back; a provider's bug likewise, with its batch recorded as unknown.
        """
        now = self._around.clock()
        self._outbox.recover(now)
        self._tally.expired = self._outbox.expire(now)
        try:
            while self._step():
                pass
        finally:
            self._finish()
        self._tally.expired += self._outbox.expire(self._around.clock())
        if self._bug is not None:
            raise self._bug
        ended = (channel.ended_by for channel in self._queues if channel.ended_by)
        return self._tally.summary(self._stopped_by or next(ended, StoppedBy.NOTHING))

    def _step(self) -> bool:
        """Do what can be done at once, then wait for the next thing; False when all is done."""
        self._harvest(0)
        self._stopped_by = self._stopped_by or self._reason_to_stop()
        if self._stopped_by:
            return False
        waits = [wait for channel in self._queues if not channel.ended_by for wait in self._advance(channel)]
        if self._in_flight:
            self._harvest(min([TICK_S, *waits]))
            return True
        if waits:
            (self._around.sleep or self._around.stop.wait)(min([TICK_S, *waits]))
        return bool(waits) or self._reason_to_stop() is not None  # a stop in between is seen by the next step

    def _reason_to_stop(self) -> StoppedBy | None:
        if self._around.stop.is_set():
            return StoppedBy.SIGNAL
        if self._around.kill_switch is not None and engaged(self._around.kill_switch):
            return StoppedBy.KILL_SWITCH
        if self._around.monotonic() - self._started > LONGEST_DRAIN_S:
            return StoppedBy.DEADLINE
        return None

    # --- towards the wire ---
    def _advance(self, channel: ChannelQueue) -> Iterator[float]:
        """Claim and launch for one channel; yields seconds after which it is worth looking again."""
        if channel.idle(self._around.monotonic()):
            yield from channel.until_retry(self._around.monotonic())
            return
        pause, sender = min(
            ((sender.pause(), sender) for sender in channel.senders), key=lambda pair: pair[0]
        )
        if pause > 0:
            yield from self._until_pause_ends(channel, sender, pause)
            return
        self._refresh(channel)
        if self._held_back(channel) and not channel.waiting:
            yield 0.0  # more may be due than was claimed
        if not channel.waiting:
            yield from channel.until_retry(self._around.monotonic())
        wanted = [sender for sender in channel.senders if channel.wants(sender)]
        if wanted and all(sender.pause() > 0 for sender in wanted):
            first = min(wanted, key=lambda sender: sender.pause())
            yield from self._until_pause_ends(channel, first, first.pause())
            return
        for sender in wanted:
            if channel.ended_by or self._reason_to_stop():
                return
            if channel.wants(sender):
                yield self._feed(channel, sender)

    def _feed(self, channel: ChannelQueue, sender: Sender) -> float:
        """Launch as much as sender and channel have room for; seconds until it is worth looking again."""
        pause = sender.pause()
        if pause > 0:
            return pause
        room, until_room = sender.room(min(channel.allowance(sender), len(channel.waiting)))
        if not room:
            return until_room
        self._launch(channel, sender, room)
        return 0.0 if channel.allowance(sender) > 0 else TICK_S  # a full wire waits for answers

    def _refresh(self, channel: ChannelQueue) -> None:
        """Claim more when nothing waits; what has waited too long goes back first."""
        if channel.waiting and self._around.monotonic() - channel.claimed_at > FRESH_S:
            self._release([message.message_id for message in channel.waiting])
            channel.waiting.clear()
        if channel.waiting:
            return
        began = (
            self._around.monotonic()
        )  # a retry that falls due while the outbox is asked is asked for again
        claimed = self._outbox.claim(
            channels=[channel.channel],
            limit=channel.claim_limit,
            owner=self._around.owner,
            now=self._around.clock(),
            lease_s=self._around.lease_s,
        )
        self._claimed |= {message.message_id: message for message in claimed}
        channel.refill(claimed, began)

    def _held_back(self, channel: ChannelQueue) -> int:
        """End what would leave so late that it may arrive after its hours; how many."""
        late = channel.too_late(self._around.clock())
        if late:
            self._outbox.hold_back(late, self._around.clock())
            self._forget([message.message_id for message in late])
        return len(late)

    def _until_pause_ends(self, channel: ChannelQueue, sender: Sender, pause: float) -> Iterator[float]:
        """Wait for a paused sender, or end the channel when that takes too long and nothing is on the wire."""
        if sender.breaker.is_open:
            longest, reason = self._settings.retry.wait_within_s, StoppedBy.BREAKER
        else:
            longest, reason = LONGEST_THROTTLE_S, StoppedBy.THROTTLED
        if pause <= longest:
            yield pause
        elif not channel.in_flight:
            channel.ended_by = reason

    def _launch(self, channel: ChannelQueue, sender: Sender, room: int) -> None:
        """Last look, commit *sending*, hand over. What is committed and not handed over would be unknown."""
        batches = channel.pick(sender, room)
        picked = [message for batch in batches for message in batch]
        screened = self._around.before_send(picked)
        self._forget([*screened.cancelled, *screened.held, *screened.waiting])
        self._tally.cancelled += len(screened.cancelled)
        self._tally.held += len(screened.held)
        wanted = {message.message_id: message for message in screened.to_send}
        dropped = {message.message_id for message in picked} - {
            *wanted,
            *screened.cancelled,
            *screened.held,
            *screened.waiting,
        }
        self._release([message_id for message_id in dropped if message_id in self._claimed])
        begun = self._begin(list(wanted), sender)
        channel.handed_over(len(begun))
        for batch in batches:
            going = [wanted[message.message_id] for message in batch if message.message_id in begun]
            if going:
                self._in_flight += 1
                sender.send(going, lambda answer: self._answers.put((channel, sender, answer)))

    def _begin(self, message_ids: Sequence[str], sender: Sender) -> set[str]:
        if not message_ids:
            return set()
        around = self._around
        begun = self._outbox.begin(
            message_ids, sender.name, around.clock(), owner=around.owner, lease_s=around.lease_s
        )
        self._forget(message_ids)
        return set(begun)

    # --- back from the wire ---
    def _harvest(self, patience_s: float | None) -> None:
        """Record the answers that are there, waiting at most so long for the first (None: for every one)."""
        arrived = self._first_answer(patience_s)
        if arrived and patience_s:
            self._gather(arrived)
        while patience_s is None and len(arrived) < self._in_flight:
            arrived.append(self._answers.get())
        while not self._answers.empty():
            arrived.append(self._answers.get())
        self._in_flight -= len(arrived)
        self._record(arrived)

    def _first_answer(self, patience_s: float | None) -> list[tuple[ChannelQueue, Sender, Answer]]:
        if not self._in_flight or patience_s is None:
            return []
        try:
            return [self._answers.get(timeout=patience_s) if patience_s else self._answers.get_nowait()]
        except queue.Empty:
            return []

    def _gather(self, arrived: list[tuple[ChannelQueue, Sender, Answer]]) -> None:
        """A commit costs the same for one answer as for ten, and the wire is busy meanwhile."""
        until = time.monotonic() + GATHER_S
        while len(arrived) < self._in_flight / 2 and (left := until - time.monotonic()) > 0:
            try:
                arrived.append(self._answers.get(timeout=left))
            except queue.Empty:
                return

    def _record(self, arrived: Sequence[tuple[ChannelQueue, Sender, Answer]]) -> None:
        """Commit all that arrived, each sender's together. Planning retries comes first but cannot prevent it."""
        of_line = [
            (sender, [(la, an) for la, of, an in arrived if of is sender])
            for sender in self._senders.values()
        ]
        told = [(sender, answers, _results(answers)) for sender, answers in of_line if answers]
        now, due = self._around.clock(), [dict[str, datetime]() for _ in told]
        self._unrecorded += [
            (results, sender.name, now, times, dict(pair for _, answer in answers for pair in answer.tries()))
            for (sender, answers, results), times in zip(told, due, strict=True)
        ]
        try:
            for (sender, answers, _), times in zip(told, due, strict=True):
                self._plan(sender, answers, now, times)
        finally:
            self._write_down()
        for sender, answers, results in told:
            self._conclude(sender, results, next((answer.bug for _, answer in answers if answer.bug), None))

    def _plan(
        self,
        sender: Sender,
        answers: Sequence[tuple[ChannelQueue, Answer]],
        now: datetime,
        due: dict[str, datetime],
    ) -> None:
        """Learn from a sender's answers, and fill in when messages that were not sent may be tried again."""
        for channel, answer in answers:
            sender.learn(answer)
            elsewhere = channel.learn(sender, answer)
            waits = retry_waits(answer, elsewhere, self._settings.retry, sender.pause, self._around.rng)
            due |= {message_id: now + timedelta(seconds=wait) for message_id, wait in waits.items()}
            self._plan_retry(channel, waits)

    def _write_down(self) -> None:
        """Commit answers in the order they came; what could not be written stays for the next attempt."""
        while self._unrecorded:
            self._outbox.record(*self._unrecorded[0])
            del self._unrecorded[0]

    def _conclude(self, sender: Sender, results: Sequence[SendResult], bug: BaseException | None) -> None:
        """What follows from answers that are on disk."""
        self._tally.add(sender.name, results)
        self._bug = self._bug or bug
        if self._bug is not None or any(result.outcome is Outcome.ACCOUNT for result in results):
            self._stopped_by = self._stopped_by or StoppedBy.ACCOUNT

    def _plan_retry(self, channel: ChannelQueue, waits: Mapping[str, float]) -> None:
        """Come back for the retries that this drain can wait for."""
        now = self._around.monotonic()
        for seconds in waits.values():
            if seconds <= self._settings.retry.wait_within_s:
                channel.retry_at(now + seconds)

    # --- the end ---
    def _finish(self) -> None:
        """Whatever happened: wait for what is on the wire, write it down, put the rest back."""
        try:
            self._write_down()
            self._harvest(None)
        finally:
            for sender in self._senders.values():
                sender.close()
            self._tally.released = len(self._claimed)
            self._release(list(self._claimed))

    def _release(self, message_ids: Sequence[str]) -> None:
        if message_ids:
            self._outbox.release(message_ids, self._around.clock())
            self._forget(message_ids)

    def _forget(self, message_ids: Collection[str]) -> None:
        for message_id in message_ids:
            self._claimed.pop(message_id, None)


def _results(answers: Sequence[tuple[ChannelQueue, Answer]]) -> list[SendResult]:
    return [result for _, answer in answers for result in answer.results]
