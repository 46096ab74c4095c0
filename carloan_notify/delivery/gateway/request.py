"""Writes the described request: fields filled, body encoded, signatures computed."""

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, Final
from urllib.parse import quote, urlencode
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import phonenumbers

from carloan_notify.delivery.gateway.settings import RequestSettings, SignatureSettings
from carloan_notify.delivery.http import WireRequest
from carloan_notify.delivery.provider import Inquiry, minutes_left, seconds_left
from carloan_notify.records import OutboundMessage

# The values behind `{name}`: those of a message, of an inquiry and of a request.

ValueOf = Callable[[str], Any]

MESSAGE_NAMES: Final[Mapping[str, Callable[[OutboundMessage], Any]]] = {
    "reference": lambda m: m.message_id,
    "phone": lambda m: m.phone,
    "phone_digits": lambda m: m.phone.removeprefix("+"),
    "phone_national": lambda m: national(m.phone),
    "text": lambda m: m.text,
    "channel": lambda m: str(m.channel),
    "notice": lambda m: m.notice,
    "language": lambda m: m.language,
    "params": lambda m: dict(m.params),
}
VALIDITY_NAMES: Final = frozenset({"expires_at", "validity_minutes", "validity_seconds"})
"""Until when the message may arrive; in the request of a batch, the first of its messages that may not any more."""
INQUIRY_NAMES: Final = (
    "reference",
    "provider_ref",
    "sent_time",
    "channel",
    "phone",
    "phone_digits",
    "phone_national",
)
PULL_NAMES: Final = ("cursor", "since")
REQUEST_NAMES: Final = ("timestamp", "timestamp_ms", "time", "nonce")


def national(phone: str) -> str:
    """An E.164 number without its country code, +8613… → 13…; what is no number stays, to be refused."""
    try:
        return str(phonenumbers.national_significant_number(phonenumbers.parse(phone)))
    except phonenumbers.NumberParseException:
        return phone.removeprefix("+")


def of_message(message: OutboundMessage, rest: ValueOf) -> ValueOf:
    """Values of one message, then of its request. A parameter that the message lacks is empty."""

    def value_of(name: str) -> Any:  # noqa: ANN401 - a value is any JSON value
        read = MESSAGE_NAMES.get(name)
        if read is not None:
            return read(message)
        if name.startswith("params."):
            return message.params.get(name.removeprefix("params."), "")
        return rest(name)

    return value_of


def of_validity(message: OutboundMessage, settings: RequestSettings, now: datetime) -> dict[str, Any]:
    """The values of VALIDITY_NAMES, "" for a message that has no end."""
    if message.expires_at is None:
        return dict.fromkeys(VALIDITY_NAMES, "")
    return {
        "expires_at": written(message.expires_at, settings),
        "validity_minutes": minutes_left(message, now),
        "validity_seconds": seconds_left(message, now),
    }


def first_to_expire(batch: Sequence[OutboundMessage]) -> OutboundMessage:
    """The message of a batch that must arrive before all others."""
    never = datetime.max.replace(tzinfo=UTC)
    return min(batch, key=lambda message: message.expires_at or never)


