"""What would go out tonight, and what would not and why. Writes nothing, opens no network."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from carloan_notify.app import App
from carloan_notify.codes import Reason, RenderCode
from carloan_notify.errors import LedgerError, SourceError
from carloan_notify.finding_codes import CellProblem, Finding
from carloan_notify.ledger import outbox, runs, views
from carloan_notify.ledger.runs import NIGHT
from carloan_notify.messages.values import Money
from carloan_notify.notices import endings
from carloan_notify.notices.explain import explain
from carloan_notify.pipeline.night import Ending, NightOrder, check_night, make_report, new_run_id
from carloan_notify.pipeline.plan import NightPlan, make_plan, recall
from carloan_notify.pipeline.portfolio import inputs_of, read_portfolio
from carloan_notify.pipeline.wording import day_or_none
from carloan_notify.records import Draft
from carloan_notify.reports.night import NightReport, outcomes
from carloan_notify.reports.tables import frame_rows
from carloan_notify.text import mask_phone

DRY = "dry run"


@dataclass(frozen=True, slots=True)
class Preview:
    """The night's report as it would be, and one row per notice."""

    report: NightReport
    rows: tuple[Mapping[str, Any], ...]


def preview_night(app: App, order: NightOrder, loan_id: str = "") -> Preview:
    """Plan and guard a night without writing anything; rows of one loan only if `loan_id` is given."""
    memory = recall(app)
    plan = make_plan(app, read_portfolio(app, order.as_of), memory, new_run_id(app, order.as_of))
    guards = check_night(app, plan.facts, memory, plan.evidence)
    report = make_report(plan, guards, order.accept, Ending(DRY))
    return Preview(report, tuple(row for row in _rows(app, plan) if loan_id in ("", row["loan_id"])))


def why(reason: str, language: str = "en") -> str:
    """The sentence for a reason's code. The code of a failed template is its own sentence in English."""
    if given_up := endings.sentence(reason, language):
        return given_up
    if reason in set(Reason):
        return Reason(reason).sentence(language)
    if language.startswith("zh") and reason in set(RenderCode):
        return RenderCode(reason).chinese
    return reason.replace("_", " ")


def _rows(app: App, plan: NightPlan) -> list[dict[str, Any]]:
    drafts = {draft.covers[0].idempotency_key: draft for draft in plan.drafted}
    zone = ZoneInfo(app.lender.timezone)
    return [_row(row, drafts.get(row["idempotency_key"]), zone) for row in plan.decisions.to_dict("records")]


def _row(row: Mapping[Any, Any], draft: Draft | None, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "loan_id": row["loan_id"],
        "notice": row["notice"],
        "channel": row["channel"],
        "role": row["role"],
        "decision": row["decision"],
        "reason": row["reason"],
        "why": why(row["reason"]) if row["reason"] else "",
        "phone": mask_phone(row["phone"]),
        "not_before": draft.not_before.astimezone(zone).isoformat(timespec="minutes") if draft else "",
        "segments": draft.rendered.segments if draft else 0,
        "text": draft.rendered.text if draft else "",
    }


# Why one loan gets what it gets.


def explain_loan(app: App, loan_id: str, as_of: date, language: str) -> dict[str, Any]:
    """The loan's standing, what each rule says of it, what the policy decided, what the tables lack, what was told.

    Raises:
        SourceError: neither the tables nor their rejects know the loan.
    """
    portfolio = read_portfolio(app, as_of)
    rejects = portfolio.sources.rejects
    mine = rejects[rejects["owner"] == loan_id]
    if mine.empty and loan_id not in set(portfolio.loans["loan_id"]):
        raise SourceError(
            f"loan {loan_id}: in no table of {as_of}, and no rejected row names it; check the number"
        )
    plan = make_plan(app, portfolio, recall(app), new_run_id(app, as_of))
    rules = explain(inputs_of(app, portfolio), app.settings.rules, app.settings.policy, as_of, loan_id)
    findings = plan.findings[plan.findings["loan_id"] == loan_id]
    return {
        "loan_id": loan_id,
        "as_of": as_of.isoformat(),
        "standing": _standing(plan, loan_id, app.lender.currency),
        "rejected_rows": [
            f"{row['file']}:{row['line']}: {row['code']}: {_said(row['code'], row['cure'], language)}"
            for row in frame_rows(mine)
        ],
        # Many rows may say the same: a payment of each month for a loan that is not there, say.
        "findings": list(
            dict.fromkeys(
                f"{row['code']}: {_said(row['code'], row['message'], language)}"
                for row in frame_rows(findings)
            )
        ),
        "rules": [
            {
                "notice": rule.notice,
                "channel": rule.channel,
                "says": rule.sentence(language),
                "next_on": rule.next_on.isoformat() if rule.next_on else "",
            }
            for rule in rules
        ],
        "tonight": _tonight(plan, loan_id, language),
        "told": _told(app, loan_id),
    }


def _standing(plan: NightPlan, loan_id: str, currency: str) -> dict[str, str]:
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
        "carried": str(Money(row["carried_minor"], currency).decimal()),
        "penalty": str(Money(row["penalty_minor"], currency).decimal()),
        "remainder": str(Money(row["remainder_minor"], currency).decimal()),
        "days_past_due": str(row["days_past_due"]),
        "bucket": row["bucket"],
    }


def _said(code: str, english: str, language: str) -> str:
    """What a finding or a rejected row says: its own text with its values in English, its code's in Chinese."""
    catalogue = next((kind for kind in (CellProblem, Finding, RenderCode) if code in set(kind)), None)
    return catalogue(code).chinese if catalogue and language.startswith("zh") else english


def _tonight(plan: NightPlan, loan_id: str, language: str) -> list[dict[str, str]]:
    decisions = plan.decisions[plan.decisions["loan_id"] == loan_id]
    return [
        {
            "notice": row["notice"],
            "channel": row["channel"],
            "role": row["role"],
            "decision": row["decision"],
            "why": why(row["reason"], language) if row["reason"] else "",
        }
        for row in frame_rows(decisions)
    ]


def _told(app: App, loan_id: str) -> list[dict[str, Any]]:
    """Every message that ever told this loan, newest first."""
    if not app.has_ledger():
        return []
    with app.open_ledger() as ledger, ledger.read() as tx:
        rows = frame_rows(views.messages(tx, views.MessageFilter(loan_id=loan_id)))
    names = ("message_id", "notice", "channel", "state", "queued_at", "sent_at")
    return [{name: "" if pd.isna(row[name]) else row[name] for name in names} for row in rows]


# What earlier nights did, as the ledger tells it now.


def run_list(app: App) -> list[dict[str, Any]]:
    """Every run, newest first."""
    with app.open_ledger() as ledger, ledger.read() as tx:
        return frame_rows(runs.table(tx))


def run_figures(app: App, run_id: str | None) -> dict[str, Any]:
    """The reconciling object of a run (the last night if none is named) with its messages' present states.

    Raises:
        LedgerError: there is no such run.
    """
    with app.open_ledger() as ledger, ledger.read() as tx:
        run = runs.get(tx, run_id) if run_id else runs.last(tx, NIGHT)
        if run is None:
            raise LedgerError(
                f"run {run_id or '(last night)'}: not in the ledger; see `carloan-notify report --list`"
            )
        states = {state.value: number for state, number in outbox.counts(tx, run.run_id).items()}
    return {
        "run_id": run.run_id,
        "as_of": run.as_of.isoformat(),
        **run.counts,
        "status": run.status,
        **outcomes(states),
    }
