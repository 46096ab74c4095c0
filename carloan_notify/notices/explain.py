"""Why one loan gets, or does not get, each notice on a business date, from the facts that `decide` uses."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import pandas as pd

from carloan_notify.codes import Why
from carloan_notify.notices.decide import Facts, FiringDays, facts, firing_days, occasions
from carloan_notify.notices.events import DecideInputs, happened
from carloan_notify.notices.settings import PolicySettings, RuleSettings


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
        return self.why.sentence(language).format(days=self.days)


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
        payment_details=None if inputs.payment_details is None else rows(inputs.payment_details),
        quotes=None if inputs.quotes is None else rows(inputs.quotes),
    )


def _explain(rule: RuleSettings, known: Facts, as_of: date, *, fires: bool, is_active: bool) -> Explanation:
    span = firing_days(rule)
    if rule.when.event is not None:
        days = _days(known.events[known.events["type"] == rule.when.event.value])
        why, next_on = _event(span, days, as_of)
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


def _event(span: FiringDays, days: list[int], as_of: date) -> tuple[Why, date | None]:
    if not days:
        return Why.NOT_HAPPENED, None
    coming = [day for day in days if day < span.first]
    if not coming:
        return Why.PASSED, None
    return Why.TOO_EARLY, as_of + timedelta(days=span.first - coming[-1])


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
