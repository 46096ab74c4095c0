"""A chunk of text cells → canonical columns of its good rows, and its rejected rows with their reasons."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from carloan_notify.errors import SourceError
from carloan_notify.finding_codes import CellProblem
from carloan_notify.frames import bools
from carloan_notify.sources.cells import CellRules, Values, parse_cells
from carloan_notify.sources.chunks import BrokenRow, TextChunk, shown
from carloan_notify.sources.settings import TableSettings
from carloan_notify.sources.spelling import inline_cells, null_words, one_spelling, without_formulas
from carloan_notify.sources.tables import RUNNING_STATUSES, CellKind, Column, Need, TableSpec, headers_of
from carloan_notify.sources.values import word_key

# Which header of a source is which canonical column; everything wrong with the headers at once.


@dataclass(frozen=True, slots=True)
class HeaderMatch:
    """Where things stand: canonical column name → position, the lender's own header → position.

    `ignored` are headers that would hide a canonical column.
    """

    columns: Mapping[str, int]
    extras: Mapping[str, int]
    ignored: Sequence[str]


def match_headers(
    headers: Sequence[str], spec: TableSpec, settings: TableSettings, basis: str
) -> HeaderMatch:
    """Match by the lender's mapping, then by our names, then by the usual Chinese ones.

    SourceError naming every missing and every repeated column, each with its cure.
    """
    counts = Counter(word_key(header) for header in headers)
    places = {word_key(header): place for place, header in reversed(list(enumerate(headers)))}
    found = {column.name: _place(column, places, settings) for column in spec.columns}
    columns = {name: place for name, place in found.items() if place is not None}
    problems = [
        *(f"header {header!r} stands twice; rename one" for header, n in counts.items() if header and n > 1),
        *_missing(spec, columns, settings, basis),
    ]
    if problems:
        raise SourceError("\n".join(problems))
    return HeaderMatch(columns, *_extras(headers, spec, set(columns.values())))


def _place(column: Column, places: Mapping[str, int], settings: TableSettings) -> int | None:
    mapped = settings.header_of(column.name)
    if mapped is not None:
        return places.get(word_key(mapped))
    return next((places[header] for header in headers_of(column) if header in places), None)


def _missing(spec: TableSpec, found: Mapping[str, int], settings: TableSettings, basis: str) -> list[str]:
    problems = [
        f"column {header!r}, mapped to {name}, is missing; correct "
        f"`{'extra' if name in settings.extra else 'columns'}` or the export"
        for name, header in settings.mapped.items()
        if name not in found
    ]
    given = {*found, *settings.columns, *settings.defaults}
    problems += [
        f"column {column.name!r} is missing (needed with basis {basis}); add it, or map it in `columns`, "
        "or give it a value in `defaults`"
        for column in spec.columns
        if spec.need(column, basis) is not Need.OPTIONAL and column.name not in given
    ]
    if spec.any_of and not given.intersection(spec.any_of):
        problems.append(
            f"one of the columns {', '.join(spec.any_of)} must be there; add it, or map it in `columns`"
        )
    return problems


def _extras(
    headers: Sequence[str], spec: TableSpec, taken: set[int]
) -> tuple[Mapping[str, int], Sequence[str]]:
    ours = {name for column in spec.columns for name in (column.name, column.frame_name)}
    extras: dict[str, int] = {}
    ignored: list[str] = []
    for place, header in enumerate(headers):
        name = header.strip()
        if place in taken or not name:
            continue
        if name in ours:
            ignored.append(name)
        else:
            extras[name] = place
    return extras, ignored


REJECTS: Final[Mapping[str, str]] = {
    "table": "str",
    "file": "str",
    "line": "int64",  # physical line of a text file (header = 1), row number from 1 elsewhere
    "column": "str",  # canonical name, "" when the row as a whole is broken
    "value": "str",  # masked when personal
    "code": "str",
    "cure": "str",
    "owner": "str",  # whose row it was: loan_id, or customer_id of a contact; "" when unknown
}


@dataclass(frozen=True, slots=True)
class TableRules:
    """All that turns the cells of one table into values."""

    spec: TableSpec
    match: HeaderMatch
    settings: TableSettings
    cells: CellRules


@dataclass(frozen=True, slots=True)
class ParsedChunk:
    """Good rows by frame column (Arrow strings or numpy) with their lines, and the rejected rows.

    `rejects` has the columns of REJECTS without table and file; rows = good rows + rejects. `nulls` counts the
    null words by column; `spellings` holds identifiers of the key as the source spells them, where that differs.
    """

    columns: Mapping[str, Any]
    lines: np.ndarray
    rejects: pd.DataFrame
    rows: int
    nulls: Mapping[str, Counter[str]]
    spellings: Mapping[str, pa.Array]


@dataclass(frozen=True, slots=True)
class _Issue:
    column: Column
    problem: CellProblem
    mask: np.ndarray


def parse_chunk(chunk: TextChunk, rules: TableRules) -> ParsedChunk:
    """Parse every column and part the rows; rows = good rows + rejected rows."""
    nulls: dict[str, Counter[str]] = {}
    texts = {
        column.name: _blanked(column, _texts(column, chunk, rules), rules, nulls)
        for column in rules.spec.columns
    }
    values = {
        column.name: parse_cells(column, texts[column.name], rules.cells) for column in rules.spec.columns
    }
    issues = [issue for column in rules.spec.columns for issue in _issues(column, texts, values, rules)]
    bad = np.zeros(len(chunk.lines), dtype=bool)
    for issue in issues:
        bad |= issue.mask
    good = np.flatnonzero(~bad)
    columns = {
        column.frame_name: _taken(values[column.name].values, good, bad) for column in rules.spec.columns
    }
    columns |= {
        name: _taken(_extra(chunk.columns[place]), good, bad) for name, place in rules.match.extras.items()
    }
    owners = values[rules.spec.owner].values
    rejects = pd.concat(
        [_bad_rows(issues, np.flatnonzero(bad), chunk.lines, texts, owners), _broken(chunk.broken)]
    )
    rows = len(chunk.lines) + len(chunk.broken)
    spellings = {
        name: _taken(texts[name], good, bad)
        for name in rules.spec.key
        if name in texts and texts[name] is not values[name].values
    }
    return ParsedChunk(columns, chunk.lines[good], rejects, rows, nulls, spellings)


def texts_of(column: Column, chunk: TextChunk, rules: TableRules) -> pa.Array:
    """The column's cells as they are parsed: trimmed, translated, blanks filled."""
    return _blanked(column, _texts(column, chunk, rules), rules, {})


