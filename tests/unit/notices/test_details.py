"""The small language of an event's detail: what is written is read again, and free text says nothing."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.notices.details import NOTHING, PARTS, detail_text, percent, read_detail

VALUE = st.text(
    st.characters(codec="ascii", exclude_categories=("Z", "C"), exclude_characters=";"), min_size=1
).filter(lambda text: "->" not in text)


@given(st.dictionaries(st.sampled_from(list(PARTS)), st.tuples(st.one_of(st.just(""), VALUE), VALUE)))
def test_what_is_written_is_read_again(parts: dict[str, tuple[str, str]]) -> None:
    assert read_detail(detail_text(parts)).values == parts


def test_a_change_before_and_after() -> None:
    detail = read_detail(
        "15 -> 20; due_on 2026-12-15 → 2026-12-20; amount 1000.00 → 950.50; installments 12 → 14"
    )
    assert detail.texts("") == ("15", "20")
    assert detail.days("due_on") == (date(2026, 12, 15), date(2026, 12, 20))
    assert detail.amounts("amount") == (Decimal("1000.00"), Decimal("950.50"))
    assert detail.numbers("installments") == (12, 14)
    assert detail.changes


def test_a_payment_and_a_quote_are_no_changes() -> None:
    payment, quote = read_detail("paid 5-7; part 8; open 4"), read_detail("until 2026-12-05")
    assert (payment.paid, payment.numbers("part")[1], payment.numbers("open")[1]) == ((5, 7), 8, 4)
    assert read_detail("paid 5").paid == (5, 5)
    assert quote.days("until")[1] == date(2026, 12, 5)
    assert not payment.changes
    assert not quote.changes


@pytest.mark.parametrize("text", ["", "documents", "called twice", "rate", "贷款已展期", "due_on", ";;"])
def test_the_lenders_own_words_say_nothing(text: str) -> None:
    assert read_detail(text) is NOTHING


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    detail = read_detail(text)
    for name in PARTS:
        assert all(day is None or isinstance(day, date) for day in detail.days(name))
        assert all(number >= 0 for number in detail.numbers(name))
        assert all(amount >= 0 for amount in detail.amounts(name))
    assert min(detail.paid) >= 0


@pytest.mark.parametrize("text", ["amount NaN → Infinity", "amount -5 → x", "due_on 2026-02-30 → soon"])
def test_values_that_are_none(text: str) -> None:
    detail = read_detail(text)
    assert detail.amounts("amount") == (Decimal(0), Decimal(0))
    assert detail.days("due_on") == (None, None)


@given(st.integers(0, 10**10))
def test_a_rate_as_people_write_it(rate_ppb: int) -> None:
    assert Decimal(percent(rate_ppb).removesuffix("%")) * 10**7 == rate_ppb
    assert "E" not in percent(rate_ppb)
    assert percent(58_800_000) == "5.88%"
