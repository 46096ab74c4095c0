"""Messages packed into requests: those of one key together, and no number twice in a request.

A batch mostly carries one reference, and receipts then tell its messages apart by number alone.
"""

from collections.abc import Callable

from carloan_notify.records import OutboundMessage


class Packing:
    """At most `requests` batches of at most `limit` messages; `key_of` says what may share a request."""

    def __init__(self, requests: int, limit: int, key_of: Callable[[OutboundMessage], str]) -> None:
        """Empty."""
        self.batches: list[list[OutboundMessage]] = []
        self._requests = requests
        self._limit = limit
        self._key_of = key_of
        self._open: dict[str, tuple[list[OutboundMessage], set[str]]] = {}

    def add(self, message: OutboundMessage) -> bool:
        """Whether the message found a place."""
        key = self._key_of(message)
        place = self._open.get(key)
        if place is None or len(place[0]) >= self._limit or message.phone in place[1]:
            if len(self.batches) >= self._requests:
                return False
            place = self._open[key] = [], set()
            self.batches.append(place[0])
        place[0].append(message)
        place[1].add(message.phone)
        return True
