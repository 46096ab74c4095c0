"""What would go out tonight, and what would not and why. Writes nothing, opens no network."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from carloan_notify.ledger.masking import mask_phone
from carloan_notify.notices.reasons import Reason
from carloan_notify.pipeline.build import House
from carloan_notify.pipeline.guarding import check_night
from carloan_notify.pipeline.memory import recall
from carloan_notify.pipeline.night import NightOrder, new_run_id
from carloan_notify.pipeline.plan import Plan, make_plan
from carloan_notify.pipeline.portfolio import read_portfolio
from carloan_notify.pipeline.reporting import Ending, make_report
from carloan_notify.records import Draft
from carloan_notify.reports.night import NightReport

DRY = "dry run"


@dataclass(frozen=True, slots=True)
class Preview:
    """The night's report as it would be, and one row per notice."""

    report: NightReport
    rows: tuple[Mapping[str, Any], ...]


def preview_night(house: House, order: NightOrder, loan_id: str = "") -> Preview:
    """Plan and guard a night without writing anything; rows of one loan only if `loan_id` is given."""
    memory = recall(house)
    plan = make_plan(house, read_portfolio(house, order.as_of), memory, new_run_id(house, order.as_of))
    guards = check_night(house, plan.facts, memory)
    report = make_report(plan, guards, order.accept, Ending(DRY))
    return Preview(report, tuple(row for row in _rows(house, plan) if loan_id in ("", row["loan_id"])))


def why(reason: str) -> str:
    """The sentence for a reason's code; codes of a failed template speak for themselves."""
    return Reason(reason).sentence("en") if reason in set(Reason) else reason.replace("_", " ")


def _rows(house: House, plan: Plan) -> list[dict[str, Any]]:
    drafts = {draft.covers[0].idempotency_key: draft for draft in plan.drafts}
    zone = ZoneInfo(house.lender.timezone)
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
