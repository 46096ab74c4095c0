"""Options of Kannel."""

import re
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from carloan_notify.delivery.provider_settings import VendorSettings

_ADDRESS = r"^(https?://[^\s@?#]+)?$"
_HEADER_TEXT = re.compile(r"[!-~]([ -~]*[!-~])?")
_URL_TEXT = re.compile(r"[A-Za-z0-9_-]+")


class KannelSettings(VendorSettings):
    """SMS through a Kannel of the lender's own."""

    type: Literal["kannel"] = Field(description="SMS through a Kannel gateway.", examples=["kannel"])
    base_url: str = Field(
        default="http://127.0.0.1:13013",
        pattern=r"^https?://\S+$",
        description="Address of Kannel's smsbox: its host and sendsms-port.",
        examples=["http://127.0.0.1:13013"],
    )
    username: str = Field(pattern=r"^[!-~]+$", description="User of group sendsms-user.", examples=["lender"])
    password: SecretStr = Field(description="Its password.", examples=["${KANNEL_PASSWORD}"])
    sender: str = Field(
        default="",
        pattern=r"^([!-~]([ -~]*[!-~])?)?$",
        description="Number or name that messages come from; empty for the user's default-sender.",
        examples=["1069012345"],
    )
    max_parts: int = Field(
        default=10,
        ge=1,
        le=255,
        description="Parts that a long message may have: max-messages of group sendsms-user. Kannel would cut "
        "a longer text off without a word, so it is refused here.",
        examples=[10],
    )
    public_url: str = Field(
        default="",
        pattern=_ADDRESS,
        description="Where Kannel reaches `receipts listen`, without NAME/SECRET; empty: no delivery reports "
        "are asked for.",
        examples=["http://127.0.0.1:8080"],
    )
    phone_region: str = Field(
        default="CN",
        pattern=r"^[A-Z]{2}$",
        description="ISO 3166 country of numbers in replies that come without + and country code.",
        examples=["CN"],
    )
    admin_url: str = Field(
        default="",
        pattern=_ADDRESS,
        description="Address of bearerbox's admin-port, for `providers check`; empty: its links are not "
        "looked at.",
        examples=["http://127.0.0.1:13000"],
    )
    status_password: SecretStr | None = Field(
        default=None,
        description="status-password of group core, for `providers check`.",
        examples=["${KANNEL_STATUS_PASSWORD}"],
    )

    @model_validator(mode="after")
    def _check_kannel(self) -> Self:
        problems = [*self._unwritable_password(), *self._report_address()]
        if bool(self.admin_url) != (self.status_password is not None):
            problems.append("admin_url and status_password: give both or neither")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _unwritable_password(self) -> list[str]:
        if _HEADER_TEXT.fullmatch(self.password.get_secret_value()):
            return []
        return ["password: Kannel takes printable ASCII without blanks at either end"]

    def _report_address(self) -> list[str]:
        if not self.public_url:
            return []
        if self.push_secret is None:
            return ["push_secret: delivery reports are asked for at public_url/NAME/SECRET; set the secret"]
        if not _URL_TEXT.fullmatch(self.push_secret.get_secret_value()):
            return ["push_secret: Kannel reads % as a sign of its own; use letters, digits, - and _ only"]
        return []
