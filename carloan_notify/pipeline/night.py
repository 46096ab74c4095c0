"""The night: read, plan, guard, queue, send what may go now, report. One at a time."""

import gc
import json
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pandas as pd

from carloan_notify import frames
from carloan_notify.app import App, one_night, require_rehearsable
from carloan_notify.certificate_codes import FOR_A_PERSON
from carloan_notify.codes import GuardName, RenderCode
from carloan_notify.delivery.summary import DrainSummary
from carloan_notify.errors import ConfigError
from carloan_notify.finding_codes import Finding
from carloan_notify.ledger import (
    audit,
    continuity,
    holds,
    intake,
    notices,
    numbers,
    outbox,
    portfolio,
    promises,
    runs,
)
from carloan_notify.ledger.continuity import Gap
from carloan_notify.ledger.intake import EnqueueResult
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.runs import BROKEN, FINISHED, NIGHT
from carloan_notify.loans.calendar import CALENDAR_ENDS
from carloan_notify.loans.questions import DIFFERS
from carloan_notify.notices.decide import KEYS
from carloan_notify.notices.guard_view import NightEvidence
from carloan_notify.notices.guards import GUARDS, check_guards
from carloan_notify.notices.law import bound_by
from carloan_notify.pipeline.certificates import make_due, void_open
from carloan_notify.pipeline.last_look import LastLook, cancel_what_is_over
from carloan_notify.pipeline.plan import Memory, NightPlan, make_plan, remember
from carloan_notify.pipeline.planned import Planned, newest_night
from carloan_notify.pipeline.portfolio import read_portfolio, table_stamps, unchanged
from carloan_notify.pipeline.promise_nights import PromiseNight, promise_night, with_promises
from carloan_notify.pipeline.send import drain
from carloan_notify.records import AuditEvent, Decision, GuardResult, NightFacts
from carloan_notify.reports.night import NightReport, reconciling_object, write_metrics
from carloan_notify.sources.read import write_rejects
from carloan_notify.text import mask_digits

# May this night go? The guards compare it with earlier nights; two more ask whether its date is near today's
# and whether the ledger is whole.

LEDGER_RESTORED: Final = GuardName.LEDGER_RESTORED
BUSINESS_DATE: Final = GuardName.BUSINESS_DATE
NAMES: Final = (*GUARDS, BUSINESS_DATE, LEDGER_RESTORED)
"""What `--accept` takes."""
MADE_UP: Final = range(2)
"""Days back from today that a night may speak for: its own, and last night's that is made up for."""

_CURE: Final = (
    "Enter opt-outs of that time once more (suppress add) and settle unknown messages (reconcile). Wait until no "
    "notice of those days can be due any more; or, if it may be told once more, accept it with --accept "
)


def check_night(
    app: App, tonight: NightFacts, memory: Memory, evidence: NightEvidence | None = None
) -> list[GuardResult]:
    """Every guard's view of the night, in the order of `NAMES`."""
    compared = check_guards(tonight, memory.history, app.settings.guards, evidence)
    dated = business_date_guard(tonight.as_of, app.business_date())
    return [*compared, dated, _ledger_restored(memory.gap, ZoneInfo(app.lender.timezone))]


def business_date_guard(as_of: date, today: date) -> GuardResult:
    """Trips unless the business date is the lender's own today or yesterday: a night may be made up once.

    A date typed wrong, or a back-fill of old nights, would tell people of days that are over or have not come.
    """
    back = (today - as_of).days
    message = f"The business date is {as_of}, and today is {today}: {_days_apart(back)}."
    cure = (
        f"Run it for today (--as-of {today}, or without --as-of); what an earlier night did not tell is caught up "
        f"by the rules' catch_up_days. If {as_of} is meant, accept it with --accept {BUSINESS_DATE}."
    )
    tripped = back not in MADE_UP
    return GuardResult(BUSINESS_DATE, tripped=tripped, message=message, cure=cure if tripped else "")


def _days_apart(back: int) -> str:
    if back == 0:
        return "the same day"
    return f"{abs(back)} day{'s' if abs(back) > 1 else ''} {'back' if back > 0 else 'ahead'}"