def of_request(settings: RequestSettings, constants: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """Values that all messages of one request share."""
    return {
        **constants,
        "timestamp": str(int(now.timestamp())),
        "timestamp_ms": str(int(now.timestamp() * 1000)),
        "time": written(now, settings),
        "nonce": secrets.token_hex(16),
    }


def of_inquiry(inquiry: Inquiry, settings: RequestSettings) -> dict[str, Any]:
    """Values of one inquiry."""
    return {
        "reference": inquiry.message_id,
        "provider_ref": inquiry.provider_ref,
        "sent_time": written(inquiry.sent_at, settings),
        "channel": str(inquiry.channel),
        "phone": inquiry.phone,
        "phone_digits": inquiry.phone.removeprefix("+"),
        "phone_national": national(inquiry.phone),
    }


def written(moment: datetime, settings: RequestSettings) -> str:
    """An instant in the gateway's format and time zone."""
    return moment.astimezone(ZoneInfo(settings.time_zone)).strftime(settings.time_format)


def batch_reference(batch: Sequence[OutboundMessage]) -> str:
    """An id of a batch that is the same whenever the same messages go together: 32 hexadecimal digits."""
    return hashlib.sha256("\n".join(m.message_id for m in batch).encode()).hexdigest()[:32]


# `{name}` in described requests: found once, filled with data as often as needed.

PLACEHOLDER: Final = re.compile(r"\{([a-z][a-z0-9_]*(?:\.[A-Za-z0-9_]+)?)\}")

Fill = Callable[[Callable[[str], Any]], Any]
"""Maps a look-up from name to value onto the filled node."""


def names_in(node: Any) -> Iterator[str]:  # noqa: ANN401 - a node is any YAML value
    """Every placeholder of a text, list or mapping, keys included."""
    if isinstance(node, str):
        yield from PLACEHOLDER.findall(node)
    elif isinstance(node, Mapping):
        for key, value in node.items():
            yield from names_in(key)
            yield from names_in(value)
    elif isinstance(node, list):
        for value in node:
            yield from names_in(value)


def compiled(node: Any) -> Fill:  # noqa: ANN401 - a node is any YAML value
    """The node as a function of its values.

    A text that is nothing but one placeholder becomes the value itself (a list stays a list); inside longer
    text a value is written as text. Whatever the value holds, it is never read as a template again.
    """
    if isinstance(node, str):
        return _compiled_text(node)
    if isinstance(node, Mapping):
        fills = {key: compiled(value) for key, value in node.items()}
        return lambda value_of: {key: fill(value_of) for key, fill in fills.items()}
    if isinstance(node, list):
        elements = [compiled(value) for value in node]
        return lambda value_of: [fill(value_of) for fill in elements]
    return lambda _: node


def _compiled_text(text: str) -> Fill:
    parts = PLACEHOLDER.split(text)
    if len(parts) == 1:
        return lambda _: text
    if len(parts) == 3 and not parts[0] and not parts[2]:  # noqa: PLR2004 - before, name, after
        name = parts[1]
        return lambda value_of: value_of(name)
    return lambda value_of: "".join(str(value_of(part)) if i % 2 else part for i, part in enumerate(parts))


# Signatures as data: which values, which digest, how it is written.

BODY_NAMES: Final = ("body", "body_md5", "body_sha256")
SORTED_FIELDS: Final = "sorted_fields"
FIELD: Final = "field."
HEADER: Final = "header."
TIMESTAMP: Final = "timestamp"
"""What the signature of a push may use besides: its fields, its headers (`-` written `_`), its time."""


class Stage(IntEnum):
    """When a signature can be computed: from values alone, from the other fields, from the finished body."""

    VALUES = 0
    FIELDS = 1
    BODY = 2


def stages(signatures: Mapping[str, SignatureSettings]) -> dict[str, Stage]:
    """The stage of each signature; one that mentions another comes no earlier than that one."""
    found: dict[str, Stage] = {}
    for name, signature in signatures.items():
        used = {*names_in(signature.text), *names_in(signature.key)}
        own = Stage.BODY if used & {*BODY_NAMES} else Stage.FIELDS if SORTED_FIELDS in used else Stage.VALUES
        found[name] = max([own, *(found[other] for other in used if other in found)])
    return found


def signature(settings: SignatureSettings, text: str, key: str) -> str:
    """The signature of a text (taken as UTF-8), e.g. md5 in hexadecimal."""
    return _ENCODINGS[settings.encoding](_digest(settings.algorithm, text.encode(), key.encode()))


def _digest(algorithm: str, text: bytes, key: bytes) -> bytes:
    if algorithm == "none":
        return text
    if algorithm.startswith("hmac_"):
        return hmac.new(key, text, algorithm.removeprefix("hmac_")).digest()
    return hashlib.new(algorithm, text).digest()


_ENCODINGS: Final[Mapping[str, Callable[[bytes], str]]] = {
    "hex": bytes.hex,
    "hex_upper": lambda digest: digest.hex().upper(),
    "base64": lambda digest: base64.b64encode(digest).decode(),
}


def sorted_fields(fields: Mapping[str, Any]) -> str:
    """`k=v` joined by `&` in name order; what is not text is written as JSON."""
    return "&".join(f"{name}={as_text(fields[name])}" for name in sorted(fields))


def as_text(value: Any) -> str:  # noqa: ANN401 - a value is any JSON value
    """Text as it stands, anything else as compact JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def body_values(body: bytes, charset: str) -> dict[str, str]:
    """The values that a signature over the finished body may use."""
    return {
        "body": body.decode(charset),
        "body_md5": hashlib.md5(body).hexdigest(),  # noqa: S324 - the gateway's recipe, not our choice
        "body_sha256": hashlib.sha256(body).hexdigest(),
    }


def chain(*layers: Mapping[str, Any]) -> ValueOf:
    """A look-up through layers; the first that knows a name answers."""

    def value_of(name: str) -> Any:  # noqa: ANN401 - a value is any JSON value
        for layer in layers:
            if name in layer:
                return layer[name]
        raise KeyError(name)

    return value_of


@dataclass(frozen=True, slots=True)
class _Signer:
    settings: SignatureSettings
    text: Callable[[ValueOf], Any]
    key: Callable[[ValueOf], Any]

    def sign(self, value_of: ValueOf) -> str:
        return signature(self.settings, str(self.text(value_of)), str(self.key(value_of)))


class RequestWriter:
    """A described request, read once and written as often as needed."""

    def __init__(self, settings: RequestSettings, signatures: Mapping[str, SignatureSettings]) -> None:
        """Compile every template; the settings have been checked."""
        self._settings = settings
        self._signers = {n: _Signer(s, compiled(s.text), compiled(s.key)) for n, s in signatures.items()}
        self._stages = stages(signatures)
        late = {name for name, stage in self._stages.items() if stage is Stage.FIELDS}
        self._fields = {k: compiled(v) for k, v in settings.body.items() if not late & set(names_in(v))}
        self._signed_fields = {k: compiled(v) for k, v in settings.body.items() if k not in self._fields}
        self._query = {k: compiled(v) for k, v in settings.query.items()}
        self._unsigned_query = [
            k for k, v in settings.query.items() if not set(signatures) & set(names_in(v))
        ]
        self._headers = {k: compiled(v) for k, v in settings.headers.items()}

    def write(self, value_of: ValueOf) -> WireRequest:
        """The request for these values.

        Raises:
            UnicodeEncodeError: a value cannot be written in the described charset.
        """
        signed: dict[str, Any] = {}

        def known(name: str) -> Any:  # noqa: ANN401 - a value is any JSON value
            return signed[name] if name in signed else value_of(name)

        self._sign(Stage.VALUES, known, signed)
        fields = {name: fill(known) for name, fill in self._fields.items()}
        signed[SORTED_FIELDS] = sorted_fields(
            fields or {k: self._query[k](known) for k in self._unsigned_query}
        )
        self._sign(Stage.FIELDS, known, signed)
        fields |= {name: fill(known) for name, fill in self._signed_fields.items()}
        body = encoded({name: fields[name] for name in self._settings.body}, self._settings)
        if Stage.BODY in self._stages.values():
            signed |= body_values(body, self._settings.charset)
            self._sign(Stage.BODY, known, signed)
        return WireRequest(self._settings.method, self._url(known), self._written_headers(known), body)

    def _sign(self, stage: Stage, value_of: ValueOf, signed: dict[str, Any]) -> None:
        for name, signer in self._signers.items():
            if self._stages[name] is stage:
                signed[name] = signer.sign(value_of)

    def _url(self, value_of: ValueOf) -> str:
        url = PLACEHOLDER.sub(lambda match: quote(str(value_of(match[1])), safe=""), self._settings.url)
        if not self._query:
            return url
        pairs = {name: as_text(fill(value_of)) for name, fill in self._query.items()}
        query = urlencode(pairs, encoding=self._settings.charset, errors="strict")
        return f"{url}{'&' if '?' in url else '?'}{query}"

    def _written_headers(self, value_of: ValueOf) -> dict[str, str]:
        headers = {name: str(fill(value_of)) for name, fill in self._headers.items()}
        kind = CONTENT_TYPES.get(self._settings.body_format)
        return {"Content-Type": f"{kind}; charset={self._settings.charset}", **headers} if kind else headers


CONTENT_TYPES: Final[Mapping[str, str]] = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "xml": "application/xml",
}


def encoded(fields: Mapping[str, Any], settings: RequestSettings) -> bytes:
    """The fields as the body's bytes; a form field that is not text becomes JSON."""
    if settings.body_format == "json":
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode(settings.charset)
    if settings.body_format == "form":
        pairs = {name: as_text(value) for name, value in fields.items()}
        return urlencode(pairs, encoding=settings.charset, errors="strict").encode("ascii")
    if settings.body_format == "xml":
        ((root, content),) = fields.items()
        text = ET.tostring(_element(root, content), encoding="unicode")
        return f'<?xml version="1.0" encoding="{settings.charset}"?>{text}'.encode(settings.charset)
    return b""


def _element(name: str, content: Any) -> ET.Element:  # noqa: ANN401 - content is any JSON value
    element = ET.Element(name)
    if not isinstance(content, Mapping):
        element.text = without_control_characters(as_text(content))
        return element
    for key, value in content.items():
        if key.startswith("@"):
            element.set(key[1:], without_control_characters(as_text(value)))
        else:
            element.extend(_element(key, v) for v in (value if isinstance(value, list) else [value]))
    return element


def without_control_characters(text: str) -> str:
    """Text that XML 1.0 §2.2 allows; a control character would make the whole batch unreadable."""
    return "".join(c for c in text if c >= " " or c in "\t\n\r")
