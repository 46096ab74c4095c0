"""The base of every adapter over HTTP, `screen` → `request` → `read`, and the one reader of what comes back."""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Final, Generic, Required, TypedDict, TypeVar

import requests
from pydantic import AfterValidator, SecretStr

from carloan_notify.delivery.approved import choose, fill, without_template
from carloan_notify.delivery.codes import (
    Listed,
    answer_codes,
    carrier_codes,
    coded,
    of_whole_request,
    public_code,
)
from carloan_notify.delivery.http import (
    REFUSED_BY_HTTP,
    Wire,
    WireAnswer,
    WireFault,
    WireRequest,
    new_session,
    retry_after,
    web_date,
)
from carloan_notify.delivery.provider import (
    LONGEST_CONNECT_S,
    UNLISTED_CODE,
    Adapter,
    ApprovedTemplateSettings,
    Capabilities,
    CheckResult,
    CheckVerdict,
    Inquiry,
    LookUp,
    MessageFate,
    ReceiptMode,
    ReturnPage,
    TemplateVendorSettings,
    WiredSettings,
    same_for_all,
    unclear,
)
from carloan_notify.records import OutboundMessage, Outcome, Receipt, Reply, SendResult


@dataclass(frozen=True, slots=True)
class Ready:
    """A message that may leave."""

    message: OutboundMessage


@dataclass(frozen=True, slots=True)
class Filled(Ready):
    """A message that may leave, with the approved template that words it and the values of its variables."""

    template: ApprovedTemplateSettings
    values: dict[str, str] = field(repr=False)


class Wired(TypedDict, total=False):
    """What an adapter is given beside its name and its settings.

    `clock` gives aware UTC and stamps signatures; `push_url` is where receipts are pushed to, "" for nowhere.
    """

    push_url: str
    session: requests.Session | None
    clock: Required[Callable[[], datetime]]


Going = TypeVar("Going", bound=Ready)
_OUR_REFERENCE: Final = re.compile(r"[A-Z0-9]{26}")
_KNOWN_BY_REFERENCE: Final = frozenset({Outcome.ACCEPTED, Outcome.UNKNOWN})


