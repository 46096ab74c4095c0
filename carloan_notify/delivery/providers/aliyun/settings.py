"""Options of Alibaba Cloud."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from carloan_notify.delivery.provider import TemplateVendorSettings
from carloan_notify.delivery.vendor import Credential, Secret
from carloan_notify.records import Channel
from carloan_notify.settings import Settings

_QUEUE = r"^[A-Za-z0-9-]*$"


class AliyunQueueSettings(Settings):
    """Where receipts wait in the message queue (MNS), for a host that nobody can push to."""

    reports_queue: str = Field(
        default="",
        pattern=_QUEUE,
        description="Queue of the receipts (SmsReport, for calls VoiceReport), from the console.",
        examples=["Alicom-Queue-1000000000000000-SmsReport"],
    )


class AliyunSmsQueueSettings(AliyunQueueSettings):
    """Where receipts and replies wait in the message queue (MNS)."""

    replies_queue: str = Field(
        default="",
        pattern=_QUEUE,
        description="Queue of the replies (SmsUp), from the console.",
        examples=["Alicom-Queue-1000000000000000-SmsUp"],
    )

    @model_validator(mode="after")
    def _some_queue(self) -> Self:
        if not (self.reports_queue or self.replies_queue):
            raise ValueError("name reports_queue, replies_queue or both, or leave `mns` out")
        return self


class AliyunCredentials(TemplateVendorSettings):
    """What both interfaces ask for."""

    access_key_id: Credential = Field(
        min_length=1, description="AccessKey ID of a RAM user.", examples=["${ALIYUN_ACCESS_KEY_ID}"]
    )
    access_key_secret: Secret = Field(
        min_length=1, description="Its secret.", examples=["${ALIYUN_ACCESS_KEY_SECRET}"]
    )


class AliyunSettings(AliyunCredentials):
    """SMS through Alibaba Cloud."""

    adapter: ClassVar[str] = "carloan_notify.delivery.providers.aliyun.aliyun:AliyunSms"
    type: Literal["aliyun"] = Field(description="SMS through Alibaba Cloud.", examples=["aliyun"])
    mns: AliyunSmsQueueSettings | None = Field(
        default=None, description="Fetch receipts and replies from queues instead of having them pushed."
    )

    @model_validator(mode="after")
    def _signed_templates(self) -> Self:
        unsigned = sorted({template.code for template in self.templates if not template.sign})
        if unsigned:
            raise ValueError(f"templates: {', '.join(unsigned)}: set `sign`; Alibaba Cloud asks for one")
        return self


class AliyunVoiceSettings(AliyunCredentials):
    """Voice calls through Alibaba Cloud."""

    adapter: ClassVar[str] = "carloan_notify.delivery.providers.aliyun.aliyun:AliyunVoice"
    channel = Channel.VOICE
    type: Literal["aliyun_voice"] = Field(
        description="Voice calls through Alibaba Cloud.", examples=["aliyun_voice"]
    )
    called_show_number: str = Field(
        default="",
        pattern=r"^\d*$",
        description="Number of yours that the borrower sees; empty for the shared pool.",
        examples=["057100000000"],
    )
    play_times: int = Field(default=2, ge=1, le=3, description="How often the text is spoken in one call.")
    mns: AliyunQueueSettings | None = Field(
        default=None, description="Fetch call reports from a queue instead of having them pushed."
    )

    @model_validator(mode="after")
    def _some_queue(self) -> Self:
        if self.mns is not None and not self.mns.reports_queue:
            raise ValueError("mns.reports_queue: name the queue of VoiceReport, or leave `mns` out")
        return self
