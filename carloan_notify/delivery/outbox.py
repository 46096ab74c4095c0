"""The outbox as the dispatcher needs it; the ledger implements it.

Every method commits before it returns, and none keeps a transaction open. All are called from one thread.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from carloan_notify.records import Channel, OutboundMessage, SendResult


class Outbox(Protocol):
    """States: queued → claimed → sending → accepted | rejected | retryable | unknown."""

    def claim(
        self, *, channels: Collection[Channel], limit: int, owner: str, now: datetime, lease_s: float
    ) -> list[OutboundMessage]:
        """Lease up to `limit` messages that are due (not_before ≤ now < expires_at, retry time reached)."""

    def begin(
        self, message_ids: Sequence[str], provider: str, now: datetime, *, owner: str, lease_s: float
    ) -> list[str]:
        """Claimed → sending, on disk before the network is touched, and the lease renewed.

        Returns the ids that may go: a message whose lease has passed to another sender stays away, and one
        that has expired since it was claimed waits for `expire`.
        """

    def record(
        self,
        results: Sequence[SendResult],
        provider: str,
        now: datetime,
        retry_at: Mapping[str, datetime] | None = None,
        tries: Mapping[str, int] | None = None,
    ) -> None:
        """Sending → the outcome's state; what was not sent → retryable, due at `retry_at`.

        `tries` is which attempt an answer is about: "not sent" of an earlier one changes nothing.
        """

    def release(self, message_ids: Sequence[str], now: datetime) -> None:
        """Claimed → queued: nothing was sent, no attempt is counted."""

    def expire(self, now: datetime) -> int:
        """Queued or retryable past `expires_at` → expired; how many."""

    def recover(self, now: datetime) -> object:
        """After a crash: expired leases go back, claimed → queued and sending → unknown."""
