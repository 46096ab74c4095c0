"""SMS through Tencent Cloud: SendSms (2021-01-11), receipts and replies by push or from queues."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final, Unpack

from carloan_notify.delivery.approved import choose, fill
from carloan_notify.delivery.codes import coded
from carloan_notify.delivery.http import WireAnswer, WireRequest
from carloan_notify.delivery.provider import (
    CheckResult,
    Inquiry,
    LookUp,
    ReceiptMode,
    Received,
    Refused,
    ReturnPage,
    one_per_message,
)
from carloan_notify.delivery.providers.tencent.api import (
    SMS,
    VOICE,
    Interface,
    Service,
    check_calls,
    check_messages,
    entries,
    error_code,
    response_in,
)
from carloan_notify.delivery.providers.tencent.returns import (
    LOOK_UP_WINDOW,
    PageReader,
    looked_up,
    pulled,
    pushed_call,
    pushed_message,
    received,
)
from carloan_notify.delivery.providers.tencent.settings import (
    TencentCredentials,
    TencentSettings,
    TencentVoiceSettings,
)
from carloan_notify.delivery.vendor import Filled, TemplateVendor, Wired, by_status, text_of
from carloan_notify.records import OutboundMessage, PushRequest, SendResult

MAINLAND: Final = "+86"


CAPS: Final[Mapping[str, float]] = {
    "LimitExceeded.PhoneNumberThirtySecondLimit": 30.0,
    "LimitExceeded.PhoneNumberOneHourLimit": 3600.0,
}
"""Seconds until a number may have messages again; other caps do not tell, and count as a day's."""


class TencentApi(TemplateVendor):
    """What messages and calls have in common."""

    codes = "tencent"
    _service: ClassVar[Service]
    _settings: TencentCredentials

    def __init__(self, name: str, settings: TencentCredentials, **wired: Unpack[Wired]) -> None:
        super().__init__(name, settings, **wired)
        self._interface = Interface(self._service, settings, self._wire, self._clock)

    def wait_s(self, answer: WireAnswer, code: str) -> float:
        """As long as a number's cap lasts."""
        return CAPS.get(code) or super().wait_s(answer, code)

    def _by_error(self, answer: WireAnswer, batch: Sequence[OutboundMessage]) -> list[SendResult]:
        """By the error of the whole request. One that can only be one number's refuses none of several."""
        code = error_code(response_in(answer))
        return self.by_code(answer, code, batch) if code else by_status(answer, batch, self._clock())

    def _reader(self) -> PageReader:
        return PageReader(self._name, self._clock())


