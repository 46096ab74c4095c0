"""A column of texts → a column of values, vectorised; the bad cells are told by masks.

Each kind has a quick way for cells in the plainest form and, for all other cells, the plain functions of
`amounts`, `dates`, `words` and `phones`, called once per distinct text.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, TypeVar

import numpy as np
import phonenumbers
import pyarrow as pa
import pyarrow.compute as pc

from carloan_notify.finding_codes import CellProblem
from carloan_notify.frames import bools
from carloan_notify.phones import (
    FICTITIOUS,
    NUMBER_INVALID,
    NUMBER_TOO_LONG,
    NUMBER_TOO_SHORT,
    UNKNOWN_CHARACTER,
    UNSUPPORTED_COUNTRY,
    normalise_phone,
    written_in_full,
)
from carloan_notify.sources.settings import ReadContext
from carloan_notify.sources.spelling import identifiers, inline_cells
from carloan_notify.sources.tables import CellKind, Column
from carloan_notify.sources.values import (
    is_scientific,
    parse_amount,
    parse_choice,
    parse_choices,
    parse_count,
    parse_country,
    parse_date,
    parse_flag,
    parse_hours,
    parse_language,
    parse_rate,
    parse_timezone,
)

# Typed cells of Parquet files and databases → the text a careful export would hold.

_FLOAT_DECIMALS: Final = 9
_FLOAT_AS_DECIMAL: Final = pa.decimal128(38, _FLOAT_DECIMALS)
_MOST_FLOAT: Final = 1e28
_MOST_WHOLE_FLOAT: Final = 1e15


def as_text(cells: pa.Array, timezone: str) -> pa.Array:
    """Cells as strings, "" for null.

    Floats keep nine decimals, which ends binary noise (0.30000000000000004), and whole ones none (20001);
    moments with a zone are told in `timezone`, but those at midnight UTC are dates.

    pa.ArrowInvalid or ArrowNotImplementedError when a cell has no text (lists, structs).
    """
    kind = cells.type
    if pa.types.is_dictionary(kind):
        cells, kind = cells.cast(kind.value_type), kind.value_type
    if pa.types.is_floating(kind):
        return _float_text(cells)
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        cells = _local(cells.cast(pa.timestamp("us", timezone), safe=False))
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        cells = cells.cast(pa.large_string())
    return cells.cast(pa.string()).fill_null("")


def values_as_text(values: Sequence[Any], timezone: str) -> pa.Array:
    """The same for one column of Python values, of one type or (SQLite) of several."""
    try:
        return as_text(pa.array(values), timezone)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        return pa.array([_one_text(value) for value in values], pa.string())


def _local(moments: pa.Array) -> pa.Array:
    """Wall clock times in the array's own zone; where it is midnight UTC, that date's midnight."""
    instants = moments.cast(pa.timestamp("us", "UTC"))
    dates = pc.equal(pc.floor_temporal(instants, unit="day"), instants)
    return pc.if_else(dates, pc.local_timestamp(instants), pc.local_timestamp(moments))


def _float_text(cells: pa.Array) -> pa.Array:
    """A whole number above 2^53 keeps its decimals: as an identifier it has lost digits, and that is the sign."""
    plain = pc.and_kleene(pc.is_finite(cells), pc.less(pc.abs(cells), _MOST_FLOAT))
    decimals = pc.if_else(plain, cells, None).cast(_FLOAT_AS_DECIMAL).cast(pa.string())
    decimals = pc.replace_substring_regex(decimals, r"^(-?\d{1,15})\.0+$", r"\1")
    return pc.if_else(plain, decimals, cells.cast(pa.string())).fill_null("")


def _one_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < _MOST_WHOLE_FLOAT:
        return str(int(value))
    if isinstance(value, float) and abs(value) < _MOST_FLOAT:
        return f"{Decimal(value):.{_FLOAT_DECIMALS}f}"
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


# A column of phone numbers → E.164, quickly where the numbers are plain.

_PROBLEMS: Final = {
    NUMBER_INVALID: CellProblem.PHONE_INVALID,
    NUMBER_TOO_LONG: CellProblem.PHONE_TOO_LONG,
    NUMBER_TOO_SHORT: CellProblem.PHONE_TOO_SHORT,
    UNKNOWN_CHARACTER: CellProblem.PHONE_UNKNOWN_CHARACTER,
    UNSUPPORTED_COUNTRY: CellProblem.PHONE_UNSUPPORTED_COUNTRY,
}
# Where a mobile number without its country code can be taken for nothing else (no national prefix to strip).
_UNMISTAKABLE_REGIONS: Final = frozenset({"CN", "US"})


def phone_cells(
    cells: pa.Array, region: str, *, fictitious: bool
) -> tuple[pa.Array, dict[CellProblem, np.ndarray]]:
    """E.164 per cell ("" for blank and bad cells) and a mask per problem.

    A foreign number counts only when it is written in full with + or 00, a landline when it has its area code.
    """
    quick = _quick(cells, region, fictitious=fictitious)
    others = np.flatnonzero(bools(pc.equal(quick, "")))
    if not len(others):
        return quick, {}
    coded = cells.take(pa.array(others)).dictionary_encode()
    places = coded.indices.to_numpy(zero_copy_only=False)
    parsed = [_one(text, region, fictitious=fictitious) for text in coded.dictionary.to_pylist()]
    numbers = np.array(["" if isinstance(found, CellProblem) else found for found in parsed], dtype=object)[
        places
    ]
    wide = np.zeros(len(cells), dtype=bool)
    wide[others] = True
    problems = {}
    for problem in {found for found in parsed if isinstance(found, CellProblem)}:
        mask = np.zeros(len(cells), dtype=bool)
        mask[others] = np.array([found is problem for found in parsed])[places]
        problems[problem] = mask
    return pc.replace_with_mask(quick, pa.array(wide), pa.array(numbers, pa.string())), problems


def _quick(cells: pa.Array, region: str, *, fictitious: bool) -> pa.Array:
    """E.164 of plainly written home mobiles by the library's own pattern, "" for all other cells."""
    code = phonenumbers.country_code_for_region(region)
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    if region not in _UNMISTAKABLE_REGIONS or metadata is None or metadata.mobile is None:
        return pa.repeat("", len(cells))
    pattern = metadata.mobile.national_number_pattern
    bare = pc.replace_substring_regex(cells, rf"^\+{code}", "")
    plain = pc.match_substring_regex(bare, f"^(?:{pattern})$")
    full = pc.binary_join_element_wise(f"+{code}", bare, "")
    if fictitious:
        plain = pc.or_(plain, pc.match_substring_regex(full, f"^(?:{FICTITIOUS})$"))
    return pc.if_else(plain, full, "")


