"""What is remembered of a portfolio: the last finished night's, no other, and nobody who was erased."""

from datetime import timedelta

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from carloan_notify import frames
from carloan_notify.ledger import portfolio, upkeep
from carloan_notify.ledger.keys import Cipher, Keyring
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.tables import PORTFOLIO
from carloan_notify.notices.fingerprints import FINGERPRINT, fingerprints
from tests.integration.ledger.drafts import NOW
from tests.transactions import commit, look, wiping

DAY = NOW.date()
BYTES_A_LOAN = 40
LOANS = 3000


def prints_of(cipher: Cipher, *names: str) -> np.ndarray:
    """One loan per name; loan, customer and phone are called like it."""
    loans = pd.DataFrame([{**frames.blank_row(frames.LOANS), "status": "active"} for _ in names])
    loans = loans.assign(loan_id=list(names), customer_id=list(names), phone=list(names))
    loans = loans.astype(dict(frames.LOANS))
    stands = pd.DataFrame([{**frames.blank_row(frames.STANDING), "loan_id": name} for name in names])
    stands = stands.astype(dict(frames.STANDING)).assign(status="active")
    return fingerprints(loans, stands, portfolio.hasher(cipher))


def remembered(ledger: Ledger) -> list[int]:
    found = look(ledger, portfolio.last_night)
    return [] if found is None else found.prints["loan"].tolist()


def test_the_newest_night_replaces_the_one_before(ledger: Ledger) -> None:
    assert look(ledger, portfolio.last_night) is None
    first, second = prints_of(ledger.cipher, "A", "B"), prints_of(ledger.cipher, "C")
    commit(ledger, portfolio.keep, "r1", DAY, first)
    assert remembered(ledger) == sorted(first["loan"].tolist())
    commit(ledger, portfolio.keep, "r2", DAY + timedelta(days=1), second)
    commit(ledger, portfolio.keep, "r3", DAY, first)  # a night made up for later
    assert remembered(ledger) == second["loan"].tolist()
    commit(ledger, portfolio.keep, "r4", DAY + timedelta(days=2), second[:0])
    assert remembered(ledger) == []


def test_an_erased_person_is_not_remembered(ledger: Ledger) -> None:
    commit(ledger, portfolio.keep, "r1", DAY, prints_of(ledger.cipher, "A", "B", "C"))
    wiping(ledger, upkeep.erase, "B", "op", NOW)
    assert remembered(ledger) == sorted(prints_of(ledger.cipher, "A", "C")["loan"].tolist())


def test_it_is_small_and_names_nobody(ledger: Ledger) -> None:
    names = [f"+86100{number:08d}" for number in range(LOANS)]
    prints = prints_of(ledger.cipher, *names)
    prints["due_minor"] = np.random.default_rng(1).integers(0, 10**6, LOANS)
    commit(ledger, portfolio.keep, "r1", DAY, prints)
    with ledger.store.read() as connection:
        body = connection.execute(PORTFOLIO.select()).mappings().one()["body_sealed"]
    assert len(body) / LOANS <= BYTES_A_LOAN
    assert FINGERPRINT.itemsize <= BYTES_A_LOAN
    other = prints_of(Cipher(Keyring.generate()), *names)
    assert not set(other["loan"].tolist()) & set(prints["loan"].tolist())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(min_size=FINGERPRINT.itemsize, max_size=FINGERPRINT.itemsize), max_size=20))
def test_packing_loses_nothing(rows: list[bytes]) -> None:
    prints = np.frombuffer(b"".join(rows), dtype=FINGERPRINT)
    assert (portfolio._unpacked(portfolio._packed(prints)) == prints).all()  # noqa: SLF001 - its inverse
