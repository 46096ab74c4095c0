"""Options of Twilio."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from carloan_notify.delivery.provider import VendorSettings
from carloan_notify.delivery.vendor import Credential, Secret
from carloan_notify.records import Channel
from carloan_notify.settings import Settings


class TwilioCredentials(VendorSettings):
    """What both interfaces ask for."""

    push_address = "https"
    account_sid: Credential = Field(
        min_length=1, description="Account SID.", examples=["${TWILIO_ACCOUNT_SID}"]
    )
    auth_token: Secret = Field(
        min_length=1,
        description="Auth token; it signs what Twilio sends us, so an API key does not do.",
        examples=["${TWILIO_AUTH_TOKEN}"],
    )


class TwilioSettings(TwilioCredentials):
    """SMS through Twilio."""

    adapter: ClassVar[str] = "carloan_notify.delivery.providers.twilio.twilio:TwilioSms"
    type: Literal["twilio"] = Field(description="SMS through Twilio.", examples=["twilio"])
    sender: str = Field(
        default="",
        description="Number, short code or alphanumeric sender to send from; empty with a Messaging Service.",
        examples=["+12025550199"],
    )
    messaging_service_sid: str = Field(
        default="",
        description="Messaging Service to send through, instead of `sender`.",
        examples=["${TWILIO_MESSAGING_SERVICE_SID}"],
    )
    validity_s: int = Field(
        default=3600,
        ge=1,
        le=36_000,
        description="Most seconds a message may wait in Twilio's queue, and never past its contact hours; what waits "
        "longer is dropped. Set `rate_per_second` to what the sender may carry.",
    )

    @model_validator(mode="after")
    def _one_sender(self) -> Self:
        if bool(self.sender) == bool(self.messaging_service_sid):
            raise ValueError(
                "sender: set either `sender` or `messaging_service_sid`, not both and not neither"
            )
        return self


class SpeakerSettings(Settings):
    """Who speaks a language."""

    language: str = Field(description="Twilio's code of the language.", examples=["en-US", "cmn-CN"])
    voice: str = Field(
        default="",
        description="Voice that speaks it; empty for the account's default.",
        examples=["Polly.Zhiyu"],
    )


class TwilioVoiceSettings(TwilioCredentials):
    """Voice calls through Twilio."""

    adapter: ClassVar[str] = "carloan_notify.delivery.providers.twilio.twilio:TwilioVoice"
    channel = Channel.VOICE
    type: Literal["twilio_voice"] = Field(
        description="Voice calls through Twilio.", examples=["twilio_voice"]
    )
    sender: str = Field(
        min_length=1,
        description="Number to call from: one of the account's, or a verified caller ID.",
        examples=["+12025550199"],
    )
    speakers: dict[str, SpeakerSettings] = Field(
        default={
            "en": SpeakerSettings(language="en-US"),
            "zh-CN": SpeakerSettings(language="cmn-CN", voice="Polly.Zhiyu"),
        },
        description="Who speaks each language of our templates; one that is not listed is passed on as it is.",
        examples=[{"en": {"language": "en-GB", "voice": "Polly.Amy"}}],
    )
    play_times: int = Field(default=2, ge=1, le=3, description="How often the text is spoken in one call.")
