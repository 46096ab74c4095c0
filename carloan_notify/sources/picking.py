"""Some loans out of the lender's tables: all that is said of them, and little else is read.

Rows are found by what their cells mean, as the whole reading would read them (`20001.0`, `="20001"`, another
encoding), so nothing depends on how an id is spelt. Of rows that are not wanted only the ids are read.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from carloan_notify import frames
from carloan_notify.errors import SourceError
from carloan_notify.sources.cells import parse_cells
from carloan_notify.sources.chunks import ChunkReader, Piece, SourceFile, TextChunk
from carloan_notify.sources.files import ParquetReader, TextReader
from carloan_notify.sources.read import (
    Sources,
    Table,
    assemble,
    of_loans,
    open_file,
    open_table,
    read_all,
    readable,
    table_rules,
    told_of,
)
from carloan_notify.sources.rows import TableRules, parse_chunk, texts_of
from carloan_notify.sources.settings import ReadContext, SourcesSettings, TableSettings
from carloan_notify.sources.some_rows import ask_for
from carloan_notify.sources.tables import TABLES, Column, TableName

# Which rows are wanted.


_TAIL: Final = 7
"""Digits at the end of a number that every spelling of it has; what stands before them may be left out."""
_FLOAT_TAIL: Final = r"\.0*$"
_UNCLEAR_NUMBER: Final = r"[^0-9+().\-/\s]"
"""An extension, a second number, digits of another script: only the careful way can tell."""


@dataclass(frozen=True, slots=True)
class WantedRows:
    """Rows of these loans, of these customers, with these keys of their table, or with one of these numbers (E.164)."""

    loans: frozenset[str] = frozenset()
    customers: frozenset[str] = frozenset()
    phones: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()

    def columns(self, name: TableName) -> dict[str, frozenset[str]]:
        """The identifiers that are looked for in a table, by column."""
        names = {column.name for column in TABLES[name].columns}
        wanted = {"loan_id": self.loans, "customer_id": self.customers}
        if self.keys:
            wanted[TABLES[name].key[0]] = self.keys
        return {column: values for column, values in wanted.items() if values and column in names}

    def tails(self, name: TableName) -> frozenset[str]:
        """The last digits of the numbers that are looked for in a table."""
        has_phones = any(column.name == "phone" for column in TABLES[name].columns)
        return frozenset(phone[-_TAIL:] for phone in self.phones if has_phones)


_Look = Callable[[pa.Array], pa.Array]
"""Cells of a column → a flag for each."""


@dataclass(frozen=True)
class RowSift:
    """Tells the wanted rows of one table; of numbers some others too, which `WantedRows.phones` must part from them."""

    name: TableName
    rules: TableRules
    wanted: WantedRows

    @cached_property
    def _columns(self) -> dict[str, pa.Array]:
        return {
            column: pa.array(sorted(values), pa.string())
            for column, values in self.wanted.columns(self.name).items()
        }

    @cached_property
    def _tails(self) -> pa.Array:
        return pa.array(sorted(self.wanted.tails(self.name)), pa.string())

    @property
    def places(self) -> Sequence[int]:
        """Where the ids and the number stand."""
        return places_of([*self._columns, *(["phone"] if len(self._tails) else [])], self.rules)

    def mask(self, chunk: TextChunk) -> np.ndarray:
        """A flag per row of the chunk."""
        mask = np.zeros(len(chunk.lines), dtype=bool)
        for column in self.rules.spec.columns:
            if column.name in self._columns:
                mask |= self._named(column, chunk)
            elif column.name == "phone" and len(self._tails):
                mask |= self._told(
                    column,
                    chunk,
                    pc.ascii_is_decimal,
                    partial(_may_end_so, tails=self._tails),
                    partial(_ends_so, tails=self._tails),
                )
        return mask

    def _named(self, column: Column, chunk: TextChunk) -> np.ndarray:
        wanted = self._columns[column.name]

        def named(cells: pa.Array) -> pa.Array:
            return pc.is_in(parse_cells(column, cells, self.rules.cells).values, value_set=wanted)

        return self._told(column, chunk, pc.ascii_is_alnum, named, partial(pc.is_in, value_set=wanted))

    def _told(
        self, column: Column, chunk: TextChunk, plain: _Look, looked: _Look, quick: _Look
    ) -> np.ndarray:
        """A flag per row: by a `quick` look at cells in plain form, and for the others as the table is read.

        Of a column whose cells may be translated or filled, no cell is plain.
        """
        place, settings = self.rules.match.columns.get(column.name), self.rules.settings
        if place is None or column.name in settings.values or column.name in settings.defaults:
            return frames.bools(looked(texts_of(column, chunk, self.rules)))
        cells = chunk.columns[place]
        mask = frames.bools(quick(cells))
        odd = np.flatnonzero(~frames.bools(plain(cells)))
        if len(odd):
            alone = TextChunk([cells.take(pa.array(odd))] * len(chunk.columns), chunk.lines[odd])
            mask[odd] = frames.bools(looked(texts_of(column, alone, self.rules)))
        return mask


def places_of(names: Collection[str], rules: TableRules) -> list[int]:
    """Where these columns stand, those that the table has."""
    found = rules.match.columns
    return sorted({found[name] for name in names if name in found})


def _ends_so(cells: pa.Array, tails: pa.Array) -> pa.Array:
    return pc.is_in(pc.utf8_slice_codeunits(cells, -_TAIL), value_set=tails)


def _may_end_so(cells: pa.Array, tails: pa.Array) -> pa.Array:
    """Cells that may hold a number which ends so."""
    tidy = pc.replace_substring_regex(pc.utf8_normalize(cells, "NFKC"), _FLOAT_TAIL, "")
    digits = pc.replace_substring_regex(tidy, r"[^0-9]+", "")
    return pc.or_(_ends_so(digits, tails), pc.match_substring_regex(tidy, _UNCLEAR_NUMBER))


# The tables.

MOST_TOGETHER: Final = 2_000
"""Loans. Where a number hangs together with more (a dealer's, a test's), the whole tables are read instead."""
_OF_LOANS: Final[tuple[TableName, ...]] = ("installments", "payments", "changes", "events")
_LOOKED_THROUGH: Final[Mapping[TableName, tuple[str, ...]]] = {
    "loans": ("loan_id", "customer_id", "phone"),
    "contacts": ("loan_id", "customer_id", "phone"),
}
"""Tables that are looked through more than once, until no more loans are found, and their columns that tell it."""
_KEYED: Final[tuple[TableName, ...]] = ("payments", "changes", "events")
"""Tables whose rows have a key of their own, not the loan's."""


