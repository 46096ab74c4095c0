"""Send what may go now, and nothing that has been paid since it was queued."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from types import FrameType
from typing import Any, Final

import structlog

from carloan_notify.app import App, require_rehearsable
from carloan_notify.delivery.dispatch import Dispatcher, RunContext, Screened
from carloan_notify.delivery.registry import build_channels
from carloan_notify.delivery.summary import DrainSummary
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.outbox import LedgerOutbox
from carloan_notify.ledger.views import UntilPaid
from carloan_notify.loans.standing import Standing
from carloan_notify.pipeline.portfolio import (
    PayingTables,
    Portfolio,
    same_content,
    standing_settings,
    table_stamps,
)
from carloan_notify.records import AuditEvent, Channel, CoveredNotice, OutboundMessage

# Stop when paid: the last look at the lender's tables before a message leaves.

PAID = "paid"
UNCLEAR = "standing_unclear"
READING_SHARE: Final = 0.1
"""Asking the database may take this share of the time: what took 50 ms to read counts for 0.45 s."""


@dataclass(frozen=True, slots=True)
class StillOwed:
    """What is still owed: unpaid (loan, original due date) pairs, and the loans whose standing could be told.

    Nothing is said of installments due after `until`: a look at an older business date sees no further.
    """

    unpaid: Collection[tuple[str, date | None]]
    loans: Collection[str]
    until: date

    def verdict(self, covers: Sequence[CoveredNotice]) -> str:
        """Why a message that tells these must not go any more, or "" if all of it is still owed.

        A loan whose standing cannot be told may have been paid: its message stays back.
        """
        if any(cover.loan_id not in self.loans for cover in covers):
            return UNCLEAR
        judged = [c for c in covers if c.original_due_on is None or c.original_due_on <= self.until]
        if any((cover.loan_id, cover.original_due_on) not in self.unpaid for cover in judged):
            return PAID
        return ""

    def still_owed_keys(self, message: UntilPaid) -> list[str]:
        """Keys of a merged message's other loans: free them, so that a later night tells those alone."""
        return [c.idempotency_key for c in message.covers if (c.loan_id, c.original_due_on) in self.unpaid]


def owed(app: App, portfolio: Portfolio) -> StillOwed:
    """What a portfolio says is still owed."""
    until = portfolio.as_of + timedelta(days=standing_settings(app).horizon_days)
    return _owed(portfolio.standing, portfolio.incomplete_loans, until)


def _owed(stands: Standing, incomplete: Collection[str], until: date) -> StillOwed:
    dues, loans = stands.dues, stands.loans
    remainders: set[tuple[str, date | None]] = {
        (loan_id, None) for loan_id in loans["loan_id"][loans["remainder_minor"] > 0]
    }
    return StillOwed(
        unpaid=remainders.union(zip(dues["loan_id"], dues["original_due_on"].dt.date, strict=True)),
        loans=set(stands.loans["loan_id"]).difference(incomplete),
        until=until,
    )


def cancel_paid(
    ledger: Ledger, still: StillOwed, app: App, waiting: Iterable[UntilPaid] | None = None
) -> list[str]:
    """Cancel those of the waiting messages (None: of all) of which something is no longer owed; their ids."""
    verdicts: dict[str, list[UntilPaid]] = {}
    for message in ledger.outbox.due_until_paid() if waiting is None else waiting:
        reason = still.verdict(message.covers)
        if reason:
            verdicts.setdefault(reason, []).append(message)
    cancelled: list[str] = []
    for reason, messages in verdicts.items():
        keys = [key for message in messages for key in _freed(reason, message, still)]
        ids = [message.message_id for message in messages]
        cancelled += ledger.outbox.cancel(ids, reason, app.clock(), release_keys=keys)
    return cancelled


def _freed(reason: str, message: UntilPaid, still: StillOwed) -> list[str]:
    if reason == UNCLEAR:
        return [cover.idempotency_key for cover in message.covers]
    return still.still_owed_keys(message)


@dataclass(frozen=True, slots=True)
class _Look:
    """One look at the tables: which messages it covers (by id), what they tell, what is owed, how long it holds."""

    messages: frozenset[str] = frozenset()
    waiting: Mapping[str, UntilPaid] = field(default_factory=dict)
    owed: StillOwed = field(default_factory=lambda: StillOwed((), (), date.max))
    holds_until: float = 0.0


