"""A provider's answers written down, together with receipts that overtook them."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from carloan_notify.ledger import audit, moves, settling
from carloan_notify.ledger.instants import to_text
from carloan_notify.ledger.masking import mask_digits
from carloan_notify.ledger.prepared import Prepared, among, listed, pairs, unindexed
from carloan_notify.ledger.states import STEP_OF_OUTCOME, TRANSITIONS
from carloan_notify.ledger.tables import MESSAGES
from carloan_notify.records import AuditEvent, MessageState, Outcome, SendResult

_STATES: Final = Prepared(
    sa.select(MESSAGES.c.message_id, MESSAGES.c.state)
    .where(among(MESSAGES.c.message_id, "ids"))
    .order_by(MESSAGES.c.message_id)
    .with_for_update()
)
_ANSWERED: Final = pairs("answered")
_ACCEPT: Final = Prepared(
    sa.update(MESSAGES)
    .where(
        MESSAGES.c.message_id == _ANSWERED.c.key,
        unindexed(MESSAGES.c.state) == MessageState.SENDING.value,
    )
    .values(
        state=MessageState.ACCEPTED.value,
        provider=sa.bindparam("its_provider"),
        provider_ref=sa.func.coalesce(sa.func.nullif(_ANSWERED.c.value, ""), MESSAGES.c.provider_ref),
        code=sa.bindparam("its_code"),
        detail="",
        answered_at=sa.bindparam("at"),
        owner="",
        lease_until=sa.null(),
    )
)


def record(
    connection: sa.Connection,
    results: Sequence[SendResult],
    provider: str,
    now: datetime,
    retry_at: Mapping[str, datetime],
) -> None:
    """Move every message by its answer; what the table of states forbids is audited and left as it is."""
    ids = listed(result.message_id for result in results)
    states = {row.message_id: MessageState(row.state) for row in _STATES.run(connection, ids=ids)}
    plain: list[SendResult] = []
    others: list[SendResult] = []
    for result in results:
        (plain if _is_plain(result, states) else others).append(result)
    told: defaultdict[tuple[str, str], list[list[str]]] = defaultdict(list)
    _accept(connection, plain, provider, now, told)
    conflicts = _move_others(connection, others, (provider, now, retry_at), told)
    audit.append(connection, _events(told, conflicts, provider), now)
    settling.settle_overtaken(connection, provider, [r for r in results if r.message_id in states], now)


def _is_plain(result: SendResult, states: Mapping[str, MessageState]) -> bool:
    """Accepted while on the wire, and nothing more to say: nearly every answer of a night."""
    on_wire = states.get(result.message_id) is MessageState.SENDING
    return on_wire and result.outcome is Outcome.ACCEPTED and not result.detail


def _accept(
    connection: sa.Connection,
    plain: Sequence[SendResult],
    provider: str,
    now: datetime,
    told: defaultdict[tuple[str, str], list[list[str]]],
) -> None:
    """One statement for all that share a code; only their references differ."""
    references: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for result in plain:
        references[result.code][result.message_id] = result.provider_ref
    for code, of in references.items():
        _ACCEPT.run(
            connection, answered=json.dumps(of), its_provider=provider, its_code=code, at=to_text(now)
        )
        told[MessageState.ACCEPTED.value, code] += [[name, reference] for name, reference in of.items()]


def _move_others(
    connection: sa.Connection,
    results: Sequence[SendResult],
    given: tuple[str, datetime, Mapping[str, datetime]],
    told: defaultdict[tuple[str, str], list[list[str]]],
) -> list[list[str]]:
    """A change of its own for each; returns the answers that the table of states forbids."""
    provider, now, retry_at = given
    held = moves.lock(connection, [result.message_id for result in results])
    rows: list[dict[str, Any]] = []
    conflicts: list[list[str]] = []
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
    return conflicts


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
