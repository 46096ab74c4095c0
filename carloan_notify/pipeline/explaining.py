"""Why one loan gets what it gets."""

from datetime import date
from typing import Any

from carloan_notify.errors import SourceError
from carloan_notify.messages.money import Money
from carloan_notify.notices.explain import explain
from carloan_notify.pipeline.build import House
from carloan_notify.pipeline.memory import recall
from carloan_notify.pipeline.night import new_run_id
from carloan_notify.pipeline.plan import Plan, inputs_of, make_plan
from carloan_notify.pipeline.portfolio import read_portfolio
from carloan_notify.pipeline.preview import why
from carloan_notify.pipeline.wording import day_or_none
from carloan_notify.reports.tables import frame_rows


def explain_loan(house: House, loan_id: str, as_of: date, language: str) -> dict[str, Any]:
    """The loan's standing, what each rule says of it, what the policy decided, what the tables lack, what was told.

    Raises:
        SourceError: neither the tables nor their rejects know the loan.
    """
    portfolio = read_portfolio(house, as_of)
    rejects = portfolio.sources.rejects
    mine = rejects[rejects["owner"] == loan_id]
    if mine.empty and loan_id not in set(portfolio.loans["loan_id"]):
        raise SourceError(
            f"loan {loan_id}: in no table of {as_of}, and no rejected row names it; check the number"
        )
    plan = make_plan(house, portfolio, recall(house), new_run_id(house, as_of))
    rules = explain(inputs_of(house, portfolio), house.settings.rules, house.settings.policy, as_of, loan_id)
    findings = plan.findings[plan.findings["loan_id"] == loan_id]
    return {
        "loan_id": loan_id,
        "as_of": as_of.isoformat(),
        "standing": _standing(plan, loan_id, house.lender.currency),
        "rejected_rows": [
            f"{row['file']}:{row['line']}: {row['code']}: {row['cure']}" for row in frame_rows(mine)
        ],
        # Many rows may say the same: a payment of each month for a loan that is not there, say.
        "findings": list(dict.fromkeys(f"{row['code']}: {row['message']}" for row in frame_rows(findings))),
        "rules": [
            {
                "notice": rule.notice,
                "channel": rule.channel,
                "says": rule.sentence(language),
                "next_on": rule.next_on.isoformat() if rule.next_on else "",
            }
            for rule in rules
        ],
        "tonight": _tonight(plan, loan_id),
        "told": _told(house, loan_id),
    }


def _standing(plan: Plan, loan_id: str, currency: str) -> dict[str, str]:
    loans = plan.portfolio.standing.loans
    rows = frame_rows(loans[loans["loan_id"] == loan_id])
    if not rows:
        return {}
    row = rows[0]
    days = {name: day_or_none(row[name]) for name in ("next_due_on", "oldest_due_on")}
    return {
        "status": row["status"],
        **{name: day.isoformat() if day else "" for name, day in days.items()},
        "next_due": str(Money(row["next_due_minor"], currency).decimal()),
        "overdue": str(Money(row["overdue_minor"], currency).decimal()),
        "days_past_due": str(row["days_past_due"]),
        "bucket": row["bucket"],
    }


def _tonight(plan: Plan, loan_id: str) -> list[dict[str, str]]:
    decisions = plan.decisions[plan.decisions["loan_id"] == loan_id]
    return [
        {
            "notice": row["notice"],
            "channel": row["channel"],
            "role": row["role"],
            "decision": row["decision"],
            "why": why(row["reason"]) if row["reason"] else "",
        }
        for row in frame_rows(decisions)
    ]


def _told(house: House, loan_id: str) -> list[dict[str, Any]]:
    """Every message that ever told this loan, newest first."""
    if not house.has_ledger():
        return []
    with house.open_ledger() as ledger:
        rows = frame_rows(ledger.attempts(loan_id))
    return [
        {name: row[name] for name in ("message_id", "notice", "channel", "state", "queued_at", "sent_at")}
        for row in rows
    ]
