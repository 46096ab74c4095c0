"""`send` as a command: a year of history in the ledger, the tables changed since the night, a gateway on loopback."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

from benchmarks.delivery_throughput import DEFAULT_CONCURRENCY, bare_loop
from benchmarks.ledger_audit import drafts
from benchmarks.night.folder import Export, change_config, make_folder, send_to
from benchmarks.night.ledgers import app_of, at
from benchmarks.night.measure import Spent, measured, ours
from benchmarks.night.nights import BATCH, FIRST, ORDINARY, run_night
from benchmarks.night.portfolio import Portfolio
from benchmarks.night.report import Row
from benchmarks.provider import fresh_database, gateway, postgres
from carloan_notify.ledger import answers, intake, outbox
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.records import Channel, Draft, Outcome, SendResult
from tests.transactions import commit

YEAR: Final = 365
BARE: Final = 3_000
BARE_BATCHED: Final = 100_000
WIRES: Final = DEFAULT_CONCURRENCY
FEW_WIRES: Final = 8
LATER: Final = ORDINARY + timedelta(days=1)
_OWNER: Final = "benchmark"


def fill_year(ledger: Ledger, messages: int, until: datetime) -> None:
    """So many messages that were queued and accepted on the days of the year before `until`."""
    each = messages // YEAR + 1
    everything = drafts(messages)
    for number, back in enumerate(range(YEAR, 0, -1)):
        now = until - timedelta(days=back)
        today = [_dated(draft, number * each + place, now) for place, draft in zip(range(each), everything)]  # noqa: B905 - the last day has fewer
        for part in intake.in_chunks(today):
            commit(ledger, intake.enqueue, "history", part, now)
        _sent(ledger, now)
    ledger.write_digest("history", until)


def _dated(draft: Draft, number: int, now: datetime) -> Draft:
    return replace(draft, phone=f"+8610{number:09d}", not_before=now, expires_at=now + timedelta(hours=1))


def _sent(ledger: Ledger, now: datetime) -> None:
    while claimed := commit(
        ledger, outbox.claim, channels=[Channel.SMS], limit=1_000, owner=_OWNER, now=now, lease_s=60
    ):
        ids = [message.message_id for message in claimed]
        commit(ledger, outbox.begin, ids, "texts", now, owner=_OWNER, lease_s=60)
        commit(
            ledger,
            answers.record,
            [SendResult(one, Outcome.ACCEPTED, f"r{one}") for one in ids],
            "texts",
            now,
        )


@dataclass(frozen=True)
class Mornings:
    """A lender whose nights are sent on the morning after, and a gateway."""

    export: Export
    portfolio: Portfolio
    url: str

    def row(self, what: str, day: date, batch: int, wires: int = WIRES) -> Row:
        """A night, the tables exported once more in the morning, and what leaves then."""
        folder = self.export.folder
        self.export.write(self.portfolio, day)
        run_night(folder, day)
        self.export.write(self.portfolio, day, later=True)
        send_to(folder, self.url, batch, wires)
        spent = send(folder, at(day, 10))
        return Row(what, spent, int(json.loads(spent.output)["accepted"]))

    def idle(self, day: date) -> Spent:
        """A `send` on the evening of a day that has nothing to do."""
        send(self.export.folder, at(day, 22))  # what waited for an answer to a call is over
        return send(self.export.folder, at(day, 22, 5))


def sending_rows(place: Path, portfolio: Portfolio) -> Iterator[Row]:
    """A first night sent by hundreds, ordinary ones singly, and a `send` with nothing to do."""
    export = lender_with_history(place, portfolio)
    with gateway() as url:
        mornings = Mornings(export, portfolio, url)
        bare_loop(url, BARE)  # warm both sides up
        yield bare("bare requests loop, by 100", url, BARE_BATCHED, BATCH)
        yield mornings.row("send by 100", FIRST, BATCH)
        yield bare("bare requests loop, singly", url, BARE, 1)
        yield mornings.row(f"send singly, {WIRES} on the wire", ORDINARY, 1)
        yield mornings.row(f"send singly, {FEW_WIRES} on the wire", LATER, 1, FEW_WIRES)
        yield Row("send, nothing due", mornings.idle(LATER))


def postgres_rows(place: Path, portfolio: Portfolio) -> Iterator[Row]:
    """The same by hundreds with the ledger in PostgreSQL, whose own processor time is not counted."""
    with postgres() as server, gateway() as url:
        export = lender_with_history(place, portfolio, fresh_database(server))
        yield Mornings(export, portfolio, url).row("send by 100, PostgreSQL", FIRST, BATCH)


def lender_with_history(place: Path, portfolio: Portfolio, ledger_url: str = "") -> Export:
    """A folder whose ledger holds as many messages of the last year as there are loans."""
    export = Export(place / "lender", "csv", payments=False)
    make_folder(export)
    if ledger_url:
        change_config(export.folder, {"ledger": {"url": ledger_url}})
    app = app_of(export.folder, FIRST)
    with app.open_ledger(create=True) as ledger:
        fill_year(ledger, portfolio.loans, app.clock())
    return export


def send(folder: Path, now: str) -> Spent:
    """One `send`; some messages are for later, and of some their time is over."""
    return measured(ours(folder, "send", "--now", now, "--format", "json"), (0, 1))


def bare(what: str, url: str, messages: int, batch: int) -> Row:
    """The plainest loop over one session, in this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    bare_loop(url, messages, batch)
    spent = Spent(time.process_time() - cpu, time.perf_counter() - wall, 0.0, "")
    return Row(what, spent, messages)
