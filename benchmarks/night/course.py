"""What is run at one size, and what is wanted of it."""

import tempfile
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from benchmarks.night.folder import Form
from benchmarks.night.nights import Lender, cleared, quiet_rows
from benchmarks.night.portfolio import Portfolio
from benchmarks.night.report import Row, machine, print_head, print_row, write_section
from benchmarks.night.sending import postgres_rows, sending_rows
from benchmarks.night.targets import COMPARED, MILLION, all_targets

LOANS: Final = 100_000
NIGHTS: Final[dict[str, tuple[Form, bool]]] = {
    "csv": ("csv", False),
    "parquet": ("parquet", False),
    "csv-payments": ("csv", True),
    "parquet-payments": ("parquet", True),
}
"""The nights by form of the tables, and whether payments have one instead of `paid_to_date`."""
QUIET: Final = "quiet"
SEND: Final = "send"
POSTGRES: Final = "send-postgres"
GROWTH: Final = "growth"
PARTS: Final = (*NIGHTS, QUIET, SEND, POSTGRES, GROWTH)


def parts_of(loans: int) -> tuple[str, ...]:
    """What is run at a size.

    Below a million loans not PostgreSQL, whose year of history takes minutes; above it neither payments nor sending,
    but a million loans for comparison.
    """
    if loans > MILLION:
        return ("csv", "parquet", QUIET, GROWTH)
    return (*NIGHTS, QUIET, SEND, POSTGRES) if loans == MILLION else (*NIGHTS, QUIET, SEND)


def measured_rows(
    loans: int, place: Path, parts: Collection[str], bytes_a_message: list[float]
) -> Iterator[Row]:
    """Every line of the table, as soon as it is known."""
    portfolio = Portfolio(loans)
    for name in NIGHTS:
        if name in parts:
            form, payments = NIGHTS[name]
            lender = Lender(cleared(place / "nights"), form, payments, portfolio)
            yield from lender.rows()
            bytes_a_message.append(lender.bytes_a_message)
    if QUIET in parts:
        yield from quiet_rows(cleared(place / "nights"), portfolio)
    if SEND in parts:
        yield from sending_rows(cleared(place / "nights"), portfolio)
    if POSTGRES in parts:
        yield from postgres_rows(cleared(place / "nights"), portfolio)
    if GROWTH in parts:
        lender = Lender(cleared(place / "nights"), "csv", payments=False, portfolio=Portfolio(MILLION))
        yield replace(lender.first_night(), what=COMPARED)


def run(loans: float = LOANS, *, parts: Collection[str] = (), write: bool = False) -> dict[str, float]:
    """Run, print and return the figures; `ok` is 1 when every target is met.

    Args:
        loans: how many.
        parts: of PARTS; empty for all of `parts_of`.
        write: put the table into docs/performance.md.
    """
    size, rows, weights = int(loans), list[Row](), list[float]()
    print(f"{size:,} loans; {machine()}")
    print_head()
    with tempfile.TemporaryDirectory(prefix="night-") as place:
        for row in measured_rows(size, Path(place), parts or parts_of(size), weights):
            print_row(row)
            rows.append(row)
    wanted = all_targets(size, rows, weights)
    for target in wanted:
        print(target.told())
    if write:
        write_section(size, rows, [target.told() for target in wanted])
    figures = {target.what: round(target.value, 3) for target in wanted}
    return figures | {"ok": float(all(target.met for target in wanted))}
