"""What adapters to vendors' HTTP interfaces share: the wire, and how an answer is read in doubt."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import requests

from carloan_notify.delivery.codes import ByCode, Listed
from carloan_notify.delivery.gateway.answer import REFUSED_BY_HTTP, public_code, retry_after
from carloan_notify.delivery.provider import (
    UNLISTED_CODE,
    CheckResult,
    Inquiry,
    LookUp,
    Received,
    Refused,
    ReturnPage,
    Standing,
    Verdict,
    same_for_all,
)
from carloan_notify.delivery.provider_settings import WiredSettings
from carloan_notify.delivery.wire import Wire, WireAnswer, WireFault, new_session
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
        self._channels = frozenset(settings.channels)
        session = session or new_session(settings.concurrency, settings.ca_file)
        self._wire = Wire(session, settings.connect_timeout_s, settings.read_timeout_s)

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
        return [LookUp(inquiry.message_id, Standing.UNCLEAR, code="no_look_up") for inquiry in inquiries]

    def receive(self, request: PushRequest) -> Received | Refused:  # noqa: ARG002 - the contract's
        """Pushes nothing."""
        return Refused(404, "no_push")

    def pull(self, since: datetime, cursor: str) -> ReturnPage:  # noqa: ARG002 - the contract's
        """Hands nothing out."""
        return ReturnPage(problems=(f"{self._name}: cannot be asked for receipts",))

    def check(self) -> list[CheckResult]:
        """Nothing can be looked at without sending."""
        return [CheckResult("credentials", Verdict.UNTOLD, "this provider offers no look without sending")]


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
