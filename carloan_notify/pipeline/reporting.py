"""From a plan and what became of it to the night's report."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from carloan_notify.delivery.summary import DrainSummary
from carloan_notify.loans.compare import DIFFERS
from carloan_notify.messages.render import RenderCode
from carloan_notify.pipeline.plan import Plan
from carloan_notify.records import Decision, GuardResult
from carloan_notify.reports.night import NightReport

TOLD_DIFFERENCES = 50


@dataclass(frozen=True, slots=True)
class Ending:
    """How a night ended. One that did not queue (`states` None) has its queued notices as pending."""

    status: str
    rejects_file: str = ""
    states: Mapping[str, int] | None = None
    summary: DrainSummary | None = None


def make_report(
    plan: Plan, guards: Sequence[GuardResult], accepted: Collection[str], ending: Ending
) -> NightReport:
    """The report of a night."""
    states, summary = ending.states, ending.summary
    decisions = plan.decisions
    counts = Counter(decisions["decision"])
    tripped = {guard.guard for guard in guards if guard.tripped}
    return NightReport(
        run_id=plan.run_id,
        as_of=plan.portfolio.as_of,
        status=ending.status,
        tables=plan.portfolio.table_counts(),
        standing=_standing(plan.portfolio.standing.loans),
        decisions=counts,
        reasons=_pairs(
            decisions[decisions["decision"].isin([Decision.SUPPRESSED, Decision.HELD])], "decision", "reason"
        ),
        by_notice=_pairs(decisions[decisions["decision"] == Decision.QUEUED], "notice", "channel"),
        states={"queued": counts[Decision.QUEUED]} if states is None else states,
        findings=Counter(plan.findings["code"]),
        guards=tuple(guards),
        accepted_guards=tuple(sorted(tripped & set(accepted))),
        rejects_file=ending.rejects_file,
        unlisted_codes=tuple(sorted(summary.unlisted_codes)) if summary else (),
        refused_templates=tuple(sorted(summary.refused_templates)) if summary else (),
        stopped_by=summary.stopped_by.value if summary else "",
        advice=tuple(stop.cure for stop in summary.account_stops) if summary else (),
        schedule_differences=tuple(_differences(plan.findings)),
        template_failures=tuple(plan.findings.loc[plan.findings["code"].isin(list(RenderCode)), "message"]),
    )


def _differences(findings: pd.DataFrame) -> Iterator[str]:
    """Loan, first differing installment and by how much, for the first loans that differ."""
    rows = findings[findings["code"] == DIFFERS].head(TOLD_DIFFERENCES)
    yield from rows["loan_id"] + ": " + rows["value"]


def _pairs(rows: pd.DataFrame, first: str, second: str) -> dict[tuple[str, str], int]:
    return dict(Counter(zip(rows[first], rows[second], strict=True)))


def _standing(loans: pd.DataFrame) -> dict[str, int]:
    """Loans by status, and active ones by bucket."""
    active = loans[loans["status"] == "active"]
    return {**Counter(loans["status"]), **Counter(active["bucket"])}
