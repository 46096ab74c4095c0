"""Writes the described request: fields filled, body encoded, signatures computed."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode
from xml.etree import ElementTree as ET

from carloan_notify.delivery.gateway.settings import RequestSettings, SignatureSettings
from carloan_notify.delivery.gateway.signing import (
    SORTED_FIELDS,
    Stage,
    as_text,
    body_values,
    signature,
    sorted_fields,
    stages,
)
from carloan_notify.delivery.gateway.template import PLACEHOLDER, compiled, names_in
from carloan_notify.delivery.gateway.values import ValueOf
from carloan_notify.delivery.wire import WireRequest


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
