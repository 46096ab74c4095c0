"""Right nights pass and broken ones stop: the benchmark's lender, over few nights."""

from benchmarks.guard_nights import FIRST_NIGHT, KINDS, live


def test_right_nights_pass_and_every_broken_kind_is_stopped() -> None:
    outcome = live("six days", 4, (0, 3))
    assert outcome.stopped == {}
    assert outcome.passed == ()
    assert outcome.tried == len(FIRST_NIGHT) + len(KINDS)
