"""Codes and numbers: one wrong character, or two neighbours that changed places, is no code and no number."""

from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carloan_notify.ledger.certificates import (
    ALPHABET,
    CODE_LENGTH,
    check_character,
    code_of,
    grouped,
    number_of,
    plain_code,
    plain_number,
)
from carloan_notify.ledger.keys import Cipher, Keyring

CIPHER: Final = Cipher(Keyring.generate())
codes = st.builds(lambda loan_id, issue: code_of(CIPHER, loan_id, issue), st.text(), st.integers(1, 99))
numbers = st.builds(
    number_of, st.sampled_from(["", "AD-", "2026-"]), st.integers(2000, 2199), st.integers(1, 10**9 - 1)
)


def neighbours(text: str) -> set[str]:
    """The text with each two neighbours in turn exchanged."""
    places = range(len(text) - 1)
    swapped = {text[:at] + text[at + 1] + text[at] + text[at + 2 :] for at in places}
    return swapped - {text}


def test_the_check_character_is_that_of_the_social_credit_number() -> None:
    # GB 32100-2015 by an example known to everybody: the number of Tencent Computer Systems, Shenzhen.
    assert check_character("9144030071526726X") == "G"


def test_a_check_character_needs_its_alphabet() -> None:
    with pytest.raises(ValueError, match="substring"):
        check_character("OIL")


@settings(max_examples=20, deadline=None)
@given(codes)
def test_every_one_character_change_of_a_code_is_found(code: str) -> None:
    assert plain_code(grouped(code)) == plain_code(f" {grouped(code).lower()} ") == code
    assert len(code) == CODE_LENGTH
    changed = {code[:at] + sign + code[at + 1 :] for at in range(CODE_LENGTH) for sign in ALPHABET} - {code}
    assert len(changed) == CODE_LENGTH * (len(ALPHABET) - 1)
    assert {plain_code(one) for one in changed | neighbours(code)} == {""}
    assert plain_code(code[:-1]) == plain_code(code + "0") == plain_code(code[:-1] + "O") == ""


@settings(max_examples=20, deadline=None)
@given(numbers)
def test_every_one_digit_change_of_a_number_is_found(number: str) -> None:
    assert plain_number(f" {number.lower()} ") == number
    head, digits = number[: -len("2026-000001-K")], number[-len("2026-000001-K") :]
    if len(number.rsplit("-", 2)[1]) > 6:
        head, digits = number[: number.rindex("-", 0, -8) - 4], number[number.rindex("-", 0, -8) - 4 :]
    for at, sign in enumerate(digits):
        if sign.isdigit():
            for other in set("0123456789") - {sign}:
                assert plain_number(head + digits[:at] + other + digits[at + 1 :]) != number
                assert plain_number(head + digits[:at] + other + digits[at + 1 :]) == ""


@pytest.mark.parametrize("text", ["", "2026", "AD-2026-1-K", "K7QX-2M4D", "2026-000001-", "王"])
def test_what_is_neither(text: str) -> None:
    assert plain_number(text) == plain_code(text) == ""


def test_a_code_says_nothing_and_depends_on_key_loan_and_issue() -> None:
    one = code_of(CIPHER, "L1", 1)
    assert one == code_of(CIPHER, "L1", 1)
    others = {
        code_of(CIPHER, "L2", 1),
        code_of(CIPHER, "L1", 2),
        code_of(Cipher(Keyring.generate()), "L1", 1),
    }
    assert len(others | {one}) == 4
