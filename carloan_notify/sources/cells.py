"""A column of texts → a column of values, vectorised; the bad cells are told by masks.

Each kind has a quick way for cells in the plainest form and, for all other cells, the plain functions of
`amounts`, `dates`, `words` and `phones`, called once per distinct text.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from carloan_notify.sources.amounts import parse_amount, parse_count, parse_rate
from carloan_notify.sources.context import ReadContext
from carloan_notify.sources.dates import parse_date
from carloan_notify.sources.phone_cells import phone_cells
from carloan_notify.sources.problems import Problem
from carloan_notify.sources.tables import Column, Kind
from carloan_notify.sources.words import (
    parse_choice,
    parse_choices,
    parse_flag,
    parse_hours,
    parse_language,
    parse_timezone,
)

_CONTROLS: Final = r"[\x{0}-\x{1f}\x{7f}-\x{9f}\x{2028}\x{2029}\x{202a}-\x{202e}\x{2066}-\x{2069}]"
_DATE_DTYPE: Final = "datetime64[s]"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Values:
    """Parsed cells (an Arrow string array for text, else numpy) and, per problem, a mask of its cells."""

    values: Any
    problems: dict[Problem, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CellRules:
    """What the reading of a cell depends on besides its column."""

    context: ReadContext
    date_format: str = ""
    fictitious_phones: bool = False


def parse_cells(column: Column, cells: pa.Array, rules: CellRules) -> Values:
    """Values of trimmed cells; "" becomes "", 0, NaT or False, and is no problem here."""
    return _PARSERS[column.kind](column, cells, rules)


def _without_controls(cells: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(cells, _CONTROLS, "")


def _identifiers(cells: pa.Array) -> Values:
    """Identifiers without a spreadsheet's apostrophe; one in scientific notation has lost its digits."""
    plain = pc.utf8_ltrim(_without_controls(cells), "'‘’")
    suspects = _bools(pc.match_substring_regex(plain, r"^\d+(\.\d+)?[eE]\+\d+$"))
    return Values(plain, {Problem.SCIENTIFIC_NOTATION: suspects} if suspects.any() else {})


def _amounts(cells: pa.Array, context: ReadContext) -> Values:
    digits = context.currency_digits
    plain = rf"^-?\d{{1,12}}(\.\d{{1,{digits}}})?$" if digits else r"^-?\d{1,12}$"

    def quick(texts: pa.Array) -> pa.Array:
        scaled = pc.multiply(texts.cast(pa.decimal128(18, digits)), pa.scalar(10**digits, pa.int64()))
        return scaled.cast(pa.int64())

    def careful(text: str) -> int | Problem:
        return parse_amount(text, currency=context.currency, digits=digits)

    return _quick_or_careful(_ungrouped(cells), plain, quick, careful)


def _ungrouped(cells: pa.Array) -> pa.Array:
    """`12,345.60` as `12345.60`; commas anywhere else stay, for the careful way to refuse."""
    if not pc.any(pc.match_substring(cells, ",")).as_py():
        return cells
    grouped = pc.match_substring_regex(cells, r"^-?\d{1,3}(,\d{3})+(\.\d*)?$")
    return pc.if_else(grouped, pc.replace_substring(cells, ",", ""), cells)


def _counts(cells: pa.Array) -> Values:
    return _quick_or_careful(cells, r"^\d{1,12}$", lambda texts: texts.cast(pa.int64()), parse_count)


def _quick_or_careful(
    cells: pa.Array,
    plain: str,
    quick: Callable[[pa.Array], pa.Array],
    careful: Callable[[str], int | Problem],
) -> Values:
    """int64 values: `quick` on cells of the `plain` form, `careful` on the others."""
    is_plain = pc.match_substring_regex(cells, plain)
    values = quick(pc.if_else(is_plain, cells, "0")).to_numpy(zero_copy_only=False)
    others = np.flatnonzero(~_bools(is_plain))
    if not len(others):
        return Values(values)
    slow = _numbers(cells.take(pa.array(others)), careful)
    values = values.copy()
    values[others] = slow.values
    return Values(
        values, {problem: _spread(mask, others, len(cells)) for problem, mask in slow.problems.items()}
    )