class PaidWatch:
    """Screens every batch just before it leaves.

    Files are read again when their content changed. A database is asked for the loans of the batch and, in
    the same breath, for those of the messages claimed with it; the answer holds for as long as asking again
    would keep the sender from its work (READING_SHARE), which is well under a second as a rule.
    """

    def __init__(
        self,
        app: App,
        ledger: Ledger,
        as_of: date,
        seen: Mapping[str, str],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`seen` are the stamps (see `tables`) of the tables that the queued messages were planned from."""
        self._house = app
        self._ledger = ledger
        self._as_of = as_of
        self._seen = dict(seen)
        self._monotonic = monotonic
        self._tables = PayingTables(app, as_of)
        self._claimed: set[str] = set()
        self._all_owed: StillOwed | None = None
        self._look = _Look()

    def expect(self, messages: Iterable[OutboundMessage]) -> None:
        """These messages were claimed and will soon be screened."""
        self._claimed.update(message.message_id for message in messages)

    def close(self) -> None:
        """Close the connections to the lender's databases."""
        self._tables.close()

    def screen(self, messages: Sequence[OutboundMessage]) -> Screened:
        """Cancel what has been paid; the rest may go.

        Raises:
            SourceError: the tables cannot be read: nothing may go, because nobody can say who has paid.
        """
        ids = {message.message_id for message in messages}
        changed = self._files_changed()
        if changed or not (ids <= self._look.messages and self._monotonic() < self._look.holds_until):
            self._look = self._look_again(ids)
        self._claimed -= ids
        waiting = [told for name in ids if (told := self._look.waiting.get(name)) is not None]
        cancelled = (
            set(cancel_paid(self._ledger, self._look.owed, self._house, waiting)) if waiting else set()
        )
        return Screened([message for message in messages if message.message_id not in cancelled], cancelled)

    def _files_changed(self) -> bool:
        current = table_stamps(self._house, self._as_of, self._seen)
        changed = not same_content(current, self._seen)
        self._seen = current
        if changed:
            self._tables.forget()
            self._all_owed = None if self._tables.asks else _owed(*self._tables.standing())
        return changed

    def _look_again(self, ids: Collection[str]) -> _Look:
        """Ask about these messages and the other claimed ones. Unchanged files have nothing new to say."""
        began = self._monotonic()
        wanted = frozenset(self._claimed.union(ids))
        if not self._tables.asks and self._all_owed is None:
            return _Look(wanted, holds_until=float("inf"))
        waiting = self._ledger.outbox.due_until_paid(sorted(wanted))
        return _Look(
            messages=wanted,
            waiting={message.message_id: message for message in waiting},
            owed=self._all_owed or self._asked_owed(waiting),
            holds_until=self._holds_until(began),
        )

    def _asked_owed(self, waiting: Iterable[UntilPaid]) -> StillOwed:
        loan_ids = {cover.loan_id for message in waiting for cover in message.covers}
        return _owed(*self._tables.standing(loan_ids)) if loan_ids else StillOwed((), (), date.max)

    def _holds_until(self, began: float) -> float:
        if not self._tables.asks:
            return float("inf")
        now = self._monotonic()
        return now + (now - began) * (1 - READING_SHARE) / READING_SHARE


class WatchedOutbox(LedgerOutbox):
    """The outbox of a ledger that tells a watch what was claimed, so that it can look ahead."""

    def __init__(self, ledger: Ledger, watch: PaidWatch) -> None:
        """The same outbox as `ledger.outbox`."""
        super().__init__(ledger.store, ledger.cipher)
        self._watch = watch

    def claim(
        self, *, channels: Collection[Channel], limit: int, owner: str, now: datetime, lease_s: float
    ) -> list[OutboundMessage]:
        """See `LedgerOutbox.claim`."""
        claimed = super().claim(channels=channels, limit=limit, owner=owner, now=now, lease_s=lease_s)
        self._watch.expect(claimed)
        return claimed


NIGHT = "night"
"""The kind of run that plans; after a finished one, everything queued agrees with the tables it read."""
FINISHED = "finished"

_log = structlog.get_logger()


def drain(app: App, ledger: Ledger, watch: PaidWatch) -> DrainSummary:
    """Drain the outbox of all that is due. SIGTERM and SIGINT finish what is on the wire and put the rest back."""
    with _politely_stopped() as stop, closing(watch):
        surroundings = RunContext(
            clock=app.clock,
            owner=f"{socket.gethostname()}:{os.getpid()}",
            lease_s=app.settings.ledger.lease_seconds,
            stop=stop,
            kill_switch=app.path(app.settings.delivery.kill_switch_file),
            before_send=watch.screen,
        )
        channels = build_channels(app.settings.delivery, app.clock)
        outbox = WatchedOutbox(ledger, watch)
        summary = Dispatcher(outbox, channels, app.settings.delivery, surroundings).drain()
    _note(app, ledger, summary)
    return summary


def send_due(app: App) -> DrainSummary:
    """Send what may go now, over every run.

    Raises:
        ConfigError: a rehearsal would reach people.
        LedgerError: there is no ledger yet.
        SourceError: the tables that say who has paid cannot be read; nothing is sent then.
    """
    require_rehearsable(app)
    with app.open_ledger() as ledger:
        night = ledger.last_run(NIGHT)
        as_of = night.as_of if night else app.business_date()
        # A night that did not finish has not screened what earlier nights queued: read the tables again.
        stamps = night.sources.get("stamps", {}) if night and night.status == FINISHED else {}
        return drain(app, ledger, PaidWatch(app, ledger, as_of, stamps))


def summary_row(summary: DrainSummary) -> dict[str, Any]:
    """A drain's figures as one flat row."""
    counted = ("accepted", "rejected", "unknown", "retryable", "cancelled", "expired", "released")
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
    ledger.append_audit([AuditEvent("send.stopped", subject, data)], app.clock())
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
