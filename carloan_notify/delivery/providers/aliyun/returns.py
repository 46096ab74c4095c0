"""What Alibaba Cloud brings back, pushed or from a queue: receipts, replies and call reports.

Shapes: SmsReport and SmsUp (help.aliyun.com/document_detail/101867.html and 101847.html), VoiceReport and
VoiceCallReport (help.aliyun.com/zh/vms/voicereport-6). A push is a list of records, a queue's message is one.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from typing import Any, Final
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from pydantic import SecretStr

from carloan_notify.delivery.codes import Carried, carrier_codes, public_code
from carloan_notify.delivery.http import Wire, WireAnswer, WireFault, WireRequest, safe_root
from carloan_notify.delivery.provider import Received, ReturnPage
from carloan_notify.delivery.providers.aliyun.api import (
    CALLS,
    Api,
    Call,
    answered,
    batch_reference_in,
    e164,
    instant,
    listed,
)
from carloan_notify.delivery.vendor import UnreadableRecordError, our_reference, read_records, text_of
from carloan_notify.records import Outcome, PushAnswer, Receipt, Reply

TAKEN: Final = PushAnswer(200, "application/json; charset=utf-8", '{"code":0,"msg":"成功"}'.encode())
"""The vendor pushes again after 1, 5 and 10 minutes unless it hears this."""
_TRUTHS: Final = {"true": True, "false": False}

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Returns:
    """Reads records in the name of one provider. `now` stands in where a call tells no time."""

    provider: str

    def received(self, body: bytes, now: datetime) -> Received:
        """A pushed body; whatever it holds, it has been taken once it is on disk."""
        return Received(self.page(body, now), TAKEN)

    def page(self, body: bytes, now: datetime) -> ReturnPage:
        """The records of a body; one that cannot be read is a problem, and the rest are taken."""
        if not body.strip():
            return ReturnPage()
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError):
            return ReturnPage(problems=(f"{self.provider}: what came back is not JSON",), unread=body)
        records = fields if isinstance(fields, list) else [fields]
        return read_records(self.provider, records, partial(self._read, now), body)

    def _read(self, now: datetime, record: object) -> Receipt | Reply | None:
        """One record; None when the network has not decided yet."""
        if not isinstance(record, Mapping):
            raise UnreadableRecordError("no record")
        if "call_id" in record:
            return self._call(record, now)
        if "biz_id" in record or "success" in record:
            return self._receipt(record)
        if "content" in record and "phone_number" in record:
            return self._reply(record)
        raise UnreadableRecordError("neither receipt nor reply")

    def _receipt(self, record: Record) -> Receipt | None:
        code, out_id = text_of(record, "err_code"), text_of(record, "out_id")
        told = carried(code)
        delivered = _truth(record.get("success"), told)
        if not delivered and not told.final:
            return None
        reference = batch_reference_in(out_id) or text_of(record, "biz_id")
        if not (reference or our_reference(out_id)):
            raise UnreadableRecordError("neither our reference nor the vendor's")
        return Receipt(
            provider=self.provider,
            provider_ref=reference,
            message_id=our_reference(out_id),
            delivered=delivered,
            code=public_code(code) if code else "",
            detail="" if delivered else told.reason,
            occurred_at=instant(text_of(record, "report_time")),
            phone=e164(text_of(record, "phone_number")),
            blocked=told.blocked and not delivered,
            dead=told.dead and not delivered,
        )

    def _reply(self, record: Record) -> Reply:
        return Reply(
            provider=self.provider,
            reply_id=text_of(record, "sequence_id"),
            phone=e164(text_of(record, "phone_number")),
            text=text_of(record, "content"),
            received_at=instant(text_of(record, "send_time")),
        )

    def _call(self, record: Record, now: datetime) -> Receipt | None:
        code, call_id = text_of(record, "status_code"), text_of(record, "call_id")
        if not (code and call_id):
            raise UnreadableRecordError("a call report without call_id or status_code")
        told = carried(code, CALLS)
        if not told.final:
            return None
        times = (text_of(record, name) for name in ("end_time", "status_time", "originate_time"))
        written = next((text for text in times if text), "")
        callee = text_of(record, "callee")
        return Receipt(
            provider=self.provider,
            provider_ref=call_id,
            message_id=our_reference(text_of(record, "out_id")),
            delivered=told.delivered,
            code=public_code(code),
            detail="" if told.delivered else told.reason,
            occurred_at=instant(written) if written else now,
            phone=e164(callee) if callee else "",
            dead=told.dead,
        )


def carried(code: str, own: str = "aliyun") -> Carried:
    """What a receipt code says; an unlisted one: undelivered, without a reason."""
    told = carrier_codes(own).get(code)
    if told is not None:
        return told
    answer = listed(code) if own == "aliyun" else None
    if answer is None:
        return Carried(delivered=False, reason="")
    return Carried(delivered=False, reason=answer.reason, blocked=answer.outcome is Outcome.BLOCKED)


def _truth(value: object, meant: Carried) -> bool:
    """`success`, which the vendor writes as true or "true"; without it, what the code says."""
    told = _TRUTHS.get(str(value).lower())
    return meant.delivered if told is None else told


# Alibaba Cloud's message queues (MNS) on the wire: fetch up to 16 messages, delete them by their handles.
#
# Measured against the vendor's SDK (tests/data/wire/aliyun.json): HMAC-SHA1 over method, content, date, x-mns-
# headers and resource; the temporary credentials' token is not signed.

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
        root = _xml(end.body)
        if end.ok:
            return "unreadable_answer" if root is None else _messages(root)
        code = _code(root, end)
        return [] if code == _EMPTY else code

    def delete(self, queue: str, handles: Sequence[str], token: Token) -> str:
        """Delete what has been kept; "", or the code of a fault."""
        inside = "".join(f"<ReceiptHandle>{escape(handle)}</ReceiptHandle>" for handle in handles)
        body = f'{_XML}<ReceiptHandles xmlns="http://mns.aliyuncs.com/doc/v1/">{inside}</ReceiptHandles>'
        resource = f"/queues/{queue}/messages"
        end = self.wire.exchange(self._request("DELETE", resource, body.encode(), token))
        return "" if end.ok else _code(_xml(end.body), end)

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


def _code(root: ET.Element | None, end: WireAnswer | WireFault) -> str:
    found = None if root is None else (root.findtext("{*}Code") or root.findtext("{*}Error/{*}ErrorCode"))
    return public_code(found) if found else end.code


# Receipts and replies from Alibaba Cloud's queues, page by page; asking for the next page deletes the last.

TOKEN_LIVES: Final = timedelta(minutes=5)
"""Far less than the vendor grants; its own `ExpireTime` is local time without a zone."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue and the kind of messages in it."""

    name: str
    message_type: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a pull stands: the queue, and the handles of the messages in the last page."""

    queue: str = ""
    handles: tuple[str, ...] = ()

    @classmethod
    def read(cls, cursor: str) -> "Place":
        """From a cursor; "" is the start."""
        if not cursor:
            return cls()
        queue, handles = json.loads(cursor)
        return cls(queue, tuple(handles))

    def write(self) -> str:
        """As a cursor."""
        return json.dumps([self.queue, self.handles])


@dataclass(slots=True)
class AliyunQueues:
    """The queues of one provider. Used by one thread at a time."""

    mns: Mns
    tokens: Api
    queues: Sequence[Queue]
    returns: Returns
    _kept: dict[str, tuple[Token, datetime]] = field(default_factory=dict, repr=False)

    def pull(self, cursor: str) -> ReturnPage:
        """Delete what the cursor names, then fetch from this queue and those after it until one has something.

        A fault while deleting ends the pull: the messages come again, and receipts may come twice.
        """
        place = Place.read(cursor)
        if place.handles and (fault := self._delete(place)):
            return ReturnPage(problems=(fault,), cursor=cursor)
        problems: list[str] = []
        for queue in self._from(place.queue):
            found = self._fetch(queue)
            if isinstance(found, str):
                problems.append(found)
            elif found:
                return self._page(queue, found, problems)
        return ReturnPage(problems=tuple(problems))

    def _from(self, name: str) -> list[Queue]:
        names = [queue.name for queue in self.queues]
        return list(self.queues[names.index(name) if name in names else 0 :])

    def _page(self, queue: Queue, found: Sequence[QueueMessage], problems: Sequence[str]) -> ReturnPage:
        now = self.mns.clock()
        pages = [self.returns.page(message.body, now) for message in found]
        return ReturnPage(
            receipts=tuple(receipt for page in pages for receipt in page.receipts),
            replies=tuple(reply for page in pages for reply in page.replies),
            problems=(*problems, *(problem for page in pages for problem in page.problems)),
            cursor=Place(queue.name, tuple(message.handle for message in found)).write(),
            more=True,
            unread=b"\n".join(page.unread for page in pages if page.unread),
        )

    def _fetch(self, queue: Queue) -> list[QueueMessage] | str:
        token = self._token(queue)
        found = token if isinstance(token, str) else self.mns.fetch(queue.name, token)
        return self._problem(queue.name, found) if isinstance(found, str) else found

    def _delete(self, place: Place) -> str:
        queue = next((queue for queue in self.queues if queue.name == place.queue), None)
        if queue is None:
            return ""  # the settings no longer name it; its messages come again to whoever reads it
        token = self._token(queue)
        fault = token if isinstance(token, str) else self.mns.delete(queue.name, place.handles, token)
        return self._problem(queue.name, fault) if fault else ""

    def _problem(self, queue: str, code: str) -> str:
        self._kept.pop(queue, None)
        return f"{self.returns.provider}: queue {queue}: {code}"

    def _token(self, queue: Queue) -> Token | str:
        """Credentials, kept for a while; a text is the code of a fault."""
        now = self.mns.clock()
        token, until = self._kept.get(queue.name, (None, now))
        if token is not None and now < until:
            return token
        query = {"MessageType": queue.message_type, "QueueName": queue.name}
        end = self.tokens.call(Call("QueryTokenForMnsQueue", query))
        found = answered(end)
        if found is None or not found.ok:
            return public_code(found.code) if found else end.code
        told = found.fields.get("MessageTokenDTO")
        parts = told if isinstance(told, dict) else {}
        token = Token(
            text_of(parts, "AccessKeyId"),
            SecretStr(text_of(parts, "AccessKeySecret")),
            SecretStr(text_of(parts, "SecurityToken")),
        )
        self._kept[queue.name] = token, now + TOKEN_LIVES
        return token
