"""SMS and calls through Twilio: one request each, look-ups, the check, and what Twilio pushes."""

import base64
import hashlib
import hmac
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar, Final, Unpack
from urllib.parse import parse_qs, quote, urlencode, urlsplit
from xml.etree import ElementTree as ET

from carloan_notify.delivery.codes import carrier_codes, coded, public_code
from carloan_notify.delivery.http import REFUSED_BY_HTTP, WireAnswer, WireFault, WireRequest, web_date
from carloan_notify.delivery.provider import (
    CheckResult,
    CheckVerdict,
    Inquiry,
    LookUp,
    MessageFate,
    ReceiptMode,
    Received,
    Refused,
    seconds_left,
    unclear,
)
from carloan_notify.delivery.providers.twilio.settings import (
    SpeakerSettings,
    TwilioCredentials,
    TwilioSettings,
    TwilioVoiceSettings,
)
from carloan_notify.delivery.vendor import (
    Ready,
    UnreadableRecordError,
    Vendor,
    Wired,
    by_status,
    clock_check,
    fate,
    json_object,
    our_reference,
    read_records,
    text_of,
)
from carloan_notify.records import (
    OutboundMessage,
    Outcome,
    PushAnswer,
    PushRequest,
    Receipt,
    Reply,
    SendResult,
)

# What Twilio's messages and calls have in common: one request each, look-ups, signed callbacks, the check.

USUAL_URL: Final = "https://api.twilio.com"
FAILED_AT_ONCE: Final = ("failed", "undelivered", "canceled")
SIGNATURE: Final = "x-twilio-signature"
NOTHING_TO_SAY: Final = PushAnswer(
    content_type="text/xml; charset=utf-8", body=b'<?xml version="1.0" encoding="UTF-8"?><Response/>'
)
"""An empty TwiML document: taken, and nothing is answered to the sender."""
REFERENCE: Final = "ref"
"""Our reference in the query of a callback's address; Twilio has no field for it."""
OPTED_OUT: Final = "STOP"

Fields = Mapping[str, str]


