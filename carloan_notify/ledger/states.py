"""The life of an outbox row as one table: what happens to it, from which states, to which state.

Nothing leaves SENDING or UNKNOWN towards a state that may be sent again, except by a definite word that the
message did not leave: the provider's answer, or an operator's.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from carloan_notify.errors import LedgerError
from carloan_notify.records import MessageState as State
from carloan_notify.records import Outcome


class Step(StrEnum):
    """What can happen to a message."""

    CLAIM = "claim"
    RELEASE = "release"
    BEGIN = "begin"
    ACCEPT = "accept"
    REJECT = "reject"
    RETRY = "retry"
    DOUBT = "doubt"
    LAPSE = "lapse"
    RESTORE = "restore"
    EXPIRE = "expire"
    CANCEL = "cancel"
    DELIVER = "deliver"
    FAIL = "fail"
    MARK_SENT = "mark_sent"
    MARK_NOT_SENT = "mark_not_sent"


WAITING: Final = (State.QUEUED, State.RETRYABLE)
PENDING: Final = (*WAITING, State.CLAIMED)
UNTOLD: Final = (State.REJECTED, State.EXPIRED, State.CANCELLED)
LEASED: Final = (State.CLAIMED, State.SENDING)

TRANSITIONS: Final[Mapping[Step, Mapping[State, State]]] = MappingProxyType(
    {
        Step.CLAIM: dict.fromkeys(WAITING, State.CLAIMED),
        Step.RELEASE: {State.CLAIMED: State.QUEUED},
        Step.BEGIN: {State.CLAIMED: State.SENDING},
        # Answers. UNKNOWN is there because a slow answer may come after the lease lapsed; a receipt that
        # overtook the answer has already settled the message, and the answer adds only its reference.
        Step.ACCEPT: {
            State.SENDING: State.ACCEPTED,
            State.UNKNOWN: State.ACCEPTED,
            State.ACCEPTED: State.ACCEPTED,
            State.DELIVERED: State.DELIVERED,
            State.UNDELIVERED: State.UNDELIVERED,
        },
        Step.REJECT: {
            State.SENDING: State.REJECTED,
            State.UNKNOWN: State.REJECTED,
            State.REJECTED: State.REJECTED,
            State.DELIVERED: State.DELIVERED,
            State.UNDELIVERED: State.UNDELIVERED,
        },
        Step.RETRY: {
            State.SENDING: State.RETRYABLE,
            State.UNKNOWN: State.RETRYABLE,
            State.DELIVERED: State.DELIVERED,
            State.UNDELIVERED: State.UNDELIVERED,
        },
        Step.DOUBT: {
            State.SENDING: State.UNKNOWN,
            State.UNKNOWN: State.UNKNOWN,
            State.ACCEPTED: State.ACCEPTED,
            State.DELIVERED: State.DELIVERED,
            State.UNDELIVERED: State.UNDELIVERED,
        },
        Step.LAPSE: {State.CLAIMED: State.QUEUED, State.SENDING: State.UNKNOWN},
        # A backup does not know what left after it was taken.
        Step.RESTORE: dict.fromkeys((*PENDING, State.SENDING), State.UNKNOWN),
        Step.EXPIRE: dict.fromkeys(WAITING, State.EXPIRED),
        Step.CANCEL: dict.fromkeys(PENDING, State.CANCELLED),
        # Receipts come in any order and more than once: "delivered" wins over everything, and a message that
        # a network knows is never sent again, whatever was believed before.
        Step.DELIVER: dict.fromkeys(State, State.DELIVERED),
        Step.FAIL: {
            **dict.fromkeys(State, State.UNDELIVERED),
            **{state: state for state in (State.DELIVERED, State.REJECTED, State.EXPIRED, State.CANCELLED)},
        },
        Step.MARK_SENT: {State.UNKNOWN: State.ACCEPTED},
        Step.MARK_NOT_SENT: {State.UNKNOWN: State.RETRYABLE},
    }
)

STEP_OF_OUTCOME: Final[Mapping[Outcome, Step]] = MappingProxyType(
    {
        Outcome.ACCEPTED: Step.ACCEPT,
        Outcome.REJECTED: Step.REJECT,
        Outcome.BLOCKED: Step.REJECT,
        Outcome.RETRYABLE: Step.RETRY,
        Outcome.THROTTLED: Step.RETRY,
        Outcome.APART: Step.RETRY,
        Outcome.NOT_TONIGHT: Step.RETRY,
        Outcome.TEMPLATE: Step.RETRY,
        Outcome.ACCOUNT: Step.RETRY,
        Outcome.UNKNOWN: Step.DOUBT,
    }
)


def sources(step: Step) -> tuple[str, ...]:
    """The states in which a step is allowed, as SQL wants them."""
    return tuple(TRANSITIONS[step])


def after(step: Step, state: State, message_id: str) -> State:
    """The state after `step`; a step that is not in the table raises `LedgerError`."""
    following = TRANSITIONS[step].get(state)
    if following is None:
        allowed = ", ".join(sources(step))
        raise LedgerError(f"message {message_id}: cannot {step} while {state}; allowed in: {allowed}")
    return following
