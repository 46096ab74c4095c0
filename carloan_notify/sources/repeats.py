"""Rows that claim the same key: said twice, spelt in two ways, or in contradiction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from carloan_notify.finding_codes import CellProblem
from carloan_notify.sources.chunks import shown
from carloan_notify.sources.tables import TableSpec


@dataclass(frozen=True, slots=True)
class SettledKeys:
    """The rows that stay, and the rejected ones (REJECTS columns without table and file).

    `repeated` holds the lines of rows left out because an earlier row says the same.
    """

    frame: pd.DataFrame
    rejects: tuple[pd.DataFrame, ...]
    repeated: np.ndarray


def settle_keys(
    frame: pd.DataFrame,
    lines: np.ndarray,
    spec: TableSpec,
    compared: Sequence[str],
    spelt: Mapping[str, pd.Series],
    refused: pd.Series | None,
) -> SettledKeys:
    """Each key once. Rows equal in all `compared` columns are one row; a table without a key repeats as it likes.

    `spelt` holds identifiers of the key as the source spells them, where some are spelt oddly. A key in two
    spellings is two things to whoever wrote them, so none of its rows is used. `refused`: see `duplicate_rows`.
    """
    several = frame.duplicated(list(spec.key or (spec.owner,)), keep=False).to_numpy(dtype=bool)
    respelt = respelt_rows(frame, spec.key, spelt, several)
    repeated = repeated_rows(frame, compared, several & ~respelt)
    duplicate = np.zeros(len(frame), dtype=bool)
    looked_at = ~(respelt | repeated)
    duplicate[looked_at] = duplicate_rows(_only(frame, looked_at), spec.key, refused=refused)
    if refused is not None:  # what repeats a row that is not used is not used either
        spoilt = frame.loc[duplicate, spec.key[0]]
        duplicate |= repeated & frame[spec.key[0]].isin(spoilt).to_numpy(dtype=bool)
        repeated &= ~duplicate
    rejects = []
    if respelt.any():
        rejects.append(_respelt_rejects(frame, lines, respelt, spec, spelt))
    if duplicate.any():
        rejects.append(duplicate_rejects(frame, lines, duplicate, spec.key, spec.owner))
    kept = _only(frame, ~(respelt | repeated | duplicate))
    return SettledKeys(kept, tuple(rejects), lines[repeated])


def repeated_rows(frame: pd.DataFrame, compared: Sequence[str], several: np.ndarray) -> np.ndarray:
    """Mask of the rows that equal an earlier one in every `compared` column, looked for among `several`."""
    repeated = np.zeros(len(frame), dtype=bool)
    places = np.flatnonzero(several)
    repeated[places] = frame.iloc[places].duplicated(list(compared)).to_numpy(dtype=bool)
    return repeated


def respelt_rows(
    frame: pd.DataFrame, key: Sequence[str], spelt: Mapping[str, pd.Series], several: np.ndarray
) -> np.ndarray:
    """Mask of the rows whose key stands in the table in two spellings, looked for among `several`."""
    respelt = np.zeros(len(frame), dtype=bool)
    places = np.flatnonzero(several)
    if spelt and len(places):
        keys = frame[list(key)].iloc[places]
        written = keys.assign(**{f"written {name}": texts.iloc[places] for name, texts in spelt.items()})
        others = written.drop_duplicates()
        respelt[places] = (
            keys.merge(
                others.loc[others.duplicated(list(key)), list(key)].drop_duplicates(),
                how="left",
                indicator=True,
            )["_merge"].to_numpy()
            == "both"
        )
    return respelt


def _respelt_rejects(
    frame: pd.DataFrame,
    lines: np.ndarray,
    respelt: np.ndarray,
    spec: TableSpec,
    spelt: Mapping[str, pd.Series],
) -> pd.DataFrame:
    name = next(iter(spelt))
    problem = CellProblem.SPELT_TWICE
    return pd.DataFrame(
        {
            "line": lines[respelt],
            "column": name,
            "value": [shown(text, personal=False) for text in spelt[name][respelt]],
            "code": problem.value,
            "cure": [f"{problem.english} (read as {one!r})" for one in frame.loc[respelt, name]],
            "owner": frame.loc[respelt, spec.owner].to_numpy(),
        }
    )


def _only(frame: pd.DataFrame, mask: np.ndarray) -> pd.DataFrame:
    return frame if mask.all() else frame.loc[mask].reset_index(drop=True)


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
            "code": CellProblem.DUPLICATE_KEY.value,
            "cure": f"{CellProblem.DUPLICATE_KEY.english}; it stands first in line " + first,
            "owner": rows[owner],
        }
    )
