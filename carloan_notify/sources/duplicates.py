"""Rows that claim the same key: the later ones are rejected, and of contradicting loans all."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from carloan_notify.sources.problems import CURES, Problem, shown


def duplicate_rows(
    frame: pd.DataFrame, key: Sequence[str], *, refused: pd.Series | None = None
) -> np.ndarray:
    """Mask of the rows to reject.

    Without `refused` the first row of a key stays. With it (loans), contradiction is no ground to choose:
    rows of one key that differ anywhere are all rejected, and so is a row whose key was among `refused`.
    """
    if not key or frame.empty:
        return np.zeros(len(frame), dtype=bool)
    names = list(key)
    rejected = frame.duplicated(names).to_numpy(dtype=bool)
    if refused is None:
        return rejected
    if rejected.any():
        same = frame[frame.duplicated(names, keep=False)].drop_duplicates()
        contradicting = same.loc[same.duplicated(names), names[0]]
        rejected = rejected | frame[names[0]].isin(contradicting).to_numpy(dtype=bool)
    return rejected | frame[names[0]].isin(refused).to_numpy(dtype=bool)


def duplicate_rejects(
    frame: pd.DataFrame, lines: np.ndarray, rejected: np.ndarray, key: Sequence[str], owner: str
) -> pd.DataFrame:
    """Reject rows (REJECTS columns without table and file); each names the line of its key's first row."""
    names = list(key)
    rows = frame.loc[rejected, [*dict.fromkeys((*names, owner))]].assign(line=lines[rejected])
    firsts = frame[names].assign(first=lines).drop_duplicates(names)
    rows = rows.merge(firsts, on=names, how="left")
    first = rows["first"].astype("str")
    values = rows[names].astype("str").agg("/".join, axis=1)
    return pd.DataFrame(
        {
            "line": rows["line"].to_numpy(dtype=np.int64),
            "column": names[-1],
            "value": [shown(value, personal=False) for value in values],
            "code": Problem.DUPLICATE_KEY.value,
            "cure": f"{CURES[Problem.DUPLICATE_KEY]}; it stands first in line " + first,
            "owner": rows[owner],
        }
    )
