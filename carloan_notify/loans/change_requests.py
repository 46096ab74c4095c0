"""The changes table, checked and read: what is left can be applied in order, everything else is a finding."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

import numpy as np
import pandas as pd

from carloan_notify.finding_codes import Finding
from carloan_notify.frames import CHANGES, FINDINGS, empty, findings, stack
from carloan_notify.loans.grid import Grid
from carloan_notify.loans.settings import ScheduleSettings
from carloan_notify.records import PPB

# What the text of a change's `value` means.
#
# | type | value | meaning |
# |---|---|---|
# | due_day | `15` | due day from the first installment due on or after `effective_on` |
# | deferral | `3` | installment 3 and all later ones fall due one period later |
# | deferral | `3 2026-05-01` | installment 3 falls due on that day, later ones keep its day of month |
# | deferral | `3 spread` | installment 3 pays nothing, the later ones make up for it; the end stays |
# | extension | `2` | two more installments, from the first one due on or after `effective_on` |
# | rate | `0.05` or `5%` | yearly rate for interest from `effective_on` on |
# | prepayment | `5000.00 shorter_term` (or `smaller_installment`) | principal paid ahead on `effective_on` |
# | settlement | empty, or a fee `50.00` | everything falls due on `effective_on` |
# | pause | `2026-02-01..2026-03-31` | days that do not count as past due (delinquency only) |


class ChangeType(StrEnum):
    """What may change in a running loan; the order is the order of changes on one day."""

    DUE_DAY = "due_day"
    DEFERRAL = "deferral"
    EXTENSION = "extension"
    RATE = "rate"
    PREPAYMENT = "prepayment"
    SETTLEMENT = "settlement"
    PAUSE = "pause"


class Mode(StrEnum):
    """Which form of a change is meant, where there are several."""

    PLAIN = ""
    SPREAD = "spread"
    TO_DATE = "to_date"
    SHORTER_TERM = "shorter_term"
    SMALLER_INSTALLMENT = "smaller_installment"


@dataclass(frozen=True)
class ChangeValue:
    """A value read: `number` is a day, an installment, a count, minor units or parts per billion, by type."""

    number: int = 0
    mode: Mode = Mode.PLAIN
    on: date | None = None
    until: date | None = None


DAY = r"(\d{4}-\d{2}-\d{2})"
AMOUNT = r"(\d{1,12}(?:\.\d{1,4})?)"
FORMS: dict[ChangeType, tuple[re.Pattern[str], str]] = {
    ChangeType.DUE_DAY: (re.compile(r"(\d{1,2})"), "a due day 1 to 31, e.g. 15"),
    ChangeType.DEFERRAL: (
        re.compile(rf"(\d{{1,4}})(?: (spread|{DAY}))?"),
        "an installment number, e.g. 3, 3 spread or 3 2026-05-01",
    ),
    ChangeType.EXTENSION: (re.compile(r"(\d{1,3})"), "the number of further installments 1 to 120, e.g. 2"),
    ChangeType.RATE: (re.compile(r"(\d{1,4}(?:\.\d{1,9})?)(%?)"), "a yearly rate, e.g. 0.05 or 5%"),
    ChangeType.PREPAYMENT: (
        re.compile(rf"{AMOUNT} (shorter_term|smaller_installment)"),
        "an amount and its effect, e.g. 5000.00 shorter_term or 5000.00 smaller_installment",
    ),
    ChangeType.SETTLEMENT: (re.compile(rf"{AMOUNT}?"), "nothing, or a fee, e.g. 50.00"),
    ChangeType.PAUSE: (re.compile(rf"{DAY}\.\.{DAY}"), "two days, e.g. 2026-02-01..2026-03-31"),
}
MAX_EXTENSION = 120
MAX_DUE_DAY = 31


def read_value(kind: ChangeType, text: str, settings: ScheduleSettings) -> ChangeValue:
    """The meaning of a value. Raises ValueError, with the form wanted, for any other text."""
    pattern, form = FORMS[kind]
    found = pattern.fullmatch(" ".join(text.split()))
    if found is None:
        raise ValueError(f"write {form}")
    try:
        return READERS[kind](found, settings)
    except ValueError as error:
        raise ValueError(f"{error}; write {form}") from error


def _due_day(found: re.Match[str], _: ScheduleSettings) -> ChangeValue:
    return ChangeValue(_within(int(found[1]), 1, MAX_DUE_DAY))


def _extension(found: re.Match[str], _: ScheduleSettings) -> ChangeValue:
    return ChangeValue(_within(int(found[1]), 1, MAX_EXTENSION))


def _deferral(found: re.Match[str], _: ScheduleSettings) -> ChangeValue:
    number = _within(int(found[1]), 1, 1000)
    if found[3]:
        return ChangeValue(number, Mode.TO_DATE, date.fromisoformat(found[3]))
    return ChangeValue(number, Mode(found[2] or ""))


def _rate(found: re.Match[str], settings: ScheduleSettings) -> ChangeValue:
    rate = Decimal(found[1]) / (100 if found[2] else 1)
    if rate > settings.max_annual_rate:
        raise ValueError(f"the rate is above {settings.max_annual_rate:%}")
    return ChangeValue(int(rate * PPB))


def _prepayment(found: re.Match[str], settings: ScheduleSettings) -> ChangeValue:
    return ChangeValue(_within(settings.minor(Decimal(found[1])), 1, 10**13), Mode(found[2]))


def _settlement(found: re.Match[str], settings: ScheduleSettings) -> ChangeValue:
    return ChangeValue(settings.minor(Decimal(found[1] or 0)))


def _pause(found: re.Match[str], _: ScheduleSettings) -> ChangeValue:
    first, last = date.fromisoformat(found[1]), date.fromisoformat(found[2])
    if last < first:
        raise ValueError("the pause ends before it starts")
    return ChangeValue(on=first, until=last)


def _within(number: int, low: int, high: int) -> int:
    if not low <= number <= high:
        raise ValueError(f"{number} is not within {low} to {high}")
    return number


READERS: dict[ChangeType, Callable[[re.Match[str], ScheduleSettings], ChangeValue]] = {
    ChangeType.DUE_DAY: _due_day,
    ChangeType.DEFERRAL: _deferral,
    ChangeType.EXTENSION: _extension,
    ChangeType.RATE: _rate,
    ChangeType.PREPAYMENT: _prepayment,
    ChangeType.SETTLEMENT: _settlement,
    ChangeType.PAUSE: _pause,
}


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
        found.append(_finding(Finding.CHANGE_CONTRADICTORY, rest[doubled], message))
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
            Finding.CHANGE_UNKNOWN_LOAN,
            "no such loan; export the loan, or correct the change's loan_id",
        ),
        lambda rows: (
            ~rows["type"].isin(list(ORDER)),
            Finding.CHANGE_TYPE_UNKNOWN,
            f"use one of {', '.join(ORDER)}",
        ),
        lambda rows: (
            rows["effective_on"].isna(),
            Finding.CHANGE_DATE_MISSING,
            "a change needs the day from which it holds; export effective_on",
        ),
        lambda rows: (
            rows["loan_id"].isin(closed) & ~rows["type"].isin(after_close),
            Finding.CHANGE_TO_SETTLED_LOAN,
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
        _finding(Finding.CHANGE_VALUE_INVALID, rows[bad & (np.array(values, dtype=object) == text)], text)
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


# A change written on the command line: `deferral@3`, `rate@2026-05-01=5%`, `due_day@2=15`.


@dataclass(frozen=True)
class ChangeRequest:
    """A change that names either an installment (1 …) or a day; `value` as in the changes table."""

    kind: ChangeType
    installment_no: int
    effective_on: date | None
    value: str


def parse_change(text: str, settings: ScheduleSettings) -> ChangeRequest:
    """Read `type@installment` or `type@YYYY-MM-DD`, then `=value` where the type has one.

    For a deferral the installment is the one deferred and the value its form: `deferral@3`,
    `deferral@3=spread`, `deferral@3=2026-05-01`. Raises ValueError that says what is wrong and how to write
    it.
    """
    named, _, value = text.partition("=")
    kind_text, at, where = named.strip().partition("@")
    if not at or kind_text not in set(ChangeType):
        kinds = ", ".join(ChangeType)
        raise ValueError(
            f"{text!r} is not type@installment or type@date with one of {kinds}; e.g. deferral@3"
        )
    try:
        return _request(ChangeType(kind_text), where.strip(), value.strip(), settings)
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}") from error


def _request(kind: ChangeType, where: str, value: str, settings: ScheduleSettings) -> ChangeRequest:
    number = int(where) if where.isdecimal() else 0
    effective_on = None if where.isdecimal() else date.fromisoformat(where)
    if effective_on is None and number == 0:
        raise ValueError("installments count from 1")
    if kind is ChangeType.DEFERRAL and number == 0:
        raise ValueError("name the deferred installment by its number, e.g. deferral@3")
    full = f"{number} {value}".strip() if kind is ChangeType.DEFERRAL else value
    read_value(kind, full, settings)
    return ChangeRequest(kind, number, effective_on, full)


def change_rows(requests: Sequence[ChangeRequest], schedule: Grid) -> pd.DataFrame:
    """CHANGES rows for the one loan of `schedule` (as it is without them).

    An installment stands for its due date; for a rate, for the first day of its interest period. Raises
    ValueError where the loan has no such installment.
    """
    if not requests:
        return empty(CHANGES)
    rows = [
        {
            "change_id": f"{position}",
            "loan_id": str(schedule.loan_ids[0]),
            "type": request.kind.value,
            "effective_on": request.effective_on or _effective_on(request, schedule),
            "value": request.value,
        }
        for position, request in enumerate(requests, start=1)
    ]
    return pd.DataFrame(rows).astype(dict(CHANGES))[list(CHANGES)]


def _effective_on(request: ChangeRequest, schedule: Grid) -> date:
    count = int(schedule.count[0])
    if request.installment_no > count:
        raise ValueError(f"{request.kind}@{request.installment_no}: the loan has {count} installments")
    row = request.installment_no - 1
    if request.kind is ChangeType.RATE and row > 0:
        return date.fromisoformat(str(schedule.interest_on[row - 1, 0]))
    return date.fromisoformat(str(schedule.due_on[row, 0]))
