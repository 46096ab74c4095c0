"""Send what may go now, and nothing that has been paid since it was queued."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog

from carloan_notify.app import App, one_night, require_rehearsable
from carloan_notify.codes import Look
from carloan_notify.delivery.dispatch import Dispatcher, RunContext, Screened
from carloan_notify.delivery.registry import build_channels
from carloan_notify.delivery.summary import DrainSummary
from carloan_notify.errors import LedgerError, LockedError
from carloan_notify.ledger import answers, audit, continuity, outbox, runs
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.notices.promise_settings import Confirm
from carloan_notify.pipeline.planned import Planned, newest_night
from carloan_notify.pipeline.stages import end_superseded
from carloan_notify.records import AuditEvent, Channel, OutboundMessage, SendResult

if TYPE_CHECKING:
    from carloan_notify.pipeline.last_look import LastLook


class LedgerOutbox:
    """What the dispatcher does to messages, each of it one transaction that is over when the call returns.

    `expect` is told what was claimed, so that a watch can look ahead.
    """

    def __init__(
        self, ledger: Ledger, expect: Callable[[Sequence[OutboundMessage]], None] = lambda _: None
    ) -> None:
        self._ledger = ledger
        self._expect = expect

    def claim(
        self, *, channels: Collection[Channel], limit: int, owner: str, now: datetime, lease_s: float
    ) -> list[OutboundMessage]:
        """Lease due messages."""
        with self._ledger.write() as tx:
            claimed = outbox.claim(tx, channels=channels, limit=limit, owner=owner, now=now, lease_s=lease_s)
        self._expect(claimed)
        return claimed

    def begin(
        self, message_ids: Sequence[str], provider: str, now: datetime, *, owner: str, lease_s: float
    ) -> list[str]:
        """*Sending* is on disk when this returns, and only then may the provider be called."""
        with self._ledger.write() as tx:
            return outbox.begin(tx, message_ids, provider, now, owner=owner, lease_s=lease_s)

    def record(
        self,
        results: Sequence[SendResult],
        provider: str,
        now: datetime,
        retry_at: Mapping[str, datetime] | None = None,
        tries: Mapping[str, int] | None = None,
    ) -> None:
        """Write a provider's answers down, all in one transaction."""
        with self._ledger.write() as tx:
            answers.record(tx, results, provider, now, retry_at, tries)

    def release(self, message_ids: Sequence[str], now: datetime) -> None:
        """Claimed, and not sent: they wait again."""
        with self._ledger.write() as tx:
            outbox.release(tx, message_ids, now)

    def hold_back(self, messages: Sequence[OutboundMessage], now: datetime) -> None:
        """Not due before their end, which ends them."""
        with self._ledger.write() as tx:
            for ends, ids in _by_end(messages, now).items():
                outbox.hold(tx, ids, Look.HOURS_ENDING, now, ends)

    def expire(self, now: datetime) -> int:
        """End what can no longer go in time."""
        with self._ledger.write() as tx:
            return outbox.expire(tx, now)

    def recover(self, now: datetime) -> outbox.Recovered:
        """Take up what a crash left behind."""
        with self._ledger.write() as tx:
            return outbox.recover(tx, now)


def _by_end(messages: Sequence[OutboundMessage], now: datetime) -> dict[datetime, list[str]]:
    ends: dict[datetime, list[str]] = {}
    for message in messages:
        ends.setdefault(message.expires_at or now, []).append(message.message_id)
    return ends


_log = structlog.get_logger()


class Watch(Protocol):
    """What is asked of every batch before it leaves (see `last_look.LastLook`), by the newest `night`."""

    @property
    def night(self) -> Planned:
        """The night that waiting messages come from."""

    def expect(self, messages: Sequence[OutboundMessage]) -> None:
        """These were claimed and will soon be screened."""

    def screen(self, messages: Sequence[OutboundMessage]) -> Screened:
        """What of these may leave, and in which words; may raise: nothing leaves then."""

    def close(self) -> None:
        """Let go of what it holds open."""


class LateLook:
    """The last look by the newest night, opened for the first batch.

    A `send` every few minutes finds nothing to send nearly always: then it needs neither the tables nor the
    libraries that read them.
    """

    def __init__(self, app: App, ledger: Ledger) -> None:
        self._app = app
        self._ledger = ledger
        self.night = newest_night(app, ledger)
        self._look: LastLook | None = None
        self._expected: list[OutboundMessage] = []

    def expect(self, messages: Sequence[OutboundMessage]) -> None:
        """Told to the look, as soon as there is one."""
        if self._look is None:
            self._expected += messages
        else:
            self._look.expect(messages)

    def screen(self, messages: Sequence[OutboundMessage]) -> Screened:
        """What the last look says. SourceError: the tables cannot be read, and nothing may go."""
        if self._look is None:
            self._look = self._opened()
            self._look.expect(self._expected)
        return self._look.screen(messages)

    def _opened(self) -> "LastLook":
        from carloan_notify.pipeline.last_look import LastLook  # noqa: PLC0415 - the point of this class

        return LastLook(self._app, self._ledger, self.night)

    def close(self) -> None:
        """Close the look, if there was one."""
        if self._look is not None:
            self._look.close()


