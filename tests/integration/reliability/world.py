"""A lender's folder with a full outbox, the command line in it, and the simulator as the witness."""

import io
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import yaml

from carloan_notify.app import build_app
from carloan_notify.cli.main import main
from carloan_notify.config.example import sample_values
from carloan_notify.delivery.simulator.server import Simulator
from carloan_notify.delivery.simulator.settings import simulator_settings
from carloan_notify.ledger import intake, runs
from carloan_notify.ledger.tables import MESSAGES
from carloan_notify.pipeline.portfolio import table_stamps
from carloan_notify.pipeline.setup import init_folder
from carloan_notify.records import Channel, Draft
from tests.integration.ledger.drafts import NOW, draft
from tests.integration.reliability.forking import Forked
from tests.transactions import commit

CONCURRENCY = 4
LEASE_S = 5
AFTER_LEASE = timedelta(seconds=LEASE_S + 15)
# Every message meets the fault: neither canary nor breaker spares it. They have tests of their own.
PATIENT: dict[str, Any] = {
    "canary": {"size": 0},
    "breaker": {"consecutive_errors": 1_000_000, "error_share": 1, "window": 1_000_000},
    "retry": {"first_s": 0.05, "longest_s": 0.1, "wait_within_s": 5},
}


@dataclass(frozen=True)
class Done:
    """A finished command."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Verdict:
    """What the gateway and the ledger, held against each other, say of every message."""

    states: Counter[str]
    twice: int
    lost: int


@dataclass(frozen=True)
class World:
    """A folder made by `init`, sending to a simulator."""

    folder: Path
    simulator: Simulator

    def configure(
        self, *, ledger_url: str = "", batch_limit: int = 1, provider: object = None, delivery: object = None
    ) -> None:
        """Write the configuration; `provider` and `delivery` are options on top of the patient ones."""
        values = sample_values()
        values["ledger"] = {
            "url": ledger_url or "sqlite:///ledger.db",
            "lease_seconds": LEASE_S,
            "busy_timeout_seconds": 10,
        }
        values["delivery"] = {
            "channels": {"sms": ["sim"], "voice": ["console"]},
            "providers": {
                "console": {"type": "console", "channels": ["voice"]},
                "sim": {
                    **simulator_settings(self.simulator.url, Channel.SMS, batch_limit=batch_limit),
                    "concurrency": CONCURRENCY,
                    "read_timeout_s": 3,
                    **(provider if isinstance(provider, dict) else {}),
                },
            },
            **PATIENT,
            **(delivery if isinstance(delivery, dict) else {}),
        }
        text = yaml.safe_dump(values, allow_unicode=True, sort_keys=False)
        (self.folder / "config.yaml").write_text(text, encoding="utf-8")

    def change(self, edit: Callable[[dict[str, Any]], None]) -> None:
        """Edit the configuration."""
        path = self.folder / "config.yaml"
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        edit(values)
        path.write_text(yaml.safe_dump(values, allow_unicode=True, sort_keys=False), encoding="utf-8")

    def fill(self, messages: int) -> None:
        """Queue messages that may go from NOW on, for twelve hours, whoever pays: the tables have not changed."""
        app = build_app(self.folder / "config.yaml", NOW)
        with app.open_ledger(create=True) as ledger:
            stamps = table_stamps(app, NOW.date(), {})
            commit(ledger, runs.start, "R1", NOW.date(), "night", NOW, {"stamps": stamps})
            commit(ledger, intake.enqueue, "R1", [queued(n) for n in range(messages)], NOW)
            commit(ledger, runs.finish, "R1", runs.FINISHED, {}, None, NOW)

    def carloan(self, *args: str) -> Done:
        """Run a command in this process, in this folder."""
        out, err = io.StringIO(), io.StringIO()
        try:
            with chdir(self.folder), redirect_stdout(out), redirect_stderr(err):
                main(args)
        except SystemExit as ended:
            return Done(int(ended.code or 0), out.getvalue(), err.getvalue())

    def send(self, now: datetime) -> Done:
        """`send` in this process."""
        return self.carloan(*sending(now))

    def start(self, *args: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command as a shell would."""
        return subprocess.Popen(
            [sys.executable, "-m", "carloan_notify.cli.main", *args],
            cwd=self.folder,
            env={**os.environ, "PYTHONUTF8": "1"},
            text=True,
            encoding="utf-8",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **options,
        )

    def fork(self, *args: str, first: Callable[[], None] | None = None) -> Forked:
        """Start a command in a process of its own, without the wait for imports; `first` is done there before."""
        return Forked(self.folder, args, first)

    def states(self) -> dict[str, str]:
        """Message id → state."""
        with build_app(self.folder / "config.yaml", NOW).open_ledger() as ledger:
            query = sa.select(MESSAGES.c.message_id, MESSAGES.c.state)
            with ledger.store.read() as connection:
                return {row.message_id: row.state for row in connection.execute(query)}

    def verdict(self) -> Verdict:
        """Who was told twice, and who was lost: neither told nor refused."""
        told = self.simulator.gateway.counts()
        states = self.states()
        lost = [name for name, state in states.items() if name not in told and state != "rejected"]
        return Verdict(Counter(states.values()), sum(1 for count in told.values() if count > 1), len(lost))


def sending(now: datetime) -> tuple[str, ...]:
    """The arguments of a `send` at an instant."""
    return ("send", "--now", now.isoformat(), "--format", "json")


def queued(number: int) -> Draft:
    """A message to be queued; each to another number, as far as those for fiction go: a request holds none twice."""
    return replace(draft(number), until_paid=False, phone=f"+120255501{number % 100:02d}")


def make_world(folder: Path, simulator: Simulator, messages: int, **options: Any) -> World:
    """A folder with so many queued messages."""
    init_folder(folder)
    world = World(folder, simulator)
    world.configure(**options)
    world.fill(messages)
    return world
