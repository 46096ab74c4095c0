"""A night as a person reads it: tables on a terminal."""

from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any

from carloan_notify.records import Decision
from carloan_notify.reports.night import NightReport, reconciling_object
from carloan_notify.reports.tables import print_json, print_rows, terminal


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
    _section(_pairs(report.standing, "loans"), stream, "Where the loans stand")
    _section(_counted(report.by_notice, ("notice", "channel")), stream, "What goes out")
    _section(_counted(report.reasons, ("decision", "reason")), stream, "What does not, and why")
    _section(_pairs(report.findings, "finding"), stream, "What was found")
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
    yield from (f"Supplied schedule differs: {line}" for line in report.schedule_differences)
    yield from report.advice