def _ledger_restored(gap: Gap | None, zone: ZoneInfo) -> GuardResult:
    if gap is None:
        whole = "The ledger is whole: it knows the newest signed digest, and no time is missing."
        return GuardResult(LEDGER_RESTORED, tripped=False, message=whole, cure="")
    message = (
        "The ledger is an older one (restored from a backup, copied back or made anew): whatever was queued, sent, "
        f"answered or opted out from {_shown(gap.since, zone)} to {_shown(gap.until, zone)} is missing in it "
        "and could be told twice."
    )
    return GuardResult(
        LEDGER_RESTORED, tripped=True, message=message, cure=f"{_CURE}{LEDGER_RESTORED} --reason …"
    )


def _shown(instant: datetime, zone: ZoneInfo) -> str:
    return f"{instant.astimezone(zone):%Y-%m-%d %H:%M}"


# The files a night leaves behind: rejected rows, its figures, its metrics.


def leave_rejects(app: App, plan: NightPlan) -> str:
    """Write `rejects-<run>.csv` if any row was rejected; its path, else ""."""
    rejects = plan.portfolio.sources.rejects
    if rejects.empty:
        return ""
    path = _folder(app) / f"rejects-{plan.run_id}.csv"
    write_rejects(rejects, path)
    return str(path)


def leave_figures(app: App, report: NightReport) -> None:
    """Write `night-<run>.json`, the reconciling object, and the metrics file if one is configured."""
    text = json.dumps(reconciling_object(report), ensure_ascii=False, indent=1)
    (_folder(app) / f"night-{report.run_id}.json").write_text(text + "\n", encoding="utf-8")
    if app.settings.reports.metrics_file:
        write_metrics(report, app.clock(), app.path(app.settings.reports.metrics_file))


def _folder(app: App) -> Path:
    folder = app.path(app.settings.reports.folder)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


# From a plan and what became of it to the night's report.

TOLD_DIFFERENCES = 50
TOLD_LOANS = 10


@dataclass(frozen=True, slots=True)
class Ending:
    """How a night ended. One that did not queue (`states` None) has its queued notices as pending."""

    status: str
    rejects_file: str = ""
    states: Mapping[str, int] | None = None
    summary: DrainSummary | None = None
    promised: PromiseNight = field(default_factory=PromiseNight)


def make_report(
    plan: NightPlan, guards: Sequence[GuardResult], accepted: Collection[str], ending: Ending
) -> NightReport:
    """The report of a night."""
    states, summary = ending.states, ending.summary
    decisions = plan.decisions
    counts = frames.counted(decisions["decision"])
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
        findings=frames.counted(plan.findings["code"]),
        guards=tuple(guards),
        accepted_guards=tuple(sorted(tripped & set(accepted))),
        rejects_file=ending.rejects_file,
        unlisted_codes=tuple(sorted(summary.unlisted_codes)) if summary else (),
        refused_templates=tuple(sorted(summary.refused_templates)) if summary else (),
        stopped_by=summary.stopped_by.value if summary else "",
        doubted=summary.held if summary else 0,
        advice=(
            *(stop.cure for stop in (summary.account_stops if summary else ())),
            *_messages(plan, CALENDAR_ENDS),
            *_messages(plan, Finding.WHERE_VALUE_UNKNOWN),
            *_about_certificates(plan.findings),
        ),
        reject_groups=plan.facts.reject_groups,
        promises=ending.promised.counts,
        promise_outcomes=ending.promised.lines,
        schedule_differences=tuple(_differences(plan.findings)),
        template_failures=tuple(plan.findings.loc[plan.findings["code"].isin(list(RenderCode)), "message"]),
    )


def _messages(plan: NightPlan, code: str) -> Iterator[str]:
    yield from plan.findings.loc[plan.findings["code"] == code, "message"]


def _about_certificates(findings: pd.DataFrame) -> Iterator[str]:
    """What a person must look at: each sentence with the first loans that it is about."""
    told = findings[findings["code"].isin(list(FOR_A_PERSON))]
    for code in told["code"].unique():
        for message in told.loc[told["code"] == code, "message"].unique():
            loans = told.loc[(told["code"] == code) & (told["message"] == message), "loan_id"].tolist()
            more = f" and {len(loans) - TOLD_LOANS} more" if len(loans) > TOLD_LOANS else ""
            yield f"{code}: {message} Loans: {', '.join(loans[:TOLD_LOANS])}{more}"


