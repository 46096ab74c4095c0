"""What is still owed, and what that means for a message that waits."""

from datetime import date

from carloan_notify.ledger.views import UntilPaid
from carloan_notify.pipeline.send import PAID, UNCLEAR, StillOwed
from carloan_notify.records import CoveredNotice

JUNE, JULY, AUGUST = date(2026, 6, 10), date(2026, 7, 10), date(2026, 8, 10)
STILL = StillOwed(unpaid={("L1", JUNE), ("L2", JULY)}, loans={"L1", "L2", "L3"}, until=date(2026, 7, 31))


def tells(*covers: tuple[str, date | None]) -> tuple[CoveredNotice, ...]:
    return tuple(CoveredNotice(f"K{loan}", loan, 1, due) for loan, due in covers)


def test_what_is_owed_may_go_and_what_is_paid_may_not() -> None:
    assert STILL.verdict(tells(("L1", JUNE))) == ""
    assert STILL.verdict(tells(("L1", JULY))) == PAID
    assert STILL.verdict(tells(("L3", JUNE))) == PAID


def test_one_paid_loan_of_a_merged_message_stops_it_and_frees_the_others() -> None:
    covers = tells(("L1", JUNE), ("L3", JUNE))
    assert STILL.verdict(covers) == PAID
    assert STILL.still_owed_keys(UntilPaid("M", "due_today", "", covers)) == ["KL1"]


def test_a_loan_that_cannot_be_told_stays_back() -> None:
    assert STILL.verdict(tells(("L9", JUNE))) == UNCLEAR
    assert STILL.verdict(tells(("L1", JUNE), ("L9", JUNE))) == UNCLEAR


def test_nothing_is_said_of_what_lies_beyond_the_look() -> None:
    """A night run again for an older date must not cancel what a newer one queued."""
    assert STILL.verdict(tells(("L1", AUGUST))) == ""
    assert STILL.verdict(tells(("L1", None))) == PAID
