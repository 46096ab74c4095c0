"""The changes table, checked and read: what is left can be applied in order, everything else is a finding."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from carloan_notify.frames import CHANGES, FINDINGS, empty, findings, stack
from carloan_notify.loans.change_values import ChangeType, ChangeValue, read_value
from carloan_notify.loans.settings import ScheduleSettings

CLOSED = ("settled", "cancelled")
ORDER = {kind.value: rank for rank, kind in enumerate(ChangeType)}


def read_changes(
    changes: pd.DataFrame, loans: pd.DataFrame, settings: ScheduleSettings
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The changes that can be applied, and FINDINGS for the others.

    The frame returned has CHANGES plus `number`, `mode`, `on` (see `ChangeValue`) and `round`: 0 for a
    loan's first change by (effective_on, type, change_id), 1 for its second … Pauses are checked, then left
    out: they concern delinquency only. The findings `change_unknown_loan` and `change_to_settled_loan`
    strike the change; every other one must keep the whole loan from being computed, because its schedule is
    unsure.
    """
    rest = changes[list(CHANGES)].reset_index(drop=True)
    if rest.empty:
        return rest, empty(FINDINGS)
    found: list[pd.DataFrame] = []
    for check in _checks(loans):
        bad, code, message = check(rest)
        if bad.any():
            found.append(_finding(code, rest[bad], message))
            rest = rest[~bad]
    rest, unread = _with_values(rest, settings)
    found.append(unread)
    doubled = _contradicts(rest)
    if doubled.any():
        message = "two changes of one type on one day, or one after a settlement; keep the one that holds"
        found.append(_finding("change_contradictory", rest[doubled], message))
    rest = rest[~doubled & (rest["type"] != ChangeType.PAUSE)]
    return _in_rounds(rest), stack(found, FINDINGS)


Check = Callable[[pd.DataFrame], tuple["pd.Series[bool]", str, str]]


def _checks(loans: pd.DataFrame) -> list["Check"]:
    known = loans["loan_id"]
    closed = loans.loc[loans["status"].isin(CLOSED), "loan_id"]
    after_close = [ChangeType.SETTLEMENT.value, ChangeType.PREPAYMENT.value]
    return [
        lambda rows: (
            ~rows["loan_id"].isin(known),
            "change_unknown_loan",
            "no such loan; export the loan, or correct the change's loan_id",
        ),
        lambda rows: (
            ~rows["type"].isin(list(ORDER)),
            "change_type_unknown",
            f"use one of {', '.join(ORDER)}",
        ),
        lambda rows: (
            rows["effective_on"].isna(),
            "change_date_missing",
            "a change needs the day from which it holds; export effective_on",
        ),
        lambda rows: (
            rows["loan_id"].isin(closed) & ~rows["type"].isin(after_close),
            "change_to_settled_loan",
            "the loan is settled or cancelled and keeps its schedule; remove the change",
        ),
    ]


def _finding(code: str, rows: pd.DataFrame, message: str) -> pd.DataFrame:
    told = rows["change_id"] + ": " + rows["type"] + " " + rows["value"]
    return findings(code, rows["loan_id"], message, place="changes", value=list(told))


def _with_values(rows: pd.DataFrame, settings: ScheduleSettings) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows with their values read, and a finding for each that cannot be read."""
    distinct = rows[["type", "value"]].drop_duplicates()
    read: dict[tuple[str, str], ChangeValue | str] = {}
    for kind, text in distinct.itertuples(index=False):
        try:
            read[kind, text] = read_value(ChangeType(kind), text, settings)
        except ValueError as error:
            read[kind, text] = str(error)
    values = [read[pair] for pair in zip(rows["type"], rows["value"], strict=True)]
    bad = np.array([isinstance(value, str) for value in values], dtype=bool)
    problems = [
        _finding("change_value_invalid", rows[bad & (np.array(values, dtype=object) == text)], text)
        for text in sorted({value for value in values if isinstance(value, str)})
    ]
    good = [value for value in values if isinstance(value, ChangeValue)]
    kept = rows[~bad].assign(
        number=np.array([value.number for value in good], dtype=np.int64),
        mode=np.array([value.mode.value for value in good], dtype=object),
        on=np.array([value.on for value in good], dtype="datetime64[D]").astype("datetime64[s]"),
    )
    return kept, stack(problems, FINDINGS)


def _contradicts(rows: pd.DataFrame) -> "pd.Series[bool]":
    """Two changes of one type (deferrals: of one installment) on one day, and anything after a settlement."""
    same_day = rows.duplicated(["loan_id", "type", "effective_on"], keep=False)
    same_day &= rows["type"] != ChangeType.DEFERRAL
    deferrals = rows["type"] == ChangeType.DEFERRAL
    same_one = deferrals & rows.duplicated(["loan_id", "type", "number", "effective_on"], keep=False)
    settled = rows["effective_on"].where(rows["type"] == ChangeType.SETTLEMENT)
    after = rows["effective_on"] > settled.groupby(rows["loan_id"]).transform("min")
    return same_day | same_one | after


def _in_rounds(rows: pd.DataFrame) -> pd.DataFrame:
    ranked = rows.assign(rank=rows["type"].map(ORDER).astype("int64"))
    ordered = ranked.sort_values(["loan_id", "effective_on", "rank", "number", "change_id"], kind="stable")
    ordered["round"] = ordered.groupby("loan_id").cumcount()
    return ordered.drop(columns="rank").reset_index(drop=True)
