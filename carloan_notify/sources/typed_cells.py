"""Typed cells of Parquet files and databases → the text a careful export would hold."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

_FLOAT_DECIMALS: Final = 9
_FLOAT_AS_DECIMAL: Final = pa.decimal128(38, _FLOAT_DECIMALS)
_MOST_FLOAT: Final = 1e28


def as_text(cells: pa.Array, timezone: str) -> pa.Array:
    """Cells as strings, "" for null.

    Floats keep nine decimals, which ends binary noise (0.30000000000000004); moments with a zone are told in
    `timezone`. pa.ArrowInvalid or ArrowNotImplementedError when a cell has no text (lists, structs).
    """
    kind = cells.type
    if pa.types.is_dictionary(kind):
        cells, kind = cells.cast(kind.value_type), kind.value_type
    if pa.types.is_floating(kind):
        return _float_text(cells)
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        cells = pc.local_timestamp(cells.cast(pa.timestamp("us", timezone), safe=False))
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        cells = cells.cast(pa.large_string())
    return cells.cast(pa.string()).fill_null("")


def values_as_text(values: Sequence[Any], timezone: str) -> pa.Array:
    """The same for one column of Python values, of one type or (SQLite) of several."""
    try:
        return as_text(pa.array(values), timezone)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        return pa.array([_one_text(value) for value in values], pa.string())


def _float_text(cells: pa.Array) -> pa.Array:
    plain = pc.and_kleene(pc.is_finite(cells), pc.less(pc.abs(cells), _MOST_FLOAT))
    decimals = pc.if_else(plain, cells, None).cast(_FLOAT_AS_DECIMAL).cast(pa.string())
    return pc.if_else(plain, decimals, cells.cast(pa.string())).fill_null("")


def _one_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and abs(value) < _MOST_FLOAT:
        return f"{Decimal(value):.{_FLOAT_DECIMALS}f}"
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
