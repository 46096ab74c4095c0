"""What a look says of one message, and when it is not believed."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify import frames
from carloan_notify.codes import Look
from carloan_notify.ledger.views import Waiting
from carloan_notify.loans.standing import Standing
from carloan_notify.notices.guard_settings import GuardSettings
from carloan_notify.notices.settings import EventType
from carloan_notify.pipeline.addressees import Addressee
from carloan_notify.pipeline.portfolio import Portfolio
from carloan_notify.pipeline.verdicts import (
    MANY,
    Ruling,
    StillOwed,
    Truth,
    doubted,
    shrunk,
    verdict,
)
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


KIND = ("overdue_3", "sms", "borrower")
NOW = Truth(
    portfolio(),
    owed={(KIND, "L1", JUNE): (owes(),), (KIND, "L4", JUNE): (owes(),)},
    unpaid={("L1", JUNE), ("L2", JULY), ("L4", JUNE)},
    known=frozenset({"L1", "L2", "L3", "L4"}),
    paid_ahead=frozenset({"L4"}),
    told={"paid": owes(), "settled": owes()},
    taken_back={"reversed"},
    event_of={"payment_received": EventType.PAYMENT_RECEIVED, "loan_settled": EventType.LOAN_SETTLED},
)
HERE = Addressee(None, "Li", JULY)


def waiting(*covers: tuple[str, date | None], kind: str = "service", until_paid: bool = True) -> Waiting:
    told = tuple(CoveredNotice(f"K{loan}", loan, 1, due) for loan, due in covers)
    return Waiting("M", "R", "overdue_3", "sms", "borrower", kind, "hash", until_paid, told)


def ruled(message: Waiting, **people: Addressee) -> Ruling:
    return verdict(message, NOW, {loan: people.get(loan, HERE) for loan in message.loan_ids})


def test_what_is_owed_may_go_and_what_is_paid_may_not() -> None:
    going = ruled(waiting(("L1", JUNE)))
    assert (going.still[0][1].amount_minor, going.day, going.name) == (100, JULY, "Li")
    assert ruled(waiting(("L3", JUNE))) == Ruling(cancel=Look.PAID)
    assert ruled(waiting(("L1", None))) == Ruling(cancel=Look.PAID)
    goes = ruled(waiting(("L3", JUNE), until_paid=False))
    assert (goes.cancel, goes.hold, goes.still) == (None, None, ())


def test_what_is_owed_but_not_called_for_any_more_is_over() -> None:
    assert ruled(waiting(("L2", JULY))) == Ruling(cancel=Look.NO_LONGER_TRUE)


def test_of_a_merged_message_what_is_still_owed_goes() -> None:
    found = ruled(waiting(("L1", JUNE), ("L3", JUNE)))
    assert [cover.loan_id for cover, _ in found.still] == ["L1"]


@pytest.mark.parametrize("covers", [(("L9", JUNE),), (("L1", JUNE), ("L9", JUNE))])
def test_a_loan_that_cannot_be_told_holds(covers: tuple[tuple[str, date], ...]) -> None:
    assert ruled(waiting(*covers)) == Ruling(hold=Look.STANDING_UNCLEAR)


def test_a_payment_of_a_day_to_come_holds_collection_alone() -> None:
    assert ruled(waiting(("L4", JUNE), kind="collection")) == Ruling(hold=Look.PAYMENT_AHEAD)
    assert ruled(waiting(("L4", JUNE))).still


@pytest.mark.parametrize("against", [Look.NUMBER_CHANGED, Look.REFUSED])
def test_what_the_tables_say_of_a_person_ends_its_part(against: Look) -> None:
    """Of two loans the other one is told; a message without any other is over."""
    lost = Addressee(against, "", JULY)
    assert ruled(waiting(("L1", JUNE)), L1=lost) == Ruling(cancel=against)
    found = ruled(waiting(("L1", JUNE), ("L4", JUNE)), L1=lost)
    assert [cover.loan_id for cover, _ in found.still] == ["L4"]
    assert ruled(waiting(("L1", JUNE), ("L3", JUNE)), L1=lost) == Ruling(cancel=Look.PAID)


@pytest.mark.parametrize("against", [Look.PERSON_GONE, Look.IN_DISPUTE, Look.OUT_OF_HOURS])
def test_what_they_say_no_more_holds_all_that_is_not_over(against: Look) -> None:
    opens = datetime(2026, 7, 10, 8, tzinfo=UTC)
    doubt = Addressee(against, "", JULY, opens)
    assert ruled(waiting(("L1", JUNE), ("L4", JUNE)), L4=doubt) == Ruling(hold=against, until=opens)
    assert ruled(waiting(("L3", JUNE)), L3=doubt) == Ruling(cancel=Look.PAID)


@pytest.mark.parametrize(
    ("notice", "key", "cancel", "hold"),
    [
        ("payment_received", "paid", None, None),
        ("payment_received", "reversed", Look.TAKEN_BACK, None),
        ("payment_received", "vanished", None, Look.EVENT_GONE),
        ("payment_received", "vanished#again", None, None),
        ("payment_received", "reversed#again", Look.TAKEN_BACK, None),
        ("loan_settled", "settled", None, None),
        ("loan_settled", "reopened", Look.NO_LONGER_TRUE, None),
    ],
)
def test_an_event_is_true_while_the_tables_hold_it(
    notice: str, key: str, cancel: Look | None, hold: Look | None
) -> None:
    told = (CoveredNotice(key, "L1", 0, None), CoveredNotice(f"number-of-{key}", "L1", 0, None))
    found = ruled(replace(waiting(), notice=notice, until_paid=False, covers=told))
    assert (found.cancel, found.hold) == (cancel, hold)
    assert len(found.still) == (2 if key in NOW.told else 0)


@given(st.integers(0, 60), st.integers(0, 60))
def test_many_paid_at_once_are_not_believed(paid: int, owing: int) -> None:
    for reason in (Look.PAID, Look.NUMBER_CHANGED, Look.REFUSED):
        rulings = [Ruling(cancel=reason)] * paid + [Ruling()] * owing
        assert doubted(rulings, GuardSettings()) == (paid >= MANY and paid > owing)
        assert not doubted(rulings, GuardSettings(max_paid_share=1))


NIGHT = NightFacts(JULY, 100, 400, 500, 0, 100, 10, 5, 5, JULY, "")


@given(st.integers(0, 200), st.integers(0, 900), st.integers(0, 50))
def test_tables_that_shrank_are_not_believed(loans: int, payments: int, rejected: int) -> None:
    """A tenth of the loans or of the payments may be gone, and a twentieth of the rows rejected."""
    found = shrunk(portfolio(loans, payments, rejected), NIGHT, GuardSettings())
    bad = rejected > 0.05 * (loans + payments)
    assert found == (bad or loans < 90 or payments < 360)
    assert shrunk(portfolio(loans, payments, rejected), None, GuardSettings()) == bad


@given(st.integers(0, 60), st.integers(0, 60))
def test_few_contacts_or_events_may_be_gone(before: int, now: int) -> None:
    """A tenth and ten: of a few, some may go."""
    for name in ("contacts", "events"):
        tables = portfolio(100, 400)
        sources = replace(tables.sources, **{name: table(name, now)})
        night = replace(NIGHT, rows={name: before})
        found = shrunk(replace(tables, sources=sources), night, GuardSettings())
        assert found == (before - now >= MANY and now < 0.9 * before)


def test_links_and_dates_of_wording_are_no_difference() -> None:
    said = {"amount": "100.00", "pay_link": "https://x/1", "as_of": "2026-11-23"}
    assert steady(said) == steady(said | {"pay_link": "https://x/2", "as_of": "2026-11-24"})
    assert steady(said) != steady(said | {"amount": "40.00"})