def _texts(column: Column, chunk: TextChunk, rules: TableRules) -> pa.Array:
    """The column's cells, trimmed and with the lender's codes translated, also where 1 came as 1.0."""
    place = rules.match.columns.get(column.name)
    if place is None:
        return pa.repeat("", len(chunk.lines))
    cells = pc.utf8_trim_whitespace(chunk.columns[place])
    if column.kind is not CellKind.IDENTIFIER:  # its spelling tells it from others: see ParsedChunk
        cells = without_formulas(cells)
    translations = rules.settings.values.get(column.name)
    if translations:
        coded = cells.dictionary_encode()
        texts = coded.dictionary.to_pylist()
        words = [translations.get(text, translations.get(one_spelling(text), text)) for text in texts]
        cells = pa.array(words, pa.string()).take(coded.indices)
    return cells


def _blanked(column: Column, cells: pa.Array, rules: TableRules, nulls: dict[str, Counter[str]]) -> pa.Array:
    """The cells with null words blank, counted in `nulls`, and blanks filled by the column's default."""
    nothing = null_words(cells, sure=column.name != "channels")
    if pc.any(nothing).as_py():
        nulls[column.name] = Counter(cells.filter(nothing).to_pylist())
        cells = pc.if_else(nothing, "", cells)
    default = rules.settings.defaults.get(column.name, "").strip()
    return pc.if_else(pc.equal(cells, ""), default, cells) if default else cells


