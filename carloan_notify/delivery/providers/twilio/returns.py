"""Reads what Twilio pushes once its signature has been checked: states of messages and calls, and replies."""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from carloan_notify.delivery.codes import carrier_codes
from carloan_notify.delivery.gateway.answer import public_code
from carloan_notify.delivery.http import WireAnswer, WireFault, web_date
from carloan_notify.delivery.provider import UNLISTED_CODE, Inquiry, LookUp, MessageFate, ReturnPage
from carloan_notify.delivery.vendor import SUCCESS, json_object, text_of
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


# Whether a request comes from Twilio: X-Twilio-Signature, as in the vendor's RequestValidator 9.13.0.
#
# base64(HMAC-SHA1(auth token, URL + every form field's name and value, sorted by name)). A JSON body is not part
# of it: the URL then carries its SHA-256 as `bodySHA256`. Twilio is not consistent about the port in the URL.

Form = Mapping[str, Sequence[str]]


def is_genuine(token: str, signature: str, urls: Iterable[str], form: Form) -> bool:
    """Whether the signature of a form fits one of the addresses that the request may have had."""
    return any(
        _same(signature_of(token, variant, form), signature) for url in urls for variant in with_ports(url)
    )


def is_genuine_json(token: str, signature: str, urls: Sequence[str], body: bytes) -> bool:
    """The same for a body that is no form; without `bodySHA256` in the address nothing vouches for it."""
    digest = hashlib.sha256(body).hexdigest()
    vouching = [url for url in urls if parse_qs(urlsplit(url).query).get("bodySHA256") == [digest]]
    return is_genuine(token, signature, vouching, {})


def signature_of(token: str, url: str, form: Form) -> str:
    """The signature Twilio gives; a value that is sent twice counts once."""
    signed = url + "".join(name + value for name in sorted(form) for value in sorted(set(form[name])))
    digest = hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def with_ports(url: str) -> tuple[str, str]:
    """The address without and with its port; the usual one where it names none."""
    address = urlsplit(url)
    host = f"[{address.hostname}]" if ":" in (address.hostname or "") else address.netloc.rsplit(":", 1)[0]
    port = address.port or (443 if address.scheme == "https" else 80)
    return address._replace(netloc=host).geturl(), address._replace(netloc=f"{host}:{port}").geturl()


def _same(ours: str, theirs: str) -> bool:
    return hmac.compare_digest(ours.encode(), theirs.encode())


# What became of a message or call, as Twilio's list tells it.
#
# A record bears neither our reference nor the address of its callback. Without Twilio's id another message to the same
# number may be taken for ours, so that a list proves only that ours never arrived.

PAGE_SIZE: Final = 1000
"""Twilio's largest. The list is asked by number alone: its filter by date would hide what still waits."""
BEFORE: Final = timedelta(minutes=1)
AFTER: Final = timedelta(minutes=5)
"""A message was made within these of the moment it was sent; the clocks may differ a little."""
SETTLED: Final = timedelta(minutes=10)
"""Only after this a list without the message means that it never arrived."""


def by_id(end: WireAnswer | WireFault, inquiry: Inquiry) -> LookUp:
    """The standing of the message that bears Twilio's id."""
    fields = json_object(end)
    if isinstance(end, WireFault) or end.status not in SUCCESS or fields is None:
        return _unclear(inquiry, end)
    return _standing(inquiry, fields)


def by_number(end: WireAnswer | WireFault, inquiry: Inquiry, listed_as: str, now: datetime) -> LookUp:
    """ABSENT when there was no message to the number at that time; whose any other is, nobody can say."""
    fields = json_object(end)
    records = fields.get(listed_as) if fields is not None else None
    if (
        isinstance(end, WireFault)
        or end.status not in SUCCESS
        or fields is None
        or not isinstance(records, list)
    ):
        return _unclear(inquiry, end)
    if fields.get("next_page_uri"):
        return LookUp(inquiry.message_id, MessageFate.UNCLEAR, code="too_many_to_one_number")
    if any(_may_be(record, inquiry.sent_at) for record in records):
        return LookUp(inquiry.message_id, MessageFate.UNCLEAR, code="record_without_our_reference")
    if now - inquiry.sent_at < SETTLED:
        return LookUp(inquiry.message_id, MessageFate.UNCLEAR, code="asked_too_early")
    return LookUp(inquiry.message_id, MessageFate.ABSENT)


def _may_be(record: object, sent_at: datetime) -> bool:
    """Whether this may be the message; what cannot be read may be."""
    if not isinstance(record, dict):
        return True
    if text_of(record, "direction") == "inbound":
        return False
    try:
        made_at = web_date(text_of(record, "date_created"))
    except ValueError:
        return True
    return sent_at - BEFORE <= made_at <= sent_at + AFTER


def _standing(inquiry: Inquiry, record: Mapping[str, Any]) -> LookUp:
    state, sid = text_of(record, "status"), text_of(record, "sid")
    told = carrier_codes("twilio").get(state)
    if told is None:
        return LookUp(inquiry.message_id, MessageFate.UNCLEAR, sid, public_code(state), UNLISTED_CODE)
    if not told.final:
        return LookUp(inquiry.message_id, MessageFate.ACCEPTED, sid, public_code(state))
    if told.delivered:
        return LookUp(inquiry.message_id, MessageFate.DELIVERED, sid, public_code(state))
    error = text_of(record, "error_code")
    why = carrier_codes("twilio").get(error) if error else None
    return LookUp(
        inquiry.message_id,
        MessageFate.UNDELIVERED,
        sid,
        public_code(error or state),
        why.reason if why else told.reason,
        bool(why and why.blocked),
    )


def _unclear(inquiry: Inquiry, end: WireAnswer | WireFault) -> LookUp:
    if isinstance(end, WireFault):
        return LookUp(inquiry.message_id, MessageFate.UNCLEAR, code=end.code)
    code = "unreadable_answer" if end.status in SUCCESS else f"http_{end.status}"
    return LookUp(inquiry.message_id, MessageFate.UNCLEAR, code=code)
