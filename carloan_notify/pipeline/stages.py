"""What goes first in a stage: a text that follows a call waits for it, and stays away where it was answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Final

from carloan_notify.codes import Look
from carloan_notify.ledger import contacts, notices, outbox, stopping, views
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.states import PENDING
from carloan_notify.ledger.views import First
from carloan_notify.notices.law_settings import CoolOffSettings
from carloan_notify.notices.settings import PolicySettings, RuleSettings
from carloan_notify.records import MessageState, OutboundMessage

UNDER_WAY: Final = frozenset({*PENDING, MessageState.SENDING})
UNHEARD: Final = frozenset({MessageState.ACCEPTED, MessageState.UNKNOWN})
LOOK_AGAIN: Final = timedelta(minutes=1)
"""What is put back is not due again before; the next `send` looks once more."""
REST: Final = timedelta(days=1)
"""Longer than the hours of any day: it ends, its notice is free, and a following night asks again."""


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
    ledger: Ledger,
    rules: Sequence[RuleSettings],
    policy: PolicySettings,
    messages: Sequence[OutboundMessage],
    now: datetime,
) -> tuple[set[str], set[str]]:
    """Ids that are cancelled because their call was answered, and ids that wait: for their turn, or after a talk."""
    of_kind = {(rule.notice, rule.channel): rule for rule in rules if rule.after is not None}
    ruled = {m.message_id: rule for m in messages if (rule := of_kind.get((m.notice, m.channel)))}
    turns = {name: turn(ruled[name], firsts, now) for name, firsts in _firsts(ledger, ruled).items()}
    answered = [name for name, each in turns.items() if each.answered]
    waits: dict[tuple[Look, datetime], list[str]] = {}
    for name, each in turns.items():
        if each.wait_until is not None:
            waits.setdefault((Look.FIRST_PENDING, each.wait_until), []).append(name)
    resting = _talked_since(ledger, policy, messages) - {*answered, *chain.from_iterable(waits.values())}
    if resting:
        waits[Look.TALKED, now + REST] = sorted(resting)
    if not answered and not waits:
        return set(), set()
    with ledger.write() as tx:
        ended = set(outbox.cancel(tx, answered, Look.ANSWERED, now)) if answered else set()
        waiting = {
            name
            for (reason, until), names in waits.items()
            for name in outbox.hold(tx, names, reason, now, until)
        }
    return ended, waiting


def _talked_since(ledger: Ledger, policy: PolicySettings, messages: Sequence[OutboundMessage]) -> set[str]:
    """Messages of which somebody spoke with us since they were queued, and after which a rest is asked for.

    What was said before was known when they were queued. Whoever is bound by which preset was settled then too; the few
    hours since are left free for everybody.
    """
    rests = [limit.entry for limit in policy.limits if isinstance(limit.entry, CoolOffSettings)]
    asked = [m.message_id for m in messages if any(rest.channel in {None, m.channel} for rest in rests)]
    if not asked:
        return set()
    with ledger.read() as tx:
        found = contacts.talked_since(tx, asked)
    return {
        name
        for name, channel, message_class in found
        if any(rest.covers(channel, message_class) for rest in rests)
    }


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
