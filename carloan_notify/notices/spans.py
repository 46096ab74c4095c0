"""How long each kind of rule goes on firing: the one definition that deciding and explaining share."""

from dataclasses import dataclass

from carloan_notify.notices.settings import RuleSettings


@dataclass(frozen=True, slots=True)
class FiringDays:
    """Days `first` ≤ d ≤ `last`, as the rule counts them: to the due date, past due, or since the event."""

    first: int
    last: int


def firing_days(rule: RuleSettings) -> FiringDays:
    """On which days a rule fires: its own day, and up to `catch_up_days` later when nights were missed.

    A reminder before the due date is never caught up on the due date or after it, a bill never after its
    date: from then on the past-due rules speak.
    """
    if rule.when.days_before_due is not None:
        lead = rule.when.days_before_due
        return FiringDays(max(lead - rule.catch_up_days, min(lead, 1)), lead)
    first = rule.when.days_past_due or 0
    return FiringDays(first, first + rule.catch_up_days)
