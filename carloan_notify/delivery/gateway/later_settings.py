"""Options that describe what a gateway says later: the fate of one message, receipts, replies, pushes."""

from pydantic import Field

from carloan_notify.delivery.gateway.parts_settings import RequestSettings, ShapeSettings, SignatureSettings
from carloan_notify.delivery.provider import Standing
from carloan_notify.settings import Settings


class LookUpSettings(ShapeSettings):
    """Asking what became of one message."""

    request: RequestSettings = Field(
        description="The request; {reference}, {provider_ref} and {sent_time} may be used."
    )
    window_hours: float = Field(
        default=72, gt=0, description="How long the gateway remembers.", examples=[72]
    )
    state: str = Field(description="Path of the state.", examples=["data.state"])
    provider_ref: str = Field(default="", description="Path of the gateway's id.", examples=["data.msgid"])
    states: dict[Standing, list[str]] = Field(
        description="What states mean: absent (never arrived), accepted, delivered, undelivered, rejected.",
        examples=[{"accepted": ["SENT"], "delivered": ["DELIVRD"], "undelivered": ["UNDELIV"]}],
    )
    http_status: dict[int, Standing] = Field(
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
    time_zone: str = Field(
        default="Asia/Shanghai", description="Zone of times that carry none.", examples=["Asia/Shanghai"]
    )
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


class ReplySettings(ReturnSettings):
    """Replies of borrowers. `phone` and `text` are required."""

    phone: str = Field(description="Path of the sender's number in an entry.", examples=["mobile"])
    text: str = Field(description="Path of what was written.", examples=["content"])
    id: str = Field(default="", description="Path of the gateway's id of the reply.", examples=["moid"])


class PushAnswerSettings(Settings):
    """What the gateway wants to hear once its push is on disk."""

    status: int = Field(default=200, ge=200, le=299, description="HTTP status.", examples=[200])
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
    time_zone: str = Field(
        default="Asia/Shanghai", description="Its zone when it carries none.", examples=["Asia/Shanghai"]
    )
    tolerance_s: float = Field(
        default=300,
        gt=0,
        le=86_400,
        description="Seconds by which that time may differ from ours; a push outside is taken for a replayed one.",
        examples=[300],
    )
    answer: PushAnswerSettings = Field(
        default=PushAnswerSettings(), description="What the gateway wants to hear."
    )
