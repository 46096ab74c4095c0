"""Options that describe requests, signatures and the shape of what comes back."""

from typing import Any, Literal

from pydantic import Field

from carloan_notify.settings import Settings


class RequestSettings(Settings):
    """One HTTP request. Values are data: a quote in a text can never end a JSON string."""

    method: Literal["GET", "POST", "PUT"] = Field(
        default="POST", description="HTTP method.", examples=["POST"]
    )
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
            "batch and {batch_reference} its id."
        ),
        examples=[{"mobile": "{phone_national}", "content": "{text}", "extend": "{reference}"}],
    )
    charset: str = Field(default="utf-8", description="Encoding of the body.", examples=["utf-8", "gb18030"])
    time_format: str = Field(
        default="%Y%m%d%H%M%S",
        description="How {time}, {since} and {sent_time} are written.",
        examples=["%Y%m%d%H%M%S"],
    )
    time_zone: str = Field(
        default="Asia/Shanghai", description="Time zone of those.", examples=["Asia/Shanghai"]
    )


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
        default="hex", description="How the digest is written.", examples=["hex"]
    )


class ShapeSettings(Settings):
    """How text becomes fields. A path is dotted names and numbers: data.results.0.code."""

    format: Literal["json", "xml", "form", "text"] = Field(
        default="json",
        description="Form of what comes. In XML, elements and @attributes are names; text needs `pattern`.",
        examples=["json"],
    )
    pattern: str = Field(
        default="",
        description="For text: a regular expression whose named groups are the fields.",
        examples=[r"^(?P<code>-?\d+)(,(?P<id>\d+))?"],
    )
    charset: str = Field(
        default="utf-8", description="Encoding of what comes.", examples=["utf-8", "gb18030"]
    )
