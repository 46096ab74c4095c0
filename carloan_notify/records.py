"""Frozen values that cross floors. No I/O, no clock. Fields that hold personal data never show in a repr."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final

_EXPONENTS: Final[Mapping[int, str]] = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_EXPONENT: Final = {code: digits for digits, codes in _EXPONENTS.items() for code in codes.split()}

PPB: Final = 1_000_000_000
"""One, in the unit of rates: whole parts per billion."""


def currency_exponent(currency: str) -> int:
    """Decimals of a currency's minor unit. Source: ISO 4217, list one; every code not named there has 2."""
    return _EXPONENT.get(currency, 2)


class Channel(StrEnum):
    """How a message reaches a person."""

    SMS = "sms"
    VOICE = "voice"


class MessageClass(StrEnum):
    """What a message is for; opt-outs and contact hours are kept per class."""

    SERVICE = "service"
    COLLECTION = "collection"
    MARKETING = "marketing"


class Decision(StrEnum):
    """What became of a notice tonight."""

    QUEUED = "queued"
    SUPPRESSED = "suppressed"
    HELD = "held"
    ALREADY_SENT = "already_sent"


class MessageState(StrEnum):
    """States of an outbox row (docs/architecture.md draws the machine)."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    SENDING = "sending"
    RETRYABLE = "retryable"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class Outcome(StrEnum):
    """A provider's answer for one message, as the dispatcher needs to know it.

    Of what was *definitely not sent*, RETRYABLE may be tried again soon, THROTTLED once the whole queue has
    slowed down, APART at once in another request (this one was refused for one of its messages, or was full),
    NOT_TONIGHT once the network's cap on that number has run out, TEMPLATE and ACCOUNT once a person has mended
    the template or the account. REJECTED is for good; BLOCKED is too, because the number
    refuses messages, and it is suppressed. UNKNOWN means the request left and nobody can say; it is never
    sent again by itself.
    """

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    BLOCKED = "blocked"
    RETRYABLE = "retryable"
    THROTTLED = "throttled"
    APART = "apart"
    NOT_TONIGHT = "not_tonight"
    TEMPLATE = "template"
    ACCOUNT = "account"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Lender:
    """Who speaks. `sign` stands first in every message, without brackets (安达车贷); `currency` is ISO 4217."""

    lender_id: str
    name: str
    sign: str
    hotline: str
    currency: str
    timezone: str
    country: str


@dataclass(frozen=True, slots=True)
class TemplateWording:
    """A template's sources as they stood: file name → text, its own file first, then the shared ones of its language.

    `template` is its path in the folder, `version` a hash of these sources.
    """

    template: str
    version: str
    language: str
    channel: Channel
    sources: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message as it will be read or spoken. `template_version` is a hash of the template's source.

    `wording` are those sources, for the ledger to keep; None for a text that is repeated as it was.
    """

    text: str = field(repr=False)
    encoding: str
    units: int
    segments: int
    template: str
    template_version: str
    wording: TemplateWording | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class CoveredNotice:
    """One notice that a message tells. A message that merges several loans covers several notices."""

    idempotency_key: str
    loan_id: str
    installment_no: int
    original_due_on: date | None


@dataclass(frozen=True, slots=True)
class Draft:
    """A message ready for the outbox. `covers` is never empty; its first entry is the message's own loan.

    `amount_minor` is in minor units. `until_paid` marks what a payment cancels. A resend carries
    `resend_of`, `operator` and `reason`.
    """

    message_id: str
    covers: tuple[CoveredNotice, ...]
    customer_id: str
    notice: str
    channel: Channel
    role: str
    message_class: MessageClass
    language: str
    phone: str = field(repr=False)
    recipient_name: str = field(repr=False)
    rendered: Rendered
    params: Mapping[str, str] = field(repr=False)
    due_on: date | None
    amount_minor: int
    not_before: datetime
    expires_at: datetime
    until_paid: bool
    resend_of: str = ""
    operator: str = ""
    reason: str = ""


UNSTEADY: Final = frozenset(
    {"pay_link", "pay_link_token", "certificate_link", "certificate_link_token", "as_of"}
)
"""Values of `Draft.params` that differ from one wording to the next although nothing else does."""


