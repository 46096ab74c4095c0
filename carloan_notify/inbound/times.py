"""Times that others tell, believed as far as they can be true. One odd time must not cost a record. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from carloan_notify.records import Receipt, Reply

OLDEST: Final = timedelta(days=365)
AHEAD: Final = timedelta(days=1)
"""Clocks differ, and zones are mistaken for one another."""
ODD: Final = "a time that cannot be; taken as of now"


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """The instants between which something may have happened that is told now. Both aware."""

    earliest: datetime
    latest: datetime

    def holds(self, at: datetime) -> bool:
        """Whether an instant can be true; one without a zone cannot."""
        return at.utcoffset() is not None and self.earliest <= at <= self.latest


REHEARSED: Final = TimeSpan(datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
"""In a rehearsal the loopback gateway keeps a time of its own, which we do not know: all that it says is believed."""


def span_around(now: datetime) -> TimeSpan:
    """From `OLDEST` before to `AHEAD` after `now`."""
    return TimeSpan(now - OLDEST, now + AHEAD)


def dated_receipts(
    receipts: Sequence[Receipt], span: TimeSpan, now: datetime
) -> tuple[tuple[Receipt, ...], list[str]]:
    """The receipts, those of odd times as of `now`; and a problem for each of these."""
    odd = [place for place, receipt in enumerate(receipts) if not span.holds(receipt.occurred_at)]
    dated = list(receipts)
    for place in odd:
        dated[place] = replace(receipts[place], occurred_at=now)
    return tuple(dated), [f"{receipts[place].provider}: receipt {place}: {ODD}" for place in odd]


def dated_replies(
    replies: Sequence[Reply], span: TimeSpan, now: datetime
) -> tuple[tuple[Reply, ...], list[str]]:
    """The same for replies. One without an id is known again on the same day by the odd time that it came with."""
    odd = [place for place, reply in enumerate(replies) if not span.holds(reply.received_at)]
    dated = list(replies)
    for place in odd:
        reply = replies[place]
        name = reply.reply_id or f"time: {reply.received_at.isoformat()}, came {now:%Y-%m-%d}"
        dated[place] = replace(reply, received_at=now, reply_id=name)
    return tuple(dated), [f"{replies[place].provider}: reply {place}: {ODD}" for place in odd]