class Vendor(Adapter, ABC, Generic[Going]):
    """A provider over HTTP. A vendor's own is `screen`, `request` and `read`. Safe for many threads, one session."""

    codes: ClassVar[str] = ""
    """The vendor's table of answer codes, `codes.yaml` of that folder."""
    of_one_too: ClassVar[frozenset[Outcome]] = frozenset()
    """Outcomes beyond `codes.OF_ONE` that the vendor's codes say of one message."""
    look_up_window: ClassVar[timedelta | None] = None
    bounds_delivery: ClassVar[bool] = False

    _settings: WiredSettings

    def __init__(
        self,
        name: str,
        settings: WiredSettings,
        *,
        session: requests.Session | None = None,
        clock: Callable[[], datetime],
        push_url: str = "",
    ) -> None:
        """Opens no connection yet. `clock` stamps signatures, because `send` is told no time."""
        super().__init__(name, settings)
        self._settings = settings
        self._clock = clock
        self._push_url = push_url
        self._auth: requests.auth.AuthBase | None = None
        session = session or new_session(settings.concurrency, settings.ca_file)
        self._wire = Wire(session, min(LONGEST_CONNECT_S, settings.answer_s), settings.answer_s)

    @property
    def receipt_mode(self) -> ReceiptMode:
        """How receipts come back: pushed, where there is a secret to push with."""
        return ReceiptMode.PUSH if self._settings.push_secret else ReceiptMode.NONE

    @property
    def capabilities(self) -> Capabilities:
        """What the vendor offers beyond sending."""
        return Capabilities(self.look_up_window, self.receipt_mode, self.bounds_delivery)

    def send(self, batch: Sequence[OutboundMessage]) -> list[SendResult]:
        """One request for all that may leave, as many as one takes; one result per message."""
        going: list[Going] = []
        results: list[SendResult] = []
        for message in batch:
            screened = self.screen(message)
            if isinstance(screened, SendResult):
                results.append(screened)
            else:
                going.append(screened)
        for start in range(0, len(going), self.batch_limit):
            results += self.sent(going[start : start + self.batch_limit])
        return results

    @abstractmethod
    def screen(self, message: OutboundMessage) -> Going | SendResult:
        """The message as it goes out, or why it may not: one odd value would refuse the whole request."""

    @abstractmethod
    def request(self, going: Sequence[Going]) -> WireRequest:
        """The request for a batch that is not empty."""

    @abstractmethod
    def read(self, answer: WireAnswer, batch: Sequence[OutboundMessage]) -> list[SendResult]:
        """One result per message of the request. In doubt it is UNKNOWN."""

    def read_fault(self, fault: WireFault, batch: Sequence[OutboundMessage]) -> list[SendResult]:
        """The same where no answer came."""
        # No vendor's header holds a message's data: one that cannot be written is a credential.
        unwritable = fault.outcome is Outcome.REJECTED
        return same_for_all(batch, Outcome.ACCOUNT if unwritable else fault.outcome, fault.code)

    def sent(self, going: Sequence[Going]) -> list[SendResult]:
        """One request and what came of it."""
        batch = [ready.message for ready in going]
        end = self.exchange(self.request(going))
        results = self.read_fault(end, batch) if isinstance(end, WireFault) else self.read(end, batch)
        reference = self.batch_reference(batch) if len(batch) > 1 else ""
        if not reference:
            return results
        return [
            replace(r, provider_ref=reference if r.outcome in _KNOWN_BY_REFERENCE else "") for r in results
        ]

    def batch_reference(self, batch: Sequence[OutboundMessage]) -> str:  # noqa: ARG002 - a vendor's may look
        """Our reference of a request for several, which receipts bring back; "" where the vendor's own tells."""
        return ""

    def exchange(self, request: WireRequest) -> WireAnswer | WireFault:
        """The answer to a request, or what its absence means."""
        return self._wire.exchange(request, self._auth)

    def meaning(self, code: str) -> Listed | None:
        """What an answer code means, None when the vendor's table does not list it."""
        return answer_codes(self.codes).get(code)

    def wait_s(self, answer: WireAnswer, code: str) -> float:  # noqa: ARG002 - a vendor's may look
        """Seconds that an answer of this code asks to wait, else 0."""
        return retry_after(answer.headers, self._clock())

    def by_code(
        self, answer: WireAnswer, code: str, batch: Sequence[OutboundMessage], reference: str = ""
    ) -> list[SendResult]:
        """What the code of a whole request means for each message. `reference` is the vendor's."""
        listed, wait_s = self.meaning(code), self.wait_s(answer, code)
        each = [coded(message.message_id, code, listed, reference, wait_s) for message in batch]
        return of_whole_request(each, also=self.of_one_too)

    def refused(self, answer: WireAnswer, code: str, batch: Sequence[OutboundMessage]) -> list[SendResult]:
        """The same of an answer that says no: the status tells where no code does."""
        if not code or (self.meaning(code) is None and answer.status in REFUSED_BY_HTTP):
            return by_status(answer, batch, self._clock())
        return self.by_code(answer, code, batch)


class TemplateVendor(Vendor[Filled]):
    """A vendor that sends approved templates, and no text of ours."""

    _settings: TemplateVendorSettings

    def screen(self, message: OutboundMessage) -> Filled | SendResult:
        """The message with its template, or why it may not leave."""
        template = choose(self._settings.templates, message)
        if template is None:
            return without_template([message])[0]
        filled = Filled(message, template, fill(template, message))
        return self.odd(filled) or filled

    def odd(self, filled: Filled) -> SendResult | None:  # noqa: ARG002 - a vendor's may look
        """Why the vendor would not take such a message, None when it would."""
        return None


def by_status(
    answer: WireAnswer, batch: Sequence[OutboundMessage], now: datetime, otherwise: str = "unreadable_answer"
) -> list[SendResult]:
    """What the status alone means for every message of the batch; `otherwise` is the code under one that says yes.

    A 5xx without a code of the vendor's own is UNKNOWN: nobody says that the message was not taken.
    """
    if answer.ok:
        return same_for_all(batch, Outcome.UNKNOWN, otherwise)
    outcome = REFUSED_BY_HTTP.get(answer.status, Outcome.UNKNOWN)
    return same_for_all(batch, outcome, answer.code, retry_after_s=retry_after(answer.headers, now))


def json_object(end: WireFault | WireAnswer) -> dict[str, Any] | None:
    """The answer as a JSON object; None when there is no answer or it is no such thing."""
    try:
        fields = json.loads(end.body)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def text_of(fields: Mapping[str, Any], name: str) -> str:
    """A text or number of a JSON object as text, "" when it is missing or something else."""
    value = fields.get(name)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def our_reference(text: str) -> str:
    """The text when it is an id of ours (26 letters and digits), else ""."""
    return text if _OUR_REFERENCE.fullmatch(text) else ""


