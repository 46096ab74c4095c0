"""What tonight was expected to hold: the last night's portfolio, carried forward by the ladder. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from carloan_notify.notices.decide import firing_days
from carloan_notify.notices.fingerprints import ACTIVE, LastNight, day_number
from carloan_notify.notices.settings import RuleSettings

PAYING_DAYS: Final = 7
"""Whoever falls due within this many days, or is overdue, may have paid since the last night."""
OTHER_EVENTS: Final = 0.05
"""Share of the loans of which something else (signed, disbursed, changed) may be told in one night."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Occasions (a rule that fires for a loan) of tonight: at least `least`, at most `most`."""

    least: int
    most: int


def expected(last: LastNight, nights: int, rules: Sequence[RuleSettings]) -> Expected:
    """Tonight's occasions, `nights` days after the last night.

    What is not yet due is told for certain, unless it is paid early; what was due since may have been paid, so
    that it counts for `most` only; so do events, which nobody can foresee.
    """
    rows = last.prints[last.prints["status"] == ACTIVE]
    away = rows["due"].astype(np.int64) - day_number(last.as_of)
    coming = np.where(rows["due"] > 0, away, np.iinfo(np.int64).min)
    late = rows["past_due"].astype(np.int64)
    counted = [rule for rule in rules if not rule.when.moment]
    each = [_of_rule(rule, coming, late, nights) for rule in counted]
    told = any(rule.when.moment for rule in rules)
    events = _events(coming, late, nights) if told else 0
    # Which loans a `where` fits tonight is not known of the last night's: none for certain, all at most.
    certain = [one.least for one, rule in zip(each, counted, strict=True) if not rule.where]
    return Expected(sum(certain), sum(one.most for one in each) + events)


def _of_rule(rule: RuleSettings, coming: np.ndarray, late: np.ndarray, nights: int) -> Expected:
    """The loans that come into the rule's days tonight; half of the coming may have paid early."""
    days = firing_days(rule)
    if rule.when.days_before_due is not None:
        left = coming - nights
        fires = (left >= days.first) & (left <= days.last) & ((coming > days.last) | (nights == 0))
        return Expected(int(fires.sum()) // 2, int(fires.sum()))
    fell = np.where((coming >= 0) & (coming < nights), nights - coming, 0)
    overdue = np.where((late > 0) & ((late < days.first) | (nights == 0)), late + nights, 0)
    most = [((past >= days.first) & (past <= days.last)).sum() for past in (fell, overdue)]
    return Expected(0, int(sum(most)))


def _events(coming: np.ndarray, late: np.ndarray, nights: int) -> int:
    payers = (np.abs(coming) <= PAYING_DAYS + nights) | (late > 0)
    return int(payers.sum()) + int(len(coming) * OTHER_EVENTS)
