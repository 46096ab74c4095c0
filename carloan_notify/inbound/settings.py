"""Options of what comes back."""

import re
from typing import Final
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from carloan_notify.records import MessageClass
from carloan_notify.settings import Settings


class ExportFileSettings(Settings):
    """How a file that was downloaded from a provider's portal is written (CSV, TSV or JSON)."""

    provider: str = Field(description="Name of the provider the file comes from.", examples=["main"])
    time_format: str = Field(
        default="ISO8601", description="Format of the time.", examples=["ISO8601", "%Y/%m/%d %H:%M:%S"]
    )
    encoding: str = Field(
        default="utf-8-sig", description="Encoding of the file.", examples=["utf-8-sig", "gb18030"]
    )


class ReceiptFileSettings(ExportFileSettings):
    """The columns of a receipt export downloaded from a provider's portal (CSV, TSV or JSON)."""

    reference: str = Field(default="", description="Column with our message id.", examples=["extend"])
    provider_ref: str = Field(default="", description="Column with the provider's id.", examples=["msgid"])
    state: str = Field(description="Column with the state.", examples=["status"])
    delivered: list[str] = Field(description="States that mean delivered.", examples=[["DELIVRD", "成功"]])
    pending: list[str] = Field(
        default=[],
        description="States that say nothing yet; skipped. Others mean undelivered.",
        examples=[["等待回执"]],
    )
    time: str = Field(description="Column with the time of the receipt.", examples=["report_time"])


class ReplyFileSettings(ExportFileSettings):
    """The columns of an export of replies downloaded from a provider's portal (CSV, TSV or JSON)."""

    phone: str = Field(description="Column with the sender's number.", examples=["mobile"])
    text: str = Field(description="Column with what was written.", examples=["content"])
    time: str = Field(description="Column with the time of the reply.", examples=["send_time"])
    id: str = Field(
        default="",
        description="Column with the provider's id of the reply. It lets a reply that comes twice be known again.",
        examples=["sms_id"],
    )
    reference: str = Field(
        default="", description="Column with our id of the message that is answered.", examples=["extend"]
    )


class InboundSettings(Settings):
    """What comes back from providers."""

    receipt_files: dict[str, ReceiptFileSettings] = Field(
        default={},
        description="Kinds of receipt exports, by a name of your choice for `receipts import --kind`.",
    )
    reply_files: dict[str, ReplyFileSettings] = Field(
        default={},
        description="Kinds of reply exports, by a name of your choice for `replies import --kind`.",
    )
    lexicon_file: str = Field(
        default="",
        description="Your own lexicon, the rules that say what a reply wants; empty for the one that comes with "
        "the package. Begin with `carloan-notify replies lexicon > lexicon.yaml`.",
        examples=["lexicon.yaml"],
    )
    opt_out_stops: list[MessageClass] = Field(
        default=list(MessageClass),
        min_length=1,
        description="Message classes that an opt-out reply stops for that number. Every class unless you know "
        "that your law and contracts let service messages or demands go on.",
        examples=[["marketing", "collection"]],
    )
    public_url: str = Field(
        default="",
        pattern=r"^(https?://[^\s?#@]+)?$",
        description="Address of `receipts listen` as providers know it, up to the provider's name. Kannel, Huawei and "
        "Twilio are told with each message to push its receipt there; empty: they are told nothing. A signature over "
        "the address (Twilio) is checked against it; empty: against the host that the request names.",
        examples=["https://notify.lender.example"],
    )


class LinkPageSettings(Settings):
    """The page behind the links of messages, served by `links serve`."""

    payment_url: str = Field(
        default="",
        description="Address of your own payment page, which the page hands on to. {token}, {loan_id}, {amount}, "
        "{currency} and {language} are filled in. Empty: the page offers no payment.",
        examples=["https://pay.lender.example/checkout?t={token}&amount={amount}"],
    )
    call_hours: tuple[str, ...] = Field(
        default=("09:00-12:00", "14:00-18:00"),
        min_length=1,
        description="Times in which your staff call back, for `call me`; in the time zone of who asks.",
        examples=[["09:00-12:00", "14:00-18:00"]],
    )
    longest_wait_days: int = Field(
        default=30,
        ge=1,
        le=366,
        description="How many days ahead somebody may ask for time. It is a request that a clerk answers.",
        examples=[30],
    )
    proxies: int = Field(
        default=0,
        ge=0,
        le=5,
        description="Proxies of yours in front of the page that each add the caller's address to X-Forwarded-For. It "
        "limits tries per address; 0 takes the address of the connection.",
        examples=[1],
    )

    @field_validator("payment_url")
    @classmethod
    def _one_place(cls, url: str) -> str:
        names = set(PLACEHOLDER.findall(url))
        if unknown := sorted(names - set(PAYMENT_NAMES)):
            known = ", ".join(f"{{{name}}}" for name in PAYMENT_NAMES)
            raise ValueError(f"{{{unknown[0]}}} is not filled in; use {known}")
        bare = PLACEHOLDER.sub("x", url)
        host = urlsplit(url).netloc
        if url and (
            "{" in host or not urlsplit(url).hostname or not url.startswith("https://") or {*"{} "} & {*bare}
        ):
            raise ValueError(
                "write an address that starts with https:// and a host of its own, without blanks"
            )
        return url

    @field_validator("call_hours")
    @classmethod
    def _spans(cls, spans: tuple[str, ...]) -> tuple[str, ...]:
        for span in spans:
            if not SPAN.fullmatch(span) or span[:5] >= span[6:]:
                raise ValueError(f"{span!r} is no span of one day; write it as 09:00-12:00")
        return spans


PLACEHOLDER: Final = re.compile(r"\{([a-z_]*)\}")
PAYMENT_NAMES: Final = ("token", "loan_id", "amount", "currency", "language")
SPAN: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d", re.ASCII)
