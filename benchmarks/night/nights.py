"""The nights of one lender: as a command, by the floor, and by the script on samples."""

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from benchmarks.delivery_throughput import DEFAULT_CONCURRENCY
from benchmarks.night.folder import NOWHERE, Export, Form, make_folder, send_to
from benchmarks.night.ledgers import LEDGER, added_rows, at, job_of, make_floor
from benchmarks.night.measure import Spent, measured, ours
from benchmarks.night.plain import Job
from benchmarks.night.portfolio import Portfolio
from benchmarks.night.report import Row
from benchmarks.provider import gateway

FIRST: Final = date(2026, 11, 16)
ORDINARY: Final = FIRST + timedelta(days=1)
QUIET_DAY: Final = 26
"""A due day of which no stage of the ladder falls on FIRST."""
BATCH: Final = 100
"""Text messages a request, where messages go by many."""
SAMPLES: Final = (2_000, 20_000)
_PANDAS_AS_TEXT: Final = "import sys, pandas; pandas.read_csv(sys.argv[1], dtype=str, keep_default_na=False)"
LOAN: Final = "AD000000123"


def run_night(folder: Path, day: date) -> tuple[Spent, int]:
    """`run` at two in the morning; what it cost and how many messages it queued."""
    spent = measured(ours(folder, "run", "--as-of", f"{day}", "--now", at(day, 2), "--format", "json"))
    return spent, int(json.loads(spent.output)["queued"])


@dataclass
class Samples:
    """The script on two small lenders of the same kind; a straight line through both gives other sizes."""

    place: Path
    form: Form
    payments: bool
    loans: int
    _exports: dict[int, Export] = field(default_factory=dict)

    def seconds(self, day: date) -> float:
        """CPU seconds of the script's night, carried to `loans`."""
        sizes = [size for size in SAMPLES if size < self.loans] or [self.loans]
        costs = [self._night(size, day) for size in sizes]
        if len(costs) == 1:
            return costs[0] * self.loans / sizes[0]
        each = (costs[1] - costs[0]) / (sizes[1] - sizes[0])
        return costs[1] + each * (self.loans - sizes[1])

    def _night(self, size: int, day: date) -> float:
        export = self._export(size)
        export.write(Portfolio(size), day)
        job = replace(job_of(export, export.folder, day), told=str(export.folder / "told.db"))
        return program("script", job, export.folder).cpu

    def _export(self, size: int) -> Export:
        if size not in self._exports:
            export = Export(self.place / f"script-{size}", self.form, self.payments)
            make_folder(export)
            self._exports[size] = export
        return self._exports[size]


def program(name: str, job: Job, folder: Path) -> Spent:
    """The floor or the script in a process of its own."""
    job.write(folder / f"{name}.json")
    return measured([sys.executable, "-m", f"benchmarks.night.{name}", str(folder / f"{name}.json")])


@dataclass
class Lender:
    """One lender's folder, and the floor's beside it."""

    place: Path
    form: Form
    payments: bool
    portfolio: Portfolio

    def __post_init__(self) -> None:
        """Make both folders, and samples for the script where it reads what lenders' scripts read."""
        self.export = Export(self.place / "lender", self.form, self.payments)
        self.floor = self.place / "floor"
        self.bytes_a_message = 0.0
        make_folder(self.export)
        make_floor(self.floor, FIRST)
        self._samples = (
            Samples(self.place, self.form, self.payments, self.portfolio.loans)
            if self.form == "csv"
            else None
        )

    @property
    def name(self) -> str:
        """What its tables are."""
        return f"{self.form}, {'payments table' if self.payments else 'paid_to_date'}"

    def rows(self) -> Iterator[Row]:
        """First night, the same again, an ordinary one, and the commands about one loan."""
        yield self.first_night()
        yield self.night("the same night again", FIRST)
        self._send_all(FIRST)
        before = self._ledger_bytes()
        self.export.write(self.portfolio, ORDINARY)
        row = self.night("ordinary night", ORDINARY, scripted=True)
        self.bytes_a_message = (self._ledger_bytes() - before) / max(row.messages or 0, 1)
        yield row
        yield from self.one_loan()

    def first_night(self) -> Row:
        """The night on which nothing was told before."""
        self.export.write(self.portfolio, FIRST)
        return self.night("first night", FIRST, scripted=True)

    def night(self, what: str, day: date, *, scripted: bool = False) -> Row:
        """The command's night, then the floor's with the rows that the command left."""
        spent, messages = run_night(self.export.folder, day)
        rows = self.floor / "rows.db"
        added_rows(self.export.folder / LEDGER, self.floor / LEDGER, rows)
        job = replace(job_of(self.export, self.floor, day), ledger=str(self.floor / LEDGER), rows=str(rows))
        floor = program("floor", job, self.floor)
        done = json.loads(floor.output)
        if done["messages"] != messages:
            raise AssertionError(
                f"{what}: the floor told {done['messages']} notices and the command {messages}"
            )
        script = self._samples.seconds(day) if self._samples and scripted else None
        return Row(f"{what}, {self.name}", spent, messages, floor.cpu - done["cpu"], floor.peak_mb, script)

    def one_loan(self) -> Iterator[Row]:
        """What a person asks about one loan on the next morning."""
        then = ("--now", at(ORDINARY, 9))
        for what, arguments in (
            ("explain", ("explain", LOAN, *then)),
            ("schedule", ("schedule", LOAN, "--as-of", f"{ORDINARY}")),
            ("preview --loan", ("preview", "--loan", LOAN, *then)),
        ):
            yield Row(f"{what}, {self.name}", measured(ours(self.export.folder, *arguments), (0, 1)))

    def _send_all(self, day: date) -> None:
        """Send what the night queued, as lenders do before the next one; the floor's ledger is then the same."""
        with gateway() as url:
            send_to(self.export.folder, url, BATCH, DEFAULT_CONCURRENCY)
            measured(ours(self.export.folder, "send", "--now", at(day, 10)), (0, 1))
        send_to(self.export.folder, NOWHERE)
        shutil.copy(self.export.folder / LEDGER, self.floor / LEDGER)

    def _ledger_bytes(self) -> int:
        return (self.export.folder / LEDGER).stat().st_size


def quiet_rows(place: Path, portfolio: Portfolio) -> Iterator[Row]:
    """A night on which nothing is due, beside reading alone: by our reader, and by pandas as text."""
    lender = Lender(place, "csv", payments=False, portfolio=replace(portfolio, due_day=QUIET_DAY))
    lender.export.write(lender.portfolio, FIRST)
    yield lender.night("quiet night", FIRST)
    reader = [sys.executable, "-m", "benchmarks.night.reading", str(lender.export.folder), f"{FIRST}"]
    yield Row("reading alone, ours", measured(reader))
    pandas = [sys.executable, "-c", _PANDAS_AS_TEXT, str(lender.export.path("loans"))]
    yield Row("reading alone, pandas", measured(pandas))


def cleared(place: Path) -> Path:
    """An empty folder."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    return place
