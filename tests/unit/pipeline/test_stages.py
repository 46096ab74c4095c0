"""Whose turn it is in a stage."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from carloan_notify.ledger.views import First
from carloan_notify.notices.settings import RuleSettings, When
from carloan_notify.pipeline.stages import LOOK_AGAIN, UNDER_WAY, UNHEARD, Turn, turn
from carloan_notify.records import Channel, MessageState

NOW = datetime(2026, 11, 23, 2, tzinfo=UTC)
SECOND = RuleSettings(
    notice="overdue_1", when=When(days_past_due=1), after=Channel.VOICE, unless="answered", wait_minutes=60
)


def first(state: MessageState, minutes_ago: int = 0) -> First:
    sent = NOW - timedelta(minutes=minutes_ago)
    return First(state, sent, None if state in UNDER_WAY else sent)


@given(st.lists(st.tuples(st.sampled_from(MessageState), st.integers(0, 120)), max_size=3))
def test_it_waits_for_what_is_under_way_and_an_hour_for_a_receipt(
    calls: list[tuple[MessageState, int]],
) -> None:
    found = turn(SECOND, [first(*call) for call in calls], NOW)
    under_way = any(state in UNDER_WAY for state, _ in calls)
    unheard = any(state in UNHEARD and minutes < 60 for state, minutes in calls)
    assert (found.wait_until is not None) == (under_way or unheard)
    if found.wait_until is not None:
        assert NOW < found.wait_until <= NOW + timedelta(hours=1)
        assert not found.answered
    else:
        assert found.answered == (bool(calls) and all(state is MessageState.DELIVERED for state, _ in calls))


def test_a_call_of_later_is_waited_for() -> None:
    opens = NOW + timedelta(hours=1)
    assert turn(SECOND, [First(MessageState.QUEUED, opens, None)], NOW) == Turn(wait_until=opens)
    assert turn(SECOND, [first(MessageState.CLAIMED)], NOW) == Turn(wait_until=NOW + LOOK_AGAIN)


def test_without_unless_an_answer_changes_nothing() -> None:
    plain = SECOND.model_copy(update={"unless": None})
    assert turn(plain, [first(MessageState.DELIVERED)], NOW) == Turn()


@pytest.mark.parametrize("options", [{"after": "sms"}, {"unless": "answered"}])
def test_a_stage_that_waits_for_itself_or_for_nothing_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        RuleSettings.model_validate({"notice": "n", "when": {"days_past_due": 1}, **options})
