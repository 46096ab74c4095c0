from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.delivery.registry import BreakerSettings
from carloan_notify.delivery.sender import CircuitBreaker


def opened_at(settings: BreakerSettings, answers: list[bool]) -> int | None:
    """After which answer (True: failed) the breaker opened."""
    breaker = CircuitBreaker(settings)
    for number, failed in enumerate(answers, 1):
        breaker.failed(0) if failed else breaker.succeeded()
        if breaker.is_open:
            return number
    return None


def plainly(in_a_row: int, hundredths: int, window: int, answers: list[bool]) -> int | None:
    """The same said slowly: whichever of the two comes first."""
    for number in range(1, len(answers) + 1):
        last = answers[max(0, number - window) : number]
        enough = Fraction(hundredths, 100) * window
        share = len(last) == window and sum(last) >= enough and answers[number - 1]
        row = number >= in_a_row and all(answers[number - in_a_row : number])
        if share or row:
            return number
    return None


@given(
    in_a_row=st.integers(1, 12),
    hundredths=st.integers(1, 100),
    window=st.integers(2, 10),
    answers=st.lists(st.booleans(), max_size=40),
)
def test_it_opens_on_whichever_comes_first(
    in_a_row: int, hundredths: int, window: int, answers: list[bool]
) -> None:
    settings = BreakerSettings(consecutive_errors=in_a_row, error_share=hundredths / 100, window=window)
    assert opened_at(settings, answers) == plainly(in_a_row, hundredths, window, answers)


def test_a_share_of_one_means_every_request_of_the_window() -> None:
    settings = BreakerSettings(consecutive_errors=1_000, error_share=1, window=50)
    assert opened_at(settings, [True] * 49) is None
    assert opened_at(settings, [True] * 50) == 50
    assert opened_at(settings, [*[True] * 49, False, *[True] * 49]) is None
    longer = BreakerSettings(consecutive_errors=60, error_share=1, window=61)
    assert opened_at(longer, [True] * 100) == 60


@pytest.mark.parametrize(("share", "window", "failures"), [(0.07, 100, 7), (0.29, 100, 29), (0.57, 100, 57)])
def test_a_share_is_taken_exactly(share: float, window: int, failures: int) -> None:
    settings = BreakerSettings(consecutive_errors=1_000, error_share=share, window=window)
    fine = [False] * (window - failures)
    assert opened_at(settings, [*fine, *[True] * failures]) == window
    assert opened_at(settings, [False, *fine, *[True] * (failures - 1)]) is None
