"""What is run at one size, and what is wanted of it."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from benchmarks.night.folder import Form
from benchmarks.night.nights import Lender, cleared, quiet_rows
from benchmarks.night.portfolio import Portfolio
from benchmarks.night.report import Row, machine, print_head, print_row, write_section
from benchmarks.night.sending import sending_rows
from benchmarks.night.targets import COMPARED, MILLION, all_targets

LOANS: Final = 100_000
VARIANTS: Final[tuple[tuple[Form, bool], ...]] = (
    ("csv", False),
    ("parquet", False),
    ("csv", True),
    ("parquet", True),
)
"""Form of the tables, and whether payments have one; above a million loans only paid_to_date is run."""


def measured_rows(loans: int, place: Path, bytes_a_message: list[float]) -> Iterator[Row]:
    """Every line of the table, as soon as it is known."""
    portfolio = Portfolio(loans)
    for form, payments in VARIANTS:
        if payments and loans > MILLION:
            continue
        lender = Lender(cleared(place / "nights"), form, payments, portfolio)
        yield from lender.rows()
        bytes_a_message.append(lender.bytes_a_message)
    yield from quiet_rows(cleared(place / "nights"), portfolio)
    if loans <= MILLION:
        yield from sending_rows(cleared(place / "nights"), portfolio)
    else:
        lender = Lender(cleared(place / "nights"), "csv", payments=False, portfolio=Portfolio(MILLION))
        yield replace(lender.first_night(), what=COMPARED)


def run(loans: float = LOANS, *, write: bool = False) -> dict[str, float]:
    """Run, print and return the figures; `ok` is 1 when every target is met. `write` puts them into the document."""
    size, rows, weights = int(loans), list[Row](), list[float]()
    print(f"{size:,} loans; {machine()}")
    print_head()
    with tempfile.TemporaryDirectory(prefix="night-") as place:
        for row in measured_rows(size, Path(place), weights):
            print_row(row)
            rows.append(row)
    wanted = all_targets(size, rows, max(weights))
    for target in wanted:
        print(target.told())
    if write:
        write_section(size, rows, [target.told() for target in wanted])
    figures = {target.what: round(target.value, 3) for target in wanted}
    return figures | {"ok": float(all(target.met for target in wanted))}
