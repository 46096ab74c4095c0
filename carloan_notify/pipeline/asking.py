"""Ask a provider about messages: accepted ones whose receipt never came, because it hands none out."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from carloan_notify.delivery.provider import Inquiry, LookUp, Provider, Standing
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.unknowns import Unknown
from carloan_notify.pipeline.build import House
from carloan_notify.pipeline.keeping import Kept, masked
from carloan_notify.records import Receipt

_PER_QUESTION: Final = 100


def ask_about_accepted(house: House, ledger: Ledger, provider: Provider, window: timedelta) -> Kept:
    """Settle what the provider knows the end of, of messages old enough and sent within its look-up `window`.

    Figures: how many answers were `receipts` (delivered or not), how many messages they `settled`, `refused`.
    """
    now, settings = house.clock(), house.settings.inbound
    ripe = now - timedelta(seconds=settings.look_up_after_s)
    silent = ledger.inbox.accepted_ids(provider.name, now - window, ripe)
    chosen = turn(silent, settings.look_up_most, ledger.inbox.last_asked(provider.name))
    counts, problems = Counter[str](), list[str]()
    for start in range(0, len(chosen), _PER_QUESTION):
        part = chosen[start : start + _PER_QUESTION]
        asked = [inquiry(message) for message in ledger.inbox.accepted(part)]
        receipts = endings(provider.name, provider.look_up(asked), house.clock()) if asked else []
        settled = ledger.outbox.settle(receipts, house.clock())
        ledger.inbox.note_asked(provider.name, part[-1])
        counts["receipts"] += len(receipts)
        counts["settled"] += settled.settled
        counts["refused"] += len(settled.refused)
        problems += masked(settled.refused)
    return Kept(dict(counts), tuple(problems))


def turn(names: Sequence[str], most: int, last: str) -> list[str]:
    """At most `most` of the sorted `names`: those behind `last`, then from the beginning.

    So each gets its turn, however many there are and however seldom somebody asks.
    """
    start = bisect_right(names, last)
    return [*names[start:], *names[:start]][:most]


def inquiry(message: Unknown) -> Inquiry:
    """The question about a message."""
    return Inquiry(message.message_id, message.channel, message.provider_ref, message.sent_at, message.phone)


def endings(provider: str, answers: Sequence[LookUp], now: datetime) -> list[Receipt]:
    """The receipts that answers amount to: of messages that the network is done with."""
    return [
        Receipt(
            provider=provider,
            provider_ref=a.provider_ref,
            message_id=a.message_id,
            delivered=a.standing is Standing.DELIVERED,
            code=a.code,
            detail=a.detail,
            occurred_at=now,
            blocked=a.blocked,
        )
        for a in answers
        if a.standing in (Standing.DELIVERED, Standing.UNDELIVERED)
    ]
