"""The night: read, plan, guard, queue, send what may go now, report. One at a time."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

from carloan_notify.errors import ConfigError
from carloan_notify.ledger.intake import EnqueueResult
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.masking import mask_digits
from carloan_notify.pipeline.build import House
from carloan_notify.pipeline.guarding import LEDGER_RESTORED, NAMES, check_night
from carloan_notify.pipeline.lock import one_night
from carloan_notify.pipeline.memory import remember
from carloan_notify.pipeline.paid import PaidWatch, cancel_paid, owed
from carloan_notify.pipeline.papers import leave_figures, leave_rejects
from carloan_notify.pipeline.plan import Plan, make_plan
from carloan_notify.pipeline.portfolio import read_portfolio
from carloan_notify.pipeline.rehearsing import require_rehearsable
from carloan_notify.pipeline.reporting import Ending, make_report
from carloan_notify.pipeline.sending import FINISHED, NIGHT, drain
from carloan_notify.pipeline.tables import table_stamps
from carloan_notify.records import AuditEvent, Decision, GuardResult
from carloan_notify.reports.night import NightReport, reconciling_object

STOPPED = "stopped"
BROKEN = "broken"
RACED = "told_meanwhile"
LEFT_OUT = "merged_with_told"


@dataclass(frozen=True, slots=True)
class NightOrder:
    """What the operator (or cron) asked for. `accept` names the guards that may be passed tonight."""

    as_of: date
    operator: str
    accept: frozenset[str] = frozenset()
    reason: str = ""


def run_night(house: House, order: NightOrder) -> NightReport:
    """Run one night; a second run for the same business date tells nobody twice.

    A tripped guard that is not accepted leaves `report.stopping_guards`, and nothing is queued or sent.

    Raises:
        ConfigError: an accepted guard does not exist, or a rehearsal would reach people.
        SourceError: a table cannot be read.
        LockedError: another run holds the lock.
    """
    require_rehearsable(house)
    unknown = sorted(order.accept - set(NAMES))
    if unknown:
        raise ConfigError(
            [f"--accept {name}: no such guard; the guards are {', '.join(NAMES)}" for name in unknown]
        )
    with one_night(house, order.operator), house.open_ledger(create=True) as ledger:
        run_id = new_run_id(house, order.as_of)
        stamps = table_stamps(house, order.as_of, {})
        ledger.start_run(run_id, order.as_of, NIGHT, house.clock(), _noted(house, stamps))
        try:
            return _run(house, ledger, run_id, order, stamps)
        except BaseException:
            ledger.finish_run(run_id, BROKEN, {}, None, house.clock())
            raise


def new_run_id(house: House, as_of: date) -> str:
    """Unique among runs, sortable, readable: business date, the instant the run began, and a lot.

    Rehearsals begin at the same instant again and again; only the lot tells them apart.
    """
    return f"{as_of:%Y%m%d}-{house.clock():%Y%m%dT%H%M%S%f}-{secrets.token_hex(2)}"


def _noted(house: House, stamps: Mapping[str, str]) -> dict[str, Any]:
    rehearsal = {"now": house.rehearsal.isoformat()} if house.rehearsal else {}
    return {"stamps": dict(stamps), **rehearsal}


def _run(
    house: House, ledger: Ledger, run_id: str, order: NightOrder, stamps: Mapping[str, str]
) -> NightReport:
    ledger.outbox.recover(house.clock())
    portfolio = read_portfolio(house, order.as_of)
    memory = remember(house, ledger)
    plan = make_plan(house, portfolio, memory, run_id)
    guards = check_night(house, plan.facts, memory)
    stopping = [guard for guard in guards if guard.tripped and guard.guard not in order.accept]
    rejects = leave_rejects(house, plan)
    if stopping:
        report = make_report(plan, guards, order.accept, Ending(STOPPED, rejects))
        return _close(house, ledger, report, plan)
    _accept(house, ledger, order, guards)
    cancel_paid(ledger, owed(house, portfolio), house)
    result = ledger.enqueue(run_id, plan.drafts, house.clock())
    plan = plan.adjusted(adjust(plan.decisions, result))
    ledger.record_notices(run_id, plan.decisions, house.clock())
    summary = drain(house, ledger, PaidWatch(house, ledger, order.as_of, stamps))
    states = {state.value: number for state, number in ledger.outbox.counts(run_id).items()}
    report = make_report(plan, guards, order.accept, Ending(FINISHED, rejects, states, summary))
    return _close(house, ledger, report, plan)


def _accept(house: House, ledger: Ledger, order: NightOrder, guards: list[GuardResult]) -> None:
    """Record which tripped guards the operator lets pass, and why. A restored ledger is accepted once for all."""
    accepted = [guard for guard in guards if guard.tripped and guard.guard in order.accept]
    by = {"operator": order.operator, "reason": mask_digits(order.reason)}
    events = [AuditEvent("guard.accepted", guard.guard, {**by, "said": guard.message}) for guard in accepted]
    if events:
        ledger.append_audit(events, house.clock())
    if LEDGER_RESTORED in {guard.guard for guard in accepted}:
        ledger.upkeep.accept_gap()


def adjust(decisions: pd.DataFrame, result: EnqueueResult) -> pd.DataFrame:
    """What the ledger refused at the last moment: told meanwhile, or merged with something told meanwhile."""
    if not result.already and not result.left_out:
        return decisions
    changed = decisions.copy()
    keys = changed["idempotency_key"]
    told, out = keys.isin(result.already), keys.isin(result.left_out)
    changed.loc[told, ["decision", "reason", "merged_into"]] = [Decision.ALREADY_SENT.value, RACED, ""]
    changed.loc[out, ["decision", "reason", "merged_into"]] = [Decision.HELD.value, LEFT_OUT, ""]
    return changed


def _close(house: House, ledger: Ledger, report: NightReport, plan: Plan) -> NightReport:
    """Write down how the night ended and sign the record."""
    counts = reconciling_object(report)
    comparable = plan.facts if report.status == FINISHED else None
    ledger.finish_run(report.run_id, report.status, counts, comparable, house.clock())
    ledger.write_digest(
        report.run_id, house.clock(), {name: counts[name] for name in ("notices", "queued", "accepted")}
    )
    leave_figures(house, report)
    return report
