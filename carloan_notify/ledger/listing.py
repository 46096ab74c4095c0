"""Rows of the ledger as frames: for people, and for the plan of a night."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def as_frame(rows: Iterable[Sequence[Any] | Mapping[str, Any]], names: Collection[str]) -> "pd.DataFrame":
    """The rows under these column names, in their order; one that is a mapping has the names as its keys."""
    import pandas as pd  # noqa: PLC0415 - 0.4 s and 80 MB, which a `send` with nothing to send shall not cost

    return pd.DataFrame(
        [row if isinstance(row, Mapping) else tuple(row) for row in rows], columns=list(names)
    )
