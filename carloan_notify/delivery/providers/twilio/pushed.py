"""Reads what Twilio pushes once its signature has been checked: states of messages and calls, and replies."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from urllib.parse import parse_qs, urlsplit

from carloan_notify.delivery.codes import carrier_codes
from carloan_notify.delivery.gateway.answer import public_code
from carloan_notify.delivery.provider import ReturnPage
from carloan_notify.delivery.web_dates import web_date
from carloan_notify.records import PushAnswer, Receipt, Reply

NOTHING_TO_SAY: Final = PushAnswer(
    content_type="text/xml; charset=utf-8", body=b'<?xml version="1.0" encoding="UTF-8"?><Response/>'
)
"""An empty TwiML document: taken, and nothing is answered to the sender."""
REFERENCE: Final = "ref"
"""Our reference in the query of a callback's address; Twilio has no field for it."""
OPTED_OUT: Final = "STOP"
_OUR_REFERENCE: Final = re.compile(r"[A-Z0-9]{26}")

Fields = Mapping[str, str]


def read(provider: str, url: str, fields: Fields, body: bytes, now: datetime) -> ReturnPage:
    """A receipt, a reply, or nothing while a message is under way; what cannot be read is kept as it came."""
    state = fields.get("MessageStatus") or fields.get("CallStatus") or ""
    sid = fields.get("MessageSid") or fields.get("CallSid") or ""
    sender = fields.get("From", "")
    if state and sid:
        return _receipt(provider, url, fields, body, now)
    if "Body" in fields and sender.startswith("+"):
        opted_out = fields.get("OptOutType", "").upper() == OPTED_OUT
        return ReturnPage(replies=(Reply(provider, sid, sender, fields["Body"], now, opted_out=opted_out),))
    return _unread(provider, "neither a state nor a reply", body)


def _receipt(provider: str, url: str, fields: Fields, body: bytes, now: datetime) -> ReturnPage:
    state = fields.get("MessageStatus") or fields["CallStatus"]
    told = carrier_codes("twilio").get(state)
    if told is None:
        return _unread(provider, f"state {public_code(state)} is not in the provider's table", body)
    if not told.final:
        return ReturnPage()
    error = "" if told.delivered else fields.get("ErrorCode", "")
    why = carrier_codes("twilio").get(error) if error else None
    receipt = Receipt(
        provider,
        fields.get("MessageSid") or fields["CallSid"],
        _reference(url),
        told.delivered,
        public_code(error or state),
        why.reason if why else told.reason,
        _moment(fields.get("Timestamp", ""), now),
        fields.get("To", ""),
        bool(why and why.blocked),
    )
    return ReturnPage((receipt,))


def _unread(provider: str, what: str, body: bytes) -> ReturnPage:
    return ReturnPage(problems=(f"{provider}: a push is {what}",), unread=body)


def _reference(url: str) -> str:
    reference = parse_qs(urlsplit(url).query).get(REFERENCE, [""])[0]
    return reference if _OUR_REFERENCE.fullmatch(reference) else ""


def _moment(text: str, otherwise: datetime) -> datetime:
    """Calls tell when (RFC 2822), messages do not."""
    try:
        return web_date(text)
    except ValueError:
        return otherwise
