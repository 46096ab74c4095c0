"""What a night did, as one frozen value that every view (terminal, JSON, metrics) is made from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import IO, Any

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from carloan_notify.records import Decision, GuardResult, MessageState
from carloan_notify.reports.tables import print_json, print_rows, terminal

# Where each outbox state stands in the reconciling object of `run --format json`.
COUNTED_AS: Mapping[MessageState, str] = {
    MessageState.QUEUED: "pending",
    MessageState.CLAIMED: "pending",
    MessageState.SENDING: "pending",
    MessageState.RETRYABLE: "pending",
    MessageState.ACCEPTED: "accepted",
    MessageState.DELIVERED: "accepted",
    MessageState.UNDELIVERED: "accepted",
    MessageState.REJECTED: "rejected",
    MessageState.UNKNOWN: "unknown",
    MessageState.EXPIRED: "failed",
    MessageState.CANCELLED: "cancelled",
}
OUTCOMES = ("accepted", "rejected", "unknown", "failed", "cancelled", "pending")
REJECTS_SHOWN = 10
TROUBLE = ("rejected", "unknown", "failed")


@dataclass(frozen=True, slots=True)
class TableCount:
    """Rows of one input table; `read = used + rejected`, always."""

    table: str
    read: int
    used: int
    rejected: int


@dataclass(frozen=True, slots=True)
class NightReport:
    """A night's figures. `decisions` counts notices by decision, `states` this run's messages by state.

    `reasons` counts suppressed and held notices by (decision, reason), `by_notice` queued ones by
    (notice, channel), `findings` by code. `unlisted_codes` are provider answers no table knows,
    `refused_templates` templates that a provider refuses or that nobody mapped (`provider:code`), `doubted` counts
    messages that the last look held, `advice` says what a person must do, `template_failures` which templates
    failed, where, and how to mend them, `schedule_differences` where the lender's own installments differ from
    the recomputed ones (the first so many; `findings` counts them all). `reject_groups` counts rejected rows by
    "table|column|code|value". `promises` counts the promises looked at by their state now, `promise_outcomes` say which
    were decided or revised tonight.
    """

    run_id: str
    as_of: date
    status: str
    tables: tuple[TableCount, ...]
    standing: Mapping[str, int]
    decisions: Mapping[str, int]
    reasons: Mapping[tuple[str, str], int]
    by_notice: Mapping[tuple[str, str], int]
    states: Mapping[str, int]
    findings: Mapping[str, int]
    guards: tuple[GuardResult, ...]
    accepted_guards: tuple[str, ...] = ()
    rejects_file: str = ""
    unlisted_codes: tuple[str, ...] = ()
    refused_templates: tuple[str, ...] = ()
    stopped_by: str = ""
    doubted: int = 0
    advice: tuple[str, ...] = ()
    template_failures: tuple[str, ...] = ()
    schedule_differences: tuple[str, ...] = ()
    reject_groups: Mapping[str, int] = field(default_factory=dict)
    promises: Mapping[str, int] = field(default_factory=dict)
    promise_outcomes: tuple[str, ...] = ()

    @property
    def outcomes(self) -> dict[str, int]:
        """This run's messages by what became of them; they sum to the queued notices."""
        return outcomes(self.states)

    @property
    def notices(self) -> int:
        """Every notice that fell due tonight: queued + suppressed + held + already sent."""
        return sum(self.decisions.values())

    @property
    def stopping_guards(self) -> tuple[GuardResult, ...]:
        """Guards that stopped the night: tripped and not accepted by name."""
        return tuple(
            guard for guard in self.guards if guard.tripped and guard.guard not in self.accepted_guards
        )

    @property
    def has_failed_items(self) -> bool:
        """Whether something needs a person's eye: the run then exits with 1."""
        trouble = any(self.outcomes[name] for name in TROUBLE)
        return trouble or bool(self.stopped_by or self.doubted or self.template_failures)


def outcomes(states: Mapping[str, int]) -> dict[str, int]:
    """Messages by what became of them, from messages by outbox state."""
    counts = dict.fromkeys(OUTCOMES, 0)
    for state, number in states.items():
        counts[COUNTED_AS[MessageState(state)]] += number
    return counts


def reconciling_object(report: NightReport) -> dict[str, Any]:
    """The object that `run --format json` prints.

    notices = queued + suppressed + held + already_sent; queued = accepted + rejected + unknown + failed +
    cancelled + pending; rows_read = rows_used + rows_rejected.
    """
    return {
        "run_id": report.run_id,
        "as_of": report.as_of.isoformat(),
        "status": report.status,
        "rows_read": sum(table.read for table in report.tables),
        "rows_used": sum(table.used for table in report.tables),
        "rows_rejected": sum(table.rejected for table in report.tables),
        "rejects_file": report.rejects_file,
        "notices": report.notices,
        **{decision.value: report.decisions.get(decision.value, 0) for decision in Decision},
        **report.outcomes,
        "reasons": {
            f"{decision}:{reason}": number for (decision, reason), number in sorted(report.reasons.items())
        },
        "by_notice": {
            f"{notice}.{channel}": number for (notice, channel), number in sorted(report.by_notice.items())
        },
        "findings": dict(sorted(report.findings.items())),
        "guards_tripped": [guard.guard for guard in report.guards if guard.tripped],
        "guards_accepted": list(report.accepted_guards),
        "unlisted_codes": list(report.unlisted_codes),
        "refused_templates": list(report.refused_templates),
        "template_failures": list(report.template_failures),
        "schedule_differences": list(report.schedule_differences),
        "reject_groups": dict(report.reject_groups),
        "promises": dict(sorted(report.promises.items())),
        "promise_outcomes": list(report.promise_outcomes),
        "stopped_by": report.stopped_by,
        "doubted": report.doubted,
    }


