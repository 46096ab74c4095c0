"""Stop when paid: the last look at the lender's tables before a message leaves."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from carloan_notify.delivery.surroundings import Screened
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.paid import UntilPaid
from carloan_notify.pipeline.build import House
from carloan_notify.pipeline.portfolio import Portfolio, read_portfolio
from carloan_notify.pipeline.tables import TableStamps
from carloan_notify.records import OutboundMessage

PAID = "paid"
UNCLEAR = "standing_unclear"


@dataclass(frozen=True, slots=True)
class Owed:
    """What is still owed: unpaid (loan, original due date) pairs, and the loans whose standing could be told."""

    unpaid: Collection[tuple[str, date | None]]
    loans: Collection[str]

    def verdict(self, message: UntilPaid) -> str:
        """Why the message must not go any more, or "" if all of it is still owed.

        A loan whose standing cannot be told may have been paid: its message stays back.
        """
        if any(cover.loan_id not in self.loans for cover in message.covers):
            return UNCLEAR
        if any((cover.loan_id, cover.original_due_on) not in self.unpaid for cover in message.covers):
            return PAID
        return ""

    def still_owed_keys(self, message: UntilPaid) -> list[str]:
        """Keys of a merged message's other loans: free them, so that a later night tells those alone."""
        return [c.idempotency_key for c in message.covers if (c.loan_id, c.original_due_on) in self.unpaid]


def owed(portfolio: Portfolio) -> Owed:
    """What a portfolio says is still owed."""
    dues = portfolio.standing.dues
    dates = dues["original_due_on"].dt.date
    return Owed(
        unpaid=set(zip(dues["loan_id"], dates, strict=True)),
        loans=set(portfolio.standing.loans["loan_id"]) - portfolio.incomplete_loans,
    )


def cancel_paid(
    ledger: Ledger, still: Owed, house: House, message_ids: Sequence[str] | None = None
) -> list[str]:
    """Cancel waiting messages (all, or among `message_ids`) of which something is no longer owed; their ids."""
    verdicts: dict[str, list[UntilPaid]] = {}
    for message in ledger.outbox.due_until_paid(message_ids):
        reason = still.verdict(message)
        if reason:
            verdicts.setdefault(reason, []).append(message)
    cancelled: list[str] = []
    for reason, messages in verdicts.items():
        keys = [key for message in messages for key in _freed(reason, message, still)]
        ids = [message.message_id for message in messages]
        cancelled += ledger.outbox.cancel(ids, reason, house.clock(), release_keys=keys)
    return cancelled


def _freed(reason: str, message: UntilPaid, still: Owed) -> list[str]:
    if reason == UNCLEAR:
        return [cover.idempotency_key for cover in message.covers]
    return still.still_owed_keys(message)


class PaidWatch:
    """Screens every batch. The tables are read again only when they changed since they were last read."""

    def __init__(self, house: House, ledger: Ledger, as_of: date, seen: Mapping[str, str]) -> None:
        """`seen` are the stamps (see `tables`) of the tables that the queued messages were planned from."""
        self._house = house
        self._ledger = ledger
        self._as_of = as_of
        self._stamps = TableStamps(house, as_of)
        self._seen = dict(seen)
        self._owed: Owed | None = None

    def screen(self, messages: Sequence[OutboundMessage]) -> Screened:
        """Cancel what has been paid; the rest may go.

        Raises:
            SourceError: the tables cannot be read: nothing may go, because nobody can say who has paid.
        """
        current = self._stamps.now()
        if current != self._seen:
            self._owed = owed(read_portfolio(self._house, self._as_of))
            self._seen = current
        if self._owed is None:
            return Screened(messages)
        ids = [message.message_id for message in messages]
        cancelled = set(cancel_paid(self._ledger, self._owed, self._house, ids))
        return Screened([message for message in messages if message.message_id not in cancelled], cancelled)
