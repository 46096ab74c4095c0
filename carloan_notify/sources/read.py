"""Reading the lender's tables: one by one, or all of a night's."""

import csv
import gzip
import zlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from carloan_notify import frames
from carloan_notify.errors import SourceError
from carloan_notify.finding_codes import Finding
from carloan_notify.sources.cells import CellRules
from carloan_notify.sources.chunks import ChunkReader, SourceFile
from carloan_notify.sources.database import SqlReader
from carloan_notify.sources.encoding import Neighbour
from carloan_notify.sources.files import ParquetReader, TextReader, miscounted
from carloan_notify.sources.repeats import settle_keys
from carloan_notify.sources.rows import REJECTS, ParsedChunk, TableRules, match_headers, parse_chunk
from carloan_notify.sources.settings import ReadContext, SourcesSettings, TableSettings
from carloan_notify.sources.tables import TABLES, CellKind, TableName, TableSpec
from carloan_notify.text import looks_like_formula

# Parsed chunks → one table: frame, rejects, findings; never the whole table twice in memory.

_FRAMES: Mapping[TableName, Mapping[str, str]] = {
    "loans": frames.LOANS,
    "installments": frames.INSTALLMENTS,
    "payments": frames.PAYMENTS,
    "changes": frames.CHANGES,
    "events": frames.EVENTS,
    "contacts": frames.CONTACTS,
}


@dataclass(frozen=True, slots=True)
class Table:
    """One table as read: rows_read = len(frame) + repeated + len(rejects), always.

    `frame` has the columns of `frames`, then the lender's own as text; `rejects` has `rows.REJECTS`,
    ordered by line; `findings` has `frames.FINDINGS`. `files` says where the rows came from; `repeated` is how many
    rows said what an earlier one says, and are read once; `null_words` counts cells by column that held a word for
    nothing.
    """

    name: TableName
    frame: pd.DataFrame
    rejects: pd.DataFrame
    rows_read: int
    files: tuple[SourceFile, ...]
    findings: pd.DataFrame
    repeated: int = 0
    null_words: Mapping[str, int] = field(default_factory=dict)

    @property
    def rejected_owners(self) -> frozenset[str]:
        """Loans (of contacts: customers) of which a row was rejected: what is known of them is incomplete."""
        return frozenset(self.rejects["owner"]) - {""}


def assemble(name: TableName, rules: TableRules, chunks: list[ParsedChunk], origin: SourceFile) -> Table:
    """Put the chunks together, reject duplicate keys, complete amounts. Empties `chunks` as it goes."""
    spec = rules.spec
    rejects = [chunk.rejects for chunk in chunks]
    lines = np.concatenate([np.array([], dtype=np.int64), *(chunk.lines for chunk in chunks)])
    kinds = _kinds(name, spec)
    names = (*kinds, *rules.match.extras)
    nulls = _nulls_of(chunks)
    spelt = _spelt(chunks, spec.key)
    parts = [dict(chunk.columns) for chunk in chunks]
    chunks.clear()
    frame = pd.DataFrame(
        {column: _joined([part.pop(column) for part in parts], kinds.get(column)) for column in names}
    )
    refused = pd.concat(rejects)["owner"] if name == "loans" and rejects else None
    # Only columns of a loan that nobody named reach a message; elsewhere, when it was exported is no contradiction.
    compared = names if name == "loans" else tuple(kinds)
    settled = settle_keys(frame, lines, spec, compared, spelt, refused)
    frame = settled.frame
    rejects += settled.rejects
    findings = [
        _ignored(rules.match.ignored, origin.label),
        _nulls(nulls, origin.label),
        _repeated(settled.repeated, origin.label),
    ]
    if name == "installments":
        frame, mismatches = _with_totals(frame, origin.label)
        findings.append(mismatches)
    return Table(
        name,
        frame,
        _all_rejects(name, origin.label, rejects),
        origin.rows,
        (origin,),
        frames.stack(findings, frames.FINDINGS),
        len(settled.repeated),
        {column: words.total() for column, words in nulls.items()},
    )


_KINDS: Final = {
    CellKind.DATE: frames.DATE,
    CellKind.AMOUNT: frames.MONEY,
    CellKind.COUNT: frames.COUNT,
    CellKind.FLAG: frames.FLAG,
}


def _kinds(name: TableName, spec: TableSpec) -> Mapping[str, str]:
    """The frame's columns with their types: those of `frames`, then the lender's own that the settings name."""
    ours = _FRAMES[name]
    own = (column for column in spec.columns if column.frame_name not in ours)
    return {**ours, **{column.frame_name: _KINDS.get(column.kind, frames.TEXT) for column in own}}


