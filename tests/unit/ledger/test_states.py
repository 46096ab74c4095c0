"""The table of states keeps the promise whatever happens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.errors import LedgerError
from carloan_notify.ledger.states import (
    LEASED,
    PENDING,
    STEP_OF_OUTCOME,
    TRANSITIONS,
    WAITING,
    Step,
    after,
    sources,
)
from carloan_notify.records import MessageState as State
from carloan_notify.records import Outcome

MAY_HAVE_LEFT = {State.SENDING, State.UNKNOWN, State.ACCEPTED, State.DELIVERED, State.UNDELIVERED}
DEFINITE_WORD = {Step.RETRY, Step.REJECT, Step.MARK_NOT_SENT}


def test_every_step_and_outcome_is_in_the_table() -> None:
    assert set(TRANSITIONS) == set(Step)
    assert set(STEP_OF_OUTCOME) == set(Outcome)
    assert {state for table in TRANSITIONS.values() for state in table.values()} <= set(State)
    assert set(LEASED) <= {State.CLAIMED, State.SENDING}
    assert set(WAITING) < set(PENDING)


@given(st.lists(st.sampled_from(Step), max_size=40))
def test_what_may_have_left_never_waits_again_without_a_definite_word(steps: list[Step]) -> None:
    state, may_have_left = State.QUEUED, False
    for step in steps:
        if state not in TRANSITIONS[step]:
            with pytest.raises(LedgerError, match=f"cannot {step}"):
                after(step, state, "M1")
            continue
        state = after(step, state, "M1")
        may_have_left = (may_have_left or state in MAY_HAVE_LEFT) and step not in DEFINITE_WORD
        assert not (may_have_left and state in PENDING)


@given(st.permutations([Step.DELIVER, Step.FAIL, Step.FAIL, Step.DELIVER, Step.ACCEPT]))
def test_receipts_and_answer_end_alike_in_any_order(steps: list[Step]) -> None:
    state = State.SENDING
    for step in steps:
        state = after(step, state, "M1")
    assert state is State.DELIVERED


def test_sources_are_what_sql_compares_with() -> None:
    assert sources(Step.CLAIM) == ("queued", "retryable")
