from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.delivery.provider import LookUp, MessageFate
from carloan_notify.pipeline.inbox import endings, turn

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)


@given(st.integers(1, 40), st.integers(1, 15), st.text("0123456789", max_size=3))
def test_everybody_gets_a_turn(many: int, most: int, last: str) -> None:
    """However seldom somebody asks: the place is kept, the clock has no part in it."""
    names = [f"{number:03d}" for number in range(many)]
    asked = []
    for _ in range(-(-many // most)):
        asked.append(turn(names, most, last))
        last = asked[-1][-1]
    assert all(len(each) == len(set(each)) == min(many, most) for each in asked)
    assert set().union(*asked) == set(names)


@given(
    st.integers(1, 6),
    st.lists(st.tuples(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30))), min_size=1, max_size=12),
)
def test_whoever_stays_silent_is_asked_again_while_others_come_and_go(
    most: int, changes: list[tuple[set[int], set[int]]]
) -> None:
    """Between two questions about a message, each other that is there is asked about at most once."""
    there: set[int] = set(range(0, 30, 3))
    last, waited = "", dict.fromkeys(there, 0)
    for come, go in changes:
        there = (there | come) - go
        names = sorted(f"{number:03d}" for number in there)
        asked = turn(names, most, last)
        last = asked[-1] if asked else last
        waited = {n: 0 if f"{n:03d}" in asked else waited.get(n, 0) + most for n in there}
        assert max(waited.values(), default=0) <= 31 + most


def test_none_is_asked_about_where_none_may_be() -> None:
    assert turn(["a"], 0, "") == []
    assert turn([], 5, "a") == []


def test_only_an_end_is_a_receipt() -> None:
    answers = [LookUp(standing.value, standing, "ref", "code", "why") for standing in MessageFate]
    found = endings("gate", answers, NOW)
    assert [(r.message_id, r.delivered, r.code, r.detail, r.occurred_at) for r in found] == [
        ("delivered", True, "code", "why", NOW),
        ("undelivered", False, "code", "why", NOW),
    ]


def test_a_number_that_refuses_is_told_on() -> None:
    (found,) = endings("gate", [LookUp("m", MessageFate.UNDELIVERED, "ref", "MBBLACK", blocked=True)], NOW)
    assert found.blocked
