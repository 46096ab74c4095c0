"""Options that describe a gateway. Every `{name}` in them is replaced by data, never by markup."""

from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr

from carloan_notify.delivery.provider import MessageFate
from carloan_notify.records import Outcome
from carloan_notify.settings import Settings

# Options that describe requests, signatures and the shape of what comes back.


class RequestSettings(Settings):
    """One HTTP request. Values are data: a quote in a text can never end a JSON string."""

    method: Literal["GET", "POST", "PUT"] = Field(default="POST", description="HTTP method.")
    url: str = Field(
        pattern=r"^https?://",
        description="Address; {reference} and its like may stand in it and are escaped.",
        examples=["https://gateway.example/sms/send"],
    )
    headers: dict[str, str] = Field(
        default={}, description="Headers.", examples=[{"Idempotency-Key": "{reference}"}]
    )
    query: dict[str, str] = Field(
        default={}, description="Query parameters.", examples=[{"account": "{account}"}]
    )
    body_format: Literal["none", "json", "form", "xml"] = Field(
        default="none",
        description="How the body is written; xml needs one key, the root element.",
        examples=["json"],
    )
    body: dict[str, Any] = Field(
        default={},
        description=(
            "The body's fields. {reference} is our message id, {phone} +8613…, {phone_digits} the same "
            "without +, {phone_national} without country code; {text}, {language}, {notice}, {channel}, "
            "{params}, {params.NAME}; {timestamp}, {timestamp_ms}, {time}, {nonce}; {items} is the list of a "
            "batch and {batch_reference} its id. {validity_minutes}, {validity_seconds} or {expires_at} say until "
            "when the message may arrive: use one where the gateway has a field for it."
        ),
        examples=[{"mobile": "{phone_national}", "content": "{text}", "extend": "{reference}"}],
    )
    charset: str = Field(default="utf-8", description="Encoding of the body.", examples=["utf-8", "gb18030"])
    time_format: str = Field(
        default="%Y%m%d%H%M%S", description="How {time}, {since}, {sent_time} and {expires_at} are written."
    )
    time_zone: str = Field(default="Asia/Shanghai", description="Time zone of those.")


class SignatureSettings(Settings):
    """A digest over named values, the gateway's recipe as data."""

    algorithm: Literal["none", "md5", "sha1", "sha256", "hmac_md5", "hmac_sha1", "hmac_sha256"] = Field(
        description="Digest or keyed digest; none only encodes the text.", examples=["md5"]
    )
    text: str = Field(
        description=(
            "What is signed. {sorted_fields} is the body's (without a body, the query's) top fields as k=v "
            "joined by & in name order, without the signature itself; {body}, {body_md5} and {body_sha256} "
            "serve headers and query."
        ),
        examples=["{account}{secret}{time}", "{sorted_fields}&key={secret}"],
    )
    key: str = Field(default="", description="Key of a keyed digest.", examples=["{secret}"])
    encoding: Literal["hex", "hex_upper", "base64"] = Field(
        default="hex", description="How the digest is written."
    )


class ShapeSettings(Settings):
    """How text becomes fields. A path is dotted names and numbers: data.results.0.code."""

    format: Literal["json", "xml", "form", "text"] = Field(
        default="json",
        description="Form of what comes. In XML, elements and @attributes are names; text needs `pattern`.",
    )
    pattern: str = Field(
        default="",
        description="For text: a regular expression whose named groups are the fields.",
        examples=[r"^(?P<code>-?\d+)(,(?P<id>\d+))?"],
    )
    charset: str = Field(
        default="utf-8", description="Encoding of what comes.", examples=["utf-8", "gb18030"]
    )


# Options that describe what a gateway says later: the fate of one message, receipts, replies, pushes.


class LookUpSettings(ShapeSettings):
    """Asking what became of one message."""

    request: RequestSettings = Field(
        description="The request; {reference}, {provider_ref} and {sent_time} may be used."
    )
    window_hours: float = Field(default=72, gt=0, description="How long the gateway remembers.")
    state: str = Field(description="Path of the state.", examples=["data.state"])
    provider_ref: str = Field(default="", description="Path of the gateway's id.", examples=["data.msgid"])
    states: dict[MessageFate, list[str]] = Field(
        description="What states mean: absent (never arrived), accepted, delivered, undelivered, rejected.",
        examples=[{"accepted": ["SENT"], "delivered": ["DELIVRD"], "undelivered": ["UNDELIV"]}],
    )
    http_status: dict[int, MessageFate] = Field(
        default={},
        description="What an HTTP status means whatever the body says.",
        examples=[{404: "absent"}],
    )


