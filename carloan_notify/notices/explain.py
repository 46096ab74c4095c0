"""Why one loan gets, or does not get, each notice on a business date, from the facts that `decide` uses."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from types import MappingProxyType

import pandas as pd

from carloan_notify.notices.decide import Facts, FiringDays, facts, firing_days, occasions
from carloan_notify.notices.events import DecideInputs, happened
from carloan_notify.notices.settings import PolicySettings, RuleSettings


class Why(StrEnum):
    """Stable codes; their sentences may change."""

    FIRES = "fires"
    NOT_ACTIVE = "not_active"
    NOTHING_DUE = "nothing_due"
    TOO_EARLY = "too_early"
    PASSED = "passed"
    NOT_LATE = "not_late"
    NOT_HAPPENED = "not_happened"


@dataclass(frozen=True, slots=True)
class Explanation:
    """One rule's view of the loan. `days` is what the rule counts, None when there is nothing to count.

    `next_on` is the next date on which it would fire if nothing is paid or changed until then, None when none
    is in sight; tonight where it fires.
    """

    notice: str
    channel: str
    why: Why
    days: int | None
    next_on: date | None

    @property
    def fires(self) -> bool:
        """Whether the rule fires on the business date."""
        return self.why is Why.FIRES

    def sentence(self, language: str) -> str:
        """Why, for people: Chinese for `zh…`, English for any other language."""
        english, chinese = SENTENCES[self.why]
        return (chinese if language.lower().startswith("zh") else english).format(days=self.days)


def explain(
    inputs: DecideInputs, rules: Sequence[RuleSettings], policy: PolicySettings, as_of: date, loan_id: str
) -> list[Explanation]:
    """An explanation per rule, in their order. What the contact policy says comes from `apply_policy`."""
    own = _of_loan(inputs, loan_id)
    events, _ = happened(own, policy.derived_events, date.min.replace(year=1900))
    known = facts(own, events, as_of)
    fired = set(occasions(rules, known)["rule_no"])
    is_active = bool((own.standing["status"] == "active").any())
    return [
        _explain(rule, known, as_of, fires=number in fired, is_active=is_active)
        for number, rule in enumerate(rules)
    ]


def _of_loan(inputs: DecideInputs, loan_id: str) -> DecideInputs:
    """The same tables, with the loan's rows alone; contacts play no part."""

    def rows(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[frame["loan_id"] == loan_id]

    return DecideInputs(
        loans=rows(inputs.loans),
        dues=rows(inputs.dues),
        standing=rows(inputs.standing),
        events=None if inputs.events is None else rows(inputs.events),
        payments=None if inputs.payments is None else rows(inputs.payments),
        changes_told=None if inputs.changes_told is None else rows(inputs.changes_told),
    )


def _explain(rule: RuleSettings, known: Facts, as_of: date, *, fires: bool, is_active: bool) -> Explanation:
    span = firing_days(rule)
    if rule.when.event is not None:
        days = _days(known.events[known.events["type"] == rule.when.event.value])
        why, next_on = _event(days, as_of)
    elif not is_active:
        why, next_on, days = Why.NOT_ACTIVE, None, []
    elif rule.when.days_past_due is not None:
        days = _days(known.overdue)
        why, next_on = _past_due(span, days, _days(known.coming), as_of)
    else:
        days = _days(known.coming)
        why, next_on = _before_due(span, days, as_of)
    if fires:
        days = [day for day in days if span.first <= day <= span.last]
        why, next_on = Why.FIRES, as_of
    return Explanation(rule.notice, rule.channel.value, why, days[0] if days else None, next_on)


def _days(rows: pd.DataFrame) -> list[int]:
    return sorted(int(day) for day in rows["days"])


def _event(days: list[int], as_of: date) -> tuple[Why, date | None]:
    if not days:
        return Why.NOT_HAPPENED, None
    coming = [day for day in days if day < 0]
    return (Why.TOO_EARLY, as_of + timedelta(days=-coming[-1])) if coming else (Why.PASSED, None)


def _before_due(span: FiringDays, days: list[int], as_of: date) -> tuple[Why, date | None]:
    if not days:
        return Why.NOTHING_DUE, None
    later = [day for day in days if day > span.last]
    next_on = as_of + timedelta(days=later[0] - span.last) if later else None
    return (Why.PASSED if days[0] < span.first else Why.TOO_EARLY), next_on


def _past_due(span: FiringDays, days: list[int], coming: list[int], as_of: date) -> tuple[Why, date | None]:
    if days and days[0] < span.first:
        return Why.TOO_EARLY, as_of + timedelta(days=span.first - days[0])
    if days:
        return Why.PASSED, None
    return Why.NOT_LATE, as_of + timedelta(days=coming[0] + span.first) if coming else None


SENTENCES = MappingProxyType(
    {
        Why.FIRES: ("It falls due today (day {days} of its count).", "今日应发(计数第 {days} 天)。"),
        Why.NOT_ACTIVE: (
            "The loan is not active, or could not be computed; see its status and findings.",
            "贷款不在还款中，或未能计算；请查看其状态与问题清单。",
        ),
        Why.NOTHING_DUE: ("No unpaid installment falls due soon.", "近期没有未还的分期到期。"),
        Why.TOO_EARLY: (
            "Its day has not come yet (day {days} of its count).",
            "未到发送日(计数第 {days} 天)。",
        ),
        Why.PASSED: (
            "Its day and the days to catch up are over (day {days} of its count).",
            "发送日及补发期已过(计数第 {days} 天)。",
        ),
        Why.NOT_LATE: ("The loan is not past due.", "贷款未逾期。"),
        Why.NOT_HAPPENED: ("The event has not been reported for this loan.", "该贷款没有此事件的记录。"),
    }
)
