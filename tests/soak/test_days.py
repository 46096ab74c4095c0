"""The drawn days of `tests/integration/reliability/days.py`, for a quarter of an hour."""

import pytest

from tests.integration.reliability.days import walk

pytestmark = pytest.mark.soak


def test_days_on_which_everything_happens() -> None:
    walk(lives=120, steps=40)
