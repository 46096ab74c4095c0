"""A provider's answers written down, together with receipts that overtook them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from carloan_notify.ledger import audit, moves, settling
from carloan_notify.ledger.instants import to_text
from carloan_notify.ledger.masking import mask_digits
from carloan_notify.ledger.states import STEP_OF_OUTCOME, TRANSITIONS
from carloan_notify.records import AuditEvent, MessageState, SendResult


def record(
    connection: sa.Connection,
    results: Sequence[SendResult],
    provider: str,
    now: datetime,
    retry_at: Mapping[str, datetime],
) -> None:
    """Move every message by its answer; what the table of states forbids is audited and left as it is."""
    held = moves.lock(connection, [result.message_id for result in results])
    rows: list[dict[str, Any]] = []
    conflicts: list[list[str]] = []
    told: defaultdict[tuple[str, str], list[list[str]]] = defaultdict(list)
    for result in results:
        state = MessageState(held[result.message_id]["state"]) if result.message_id in held else None
        following = TRANSITIONS[STEP_OF_OUTCOME[result.outcome]].get(state) if state else None
        if following is None:
            conflicts.append([result.message_id, state.value if state else "absent", result.outcome.value])
            continue
        due = retry_at.get(result.message_id, now)
        rows.append(_change(result, held[result.message_id], following, (provider, now, due)))
        told[following.value, result.code].append([result.message_id, result.provider_ref])
    moves.move_each(connection, rows)
    audit.append(connection, _events(told, conflicts, provider), now)
    settling.settle_overtaken(connection, provider, [r for r in results if r.message_id in held], now)


def _change(
    result: SendResult, was: sa.RowMapping, to: MessageState, given: tuple[str, datetime, datetime]
) -> dict[str, Any]:
    provider, now, due = given
    settled = (
        to.value == was["state"]
    )  # a receipt was quicker: its code stands, the answer adds the reference
    return {
        "id": result.message_id,
        "was": was["state"],
        "state": to.value,
        "provider": provider,
        "provider_ref": result.provider_ref or was["provider_ref"],
        "code": was["code"] if settled else result.code,
        "detail": was["detail"] if settled else mask_digits(result.detail),
        "answered_at": to_text(now),
        "due_at": to_text(due) if to is MessageState.RETRYABLE else None,
        **moves.UNLEASED,
    }


def _events(
    told: Mapping[tuple[str, str], list[list[str]]], conflicts: list[list[str]], provider: str
) -> list[AuditEvent]:
    events = [
        AuditEvent(f"message.{state}", provider, {"code": code, "messages": messages})
        for (state, code), messages in sorted(told.items())
    ]
    if conflicts:
        events.append(AuditEvent("message.conflict", provider, {"messages": conflicts}))
    return events
