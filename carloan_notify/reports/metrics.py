"""A night's figures as a Prometheus text file, for node_exporter's textfile collector."""

from datetime import datetime
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from carloan_notify.reports.night import NightReport


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