class ReturnSettings(ShapeSettings):
    """What a list of receipts or replies looks like, fetched or pushed."""

    request: RequestSettings | None = Field(
        default=None,
        description="The request that fetches them; {cursor} and {since} may be used. Empty when they are only "
        "pushed.",
    )
    items: str = Field(
        default="", description="Path of the list; empty when the whole is the list.", examples=["reports"]
    )
    reference: str = Field(default="", description="Path of our reference in an entry.", examples=["extend"])
    phone: str = Field(
        default="", description="Path of the borrower's number in an entry.", examples=["mobile"]
    )
    country: str = Field(
        default="CN",
        pattern=r"^[A-Z]{2}$",
        description="Country of numbers without a prefix.",
        examples=["CN", "US"],
    )
    time: str = Field(
        default="",
        description="Path of the time in an entry; empty for the time of arrival, and then a push that is "
        "repeated cannot be told from a second one.",
        examples=["time"],
    )
    time_format: str = Field(
        default="iso",
        description="iso, unix, unix_ms, or a format such as %Y%m%d%H%M%S.",
        examples=["iso", "unix_ms", "%y%m%d%H%M"],
    )
    time_zone: str = Field(default="Asia/Shanghai", description="Zone of times that carry none.")
    cursor: str = Field(
        default="", description="Path of the next cursor; empty when there is one page.", examples=["cursor"]
    )
    more: str = Field(
        default="",
        description="Path of a flag that says more are waiting; empty: until a page is empty.",
        examples=["more"],
    )


class PullSettings(ReturnSettings):
    """Receipts. A state may end in * for any ending."""

    provider_ref: str = Field(
        default="", description="Path of the gateway's id in an entry.", examples=["msgid"]
    )
    state: str = Field(description="Path of the state in an entry.", examples=["status"])
    delivered: list[str] = Field(description="States that mean delivered.", examples=[["DELIVRD", "0"]])
    pending: list[str] = Field(
        default=[],
        description="States that say nothing yet; skipped. Any other state means undelivered.",
        examples=[["BUFFERED"]],
    )
    blocked: list[str] = Field(
        default=[],
        description="States that mean the number refuses messages for good: it is suppressed. The carriers' "
        "usual words for it (MBBLACK and the like) are known.",
        examples=[["BLACKLIST", "UNSUB*"]],
    )
    dead: list[str] = Field(
        default=[],
        description="States that mean that there is no such number; after some days of that nothing is sent there. "
        "The carriers' usual words for it (MK:0001 and the like) are known.",
        examples=[["EMPTYNUM"]],
    )


class ReplySettings(ReturnSettings):
    """Replies of borrowers. `phone` and `text` are required."""

    phone: str = Field(description="Path of the sender's number in an entry.", examples=["mobile"])
    text: str = Field(description="Path of what was written.", examples=["content"])
    id: str = Field(default="", description="Path of the gateway's id of the reply.", examples=["moid"])


class PushAnswerSettings(Settings):
    """What the gateway wants to hear once its push is on disk."""

    status: int = Field(default=200, ge=200, le=299, description="HTTP status.")
    content_type: str = Field(
        default="text/plain; charset=utf-8", description="Content type.", examples=["application/json"]
    )
    body: str = Field(default="OK", description="Body.", examples=["OK", '{"code":0}'])


class PushSettings(Settings):
    """How a push is checked, beyond the secret in its address, and how it is answered."""

    signature: SignatureSettings | None = Field(
        default=None,
        description="How the gateway signs. Besides `values`, {body}, {body_md5}, {body_sha256} and "
        "{sorted_fields}, its text may use {timestamp}, {field.NAME} for a top field and {header.x_name} for a "
        "header.",
        examples=[{"algorithm": "md5", "text": "{sorted_fields}&key={secret}"}],
    )
    signature_header: str = Field(
        default="", description="Header that carries the signature.", examples=["X-Signature"]
    )
    signature_field: str = Field(
        default="", description="Or the top field that carries it.", examples=["sign"]
    )
    timestamp_header: str = Field(
        default="", description="Header that carries the time of the push.", examples=["X-Timestamp"]
    )
    timestamp_field: str = Field(
        default="", description="Or the top field that carries it.", examples=["timestamp"]
    )
    time_format: str = Field(
        default="unix", description="Format of that time, as for `receipts`.", examples=["unix", "unix_ms"]
    )
    time_zone: str = Field(default="Asia/Shanghai", description="Its zone when it carries none.")
    tolerance_s: float = Field(
        default=300,
        gt=0,
        le=86_400,
        description="Seconds by which that time may differ from ours; a push outside is taken for a replayed one.",
    )
    answer: PushAnswerSettings = Field(
        default=PushAnswerSettings(), description="What the gateway wants to hear."
    )


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
        default=False, description="Allow http:// to another host. Phone numbers would travel in the clear."
    )
