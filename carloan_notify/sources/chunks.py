"""What a reader yields: cells as text, column by column, each row with its place."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

import numpy as np
import pyarrow as pa

from carloan_notify.finding_codes import CellProblem

# The mask for personal values.


LONGEST_VALUE: Final = 40
_WHOLE_TAIL_FROM: Final = 9
# A Chinese mobile number (+86 100… are the samples' fictitious ones), a Chinese number plate.
_PERSONAL: Final = re.compile(r"(?<!\d)1(?:[3-9]\d|00)\d{8}(?!\d)|[\u4e00-\u9fff][A-Z][A-Z0-9]{5,6}")


def masked(text: str) -> str:
    """A personal value as it may be shown: `138****0001`, `张***`; "" stays ""."""
    if len(text) >= _WHOLE_TAIL_FROM:
        return f"{text[:3]}****{text[-4:]}"
    return f"{text[0]}***" if text else ""


def shown(text: str, *, personal: bool) -> str:
    """A cell as the rejects file shows it: masked when personal, cut at 40 characters.

    A Chinese mobile number or plate is masked wherever it stands: cells slip into the wrong column.
    """
    if personal or _PERSONAL.search(text):
        return masked(text)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


@dataclass(frozen=True, slots=True)
class BrokenRow:
    """A row that could not be parted into cells. `line` is its physical line, the header's being 1."""

    line: int
    problem: CellProblem
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
    `ended` says whether a text ends with the end of a line (None: no text); `incomplete` what shows that the
    table is not whole, "" when nothing does.
    """

    label: str
    sha256: str
    modified_at: datetime | None
    rows: int
    ended: bool | None = None
    incomplete: str = ""


class Sift(Protocol):
    """Which rows of a table are wanted, told from a few of its columns."""

    @property
    def places(self) -> Sequence[int]:
        """The places of those columns among the headers."""

    def mask(self, chunk: TextChunk) -> np.ndarray:
        """A flag per row; only the columns at `places` are looked at."""


def sifted(chunk: TextChunk, sift: Sift | None) -> TextChunk:
    """The wanted rows, and whatever could not be parted into cells; everything without a `sift`."""
    return chunk if sift is None else rows_of(chunk, sift.mask(chunk))


def rows_of(chunk: TextChunk, mask: np.ndarray) -> TextChunk:
    """The rows of the mask, and whatever could not be parted into cells."""
    places = np.flatnonzero(mask)
    taken = pa.array(places)
    return TextChunk([cells.take(taken) for cells in chunk.columns], chunk.lines[places], chunk.broken)


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows of a table, of which only a few columns were read: `keys`, the others null.

    `rows` reads those that are wanted whole, with whatever among them could not be parted into cells.
    """

    keys: TextChunk
    rows: Callable[[Sift], TextChunk]


class ChunkReader(Protocol):
    """An opened table. `origin(rows)` is asked after the last chunk."""

    @property
    def label(self) -> str:
        """Where the rows come from, without secrets."""

    @property
    def headers(self) -> Sequence[str]:
        """The column names as the source spells them."""

    def chunks(self, sift: Sift | None = None) -> Iterator[TextChunk]:
        """All rows in order, or only the wanted ones; their places stay those in the whole table."""

    def origin(self, rows: int) -> SourceFile:
        """Where the rows came from."""