def drain(app: App, ledger: Ledger, watch: Watch) -> DrainSummary:
    """Drain the outbox of all that is due. SIGTERM and SIGINT finish what is on the wire and put the rest back."""
    if app.settings.promises.confirm is Confirm.AUTO:
        from carloan_notify.pipeline.promises import confirm_by_rule  # noqa: PLC0415 - it reads tables, which takes pandas

        confirm_by_rule(app, ledger)
    with _politely_stopped() as stop, closing(watch):
        surroundings = RunContext(
            clock=app.clock,
            owner=f"{socket.gethostname()}:{os.getpid()}",
            lease_s=app.settings.ledger.lease_seconds,
            stop=stop,
            kill_switch=app.path(app.settings.delivery.kill_switch_file),
            before_send=watch.screen,
        )
        channels = build_channels(app.settings.delivery, app.clock, app.settings.inbound.public_url)
        waiting = LedgerOutbox(ledger, watch.expect)
        end_superseded(ledger, app.settings.rules, watch.night.run_id, app.clock())
        summary = Dispatcher(waiting, channels, app.settings.delivery, surroundings).drain()
    _note(app, ledger, summary)
    return summary


@dataclass(frozen=True, slots=True)
class Sent:
    """What a drain did, and what to tell of a night that ended in the middle ("" when there is none)."""

    summary: DrainSummary
    unfinished: str


def send_due(app: App) -> Sent:
    """Send what may go now, over every run.

    Raises:
        ConfigError: a rehearsal would reach people.
        LedgerError: there is no ledger yet, or it is not the one that the signed digests tell of.
        SourceError: the tables that say who has paid cannot be read; nothing is sent then.
    """
    require_rehearsable(app)
    with app.open_ledger() as ledger:
        if continuity.doubt_if_replaced(ledger, app.clock()):
            raise LedgerError(REPLACED)
        summary = drain(app, ledger, LateLook(app, ledger))
        return Sent(summary, _unfinished_night(app, ledger))


def _unfinished_night(app: App, ledger: Ledger) -> str:
    """What to tell of a night that was killed or broke while it queued; "" when there is none, or one runs now."""
    with ledger.read() as tx:
        night = runs.unfinished_night(tx)
    if night is None:
        return ""
    try:
        with one_night(app, "send", "looks whether a night runs"):
            return UNFINISHED.format(as_of=night.as_of, run_id=night.run_id)
    except LockedError:
        return ""


UNFINISHED: Final = (
    "the night of {as_of} (run {run_id}) ended in the middle: part of its notices may never have been queued. Run it "
    "again: carloan-notify run --as-of {as_of}; what was queued stays, and nobody is told twice"
)
REPLACED: Final = (
    "the audit folder holds a signed digest that this ledger does not know: an older copy was put back, or it was made "
    "anew, so nobody knows what was told since; what waited is unknown now and is not sent. Put the right ledger back, "
    "or see `reconcile` and let the next `run` accept it (--accept ledger_restored)"
)


def summary_row(summary: DrainSummary) -> dict[str, Any]:
    """A drain's figures as one flat row."""
    counted = ("accepted", "rejected", "unknown", "retryable", "cancelled", "expired", "released", "held")
    figures = {name: getattr(summary, name) for name in counted}
    return {
        **figures,
        "stopped_by": summary.stopped_by.value,
        "unlisted_codes": _counted(summary.unlisted_codes),
        "refused_templates": _counted(summary.refused_templates),
    }


def _counted(codes: Mapping[str, int]) -> str:
    return " ".join(f"{code}={number}" for code, number in sorted(codes.items()))


def _note(app: App, ledger: Ledger, summary: DrainSummary) -> None:
    """Keep in the audit what a person must look at: an early stop, and codes that no table knows."""
    told = {"unlisted_codes": summary.unlisted_codes, "refused_templates": summary.refused_templates}
    subject = next(filter(None, [summary.stopped_by.value, *(name for name in told if told[name])]), "")
    if not subject:
        return
    data = {"stopped_by": summary.stopped_by.value, **{name: dict(codes) for name, codes in told.items()}}
    with ledger.write() as tx:
        audit.append(tx, [AuditEvent("send.stopped", subject, data)], app.clock())
    for stop in summary.account_stops:
        _log.error("account refused", provider=stop.provider, code=stop.code, cure=stop.cure)


@contextmanager
def _politely_stopped() -> Iterator[threading.Event]:
    """An event that SIGTERM or SIGINT sets; the handlers in place before come back afterwards."""
    stop = threading.Event()

    def ask(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread may set handlers; its owner decides when to stop
        return
    earlier = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
