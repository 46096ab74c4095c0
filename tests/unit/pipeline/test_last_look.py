"""What a look says of one message, and when it is not believed."""

from datetime import date

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify import frames
from carloan_notify.codes import Look
from carloan_notify.ledger.views import UntilPaid
from carloan_notify.loans.standing import Standing
from carloan_notify.notices.guard_settings import GuardSettings
from carloan_notify.pipeline.last_look import (
    MANY,
    Ruling,
    StillOwed,
    Truth,
    doubted,
    shrunk,
    verdict,
)
from carloan_notify.pipeline.portfolio import Portfolio
from carloan_notify.records import CoveredNotice, NightFacts, steady
from carloan_notify.sources.read import Sources, Table
from carloan_notify.sources.tables import TableName

JUNE, JULY = date(2026, 6, 10), date(2026, 7, 10)
NOWHERE = Standing(frames.empty(frames.STANDING), frames.empty(frames.DUES), frames.empty(frames.FINDINGS))


def table(name: TableName, rows: int, rejected: int = 0) -> Table:
    rejects = pd.DataFrame({"owner": [""] * rejected})
    return Table(name, pd.DataFrame(), rejects, rows, (), frames.empty(frames.FINDINGS))


def portfolio(loans: int = 0, payments: int = 0, rejected: int = 0) -> Portfolio:
    sources = Sources(loans=table("loans", loans, rejected), payments=table("payments", payments))
    return Portfolio(JULY, sources, NOWHERE, frames.empty(frames.FINDINGS))


def owes(amount: int = 100) -> StillOwed:
    return StillOwed(0, 1, pd.Timestamp(JUNE), pd.Timestamp(JUNE), amount, 30, pd.Timestamp(JUNE))


NOW = Truth(
    portfolio(),
    owed={("overdue_3", "sms", "L1", JUNE): owes(), ("overdue_3", "sms", "L4", JUNE): owes()},
    unpaid={("L1", JUNE), ("L2", JULY), ("L4", JUNE)},
    known=frozenset({"L1", "L2", "L3", "L4"}),
    paid_ahead=frozenset({"L4"}),
)


def waiting(*covers: tuple[str, date | None], kind: str = "service") -> UntilPaid:
    told = tuple(CoveredNotice(f"K{loan}", loan, 1, due) for loan, due in covers)
    return UntilPaid("M", "R", "overdue_3", "sms", kind, told)


def test_what_is_owed_may_go_and_what_is_paid_may_not() -> None:
    assert verdict(waiting(("L1", JUNE)), NOW).still[0][1].amount_minor == 100
    assert verdict(waiting(("L3", JUNE)), NOW) == Ruling(cancel=Look.PAID)
    assert verdict(waiting(("L1", None)), NOW) == Ruling(cancel=Look.PAID)


def test_what_is_owed_but_not_called_for_any_more_is_over() -> None:
    assert verdict(waiting(("L2", JULY)), NOW) == Ruling(cancel=Look.NO_LONGER_TRUE)


def test_of_a_merged_message_what_is_still_owed_goes() -> None:
    found = verdict(waiting(("L1", JUNE), ("L3", JUNE)), NOW)
    assert [cover.loan_id for cover, _ in found.still] == ["L1"]


@pytest.mark.parametrize("covers", [(("L9", JUNE),), (("L1", JUNE), ("L9", JUNE))])
def test_a_loan_that_cannot_be_told_holds(covers: tuple[tuple[str, date], ...]) -> None:
    assert verdict(waiting(*covers), NOW) == Ruling(hold=Look.STANDING_UNCLEAR)


def test_a_payment_of_a_day_to_come_holds_collection_alone() -> None:
    assert verdict(waiting(("L4", JUNE), kind="collection"), NOW) == Ruling(hold=Look.PAYMENT_AHEAD)
    assert verdict(waiting(("L4", JUNE)), NOW).still


@given(st.integers(0, 60), st.integers(0, 60))
def test_many_paid_at_once_are_not_believed(paid: int, owing: int) -> None:
    verdicts = [Ruling(cancel=Look.PAID)] * paid + [Ruling()] * owing
    assert doubted(verdicts, GuardSettings()) == (paid >= MANY and paid > owing)
    assert not doubted(verdicts, GuardSettings(max_paid_share=1))


NIGHT = NightFacts(JULY, 100, 400, 500, 0, 100, 10, 5, 5, JULY, "")


@given(st.integers(0, 200), st.integers(0, 900), st.integers(0, 50))
def test_tables_that_shrank_are_not_believed(loans: int, payments: int, rejected: int) -> None:
    """A tenth of the loans or of the payments may be gone, and a twentieth of the rows rejected."""
    found = shrunk(portfolio(loans, payments, rejected), NIGHT, GuardSettings())
    bad = rejected > 0.05 * (loans + payments)
    assert found == (bad or loans < 90 or payments < 360)
    assert shrunk(portfolio(loans, payments, rejected), None, GuardSettings()) == bad


def test_links_and_dates_of_wording_are_no_difference() -> None:
    said = {"amount": "100.00", "pay_link": "https://x/1", "as_of": "2026-11-23"}
    assert steady(said) == steady(said | {"pay_link": "https://x/2", "as_of": "2026-11-24"})
    assert steady(said) != steady(said | {"amount": "40.00"})
