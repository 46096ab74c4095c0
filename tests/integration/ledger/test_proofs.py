"""What proves one message, on both databases: its rows alone lead to signed digests, and no other message's facts."""

from datetime import timedelta

import pytest

from carloan_notify.ledger import digest, intake, proofs, receipts
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.records import Outcome
from carloan_notify.reports.evidence_check import Chain, keys_of
from tests.integration.ledger.drafts import NOW, answer, draft, name_of, put_on_wire, receipt
from tests.transactions import commit, look


def told(ledger: Ledger) -> None:
    """Three messages; of the first, all that can happen to one."""
    commit(ledger, intake.enqueue, "R1", [draft(number) for number in (1, 2, 3)], NOW)
    ledger.write_digest("R1", NOW)
    put_on_wire(ledger)
    answer(ledger, name_of(1), Outcome.ACCEPTED, "r1")
    commit(ledger, receipts.settle, [receipt("r1")], NOW + timedelta(minutes=6))
    ledger.write_digest("R2", NOW + timedelta(minutes=7))


def test_one_message_is_proven_by_its_own_rows(ledger: Ledger) -> None:
    told(ledger)
    keys = keys_of(digest.public_file(ledger.places.signing_key_file).read_text("ascii"))
    with ledger.read() as tx:
        (mine,) = proofs.of_loan(tx, "L1")
        proof = proofs.as_proof(tx, [proofs.trail(tx, mine)], ())
    chain = Chain(proof, keys)
    assert chain.problems == []
    assert [event["event"] for event in chain.events(name_of(1))] == [
        "queued",
        "sending",
        "accepted",
        "delivered",
    ]
    assert list(chain.facts) == [name_of(1)]
    assert len(proof["digests"]) == 2
    assert ledger.verify_audit().ok


def test_a_row_that_no_digest_signs_yet_is_not_proven(ledger: Ledger) -> None:
    commit(ledger, intake.enqueue, "R1", [draft(1)], NOW)
    with ledger.read() as tx:
        trails = [proofs.trail(tx, mine) for mine in proofs.of_loan(tx, "L1")]
        with pytest.raises(ValueError, match="no digest signs it yet"):
            proofs.as_proof(tx, trails, ())


def test_who_was_warned_and_when_it_arrived(ledger: Ledger) -> None:
    told(ledger)
    rows = {
        row[0]: dict(zip(proofs.WARNED, row, strict=True))
        for row in look(ledger, proofs.warned, ["due_day"], "borrower")
    }
    assert rows["L1"]["state"] == "delivered"
    assert rows["L1"]["arrived_at"] == "2026-11-23T02:05:00.000000Z"
    assert rows["L2"]["arrived_at"] is None
    assert look(ledger, proofs.warned, ["due_day"], "guarantor") == []
