"""Alibaba Cloud's message queues (MNS) on the wire: fetch up to 16 messages, delete them by their handles.

Measured against the vendor's SDK (tests/data/wire/aliyun.json): HMAC-SHA1 over method, content, date, x-mns-
headers and resource; the temporary credentials' token is not signed.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from pydantic import SecretStr

from carloan_notify.delivery.gateway.answer import public_code
from carloan_notify.delivery.safe_xml import safe_root
from carloan_notify.delivery.vendor import SUCCESS
from carloan_notify.delivery.wire import Wire, WireAnswer, WireFault, WireRequest

AT_ONCE: Final = 16
"""Most messages that the vendor hands out in one request."""
_EMPTY: Final = "MessageNotExist"
_XML: Final = '<?xml version="1.0" encoding="utf-8"?>'


@dataclass(frozen=True, slots=True)
class Token:
    """Temporary credentials of one queue."""

    key_id: str
    secret: SecretStr
    session: SecretStr


@dataclass(frozen=True, slots=True)
class QueueMessage:
    """A message, and the handle that deletes it."""

    handle: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Mns:
    """The queues' interface."""

    wire: Wire
    base_url: str
    clock: Callable[[], datetime]

    def fetch(self, queue: str, token: Token) -> list[QueueMessage] | str:
        """Up to 16 messages, none when the queue is empty; a text is the code of a fault."""
        resource = f"/queues/{queue}/messages?numOfMessages={AT_ONCE}"
        end = self.wire.exchange(self._request("GET", resource, b"", token))
        if isinstance(end, WireFault):
            return end.code
        root = _xml(end.body)
        if end.status in SUCCESS:
            return "unreadable_answer" if root is None else _messages(root)
        code = _code(root, end)
        return [] if code == _EMPTY else code

    def delete(self, queue: str, handles: Sequence[str], token: Token) -> str:
        """Delete what has been kept; "", or the code of a fault."""
        inside = "".join(f"<ReceiptHandle>{escape(handle)}</ReceiptHandle>" for handle in handles)
        body = f'{_XML}<ReceiptHandles xmlns="http://mns.aliyuncs.com/doc/v1/">{inside}</ReceiptHandles>'
        resource = f"/queues/{queue}/messages"
        end = self.wire.exchange(self._request("DELETE", resource, body.encode(), token))
        if isinstance(end, WireFault):
            return end.code
        return "" if end.status in SUCCESS else _code(_xml(end.body), end)

    def _request(self, method: str, resource: str, body: bytes, token: Token) -> WireRequest:
        headers = {
            "x-mns-version": "2015-06-06",
            "date": format_datetime(self.clock().astimezone(UTC), usegmt=True),
        }
        if body:
            digest = hashlib.md5(body, usedforsecurity=False).hexdigest()  # the vendor encodes the hex digits
            headers["content-md5"] = base64.b64encode(digest.encode()).decode()
            headers["content-type"] = "text/xml;charset=UTF-8"
        headers["Authorization"] = _authorization(method, resource, headers, token)
        headers["security-token"] = token.session.get_secret_value()
        return WireRequest(method, self.base_url.rstrip("/") + resource, headers, body)


def _authorization(method: str, resource: str, headers: dict[str, str], token: Token) -> str:
    told = [method, headers.get("content-md5", ""), headers.get("content-type", ""), headers["date"]]
    to_sign = "\n".join([*told, f"x-mns-version:{headers['x-mns-version']}", resource])
    secret = token.secret.get_secret_value().encode()
    signature = hmac.new(secret, to_sign.encode(), hashlib.sha1).digest()
    return f"MNS {token.key_id}:{base64.b64encode(signature).decode()}"


def _xml(body: bytes) -> ET.Element | None:
    """The answer's root; None when it is none."""
    try:
        return safe_root(body)
    except ValueError:
        return None


def _messages(root: ET.Element) -> list[QueueMessage]:
    return [
        QueueMessage(handle, _decoded(found.findtext("{*}MessageBody", "")))
        for found in root.iterfind("{*}Message")
        if (handle := found.findtext("{*}ReceiptHandle", ""))
    ]


def _decoded(text: str) -> bytes:
    """Bodies come in Base64; one that does not is taken as it is."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return text.encode()


def _code(root: ET.Element | None, end: WireAnswer) -> str:
    found = None if root is None else (root.findtext("{*}Code") or root.findtext("{*}Error/{*}ErrorCode"))
    return public_code(found) if found else f"http_{end.status}"
