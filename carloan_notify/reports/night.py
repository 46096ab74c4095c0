"""What a night did, as one frozen value that every view (terminal, JSON, metrics) is made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from carloan_notify.records import Decision, GuardResult, MessageState

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
    `refused_templates` templates that a provider refuses or that nobody mapped (`provider:code`), `advice` says
    what a person must do, `template_failures` which templates failed, where, and how to mend them,
    `schedule_differences` where the lender's own installments differ from the recomputed ones (the first so
    many; `findings` counts them all).
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
    advice: tuple[str, ...] = ()
    template_failures: tuple[str, ...] = ()
    schedule_differences: tuple[str, ...] = ()

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
        return trouble or bool(self.stopped_by or self.template_failures)


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
        "stopped_by": report.stopped_by,
    }
