"""Whether this thread has a write transaction of the ledger open: the ledger says so, the wire asks.

A provider may take a minute to answer. A write that is open for so long keeps every other sender waiting, and what
it says about the exchange is lost with a crash.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

_OPEN: Final[ContextVar[bool]] = ContextVar("ledger_write_open", default=False)


@contextmanager
def writing() -> Iterator[None]:
    """For as long as a write transaction is open in this thread."""
    before = _OPEN.set(True)
    try:
        yield
    finally:
        _OPEN.reset(before)


def forbid_open_write() -> None:
    """Raise `RuntimeError`, a mistake of the program, where this thread has a write transaction open."""
    if _OPEN.get():
        raise RuntimeError("a provider is called inside ledger.write(): end the transaction first")
