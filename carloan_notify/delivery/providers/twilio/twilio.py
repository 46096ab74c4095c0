"""SMS through Twilio's Messages."""

import base64
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final
from urllib.parse import parse_qs, quote, urlencode, urlsplit
from xml.etree import ElementTree as ET

import requests

from carloan_notify.delivery.codes import ByCode, Listed, answer_codes
from carloan_notify.delivery.gateway.answer import REFUSED_BY_HTTP, public_code, retry_after
from carloan_notify.delivery.http import WireAnswer, WireFault, WireRequest
from carloan_notify.delivery.provider import (
    Capabilities,
    CheckResult,
    CheckVerdict,
    Inquiry,
    LookUp,
    ReceiptMode,
    Received,
    Refused,
    seconds_left,
)
from carloan_notify.delivery.providers.twilio import returns
from carloan_notify.delivery.providers.twilio.returns import is_genuine, is_genuine_json
from carloan_notify.delivery.providers.twilio.settings import (
    SpeakerSettings,
    TwilioCredentials,
    TwilioSettings,
    TwilioVoiceSettings,
)
from carloan_notify.delivery.vendor import (
    SUCCESS,
    Vendor,
    callback,
    clock_check,
    coded,
    json_object,
    no_answer,
    text_of,
)
from carloan_notify.records import OutboundMessage, Outcome, PushRequest, SendResult

# What Twilio's messages and calls have in common: one request each, look-ups, signed callbacks, the check.

USUAL_URL: Final = "https://api.twilio.com"
LOOK_UP_WINDOW: Final = timedelta(days=7)
FAILED_AT_ONCE: Final = ("failed", "undelivered", "canceled")
SIGNATURE: Final = "x-twilio-signature"


class TwilioApi(Vendor, ABC):
    """An account's messages or calls."""

    _resource: ClassVar[str]
    """The name of the collection in the address."""
    _bounds_delivery: ClassVar[bool] = False
    """Whether a request says until when it may wait; a call has no such field."""

    def __init__(
        self,
        name: str,
        settings: TwilioCredentials,
        *,
        session: requests.Session | None = None,
        clock: Callable[[], datetime],
    ) -> None:
        super().__init__(name, settings, session=session, clock=clock)
        self._account = settings
        base = (settings.base_url or USUAL_URL).rstrip("/")
        self._base = f"{base}/2010-04-01/Accounts/{quote(settings.account_sid, safe='')}"
        self._callback = callback(settings.public_url, name, settings)

    @property
    def batch_limit(self) -> int:
        """Twilio takes one at a time."""
        return 1

    @property
    def capabilities(self) -> Capabilities:
        """Receipts carry our reference in their address, if there is one to push to."""
        pushes = bool(self._callback)
        mode = ReceiptMode.PUSH if pushes else ReceiptMode.NONE
        return Capabilities(
            look_up_window=LOOK_UP_WINDOW, receipts=mode, bounds_delivery=self._bounds_delivery
        )

    def send(self, batch: Sequence[OutboundMessage]) -> list[SendResult]:
        """One request per message."""
        return [self._sent(message) for message in batch]

    def look_up(self, inquiries: Sequence[Inquiry]) -> list[LookUp]:
        """By Twilio's own id; without one, only that nothing arrived can be told, by number and time."""
        return [self._found(inquiry) for inquiry in inquiries]

    def receive(self, request: PushRequest) -> Received | Refused:
        """Take what Twilio has signed: a state or a reply."""
        if request.method != "POST":
            return Refused(405, "not_a_post")
        fields = self._believed(request)
        if fields is None:
            return Refused(403, "bad_signature")
        page = returns.read(self._name, request.url, fields, request.body, self._clock())
        return Received(page, returns.NOTHING_TO_SAY)

    def check(self) -> list[CheckResult]:
        """Look at the account, the clock and the sender."""
        end = self._get(f"{self._base}.json")
        if isinstance(end, WireFault):
            return [CheckResult("credentials", CheckVerdict.UNTOLD, f"no answer: {end.code}")]
        account = _account_check(end)
        sender = [self._sender_check()] if account.verdict is CheckVerdict.OK else []
        return [account, clock_check(end.headers, self._clock()), *sender]

    @abstractmethod
    def _form(self, message: OutboundMessage) -> dict[str, str]:
        """The fields of a request, in the order of the vendor's SDK."""

    @abstractmethod
    def _sender_check(self) -> CheckResult:
        """Whether the account may send from the configured sender."""

    def _callback_for(self, message: OutboundMessage) -> dict[str, str]:
        if not self._callback:
            return {}
        return {"StatusCallback": f"{self._callback}?{returns.REFERENCE}={message.message_id}"}

    def _sent(self, message: OutboundMessage) -> SendResult:
        body = urlencode(self._form(message)).encode()
        headers = {**self._headers(), "Content-Type": "application/x-www-form-urlencoded"}
        end = self._wire.exchange(WireRequest("POST", f"{self._base}/{self._resource}.json", headers, body))
        return _result(message, end, self._clock())

    def _found(self, inquiry: Inquiry) -> LookUp:
        if inquiry.provider_ref:
            sid = quote(inquiry.provider_ref, safe="")
            return returns.by_id(self._get(f"{self._base}/{self._resource}/{sid}.json"), inquiry)
        query = urlencode({"To": inquiry.phone, "PageSize": returns.PAGE_SIZE})
        end = self._get(f"{self._base}/{self._resource}.json?{query}")
        return returns.by_number(end, inquiry, self._resource.lower(), self._clock())

    def _get(self, url: str) -> WireAnswer | WireFault:
        return self._wire.exchange(WireRequest("GET", url, self._headers(), b""))

    def _headers(self) -> dict[str, str]:
        login = f"{self._account.account_sid}:{self._account.auth_token.get_secret_value()}"
        basic = base64.b64encode(login.encode()).decode()
        return {"Accept": "application/json", "Authorization": f"Basic {basic}"}

    def _believed(self, request: PushRequest) -> Mapping[str, str] | None:
        """The fields of a request that Twilio signed, None when it did not."""
        token, signature = self._account.auth_token.get_secret_value(), request.headers.get(SIGNATURE, "")
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
        given = f"{self._callback}?{query}" if query else self._callback
        return [url, given] if self._callback else [url]


