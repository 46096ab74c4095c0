"""Options that describe a gateway. Every `{name}` in them is replaced by data, never by markup."""

from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr

from carloan_notify.delivery.gateway.later_settings import (
    LookUpSettings,
    PullSettings,
    PushSettings,
    ReplySettings,
)
from carloan_notify.delivery.gateway.parts_settings import RequestSettings, ShapeSettings, SignatureSettings
from carloan_notify.records import Outcome
from carloan_notify.settings import Settings

__all__ = [
    "AnswerSettings",
    "AuthSettings",
    "BasicAuthSettings",
    "BatchSettings",
    "BearerAuthSettings",
    "GatewaySettings",
    "LookUpSettings",
    "PullSettings",
    "PushSettings",
    "ReplySettings",
    "RequestSettings",
    "ShapeSettings",
    "SignatureSettings",
]


class BasicAuthSettings(Settings):
    """User name and password in the Authorization header."""

    type: Literal["basic"] = Field(description="HTTP basic authentication.", examples=["basic"])
    username: str = Field(description="User name.", examples=["N1234567"])
    password: SecretStr = Field(
        description="Password; write ${NAME} for an environment variable.", examples=["${PW}"]
    )


class BearerAuthSettings(Settings):
    """A token in the Authorization header. Any other header or a query field is written under `request`."""

    type: Literal["bearer"] = Field(description="A bearer token.", examples=["bearer"])
    token: SecretStr = Field(
        description="Token; write ${NAME} for an environment variable.", examples=["${TOKEN}"]
    )


AuthSettings = Annotated[BasicAuthSettings | BearerAuthSettings, Field(discriminator="type")]


class BatchSettings(Settings):
    """Several messages in one request: put "{items}" where the list goes."""

    limit: int = Field(ge=2, le=10_000, description="Most messages in one request.", examples=[100])
    item: dict[str, Any] = Field(
        description="One element of the list.", examples=[{"mobile": "{phone_national}", "content": "{text}"}]
    )


class AnswerSettings(ShapeSettings):
    """Where the answer tells what happened, and what its codes mean."""

    code: str = Field(
        default="", description="Path of the code; empty when only the HTTP status tells.", examples=["code"]
    )
    provider_ref: str = Field(default="", description="Path of the gateway's id.", examples=["data.msgid"])
    items: str = Field(
        default="",
        description="For a batch: path of the list with one entry per message.",
        examples=["data.results"],
    )
    item_code: str = Field(default="", description="Path of the code inside an entry.", examples=["status"])
    item_provider_ref: str = Field(
        default="", description="Path of the gateway's id inside an entry.", examples=["id"]
    )
    item_reference: str = Field(
        default="",
        description="Path of our reference inside an entry; empty when entries stand in the request's order.",
        examples=["extend"],
    )
    codes: dict[Outcome, list[str]] = Field(
        default={},
        description=(
            "What codes mean: accepted; rejected (this message, for good); retryable (certainly not sent); "
            "throttled (slow down); account (stop everything). A trailing * stands for any ending. An "
            "unlisted code is unknown."
        ),
        examples=[
            {"accepted": ["0"], "rejected": ["102", "103"], "throttled": ["Throttling.*"], "account": ["109"]}
        ],
    )
    http_status: dict[int, Outcome] = Field(
        default={},
        description="What an HTTP status means whatever the body says, e.g. 503 if the gateway promises that "
        "it then took nothing.",
        examples=[{503: "retryable"}],
    )


class GatewaySettings(Settings):
    """The whole description of a gateway: what it is sent, how it answers, how it is asked later."""

    request: RequestSettings = Field(description="The request that sends a message or a batch.")
    answer: AnswerSettings = Field(description="How the gateway's answer to it is read.")
    auth: AuthSettings | None = Field(
        default=None, description="How the gateway knows us; empty when a signature or a field does it."
    )
    values: dict[str, SecretStr] = Field(
        default={},
        description="Account names, passwords and other constants, for use as {name} in requests.",
        examples=[{"account": "N1234567", "secret": "${GATEWAY_SECRET}"}],
    )
    signatures: dict[str, SignatureSettings] = Field(
        default={}, description="Signatures by name, usable as {name} in headers, query and body."
    )
    batch: BatchSettings | None = Field(
        default=None, description="Several messages in one request; empty for one message a request."
    )
    look_up: LookUpSettings | None = Field(
        default=None, description="How the gateway is asked later what became of a message."
    )
    receipts: PullSettings | None = Field(
        default=None, description="How delivery receipts are fetched, and what a pushed one looks like."
    )
    replies: ReplySettings | None = Field(
        default=None, description="How replies are fetched, and what a pushed one looks like."
    )
    push: PushSettings | None = Field(
        default=None,
        description="How pushed receipts and replies are checked and answered; empty: the secret in the address "
        "is enough, and the answer is OK.",
    )
    allow_plain_http: bool = Field(
        default=False,
        description="Allow http:// to another host. Phone numbers would travel in the clear.",
        examples=[False],
    )
