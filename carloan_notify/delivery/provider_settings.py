"""Options that providers have in common; each kind's own stand beside its adapter."""

from decimal import Decimal
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from carloan_notify.records import Channel
from carloan_notify.settings import Settings

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class ProviderSettings(Settings):
    """What every provider has in common."""

    channels: list[Channel] = Field(
        default=[Channel.SMS],
        min_length=1,
        description="Channels this provider serves.",
        examples=[["sms"], ["sms", "voice"]],
    )
    rate_per_second: float | None = Field(
        default=None,
        gt=0,
        description="Most messages a second of one `send`, from the provider's contract; several senders at once "
        "share it, so divide. Empty for no limit.",
        examples=[200],
    )
    burst: float | None = Field(
        default=None,
        ge=1,
        description="Messages that may leave at once after a pause; empty for a tenth of a second's worth.",
        examples=[20],
    )
    concurrency: int = Field(
        default=32,
        ge=1,
        le=256,
        description="Requests on the wire at once: about requests per second times the answer time.",
        examples=[8, 32],
    )
    unit_price_minor: Decimal = Field(
        default=Decimal(0),
        ge=0,
        description="Price of one SMS segment or one call in minor units (fen, cent), for the cost guard.",
        examples=[4.5],
    )
    push_secret: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="Last part of the address that the provider pushes receipts and replies to: "
        "https://your-host/NAME/SECRET. Empty: nothing is taken from a push.",
        examples=["${MAIN_PUSH_SECRET}"],
    )


class WireSettings(Settings):
    """How a provider is reached over HTTP."""

    connect_timeout_s: float = Field(
        default=5, gt=0, le=120, description="Seconds to wait for a connection.", examples=[5]
    )
    read_timeout_s: float = Field(
        default=20,
        gt=0,
        le=300,
        description="Seconds to wait for an answer; later, it is unknown.",
        examples=[20],
    )
    ca_file: str = Field(
        default="",
        description="PEM file of a private certificate authority; empty for the public ones.",
        examples=["secrets/gateway-ca.pem"],
    )


class WiredSettings(ProviderSettings, WireSettings):
    """A provider that is reached over HTTP."""


class VendorSettings(WiredSettings):
    """A vendor's own interface. `base_url` is the vendor's unless set."""

    base_url: str = Field(
        default="",
        pattern=r"^(https?://\S+)?$",
        description="Address of the interface, for a proxy or another region; empty for the vendor's usual one.",
        examples=["https://dysmsapi.ap-southeast-1.aliyuncs.com"],
    )
    allow_plain_http: bool = Field(
        default=False,
        description="Allow http:// to another host. Phone numbers would travel in the clear.",
        examples=[False],
    )

    @model_validator(mode="after")
    def _no_phones_in_the_clear(self) -> Self:
        address = urlsplit(self.base_url)
        if address.scheme == "http" and address.hostname not in LOOPBACK and not self.allow_plain_http:
            raise ValueError(
                "base_url: phone numbers would travel in the clear; use https:// or set allow_plain_http"
            )
        if "@" in address.netloc:
            raise ValueError("base_url: credentials do not belong in an address")
        return self


class ApprovedTemplateSettings(Settings):
    """One template that a provider has approved, and which of our messages it words."""

    notices: list[str] = Field(
        min_length=1, description="Notices it words.", examples=[["overdue_1", "overdue_3"]]
    )
    language: str = Field(
        default="", description="Language it words; empty for every language.", examples=["zh-CN", "en"]
    )
    party: Literal["any", "borrower", "other"] = Field(
        default="any",
        description="Whom it addresses: the borrower, or a co-borrower or guarantor, who must learn less.",
        examples=["borrower"],
    )
    loans: Literal["any", "one", "several"] = Field(
        default="any",
        description="Whether it tells one loan, or several that were merged into one message.",
        examples=["one"],
    )
    code: str = Field(
        min_length=1, description="The provider's code of the template.", examples=["SMS_000000001"]
    )
    sign: str = Field(
        default="",
        description="Sign it is sent under, where the provider asks for one.",
        examples=["安达车贷"],
    )
    params: dict[str, str] = Field(
        default={},
        description="The template's variables, in its order. {name} stands for a value of the message: those "
        "of `templates list --variables`; {amount_text} and {due_on_text} are written as in our own text.",
        examples=[{"name": "{borrower_name}", "amount": "{amount_text}"}],
    )
    text: str = Field(
        default="",
        description="The approved text as the provider shows it, for `templates lint --provider`.",
        examples=["您的车贷${amount}今日到期，请按时还款。"],
    )
