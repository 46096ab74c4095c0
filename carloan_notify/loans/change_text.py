"""A change written on the command line: `deferral@3`, `rate@2026-05-01=5%`, `due_day@2=15`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pandas as pd

from carloan_notify.frames import CHANGES, empty
from carloan_notify.loans.change_values import ChangeType, read_value
from carloan_notify.loans.grid import Grid
from carloan_notify.loans.settings import ScheduleSettings


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
