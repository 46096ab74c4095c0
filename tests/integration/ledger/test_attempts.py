"""Which attempt an answer is about."""

import pytest

from carloan_notify.ledger import answers, audit, intake, stopping, unknowns
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.unknowns import Verdict
from carloan_notify.records import Outcome, SendResult
from tests.integration.ledger.drafts import NOW, answer, draft, name_of, put_on_wire, state
from tests.transactions import commit, look


def on_the_wire_again(ledger: Ledger) -> str:
    """Lost once, asked for, found "not sent" by an operator meanwhile, and sent a second time."""
    commit(ledger, intake.enqueue, "R", [draft(1)], NOW)
    (name,) = put_on_wire(ledger)
    answer(ledger, name, Outcome.UNKNOWN)
    (asked,) = look(ledger, unknowns.waiting)
    assert asked.attempts == 1
    commit(ledger, unknowns.mark, name, Verdict.NOT_SENT, "kim", "the portal says so", NOW)
    assert put_on_wire(ledger) == [name]
    return name


@pytest.mark.parametrize("outcome", [Outcome.RETRYABLE, Outcome.REJECTED, Outcome.BLOCKED])
def test_a_late_no_to_the_first_attempt_says_nothing_of_the_second(ledger: Ledger, outcome: Outcome) -> None:
    name = on_the_wire_again(ledger)
    commit(ledger, answers.record, [SendResult(name, outcome, "", "late")], "gate", NOW, tries={name: 1})
    assert state(ledger, name_of(1)) == "sending"
    assert look(ledger, stopping.table).empty == (outcome is not Outcome.BLOCKED)  # that is about the number
    assert len(look(ledger, audit.show, kind="message.conflict")) == 1
    commit(ledger, answers.record, [SendResult(name, outcome, "", "now")], "gate", NOW, tries={name: 2})
    assert state(ledger, name_of(1)) != "sending"


def test_a_late_yes_counts_whichever_it_was(ledger: Ledger) -> None:
    name = on_the_wire_again(ledger)
    commit(
        ledger,
        answers.record,
        [SendResult(name, Outcome.ACCEPTED, "ref", "ok", "x")],
        "gate",
        NOW,
        tries={name: 1},
    )
    assert state(ledger, name_of(1)) == "accepted"
