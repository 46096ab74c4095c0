"""The benchmark's figures as a table, against what is wanted, printed and written to `docs/performance.md`."""

import os
import platform
import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from benchmarks.night.measure import PROC, Spent

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "performance.md"
HEADING: Final = "## The night"
_LIBRARIES: Final = ("pandas", "numpy", "pyarrow", "jinja2", "sqlalchemy", "cryptography")


@dataclass(frozen=True, slots=True)
class Row:
    """One measured command. Seconds are CPU seconds; `floor` and `script` None where there is nothing to compare."""

    what: str
    ours: Spent
    messages: int | None = None
    floor: float | None = None
    floor_mb: float | None = None
    script: float | None = None

    @property
    def rate(self) -> float:
        """Messages a second by the clock."""
        return (self.messages or 0) / self.ours.wall

    @property
    def over_floor(self) -> float | None:
        """How many times the floor we take."""
        return self.ours.cpu / self.floor if self.floor else None

    @property
    def over_ours(self) -> float | None:
        """How many times what we take the script takes."""
        return self.script / self.ours.cpu if self.script else None


COLUMNS: Final = (
    "", "CPU s", "wall s", "peak MB", "messages", "messages/s", "floor CPU s", "floor MB", "÷ floor", "script CPU s",
    "script ÷",
)  # fmt: skip


def cells(row: Row) -> list[str]:
    """A row as texts."""
    return [
        row.what,
        _figure(row.ours.cpu, 2),
        _figure(row.ours.wall, 2),
        _figure(row.ours.peak_mb, 0),
        _figure(row.messages, 0),
        _figure(row.rate if row.messages else None, 0),
        _figure(row.floor, 2),
        _figure(row.floor_mb, 0),
        _figure(row.over_floor, 2),
        _figure(row.script, 1),
        _figure(row.over_ours, 1),
    ]


def _figure(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


@dataclass(frozen=True, slots=True)
class Target:
    """A figure that is wanted: at most (or `least`, at least) so much."""

    what: str
    value: float
    wanted: float
    least: bool = False

    @property
    def met(self) -> bool:
        """Whether it is as wanted."""
        return self.value >= self.wanted if self.least else self.value <= self.wanted

    def told(self) -> str:
        """The figure in a sentence."""
        bound = "≥" if self.least else "≤"
        return f"{self.what}: {self.value:,.2f} (wanted {bound} {self.wanted:,g}{'' if self.met else '; missed'})"


_WIDTHS: Final = (46, 9, 9, 9, 10, 11, 12, 9, 8, 13, 9)


def print_row(row: Row) -> None:
    """A line as soon as it is known: a large size takes an hour."""
    _print_line(cells(row))


def print_head() -> None:
    """The names of the columns."""
    _print_line(COLUMNS)


def _print_line(texts: Sequence[str]) -> None:
    first, *others = zip(texts, _WIDTHS, strict=True)
    print(first[0].ljust(first[1]), *(text.rjust(width) for text, width in others), flush=True)


def machine() -> str:
    """Processor, cores, memory and versions, in one line; nothing that names this machine."""
    names = re.findall(r"model name\s*:\s*(.+)", _text(PROC / "cpuinfo"))
    memory = re.search(r"MemTotal:\s*(\d+)", _text(PROC / "meminfo"))
    gigabytes = f", {int(memory[1]) / 1e6:.0f} GB" if memory else ""
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return (
        f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores{gigabytes}, {platform.system()}; "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {libraries}"
    )


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def write_section(loans: int, rows: Sequence[Row], notes: Iterable[str], document: Path = DOCUMENT) -> None:
    """Put this size's table in the place of the one that stands in `docs/performance.md`."""
    text = document.read_text(encoding="utf-8") if document.exists() else "# Performance\n"
    if HEADING not in text:
        text = f"{text.rstrip()}\n\n{HEADING}\n\n{_EXPLAINED}\n"
    title = f"### {loans:,} loans"
    section = "\n".join([title, "", machine(), "", *_table(rows), "", *(f"- {note}" for note in notes), ""])
    found = re.search(rf"^{re.escape(title)}$.*?(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
    if found:
        text = text[: found.start()] + section + "\n" + text[found.end() :]
    else:
        at = _end_of(text)
        text = f"{text[:at].rstrip()}\n\n{section}\n{text[at:]}"
    document.write_text(text.rstrip() + "\n", encoding="utf-8")


def _end_of(text: str) -> int:
    """Where the part under HEADING ends: before the next heading of its rank."""
    begin = text.index(HEADING) + len(HEADING)
    following = re.search(r"^## ", text[begin:], re.MULTILINE)
    return begin + following.start() if following else len(text)


def _table(rows: Sequence[Row]) -> list[str]:
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---|" + "---:|" * (len(COLUMNS) - 1)]
    return lines + ["| " + " | ".join(cells(row)) + " |" for row in rows]


_EXPLAINED: Final = """\
Written by `python -m benchmarks.night LOANS --write`. Each line is a command in a process of its own; CPU seconds are
the kernel's count of it and all its children, memory is that of the whole tree at one moment, messages/s go by the
clock.

*floor*: the least that does the same work in the same run: the same bytes read (pyarrow), the standing in numpy, the
same messages from the same templates (Jinja2) with a signed link, sealed, chained, and the very rows that the command
left inserted into the same schema, 10,000 of a table a transaction, with the same durability. Guards, fingerprints,
findings, hours and caps cost the floor nothing.

*script*: pandas, iterrows, dateutil, Jinja2 and sqlite3 for the same messages, without any check, encryption or proof;
run on two samples and carried to this size on a straight line. A test holds that all three write the same words."""
