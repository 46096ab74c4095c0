"""Send what may go now, and nothing that has been paid since it was queued."""

import os
import signal
import socket
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import date, datetime
from types import FrameType
from typing import Any

import structlog

from carloan_notify.app import App, require_rehearsable
from carloan_notify.delivery.dispatch import Dispatcher, RunContext
from carloan_notify.delivery.registry import build_channels
from carloan_notify.delivery.summary import DrainSummary
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.outbox import LedgerOutbox
from carloan_notify.ledger.runs import FINISHED, NIGHT, Run
from carloan_notify.pipeline.last_look import LastLook, Planned
from carloan_notify.records import AuditEvent, Channel, OutboundMessage


class WatchedOutbox(LedgerOutbox):
    """The outbox of a ledger that tells a watch what was claimed, so that it can look ahead."""

    def __init__(self, ledger: Ledger, watch: LastLook) -> None:
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


_log = structlog.get_logger()


def drain(app: App, ledger: Ledger, watch: LastLook) -> DrainSummary:
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
        return drain(app, ledger, LastLook(app, ledger, _planned(night, app.business_date())))


def _planned(night: Run | None, today: date) -> Planned:
    """The last night as the last look needs it; one that did not finish has not screened what waits."""
    if night is None:
        return Planned(today)
    if night.status != FINISHED:
        return Planned(night.as_of)
    return Planned(night.as_of, night.run_id, night.sources.get("stamps", {}), night.facts)


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
