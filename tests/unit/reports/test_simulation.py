"""Two simulations beside each other."""

import pytest

from carloan_notify.reports.simulation import beside


@pytest.mark.parametrize(("cost", "nothing"), [("12.30", "0.00"), ("1230", "0"), ("0.125", "0.000")])
@pytest.mark.parametrize(("full", "lacking"), [("", " ②"), (" ②", "")])
def test_an_amount_that_one_side_lacks_is_a_nothing_of_its_currency(
    cost: str, nothing: str, full: str, lacking: str
) -> None:
    """A program that reads the columns must not meet a number where the other rows hold decimal texts."""
    told = [
        {"notice": "due_today", "sent": 2, "cost": cost},
        {"notice": "overdue_1", "sent": 1, "cost": cost},
    ]
    less = told[:1]
    rows = beside([told, less] if not full else [less, told], ["notice"])
    assert rows[1] == {
        "notice": "overdue_1",
        f"sent{full}": 1,
        f"sent{lacking}": 0,
        f"cost{full}": cost,
        f"cost{lacking}": nothing,
    }


def test_a_sentence_that_one_side_lacks_is_that_of_the_other() -> None:
    told = [{"reason": "a", "why": "Of a.", "count": 1}, {"reason": "b", "why": "Of b.", "count": 1}]
    rows = beside([told[:1], told], ["reason"])
    assert [(row["why"], row["why ②"]) for row in rows] == [("Of a.", "Of a."), ("Of b.", "Of b.")]