def _differences(findings: pd.DataFrame) -> Iterator[str]:
    """Loan, first differing installment and by how much, for the first loans that differ."""
    rows = findings[findings["code"] == DIFFERS].head(TOLD_DIFFERENCES)
    yield from rows["loan_id"] + ": " + rows["value"]


def _pairs(rows: pd.DataFrame, first: str, second: str) -> dict[tuple[str, str], int]:
    pairs = rows.groupby([first, second], sort=False).size()
    return {(str(one), str(other)): int(number) for (one, other), number in pairs.items()}  # type: ignore[misc, has-type]  # a key for two columns is a pair


def _standing(loans: pd.DataFrame) -> dict[str, int]:
    """Loans by status, and active ones by bucket."""
    active = loans[loans["status"] == "active"]
    return {**frames.counted(loans["status"]), **frames.counted(active["bucket"])}


STOPPED = "stopped"
RACED = "told_meanwhile"
LEFT_OUT = "merged_with_told"


@dataclass(frozen=True, slots=True)
class NightOrder:
    """What the operator (or cron) asked for. `accept` names the guards that may be passed tonight."""

    as_of: date
    operator: str
    accept: frozenset[str] = frozenset()
    reason: str = ""


def run_night(app: App, order: NightOrder) -> NightReport:
    """Run one night; a second run for the same business date tells nobody twice.

    A tripped guard that is not accepted leaves `report.stopping_guards`, and nothing is queued or sent.

    Raises:
        ConfigError: an accepted guard does not exist, or a rehearsal would reach people.
        SourceError: a table cannot be read.
        LockedError: another run holds the lock.
    """
    require_rehearsable(app)
    unknown = sorted(order.accept - set(NAMES))
    if unknown:
        raise ConfigError(
            [f"--accept {name}: no such guard; the guards are {', '.join(NAMES)}" for name in unknown]
        )
    with one_night(app, order.operator), app.open_ledger(create=True) as ledger:
        run_id = new_run_id(app, order.as_of)
        stamps = table_stamps(app, order.as_of, {})
        with ledger.write() as tx:
            runs.start(tx, run_id, order.as_of, NIGHT, app.clock(), _noted(app, stamps))
        try:
            return _run(app, ledger, run_id, order, stamps)
        except BaseException:
            with ledger.write() as tx:
                runs.finish(tx, run_id, BROKEN, {}, None, app.clock())
            raise
        finally:
            gc.unfreeze()  # a process may run many nights


def new_run_id(app: App, as_of: date) -> str:
    """Unique among runs, sortable, readable: business date, the instant the run began, and a lot.

    Rehearsals begin at the same instant again and again; only the lot tells them apart.
    """
    return f"{as_of:%Y%m%d}-{app.clock():%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}"


def _noted(app: App, stamps: Mapping[str, str]) -> dict[str, Any]:
    rehearsal = {"now": app.rehearsal.isoformat()} if app.rehearsal else {}
    return {"stamps": dict(stamps), **rehearsal}


def _run(app: App, ledger: Ledger, run_id: str, order: NightOrder, stamps: Mapping[str, str]) -> NightReport:
    continuity.doubt_if_replaced(ledger, app.clock())
    with ledger.write() as tx:
        outbox.recover(tx, app.clock())
    portfolio = with_promises(app, ledger, read_portfolio(app, order.as_of))
    gc.freeze()  # what was read stays to the end of the night: the collector need not walk it again and again
    began, memory = app.clock(), remember(app, ledger)
    plan = make_plan(app, portfolio, memory, run_id)
    gc.freeze()
    guards = check_night(app, plan.facts, memory, plan.evidence)
    stopping = [guard for guard in guards if guard.tripped and guard.guard not in order.accept]
    rejects, promised = leave_rejects(app, plan), promise_night(app, portfolio)
    if stopping:
        report = make_report(plan, guards, order.accept, Ending(STOPPED, rejects, promised=promised))
        return _close(app, ledger, report, plan)
    _accept(app, ledger, run_id, order, guards)
    newest = newest_night(app, ledger)
    made_up = newest.as_of > order.as_of
    if not made_up:
        again = newest.as_of == order.as_of == app.business_date() and unchanged(newest.stamps, stamps)
        cancel_what_is_over(app, ledger, portfolio, but_run=newest.run_id if again else "")
        plan = _with_certificates(app, ledger, plan)
    plan = plan.adjusted(
        adjust(plan.decisions, _enqueue(app, ledger, plan, (memory.recorded.last_hold, began)))
    )
    presets = bound_by(plan.decisions, app.settings.policy)
    rows = notices.to_rows(run_id, plan.decisions, ledger.cipher.customer_ref, presets)
    with ledger.write() as tx:
        notices.record(tx, run_id, rows, app.clock())
        holds.expire(tx, order.as_of, app.settings.policy.holds, app.clock())
        if not made_up:  # a later night has decided by newer tables
            promises.decide(tx, promised.outcomes, order.as_of, run_id, app.clock())
    looked = newest if made_up else Planned(order.as_of, run_id, stamps, plan.facts)
    summary = drain(app, ledger, LastLook(app, ledger, looked))
    with ledger.read() as tx:
        states = {state.value: number for state, number in outbox.counts(tx, run_id).items()}
    report = make_report(plan, guards, order.accept, Ending(FINISHED, rejects, states, summary, promised))
    return _close(app, ledger, report, plan)


