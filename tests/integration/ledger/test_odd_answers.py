"""Answers and receipts that hold what a database refuses: they are written down all the same."""

from dataclasses import replace

from carloan_notify.ledger import answers, intake, receipts
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.records import Outcome, SendResult
from carloan_notify.text import LONGEST
from tests.integration.ledger.drafts import NOW, draft, name_of, put_on_wire, receipt, shown_of, state
from tests.transactions import commit

HALF = "\ud83d"
LONG = "".join(chr(0x4E00 + number) for number in range(4_000))  # no index of PostgreSQL takes so much


def test_an_odd_answer_is_recorded(ledger: Ledger) -> None:
    commit(ledger, intake.enqueue, "R1", [draft(number) for number in range(4)], NOW)
    ids = put_on_wire(ledger)
    results = [
        SendResult(ids[0], Outcome.ACCEPTED, "a\x00b", "0"),
        SendResult(ids[1], Outcome.ACCEPTED, f"c{HALF}d", "0\x00"),
        SendResult(ids[2], Outcome.REJECTED, "", f"4{HALF}", f"\x00bad{HALF}"),
        SendResult(ids[3], Outcome.ACCEPTED, LONG, "0"),
    ]
    commit(ledger, answers.record, results, "gate", NOW)
    shown = [shown_of(ledger, message_id) for message_id in ids]
    assert [(one["state"], one["provider_ref"], one["code"], one["detail"]) for one in shown] == [
        ("accepted", "ab", "0", ""),
        ("accepted", "cd", "0", ""),
        ("rejected", "", "4", "bad"),
        ("accepted", LONG[:LONGEST], "0", ""),
    ]
    assert ledger.verify_audit().ok


def test_an_odd_receipt_finds_its_message(ledger: Ledger) -> None:
    commit(ledger, intake.enqueue, "R1", [draft(number) for number in range(3)], NOW)
    ids = put_on_wire(ledger)
    references = ("a\x00b", f"c{HALF}d", LONG)
    named = zip(ids, references, strict=True)
    commit(
        ledger,
        answers.record,
        [SendResult(name, Outcome.ACCEPTED, ref) for name, ref in named],
        "gate",
        NOW,
    )
    readable = [replace(receipt(ref), code=f"D\x00{HALF}", detail="\x00") for ref in references]
    strangers = [receipt(message_id=f"M\x00{HALF}"), receipt("\x00other")]
    settled = commit(ledger, receipts.settle, [*readable, *strangers], NOW)
    assert (settled.settled, settled.unmatched) == (3, 2)
    assert {state(ledger, name_of(number)) for number in range(3)} == {"delivered"}
