"""What the answer to SendSms or SendTtsVoice means for each message. In doubt it is unknown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from carloan_notify.delivery.apart import of_whole_request
from carloan_notify.delivery.codes import answer_codes
from carloan_notify.delivery.gateway.answer import retry_after
from carloan_notify.delivery.provider import one_per_message
from carloan_notify.delivery.providers.tencent.interface import entries, error_code, response_in
from carloan_notify.delivery.vendor import SUCCESS, coded, no_answer, text_of
from carloan_notify.delivery.wire import WireAnswer, WireFault
from carloan_notify.records import OutboundMessage, SendResult

CAPS: Final[Mapping[str, float]] = {
    "LimitExceeded.PhoneNumberThirtySecondLimit": 30.0,
    "LimitExceeded.PhoneNumberOneHourLimit": 3600.0,
}
"""Seconds until a number may have messages again; other caps do not tell, and count as a day's."""


def read_statuses(
    end: WireFault | WireAnswer, batch: Sequence[OutboundMessage], now: datetime
) -> list[SendResult]:
    """One result per message: by its number's status, else by the error of the whole request.

    Statuses go before an error, because they may say that something was sent. An error that can only be one
    number's refuses none of several.
    """
    response = response_in(end)
    statuses = [status for status in entries(response, "SendStatusSet") if isinstance(status, Mapping)]
    if statuses and isinstance(end, WireAnswer) and end.status in SUCCESS:
        return one_per_message(batch, list(_by_number(statuses, batch)))
    return _by_error(end, response, batch, now)


def read_call(end: WireFault | WireAnswer, message: OutboundMessage, now: datetime) -> SendResult:
    """The result of a call; without an error, its CallId says that it was taken."""
    response = response_in(end)
    status = response.get("SendStatus") if response is not None else None
    call_id = text_of(status, "CallId") if isinstance(status, Mapping) else ""
    if call_id and isinstance(end, WireAnswer) and end.status in SUCCESS:
        return _coded(message.message_id, "Ok", call_id)
    return _by_error(end, response, [message], now)[0]


def _by_error(
    end: WireFault | WireAnswer,
    response: Mapping[str, Any] | None,
    batch: Sequence[OutboundMessage],
    now: datetime,
) -> list[SendResult]:
    code = error_code(response)
    if isinstance(end, WireFault) or not code:
        return no_answer(end, batch, now)
    wait = retry_after(end.headers, now)
    return of_whole_request([_coded(message.message_id, code, wait=wait) for message in batch])


def _by_number(
    statuses: Sequence[Mapping[str, Any]], batch: Sequence[OutboundMessage]
) -> Iterator[SendResult]:
    """Results in the vendor's order. No number stands twice in a batch; one status for one message is its own."""
    by_number = {message.phone: message.message_id for message in batch}
    only = batch[0].message_id if len(batch) == len(statuses) == 1 else ""
    for status in statuses:
        message_id = only or by_number.get(text_of(status, "PhoneNumber"))
        if message_id:
            yield _coded(message_id, text_of(status, "Code"), text_of(status, "SerialNo"))


def _coded(message_id: str, code: str, serial: str = "", wait: float = 0.0) -> SendResult:
    result = coded(message_id, code, answer_codes("tencent"), serial, wait)
    return replace(result, retry_after_s=CAPS[code]) if code in CAPS else result
