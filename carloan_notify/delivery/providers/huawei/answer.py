"""Reads Huawei's answer to a request: a code for the whole, then a status for each number."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from carloan_notify.delivery.apart import of_whole_request
from carloan_notify.delivery.codes import ByCode, Listed, answer_codes
from carloan_notify.delivery.gateway.answer import REFUSED_BY_HTTP, retry_after
from carloan_notify.delivery.provider import one_per_message, same_for_all
from carloan_notify.delivery.providers.huawei.numbers import e164
from carloan_notify.delivery.vendor import SUCCESS, coded, json_object, no_answer, text_of
from carloan_notify.delivery.wire import WireAnswer, WireFault
from carloan_notify.records import OutboundMessage, Outcome, SendResult

ALL_WELL: Final = "000000"
SEE_STATUS: Final = "E000510"
"""No number was taken; the status of each says why."""
_OF_ONE_TOO: Final = frozenset({Outcome.TEMPLATE, Outcome.RETRYABLE})
"""Templates may differ within a request; the codes under `retryable` tell of the way to one number."""


def table() -> ByCode[Listed]:
    """Huawei's answer codes."""
    return answer_codes("huawei")


def read(end: WireFault | WireAnswer, batch: Sequence[OutboundMessage], now: datetime) -> list[SendResult]:
    """One result per message. No message is refused for what may be wrong with another of its request."""
    fields = json_object(end)
    code = code_of(fields)
    if isinstance(end, WireFault) or fields is None or not code:
        return no_answer(end, batch, now)
    numbers = fields.get("result")
    taken = code == ALL_WELL and end.status in SUCCESS
    if (taken or code == SEE_STATUS) and isinstance(numbers, list):
        return _by_number(numbers, batch, taken=taken)
    listed = table().get(code)
    if listed is None and end.status in REFUSED_BY_HTTP:
        return no_answer(end, batch, now)
    if code == ALL_WELL or (listed is not None and listed.outcome is Outcome.ACCEPTED):
        why = "no_status_per_number" if end.status in SUCCESS else "contradicting_answer"
        return same_for_all(batch, Outcome.UNKNOWN, why)
    wait = retry_after(end.headers, now)
    each = [coded(m.message_id, code, table(), retry_after_s=wait) for m in batch]
    return of_whole_request(each, also=_OF_ONE_TOO)


def code_of(fields: dict[str, Any] | None) -> str:
    """The code of the whole answer; the gateway before the interface calls it `error_code`."""
    return text_of(fields, "code") or text_of(fields, "error_code") if fields else ""


def _by_number(items: Sequence[object], batch: Sequence[OutboundMessage], *, taken: bool) -> list[SendResult]:
    """By each number's status; one that is well although the request took nobody is in doubt."""
    asked = {e164(message.phone): message.message_id for message in batch}
    results = []
    for item in items:
        if isinstance(item, dict) and (message_id := asked.get(e164(text_of(item, "originTo")))):
            status = text_of(item, "status") or "no_status"
            result = coded(message_id, status, table(), text_of(item, "smsMsgId"))
            doubtful = result.outcome is Outcome.ACCEPTED and not taken
            results.append(
                replace(result, outcome=Outcome.UNKNOWN, code="contradicting_answer") if doubtful else result
            )
    return one_per_message(batch, results)
