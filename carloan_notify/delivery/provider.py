"""The whole contract between the dispatcher and a provider; `contract.check_provider` drives any of them.

A provider answers every expected fault with a value. What it cannot know it calls UNKNOWN, never a guess:
RETRYABLE, THROTTLED, APART, NOT_TONIGHT, TEMPLATE and ACCOUNT promise that the message did not leave.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar, Final, Literal, Protocol, Self
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, model_validator

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
from carloan_notify.settings import Settings

UNLISTED_CODE: Final = "code not in the provider's table"
"""The `detail` of an UNKNOWN result whose code nobody has classified yet; the drain counts those by name."""

NO_ANSWER: Final = "no_answer_for_message"
"""The `code` of a message that the provider's answer to its batch does not mention."""

REQUEST_FULL: Final = "request_full"
"""The `code` of an APART message that only did not fit: it may share its next request, under a key that says which."""


class ReceiptMode(StrEnum):
    """How receipts come back."""

    NONE = "none"
    PULL = "pull"
    PUSH = "push"


class MessageFate(StrEnum):
    """What a provider says of a message when asked later. ABSENT means it never arrived: not sent."""

    ABSENT = "absent"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    REJECTED = "rejected"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can do. `look_up_window` is how long after sending it can be asked; None: it cannot.

    `bounds_delivery`: it is told with each message until when that may arrive, and drops it then.
    """

    look_up_window: timedelta | None
    receipts: ReceiptMode
    bounds_delivery: bool = False


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

    `blocked` means that the number refuses messages for good, `dead` that there is no such number.
    """

    message_id: str
    standing: MessageFate
    provider_ref: str = ""
    code: str = ""
    detail: str = ""
    blocked: bool = False
    dead: bool = False


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


class CheckVerdict(StrEnum):
    """How a look at one part of a provider's set-up ended."""

    OK = "ok"
    WRONG = "wrong"
    UNTOLD = "untold"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing that was looked at without sending: credentials, clock, a sign, a template code."""

    what: str
    verdict: CheckVerdict
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
        """Messages of different keys (a template code; mostly "") never share a request; one told to go APART, none."""

    def receive(self, request: PushRequest) -> Received | Refused:
        """Check and read a pushed request; the secret in its address has been checked already."""

    def pull(self, since: datetime, cursor: str) -> ReturnPage:
        """Fetch the next page. Persist it before asking for more: some queues hand a record out once."""

    def check(self) -> list[CheckResult]:
        """Look at credentials, clock, signs and codes without sending, as far as the provider allows."""


class Adapter:
    """The answers to the contract that are the same for most providers: one message a request, nothing comes back."""

    batch_limit: int = 1

    def __init__(self, name: str, settings: "ProviderSettings") -> None:
        self._name = name
        self._serves = settings.serves

    @property
    def name(self) -> str:
        """The name the configuration gives it."""
        return self._name

    @property
    def channels(self) -> frozenset[Channel]:
        """The channels it serves."""
        return self._serves

    def batch_key(self, message: OutboundMessage) -> str:  # noqa: ARG002 - the contract's
        """Any messages may share a request."""
        return ""

    def look_up(self, inquiries: Sequence[Inquiry]) -> list[LookUp]:
        """One answer per inquiry."""
        return [self.look_up_one(inquiry) for inquiry in inquiries]

    def look_up_one(self, inquiry: Inquiry) -> LookUp:
        """Cannot be asked."""
        return unclear(inquiry, "no_look_up")

    def receive(self, request: PushRequest) -> Received | Refused:  # noqa: ARG002 - the contract's
        """Pushes nothing."""
        return Refused(404, "no_push")

    def pull(self, since: datetime, cursor: str) -> ReturnPage:  # noqa: ARG002 - the contract's
        """Hands nothing out."""
        return ReturnPage(problems=(f"{self._name}: cannot be asked for receipts",))

    def check(self) -> list[CheckResult]:
        """Nothing can be looked at without sending."""
        what = "this provider offers no look without sending"
        return [CheckResult("credentials", CheckVerdict.UNTOLD, what)]


def unclear(inquiry: Inquiry, code: str, reference: str = "", detail: str = "") -> LookUp:
    """The provider cannot tell; `code` says why."""
    return LookUp(inquiry.message_id, MessageFate.UNCLEAR, reference, code, detail)


def seconds_left(message: OutboundMessage, now: datetime) -> int | None:
    """Whole seconds, at least 1, in which the message may still arrive; None: it has no end."""
    if message.expires_at is None:
        return None
    return max(1, int((message.expires_at - now).total_seconds()))


def minutes_left(message: OutboundMessage, now: datetime) -> int | None:
    """Whole minutes, at least 1; cut down, so that a message with more than a minute left never arrives late."""
    left_s = seconds_left(message, now)
    return None if left_s is None else max(1, left_s // 60)


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


# Options that providers have in common; each kind's own stand beside its adapter.

LONGEST_CONNECT_S: Final = 5.0
"""Nothing has left before there is a connection: a longer wait holds a thread and saves no message."""
ANSWER_S: Final = 20.0
"""Seconds that a vendor's answer is waited for; later, it is unknown."""
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class ProviderSettings(Settings):
    """What every provider has in common. `adapter` is what it builds, as `module:class`, imported when it is used."""

    adapter: ClassVar[str]
    channel: ClassVar[Channel] = Channel.SMS
    type: str = Field(default="", description="What kind of provider it is.", examples=["http"])
    rate_per_second: float | None = Field(
        default=None,
        gt=0,
        description="Most messages a second of one `send`, from the provider's contract; several senders at once "
        "share it, so divide. Empty for no limit.",
        examples=[200],
    )
    concurrency: int = Field(
        default=32,
        ge=1,
        le=256,
        description="Requests on the wire at once: about requests per second times the answer time.",
        examples=[8, 32],
    )
    unit_price_minor: Decimal = Field(
        default=Decimal(0),
        ge=0,
        description="Price of one SMS segment or one call in minor units (fen, cent), for the cost guard.",
        examples=[4.5],
    )

    @property
    def serves(self) -> frozenset[Channel]:
        """The channels it serves; a vendor's interface serves one."""
        return frozenset({self.channel})

    @property
    def asks_values(self) -> bool:
        """Whether it needs `OutboundMessage.params`, as one that fills approved templates does; else none are kept."""
        return False


