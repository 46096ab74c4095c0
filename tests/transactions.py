"""A test's one step in the ledger as one transaction: `commit(ledger, outbox.settle, receipts, NOW)`."""

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.store import Transaction

P = ParamSpec("P")
T = TypeVar("T")


def commit(
    ledger: Ledger, act: Callable[Concatenate[Transaction, P], T], *given: P.args, **named: P.kwargs
) -> T:
    """Do this in a transaction of its own."""
    with ledger.write() as tx:
        return act(tx, *given, **named)


def wiping(
    ledger: Ledger, act: Callable[Concatenate[Transaction, P], T], *given: P.args, **named: P.kwargs
) -> T:
    """The same, and what is deleted is overwritten."""
    with ledger.write(wipes=True) as tx:
        return act(tx, *given, **named)


def look(
    ledger: Ledger, read: Callable[Concatenate[Transaction, P], T], *given: P.args, **named: P.kwargs
) -> T:
    """See this, in a transaction that changes nothing."""
    with ledger.read() as tx:
        return read(tx, *given, **named)