class TwilioApi(Vendor[Ready], ABC):
    """An account's messages or calls."""

    codes = "twilio"
    look_up_window = timedelta(days=7)
    _settings: TwilioCredentials
    _resource: ClassVar[str]
    """The name of the collection in the address."""

    def __init__(self, name: str, settings: TwilioCredentials, **wired: Unpack[Wired]) -> None:
        super().__init__(name, settings, **wired)
        base = (settings.base_url or USUAL_URL).rstrip("/")
        self._base = f"{base}/2010-04-01/Accounts/{quote(settings.account_sid, safe='')}"

    @property
    def receipt_mode(self) -> ReceiptMode:
        """Receipts carry our reference in their address, if there is one to push to."""
        return ReceiptMode.PUSH if self._push_url else ReceiptMode.NONE

    def screen(self, message: OutboundMessage) -> Ready | SendResult:
        """Twilio takes any text."""
        return Ready(message)

    def request(self, going: Sequence[Ready]) -> WireRequest:
        """A form."""
        body = urlencode(self._form(going[0].message)).encode()
        headers = {**self._headers(), "Content-Type": "application/x-www-form-urlencoded"}
        return WireRequest("POST", f"{self._base}/{self._resource}.json", headers, body)

    def read(self, answer: WireAnswer, batch: Sequence[OutboundMessage]) -> list[SendResult]:
        """What was made, by its own state; else the code of the error."""
        fields = json_object(answer)
        if fields is None or (answer.ok and not text_of(fields, "sid")):
            return by_status(answer, batch, self._clock())
        if not answer.ok:
            return self.refused(answer, text_of(fields, "code"), batch)
        return [self._made(message, fields) for message in batch]

    def look_up_one(self, inquiry: Inquiry) -> LookUp:
        """By Twilio's own id; without one, only that nothing arrived can be told, by number and time."""
        if inquiry.provider_ref:
            sid = quote(inquiry.provider_ref, safe="")
            return by_id(self._get(f"{self._base}/{self._resource}/{sid}.json"), inquiry)
        query = urlencode({"To": inquiry.phone, "PageSize": PAGE_SIZE})
        end = self._get(f"{self._base}/{self._resource}.json?{query}")
        return by_number(end, inquiry, self._resource.lower(), self._clock())

    def receive(self, request: PushRequest) -> Received | Refused:
        """Take what Twilio has signed: a state or a reply."""
        if request.method != "POST":
            return Refused(405, "not_a_post")
        fields = self._believed(request)
        if fields is None:
            return Refused(403, "bad_signature")
        return Received(
            read_records(self._name, [fields], partial(self._pushed, request.url), request.body, ""),
            NOTHING_TO_SAY,
        )

    def _pushed(self, url: str, fields: Fields) -> Receipt | Reply | None:
        """A receipt, a reply, or None while a message is under way."""
        state = fields.get("MessageStatus") or fields.get("CallStatus") or ""
        sid = fields.get("MessageSid") or fields.get("CallSid") or ""
        sender = fields.get("From", "")
        if state and sid:
            return self._receipt(url, state, sid, fields)
        if "Body" in fields and sender.startswith("+"):
            opted_out = fields.get("OptOutType", "").upper() == OPTED_OUT
            return Reply(self._name, sid, sender, fields["Body"], self._clock(), opted_out=opted_out)
        raise UnreadableRecordError("a push is neither a state nor a reply")

    def _receipt(self, url: str, state: str, sid: str, fields: Fields) -> Receipt | None:
        told = carrier_codes("twilio").get(state)
        if told is None:
            raise UnreadableRecordError(
                f"a push is state {public_code(state)} is not in the provider's table"
            )
        if not told.final:
            return None
        error = "" if told.delivered else fields.get("ErrorCode", "")
        why = carrier_codes("twilio").get(error) if error else None
        return Receipt(
            self._name,
            sid,
            _reference(url),
            told.delivered,
            public_code(error or state),
            why.reason if why else told.reason,
            _moment(fields.get("Timestamp", ""), self._clock()),
            fields.get("To", ""),
            bool(why and why.blocked),
            bool(why and why.dead),
        )

    def check(self) -> list[CheckResult]:
        """Look at the account, the clock and the sender."""
        end = self._get(f"{self._base}.json")
        if isinstance(end, WireFault):
            return [CheckResult("credentials", CheckVerdict.UNTOLD, f"no answer: {end.code}")]
        account = self._account_check(end)
        sender = [self._sender_check()] if account.verdict is CheckVerdict.OK else []
        return [account, clock_check(end.headers, self._clock()), *sender]

    @abstractmethod
    def _form(self, message: OutboundMessage) -> dict[str, str]:
        """The fields of a request, in the order of the vendor's SDK."""

    @abstractmethod
    def _sender_check(self) -> CheckResult:
        """Whether the account may send from the configured sender."""

    def _callback_for(self, message: OutboundMessage) -> dict[str, str]:
        if not self._push_url:
            return {}
        return {"StatusCallback": f"{self._push_url}?{REFERENCE}={message.message_id}"}

    def _made(self, message: OutboundMessage, fields: Mapping[str, Any]) -> SendResult:
        sid, state = text_of(fields, "sid"), text_of(fields, "status")
        if state not in FAILED_AT_ONCE:
            return SendResult(message.message_id, Outcome.ACCEPTED, sid, public_code(state or "created"))
        error = text_of(fields, "error_code")
        code = error if self.meaning(error) else state
        return coded(message.message_id, code, self.meaning(code), sid)

    def _account_check(self, end: WireAnswer) -> CheckResult:
        fields = json_object(end) or {}
        code, state = text_of(fields, "code"), text_of(fields, "status")
        listed = self.meaning(code)
        if end.ok and state == "active":
            return CheckResult("credentials", CheckVerdict.OK, "the account is active")
        if end.ok and state:
            return CheckResult("credentials", CheckVerdict.WRONG, f"the account is {state}")
        if listed is not None and listed.outcome is Outcome.ACCOUNT:
            return CheckResult("credentials", CheckVerdict.WRONG, f"{code}: {listed.reason}")
        refused = REFUSED_BY_HTTP.get(end.status) is Outcome.ACCOUNT
        return CheckResult("credentials", CheckVerdict.WRONG if refused else CheckVerdict.UNTOLD, end.code)

    def _get(self, url: str) -> WireAnswer | WireFault:
        return self.exchange(WireRequest("GET", url, self._headers(), b""))

    def _headers(self) -> dict[str, str]:
        login = f"{self._settings.account_sid}:{self._settings.auth_token.get_secret_value()}"
        basic = base64.b64encode(login.encode()).decode()
        return {"Accept": "application/json", "Authorization": f"Basic {basic}"}

    def _believed(self, request: PushRequest) -> Mapping[str, str] | None:
        """The fields of a request that Twilio signed, None when it did not."""
        token, signature = self._settings.auth_token.get_secret_value(), request.headers.get(SIGNATURE, "")
        try:
            urls = self._addresses(request.url)
            if request.headers.get("content-type", "").lower().startswith("application/json"):
                genuine = is_genuine_json(token, signature, urls, request.body)
                return _texts(json.loads(request.body)) if genuine else None
            form = parse_qs(request.body.decode(), keep_blank_values=True, errors="strict")
            genuine = is_genuine(token, signature, urls, form)
        except (ValueError, RecursionError):  # an address, a form or JSON that is none
            return None
        return {name: values[0] for name, values in form.items()} if genuine else None

    def _addresses(self, url: str) -> list[str]:
        """The request's address as we saw it, and the one Twilio was given, which a proxy may have changed."""
        query = urlsplit(url).query
        given = f"{self._push_url}?{query}" if query else self._push_url
        return [url, given] if self._push_url else [url]


def _texts(fields: object) -> Mapping[str, str]:
    """The texts of a JSON object; a signed body that is none has no fields."""
    return {k: v for k, v in fields.items() if isinstance(v, str)} if isinstance(fields, dict) else {}


