"""What would go out tonight, and what would not and why. Writes nothing, opens no network."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from carloan_notify.app import App
from carloan_notify.pipeline.decision_rows import preview_rows
from carloan_notify.pipeline.night import Ending, NightOrder, check_night, make_report, new_run_id
from carloan_notify.pipeline.plan import make_plan, recall
from carloan_notify.pipeline.portfolio import read_portfolio
from carloan_notify.pipeline.promise_nights import promise_night, recall_promises
from carloan_notify.reports.night import NightReport

DRY = "dry run"


@dataclass(frozen=True, slots=True)
class Preview:
    """The night's report as it would be, and one row per notice."""

    report: NightReport
    rows: tuple[Mapping[str, Any], ...]


def preview_night(app: App, order: NightOrder) -> Preview:
    """Plan and guard a night without writing anything."""
    memory = recall(app)
    portfolio = recall_promises(app, read_portfolio(app, order.as_of))
    plan = make_plan(app, portfolio, memory, new_run_id(app, order.as_of))
    guards = check_night(app, plan.facts, memory, plan.evidence)
    report = make_report(plan, guards, order.accept, Ending(DRY, promised=promise_night(app, portfolio)))
    return Preview(report, tuple(preview_rows(app, plan.decisions, plan.drafted)))
