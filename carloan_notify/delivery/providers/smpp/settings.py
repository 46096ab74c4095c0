"""Options of SMPP."""

from typing import ClassVar, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, field_validator, model_validator

from carloan_notify.delivery.provider import LOOPBACK, ProviderSettings

_ASCII = r"^[!-~]*$"


class SmppAccountSettings(ProviderSettings):
    """The link and who binds."""

    host: str = Field(min_length=1, description="Host of the SMSC.", examples=["smsc.example"])
    port: int = Field(default=2775, ge=1, le=65535, description="Port of the SMSC.")
    system_id: str = Field(
        min_length=1,
        max_length=15,
        pattern=_ASCII,
        description="System id of the account, at most 15 characters.",
        examples=["lender"],
    )
    password: SecretStr = Field(
        max_length=8, description="Its password, at most 8 characters.", examples=["${SMPP_PASSWORD}"]
    )
    system_type: str = Field(
        default="",
        max_length=12,
        pattern=_ASCII,
        description="System type, if the operator asks for one.",
        examples=["VMA"],
    )
    bind: Literal["transceiver", "transmitter_and_receiver"] = Field(
        default="transceiver",
        description="One link for both ways, or one to send and another for receipts and replies. The second "
        "is better where the account has it: a sender then never holds up receipts.",
        examples=["transmitter_and_receiver"],
    )
    tls: bool = Field(default=False, description="Speak TLS with the SMSC.", examples=[True])
    ca_file: str = Field(
        default="",
        description="PEM file of a private certificate authority; empty for the public ones.",
        examples=["secrets/smsc-ca.pem"],
    )
    private_line: bool = Field(
        default=False,
        description="The way to the SMSC is a private line or VPN. Without it and without TLS, phone numbers "
        "would travel in the clear.",
        examples=[True],
    )

    @field_validator("password")
    @classmethod
    def _ascii(cls, password: SecretStr) -> SecretStr:
        if not password.get_secret_value().isascii():
            raise ValueError("SMPP carries ASCII only")
        return password

    @model_validator(mode="after")
    def _no_phones_in_the_clear(self) -> Self:
        if not (self.tls or self.private_line or self.host in LOOPBACK):
            raise ValueError("phone numbers would travel in the clear; set tls, or private_line for a VPN")
        return self


class SmppSettings(SmppAccountSettings):
    """SMS over a direct SMPP 3.4 link."""

    adapter: ClassVar[str] = "carloan_notify.delivery.providers.smpp.sms:SmppSms"
    type: Literal["smpp"] = Field(description="SMS over a direct SMPP 3.4 link.", examples=["smpp"])
    sender: str = Field(
        default="",
        max_length=20,
        pattern=_ASCII,
        description="Number or name that messages come from; empty for the account's own.",
        examples=["1069012345"],
    )
    sender_ton: int | None = Field(
        default=None,
        ge=0,
        le=6,
        description="Type of number of the sender; empty: 1 after +, 5 for a name, else 0.",
        examples=[5],
    )
    sender_npi: int | None = Field(
        default=None,
        ge=0,
        le=18,
        description="Numbering plan of the sender; empty: 0 for a name, else 1.",
        examples=[1],
    )
    long_messages: Literal["parts", "payload"] = Field(
        default="parts",
        description="A long text in parts with a header each, or whole in message_payload (one receipt for "
        "all of it, where the SMSC knows that).",
        examples=["payload"],
    )
    window: int = Field(
        default=10,
        ge=1,
        le=1000,
        description="Messages on the link that wait for an answer, from the operator's contract.",
    )
    receipt_ids: Literal["same", "hex_in_answer", "decimal_in_answer"] = Field(
        default="same",
        description="Whether receipts name a message as the answer did. Some SMSCs answer in hexadecimal and "
        "write decimal in receipts, or the other way round.",
        examples=["hex_in_answer"],
    )
    time_zone: str = Field(
        default="UTC",
        description="IANA time zone of the times in receipts.",
        examples=["Asia/Shanghai"],
    )
    phone_region: str = Field(
        default="CN",
        pattern=r"^[A-Z]{2}$",
        description="ISO 3166 country of numbers in replies that come without country code.",
    )

    @field_validator("time_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"no time zone is called {name!r}; write one like Asia/Shanghai") from None
        return name
