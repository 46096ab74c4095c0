"""The other end of delivery's figures: a simulated provider in a process of its own, and a ledger to drain."""

import multiprocessing
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.ledger_audit import drafts
from carloan_notify.delivery.dispatcher import Dispatcher
from carloan_notify.delivery.registry import build_channels
from carloan_notify.delivery.settings import DeliverySettings
from carloan_notify.delivery.simulator import Simulator, simulator_settings
from carloan_notify.delivery.surroundings import Surroundings
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.settings import LedgerSettings
from carloan_notify.records import Channel

OWNER = "benchmark"


def now() -> datetime:
    """The clock."""
    return datetime.now(UTC)


def _serve(port: Connection) -> None:
    with Simulator() as simulator:
        port.send(simulator.url)
        port.recv()


@contextmanager
def gateway() -> Iterator[str]:
    """A simulator in a process of its own; its address."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,))
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send(None)
        process.join()


@contextmanager
def queued(messages: int) -> Iterator[Ledger]:
    """A fresh SQLite ledger on disk in which so many messages are due."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Ledger.open(LedgerSettings(), Path(folder), create=True, now=now()) as ledger,
    ):
        ledger.enqueue("bench", drafts(messages, now()), now())
        yield ledger


def dispatcher(ledger: Ledger, url: str, batch_limit: int, **pace: Any) -> Dispatcher:  # noqa: ANN401 - settings
    """What drains that ledger to the simulator; `pace` are provider settings (concurrency, rate…)."""
    provider = {**simulator_settings(url, Channel.SMS, batch_limit=batch_limit), **pace}
    settings = DeliverySettings.model_validate({"channels": {"sms": ["sim"]}, "providers": {"sim": provider}})
    surroundings = Surroundings(clock=now, owner=OWNER)
    return Dispatcher(ledger.outbox, build_channels(settings), settings, surroundings)
