"""What a gateway hands out when it is asked: receipts, then replies, page by page."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from carloan_notify.delivery.gateway.later import ReceiptReader, ReplyReader
from carloan_notify.delivery.gateway.parts_settings import RequestSettings
from carloan_notify.delivery.gateway.settings import GatewaySettings
from carloan_notify.delivery.provider import ReturnPage

Fetch = Callable[[RequestSettings, str], bytes | str]
"""Request and cursor → the answer's body, or as text the code of what came instead."""

SECOND: Final = "replies:"
"""Marks a cursor of the second queue; a cursor without it belongs to the first."""


class Queues:
    """The queues of one gateway that can be asked."""

    def __init__(self, name: str, settings: GatewaySettings) -> None:
        """Those with a request of their own; there may be none."""
        self._name = name
        asked: list[tuple[RequestSettings, ReceiptReader | ReplyReader]] = []
        if settings.receipts and settings.receipts.request:
            asked.append((settings.receipts.request, ReceiptReader(name, settings.receipts)))
        if settings.replies and settings.replies.request:
            asked.append((settings.replies.request, ReplyReader(name, settings.replies)))
        self._asked = asked

    def __len__(self) -> int:
        """How many there are."""
        return len(self._asked)

    def page(self, cursor: str, fetch: Fetch, now: datetime) -> ReturnPage:
        """The page at a cursor, "" for the first. A fault ends its queue, not the next one."""
        second = cursor.startswith(SECOND)
        place = cursor.removeprefix(SECOND)
        page = self._page(int(second), place, fetch, now)
        if second:
            return replace(page, cursor=SECOND + page.cursor)
        if len(self) == 1 or (page.more and page.cursor != place):
            return page
        return replace(page, cursor=SECOND, more=True)

    def _page(self, number: int, place: str, fetch: Fetch, now: datetime) -> ReturnPage:
        request, reader = self._asked[number]
        body = fetch(request, place)
        if isinstance(body, str):
            return ReturnPage(problems=(f"{self._name}: {reader.what}: {body}",), cursor=place)
        page = reader.read(body, now)
        return replace(page, cursor=page.cursor or place)