class TencentSms(TencentApi):
    """Messages of one template with the same parameters share a request."""

    batch_limit = 200
    look_up_window = LOOK_UP_WINDOW
    """Our reference travels with a message that goes alone."""
    _service = SMS
    _settings: TencentSettings

    @property
    def receipt_mode(self) -> ReceiptMode:
        """From the vendor's queues, where these are asked."""
        return ReceiptMode.PULL if self._settings.pull_receipts else super().receipt_mode

    def batch_key(self, message: OutboundMessage) -> str:
        """A digest of what a request holds once: template, parameters, and whether it goes abroad."""
        template = choose(self._settings.templates, message)
        if template is None:
            return ""
        abroad = str(not message.phone.startswith(MAINLAND))
        shared = [template.code, template.sign, abroad, *fill(template, message).values()]
        return hashlib.sha256(json.dumps(shared).encode()).hexdigest()

    def request(self, going: Sequence[Filled]) -> WireRequest:
        """One request for messages of one `batch_key`.

        Raises:
            ValueError: the messages differ in template or parameters, so that somebody would get another's.
        """
        if len({self.batch_key(filled.message) for filled in going}) > 1:
            raise ValueError("messages of different templates or parameters in one batch")
        return self._interface.request("SendSms", self._parameters(going))

    def read(self, answer: WireAnswer, batch: Sequence[OutboundMessage]) -> list[SendResult]:
        """By each number's status, because it may say that something was sent; else by the error."""
        listed = entries(response_in(answer), "SendStatusSet")
        statuses = [status for status in listed if isinstance(status, Mapping)]
        if statuses and answer.ok:
            return one_per_message(batch, list(self._by_number(statuses, batch)))
        return self._by_error(answer, batch)

    def _by_number(
        self, statuses: Sequence[Mapping[str, Any]], batch: Sequence[OutboundMessage]
    ) -> Iterator[SendResult]:
        """In the vendor's order. No number stands twice in a batch; one status for one message is its own."""
        by_number = {message.phone: message.message_id for message in batch}
        only = batch[0].message_id if len(batch) == len(statuses) == 1 else ""
        for status in statuses:
            message_id = only or by_number.get(text_of(status, "PhoneNumber"))
            if message_id:
                code, serial = text_of(status, "Code"), text_of(status, "SerialNo")
                yield coded(message_id, code, self.meaning(code), serial, CAPS.get(code, 0.0))

    def look_up_one(self, inquiry: Inquiry) -> LookUp:
        """Ask for the receipts of its number."""
        return looked_up(self._interface, self._settings.app_id, self._reader(), inquiry)

    def receive(self, request: PushRequest) -> Received | Refused:
        """Pushed receipts (a list) and replies (one at a time)."""
        return received(self._name, request, pushed_message(self._reader()))

    def pull(self, since: datetime, cursor: str) -> ReturnPage:  # noqa: ARG002 - the queue knows what is new
        """Receipts first, then replies."""
        return pulled(self._interface, self._settings.app_id, self._reader(), cursor)

    def check(self) -> list[CheckResult]:
        """Look at key, application, clock, templates and signs."""
        return check_messages(self._interface, self._settings, self._clock())

    def _parameters(self, going: Sequence[Filled]) -> dict[str, Any]:
        """The body of SendSms in the order of the vendor's SDK; what is empty is left out."""
        first = going[0].message
        parameters = {
            "PhoneNumberSet": [filled.message.phone for filled in going],
            "SmsSdkAppId": self._settings.app_id,
            "TemplateId": going[0].template.code,
            "SignName": going[0].template.sign,
            "TemplateParamSet": list(going[0].values.values()),
            "ExtendCode": self._settings.extend_code,
            "SessionContext": first.message_id if len(going) == 1 else "",
            "SenderId": "" if first.phone.startswith(MAINLAND) else self._settings.sender_id,
        }
        return {name: value for name, value in parameters.items() if value != ""}


# Voice calls through Tencent Cloud: SendTtsVoice (vms, 2020-09-02), call-backs on what became of them.


class TencentVoice(TencentApi):
    """Reads an approved template out on the phone, one call a request. It cannot be asked about a call later."""

    _service = VOICE
    _settings: TencentVoiceSettings

    def request(self, going: Sequence[Filled]) -> WireRequest:
        """One call."""
        return self._interface.request("SendTtsVoice", self._parameters(going[0]))

    def read(self, answer: WireAnswer, batch: Sequence[OutboundMessage]) -> list[SendResult]:
        """Without an error, its CallId says that the call was taken."""
        response = response_in(answer) or {}
        status = response.get("SendStatus")
        call_id = text_of(status, "CallId") if isinstance(status, Mapping) else ""
        if call_id and answer.ok:
            return [coded(message.message_id, "Ok", self.meaning("Ok"), call_id) for message in batch]
        return self._by_error(answer, batch)

    def receive(self, request: PushRequest) -> Received | Refused:
        """Pushed results of calls and reasons of failure; pressed keys are acknowledged and left aside."""
        return received(self._name, request, pushed_call(self._reader()))

    def check(self) -> list[CheckResult]:
        """Look at the key and the clock; the vendor shows neither templates nor numbers."""
        return check_calls(self._interface, self._settings, self._clock())

    def _parameters(self, filled: Filled) -> dict[str, str | int | list[str]]:
        """The body of SendTtsVoice in the order of the vendor's SDK."""
        return {
            "TemplateId": filled.template.code,
            "CalledNumber": filled.message.phone,
            "VoiceSdkAppid": self._settings.app_id,
            "TemplateParamSet": list(filled.values.values()),
            "PlayTimes": self._settings.play_times,
            "SessionContext": filled.message.message_id,
        }
