"""What is run at one size, and what is wanted of it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.night.folder import Form
from benchmarks.night.nights import Lender, cleared, quiet_rows
from benchmarks.night.portfolio import Portfolio
from benchmarks.night.report import Row, Target, machine, print_head, print_row, write_section
from benchmarks.night.sending import sending_rows

LOANS: Final = 100_000
LARGE: Final = 1_000_000
VARIANTS: Final[tuple[tuple[Form, bool], ...]] = (
    ("csv", False),
    ("parquet", False),
    ("csv", True),
    ("parquet", True),
)
"""Form of the tables, and whether payments have one; above LARGE loans only paid_to_date is run."""


def measured_rows(loans: int, place: Path, bytes_a_message: list[float]) -> Iterator[Row]:
    """Every line of the table, as soon as it is known."""
    portfolio = Portfolio(loans)
    for form, payments in VARIANTS:
        if payments and loans > LARGE:
            continue
        lender = Lender(cleared(place / "nights"), form, payments, portfolio)
        yield from lender.rows()
        bytes_a_message.append(lender.bytes_a_message)
    yield from quiet_rows(cleared(place / "nights"), portfolio)
    if loans <= LARGE:
        yield from sending_rows(cleared(place / "nights"), portfolio)


def targets(loans: int, rows: list[Row], bytes_a_message: list[float]) -> list[Target]:
    """The wanted figures that can be told at this size."""
    by_name = {row.what: row for row in rows}
    found = []
    for row in rows:
        if row.what.startswith(("first", "ordinary")) and row.over_floor:
            found.append(Target(f"{row.what}: ours ÷ full floor", row.over_floor, 2.5))
            limit = 1300 if loans > LARGE else 1000 if "payments" in row.what else 800
            found.append(Target(f"{row.what}: peak MB", row.ours.peak_mb, limit))
        if row.what.startswith("ordinary") and row.over_ours:
            found.append(Target(f"{row.what}: script ÷ ours", row.over_ours, 25, least=True))
        if row.what.startswith("the same"):
            first = by_name[row.what.replace("the same night again", "first night")]
            found.append(Target(f"{row.what} ÷ first", row.ours.cpu / first.ours.cpu, 0.2))
        if row.what.startswith(("explain", "schedule", "preview")):
            found.append(Target(f"{row.what}: CPU s", row.ours.cpu, 2.0 if "csv" in row.what else 1.0))
            found.append(Target(f"{row.what}: peak MB", row.ours.peak_mb, 350))
    found.append(Target("bytes a message in the ledger", max(bytes_a_message), 1200))
    return [*found, *_quiet_targets(by_name), *_sending_targets(by_name)]


def _quiet_targets(by_name: dict[str, Row]) -> Iterator[Target]:
    quiet, own, text = (
        by_name[name].ours.cpu
        for name in ("quiet night, csv, paid_to_date", "reading alone, ours", "reading alone, pandas")
    )
    yield Target("quiet night ÷ own reading", quiet / own, 1.4)
    yield Target("own reading ÷ pandas as text", own / text, 1.5)


def _sending_targets(by_name: dict[str, Row]) -> Iterator[Target]:
    if "send by 100" not in by_name:
        return
    many, one, idle = (by_name[name] for name in ("send by 100", "send singly", "send, nothing due"))
    yield Target("send by 100, messages/s", (many.messages or 0) / many.ours.wall, 20_000, least=True)
    bare = by_name["bare requests loop, singly"]
    ratio = ((one.messages or 0) / one.ours.wall) / ((bare.messages or 0) / bare.ours.wall)
    yield Target("send singly ÷ bare requests loop", ratio, 0.85, least=True)
    yield Target("send with nothing due: CPU s", idle.ours.cpu, 0.7)
    yield Target("send with nothing due: peak MB", idle.ours.peak_mb, 110)


def run(loans: float = LOANS, *, write: bool = False) -> dict[str, float]:
    """Run, print and return the figures; `ok` is 1 when every target is met. `write` puts them into the document."""
    size, rows, weights = int(loans), list[Row](), list[float]()
    print(f"{size:,} loans; {machine()}")
    print_head()
    with tempfile.TemporaryDirectory(prefix="night-") as place:
        for row in measured_rows(size, Path(place), weights):
            print_row(row)
            rows.append(row)
    wanted = targets(size, rows, weights)
    for target in wanted:
        print(target.told())
    if write:
        write_section(size, rows, [target.told() for target in wanted])
    figures = {target.what: round(target.value, 3) for target in wanted}
    return figures | {"ok": float(all(target.met for target in wanted))}
