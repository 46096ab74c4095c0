"""Requests refused for one of their messages: what that means for each, and who goes on its own next time."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Final

from carloan_notify.records import OutboundMessage, Outcome, SendResult

OF_ONE: Final = frozenset({Outcome.REJECTED, Outcome.BLOCKED, Outcome.NOT_TONIGHT})
"""What a code can only say of one message."""
ONE_OF_THEM: Final = (
    "a message of this request was refused, and the vendor does not say which; each goes on its own"
)


def of_whole_request(results: Sequence[SendResult], also: Collection[Outcome] = ()) -> list[SendResult]:
    """What a code said of a whole request means for its messages; `results` is what it says of each alone.

    What is true of one message tells nothing of which one, so that of several none is refused: they go again,
    apart. `also` are outcomes beyond `OF_ONE` that the vendor's codes say of one message.
    """
    of_one = OF_ONE.union(also)
    if len(results) < 2:  # noqa: PLR2004 - a message of its own
        return list(results)
    return [
        replace(result, outcome=Outcome.APART, detail=ONE_OF_THEM, retry_after_s=0.0)
        if result.outcome in of_one
        else result
        for result in results
    ]


class Loners:
    """Messages that were told to go apart; each has a request of its own from then on."""

    def __init__(self) -> None:
        """None yet."""
        self._ids: set[str] = set()

    def note(self, results: Iterable[SendResult]) -> None:
        """Remember those of these answers."""
        self._ids.update(result.message_id for result in results if result.outcome is Outcome.APART)

    def key(self, message: OutboundMessage) -> str:
        """What its batch key has to hold: its own id, "" for one that may go with others."""
        return message.message_id if message.message_id in self._ids else ""
