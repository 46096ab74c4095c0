"""What the text of a change's `value` means.

| type | value | meaning |
|---|---|---|
| due_day | `15` | due day from the first installment due on or after `effective_on` |
| deferral | `3` | installment 3 and all later ones fall due one period later |
| deferral | `3 2026-05-01` | installment 3 falls due on that day, later ones keep its day of month |
| deferral | `3 spread` | installment 3 pays nothing, the later ones make up for it; the end stays |
| extension | `2` | two more installments, from the first one due on or after `effective_on` |
| rate | `0.05` or `5%` | yearly rate for interest from `effective_on` on |
| prepayment | `5000.00 shorter_term` (or `smaller_installment`) | principal paid ahead on `effective_on` |
| settlement | empty, or a fee `50.00` | everything falls due on `effective_on` |
| pause | `2026-02-01..2026-03-31` | days that do not count as past due (delinquency only) |
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from carloan_notify.loans.periods import PPB
from carloan_notify.loans.settings import ScheduleSettings


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
