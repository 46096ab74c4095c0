"""SMS through Twilio's Messages."""

from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlencode

import requests

from carloan_notify.delivery.provider import CheckResult, Verdict
from carloan_notify.delivery.providers.twilio.api import TwilioApi
from carloan_notify.delivery.providers.twilio.settings import TwilioSettings
from carloan_notify.delivery.vendor import SUCCESS, json_object
from carloan_notify.delivery.wire import WireFault
from carloan_notify.records import OutboundMessage


class TwilioSms(TwilioApi):
    """Messages from a number or through a Messaging Service."""

    _resource = "Messages"

    def __init__(
        self,
        name: str,
        settings: TwilioSettings,
        *,
        session: requests.Session | None = None,
        clock: Callable[[], datetime],
    ) -> None:
        """Opens no connection yet."""
        super().__init__(name, settings, session=session, clock=clock)
        self._settings = settings

    def _form(self, message: OutboundMessage) -> dict[str, str]:
        service = self._settings.messaging_service_sid
        sender = {"MessagingServiceSid": service} if service else {"From": self._settings.sender}
        return {
            "To": message.phone,
            **self._callback_for(message),
            "ValidityPeriod": str(self._settings.validity_s),
            **sender,
            "Body": message.text,
        }

    def _sender_check(self) -> CheckResult:
        sender = self._settings.sender
        if not sender.startswith("+"):
            why = "Twilio tells this interface nothing of short codes, names and Messaging Services"
            return CheckResult("sender", Verdict.UNTOLD, why)
        end = self._get(f"{self._base}/IncomingPhoneNumbers.json?{urlencode({'PhoneNumber': sender})}")
        fields = json_object(end)
        if isinstance(end, WireFault) or end.status not in SUCCESS or fields is None:
            return CheckResult("sender", Verdict.UNTOLD, "the account's numbers cannot be listed")
        return sms_capable(fields.get("incoming_phone_numbers"))


def sms_capable(numbers: object) -> CheckResult:
    """What the account's list of numbers says of the sender."""
    if not isinstance(numbers, list) or not all(isinstance(number, dict) for number in numbers):
        return CheckResult("sender", Verdict.UNTOLD, "the account's numbers cannot be read")
    if not numbers:
        return CheckResult("sender", Verdict.WRONG, "the account has no such number")
    able = numbers[0].get("capabilities")
    if isinstance(able, dict) and able.get("sms") is False:
        return CheckResult("sender", Verdict.WRONG, "the number cannot send messages")
    return CheckResult("sender", Verdict.OK, "the number belongs to the account")