def table() -> ByCode[Listed]:
    """Twilio's answer codes."""
    return answer_codes("twilio")


def _result(message: OutboundMessage, end: WireFault | WireAnswer, now: datetime) -> SendResult:
    fields = json_object(end)
    if isinstance(end, WireFault) or fields is None:
        return no_answer(end, [message], now)[0]
    if end.status in SUCCESS:
        return _created(message, end, fields, now)
    code = text_of(fields, "code")
    if not code or (table().get(code) is None and end.status in REFUSED_BY_HTTP):
        return no_answer(end, [message], now)[0]
    return coded(message.message_id, code, table(), retry_after_s=retry_after(end.headers, now))


def _created(
    message: OutboundMessage, end: WireAnswer, fields: Mapping[str, Any], now: datetime
) -> SendResult:
    sid, state = text_of(fields, "sid"), text_of(fields, "status")
    if not sid:
        return no_answer(end, [message], now)[0]
    if state in FAILED_AT_ONCE:
        error = text_of(fields, "error_code")
        return coded(message.message_id, error if table().get(error) else state, table(), sid)
    return SendResult(message.message_id, Outcome.ACCEPTED, sid, public_code(state or "created"))


def _account_check(end: WireAnswer) -> CheckResult:
    fields = json_object(end) or {}
    code, state = text_of(fields, "code"), text_of(fields, "status")
    listed = table().get(code)
    if end.status in SUCCESS and state == "active":
        return CheckResult("credentials", CheckVerdict.OK, "the account is active")
    if end.status in SUCCESS and state:
        return CheckResult("credentials", CheckVerdict.WRONG, f"the account is {state}")
    if listed is not None and listed.outcome is Outcome.ACCOUNT:
        return CheckResult("credentials", CheckVerdict.WRONG, f"{code}: {listed.reason}")
    if REFUSED_BY_HTTP.get(end.status) is Outcome.ACCOUNT:
        return CheckResult("credentials", CheckVerdict.WRONG, f"http_{end.status}")
    return CheckResult("credentials", CheckVerdict.UNTOLD, f"http_{end.status}")


def _texts(fields: object) -> Mapping[str, str]:
    """The texts of a JSON object; a signed body that is none has no fields."""
    return {k: v for k, v in fields.items() if isinstance(v, str)} if isinstance(fields, dict) else {}


class TwilioSms(TwilioApi):
    """Messages from a number or through a Messaging Service."""

    _resource = "Messages"
    _bounds_delivery = True

    def __init__(
        self,
        name: str,
        settings: TwilioSettings,
        *,
        session: requests.Session | None = None,
        clock: Callable[[], datetime],
    ) -> None:
        super().__init__(name, settings, session=session, clock=clock)
        self._settings = settings

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
        if isinstance(end, WireFault) or end.status not in SUCCESS or fields is None:
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

    def __init__(
        self,
        name: str,
        settings: TwilioVoiceSettings,
        *,
        session: requests.Session | None = None,
        clock: Callable[[], datetime],
    ) -> None:
        super().__init__(name, settings, session=session, clock=clock)
        self._settings = settings

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