def read_loans(
    settings: SourcesSettings,
    context: ReadContext,
    loan_ids: Collection[str],
    names: Collection[TableName] = tuple(TABLES),
) -> Sources:
    """All that these tables say of these loans and of their customers; `names` holds loans.

    Lines and row numbers are those in the whole tables. `files` tells only where rows came from: a digest, and
    whether a table is whole, would need all of it. Damage in lines that hold no wanted row goes unseen.

    Raises:
        SourceError: with the problems of all tables, one per line.
    """
    reading = _Reading(settings, replace(context, sources=settings))
    wanted = WantedRows(frozenset(loan_ids))
    loans = reading.table("loans", wanted)
    customers = frozenset() if loans is None else frozenset(loans.frame["customer_id"])
    contacts = None
    if "contacts" in names:
        contacts = reading.table("contacts", replace(wanted, customers=customers | wanted.loans))
    return reading.sources(loans, contacts, wanted, names)


def read_connected(settings: SourcesSettings, context: ReadContext, loan_id: str) -> Sources:
    """All that decides what is told of a loan: it, and every loan that shares its customer or a number with it.

    And theirs, and so on: messages of one customer are merged, and those of one customer or number are counted
    together. Nothing else in the tables can change what is decided about this loan. As `read_loans` otherwise.

    Raises:
        SourceError: with the problems of all tables, one per line.
    """
    reading = _Reading(settings, replace(context, sources=settings))
    wanted, grown = WantedRows(), WantedRows(frozenset({loan_id}))
    loans = contacts = None
    while grown != wanted and not reading.problems:
        wanted = grown
        loans = reading.table("loans", wanted)
        # A contact row that cannot be read is told of under its customer's id, which may be spelt as the loan's.
        contacts = reading.table("contacts", replace(wanted, customers=wanted.customers | {loan_id}))
        grown = _grown(wanted, loans, contacts)
        if len(grown.loans) > MOST_TOGETHER:
            return read_all(settings, context)
    return reading.sources(loans, contacts, wanted)


def knows(settings: SourcesSettings, context: ReadContext, wanted: WantedRows) -> bool:
    """Whether a row of loans or contacts has one of these ids or numbers, or may have: a row that cannot be read does.

    Raises:
        SourceError: one of the two tables cannot be read.
    """
    reading = _Reading(settings, replace(context, sources=settings))
    tables = [reading.table(name, wanted) for name in _LOOKED_THROUGH]
    if reading.problems:
        raise SourceError("\n".join(reading.problems))
    read = [table for table in tables if table is not None]
    return any(_theirs(table.frame, wanted).any() or len(table.rejects) for table in read)


def _grown(wanted: WantedRows, loans: Table | None, contacts: Table | None) -> WantedRows:
    """With the loans, customers and numbers of all rows that are wanted."""
    for table in (loans, contacts):
        if table is not None:
            rows = table.frame[_theirs(table.frame, wanted)]
            wanted = WantedRows(
                wanted.loans | set(rows["loan_id"]) - {""},
                wanted.customers | set(rows["customer_id"]) - {""},
                wanted.phones | set(rows["phone"]) - {""},
            )
    return wanted


