"""A lender that posts nothing at weekends, over three of them."""

import pytest

from benchmarks.guard_nights import NO_WEEKENDS, live

pytestmark = pytest.mark.soak


def test_days_of_rest_stop_no_right_night() -> None:
    assert live(NO_WEEKENDS, 22, ()).stopped == {}
