"""A million full 36-month schedules written as Parquet in chunks, and the speed against the plain twin."""

import resource
import sys
import tempfile
import time
from collections import deque
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from carloan_notify.loans.schedule import LoanTerms, build_schedules, one_loan, schedules
from carloan_notify.loans.settings import ProductTerms, ScheduleSettings
from tests.unit.loans.plain_schedule import plain_schedule

LOANS = 1_000_000
CHUNK = 50_000
TWIN_LOANS = 300
LIMIT_SECONDS = 40
LIMIT_RATIO = 100
TERMS = LoanTerms(5_000_000, 75_000_000, 36, date(2026, 1, 31), date(2025, 12, 31))


def chunk(number: int, size: int = CHUNK) -> pd.DataFrame:
    """Loans of 36 months with random principal, rate and first due date, the same for the same number."""
    rng = np.random.default_rng(number)
    loans = one_loan(TERMS).loc[[0] * size].reset_index(drop=True)
    loans["loan_id"] = pd.Series([f"L{number:03d}{at:06d}" for at in range(size)], dtype="str")
    loans["principal_minor"] = rng.integers(1_000_000, 50_000_000, size)
    loans["annual_rate_ppb"] = rng.integers(0, 300, size) * 1_000_000
    first = np.datetime64("2026-01-15") + rng.integers(0, 300, size)
    loans["first_due_on"] = first.astype("datetime64[s]")
    return loans


def write_all(path: Path) -> int:
    """Write every chunk's schedules to one Parquet file; the number of rows."""
    writer: pq.ParquetWriter | None = None
    rows = 0
    for number in range(LOANS // CHUNK):
        for grid in build_schedules(chunk(number), None, ScheduleSettings())[0]:
            table = pa.Table.from_pandas(grid.to_frame(), preserve_index=False)
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
            rows += table.num_rows
    if writer is not None:
        writer.close()
    return rows


def seconds_per_loan() -> tuple[float, float]:
    """Processor seconds: ours, for four chunks as they come, and the plain twin's; neither is kept."""
    loans = chunk(0, 4 * CHUNK)
    begin = time.process_time()
    deque(schedules(loans, None, ScheduleSettings()), maxlen=0)
    ours = (time.process_time() - begin) / len(loans)
    begin = time.process_time()
    for at in range(TWIN_LOANS):
        loan = replace(TERMS, principal_minor=int(loans["principal_minor"][at]))
        plain_schedule(loan, ProductTerms(), lambda _: True)
    return ours, (time.process_time() - begin) / TWIN_LOANS


def run() -> dict[str, float]:
    """Measure, print and return the figures; `ok` is 1 when all limits hold."""
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        rows = write_all(Path(folder) / "schedules.parquet")
        elapsed = time.perf_counter() - begin
    ours, twin = seconds_per_loan()
    unit = 1 if sys.platform == "darwin" else 1024
    figures = {
        "rows": float(rows),
        "seconds_for_a_million_schedules": round(elapsed, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6),
        "times_faster_than_the_plain_twin": round(twin / ours),
    }
    figures["ok"] = float(elapsed <= LIMIT_SECONDS and twin / ours >= LIMIT_RATIO)
    for name, value in figures.items():
        print(f"{name}: {value:g}")
    return figures


if __name__ == "__main__":
    run()
