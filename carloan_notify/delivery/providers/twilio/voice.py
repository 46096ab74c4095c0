"""Voice calls through Twilio's Calls: the text travels with the request as TwiML, nothing is fetched from us."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Final
from xml.etree import ElementTree as ET

import requests

from carloan_notify.delivery.provider import CheckResult, Verdict
from carloan_notify.delivery.providers.twilio.api import TwilioApi
from carloan_notify.delivery.providers.twilio.settings import SpeakerSettings, TwilioVoiceSettings
from carloan_notify.records import OutboundMessage

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
        """Opens no connection yet."""
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
        return CheckResult("sender", Verdict.UNTOLD, why)


def twiml(text: str, speaker: SpeakerSettings, play_times: int) -> str:
    """A document that speaks the text; whatever stands in it is spoken, never read as markup."""
    voice = {"voice": speaker.voice} if speaker.voice else {}
    response = ET.Element("Response")
    say = ET.SubElement(response, "Say", {"language": speaker.language, "loop": str(play_times), **voice})
    say.text = _NOT_XML.sub("", text)
    return ET.tostring(response, encoding="unicode")
