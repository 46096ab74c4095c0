"""Options of Tencent Cloud."""

import re
from typing import ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from carloan_notify.delivery.provider import ApprovedTemplateSettings, TemplateVendorSettings
from carloan_notify.delivery.vendor import Credential, Secret
from carloan_notify.records import Channel

VARIABLE: Final = re.compile(r"\{(\d+)\}")
"""Tencent numbers the variables of a template: {1}, {2}, …"""


class TencentCredentials(TemplateVendorSettings):
    """What both interfaces ask for."""

    secret_id: Credential = Field(
        repr=False,
        min_length=1,
        description="SecretId of an API key, best that of a sub-account which may only send.",
        examples=["${TENCENT_SECRET_ID}"],
    )
    secret_key: Secret = Field(
        min_length=1, description="SecretKey of that API key.", examples=["${TENCENT_SECRET_KEY}"]
    )
    app_id: str = Field(
        pattern=r"^[0-9]+$",
        description="SdkAppId of the application in the SMS or the voice console, in quotes.",
        examples=["1400006666"],
    )
    region: str = Field(
        default="ap-guangzhou",
        pattern=r"^[a-z0-9-]+$",
        description="Region that takes the requests: ap-guangzhou, ap-beijing or ap-nanjing; ap-singapore with "
        "the international site.",
    )
    templates: list[ApprovedTemplateSettings] = Field(
        default=[],
        description="Approved templates; the first that words a message is used. `code` is the template ID in "
        'quotes; `params` are its variables "1", "2", … in that order.',
    )

    @model_validator(mode="after")
    def _templates_fit(self) -> Self:
        found = [
            f"templates.{place}.{problem}"
            for place, template in enumerate(self.templates)
            for problem in _problems(template)
        ]
        if found:
            raise ValueError("; ".join(found))
        return self


def _problems(template: ApprovedTemplateSettings) -> list[str]:
    """What would put a value into the wrong place, or could not be a template of Tencent's."""
    found = []
    if not re.fullmatch("[0-9]+", template.code):
        found.append(f"code: {template.code!r} is no template ID; Tencent's are numbers")
    numbered = [name for name in template.params if name.isdecimal()]
    if numbered and list(template.params) != [str(n + 1) for n in range(len(template.params))]:
        found.append('params: write the variables as "1", "2", … in that order; they are sent by place')
    asked_for = len(set(VARIABLE.findall(template.text)))
    if template.text and asked_for != len(template.params):
        found.append(f"params: `text` has {asked_for} variables, `params` has {len(template.params)}")
    return found


class TencentSettings(TencentCredentials):
    """SMS through Tencent Cloud."""

    adapter: ClassVar[str] = "carloan_notify.delivery.providers.tencent.sms:TencentSms"
    type: Literal["tencent"] = Field(description="SMS through Tencent Cloud.", examples=["tencent"])
    rate_per_second: float | None = Field(
        default=3000, gt=0, description="Most messages a second; the vendor takes 3000 requests."
    )
    extend_code: str = Field(
        default="",
        pattern=r"^[0-9]*$",
        description="Extension of the sender's number, where Tencent has opened it for the application.",
        examples=["10"],
    )
    sender_id: str = Field(
        default="",
        description="Sender ID for numbers outside mainland China, where one was granted.",
        examples=["ANDA"],
    )
    pull_receipts: bool = Field(
        default=False,
        description="Fetch receipts and replies from Tencent's queues; its support has to open them first. "
        "Each record is handed out once, so no other program may pull the same application.",
        examples=[True],
    )


class TencentVoiceSettings(TencentCredentials):
    """Voice calls through Tencent Cloud."""

    adapter: ClassVar[str] = "carloan_notify.delivery.providers.tencent.sms:TencentVoice"
    channel = Channel.VOICE
    type: Literal["tencent_voice"] = Field(
        description="Voice calls through Tencent Cloud.", examples=["tencent_voice"]
    )
    rate_per_second: float | None = Field(
        default=20, gt=0, description="Most calls a second; the vendor takes 20."
    )
    concurrency: int = Field(default=8, ge=1, le=256, description="Requests on the wire at once.")
    play_times: int = Field(default=2, ge=1, le=3, description="How often the text is read out in one call.")
