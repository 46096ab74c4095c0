"""Parsed chunks → one table: frame, rejects, findings; never the whole table twice in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from carloan_notify import frames
from carloan_notify.sources.chunks import SourceFile
from carloan_notify.sources.duplicates import duplicate_rejects, duplicate_rows
from carloan_notify.sources.rows import REJECTS, ParsedChunk, TableRules
from carloan_notify.sources.tables import TableName

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
    """One table as read: rows_read = len(frame) + len(rejects), always.

    `frame` has the columns of `frames`, then the lender's own as text; `rejects` has `rows.REJECTS`,
    ordered by line; `findings` has `frames.FINDINGS`. `files` says where the rows came from.
    """

    name: TableName
    frame: pd.DataFrame
    rejects: pd.DataFrame
    rows_read: int
    files: tuple[SourceFile, ...]
    findings: pd.DataFrame

    @property
    def rejected_owners(self) -> frozenset[str]:
        """Loans (of contacts: customers) of which a row was rejected: what is known of them is incomplete."""
        return frozenset(self.rejects["owner"]) - {""}


def assemble(name: TableName, rules: TableRules, chunks: list[ParsedChunk], origin: SourceFile) -> Table:
    """Put the chunks together, reject duplicate keys, complete amounts. Empties `chunks` as it goes."""
    spec = rules.spec
    rejects = [chunk.rejects for chunk in chunks]
    lines = np.concatenate([np.array([], dtype=np.int64), *(chunk.lines for chunk in chunks)])
    names = (*_FRAMES[name], *rules.match.extras)
    parts = [dict(chunk.columns) for chunk in chunks]
    chunks.clear()
    frame = pd.DataFrame(
        {column: _joined([part.pop(column) for part in parts], _FRAMES[name].get(column)) for column in names}
    )
    refused = pd.concat(rejects)["owner"] if name == "loans" and rejects else None
    duplicate = duplicate_rows(frame, spec.key, refused=refused)
    if duplicate.any():
        rejects.append(duplicate_rejects(frame, lines, duplicate, spec.key, spec.owner))
        frame = frame.loc[~duplicate].reset_index(drop=True)
    findings = [_ignored(rules.match.ignored, origin.label)]
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
    )


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
    return frames.findings("column_ignored", [""] * len(headers), message, place=label, value=list(headers))


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
    return frame, frames.findings("total_mismatch", rows["loan_id"], message, place=label, value=values)
