"""When rules fire: one row per rule and the installment or event it fires for. Persons play no part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import pandas as pd

from carloan_notify import frames
from carloan_notify.notices.inputs import DecideInputs
from carloan_notify.notices.membership import among
from carloan_notify.notices.settings import RuleSettings
from carloan_notify.notices.spans import firing_days

OCCASIONS: Final[Mapping[str, str]] = {
    "rule_no": frames.COUNT,
    "loan_id": frames.TEXT,
    "installment_no": frames.COUNT,
    "due_on": frames.DATE,
    "original_due_on": frames.DATE,
    "amount_minor": frames.MONEY,
    "days_past_due": frames.COUNT,
    "event_id": frames.TEXT,
    "occurred_on": frames.DATE,
    "event_detail": frames.TEXT,
    "catch_up_days": frames.COUNT,  # nights left in which it may still be told, 0: tonight only
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What rules look at on one business date.

    `coming` are unpaid installments not yet past due, with `days` to their due date; `overdue` the oldest
    unpaid installment of each late loan, with `days` past due; `events` what happened, with `days` since.
    """

    coming: pd.DataFrame
    overdue: pd.DataFrame
    events: pd.DataFrame


def facts(inputs: DecideInputs, events: pd.DataFrame, as_of: date) -> Facts:
    """Facts of the active loans; none that is paid, settled, pending, cancelled or charged off falls due."""
    today = pd.Timestamp(as_of)
    active = inputs.standing[inputs.standing["status"] == "active"]
    coming = inputs.dues[(inputs.dues["due_on"] >= today) & (inputs.dues["unpaid_minor"] > 0)]
    coming = coming[among(coming["loan_id"], active["loan_id"])]
    late = active[
        (active["days_past_due"] > 0) & (active["overdue_minor"] > 0) & active["oldest_due_on"].notna()
    ]
    return Facts(
        coming=coming.assign(days=(coming["due_on"] - today).dt.days),
        overdue=late.assign(days=late["days_past_due"]),
        events=events.assign(days=(today - events["occurred_on"]).dt.days),
    )


def occasions(rules: Sequence[RuleSettings], known: Facts) -> pd.DataFrame:
    """OCCASIONS of all rules; `rule_no` is the rule's place in `rules`."""
    return frames.stack([_of_rule(number, rule, known) for number, rule in enumerate(rules)], OCCASIONS)


def _of_rule(number: int, rule: RuleSettings, known: Facts) -> pd.DataFrame:
    days = firing_days(rule)
    if rule.when.event is not None:
        rows = known.events[known.events["type"] == rule.when.event.value]
        rows = _within(rows, days.first, days.last)
        return _complete(rows.assign(catch_up_days=days.last - rows["days"]), number)
    if rule.when.days_past_due is not None:
        rows = _within(known.overdue, days.first, days.last)
        return _complete(_overdue_columns(rows).assign(catch_up_days=days.last - rows["days"]), number)
    rows = _within(known.coming, days.first, days.last)
    rows = rows.rename(columns={"unpaid_minor": "amount_minor"})
    return _complete(rows.assign(catch_up_days=rows["days"] - days.first), number)


def _within(rows: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    return rows[rows["days"].between(first, last)]


def _overdue_columns(rows: pd.DataFrame) -> pd.DataFrame:
    """The oldest unpaid installment names the notice; the amount is all that is overdue."""
    return pd.DataFrame(
        {
            "loan_id": rows["loan_id"],
            "installment_no": rows["oldest_installment_no"],
            "due_on": rows["oldest_due_on"],
            "original_due_on": rows["oldest_original_due_on"],
            "amount_minor": rows["overdue_minor"],
            "days_past_due": rows["days_past_due"],
        }
    )


def _complete(rows: pd.DataFrame, number: int) -> pd.DataFrame:
    """The rows with every column of OCCASIONS; what does not apply is 0, "" or NaT."""
    rows = rows.assign(rule_no=number)
    known = {name: rows[name] for name in OCCASIONS if name in rows}
    missing = {
        name: pd.Series(_BLANK[kind], index=rows.index, dtype=kind)
        for name, kind in OCCASIONS.items()
        if name not in known
    }
    return pd.DataFrame(known | missing).astype(dict(OCCASIONS))[list(OCCASIONS)]


_BLANK: Final[Mapping[str, str | int | None]] = {frames.TEXT: "", frames.COUNT: 0, frames.DATE: None}
