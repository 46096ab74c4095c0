"""Send what may go now, and nothing that has been paid since it was queued."""

import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from types import FrameType
from typing import Any

import structlog

from carloan_notify.delivery.dispatcher import Dispatcher
from carloan_notify.delivery.registry import build_channels
from carloan_notify.delivery.summary import DrainSummary
from carloan_notify.delivery.surroundings import Surroundings
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.pipeline.build import House
from carloan_notify.pipeline.clock import system_clock
from carloan_notify.pipeline.paid import PaidWatch, WatchedOutbox
from carloan_notify.pipeline.rehearsing import require_rehearsable
from carloan_notify.records import AuditEvent

NIGHT = "night"
"""The kind of run that plans; after a finished one, everything queued agrees with the tables it read."""
FINISHED = "finished"

_log = structlog.get_logger()


def drain(house: House, ledger: Ledger, watch: PaidWatch) -> DrainSummary:
    """Drain the outbox of all that is due. SIGTERM and SIGINT finish what is on the wire and put the rest back."""
    with _politely_stopped() as stop, closing(watch):
        surroundings = Surroundings(
            clock=house.clock,
            owner=f"{socket.gethostname()}:{os.getpid()}",
            lease_s=house.settings.ledger.lease_seconds,
            stop=stop,
            kill_switch=house.path(house.settings.delivery.kill_switch_file),
            before_send=watch.screen,
        )
        channels = build_channels(house.settings.delivery, system_clock)
        outbox = WatchedOutbox(ledger, watch)
        summary = Dispatcher(outbox, channels, house.settings.delivery, surroundings).drain()
    _note(house, ledger, summary)
    return summary


def send_due(house: House) -> DrainSummary:
    """Send what may go now, over every run.

    Raises:
        ConfigError: a rehearsal would reach people.
        LedgerError: there is no ledger yet.
        SourceError: the tables that say who has paid cannot be read; nothing is sent then.
    """
    require_rehearsable(house)
    with house.open_ledger() as ledger:
        night = ledger.last_run(NIGHT)
        as_of = night.as_of if night else house.business_date()
        # A night that did not finish has not screened what earlier nights queued: read the tables again.
        stamps = night.sources.get("stamps", {}) if night and night.status == FINISHED else {}
        return drain(house, ledger, PaidWatch(house, ledger, as_of, stamps))


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


def _note(house: House, ledger: Ledger, summary: DrainSummary) -> None:
    """Keep in the audit what a person must look at: an early stop, and codes that no table knows."""
    told = {"unlisted_codes": summary.unlisted_codes, "refused_templates": summary.refused_templates}
    subject = next(filter(None, [summary.stopped_by.value, *(name for name in told if told[name])]), "")
    if not subject:
        return
    data = {"stopped_by": summary.stopped_by.value, **{name: dict(codes) for name, codes in told.items()}}
    ledger.append_audit([AuditEvent("send.stopped", subject, data)], house.clock())
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