def fate(inquiry: Inquiry, table: str, state: str, reference: str, error: str = "") -> LookUp:
    """What a vendor's table of carrier codes says of a message in this state, or of the error with which it failed."""
    code, told = public_code(state), carrier_codes(table).get(state)
    if told is None:
        return unclear(inquiry, code, reference, UNLISTED_CODE)
    if told.delivered or not told.final:
        standing = MessageFate.DELIVERED if told.delivered else MessageFate.ACCEPTED
        return LookUp(inquiry.message_id, standing, reference, code)
    code, why = public_code(error or state), (carrier_codes(table).get(error) if error else None) or told
    return LookUp(
        inquiry.message_id, MessageFate.UNDELIVERED, reference, code, why.reason, why.blocked, why.dead
    )


# What comes back, record by record. One that cannot be read is a problem, kept as it came, and ends nothing.


class UnreadableRecordError(ValueError):
    """A record that is neither a receipt nor a reply, or does not tell what it must; no personal data in its text."""


Record = TypeVar("Record")
Came = TypeVar("Came")


def read_each(
    records: Iterable[Record], read: Callable[[Record], Came | None], first: int = 0
) -> tuple[list[Came], list[tuple[int, Record, str]]]:
    """What the records say, and of each that cannot be read its place (from `first`), itself, and why.

    `read` returns None for a record that says nothing yet, and raises `UnreadableRecordError` for one that is none.
    """
    came: list[Came] = []
    unread: list[tuple[int, Record, str]] = []
    for place, record in enumerate(records, first):
        try:
            one = read(record)
        except UnreadableRecordError as error:
            unread.append((place, record, str(error)))
        else:
            came += [] if one is None else [one]
    return came, unread


def as_page(came: Iterable[Receipt | Reply], problems: Iterable[str] = (), unread: bytes = b"") -> ReturnPage:
    """A page of receipts and replies; `unread` is kept only where there are problems."""
    came, problems = list(came), tuple(problems)
    return ReturnPage(
        receipts=tuple(one for one in came if isinstance(one, Receipt)),
        replies=tuple(one for one in came if isinstance(one, Reply)),
        problems=problems,
        unread=unread if problems else b"",
    )


def read_records(
    provider: str,
    records: Iterable[Record],
    read: Callable[[Record], Receipt | Reply | None],
    raw: bytes,
    called: str = "record ",
    first: int = 0,
) -> ReturnPage:
    """Everything readable in the records, and the whole of `raw` once one of them is not.

    A problem calls a record by its place, counted from `first`; one that came alone has no place (`called` "").
    """
    came: list[Receipt | Reply]
    came, unread = read_each(records, read, first)
    named = ((f"{called}{place}: " if called else "", why) for place, _, why in unread)
    return as_page(came, (f"{provider}: {name}{why}" for name, why in named), raw)


# Credentials as the settings take them. Nothing is stripped quietly: a blank here also stands where it is kept.

_COPY_AGAIN: Final = "; copy it again (a file that holds it may end in a line break)"


def _whole(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError(
            f"begins or ends with a space, or holds a line break or another invisible character{_COPY_AGAIN}"
        )
    return text


def _writable(text: str) -> str:
    """It stands in a header, which carries nothing else: with such a character no message would ever leave."""
    if not text.isascii():
        raise ValueError(f"holds a character that is neither a Latin letter, a digit nor a sign{_COPY_AGAIN}")
    return _whole(text)


def _whole_secret(secret: SecretStr) -> SecretStr:
    _whole(secret.get_secret_value())
    return secret


Credential = Annotated[str, AfterValidator(_writable)]
"""A name or key ID: printable ASCII, no space around it."""
Secret = Annotated[SecretStr, AfterValidator(_whole_secret)]
"""A secret that requests are signed with: printable, no space around it. It never shows."""


# Whether our clock and a vendor's agree: a signature made at the wrong time is refused.

LARGEST_SKEW: Final = timedelta(minutes=5)


def clock_check(headers: Mapping[str, str], now: datetime) -> CheckResult:
    """The verdict on our clock by the `Date` of an answer (RFC 9110 §6.6.1); `now` is aware UTC."""
    try:
        theirs = web_date(headers.get("Date", ""))
    except ValueError:
        return CheckResult("clock", CheckVerdict.UNTOLD, "the answer carries no date")
    off_s = round((now - theirs).total_seconds())
    if abs(off_s) > LARGEST_SKEW.total_seconds():
        where = "ahead of" if off_s > 0 else "behind"
        return CheckResult(
            "clock",
            CheckVerdict.WRONG,
            f"{abs(off_s)} s {where} the provider's; set it (NTP), or requests are refused",
        )
    return CheckResult("clock", CheckVerdict.OK, f"within {abs(off_s)} s of the provider's")