class TwilioSms(TwilioApi):
    """Messages from a number or through a Messaging Service."""

    bounds_delivery = True
    _resource = "Messages"
    _settings: TwilioSettings

    def _form(self, message: OutboundMessage) -> dict[str, str]:
        service = self._settings.messaging_service_sid
        sender = {"MessagingServiceSid": service} if service else {"From": self._settings.sender}
        return {
            "To": message.phone,
            **self._callback_for(message),
            "ValidityPeriod": str(self._validity_s(message)),
            **sender,
            "Body": message.text,
        }

    def _validity_s(self, message: OutboundMessage) -> int:
        longest_s, left_s = self._settings.validity_s, seconds_left(message, self._clock())
        return longest_s if left_s is None else min(longest_s, left_s)

    def _sender_check(self) -> CheckResult:
        sender = self._settings.sender
        if not sender.startswith("+"):
            why = "Twilio tells this interface nothing of short codes, names and Messaging Services"
            return CheckResult("sender", CheckVerdict.UNTOLD, why)
        end = self._get(f"{self._base}/IncomingPhoneNumbers.json?{urlencode({'PhoneNumber': sender})}")
        fields = json_object(end)
        if not end.ok or fields is None:
            return CheckResult("sender", CheckVerdict.UNTOLD, "the account's numbers cannot be listed")
        return sms_capable(fields.get("incoming_phone_numbers"))


def sms_capable(numbers: object) -> CheckResult:
    """What the account's list of numbers says of the sender."""
    if not isinstance(numbers, list) or not all(isinstance(number, dict) for number in numbers):
        return CheckResult("sender", CheckVerdict.UNTOLD, "the account's numbers cannot be read")
    if not numbers:
        return CheckResult("sender", CheckVerdict.WRONG, "the account has no such number")
    able = numbers[0].get("capabilities")
    if isinstance(able, dict) and able.get("sms") is False:
        return CheckResult("sender", CheckVerdict.WRONG, "the number cannot send messages")
    return CheckResult("sender", CheckVerdict.OK, "the number belongs to the account")


# Voice calls through Twilio's Calls: the text travels with the request as TwiML, nothing is fetched from us.

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""XML 1.0 §2.2; one such character and the callee would hear an error instead of the text."""


class TwilioVoice(TwilioApi):
    """Calls that speak the message's text in its language."""

    _resource = "Calls"
    _settings: TwilioVoiceSettings

    def _form(self, message: OutboundMessage) -> dict[str, str]:
        language = message.language
        speaker = self._settings.speakers.get(language, SpeakerSettings(language=language))
        return {
            "To": message.phone,
            "From": self._settings.sender,
            **self._callback_for(message),
            "Twiml": twiml(message.text, speaker, self._settings.play_times),
        }

    def _sender_check(self) -> CheckResult:
        why = "a call may come from a number or a verified caller ID; Twilio says so when it is tried"
        return CheckResult("sender", CheckVerdict.UNTOLD, why)


def twiml(text: str, speaker: SpeakerSettings, play_times: int) -> str:
    """A document that speaks the text; whatever stands in it is spoken, never read as markup."""
    voice = {"voice": speaker.voice} if speaker.voice else {}
    response = ET.Element("Response")
    say = ET.SubElement(response, "Say", {"language": speaker.language, "loop": str(play_times), **voice})
    say.text = _NOT_XML.sub("", text)
    return ET.tostring(response, encoding="unicode")


# What Twilio pushes: whose it is, when it happened.


def _reference(url: str) -> str:
    return our_reference(parse_qs(urlsplit(url).query).get(REFERENCE, [""])[0])


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
    signed = (signature_of(token, variant, form) for url in urls for variant in with_ports(url))
    return any(hmac.compare_digest(ours.encode(), signature.encode()) for ours in signed)


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
    if not end.ok or fields is None:
        return _unread(inquiry, end)
    state, sid, error = (text_of(fields, name) for name in ("status", "sid", "error_code"))
    return fate(inquiry, "twilio", state, sid, error)


def by_number(end: WireAnswer | WireFault, inquiry: Inquiry, listed_as: str, now: datetime) -> LookUp:
    """ABSENT when there was no message to the number at that time; whose any other is, nobody can say."""
    fields = json_object(end)
    records = fields.get(listed_as) if fields is not None else None
    if not end.ok or fields is None or not isinstance(records, list):
        return _unread(inquiry, end)
    if fields.get("next_page_uri"):
        return unclear(inquiry, "too_many_to_one_number")
    if any(_may_be(record, inquiry.sent_at) for record in records):
        return unclear(inquiry, "record_without_our_reference")
    if now - inquiry.sent_at < SETTLED:
        return unclear(inquiry, "asked_too_early")
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


def _unread(inquiry: Inquiry, end: WireAnswer | WireFault) -> LookUp:
    return unclear(inquiry, "unreadable_answer" if end.ok else end.code)
