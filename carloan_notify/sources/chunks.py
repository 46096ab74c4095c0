"""What a reader yields: cells as text, column by column, each row with its place."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np
import pyarrow as pa

from carloan_notify.sources.problems import Problem


@dataclass(frozen=True, slots=True)
class BrokenRow:
    """A row that could not be parted into cells. `line` is its physical line, the header's being 1."""

    line: int
    problem: Problem
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TextChunk:
    """Some rows: `columns[i]` is the cells under header i as text, "" when missing; `lines` their places."""

    columns: Sequence[pa.Array]
    lines: np.ndarray
    broken: Sequence[BrokenRow] = ()


@dataclass(frozen=True, slots=True)
class SourceFile:
    """Where a table came from: path, or database without its password. `sha256` is of the content read.

    `modified_at` (aware, UTC) is None for a database; `rows` counts all rows read, rejected ones included.
    """

    label: str
    sha256: str
    modified_at: datetime | None
    rows: int


class Reader(Protocol):
    """An opened table. `origin(rows)` is asked after the last chunk."""

    @property
    def headers(self) -> Sequence[str]:
        """The column names as the source spells them."""

    def chunks(self) -> Iterator[TextChunk]:
        """All rows in order."""

    def origin(self, rows: int) -> SourceFile:
        """Where the rows came from."""