def _spread(mask: np.ndarray, places: np.ndarray, size: int) -> np.ndarray:
    wide = np.zeros(size, dtype=bool)
    wide[places] = mask
    return wide


def _numbers(cells: pa.Array, parse: Callable[[str], int | Problem]) -> Values:
    """int64 values by one call per distinct text; blank and bad cells are 0."""
    distinct, places, problems = _distinct(cells, parse)
    values = np.array([0 if value is None else value for value in distinct], dtype=np.int64)
    return Values(values[places], problems)


def _texts(cells: pa.Array, parse: Callable[[str], str | Problem]) -> Values:
    distinct, places, problems = _distinct(cells, parse)
    values = pa.array(["" if value is None else value for value in distinct], pa.string())
    return Values(values.take(pa.array(places)), problems)


def _dates(cells: pa.Array, rules: CellRules) -> Values:
    zone = rules.context.zone
    distinct, places, problems = _distinct(
        cells, lambda text: parse_date(text, zone=zone, date_format=rules.date_format)
    )
    return Values(np.array(distinct, dtype=_DATE_DTYPE)[places], problems)


def _distinct(
    cells: pa.Array, parse: Callable[[str], T | Problem]
) -> tuple[list[T | None], np.ndarray, dict[Problem, np.ndarray]]:
    """Distinct values (None for blank or bad), where each cell finds its own, and masks of the bad cells."""
    coded = cells.dictionary_encode()
    places = coded.indices.to_numpy(zero_copy_only=False)
    parsed = [parse(text) if text else None for text in coded.dictionary.to_pylist()]
    found = {value for value in parsed if isinstance(value, Problem)}
    problems = {
        problem: np.array([value is problem for value in parsed])[places] for problem in sorted(found)
    }
    return [None if isinstance(value, Problem) else value for value in parsed], places, problems


def _bounded(column: Column, cells: pa.Array, parsed: Values) -> Values:
    """Filled cells outside the column's bounds are problems too."""
    outside = np.zeros(len(cells), dtype=bool)
    if column.least is not None:
        outside |= parsed.values < column.least
    if column.most is not None:
        outside |= parsed.values > column.most
    if not outside.any():
        return parsed
    for mask in (_bools(pc.equal(cells, "")), *parsed.problems.values()):
        outside &= ~mask
    negative = column.kind is Kind.AMOUNT and column.least == 0
    problem = Problem.NEGATIVE_AMOUNT if negative else Problem.OUT_OF_RANGE
    outside |= parsed.problems.get(problem, False)
    return Values(parsed.values, {**parsed.problems, problem: outside} if outside.any() else parsed.problems)


def _bools(flags: pa.Array) -> np.ndarray:
    return np.asarray(flags.to_numpy(zero_copy_only=False), dtype=bool)


def _flags(cells: pa.Array) -> Values:
    flags = _numbers(cells, parse_flag)
    return Values(flags.values.astype(bool), flags.problems)


_PARSERS: Final[Mapping[Kind, Callable[[Column, pa.Array, CellRules], Values]]] = {
    Kind.TEXT: lambda _, cells, __: Values(_without_controls(cells)),
    Kind.IDENTIFIER: lambda _, cells, __: _identifiers(cells),
    Kind.PHONE: lambda _, cells, rules: Values(
        *phone_cells(cells, rules.context.phone_region, fictitious=rules.fictitious_phones)
    ),
    Kind.AMOUNT: lambda column, cells, rules: _bounded(column, cells, _amounts(cells, rules.context)),
    Kind.COUNT: lambda column, cells, _: _bounded(column, cells, _counts(cells)),
    Kind.RATE: lambda _, cells, __: _numbers(cells, parse_rate),
    Kind.DATE: lambda _, cells, rules: _dates(cells, rules),
    Kind.FLAG: lambda _, cells, __: _flags(cells),
    Kind.LANGUAGE: lambda _, cells, __: _texts(cells, parse_language),
    Kind.TIMEZONE: lambda _, cells, __: _texts(cells, parse_timezone),
    Kind.HOURS: lambda _, cells, __: _texts(cells, parse_hours),
    Kind.CHOICE: lambda column, cells, _: _texts(cells, lambda text: parse_choice(text, column.words)),
    Kind.CHOICES: lambda column, cells, _: _texts(cells, lambda text: parse_choices(text, column.words)),
}
