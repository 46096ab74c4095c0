"""A due day for new loans that suits the borrower and levels what comes in per day (系统自动分配)."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
import pandas as pd

from carloan_notify.finding_codes import Finding
from carloan_notify.frames import FINDINGS, findings, stack
from carloan_notify.loans.arrays import Ints
from carloan_notify.loans.standing_settings import DueDaySettings

NEW_LOANS: Final = {
    "loan_id": "str",
    "disbursed_on": "datetime64[s]",
    "installment_minor": "int64",
    "payday": "int64",  # day of month, 0 when unknown
}
ASSIGNED: Final = {
    "loan_id": "str",
    "due_day": "int64",
    "first_due_on": "datetime64[s]",
    "days_to_first": "int64",
    "inflow_before_minor": "int64",  # expected on that day before this loan
    "reason": "str",
}
_DAYS = np.arange(1, 32)
_MONTH = 31


@dataclass(frozen=True)
class _Choice:
    """First due date for each due day 1–31 of one loan, and which of the days may be chosen."""

    first_on: list[date]
    possible: np.typing.NDArray[np.bool_]
    suits_payday: np.typing.NDArray[np.bool_]


def assign_due_days(
    new_loans: pd.DataFrame, expected_inflow_by_day: Ints, settings: DueDaySettings
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A due day per new loan (ASSIGNED, in the order given), and FINDINGS.

    `new_loans` has NEW_LOANS' columns; `expected_inflow_by_day` (31,) is the money expected on each day of
    a month from running loans. The largest installment is placed first, each on the allowed day with the
    least money so far; of equal days the earlier. The payday wish gives way where no allowed day meets it.
    Ties between loans go by loan_id, so that the result depends on the input only, not on its order. Finding
    `due_day_impossible`: no allowed day lies within the days to the first installment. Loans are placed one
    after another, because each changes the load the next one meets.
    """
    load = np.asarray(expected_inflow_by_day, dtype=np.int64).copy()
    order = new_loans.sort_values("loan_id").sort_values("installment_minor", ascending=False, kind="stable")
    rows, lost = [], []
    columns = [order[name] for name in NEW_LOANS]
    for place, loan_id, disbursed, installment, payday in zip(order.index, *columns, strict=True):
        choice = _choices(disbursed.date(), int(payday), settings)
        if not choice.possible.any():
            lost.append(loan_id)
            continue
        suited = choice.possible & choice.suits_payday
        at = _lightest(load, suited if suited.any() else choice.possible)
        first_on = choice.first_on[at]
        wait = (first_on - disbursed.date()).days
        rows.append((place, loan_id, at + 1, first_on, wait, load[at], _why(at, int(payday), suited, wait)))
        load[at] += installment
    found = pd.DataFrame(rows, columns=["place", *ASSIGNED]).sort_values("place").drop(columns="place")
    note = findings(
        Finding.DUE_DAY_IMPOSSIBLE,
        sorted(lost),
        "no allowed due day lies within days_to_first of the disbursement; widen either",
        place="due_days",
    )
    return found.astype(ASSIGNED).reset_index(drop=True), stack([note], FINDINGS)


def _choices(disbursed: date, payday: int, settings: DueDaySettings) -> _Choice:
    least, most = settings.days_to_first
    first_on = [_first_due(disbursed + timedelta(days=least), day) for day in range(1, _MONTH + 1)]
    wait = np.array([(first - disbursed).days for first in first_on])
    early, late = settings.days_after_payday
    behind = (_DAYS - payday) % _MONTH
    return _Choice(
        first_on=first_on,
        possible=np.isin(_DAYS, settings.allowed_days) & (wait <= most),
        suits_payday=(behind >= early) & (behind <= late) if payday else np.ones(_MONTH, dtype=bool),
    )


def _first_due(earliest: date, day: int) -> date:
    """The first date on this day of a month, or a shorter month's last, from `earliest` on."""
    found = _in_month(earliest, day)
    next_month = earliest.replace(day=1) + timedelta(days=_MONTH)
    return found if found >= earliest else _in_month(next_month, day)


def _in_month(month: date, day: int) -> date:
    return month.replace(day=min(day, monthrange(month.year, month.month)[1]))


def _lightest(load: Ints, allowed: np.typing.NDArray[np.bool_]) -> int:
    return int(np.argmin(np.where(allowed, load, np.iinfo(np.int64).max)))


def _why(at: int, payday: int, suited: np.typing.NDArray[np.bool_], wait: int) -> str:
    least = f"day {at + 1} expects the least money so far; first installment after {wait} days"
    if not payday:
        return f"{least}; payday unknown"
    if suited.any():
        return f"{least}; {(at + 1 - payday) % _MONTH} days after payday {payday}"
    return f"{least}; no allowed day fits payday {payday}"
