"""Files that change between `run` and `send`: events, people and zones count as they are when a message leaves."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from carloan_notify.codes import Look
from carloan_notify.notices.settings import EventType, RuleSettings, When
from tests.integration.reliability.debts import (
    LOS_ANGELES,
    PART,
    SHANGHAI,
    TERMS,
    Book,
    Loan,
    Payment,
    Person,
)
from tests.integration.reliability.small_lender import (
    THANKS,
    ZONE,
    SmallLender,
    later,
    read,
    read_name,
    read_thanks,
)

TODAY = datetime(2026, 11, 23, 2, 0, tzinfo=ZONE)
OWN = "10000000001"
PAID = Payment("P1", "L-0001", TODAY.date(), 5_000)


def made(folder: Path, days: int, *payments: Payment) -> SmallLender:
    """One borrower, due in so many days, with a guarantor."""
    loan = Loan("L-0001", "C1", TODAY.date() + timedelta(days=days), OWN)
    people = {"C1": [Person("guarantor", "王五", "10000000002")]}
    return SmallLender(folder, Book([loan], list(payments), people), TODAY)


@pytest.fixture
def paid(tmp_path: Path) -> SmallLender:
    """A night that thanks for a payment."""
    lender = made(tmp_path, 6, PAID)
    lender.night(lender.today)
    lender.now = later(lender.now, 0, 10)
    return lender


@pytest.fixture
def late(tmp_path: Path) -> SmallLender:
    """A night that tells borrower and guarantor of three days past due."""
    lender = made(tmp_path, -3)
    lender.night(lender.today)
    lender.now = later(lender.now, 0, 10)
    return lender


def codes(lender: SmallLender) -> list[tuple[str, str, str]]:
    """What did not leave: role, state and why."""
    return sorted((r["role"], r["state"], r["code"]) for r in lender.messages() if r["state"] != "accepted")


def test_a_payment_that_was_taken_back_is_not_confirmed(paid: SmallLender) -> None:
    paid.book.payments.append(Payment("P2", "L-0001", paid.today, -PAID.amount))
    assert paid.send() == []
    assert codes(paid) == [("borrower", "cancelled", Look.TAKEN_BACK)]


def test_a_payment_that_was_corrected_is_confirmed_as_it_is(paid: SmallLender) -> None:
    paid.book.payments = [replace(PAID, amount=6_000, paid_on=PAID.paid_on - timedelta(days=5))]
    (told,) = paid.send()
    assert read_thanks(told.rendered.text) == (6_000, TODAY.date() - timedelta(days=5))


def test_a_payment_whose_row_is_gone_waits_until_it_is_there_again(paid: SmallLender) -> None:
    paid.book.payments = []
    assert paid.send() == []
    assert codes(paid) == [("borrower", "queued", Look.EVENT_GONE)]
    paid.book.payments = [PAID]
    paid.now += timedelta(minutes=5)
    assert [message.notice for message in paid.send()] == ["payment_received"]


def test_a_loan_that_is_settled_no_more_is_not_called_so(tmp_path: Path) -> None:
    lender = made(tmp_path, 6, replace(PAID, amount=TERMS * PART))
    rule = RuleSettings(notice="loan_settled", when=When(event=EventType.LOAN_SETTLED))
    lender.settings = lender.settings.model_copy(update={"rules": [rule]})
    (lender.folder / "templates" / "zh-CN" / "loan_settled.sms.j2").write_text(THANKS, encoding="utf-8")
    lender.night(lender.today)
    lender.book.payments.append(Payment("P2", "L-0001", lender.today, -PART))
    lender.now = later(lender.now, 0, 10)
    assert lender.send() == []
    assert codes(lender) == [("borrower", "cancelled", Look.NO_LONGER_TRUE)]


def test_a_guarantor_who_is_gone_waits(late: SmallLender) -> None:
    people = late.book.people.pop("C1")
    assert [message.role for message in late.send()] == ["borrower"]
    assert codes(late) == [("guarantor", "queued", Look.PERSON_GONE)]
    late.book.people["C1"] = people
    late.now += timedelta(minutes=5)
    assert [message.role for message in late.send()] == ["guarantor"]


def test_a_new_number_is_told_by_the_next_night_and_the_old_one_never(late: SmallLender) -> None:
    late.book.loans[0].phone, late.book.people["C1"][0].phone = "10000000003", "10000000004"
    assert late.send() == []
    assert codes(late) == [
        ("borrower", "cancelled", Look.NUMBER_CHANGED),
        ("guarantor", "cancelled", Look.NUMBER_CHANGED),
    ]
    late.now = later(late.now, 1, 2)
    late.night(late.today)
    late.now = later(late.now, 0, 10)
    assert {message.phone for message in late.send()} == {"+8610000000003", "+8610000000004"}


def test_a_new_name_is_in_the_words(late: SmallLender) -> None:
    late.book.people["C1"][0].name = "赵六"
    told = {message.role: message for message in late.send()}
    assert read_name(told["guarantor"].rendered.text) == told["guarantor"].recipient_name == "赵六"
    assert read_name(told["borrower"].rendered.text) == "钱一"


def test_who_refuses_by_now_is_not_told(late: SmallLender) -> None:
    late.book.refusing = {"C1"}
    late.book.people["C1"][0].refuses = True
    assert late.send() == []
    assert {code for _, _, code in codes(late)} == {Look.REFUSED}


def test_words_are_true_where_the_reader_is(tmp_path: Path) -> None:
    """The lender's 24th, ten in the morning, is the 23rd in Los Angeles: due today, whatever changed in the files."""
    lender = made(tmp_path, 0)
    lender.book.loans[0].zone = LOS_ANGELES
    lender.night(lender.today)
    lender.book.people = {}
    lender.now = later(lender.now, 1, 2, 30)
    (told,) = lender.send()
    said = read(told.rendered.text)
    assert (told.notice, said.days_to_due, said.due_on) == ("due_today", 0, date(2026, 11, 23))


def test_who_paid_by_the_lenders_today_is_not_told_where_it_is_yesterday(tmp_path: Path) -> None:
    lender = made(tmp_path, 0)
    lender.book.loans[0].zone = LOS_ANGELES
    lender.night(lender.today)
    lender.now = later(lender.now, 1, 2, 30)
    lender.book.payments.append(Payment("P1", "L-0001", lender.today, PART))
    assert lender.send() == []
    assert codes(lender) == [("borrower", "cancelled", Look.PAID)]


def test_a_payment_of_the_lenders_tomorrow_counts_where_it_leaves_tomorrow(tmp_path: Path) -> None:
    """It stands in the file from the beginning; in Los Angeles the message would leave on the lender's 24th."""
    for zone, told in ((LOS_ANGELES, []), (SHANGHAI, ["due_today"])):
        folder = tmp_path / zone.replace("/", "-")
        folder.mkdir()
        lender = made(folder, 0, Payment("P1", "L-0001", TODAY.date() + timedelta(days=1), PART))
        lender.book.loans[0].zone = zone
        lender.night(lender.today)
        lender.now = later(lender.now, 0, 10) if told else later(lender.now, 1, 2, 30)
        assert [message.notice for message in lender.send()] == told


def test_who_lives_elsewhere_by_now_is_not_woken(late: SmallLender) -> None:
    """Ten in Shanghai is six in the evening before, in Los Angeles; four in the afternoon is midnight."""
    late.book.people = {}
    late.now = later(late.now, 0, 16, 30)
    late.book.loans[0].zone = LOS_ANGELES
    assert late.send() == []
    assert ("borrower", "expired", Look.OUT_OF_HOURS) in codes(late)
