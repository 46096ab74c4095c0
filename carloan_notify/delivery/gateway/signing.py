"""Signatures as data: which values, which digest, how it is written."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any, Final

from carloan_notify.delivery.gateway.settings import SignatureSettings
from carloan_notify.delivery.gateway.template import names_in
from carloan_notify.delivery.gateway.values import ValueOf

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
