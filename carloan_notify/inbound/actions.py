"""What is done at once about a reply, by kind. Pure: the ledger does it, a person does the rest.

Nothing here answers a borrower, and nothing else in this package does: a reply is met with silence and a person.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from carloan_notify.inbound.kinds import ReplyKind
from carloan_notify.inbound.lexicon import Reading
from carloan_notify.records import MessageClass

EVERY_CLASS: Final = ""
"""Stands for all message classes at once, as in the suppression list."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Messages to hold back: one class, or `EVERY_CLASS`.

    The sender's number always; with `customer` also every other number of the loans' customer, where one of
    our messages tells who that is. `reason` is what the contact policy reads: "dispute" and "wrong_number"
    hold a notice, anything else ends it as an opt-out.
    """

    message_class: str
    reason: str
    customer: bool = False


_STOPS: Final[Mapping[ReplyKind, tuple[Stop, ...]]] = MappingProxyType(
    {
        # Who has the number is a stranger: nothing about a loan may reach it.
        ReplyKind.WRONG_PERSON: (Stop(EVERY_CLASS, "wrong_number"),),
        # Demands wait until the dispute is settled; a bill or a receipt still goes.
        ReplyKind.DISPUTE: (Stop(MessageClass.COLLECTION.value, "dispute", customer=True),),
        # Of the others none stops a message. That includes "paid already": the payments table decides who paid,
        # and a borrower who says so without paying is still told; the work list has somebody compare.
    }
)


@dataclass(frozen=True, slots=True)
class Action:
    """What a reply brings about at once, and whether it goes to the work list."""

    stops: tuple[Stop, ...]
    work_list: bool

    @property
    def summary(self) -> str:
        """In one line, for people and the audit: `stop every class, work list`."""
        parts = [f"stop {stop.message_class or 'every class'}" for stop in self.stops]
        parts += ["work list"] if self.work_list else []
        return ", ".join(parts)


def action_for(reading: Reading, opt_out_stops: Sequence[MessageClass]) -> Action:
    """The action for all kinds that a reply shows, not only for the first; `opt_out_stops` from the settings."""
    stops = [
        stop
        for kind in reading.kinds
        for stop in (_opt_out(opt_out_stops) if kind is ReplyKind.OPT_OUT else _STOPS.get(kind, ()))
    ]
    return Action(tuple(dict.fromkeys(stops)), reading.asks)


def _opt_out(classes: Sequence[MessageClass]) -> tuple[Stop, ...]:
    if set(classes) == set(MessageClass):
        return (Stop(EVERY_CLASS, "opt_out"),)
    return tuple(Stop(each.value, "opt_out") for each in sorted(set(classes)))