# A night as a person reads it: tables on a terminal.


def print_night(report: NightReport, stream: IO[str], form: str) -> None:
    """Print a night's report; JSON is the reconciling object, CSV its figures one a row."""
    if form == "json":
        print_json(reconciling_object(report), stream)
    elif form == "csv":
        print_rows(_figures(reconciling_object(report)), stream, "csv", columns=("figure", "value"))
    else:
        _print_sections(report, stream)


def _figures(counts: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"figure": name, "value": value} for name, value in counts.items() if isinstance(value, int | str)
    ]


def _print_sections(report: NightReport, stream: IO[str]) -> None:
    console = terminal(stream)
    console.print(f"[bold]Night of {report.as_of}[/bold]  run {report.run_id}  {report.status}")
    tables = [
        {"table": t.table, "read": t.read, "used": t.used, "rejected": t.rejected} for t in report.tables
    ]
    _section(tables, stream, "What was read")
    _section(_rejected(report.reject_groups), stream, "What was rejected")
    _section(_pairs(report.standing, "loans"), stream, "Where the loans stand")
    _section(_counted(report.by_notice, ("notice", "channel")), stream, "What goes out")
    _section(_counted(report.reasons, ("decision", "reason")), stream, "What does not, and why")
    _section(_pairs(report.findings, "finding"), stream, "What was found")
    _section(_pairs(report.promises, "promises"), stream, "Promises to pay")
    _section(
        [_guard(report, guard.guard, guard.message) for guard in report.guards if guard.tripped],
        stream,
        "Guards",
    )
    _section([_reconciled(report)], stream, "Reconciled")
    for line in _closing(report):
        console.print(line, style="yellow")


def _section(rows: Sequence[Mapping[str, Any]], stream: IO[str], title: str) -> None:
    if rows:
        stream.write("\n")
        print_rows(rows, stream, "table", title=title)


def _pairs(counts: Mapping[str, int], name: str) -> list[dict[str, Any]]:
    return [{name: key, "count": number} for key, number in sorted(counts.items())]


def _rejected(groups: Mapping[str, int]) -> list[dict[str, Any]]:
    names = ("table", "column", "code", "value")
    first = sorted(groups.items(), key=lambda item: -item[1])[:REJECTS_SHOWN]
    return [{**dict(zip(names, key.split("|", 3), strict=True)), "count": number} for key, number in first]


def _counted(counts: Mapping[tuple[str, str], int], names: tuple[str, str]) -> list[dict[str, Any]]:
    return [{names[0]: a, names[1]: b, "count": number} for (a, b), number in sorted(counts.items())]


def _guard(report: NightReport, name: str, message: str) -> dict[str, Any]:
    return {
        "guard": name,
        "verdict": "accepted" if name in report.accepted_guards else "STOPPED",
        "why": message,
    }


def _reconciled(report: NightReport) -> dict[str, Any]:
    decided = {decision.value: report.decisions.get(decision.value, 0) for decision in Decision}
    return {"notices": report.notices, **decided, **report.outcomes}


def _closing(report: NightReport) -> Iterable[str]:
    if report.rejects_file:
        yield f"Rejected rows with their cures: {report.rejects_file}"
    if report.stopped_by:
        yield f"Sending stopped early: {report.stopped_by}; the rest stays queued for the next `send`"
    if report.unlisted_codes:
        yield f"Answers that no code table knows (messages kept as unknown): {', '.join(report.unlisted_codes)}"
    if report.refused_templates:
        yield (
            f"Templates refused or missing (their messages wait): {', '.join(report.refused_templates)}; "
            "see `providers check` and `templates lint --provider`"
        )
    yield from report.template_failures
    yield from report.promise_outcomes
    yield from (f"Supplied schedule differs: {line}" for line in report.schedule_differences)
    yield from report.advice


# A night's figures as a Prometheus text file, for node_exporter's textfile collector.


def write_metrics(report: NightReport, now: datetime, path: Path) -> None:
    """Replace the file at `path` in one step. Figures only: no label names a loan or a person."""
    registry = CollectorRegistry()
    _gauge(registry, "last_run_timestamp_seconds", "When the last night ended.").set(now.timestamp())
    _gauge(registry, "last_run_finished", "1 if it finished, 0 if a guard stopped it.").set(
        report.status == "finished"
    )
    notices = _gauge(registry, "notices", "Notices of the last night by decision.", "decision")
    for decision, number in report.decisions.items():
        notices.labels(decision).set(number)
    messages = _gauge(registry, "messages", "Messages of the last night by what became of them.", "outcome")
    for outcome, number in report.outcomes.items():
        messages.labels(outcome).set(number)
    rows = _gauge(registry, "rows", "Rows of the last night's tables.", "table", "kind")
    for table in report.tables:
        rows.labels(table.table, "used").set(table.used)
        rows.labels(table.table, "rejected").set(table.rejected)
    guards = _gauge(registry, "guard_tripped", "1 if the guard tripped.", "guard")
    for guard in report.guards:
        guards.labels(guard.guard).set(guard.tripped)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_to_textfile(str(path), registry)


def _gauge(registry: CollectorRegistry, name: str, text: str, *labels: str) -> Gauge:
    return Gauge(f"carloan_notify_{name}", text, labels, registry=registry)
