"""What would go out tonight, and what would not and why. Writes nothing, opens no network."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from carloan_notify.app import App
from carloan_notify.codes import Reason, RenderCode
from carloan_notify.notices import endings
from carloan_notify.pipeline.night import Ending, NightOrder, check_night, make_report, new_run_id
from carloan_notify.pipeline.plan import make_plan, recall
from carloan_notify.pipeline.portfolio import read_portfolio
from carloan_notify.records import Draft
from carloan_notify.reports.night import NightReport
from carloan_notify.text import mask_phone

DRY = "dry run"


@dataclass(frozen=True, slots=True)
class Preview:
    """The night's report as it would be, and one row per notice."""

    report: NightReport
    rows: tuple[Mapping[str, Any], ...]


def preview_night(app: App, order: NightOrder) -> Preview:
    """Plan and guard a night without writing anything."""
    memory = recall(app)
    plan = make_plan(app, read_portfolio(app, order.as_of), memory, new_run_id(app, order.as_of))
    guards = check_night(app, plan.facts, memory, plan.evidence)
    report = make_report(plan, guards, order.accept, Ending(DRY))
    return Preview(report, tuple(preview_rows(app, plan.decisions, plan.drafted)))


def why(reason: str, language: str = "en") -> str:
    """The sentence for a reason's code. The code of a failed template is its own sentence in English."""
    if given_up := endings.sentence(reason, language):
        return given_up
    if reason in set(Reason):
        return Reason(reason).sentence(language)
    if language.startswith("zh") and reason in set(RenderCode):
        return RenderCode(reason).chinese
    return reason.replace("_", " ")


def preview_rows(app: App, decisions: pd.DataFrame, drafted: Iterable[Draft]) -> list[dict[str, Any]]:
    """One row per decision (frames.DECISIONS), with the words where there are any."""
    drafts = {draft.covers[0].idempotency_key: draft for draft in drafted}
    zone = ZoneInfo(app.lender.timezone)
    return [_row(row, drafts.get(row["idempotency_key"]), zone) for row in decisions.to_dict("records")]


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
