"""Print rows as a table, as JSON or as CSV: the one way in which commands print data."""

import csv
import json
from collections.abc import Mapping, Sequence
from math import isnan
from typing import IO, Any

from carloan_notify.text import looks_like_formula


def print_rows(
    rows: Sequence[Mapping[str, Any]],
    stream: IO[str],
    form: str,
    *,
    columns: Sequence[str] = (),
    title: str = "",
) -> None:
    """Write `rows` to `stream` as "table", "json" or "csv".

    `columns` chooses and orders; without it the first row's keys are taken.
    """
    names = list(columns) or (list(rows[0]) if rows else [])
    rows = [{name: _known(row[name]) for name in names} for row in rows]
    if form == "json":
        print_json(rows, stream)
    elif form == "csv":
        _print_csv(rows, stream, names)
    else:
        _print_table(rows, stream, names, title)


def print_json(value: Any, stream: IO[str]) -> None:  # noqa: ANN401 - any JSON value
    """Write one JSON value on one line; what a frame has as missing is null."""
    stream.write(json.dumps(_known(value), ensure_ascii=False, default=str, allow_nan=False) + "\n")


def _known(value: Any) -> Any:  # noqa: ANN401 - any JSON value, or a frame's
    """`value` with None for the missing values of pandas, which are no JSON and nothing to read."""
    if isinstance(value, Mapping):
        return {name: _known(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_known(each) for each in value]
    # By name: to import pandas for it would slow down every small command.
    missing = type(value).__name__ in ("NaTType", "NAType") or (isinstance(value, float) and isnan(value))
    return None if missing else value


def csv_cell(value: object) -> str:
    """A cell that no spreadsheet takes for a formula; a plain negative number stays a number."""
    text = "" if value is None else str(value)
    if looks_like_formula(text) and not _is_number(text):
        return "'" + text
    return text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _print_csv(rows: Sequence[Mapping[str, Any]], stream: IO[str], names: Sequence[str]) -> None:
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([csv_cell(row[name]) for name in names] for row in rows)


def _print_table(
    rows: Sequence[Mapping[str, Any]], stream: IO[str], names: Sequence[str], title: str
) -> None:
    from rich.table import Table  # noqa: PLC0415 - rich is slow to import and only tables need it

    table = Table(header_style="bold")
    for name in names:
        numeric = bool(rows) and all(isinstance(row[name], int | float) for row in rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*[_plain("" if row[name] is None else row[name]) for name in names])
    console = terminal(stream)
    if title:
        console.print(title, style="italic", markup=False)  # a table's own title would wrap at its width
    console.print(table)


def _plain(value: object) -> str:
    from rich.markup import escape  # noqa: PLC0415 - as above

    return escape(str(value))


def terminal(stream: IO[str]) -> Any:  # noqa: ANN401 - rich's Console, kept out of import time
    """A rich console on `stream`; wide enough to keep rows whole when it is not a terminal."""
    from rich.console import Console  # noqa: PLC0415 - as above

    return Console(file=stream, width=None if stream.isatty() else 160, highlight=False, soft_wrap=False)


def frame_rows(frame: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - a pandas frame, kept out of import time
    """A frame's rows as plain mappings, for `print_rows`."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


# Messages as people will read and hear them, in full.


def print_messages(rows: Sequence[Mapping[str, Any]], stream: IO[str]) -> None:
    """One block per message: what it is, from when it may go, then its whole text."""
    from rich.markup import escape  # noqa: PLC0415 - rich is slow to import
    from rich.panel import Panel  # noqa: PLC0415 - as above

    console = terminal(stream)
    for row in rows:
        title = (
            f"[bold]{escape(str(row['notice']))}[/bold] · {row['channel']} · {escape(str(row['loan_id']))}"
        )
        detail = f"{row['phone']} · from {row['not_before']} · {row['segments']} part(s)"
        if row["why"]:
            detail += f" · {escape(str(row['why']))}"
        console.print(
            Panel(
                escape(str(row["text"])),
                title=title,
                subtitle=detail,
                title_align="left",
                subtitle_align="right",
            )
        )
