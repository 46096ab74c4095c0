"""The reconciling object, whatever became of the messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.records import Decision, MessageState
from carloan_notify.reports.night import COUNTED_AS, OUTCOMES, outcomes, reconciling_object
from tests.unit.reports.samples import COST, report

COUNTS = st.integers(min_value=0, max_value=10**6)


@given(states=st.dictionaries(st.sampled_from([state.value for state in MessageState]), COUNTS))
def test_every_state_is_counted_once(states: dict[str, int]) -> None:
    counted = outcomes(states)
    assert list(counted) == list(OUTCOMES)
    assert sum(counted.values()) == sum(states.values())


def test_every_state_has_its_place() -> None:
    assert set(COUNTED_AS) == set(MessageState)


@given(decisions=st.dictionaries(st.sampled_from(list(Decision)), COUNTS))
def test_notices_are_the_sum_of_decisions(decisions: dict[Decision, int]) -> None:
    counts = reconciling_object(report(decisions=decisions))
    assert counts["notices"] == sum(counts[decision.value] for decision in Decision)


def test_object_in_full() -> None:
    assert reconciling_object(report()) == {
        "run_id": "R1", "as_of": "2026-11-23", "status": "finished",
        "rows_read": 15, "rows_used": 13, "rows_rejected": 2, "rejects_file": "reports/rejects-R1.csv",
        "notices": 9, "queued": 6, "suppressed": 2, "held": 1, "already_sent": 0,
        "accepted": 2, "rejected": 0, "unknown": 0, "failed": 0, "cancelled": 1, "pending": 3,
        "reasons": {"held:in_dispute": 1, "suppressed:opted_out": 2},
        "by_notice": {"due_today.sms": 4, "overdue_1.voice": 2},
        "findings": {"payment_unknown_loan": 3},
        "guards_tripped": ["cost"], "guards_accepted": ["cost"],
        "unlisted_codes": [],
            "refused_templates": [], "template_failures": [], "schedule_differences": [], "stopped_by": "",
        "doubted": 0,
        "reject_groups": {}, "promises": {}, "promise_outcomes": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({}, False),
        ({"states": {"cancelled": 1}}, False),  # a payment came: that is no failure
        ({"states": {"rejected": 1}}, True),
        ({"states": {"unknown": 1}}, True),
        ({"states": {"expired": 1}}, True),
        ({"stopped_by": "kill_switch"}, True),
        ({"template_failures": ("en/due_today.sms.j2:1: empty; write text",)}, True),
    ],
)
def test_failed_items(changes: dict[str, object], failed: bool) -> None:  # noqa: FBT001 - a case's outcome
    assert report(**changes).has_failed_items == failed


def test_guards_stop_unless_accepted() -> None:
    assert report().stopping_guards == ()
    assert report(accepted_guards=("export_stale",)).stopping_guards == (COST,)
