"""What goes first in a stage: a text that follows a call waits for it, and stays away where it was answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from carloan_notify.codes import Look
from carloan_notify.ledger import notices, outbox, stopping, views
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.states import PENDING
from carloan_notify.ledger.views import First
from carloan_notify.notices.settings import RuleSettings
from carloan_notify.records import MessageState, OutboundMessage

UNDER_WAY: Final = frozenset({*PENDING, MessageState.SENDING})
UNHEARD: Final = frozenset({MessageState.ACCEPTED, MessageState.UNKNOWN})
LOOK_AGAIN: Final = timedelta(minutes=1)
"""What is put back is not due again before; the next `send` looks once more."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What becomes of a message that has others before it: `wait_until` its turn, `answered`, or neither: it goes."""

    wait_until: datetime | None = None
    answered: bool = False


def turn(rule: RuleSettings, firsts: Sequence[First], now: datetime) -> Turn:
    """Wait while one of them is on its way, and `wait_minutes` for its receipt; without a receipt then, go.

    Answered is what the provider reports as delivered; where several calls belong to one message, all of them.
    """
    if any(first.state in UNDER_WAY for first in firsts):
        opens = min(first.not_before for first in firsts if first.state in UNDER_WAY)
        return Turn(wait_until=max(opens, now + LOOK_AGAIN))
    patience = timedelta(minutes=rule.wait_minutes)
    until = [first.sent_at + patience for first in firsts if first.state in UNHEARD and first.sent_at]
    if until and max(until) > now:
        return Turn(wait_until=max(until))
    heard = [first.state is MessageState.DELIVERED for first in firsts]
    return Turn(answered=bool(heard) and all(heard) and rule.unless == "answered")


def take_turns(
    ledger: Ledger, rules: Sequence[RuleSettings], messages: Sequence[OutboundMessage], now: datetime
) -> tuple[set[str], set[str]]:
    """Ids that are cancelled because their call was answered, and ids that wait for their turn."""
    of_kind = {(rule.notice, rule.channel): rule for rule in rules if rule.after is not None}
    ruled = {m.message_id: rule for m in messages if (rule := of_kind.get((m.notice, m.channel)))}
    if not ruled:
        return set(), set()
    turns = {name: turn(ruled[name], firsts, now) for name, firsts in _firsts(ledger, ruled).items()}
    answered = [name for name, each in turns.items() if each.answered]
    waits: dict[datetime, list[str]] = {}
    for name, each in turns.items():
        if each.wait_until is not None:
            waits.setdefault(each.wait_until, []).append(name)
    if not answered and not waits:
        return set(), set()
    with ledger.write() as tx:
        ended = set(outbox.cancel(tx, answered, Look.ANSWERED, now)) if answered else set()
        waiting = {
            name
            for until, names in waits.items()
            for name in outbox.hold(tx, names, Look.FIRST_PENDING, now, until)
        }
    return ended, waiting


def _firsts(ledger: Ledger, ruled: Mapping[str, RuleSettings]) -> dict[str, list[First]]:
    found: dict[str, list[First]] = {}
    with ledger.read() as tx:
        for channel in {rule.after for rule in ruled.values() if rule.after}:
            ids = [name for name, rule in ruled.items() if rule.after is channel]
            found |= views.firsts(tx, ids, channel)
    return found


def end_superseded(ledger: Ledger, rules: Sequence[RuleSettings], but_run: str, now: datetime) -> None:
    """End what runs other than `but_run` queued and a later stage of the same installment replaces."""
    replaces: dict[str, set[str]] = {}
    for rule in rules:
        replaces.setdefault(rule.notice, set()).update(rule.supersedes)
    with ledger.read() as tx:
        ids = stopping.superseded(tx, replaces, but_run=but_run)
    if ids:
        with ledger.write() as tx:
            notices.release(tx, outbox.cancel(tx, ids, Look.SUPERSEDED, now))
