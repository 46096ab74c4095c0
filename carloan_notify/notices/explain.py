"""Why one loan gets, or does not get, each notice on a business date, from the facts that `decide` uses."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import pandas as pd

from carloan_notify.codes import Why
from carloan_notify.frames import among
from carloan_notify.notices.decide import Facts, FiringDays, facts, firing_days, moments, occasions
from carloan_notify.notices.events import DecideInputs, happened
from carloan_notify.notices.fits import LoanFacts, loan_masks, person_masks
from carloan_notify.notices.recipients import recipients
from carloan_notify.notices.settings import PolicySettings, RuleSettings, When


@dataclass(frozen=True, slots=True)
class Explanation:
    """One rule's view of the loan. `days` is what the rule counts, None when there is nothing to count.

    `next_on` is the next date on which it would fire if nothing is paid or changed until then, None when none
    is in sight; tonight where it fires. `unfit` are the columns of its `where` that do not fit.
    """

    notice: str
    channel: str
    why: Why
    days: int | None
    next_on: date | None
    unfit: tuple[str, ...] = ()

    @property
    def fires(self) -> bool:
        """Whether the rule fires on the business date."""
        return self.why is Why.FIRES

    def sentence(self, language: str) -> str:
        """Why, for people: Chinese for `zh…`, English for any other language."""
        return self.why.sentence(language).format(days=self.days, columns=", ".join(self.unfit))


def explain(
    inputs: DecideInputs, rules: Sequence[RuleSettings], policy: PolicySettings, as_of: date, loan_id: str
) -> list[Explanation]:
    """An explanation per rule, in their order. What the contact policy says comes from `apply_policy`."""
    own = _of_loan(inputs, loan_id)
    events, _ = happened(own, policy.derived_events, date.min.replace(year=1900))
    wide = [rule.model_copy(update={"catch_up_days": EVER}) for rule in rules]
    days_ahead = [rule.model_copy(update={"when": _as_told_long_ahead(rule.when)}) for rule in wide]
    known = facts(own, moments(own, days_ahead, events, as_of), as_of)
    fired = set(occasions(rules, known)["rule_no"])
    is_active = bool((own.standing["status"] == "active").any())
    return [
        _unfit(rule, columns)
        if (columns := _unfitting(rule, own, inputs.contacts))
        else _explain(rule, known, as_of, fires=number in fired, is_active=is_active)
        for number, rule in enumerate(rules)
    ]


EVER = 3650
"""Days before and after which a date is told of, where all of a loan's dates are asked for."""


def _as_told_long_ahead(when: When) -> When:
    return when.model_copy(update={"days_before": EVER}) if when.days_before else when


def _unfit(rule: RuleSettings, columns: tuple[str, ...]) -> Explanation:
    return Explanation(rule.notice, rule.channel.value, Why.OTHER_LOANS, None, None, columns)


def _unfitting(rule: RuleSettings, own: DecideInputs, contacts: pd.DataFrame | None) -> tuple[str, ...]:
    """The columns of the rule's `where` that fit neither the loan nor anybody whom the rule tells of it."""
    if not rule.where:
        return ()
    masks = loan_masks(rule.where, LoanFacts(own.loans, own.standing, own.loans["loan_id"]))
    people = recipients(own.loans, contacts)
    told = people[among(people["role"], [role.value for role in rule.who])]
    masks |= person_masks(rule.where, own.loans, told)
    return tuple(name for name in rule.where if name in masks and not masks[name].any())


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
        own_events=inputs.own_events,
    )


def _explain(rule: RuleSettings, known: Facts, as_of: date, *, fires: bool, is_active: bool) -> Explanation:
    span = firing_days(rule)
    if rule.when.moment:
        days = _days(known.events[known.events["type"] == rule.when.moment])
        why, next_on = _event(span, days, as_of)
        if rule.when.days_before:
            days = sorted(-day for day in days)
            why, next_on = _before_due(span, days, as_of) if days else (Why.NOT_HAPPENED, None)
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
