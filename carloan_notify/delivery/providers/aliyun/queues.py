"""Receipts and replies from Alibaba Cloud's queues, page by page; asking for the next page deletes the last."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from pydantic import SecretStr

from carloan_notify.delivery.gateway.answer import public_code
from carloan_notify.delivery.provider import ReturnPage
from carloan_notify.delivery.providers.aliyun.api import Api, answered
from carloan_notify.delivery.providers.aliyun.mns import Mns, QueueMessage, Token
from carloan_notify.delivery.providers.aliyun.returns import Returns
from carloan_notify.delivery.providers.aliyun.signing import Call
from carloan_notify.delivery.vendor import text_of
from carloan_notify.delivery.wire import WireFault

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
class Queues:
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
        if isinstance(end, WireFault):
            return end.code
        found = answered(end)
        if found is None or not found.ok:
            return public_code(found.code) if found else f"http_{end.status}"
        told = found.fields.get("MessageTokenDTO")
        parts = told if isinstance(told, dict) else {}
        token = Token(
            text_of(parts, "AccessKeyId"),
            SecretStr(text_of(parts, "AccessKeySecret")),
            SecretStr(text_of(parts, "SecurityToken")),
        )
        self._kept[queue.name] = token, now + TOKEN_LIVES
        return token
