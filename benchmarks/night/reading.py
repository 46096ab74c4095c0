"""Reading alone, in a process of its own: `python -m benchmarks.night.reading ours|pandas FOLDER DAY`."""

import sys
from datetime import date
from pathlib import Path

import pandas as pd

from benchmarks.night.ledgers import app_of
from carloan_notify.pipeline.portfolio import read_context
from carloan_notify.sources.read import read_all


def ours(folder: Path, day: date) -> int:
    """Every table by the package's reader; how many rows."""
    app = app_of(folder, day)
    return read_all(app.settings.sources, read_context(app, day)).rows_read


def pandas(folder: Path) -> int:
    """The loans as text."""
    return len(pd.read_csv(folder / "export" / "loans.csv", dtype=str, keep_default_na=False))


if __name__ == "__main__":
    HOW, FOLDER, DAY = sys.argv[1:]
    print(ours(Path(FOLDER), date.fromisoformat(DAY)) if HOW == "ours" else pandas(Path(FOLDER)))
