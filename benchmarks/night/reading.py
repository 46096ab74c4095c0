"""Reading alone, by the package's reader, in a process of its own: `python -m benchmarks.night.reading FOLDER DAY`."""

import sys
from datetime import date
from pathlib import Path

from carloan_notify.app import build_app
from carloan_notify.pipeline.portfolio import read_context
from carloan_notify.sources.read import read_all


def rows_read(folder: Path, day: date) -> int:
    """How many rows the tables of a lender's folder have."""
    app = build_app(folder / "config.yaml")
    return read_all(app.settings.sources, read_context(app, day)).rows_read


if __name__ == "__main__":
    print(rows_read(Path(sys.argv[1]), date.fromisoformat(sys.argv[2])))
