"""What smsbox's answer to a sendsms request means."""

import re
from datetime import datetime
from http import HTTPStatus
from typing import Final

from carloan_notify.delivery.codes import ByCode, Listed
from carloan_notify.delivery.gateway.answer import public_code
from carloan_notify.delivery.vendor import SUCCESS, coded, no_answer
from carloan_notify.delivery.wire import WireAnswer, WireFault
from carloan_notify.records import OutboundMessage, Outcome, SendResult

LONGEST_ANSWER: Final = 200
"""Bytes; Kannel answers in one line, so anything longer is another server's page."""
_NOT_IN_CODE: Final = re.compile(rb"[^A-Za-z0-9]+")


def answer_code(answer: WireAnswer) -> str:
    """Kannel's answer as a code of its table, "" when it is none of Kannel's.

    A proxy's page in front of it says nothing about the message.
    """
    kannel = answer.headers.get("Server", "").startswith("Kannel/")
    if not kannel or b"<" in answer.body or len(answer.body) > LONGEST_ANSWER:
        return ""
    return _NOT_IN_CODE.sub(b"_", answer.body).strip(b"_").decode("ascii")


def read_answer(
    end: WireAnswer | WireFault, message: OutboundMessage, codes: ByCode[Listed], now: datetime
) -> SendResult:
    """The result of one message. A text that says yes under a status that says no is UNKNOWN."""
    code = answer_code(end) if isinstance(end, WireAnswer) else ""
    if isinstance(end, WireFault) or not code:
        return no_answer(end, [message], now)[0]
    listed, success = codes.get(code), end.status in SUCCESS
    if listed is None:
        return _unlisted(end, code, message, codes, now)
    if (listed.outcome is Outcome.ACCEPTED) is not success:
        return SendResult(
            message.message_id, Outcome.UNKNOWN, code="contradicting_answer", detail=public_code(code)
        )
    return coded(message.message_id, code, codes)


def _unlisted(
    answer: WireAnswer, code: str, message: OutboundMessage, codes: ByCode[Listed], now: datetime
) -> SendResult:
    """Any 400 is a refusal (user guide); other statuses mean what HTTP says."""
    if answer.status == HTTPStatus.BAD_REQUEST:
        return coded(message.message_id, f"http_{answer.status}", codes)
    if answer.status in SUCCESS:
        return coded(message.message_id, code, codes)
    return no_answer(answer, [message], now)[0]
