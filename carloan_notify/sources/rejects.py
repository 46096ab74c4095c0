"""The rejects file, for the people who mend the export."""

import csv
from pathlib import Path
from typing import Final

import pandas as pd

from carloan_notify.spreadsheets import looks_like_formula

_COLUMNS: Final = ("table", "file", "line", "column", "value", "code", "cure")


def write_rejects(rejects: pd.DataFrame, path: Path) -> None:
    """Write `Sources.rejects` as CSV that a spreadsheet opens rightly (UTF-8 with BOM) and safely.

    A cell that a spreadsheet would run as a formula gets an apostrophe in front (OWASP, CSV injection).
    """
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(_COLUMNS)
        rows = rejects[list(_COLUMNS)].astype("str").itertuples(index=False, name=None)
        writer.writerows([_inert(cell) for cell in row] for row in rows)


def _inert(cell: str) -> str:
    return f"'{cell}" if looks_like_formula(cell) else cell