def _with_certificates(app: App, ledger: Ledger, plan: NightPlan) -> NightPlan:
    """End the certificates of loans that are open again and make those that are due; messages lead to those made."""
    voided = void_open(app, ledger, plan.portfolio, plan.run_id)
    done = make_due(app, ledger, plan.certificates, plan.run_id)
    findings = frames.stack([plan.findings, voided, done.findings], frames.FINDINGS)
    return replace(plan.without_certificates(done.without), findings=findings)


def _enqueue(app: App, ledger: Ledger, plan: NightPlan, known: tuple[int, datetime]) -> EnqueueResult:
    """Drafts are worded while they are read, a slice for each transaction.

    The plan knows holds up to a number, and of telephone numbers what was known at an instant; what came later cancels.
    """
    last_hold, instant = known
    total = EnqueueResult(0)
    for part in intake.in_chunks(plan.drafted):
        with ledger.write() as tx:
            total += intake.enqueue(tx, plan.run_id, part, app.clock())
            holds.cancel_since(tx, last_hold, app.settings.policy.holds, app.clock())
            numbers.cancel_since(tx, instant, app.clock())
            promises.cancel_since(tx, instant, app.settings.policy.holds, app.clock())
    return total


def _accept(app: App, ledger: Ledger, run_id: str, order: NightOrder, guards: list[GuardResult]) -> None:
    """Record which tripped guards the operator lets pass, and why. A restored ledger is accepted once for all.

    Then it is signed at once: until a digest of its own is the newest, what is queued would be doubted again.
    """
    accepted = [guard for guard in guards if guard.tripped and guard.guard in order.accept]
    by = {"operator": order.operator, "reason": mask_digits(order.reason)}
    events = [AuditEvent("guard.accepted", guard.guard, {**by, "said": guard.message}) for guard in accepted]
    if not events:
        return
    restored = LEDGER_RESTORED in {guard.guard for guard in accepted}
    with ledger.write() as tx:
        audit.append(tx, events, app.clock())
        if restored:
            continuity.forget(tx)
    if restored:
        ledger.write_digest(run_id, app.clock())


def adjust(decisions: pd.DataFrame, result: EnqueueResult) -> pd.DataFrame:
    """What the ledger refused at the last moment: told meanwhile, or merged with something told meanwhile."""
    if not result.already and not result.left_out:
        return decisions
    changed = decisions.copy()
    told = changed[list(KEYS)].isin(result.already).any(axis=1)
    out = changed["idempotency_key"].isin(result.left_out) & ~told
    changed.loc[told, ["decision", "reason", "merged_into"]] = [Decision.ALREADY_SENT.value, RACED, ""]
    changed.loc[out, ["decision", "reason", "merged_into"]] = [Decision.HELD.value, LEFT_OUT, ""]
    return changed


def _close(app: App, ledger: Ledger, report: NightReport, plan: NightPlan) -> NightReport:
    """Write down how the night ended and sign the record."""
    counts = reconciling_object(report)
    comparable = plan.facts if report.status == FINISHED else None
    with ledger.write() as tx:
        if comparable:
            portfolio.keep(tx, report.run_id, report.as_of, plan.prints)
        runs.finish(tx, report.run_id, report.status, counts, comparable, app.clock())
    ledger.write_digest(
        report.run_id, app.clock(), {name: counts[name] for name in ("notices", "queued", "accepted")}
    )
    leave_figures(app, report)
    return report