def _theirs(rows: pd.DataFrame, wanted: WantedRows) -> pd.Series:
    """Rows of loans or contacts that are wanted, and no others."""
    by_id = frames.among(rows["loan_id"], wanted.loans) | frames.among(rows["customer_id"], wanted.customers)
    return by_id | frames.among(rows["phone"], wanted.phones)


@dataclass(slots=True)
class _Reading:
    """Tables read one after the other, each file opened once; what is wrong with any is told with the others."""

    settings: SourcesSettings
    context: ReadContext
    problems: list[str] = field(default_factory=list)
    files: dict[TableName, TextReader | ParquetReader] = field(default_factory=dict)
    surveys: dict[TableName, list[Piece] | None] = field(default_factory=dict)
    found: dict[TableName, tuple[list[list[int]], Table]] = field(default_factory=dict)

    def table(self, name: TableName, wanted: WantedRows) -> Table | None:
        """The wanted rows of a table that is configured and can be read, and perhaps some more."""
        settings = self.settings.table(name)
        if settings is None:
            return None
        try:
            with told_of(name):
                return self._settled(name, settings, wanted)
        except SourceError as error:
            self.problems.append(str(error))
            return None

    def _settled(self, name: TableName, settings: TableSettings, wanted: WantedRows) -> Table:
        """The rows, less those whose key a row of another loan claimed before: a key names one row of all."""
        table = self._rows(name, settings, wanted)
        if name not in _KEYED or table.frame.empty:
            return table
        return self._rows(name, settings, replace(wanted, keys=frozenset(table.frame[TABLES[name].key[0]])))

    def _rows(self, name: TableName, settings: TableSettings, wanted: WantedRows) -> Table:
        if settings.query:
            return self._asked(name, settings, wanted)
        path = self.context.base_dir / self.context.dated(settings.path)
        with readable(path):
            if name not in self.files:
                self.files[name] = open_file(path, settings, self.context)
            reader = self.files[name]
            if name in _LOOKED_THROUGH and name not in self.surveys:
                rules = table_rules(name, reader, settings, self.context)
                self.surveys[name] = reader.survey(places_of(_LOOKED_THROUGH[name], rules))
            pieces = self.surveys.get(name)
            if pieces is None:
                return _picked(name, reader, settings, wanted, self.context)
            return self._again(name, reader, settings, wanted, pieces)

    def _again(
        self,
        name: TableName,
        reader: ChunkReader,
        settings: TableSettings,
        wanted: WantedRows,
        pieces: Sequence[Piece],
    ) -> Table:
        """The wanted rows of a table that was surveyed; they are read anew only when they are others than before."""
        sift = RowSift(name, table_rules(name, reader, settings, self.context), wanted)
        rows = [piece.keys.lines[sift.mask(piece.keys)].tolist() for piece in pieces]
        if name not in self.found or self.found[name][0] != rows:
            hit = [piece for piece, lines in zip(pieces, rows, strict=True) if lines]
            self.found[name] = (rows, _picked(name, reader, settings, wanted, self.context, hit))
        return self.found[name][1]

    def _asked(self, name: TableName, settings: TableSettings, wanted: WantedRows) -> Table:
        """The rows of a query.

        The database compares columns as they stand, so that their indexes serve. Where it cannot be asked so, or
        a row is rejected, whose number in the whole table must be told, or the loan is not found, which may be
        spelt oddly, the query is run as it is and all of its rows are looked through.
        """
        found = ask_for(name, settings, wanted.columns(name), wanted.tails(name), self.context)
        if found is not None and found.rejects.empty and not (name == "loans" and found.frame.empty):
            return found
        with open_table(settings, self.context) as reader:
            return _picked(name, reader, settings, wanted, self.context)

    def sources(
        self,
        loans: Table | None,
        contacts: Table | None,
        wanted: WantedRows,
        names: Collection[TableName] = tuple(TABLES),
    ) -> Sources:
        """These two and the others, with the rows of these loans alone."""
        others = {name: self.table(name, WantedRows(wanted.loans)) for name in _OF_LOANS if name in names}
        if self.problems or loans is None:
            raise SourceError("\n".join(self.problems))
        only = {name: of_loans(table, wanted.loans) for name, table in others.items() if table is not None}
        return Sources(loans=of_loans(loans, wanted.loans), contacts=contacts, **only)


def _picked(
    name: TableName,
    reader: ChunkReader,
    settings: TableSettings,
    wanted: WantedRows,
    context: ReadContext,
    pieces: Sequence[Piece] | None = None,
) -> Table:
    rules = table_rules(name, reader, settings, context)
    sift = RowSift(name, rules, wanted)
    found = reader.chunks(sift) if pieces is None else (piece.rows(sift) for piece in pieces)
    chunks = [parse_chunk(chunk, rules) for chunk in found if len(chunk.lines) or chunk.broken]
    origin = SourceFile(reader.label, "", None, sum(chunk.rows for chunk in chunks))
    return assemble(name, rules, chunks, origin)