class AnyChannelSettings(ProviderSettings):
    """A provider that serves what the configuration says."""

    channels: list[Channel] = Field(
        default=[Channel.SMS],
        min_length=1,
        description="Channels this provider serves.",
        examples=[["sms"], ["sms", "voice"]],
    )

    @property
    def serves(self) -> frozenset[Channel]:
        """As configured."""
        return frozenset(self.channels)


class WiredSettings(ProviderSettings):
    """A provider that is reached over HTTP, and may push what comes back."""

    ca_file: str = Field(
        default="",
        description="PEM file of a private certificate authority; empty for the public ones.",
        examples=["secrets/gateway-ca.pem"],
    )
    push_secret: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="Last part of the address that the provider pushes receipts and replies to: "
        "https://your-host/NAME/SECRET. Empty: nothing is taken from a push.",
        examples=["${MAIN_PUSH_SECRET}"],
    )
    push_address: ClassVar[Literal["none", "any", "https"]] = "none"
    """Whether messages carry the address that their receipts are pushed to; https where it comes over the internet."""

    @property
    def answer_s(self) -> float:
        """Seconds to wait for an answer."""
        return ANSWER_S

    def push_problem(self, public_url: str) -> str:
        """Why receipts must not be pushed to `public_url`, "" when they may."""
        address = urlsplit(public_url)
        told = self.push_address == "https" and self.push_secret is not None
        if told and address.scheme == "http" and address.hostname not in LOOPBACK:
            return "phone numbers and push_secret would come back in the clear; use https://"
        return ""

    def push_url(self, public_url: str, name: str) -> str:
        """The address that the provider of this name is told with each message, "" when it is told none."""
        if self.push_address == "none" or not public_url or self.push_secret is None:
            return ""
        secret = quote(self.push_secret.get_secret_value(), safe="")
        return f"{public_url.rstrip('/')}/{quote(name, safe='')}/{secret}"


class VendorSettings(WiredSettings):
    """A vendor's own interface. `base_url` is the vendor's unless set."""

    base_url: str = Field(
        default="",
        pattern=r"^(https?://\S+)?$",
        description="Address of the interface, for a proxy or another region; empty for the vendor's usual one.",
        examples=["https://dysmsapi.ap-southeast-1.aliyuncs.com"],
    )

    @model_validator(mode="after")
    def _no_phones_in_the_clear(self) -> Self:
        address = urlsplit(self.base_url)
        # What runs on a lender's own network has an option for it.
        allowed: bool | None = getattr(self, "allow_plain_http", None)
        if address.scheme == "http" and address.hostname not in LOOPBACK and not allowed:
            or_else = "" if allowed is None else " or set allow_plain_http"
            raise ValueError(f"base_url: phone numbers would travel in the clear; use https://{or_else}")
        if "@" in address.netloc:
            raise ValueError("base_url: credentials do not belong in an address")
        return self


class ApprovedTemplateSettings(Settings):
    """One template that a provider has approved, and which of our messages it words."""

    notices: list[str] = Field(
        min_length=1, description="Notices it words.", examples=[["overdue_1", "overdue_3"]]
    )
    language: str = Field(
        default="", description="Language it words; empty for every language.", examples=["zh-CN", "en"]
    )
    party: Literal["any", "borrower", "other"] = Field(
        default="any",
        description="Whom it addresses: the borrower, or a co-borrower or guarantor, who must learn less.",
        examples=["borrower"],
    )
    loans: Literal["any", "one", "several"] = Field(
        default="any",
        description="Whether it tells one loan, or several that were merged into one message.",
        examples=["one"],
    )
    code: str = Field(
        min_length=1, description="The provider's code of the template.", examples=["SMS_000000001"]
    )
    sign: str = Field(
        default="",
        description="Sign it is sent under, where the provider asks for one.",
        examples=["安达车贷"],
    )
    params: dict[str, str] = Field(
        default={},
        description="The template's variables, in its order. {name} stands for a value of the message: those "
        "of `templates list --variables`; {amount_text} and {due_on_text} are written as in our own text.",
        examples=[{"name": "{borrower_name}", "amount": "{amount_text}"}],
    )
    text: str = Field(
        default="",
        description="The approved text as the provider shows it, for `templates lint --provider`.",
        examples=["您的车贷${amount}今日到期，请按时还款。"],
    )


class TemplateVendorSettings(VendorSettings):
    """A vendor that sends approved templates, and no text of ours."""

    templates: list[ApprovedTemplateSettings] = Field(
        default=[], description="Approved templates; the first that words a message is used."
    )

    @property
    def asks_values(self) -> bool:
        """Approved templates are filled with values."""
        return True