def _extra(cells: pa.Array) -> pa.Array:
    """A column of the lender's own, for templates."""
    trimmed = without_formulas(pc.utf8_trim_whitespace(cells))
    return inline_cells(pc.if_else(null_words(trimmed), "", trimmed))


def _issues(
    column: Column, texts: Mapping[str, pa.Array], values: Mapping[str, Values], rules: TableRules
) -> list[_Issue]:
    found = [_Issue(column, problem, mask) for problem, mask in values[column.name].problems.items()]
    need = rules.spec.need(column, rules.cells.context.basis)
    needed = need in {Need.CELL, Need.RUNNING_CELL}
    if not needed and column.name not in rules.spec.any_of[:1]:
        return found
    blank = _is_blank(
        values[column.name].values if column.kind is CellKind.IDENTIFIER else texts[column.name]
    )
    for mask in values[column.name].problems.values():
        blank &= ~mask
    if need is Need.RUNNING_CELL:
        blank &= np.isin(values["status"].values.to_numpy(zero_copy_only=False), RUNNING_STATUSES)
    if not needed:
        for other in rules.spec.any_of[1:]:
            blank &= _is_blank(texts[other])
    return [*found, _Issue(column, CellProblem.MISSING_VALUE, blank)] if blank.any() else found


def _is_blank(cells: pa.Array) -> np.ndarray:
    return bools(pc.equal(cells, ""))


def _taken(values: Any, good: np.ndarray, bad: np.ndarray) -> Any:  # noqa: ANN401 - Arrow or numpy array, as it came
    if len(good) == len(bad):
        return values
    return values[good] if isinstance(values, np.ndarray) else values.take(pa.array(good))


def _bad_rows(
    issues: Sequence[_Issue],
    bad: np.ndarray,
    lines: np.ndarray,
    texts: Mapping[str, pa.Array],
    owners: pa.Array,
) -> pd.DataFrame:
    """One reject per bad row: its first problem, the others named in the cure."""
    size = len(bad)
    code, column, value, cure = (np.full(size, "", dtype=object) for _ in range(4))
    for issue in issues:
        hit = issue.mask[bad]
        first, further = hit & (code == ""), hit & (code != "")
        cells = texts[issue.column.name].take(pa.array(bad[first])).to_pylist()
        value[first] = [shown(cell, personal=issue.column.personal) for cell in cells]
        column[first] = issue.column.name
        cure[first] = _cure(issue)
        cure[further] = cure[further] + f"; also {issue.column.name}: {issue.problem}, {_cure(issue)}"
        code[first] = issue.problem.value
    owner = owners.take(pa.array(bad)).to_pylist()
    return _rejects_frame(
        {"line": lines[bad], "column": column, "value": value, "code": code, "cure": cure, "owner": owner}
    )


def _cure(issue: _Issue) -> str:
    column = issue.column
    if issue.problem is CellProblem.UNKNOWN_VALUE:
        return f"{issue.problem.english}; known are {', '.join(sorted(set(column.words.values())))}"
    if issue.problem is CellProblem.OUT_OF_RANGE and column.kind is CellKind.COUNT:
        return f"{issue.problem.english}; it lies between {column.least} and {column.most}"
    return issue.problem.english


def _broken(broken: Sequence[BrokenRow]) -> pd.DataFrame:
    return _rejects_frame(
        {
            "line": np.array([row.line for row in broken], dtype=np.int64),
            "column": "",
            "value": "",
            "code": [row.problem.value for row in broken],
            "cure": [f"{row.problem.english}{f' ({row.detail})' if row.detail else ''}" for row in broken],
            "owner": "",
        }
    )


def _rejects_frame(columns: Mapping[str, Any]) -> pd.DataFrame:
    kinds = {name: REJECTS[name] for name in columns}
    return pd.DataFrame(dict(columns), columns=list(columns)).astype(kinds)
