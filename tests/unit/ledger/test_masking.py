"""What a text from outside may keep: days, amounts, tickets; never a number, however it is spaced."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from carloan_notify.text import mask_digits

GAPS = st.sampled_from(["", " ", "-", " - ", "\xa0", "\u3000", "–", ") "])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("called 138 0013 8000 / 138-0013-8000", "called 138****8000 / 138****8000"),
        ("+86 138-0013-8000 asked", "+86138****8000 asked"),
        ("(202) 555-0100, 202.555.0100", "(20****0100, 20****0100"),
        ("138.0013.8000", "138****8000"),
        ("打 １３８ ００１３ ８０００", "打 １３８****８０００"),
        ("2026-11-23 13800138000", "2026-11-23 138****8000"),
        ("138 0013 8000 2026-11-23", "138****8000 2026-11-23"),
        ("555-0100", "****00"),
        ("2012-10-1012345", "20121****2345"),
    ],
)
def test_a_number_is_masked_however_it_is_written(text: str, shown: str) -> None:
    assert mask_digits(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "portfolio sold, ticket 4711",
        "paid 1,234.56 and 499.00 on 2026-11-23 02:00",
        "tickets 4711, 4712; 3 calls, 2 letters",
        "ticket 4711 2026-11-23, 2026/1/5",
        "installment 12 of 36, DPD 31",
        "code 123456, 12 34 56",
    ],
)
def test_usual_reasons_stay_as_they_are(text: str) -> None:
    assert mask_digits(text) == text


def test_a_loan_id_stays_recognisable() -> None:
    assert mask_digits("loan AD2026000001, sold") == "loan AD20****0001, sold"


@given(st.text("0123456789", min_size=11, max_size=15), st.data())
def test_no_spacing_lets_a_number_through(number: str, data: st.DataObject) -> None:
    spaced = number[0] + "".join(data.draw(GAPS) + digit for digit in number[1:])
    assume(not re.search(r"(19|20)\d\d-", spaced))  # a day, which is left alone
    shown = re.sub(r"\D", "", mask_digits(f"call {spaced} back"))
    assert shown == number[:-8] + number[-4:]


@given(st.text("0123456789 -./年(", max_size=60))
def test_fewer_than_seven_digits_are_nobodys_number(text: str) -> None:
    digits = [place for place, sign in enumerate(text) if sign.isdecimal()]
    few = text[: digits[6]] if len(digits) > 6 else text
    assert mask_digits(few) == few
