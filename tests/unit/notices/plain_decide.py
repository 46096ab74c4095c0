"""A slow plain twin of `decide`: one loan, one rule, one date at a time, with nothing but dates and ifs."""

from datetime import date, timedelta
from typing import Any

import pandas as pd

from carloan_notify.notices.settings import RuleSettings
from tests.unit.notices.tables import lines

Told = tuple[str, str, str, int, str, int, int]
"""Loan, notice, channel, installment, original due date, amount, nights left."""


def plain_decide(
    loans: pd.DataFrame, dues: pd.DataFrame, standing: pd.DataFrame, rules: list[RuleSettings], as_of: date
) -> set[Told]:
    """What the due and past-due rules tell."""
    known = {row.loan_id: row for row in lines(loans)}
    everybody = {row.loan_id: row for row in lines(standing) if row.status == "active"}
    told: set[Told] = set()
    for rule in rules:
        active = {name: row for name, row in everybody.items() if fits(rule, known[name], row)}
        for due in lines(dues):
            if due.loan_id in active and due.unpaid_minor > 0 and rule.when.days_before_due is not None:
                left = nights_left_before_due(rule, due.due_on.date(), as_of)
                if left is not None:
                    told.add(
                        line(
                            rule, due.loan_id, due.installment_no, due.original_due_on, due.unpaid_minor, left
                        )
                    )
        for loan in active.values():
            if rule.when.days_past_due is None or loan.overdue_minor <= 0 or pd.isna(loan.oldest_due_on):
                continue
            late = loan.days_past_due - rule.when.days_past_due
            if 0 <= late <= rule.catch_up_days:
                number, first, amount = (
                    loan.oldest_installment_no,
                    loan.oldest_original_due_on,
                    loan.overdue_minor,
                )
                told.add(line(rule, loan.loan_id, number, first, amount, rule.catch_up_days - late))
    return told


def fits(rule: RuleSettings, loan: Any, standing: Any) -> bool:
    """Whether every column of `where` has a cell that it allows, wherever it stands."""
    for name, condition in rule.where.items():
        cell = getattr(standing, name) if hasattr(standing, name) else getattr(loan, name)
        if condition.one_of is not None and cell not in condition.one_of:
            return False
        if condition.none_of is not None and cell in condition.none_of:
            return False
        if condition.least is not None and cell < condition.least:
            return False
        if condition.most is not None and cell > condition.most:
            return False
    return True


def nights_left_before_due(rule: RuleSettings, due_on: date, as_of: date) -> int | None:
    """On its own day, or on a later one while nights were missed, but a reminder never on the due date."""
    lead = rule.when.days_before_due or 0
    nights = [due_on - timedelta(days=lead) + timedelta(days=late) for late in range(rule.catch_up_days + 1)]
    allowed = [night for night in nights if (night < due_on if lead else night == due_on)]
    return (allowed[-1] - as_of).days if as_of in allowed else None


def line(rule: RuleSettings, loan: str, number: int, original: pd.Timestamp, amount: int, left: int) -> Told:
    return loan, rule.notice, rule.channel.value, number, original.date().isoformat(), amount, left