def _spelt(chunks: Sequence[ParsedChunk], key: Sequence[str]) -> dict[str, pd.Series]:
    """Each identifier of the key as the source spells it, when it spells any oddly."""
    odd = [name for name in key if any(name in chunk.spellings for chunk in chunks)]
    return {
        name: _joined([chunk.spellings.get(name, chunk.columns[name]) for chunk in chunks], frames.TEXT)
        for name in odd
    }


def _nulls_of(chunks: Sequence[ParsedChunk]) -> dict[str, Counter[str]]:
    """How often each null word stands in which column."""
    counts: dict[str, Counter[str]] = {}
    for chunk in chunks:
        for column, words in chunk.nulls.items():
            counts.setdefault(column, Counter()).update(words)
    return counts


def _joined(arrays: Sequence[Any], kind: str | None) -> pd.Series:
    """One column of all chunks; `kind` None is a column of the lender's own, text."""
    kind = kind or frames.TEXT
    if kind == frames.TEXT:
        texts = pa.chunked_array([array.cast(pa.large_string()) for array in arrays], pa.large_string())
        return pd.Series(texts.to_pandas(), dtype=kind)
    return pd.Series(np.concatenate(arrays) if arrays else [], dtype=kind)


def _all_rejects(name: TableName, label: str, rejects: Sequence[pd.DataFrame]) -> pd.DataFrame:
    if not rejects:
        return frames.empty(REJECTS)
    rows = pd.concat(rejects, ignore_index=True).sort_values("line", kind="stable", ignore_index=True)
    rows["table"] = name
    rows["file"] = label
    return rows[list(REJECTS)].astype(dict(REJECTS))


def _ignored(headers: Sequence[str], label: str) -> pd.DataFrame:
    if not headers:
        return frames.empty(frames.FINDINGS)
    message = "the column would hide one of ours and is ignored; rename it, or map it in `columns`"
    return frames.findings(
        Finding.COLUMN_IGNORED, [""] * len(headers), message, place=label, value=list(headers)
    )


def _nulls(counts: Mapping[str, Counter[str]], label: str) -> pd.DataFrame:
    message = "words for nothing are read as blank; export blank cells, or map the word in `values`"
    told = [
        f"{column}: " + ", ".join(f"{word} ×{number}" for word, number in sorted(words.items()))
        for column, words in counts.items()
    ]
    return frames.findings(Finding.NULL_WORD, [""] * len(told), message, place=label, value=told)


def _repeated(lines: np.ndarray, label: str) -> pd.DataFrame:
    if not len(lines):
        return frames.empty(frames.FINDINGS)
    message = "rows that say the same as an earlier one are read once; export each record once"
    place = f"{label}:{lines.min()}"
    return frames.findings(Finding.ROW_REPEATED, [""], message, place=place, value=f"×{len(lines)}")


