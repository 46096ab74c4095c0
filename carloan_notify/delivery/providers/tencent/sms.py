"""SMS through Tencent Cloud: SendSms (2021-01-11), receipts and replies by push or from queues."""

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

import requests

from carloan_notify.delivery.approved import choose, fill, without_template
from carloan_notify.delivery.provider import (
    ApprovedTemplateSettings,
    Capabilities,
    CheckResult,
    Inquiry,
    LookUp,
    ReceiptMode,
    Received,
    Refused,
    ReturnPage,
)
from carloan_notify.delivery.providers.tencent.api import SMS, VOICE, Interface, read_call, read_statuses
from carloan_notify.delivery.providers.tencent.checks import check_calls, check_messages
from carloan_notify.delivery.providers.tencent.returns import (
    LOOK_UP_WINDOW,
    PageReader,
    looked_up,
    pulled,
    pushed_call,
    pushed_message,
    received,
)
from carloan_notify.delivery.providers.tencent.settings import TencentSettings, TencentVoiceSettings
from carloan_notify.delivery.vendor import Vendor
from carloan_notify.records import OutboundMessage, PushRequest, SendResult

MAINLAND: Final = "+86"


class TencentSms(Vendor):
    """Messages of one template with the same parameters share a request."""

    batch_limit = 200

    def __init__(
        self,
        name: str,
        settings: TencentSettings,
        *,
        session: requests.Session | None = None,
        clock: Callable[[], datetime],
    ) -> None:
        """Opens no connection yet; `clock` gives the time of signatures."""
        super().__init__(name, settings, session=session, clock=clock)
        self._settings = settings
        self._interface = Interface(SMS, settings, self._wire, clock)

    @property
    def capabilities(self) -> Capabilities:
        """Our reference travels with a message that goes alone."""
        pushed = ReceiptMode.PUSH if self._settings.push_secret else ReceiptMode.NONE
        mode = ReceiptMode.PULL if self._settings.pull_receipts else pushed
        return Capabilities(look_up_window=LOOK_UP_WINDOW, receipts=mode)

    def batch_key(self, message: OutboundMessage) -> str:
        """A digest of what a request holds once: template, parameters, and whether it goes abroad."""
        template = choose(self._settings.templates, message)
        if template is None:
            return ""
        abroad = str(not message.phone.startswith(MAINLAND))
        shared = [template.code, template.sign, abroad, *fill(template, message).values()]
        return hashlib.sha256(json.dumps(shared).encode()).hexdigest()

    def send(self, batch: Sequence[OutboundMessage]) -> list[SendResult]:
        """One request for messages of one `batch_key`.

        Raises:
            ValueError: the messages differ in template or parameters, so that somebody would get another's.
        """
        if len({self.batch_key(message) for message in batch}) > 1:
            raise ValueError("messages of different templates or parameters in one batch")
        template = choose(self._settings.templates, batch[0])
        if template is None:
            return without_template(batch)
        end = self._interface.call("SendSms", self._parameters(template, batch))
        return read_statuses(end, batch, self._clock())

    def look_up(self, inquiries: Sequence[Inquiry]) -> list[LookUp]:
        """Ask for the receipts of each number."""
        reader, app_id = self._reader(), self._settings.app_id
        return [looked_up(self._interface, app_id, reader, inquiry) for inquiry in inquiries]

    def receive(self, request: PushRequest) -> Received | Refused:
        """Pushed receipts (a list) and replies (one at a time)."""
        return received(self._name, request, pushed_message(self._reader()))

    def pull(self, since: datetime, cursor: str) -> ReturnPage:  # noqa: ARG002 - the queue knows what is new
        """Receipts first, then replies."""
        return pulled(self._interface, self._settings.app_id, self._reader(), cursor)

    def check(self) -> list[CheckResult]:
        """Look at key, application, clock, templates and signs."""
        return check_messages(self._interface, self._settings, self._clock())

    def _reader(self) -> PageReader:
        return PageReader(self._name, self._clock())

    def _parameters(
        self, template: ApprovedTemplateSettings, batch: Sequence[OutboundMessage]
    ) -> dict[str, Any]:
        """The body of SendSms in the order of the vendor's SDK; what is empty is left out."""
        mainland = batch[0].phone.startswith(MAINLAND)
        parameters = {
            "PhoneNumberSet": [message.phone for message in batch],
            "SmsSdkAppId": self._settings.app_id,
            "TemplateId": template.code,
            "SignName": template.sign,
            "TemplateParamSet": list(fill(template, batch[0]).values()),
            "ExtendCode": self._settings.extend_code,
            "SessionContext": batch[0].message_id if len(batch) == 1 else "",
            "SenderId": "" if mainland else self._settings.sender_id,
        }
        return {name: value for name, value in parameters.items() if value != ""}


# Voice calls through Tencent Cloud: SendTtsVoice (vms, 2020-09-02), call-backs on what became of them.


class TencentVoice(Vendor):
    """Reads an approved template out on the phone, one call a request. It cannot be asked about a call later."""

    batch_limit = 1

    def __init__(
        self,
        name: str,
        settings: TencentVoiceSettings,
        *,
        session: requests.Session | None = None,
        clock: Callable[[], datetime],
    ) -> None:
        """Opens no connection yet; `clock` gives the time of signatures."""
        super().__init__(name, settings, session=session, clock=clock)
        self._settings = settings
        self._interface = Interface(VOICE, settings, self._wire, clock)

    @property
    def capabilities(self) -> Capabilities:
        """Call-backs name the CallId; our reference only comes back in the answer."""
        mode = ReceiptMode.PUSH if self._settings.push_secret else ReceiptMode.NONE
        return Capabilities(look_up_window=None, receipts=mode)

    def send(self, batch: Sequence[OutboundMessage]) -> list[SendResult]:
        """Place the one call of the batch.

        Raises:
            ValueError: there is not exactly one.
        """
        (message,) = batch
        template = choose(self._settings.templates, message)
        if template is None:
            return without_template(batch)
        end = self._interface.call("SendTtsVoice", self._parameters(template, message))
        return [read_call(end, message, self._clock())]

    def receive(self, request: PushRequest) -> Received | Refused:
        """Pushed results of calls and reasons of failure; pressed keys are acknowledged and left aside."""
        return received(self._name, request, pushed_call(PageReader(self._name, self._clock())))

    def check(self) -> list[CheckResult]:
        """Look at the key and the clock; the vendor shows neither templates nor numbers."""
        return check_calls(self._interface, self._settings, self._clock())

    def _parameters(
        self, template: ApprovedTemplateSettings, message: OutboundMessage
    ) -> dict[str, str | int | list[str]]:
        """The body of SendTtsVoice in the order of the vendor's SDK."""
        return {
            "TemplateId": template.code,
            "CalledNumber": message.phone,
            "VoiceSdkAppid": self._settings.app_id,
            "TemplateParamSet": list(fill(template, message).values()),
            "PlayTimes": self._settings.play_times,
            "SessionContext": message.message_id,
        }
