"""Which notices tonight's business date calls for. Whether they may be told is the policy's question."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import pandas as pd

from carloan_notify import frames
from carloan_notify.notices.event_facts import happened
from carloan_notify.notices.inputs import DecideInputs
from carloan_notify.notices.keys import idempotency_keys
from carloan_notify.notices.membership import among
from carloan_notify.notices.occasions import facts, occasions
from carloan_notify.notices.recipients import recipients
from carloan_notify.notices.settings import PolicySettings, RuleSettings

NOTICE_COLUMNS: Final = {**frames.NOTICES, "recipient_no": frames.COUNT, "supersedes": frames.TEXT}
"""NOTICES, `recipient_no` (which of several recipients in one role, from 1; part of the key) and `supersedes`
(comma list of the notices this one replaces)."""


@dataclass(frozen=True, slots=True)
class Decided:
    """`notices` (NOTICE_COLUMNS, each key once, sorted by loan and rule) and `findings` (FINDINGS)."""

    notices: pd.DataFrame
    findings: pd.DataFrame


def decide(
    inputs: DecideInputs, rules: Sequence[RuleSettings], policy: PolicySettings, as_of: date, lender_id: str
) -> Decided:
    """The notices that fall due on `as_of` by `rules`, one row per rule, occasion and recipient.

    A loan's notices depend on nothing but its own rows, so a night may be decided in any partition by loan.
    `amount_minor` is what is unpaid of the installment before its due date, all that is overdue after it, and
    what an event reports. `catch_up_days` counts the nights left in which the notice may still be told, 0 for
    tonight only.
    """
    longest = max((rule.catch_up_days for rule in rules), default=0)
    events, problems = happened(inputs, policy.derived_events, as_of - timedelta(days=longest))
    due = occasions(rules, facts(inputs, events, as_of))
    notices = _addressed(due, inputs, rules)
    notices = notices.merge(_rule_columns(rules), on="rule_no")
    order = ["loan_id", "rule_no", "role", "recipient_no", "installment_no", "due_on", "event_id"]
    notices = notices.sort_values(order, kind="stable", ignore_index=True)
    notices["idempotency_key"] = idempotency_keys(lender_id, notices)
    notices = notices.drop_duplicates("idempotency_key", ignore_index=True)
    return Decided(notices.astype(dict(NOTICE_COLUMNS))[list(NOTICE_COLUMNS)], problems)


def _addressed(due: pd.DataFrame, inputs: DecideInputs, rules: Sequence[RuleSettings]) -> pd.DataFrame:
    """Each occasion once per recipient whom its rule names."""
    loans = inputs.loans[among(inputs.loans["loan_id"], due["loan_id"])]
    people = recipients(loans, inputs.contacts).merge(loans[["loan_id", "customer_id"]], on="loan_id")
    pairs = [(number, role.value) for number, rule in enumerate(rules) for role in dict.fromkeys(rule.who)]
    named = pd.DataFrame(pairs, columns=["rule_no", "role"]).astype({"rule_no": "int64", "role": "str"})
    return due.merge(named, on="rule_no").merge(people, on=["loan_id", "role"])


def _rule_columns(rules: Sequence[RuleSettings]) -> pd.DataFrame:
    """What each rule says of its notices, by `rule_no`."""
    return pd.DataFrame(
        {
            "rule_no": pd.Series(range(len(rules)), dtype="int64"),
            "notice": _texts(rule.notice for rule in rules),
            "channel": _texts(rule.channel.value for rule in rules),
            "message_class": _texts(rule.message_class.value for rule in rules),
            "template": _texts(rule.template_name for rule in rules),
            "until_paid": pd.Series([rule.until_paid for rule in rules], dtype="bool"),
            "window": _texts(rule.window or "" for rule in rules),
            "supersedes": _texts(",".join(rule.supersedes) for rule in rules),
        }
    )


def _texts(values: Iterable[str]) -> pd.Series:
    return pd.Series(list(values), dtype="str")
