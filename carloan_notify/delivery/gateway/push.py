"""Pushed receipts and replies: whether they may be believed, which of the two they are, how they are answered."""

import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from carloan_notify.delivery.gateway.answer import UnreadableError, fields_of
from carloan_notify.delivery.gateway.later import ReceiptReader, ReplyReader, moment
from carloan_notify.delivery.gateway.later_settings import PushSettings
from carloan_notify.delivery.gateway.parts_settings import ShapeSettings
from carloan_notify.delivery.gateway.settings import GatewaySettings
from carloan_notify.delivery.gateway.signing import (
    FIELD,
    HEADER,
    SORTED_FIELDS,
    TIMESTAMP,
    as_text,
    body_values,
    signature,
    sorted_fields,
)
from carloan_notify.delivery.gateway.template import compiled
from carloan_notify.delivery.provider import Received, Refused
from carloan_notify.records import PushAnswer, PushRequest

FORBIDDEN: Final = 403
NOT_FOUND: Final = 404


class Pushes:
    """Takes what one gateway pushes. Safe for many threads."""

    def __init__(self, name: str, settings: GatewaySettings, constants: Mapping[str, str]) -> None:
        """`constants` are the gateway's `values`: the key of a signature may be among them."""
        self._receipts = ReceiptReader(name, settings.receipts) if settings.receipts else None
        self._replies = ReplyReader(name, settings.replies) if settings.replies else None
        self._seal = Seal(settings.push, constants) if settings.push else None
        answer = (settings.push or PushSettings()).answer
        self._answer = PushAnswer(answer.status, answer.content_type, answer.body.encode())

    def receive(self, request: PushRequest, now: datetime) -> Received | Refused:
        """Check and read a push. A GET carries its fields in the address."""
        body = request.body or urlsplit(request.url).query.encode()
        reader = self._reader(request.url, body)
        if reader is None:
            return Refused(NOT_FOUND, "no_push_described")
        if self._seal and (fault := self._seal.fault(request, body, reader.settings, now)):
            return Refused(FORBIDDEN, fault)
        return Received(reader.read(body, now), self._answer)

    def _reader(self, url: str, body: bytes) -> ReceiptReader | ReplyReader | None:
        """By the last part of the address (`receipts` or `replies`), else by what the first record holds."""
        receipts, replies = self._receipts, self._replies
        if receipts is None or replies is None:
            return receipts or replies
        ending = urlsplit(url).path.rsplit("/", 1)[-1]
        if ending in (receipts.what, replies.what):
            return receipts if ending == receipts.what else replies
        return replies if replies.recognises(body) and not receipts.recognises(body) else receipts


class Seal:
    """What shows that a push comes from the gateway, and now."""

    def __init__(self, settings: PushSettings, constants: Mapping[str, str]) -> None:
        """Compile the recipe."""
        self._settings = settings
        self._constants = constants
        recipe = settings.signature
        self._recipe = (recipe, compiled(recipe.text), compiled(recipe.key)) if recipe else None

    def fault(self, request: PushRequest, body: bytes, shape: ShapeSettings, now: datetime) -> str:
        """Why the push may not be believed, as a code; "" when it may."""
        fields = _top_fields(body, shape)
        settings = self._settings
        said_at = _found(request, fields, settings.timestamp_header, settings.timestamp_field)
        given = _found(request, fields, settings.signature_header, settings.signature_field)
        try:
            if not self._is_signed(given, self._values(request, body, fields, shape) | {TIMESTAMP: said_at}):
                return "bad_signature"
        except UnicodeDecodeError:
            return "unreadable_push"
        timed = settings.timestamp_header or settings.timestamp_field
        return "stale_push" if timed and not self._is_fresh(said_at, now) else ""

    def _is_signed(self, given: str, values: Mapping[str, str]) -> bool:
        if self._recipe is None:
            return True
        recipe, text, key = self._recipe

        def value_of(name: str) -> str:
            """A field or header that the push does not have is empty."""
            return values.get(name, "")

        expected = signature(recipe, str(text(value_of)), str(key(value_of)))
        return hmac.compare_digest(given.encode(), expected.encode())

    def _is_fresh(self, said_at: str, now: datetime) -> bool:
        try:
            at = moment(said_at, self._settings.time_format, self._settings.time_zone)
        except ValueError:
            return False
        return abs((now - at).total_seconds()) <= self._settings.tolerance_s

    def _values(
        self, request: PushRequest, body: bytes, fields: Mapping[str, Any], shape: ShapeSettings
    ) -> dict[str, str]:
        signed = {name: value for name, value in fields.items() if name != self._settings.signature_field}
        return {
            **{FIELD + name: as_text(value) for name, value in fields.items()},
            **{HEADER + name.replace("-", "_"): value for name, value in request.headers.items()},
            **body_values(body, shape.charset),
            SORTED_FIELDS: sorted_fields(signed),
            **self._constants,
        }


def _top_fields(body: bytes, shape: ShapeSettings) -> Mapping[str, Any]:
    """The fields at the top of a push; none when it cannot be read."""
    try:
        fields = fields_of(body, shape)
    except UnreadableError:
        return {}
    return fields if isinstance(fields, Mapping) else {}


def _found(request: PushRequest, fields: Mapping[str, Any], header: str, field: str) -> str:
    if header:
        return request.headers.get(header.lower(), "")
    return as_text(fields.get(field, "")) if field else ""
