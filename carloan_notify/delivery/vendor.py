"""What adapters to vendors' HTTP interfaces share: the wire, and how an answer is read in doubt."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from urllib.parse import quote, urlsplit

import requests
from pydantic import AfterValidator, SecretStr

from carloan_notify.delivery.codes import ByCode, Listed
from carloan_notify.delivery.gateway.answer import REFUSED_BY_HTTP, public_code, retry_after
from carloan_notify.delivery.http import Wire, WireAnswer, WireFault, new_session, web_date
from carloan_notify.delivery.provider import (
    LONGEST_CONNECT_S,
    LOOPBACK,
    UNLISTED_CODE,
    CheckResult,
    CheckVerdict,
    Inquiry,
    LookUp,
    MessageFate,
    Received,
    Refused,
    ReturnPage,
    VendorSettings,
    WiredSettings,
    same_for_all,
)
from carloan_notify.records import Channel, OutboundMessage, Outcome, PushRequest, SendResult

SUCCESS: Final = range(200, 300)


class Vendor:
    """The parts of the contract that are the same for most vendors. Safe for many threads, one session."""

    def __init__(
        self,
        name: str,
        settings: WiredSettings,
        *,
        session: requests.Session | None = None,
        clock: Callable[[], datetime],
    ) -> None:
        """Opens no connection yet. `clock` stamps signatures, because `send` is told no time."""
        self._name = name
        self._clock = clock
        self._channels = settings.serves
        session = session or new_session(settings.concurrency, settings.ca_file)
        self._wire = Wire(session, min(LONGEST_CONNECT_S, settings.answer_s), settings.answer_s)

    @property
    def name(self) -> str:
        """The name the configuration gives it."""
        return self._name

    @property
    def channels(self) -> frozenset[Channel]:
        """The channels it serves."""
        return self._channels

    def batch_key(self, message: OutboundMessage) -> str:  # noqa: ARG002 - the contract's
        """Any messages may share a request."""
        return ""

    def look_up(self, inquiries: Sequence[Inquiry]) -> list[LookUp]:
        """Cannot be asked."""
        return [LookUp(inquiry.message_id, MessageFate.UNCLEAR, code="no_look_up") for inquiry in inquiries]

    def receive(self, request: PushRequest) -> Received | Refused:  # noqa: ARG002 - the contract's
        """Pushes nothing."""
        return Refused(404, "no_push")

    def pull(self, since: datetime, cursor: str) -> ReturnPage:  # noqa: ARG002 - the contract's
        """Hands nothing out."""
        return ReturnPage(problems=(f"{self._name}: cannot be asked for receipts",))

    def check(self) -> list[CheckResult]:
        """Nothing can be looked at without sending."""
        return [
            CheckResult("credentials", CheckVerdict.UNTOLD, "this provider offers no look without sending")
        ]


def no_answer(
    end: WireFault | WireAnswer, batch: Sequence[OutboundMessage], now: datetime
) -> list[SendResult]:
    """What an end without a readable answer means for every message of the batch.

    A 5xx without a code of the vendor's own is UNKNOWN: nobody says that the message was not taken.
    """
    if isinstance(end, WireFault):
        unwritable = (
            end.outcome is Outcome.REJECTED
        )  # no vendor's header holds a message's data: it is a credential
        return same_for_all(batch, Outcome.ACCOUNT if unwritable else end.outcome, end.code)
    if end.status in SUCCESS:
        return same_for_all(batch, Outcome.UNKNOWN, "unreadable_answer")
    outcome = REFUSED_BY_HTTP.get(end.status, Outcome.UNKNOWN)
    return same_for_all(batch, outcome, f"http_{end.status}", retry_after_s=retry_after(end.headers, now))


def json_object(end: WireFault | WireAnswer) -> dict[str, Any] | None:
    """The answer as a JSON object; None when there is no answer or it is no such thing."""
    if isinstance(end, WireFault):
        return None
    try:
        fields = json.loads(end.body)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def coded(
    message_id: str, code: str, table: ByCode[Listed], provider_ref: str = "", retry_after_s: float = 0.0
) -> SendResult:
    """The result of one message by its code. An unlisted code is UNKNOWN and reported by name."""
    listed = table.get(code)
    if listed is None:
        return SendResult(message_id, Outcome.UNKNOWN, provider_ref, public_code(code), UNLISTED_CODE)
    if listed.outcome is Outcome.ACCEPTED:
        return SendResult(message_id, Outcome.ACCEPTED, provider_ref, public_code(code))
    return SendResult(
        message_id, listed.outcome, provider_ref, public_code(code), listed.reason, retry_after_s
    )


def text_of(fields: Mapping[str, Any], name: str) -> str:
    """A text or number of a JSON object as text, "" when it is missing or something else."""
    value = fields.get(name)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


# The address that a vendor is given with each message, to push its receipt to.

ADDRESS: Final = r"^(https?://[^\s?#]+)?$"


def check_address(public_url: str, settings: VendorSettings) -> None:
    """See that receipts can come back to `public_url` in secret; "" has them nowhere.

    Raises:
        ValueError: there is no push secret, the address holds credentials, or numbers and the push secret would
            come back in the clear.
    """
    if not public_url:
        return
    address = urlsplit(public_url)
    if settings.push_secret is None:
        raise ValueError("public_url: receipts need a secret in their address; set push_secret too")
    if "@" in address.netloc:
        raise ValueError("public_url: credentials do not belong in an address")
    if address.scheme == "http" and address.hostname not in LOOPBACK:
        raise ValueError(
            "public_url: phone numbers and push_secret would come back in the clear; use https://"
        )


def callback(public_url: str, name: str, settings: VendorSettings) -> str:
    """The address that provider `name` is pushed to, "" when there is none."""
    if not public_url or settings.push_secret is None:
        return ""
    secret = quote(settings.push_secret.get_secret_value(), safe="")
    return f"{public_url.rstrip('/')}/{quote(name, safe='')}/{secret}"


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
