"""A provider's answers written down, together with receipts that overtook them."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from carloan_notify.ledger import audit, receipts, stopping
from carloan_notify.ledger.prepared import Prepared, among, listed, pairs, unindexed
from carloan_notify.ledger.states import STEP_OF_OUTCOME, TRANSITIONS, UNLEASED, Step, hold, move_each
from carloan_notify.ledger.store import Transaction, to_text
from carloan_notify.ledger.tables import MESSAGES
from carloan_notify.records import AuditEvent, MessageState, Outcome, SendResult
from carloan_notify.text import RESULT_TEXTS, cleaned, mask_digits

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


@dataclass(frozen=True, slots=True)
class _AnswerPlan:
    """When messages that were not sent may be tried again, and which attempt each answer is about."""

    retry_at: Mapping[str, datetime]
    tries: Mapping[str, int]


def record(
    tx: Transaction,
    results: Sequence[SendResult],
    provider: str,
    now: datetime,
    retry_at: Mapping[str, datetime] | None = None,
    tries: Mapping[str, int] | None = None,
) -> None:
    """Write a provider's answers down.

    All outcomes that mean not sent: due again at `retry_at`, else now. `tries` tells which attempt, from 1,
    an answer is about: "not sent" of an earlier one than the last says nothing of that.

    An answer that the table of states does not allow, or that is about another attempt, changes nothing and
    is audited as `message.conflict`.
    """
    written = cleaned(results, RESULT_TEXTS)
    if _alike(written) and _record_alike(tx, written, provider, now):
        return
    _record_each(tx, written, provider, now, _AnswerPlan(retry_at or {}, tries or {}))


def _alike(results: Sequence[SendResult]) -> bool:
    """Whether all were accepted with one code and nothing more to say, as most of a night's are."""
    return len({result.code for result in results}) == 1 and all(map(_says_no_more, results))


def _record_alike(tx: Transaction, results: Sequence[SendResult], provider: str, now: datetime) -> bool:
    """Write answers that are `alike` down in one statement.

    False where one of their messages is not on the wire: nothing is written then.
    """
    code = results[0].code
    references = {result.message_id: result.provider_ref for result in results}
    hold(tx, references)
    values = {"its_provider": provider, "its_code": code, "at": to_text(now)}
    if not _ACCEPT.run_whole(tx.connection, len(references), answered=json.dumps(references), **values):
        return False
    told = {(MessageState.ACCEPTED.value, code): [list(pair) for pair in references.items()]}
    audit.append(tx, _events(told, [], provider), now)
    receipts.settle_overtaken(tx, provider, results, now)
    return True


def _record_each(
    tx: Transaction,
    results: Sequence[SendResult],
    provider: str,
    now: datetime,
    plan: _AnswerPlan,
) -> None:
    """Move every message by its answer; what the table of states forbids is audited and left as it is."""
    ids = listed(result.message_id for result in results)
    states: dict[str, str] = {row.message_id: row.state for row in _STATES.run(tx.connection, ids=ids).all()}
    plain: list[SendResult] = []
    others: list[SendResult] = []
    for result in results:
        on_wire = states.get(result.message_id) == MessageState.SENDING.value
        (plain if on_wire and _says_no_more(result) else others).append(result)
    told: defaultdict[tuple[str, str], list[list[str]]] = defaultdict(list)
    _accept(tx, plain, provider, now, told)
    conflicts = _move_others(tx, others, (provider, now, plan), told)
    audit.append(tx, _events(told, conflicts, provider), now)
    receipts.settle_overtaken(tx, provider, [r for r in results if r.message_id in states], now)


def _says_no_more(result: SendResult) -> bool:
    """Accepted, and nothing more to say: nearly every answer of a night."""
    return result.outcome is Outcome.ACCEPTED and not result.detail


def _accept(
    tx: Transaction,
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
            tx.connection, answered=json.dumps(of), its_provider=provider, its_code=code, at=to_text(now)
        )
        told[MessageState.ACCEPTED.value, code] += [[name, reference] for name, reference in of.items()]


def _move_others(
    tx: Transaction,
    results: Sequence[SendResult],
    given: tuple[str, datetime, _AnswerPlan],
    told: defaultdict[tuple[str, str], list[list[str]]],
) -> list[list[str]]:
    """A change of its own for each; returns the answers that the table of states forbids."""
    provider, now, plan = given
    refusing = [result.message_id for result in results if result.outcome is Outcome.BLOCKED]
    held = stopping.lock_with_waiting(tx, [result.message_id for result in results], refusing)
    rows: list[dict[str, Any]] = []
    conflicts: list[list[str]] = []
    for result in results:
        state = MessageState(held[result.message_id]["state"]) if result.message_id in held else None
        following = TRANSITIONS[STEP_OF_OUTCOME[result.outcome]].get(state) if state else None
        if following is None or _of_another_attempt(result, held[result.message_id], plan):
            conflicts.append([result.message_id, state.value if state else "absent", result.outcome.value])
            continue
        due = plan.retry_at.get(result.message_id, now)
        rows.append(_change(result, held[result.message_id], following, (provider, now, due)))
        told[following.value, result.code].append([result.message_id, result.provider_ref])
    move_each(tx, rows)
    blocked = {held[r.message_id]["phone_hash"]: r.code for r in results if _is_blocked(r, held)}
    stopping.stop_numbers(tx, blocked, f"provider:{provider}", now)
    return conflicts


def _of_another_attempt(result: SendResult, was: sa.RowMapping, plan: _AnswerPlan) -> bool:
    """A late "not sent" must not put back what has gone out again since."""
    said_no = STEP_OF_OUTCOME[result.outcome] in (Step.RETRY, Step.REJECT)
    return said_no and plan.tries.get(result.message_id, was["attempts"]) != was["attempts"]


def _is_blocked(result: SendResult, held: Mapping[str, sa.RowMapping]) -> bool:
    return result.outcome is Outcome.BLOCKED and result.message_id in held


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
        **UNLEASED,
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