def _with_totals(frame: pd.DataFrame, label: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Missing totals are the sum of the parts; a total without parts counts as principal."""
    parts = frame["principal_minor"] + frame["interest_minor"] + frame["fees_minor"]
    total = frame["total_minor"]
    mismatch = (total != 0) & (parts != 0) & (total != parts)
    frame = frame.assign(
        total_minor=total.where(total != 0, parts),
        principal_minor=frame["principal_minor"].where(parts != 0, total),
    )
    message = "total_due is not principal + interest + fees; total_due is used; correct the export"
    rows = frame.loc[mismatch]
    values = ("installment " + rows["installment_no"].astype("str")).tolist()
    return frame, frames.findings(Finding.TOTAL_MISMATCH, rows["loan_id"], message, place=label, value=values)


_CHINESE_COUNTRIES: Final = frozenset({"CN", "SG"})
_PARQUET_SUFFIXES: Final = (".parquet", ".pq")


@dataclass(frozen=True, slots=True)
class Sources:
    """A night's tables; None for one that is not configured."""

    loans: Table
    installments: Table | None = None
    payments: Table | None = None
    changes: Table | None = None
    events: Table | None = None
    contacts: Table | None = None

    @property
    def tables(self) -> tuple[Table, ...]:
        """The configured tables, in the order of design."""
        every = (getattr(self, field.name) for field in fields(self))
        return tuple(table for table in every if table is not None)

    @property
    def rejects(self) -> pd.DataFrame:
        """All rejected rows, columns as `rows.REJECTS`."""
        return pd.concat([table.rejects for table in self.tables], ignore_index=True)

    @property
    def findings(self) -> pd.DataFrame:
        """All findings, columns as `frames.FINDINGS`."""
        return pd.concat([table.findings for table in self.tables], ignore_index=True)

    @property
    def rows_read(self) -> int:
        """Rows of all tables, rejected ones included."""
        return sum(table.rows_read for table in self.tables)


def of_loans(table: Table, loan_ids: Collection[str]) -> Table:
    """The same table with the rows of these loans alone."""
    mine = frames.among(table.frame["loan_id"], loan_ids)
    return replace(table, frame=table.frame[mine].reset_index(drop=True))


def read_all(settings: SourcesSettings, context: ReadContext) -> Sources:
    """Read every configured table. SourceError with the problems of all tables, one per line."""
    context = replace(context, sources=settings)
    tables: dict[str, Table] = {}
    problems: list[str] = []
    for name in TABLES:
        table_settings = settings.table(name)
        if table_settings is None:
            continue
        try:
            tables[name] = read_table(name, table_settings, context=context)
        except SourceError as error:
            problems.append(str(error))
    if problems:
        raise SourceError("\n".join(problems))
    return Sources(**tables)


def read_table(name: TableName, settings: TableSettings, *, context: ReadContext) -> Table:
    """Read one table: rows read = rows of the frame + repeated + rejected rows.

    SourceError, each line beginning with the table's name, when the table cannot be read at all.
    """
    with told_of(name), open_table(settings, context) as reader:
        table = parse_table(name, reader, settings, context)
    table = _marked(table, settings, context)
    if name == "loans" and not table.rows_read:
        raise SourceError(f"{name}: {table.files[0].label}: has no row at all; look at the export job")
    return table


def _marked(table: Table, settings: TableSettings, context: ReadContext) -> Table:
    """The table, and what its marker file says of its completeness."""
    if not settings.complete_marker:
        return table
    path = context.base_dir / context.dated(settings.complete_marker)
    try:
        said = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        problem = f"the marker file {path} is missing"
    else:
        problem = miscounted(f"the marker file {path}", said, table.rows_read)
    files = tuple(replace(file, incomplete=file.incomplete or problem) for file in table.files)
    return replace(table, files=files)


def parse_table(name: TableName, reader: ChunkReader, settings: TableSettings, context: ReadContext) -> Table:
    """The rows of an opened table. SourceError for headers that do not do."""
    rules = table_rules(name, reader, settings, context)
    chunks = [parse_chunk(chunk, rules) for chunk in reader.chunks()]
    return assemble(name, rules, chunks, reader.origin(sum(chunk.rows for chunk in chunks)))


def table_rules(
    name: TableName, reader: ChunkReader, settings: TableSettings, context: ReadContext
) -> TableRules:
    """All that turns the cells of an opened table into values. SourceError for headers that do not do."""
    spec = context.spec(name, settings)
    match = match_headers(reader.headers, spec, settings, context.basis)
    return TableRules(
        spec, match, settings, CellRules(context, settings.date_format, settings.fictitious_phones)
    )


@contextmanager
def told_of(name: TableName) -> Iterator[None]:
    """Begin every line of a SourceError with the table's name."""
    try:
        yield
    except SourceError as error:
        raise SourceError("\n".join(f"{name}: {line}" for line in str(error).splitlines())) from error


@contextmanager
def open_table(settings: TableSettings, context: ReadContext) -> Iterator[ChunkReader]:
    """The table, opened. SourceError where it cannot be."""
    if settings.query:
        with SqlReader.open(
            settings.url,
            context.dated(settings.query),
            as_of=context.as_of,
            chunk_rows=context.chunk_rows,
            timezone=context.timezone,
        ) as reader:
            yield reader
        return
    path = context.base_dir / context.dated(settings.path)
    with readable(path):
        yield open_file(path, settings, context)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what goes wrong with a file into a SourceError that says what to do."""
    try:
        yield
    except FileNotFoundError as error:
        raise SourceError(f"{path}: no such file; look at the export job, or correct `path`") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise SourceError(f"{path}: the gzip file is damaged or cut short; copy it again") from error
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror or error}); check its rights") from error


def open_file(path: Path, settings: TableSettings, context: ReadContext) -> TextReader | ParquetReader:
    """The file, opened: its encoding found, its header read; it can be read several times."""
    if is_parquet(path):
        return ParquetReader.open(path, chunk_rows=context.chunk_rows, timezone=context.timezone)
    return TextReader.open(
        path,
        settings,
        chunk_rows=context.chunk_rows,
        longest_line=context.longest_line,
        beside=_beside(path, context),
        chinese=context.phone_region in _CHINESE_COUNTRIES,
    )


def is_parquet(path: Path) -> bool:
    """Whether the file is to be read as Parquet."""
    return path.suffix in _PARQUET_SUFFIXES


def _beside(path: Path, context: ReadContext) -> list[Neighbour]:
    """The other text files of the night: what one export wrote is in one encoding."""
    tables = [context.sources.table(name) for name in TABLES] if context.sources else []
    files = [(context.base_dir / context.dated(each.path), each) for each in tables if each and each.path]
    return [(file, each.encoding) for file, each in files if file != path and not is_parquet(file)]


# The rejects file, for the people who mend the export.

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
