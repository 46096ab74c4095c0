"""A short walk through days on which everything happens; `make soak` walks for longer."""

import pytest

from tests.integration.reliability.days import walk


@pytest.mark.hypothesis
def test_days_on_which_everything_happens() -> None:
    walk(lives=2, steps=15)
