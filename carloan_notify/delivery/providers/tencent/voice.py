"""Voice calls through Tencent Cloud: SendTtsVoice (vms, 2020-09-02), call-backs on what became of them."""

from collections.abc import Callable, Sequence
from datetime import datetime

import requests

from carloan_notify.delivery.approved import choose, fill, without_template
from carloan_notify.delivery.provider import Capabilities, CheckResult, ReceiptMode, Received, Refused
from carloan_notify.delivery.provider_settings import ApprovedTemplateSettings
from carloan_notify.delivery.providers.tencent.answers import read_call
from carloan_notify.delivery.providers.tencent.checks import check_calls
from carloan_notify.delivery.providers.tencent.interface import VOICE, Interface
from carloan_notify.delivery.providers.tencent.returns import Reader, pushed_call, received
from carloan_notify.delivery.providers.tencent.settings import TencentVoiceSettings
from carloan_notify.delivery.vendor import Vendor
from carloan_notify.records import OutboundMessage, PushRequest, SendResult


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
        return Capabilities(client_reference=False, look_up_window=None, receipts=mode)

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
        return received(self._name, request, pushed_call(Reader(self._name, self._clock())))

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