def _one(text: str, region: str, *, fictitious: bool) -> str | CellProblem:
    if not text:
        return ""
    if is_scientific(text):
        return CellProblem.PHONE_SCIENTIFIC
    foreign, whole = written_in_full(text, region)
    found = normalise_phone(
        text, region=region, allow_international=foreign, allow_landline=whole, allow_fictitious=fictitious
    )
    return found.e164 or _PROBLEMS.get(found.error, CellProblem.PHONE_NOT_HOME_MOBILE)


_DATE_DTYPE: Final = "datetime64[s]"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Values:
    """Parsed cells (an Arrow string array for text, else numpy) and, per problem, a mask of its cells."""

    values: Any
    problems: dict[CellProblem, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CellRules:
    """What the reading of a cell depends on besides its column."""

    context: ReadContext
    date_format: str = ""
    fictitious_phones: bool = False


def parse_cells(column: Column, cells: pa.Array, rules: CellRules) -> Values:
    """Values of trimmed cells; "" becomes "", 0, NaT or False, and is no problem here."""
    return _PARSERS[column.kind](column, cells, rules)


_LINK: Final = r"(?i)://|www\.|[a-z0-9]\.[a-z]{2,}/"


def _text(column: Column, cells: pa.Array) -> Values:
    """Text for people; a name that holds a link has been tampered with."""
    plain = inline_cells(cells)
    linked = bools(pc.match_substring_regex(plain, _LINK)) if column.personal else np.array([False])
    return Values(plain, {CellProblem.NAME_WITH_LINK: linked} if linked.any() else {})


def _identifiers(cells: pa.Array) -> Values:
    """Identifiers in their one spelling; in scientific notation, or as a too large float, they lost digits."""
    plain, lost = identifiers(cells)
    return Values(plain, {CellProblem.SCIENTIFIC_NOTATION: lost} if lost.any() else {})


def _amounts(cells: pa.Array, context: ReadContext) -> Values:
    digits = context.currency_digits
    plain = rf"^-?\d{{1,12}}(\.\d{{1,{digits}}})?$" if digits else r"^-?\d{1,12}$"

    def quick(texts: pa.Array) -> pa.Array:
        scaled = pc.multiply(texts.cast(pa.decimal128(18, digits)), pa.scalar(10**digits, pa.int64()))
        return scaled.cast(pa.int64())

    def careful(text: str) -> int | CellProblem:
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
    careful: Callable[[str], int | CellProblem],
) -> Values:
    """int64 values: `quick` on cells of the `plain` form, `careful` on the others."""
    is_plain = pc.match_substring_regex(cells, plain)
    values = quick(pc.if_else(is_plain, cells, "0")).to_numpy(zero_copy_only=False)
    others = np.flatnonzero(~bools(is_plain))
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