def steady(params: Mapping[str, str]) -> dict[str, str]:
    """The values that say something: two wordings with the same say the same."""
    return {name: value for name, value in params.items() if name not in UNSTEADY}


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """What a provider gets. `message_id` is our reference (26 characters, A-Z 0-9).

    From `expires_at` (aware UTC) on it must neither leave nor arrive; None: at any time. `params` is empty unless a
    provider of its channel asks for the values of templates (`ProviderSettings.asks_values`).
    """

    message_id: str
    channel: Channel
    notice: str
    language: str
    phone: str = field(repr=False)
    text: str = field(repr=False)
    params: Mapping[str, str] = field(repr=False)
    attempts: int = 0
    expires_at: datetime | None = None
    role: str = ""
    recipient_name: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class SendResult:
    """A provider's answer for one message. `code` is the provider's own; `detail` never holds personal data."""

    message_id: str
    outcome: Outcome
    provider_ref: str = ""
    code: str = ""
    detail: str = ""
    retry_after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the network says later. `message_id` is ours when the provider echoes it, else empty.

    `phone` (E.164) tells the messages of a batch apart that share one `provider_ref`. `blocked` means that
    the number refuses messages for good, `dead` that there is no such number. `detail` is a readable reason.
    """

    provider: str
    provider_ref: str
    message_id: str
    delivered: bool
    code: str
    detail: str
    occurred_at: datetime
    phone: str = field(default="", repr=False)
    blocked: bool = False
    dead: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What a borrower sends back. `reply_id` is the provider's own, "" when it gives none.

    `phone` is the sender in E.164. `message_id` is ours when the provider says which message is answered,
    else empty. `opted_out` means that the provider itself took it for an opt-out. `received_at` is aware UTC.
    """

    provider: str
    reply_id: str
    phone: str = field(repr=False)
    text: str = field(repr=False)
    received_at: datetime
    message_id: str = ""
    opted_out: bool = False


@dataclass(frozen=True, slots=True)
class PushRequest:
    """A request that a provider makes to us. `url` is the public one, as the provider wrote it.

    Header names are in small letters.
    """

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PushAnswer:
    """What the provider wants to hear once everything is on disk."""

    status: int = 200
    content_type: str = "text/plain; charset=utf-8"
    body: bytes = b"OK"


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One line of the audit: JSON-safe `data`, without personal data."""

    kind: str
    subject: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class GuardResult:
    """A guard's view of the night. `tripped` stops it unless accepted by name."""

    guard: str
    tripped: bool
    message: str
    cure: str


@dataclass(frozen=True, slots=True)
class NightFacts:
    """What guards compare between nights. Counts are rows or messages; cost is in minor units.

    `newest_payment_on` leaves out payments of the future and single odd ones.
    """

    as_of: date
    loans_read: int
    payments_read: int | None
    rows_read: int
    rows_rejected: int
    active_loans: int
    overdue_loans: int
    messages: int
    cost_minor: int
    export_on: date | None
    content_digest: str
    newest_payment_on: date | None = None
    # Of each table by name: its content's hash, its rows, how many of them were rejected, whether its text
    # ends with the end of a line, and what shows that it is not whole.
    digests: Mapping[str, str] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    rejected: Mapping[str, int] = field(default_factory=dict)
    ended: Mapping[str, bool] = field(default_factory=dict)
    incomplete: Mapping[str, str] = field(default_factory=dict)
    # Rejected rows by "table|column|code|value", the commonest; cells that are not blank by "table.column" and
    # rows that match no loan by table, in thousandths of the rows.
    reject_groups: Mapping[str, int] = field(default_factory=dict)
    filled: Mapping[str, int] = field(default_factory=dict)
    orphans: Mapping[str, int] = field(default_factory=dict)
    # Rules that fired for a loan; loans unpaid since the newest payment (None: not known); whether the export
    # carries its own date; unpaid of what fell due since the last night, in thousandths (None: too few).
    occasions: int = 0
    unpaid_since: int | None = None
    export_dated: bool = False
    dues_unpaid: int | None = None
