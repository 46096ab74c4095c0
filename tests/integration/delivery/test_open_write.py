"""No write transaction of the ledger is open while a provider is asked."""

import threading
from pathlib import Path

import pytest

from carloan_notify.delivery.http import Wire, WireFault, WireRequest, new_session
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.settings import LedgerSettings
from carloan_notify.ledger.store import Transaction
from carloan_notify.records import Outcome
from tests.integration.ledger.drafts import NOW
from tests.transactions import commit

NOBODY = WireRequest("POST", "http://127.0.0.1:1/send", {}, b"{}")


def exchange() -> object:
    return Wire(new_session(1), 1, 1).exchange(NOBODY)


def note_and_exchange(tx: Transaction) -> None:
    tx.connection.exec_driver_sql("INSERT INTO meta VALUES ('half', 'done')")
    exchange()


def refused(answer: object) -> bool:
    """The exchange was tried, and nobody listens there."""
    return isinstance(answer, WireFault) and answer.outcome is Outcome.RETRYABLE


def test_inside_a_write_the_exchange_is_refused_and_the_write_rolled_back(tmp_path: Path) -> None:
    with Ledger.open(LedgerSettings(), tmp_path, create=True, now=NOW) as ledger:
        with pytest.raises(RuntimeError, match="end the transaction first"):
            commit(ledger, note_and_exchange)
        with ledger.read() as tx:
            assert not tx.connection.exec_driver_sql("SELECT * FROM meta WHERE name = 'half'").all()
        assert refused(exchange())


def test_a_read_and_another_threads_write_are_no_hindrance(tmp_path: Path) -> None:
    answers: list[object] = []
    with Ledger.open(LedgerSettings(), tmp_path, create=True, now=NOW) as ledger:
        with ledger.read():
            assert refused(exchange())
        with ledger.write():
            thread = threading.Thread(target=lambda: answers.append(exchange()))
            thread.start()
            thread.join(10)
    assert [refused(answer) for answer in answers] == [True]
