"""Fakes for the dispatcher: a clock that only moves when told, an outbox in memory, scripted providers."""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from carloan_notify.delivery.provider import (
    Capabilities,
    CheckResult,
    CheckVerdict,
    Inquiry,
    LookUp,
    MessageFate,
    ReceiptMode,
    Received,
    Refused,
    ReturnPage,
)
from carloan_notify.ledger import states
from carloan_notify.ledger.states import Step
from carloan_notify.records import Channel, MessageState, OutboundMessage, Outcome, PushRequest, SendResult

START = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
S = MessageState


def message(number: int, channel: Channel = Channel.SMS, attempts: int = 0) -> OutboundMessage:
    return OutboundMessage(
        f"M{number:025d}",
        channel,
        "due_today",
        "en",
        f"+1202555{number:04d}",
        f"text {number}",
        {"name": "A"},
        attempts,
    )


def result(of: OutboundMessage, outcome: Outcome, code: str = "c", retry_after_s: float = 0.0) -> SendResult:
    return SendResult(of.message_id, outcome, "ref", code, "", retry_after_s)


class FakeTime:
    """`sleep` moves both clocks; nothing else does."""

    def __init__(self) -> None:
        """Start at zero."""
        self.seconds = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.seconds

    def clock(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += max(seconds, 0.001)


@dataclass
class Row:
    message: OutboundMessage
    state: MessageState = S.QUEUED
    due_at: datetime = START
    expires_at: datetime = START + timedelta(hours=12)
    owner: str = ""
    lease_until: datetime = START
    provider: str = ""
    held_back: bool = False
    history: list[MessageState] = field(default_factory=list)


class CrashError(Exception):
    """The process dies here."""


class FakeOutbox:
    """The port in memory, with the ledger's own transitions. `crash_at`: the call that dies, before or after acting."""

    def __init__(self, messages: Sequence[OutboundMessage]) -> None:
        """Everything is queued."""
        self.rows = {m.message_id: Row(m) for m in messages}
        self.calls: Counter[str] = Counter()
        self.crash_at: tuple[str, int, bool] | None = None
        self.dead = False
        self.stolen: set[str] = set()
        self.thread = threading.get_ident()
        self.record_groups: list[int] = []
        self.recorded: list[str] = []

    def _call(self, name: str, act: Callable[[], None]) -> None:
        assert threading.get_ident() == self.thread, "the outbox belongs to one thread"
        if self.dead:
            raise CrashError(name)
        self.calls[name] += 1
        crash = self.crash_at == (name, self.calls[name], False)
        if not crash:
            act()
        if crash or self.crash_at == (name, self.calls[name], True):
            self.dead = True
            raise CrashError(name)

    def _move(self, message_id: str, step: Step) -> Row:
        row = self.rows[message_id]
        row.state = states.after(step, row.state, message_id)
        row.history.append(row.state)
        return row

    def claim(
        self, *, channels: Collection[Channel], limit: int, owner: str, now: datetime, lease_s: float
    ) -> list[OutboundMessage]:
        claimed: list[OutboundMessage] = []

        def act() -> None:
            due = [r for r in self.rows.values() if r.state in states.WAITING and r.due_at <= now]
            for row in [r for r in due if now < r.expires_at and r.message.channel in channels][:limit]:
                self._move(row.message.message_id, Step.CLAIM)
                row.owner, row.lease_until = owner, now + timedelta(seconds=lease_s)
                claimed.append(row.message)

        self._call("claim", act)
        return claimed

    def begin(
        self, message_ids: Sequence[str], provider: str, now: datetime, *, owner: str, lease_s: float
    ) -> list[str]:
        late = [i for i in message_ids if self.rows[i].expires_at <= now]
        begun = [i for i in message_ids if i not in self.stolen and i not in late]

        def act() -> None:
            for message_id in late:
                self._move(message_id, Step.RELEASE)
            for message_id in begun:
                row = self._move(message_id, Step.BEGIN)
                assert row.owner == owner
                row.lease_until = now + timedelta(seconds=lease_s)
                row.provider = provider
                row.message = replace(row.message, attempts=row.message.attempts + 1)

        self._call("begin", act)
        return begun

    def record(
        self,
        results: Sequence[SendResult],
        provider: str,
        now: datetime,
        retry_at: Mapping[str, datetime] | None = None,
        tries: Mapping[str, int] | None = None,
    ) -> None:
        for message_id, attempt in (tries or {}).items():
            assert attempt == self.rows[message_id].message.attempts, "an answer of another attempt"

        def act() -> None:
            self.recorded += [r.message_id for r in results]
            self.record_groups.append(len(results))
            for answer in results:
                assert self.rows[answer.message_id].state is S.SENDING, "an answer to what is not on the wire"
                row = self._move(answer.message_id, states.STEP_OF_OUTCOME[answer.outcome])
                assert row.provider == provider
                row.due_at = (retry_at or {}).get(answer.message_id, now)

        self._call("record", act)

    def release(self, message_ids: Sequence[str], now: datetime) -> None:
        def act() -> None:
            for message_id in message_ids:
                if self.rows[message_id].state is S.CLAIMED:
                    self._move(message_id, Step.RELEASE).due_at = now

        self._call("release", act)

    def hold_back(self, messages: Sequence[OutboundMessage], now: datetime) -> None:
        def act() -> None:
            for held in messages:
                row = self._move(held.message_id, Step.RELEASE)
                assert now < row.expires_at
                row.due_at, row.held_back = row.expires_at, True

        self._call("hold_back", act)

    def expire(self, now: datetime) -> int:
        waiting = [r for r in self.rows.values() if r.state in states.WAITING]
        late = [r for r in waiting if r.expires_at <= now or r.held_back]
        for row in late:
            self._move(row.message.message_id, Step.EXPIRE)
        return len(late)

    def recover(self, now: datetime) -> object:
        for row in self.rows.values():
            if row.lease_until <= now and row.state in states.LEASED:
                self._move(row.message.message_id, Step.LAPSE)
        return None

    def states(self) -> Counter[MessageState]:
        return Counter(row.state for row in self.rows.values())


Script = Callable[[Sequence[OutboundMessage]], list[SendResult]]


def accept(batch: Sequence[OutboundMessage]) -> list[SendResult]:
    return [result(m, Outcome.ACCEPTED) for m in batch]


def always(outcome: Outcome, retry_after_s: float = 0.0) -> Script:
    return lambda batch: [result(m, outcome, retry_after_s=retry_after_s) for m in batch]


class FakeProvider:
    """Answers by a script; remembers every message it saw and how many calls overlapped."""

    capabilities = Capabilities(look_up_window=None, receipts=ReceiptMode.NONE)

    def __init__(
        self,
        name: str = "main",
        script: Script = accept,
        *,
        batch_limit: int = 1,
        channels: Collection[Channel] = (Channel.SMS,),
    ) -> None:
        """Accept everything unless scripted."""
        self.name = name
        self.script = script
        self.batch_limit = batch_limit
        self.channels = frozenset(channels)
        self.seen: Counter[str] = Counter()
        self.batches: list[int] = []
        self.overlap = 0
        self._inside = 0
        self._lock = threading.Lock()

    def send(self, batch: Sequence[OutboundMessage]) -> list[SendResult]:
        with self._lock:
            self._inside += 1
            self.overlap = max(self.overlap, self._inside)
            self.seen.update(m.message_id for m in batch)
            self.batches.append(len(batch))
        try:
            return self.script(batch)
        finally:
            with self._lock:
                self._inside -= 1

    def look_up(self, inquiries: Sequence[Inquiry]) -> list[LookUp]:
        return [LookUp(i.message_id, MessageFate.UNCLEAR) for i in inquiries]

    def batch_key(self, message: OutboundMessage) -> str:
        return message.params.get("key", "")

    def receive(self, request: PushRequest) -> Received | Refused:
        return Refused(404, f"{len(request.body)}")

    def pull(self, since: datetime, cursor: str) -> ReturnPage:
        return ReturnPage(problems=(f"{since} {cursor}",))

    def check(self) -> list[CheckResult]:
        return [CheckResult("credentials", CheckVerdict.OK)]
