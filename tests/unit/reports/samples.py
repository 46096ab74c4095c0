"""A night's report to look at."""

from dataclasses import replace
from datetime import date
from typing import Any, Final

from carloan_notify.records import Decision, GuardResult, Lender
from carloan_notify.reports.night import NightReport, TableCount

LENDER: Final = Lender("anda", "安达 <b>&", "安达车贷", "400-000-0000", "CNY", "Asia/Shanghai", "CN")
COST: Final = GuardResult(
    "cost", tripped=True, message="9 <i>times</i> [red]more[/red].", cure="--accept cost."
)
AGE: Final = GuardResult("export_stale", tripped=False, message="Fresh.", cure="")

NIGHT: Final = NightReport(
    run_id="R1",
    as_of=date(2026, 11, 23),
    status="finished",
    tables=(TableCount("loans", 10, 8, 2), TableCount("payments", 5, 5, 0)),
    standing={"active": 7, "settled": 1, "M0": 5, "M1": 2},
    decisions={Decision.QUEUED: 6, Decision.SUPPRESSED: 2, Decision.HELD: 1},
    reasons={("suppressed", "opted_out"): 2, ("held", "in_dispute"): 1},
    by_notice={("due_today", "sms"): 4, ("overdue_1", "voice"): 2},
    states={"queued": 1, "claimed": 1, "delivered": 1, "accepted": 1, "cancelled": 1, "retryable": 1},
    findings={"payment_unknown_loan": 3},
    guards=(AGE, COST),
    accepted_guards=("cost",),
    rejects_file="reports/rejects-R1.csv",
)


def report(**changes: Any) -> NightReport:
    """The night with some figures changed."""
    return replace(NIGHT, **changes)
