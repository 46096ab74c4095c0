"""The whole contract between the dispatcher and a provider; `contract.check_provider` drives any of them.

A provider answers every expected fault with a value. What it cannot know it calls UNKNOWN, never a guess:
RETRYABLE, THROTTLED, APART, NOT_TONIGHT, TEMPLATE and ACCOUNT promise that the message did not leave.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

from carloan_notify.records import (
    Channel,
    OutboundMessage,
    Outcome,
    PushAnswer,
    PushRequest,
    Receipt,
    Reply,
    SendResult,
)

UNLISTED_CODE: Final = "code not in the provider's table"
"""The `detail` of an UNKNOWN result whose code nobody has classified yet; the drain counts those by name."""

NO_ANSWER: Final = "no_answer_for_message"
"""The `code` of a message that the provider's answer to its batch does not mention."""


class ReceiptMode(StrEnum):
    """How receipts come back."""

    NONE = "none"
    PULL = "pull"
    PUSH = "push"


class Standing(StrEnum):
    """What a provider says of a message when asked later. ABSENT means it never arrived: not sent."""

    ABSENT = "absent"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    REJECTED = "rejected"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can do. `look_up_window` is how long after sending it can be asked; None: it cannot."""

    client_reference: bool
    look_up_window: timedelta | None
    receipts: ReceiptMode


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A message whose fate is asked for. `provider_ref` is empty when no answer was ever read."""

    message_id: str
    channel: Channel
    provider_ref: str
    sent_at: datetime
    phone: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class LookUp:
    """The provider's answer to one inquiry. `code` is the provider's own; no personal data.

    `blocked` means that the number refuses messages for good.
    """

    message_id: str
    standing: Standing
    provider_ref: str = ""
    code: str = ""
    detail: str = ""
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class ReturnPage:
    """One page of what came back: receipts and replies.

    `cursor` asks for the next page, and asking confirms this one. `problems` tell of records that cannot be
    read; `unread` then holds them as they came, so that nothing is lost.
    """

    receipts: tuple[Receipt, ...] = ()
    replies: tuple[Reply, ...] = ()
    problems: tuple[str, ...] = ()
    cursor: str = ""
    more: bool = False
    unread: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Received:
    """A pushed request that may be believed: what it says, and the answer once that is on disk."""

    page: ReturnPage
    answer: PushAnswer


@dataclass(frozen=True, slots=True)
class Refused:
    """A pushed request that may not be believed or is none. `code` is for the log; no personal data."""

    status: int
    code: str


class Verdict(StrEnum):
    """How a look at one part of a provider's set-up ended."""

    OK = "ok"
    WRONG = "wrong"
    UNTOLD = "untold"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing that was looked at without sending: credentials, clock, a sign, a template code."""

    what: str
    verdict: Verdict
    detail: str = ""


class Provider(Protocol):
    """A way to hand messages to a network. Called from several threads at once."""

    @property
    def name(self) -> str:
        """The name the configuration gives it."""

    @property
    def channels(self) -> frozenset[Channel]:
        """The channels it serves."""

    @property
    def batch_limit(self) -> int:
        """Most messages in one `send`, at least 1."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do beyond sending."""

    def send(self, batch: Sequence[OutboundMessage]) -> list[SendResult]:
        """One result per message, in any order, within a deadline; expected faults are values."""

    def look_up(self, inquiries: Sequence[Inquiry]) -> list[LookUp]:
        """One answer per inquiry; UNCLEAR where the provider cannot tell or cannot be asked."""

    def batch_key(self, message: OutboundMessage) -> str:
        """Messages with different keys never share a request: a template code, say. Mostly ""."""

    def receive(self, request: PushRequest) -> Received | Refused:
        """Check and read a pushed request; the secret in its address has been checked already."""

    def pull(self, since: datetime, cursor: str) -> ReturnPage:
        """Fetch the next page. Persist it before asking for more: some queues hand a record out once."""

    def check(self) -> list[CheckResult]:
        """Look at credentials, clock, signs and codes without sending, as far as the provider allows."""


def same_for_all(
    batch: Sequence[OutboundMessage],
    outcome: Outcome,
    code: str,
    detail: str = "",
    retry_after_s: float = 0.0,
) -> list[SendResult]:
    """One and the same answer for every message of a batch."""
    return [SendResult(m.message_id, outcome, "", code, detail, retry_after_s) for m in batch]


def one_per_message(batch: Sequence[OutboundMessage], results: Sequence[SendResult]) -> list[SendResult]:
    """Exactly one result per message, in batch order.

    A message without an answer is UNKNOWN, and so is one with two answers that disagree; answers for
    strangers are dropped, because they cannot be told from a mix-up on the provider's side.
    """
    answers: dict[str, SendResult] = {}
    for result in results:
        earlier = answers.get(result.message_id)
        if earlier is not None and earlier.outcome is not result.outcome:
            result = SendResult(result.message_id, Outcome.UNKNOWN, code="contradicting_answers")  # noqa: PLW2901 - the contradiction replaces the answer
        answers[result.message_id] = result
    return [
        answers.get(m.message_id) or SendResult(m.message_id, Outcome.UNKNOWN, code=NO_ANSWER) for m in batch
    ]