def _numbers(cells: pa.Array, parse: Callable[[str], int | CellProblem]) -> Values:
    """int64 values by one call per distinct text; blank and bad cells are 0."""
    distinct, places, problems = _distinct(cells, parse)
    values = np.array([0 if value is None else value for value in distinct], dtype=np.int64)
    return Values(values[places], problems)


def _texts(cells: pa.Array, parse: Callable[[str], str | CellProblem]) -> Values:
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
    cells: pa.Array, parse: Callable[[str], T | CellProblem]
) -> tuple[list[T | None], np.ndarray, dict[CellProblem, np.ndarray]]:
    """Distinct values (None for blank or bad), where each cell finds its own, and masks of the bad cells."""
    coded = cells.dictionary_encode()
    places = coded.indices.to_numpy(zero_copy_only=False)
    parsed = [parse(text) if text else None for text in coded.dictionary.to_pylist()]
    found = {value for value in parsed if isinstance(value, CellProblem)}
    problems = {
        problem: np.array([value is problem for value in parsed])[places] for problem in sorted(found)
    }
    return [None if isinstance(value, CellProblem) else value for value in parsed], places, problems


def _bounded(column: Column, cells: pa.Array, parsed: Values) -> Values:
    """Filled cells outside the column's bounds are problems too."""
    outside = np.zeros(len(cells), dtype=bool)
    if column.least is not None:
        outside |= parsed.values < column.least
    if column.most is not None:
        outside |= parsed.values > column.most
    if not outside.any():
        return parsed
    for mask in (bools(pc.equal(cells, "")), *parsed.problems.values()):
        outside &= ~mask
    negative = column.kind is CellKind.AMOUNT and column.least == 0
    problem = CellProblem.NEGATIVE_AMOUNT if negative else CellProblem.OUT_OF_RANGE
    outside |= parsed.problems.get(problem, False)
    return Values(parsed.values, {**parsed.problems, problem: outside} if outside.any() else parsed.problems)


def _flags(cells: pa.Array) -> Values:
    flags = _numbers(cells, parse_flag)
    return Values(flags.values.astype(bool), flags.problems)


_PARSERS: Final[Mapping[CellKind, Callable[[Column, pa.Array, CellRules], Values]]] = {
    CellKind.TEXT: lambda column, cells, _: _text(column, cells),
    CellKind.IDENTIFIER: lambda _, cells, __: _identifiers(cells),
    CellKind.PHONE: lambda _, cells, rules: Values(
        *phone_cells(cells, rules.context.phone_region, fictitious=rules.fictitious_phones)
    ),
    CellKind.AMOUNT: lambda column, cells, rules: _bounded(column, cells, _amounts(cells, rules.context)),
    CellKind.COUNT: lambda column, cells, _: _bounded(column, cells, _counts(cells)),
    CellKind.RATE: lambda _, cells, __: _numbers(cells, parse_rate),
    CellKind.DATE: lambda _, cells, rules: _dates(cells, rules),
    CellKind.FLAG: lambda _, cells, __: _flags(cells),
    CellKind.LANGUAGE: lambda _, cells, __: _texts(cells, parse_language),
    CellKind.TIMEZONE: lambda _, cells, __: _texts(cells, parse_timezone),
    CellKind.COUNTRY: lambda _, cells, __: _texts(cells, parse_country),
    CellKind.HOURS: lambda _, cells, __: _texts(cells, parse_hours),
    CellKind.CHOICE: lambda column, cells, _: _texts(cells, lambda text: parse_choice(text, column.words)),
    CellKind.CHOICES: lambda column, cells, _: _texts(cells, lambda text: parse_choices(text, column.words)),
}
