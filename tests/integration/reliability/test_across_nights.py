"""Two nights before one morning: of one installment only the later stage is told, in whatever order the nights came."""

from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from carloan_notify.codes import Look, Reason
from tests.integration.reliability.debts import Book, Loan
from tests.integration.reliability.small_lender import ZONE, SmallLender, later

TODAY = datetime(2026, 11, 23, 2, 0, tzinfo=ZONE)
DUE = date(2026, 11, 20)


@pytest.fixture
def lender(tmp_path: Path) -> SmallLender:
    """One borrower, three days late today."""
    return SmallLender(tmp_path, Book([Loan("L-0001", "C1", DUE, "10000000001")]), TODAY)


def waiting(lender: SmallLender) -> dict[tuple[str, str], str]:
    return {(row["notice"], row["channel"]): row["state"] for row in lender.messages()}


def test_a_night_made_up_after_it_queues_no_earlier_stage(lender: SmallLender) -> None:
    lender.night(lender.today)
    lender.now = later(lender.now, 0, 3)
    lender.night(lender.today - timedelta(days=1))
    assert waiting(lender) == {("overdue_3", "sms"): "queued"}
    made_up = [row for row in lender.decisions() if row["run_id"] == lender.run_id]
    assert {(row["decision"], row["reason"]) for row in made_up} == {("suppressed", Reason.SUPERSEDED)}
    lender.now = later(lender.now, 0, 10)
    assert [message.notice for message in lender.send()] == ["overdue_3"]


def test_a_night_after_it_ends_what_a_night_made_up_for_queued(lender: SmallLender) -> None:
    lender.night(lender.today - timedelta(days=1))
    assert waiting(lender) == {("overdue_1", "voice"): "queued", ("overdue_1", "sms"): "queued"}
    lender.now = later(lender.now, 0, 3)
    lender.night(lender.today)
    assert waiting(lender) == {
        ("overdue_1", "voice"): "cancelled",
        ("overdue_1", "sms"): "cancelled",
        ("overdue_3", "sms"): "queued",
    }
    ended = [row["code"] for row in lender.messages() if row["state"] == "cancelled"]
    assert set(ended) == {Look.SUPERSEDED}
    lender.now = later(lender.now, 0, 10)
    assert [message.notice for message in lender.send()] == ["overdue_3"]


def test_another_installment_is_another_matter(lender: SmallLender) -> None:
    """The first one is told at three days; when it is paid, the second begins its own stages."""
    lender.night(lender.today)
    lender.now = later(lender.now, 0, 10)
    assert lender.send()
    lender.book.loans[0].first_due_on = DUE + timedelta(days=7)
    lender.now = later(lender.now, 5, 2)
    lender.night(lender.today)
    assert ("overdue_1", "sms") in waiting(lender)
