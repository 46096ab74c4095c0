"""Signed links."""

import base64
import hashlib
import hmac
import string
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.keyed import hmac_maker
from carloan_notify.messages.links import (
    LinkClaim,
    LinkKeys,
    Purpose,
    ReadToken,
    Told,
    hints,
    parse_keys,
    pay_links,
    prove,
    read_token,
    rotated,
    tokens,
    without_tokens,
)
from carloan_notify.messages.settings import MessagesSettings
from carloan_notify.page_codes import LinkFault

KEY = b"a key of thirty-two bytes, no less"
OTHER = b"another key of enough bytes"
NOW = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)
PHONE = "+8613800138000"
SETTINGS = MessagesSettings(
    pay_link_base="https://pay.example.com/p/",
    certificate_link_base="https://pay.example.com/c/",
)
URL_SAFE = string.ascii_letters + string.digits + "-_"


def token_of(
    loan_id: str = "L1",
    phone: str = PHONE,
    now: datetime = NOW,
    purpose: Purpose = Purpose.PAY,
    key: bytes = KEY,
) -> str:
    (token,) = tokens(key, purpose, [loan_id], [phone], now)
    return token


def proven(
    token: str, *people: tuple[str, str], now: datetime = NOW, keys: LinkKeys | None = None
) -> LinkClaim | LinkFault:
    read = read_token(token)
    told = [Told(loan_id, phone) for loan_id, phone in people or [("L1", PHONE)]]
    return read if isinstance(read, LinkFault) else prove(read, keys or LinkKeys(KEY), told, now)


def plain_token(key: bytes, purpose: str, until: date, loan_id: str, phone: str) -> str:
    """One token as docs/links.md tells it, step by step."""
    place = hmac.new(key, f"carloan-notify.loan\n{loan_id}".encode(), hashlib.sha256).digest()
    covered = f"carloan-notify.link\n{purpose}\n{until.isoformat()}\n{phone}\n{loan_id}"
    proof = hmac.new(key, covered.encode(), hashlib.sha256).digest()
    first = {"pay": 0, "certificate": 1}[purpose] * 64 + (until - date(1970, 1, 1)).days % 64
    return base64.urlsafe_b64encode(bytes([first]) + place[:3] + proof[:8]).decode()


ids = st.text(min_size=1, max_size=30)
numbers = st.from_regex(r"\+[1-9]\d{7,14}", fullmatch=True)
instants = st.datetimes(datetime(2001, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds


@given(st.binary(min_size=16, max_size=100), st.lists(st.tuples(ids, numbers), max_size=5), instants)
def test_tokens_are_those_of_the_plain_recipe(
    key: bytes, people: list[tuple[str, str]], now: datetime
) -> None:
    until = now.date() + timedelta(days=30)
    for purpose in Purpose:
        made = tokens(key, purpose, [loan_id for loan_id, _ in people], [phone for _, phone in people], now)
        assert made == [plain_token(key, purpose.value, until, *person) for person in people]


@given(ids, numbers, instants, st.integers(0, 30), st.sampled_from(Purpose))
def test_every_link_comes_back(loan_id: str, phone: str, now: datetime, later: int, purpose: Purpose) -> None:
    token = token_of(loan_id, phone, now, purpose)
    others = [("another", phone), (loan_id, "+4915112345678"), (loan_id, phone)]
    claim = LinkClaim(purpose, loan_id, phone, now.date() + timedelta(days=30))
    assert proven(token, *others, now=now + timedelta(days=later)) == claim
    read = read_token(token)
    assert isinstance(read, ReadToken)
    assert [read.hint] == hints(KEY, [loan_id])


@given(ids, st.integers(0, 15), st.sampled_from(URL_SAFE))
def test_every_changed_character_is_refused(loan_id: str, place: int, character: str) -> None:
    token = token_of(loan_id)
    changed = token[:place] + character + token[place + 1 :]
    found = proven(changed, (loan_id, PHONE))
    assert isinstance(found, LinkClaim) if changed == token else isinstance(found, LinkFault)


def test_a_link_stands_behind_its_base_and_is_opaque() -> None:
    (link,) = pay_links(SETTINGS, KEY, loan_ids=["HT-2026-000123"], phones=[PHONE], now=NOW)
    assert proven(link, ("HT-2026-000123", PHONE)) == LinkClaim(
        Purpose.PAY, "HT-2026-000123", PHONE, date(2026, 12, 23)
    )
    token = link.removeprefix(SETTINGS.pay_link_base)
    assert len(token) == 16
    for hidden in (b"2026", b"123", b"138"):
        assert hidden not in base64.urlsafe_b64decode(token)


def test_no_base_no_link() -> None:
    none = MessagesSettings()
    assert pay_links(none, b"", loan_ids=["L1", "L2"], phones=[PHONE, PHONE], now=NOW) == ["", ""]


def test_a_link_expires_after_its_last_day_and_stays_so_for_a_year() -> None:
    token = token_of()
    last = datetime(2026, 12, 23, 23, 59, tzinfo=UTC)
    assert isinstance(proven(token, now=last), LinkClaim)
    for days in (*range(1, 6 * 64 - 31), 300, 350):
        assert proven(token, now=last + timedelta(days=days)) is LinkFault.EXPIRED
    assert proven(token, now=last + timedelta(days=3 * 365)) is LinkFault.FORGED


def test_a_checker_whose_clock_is_a_day_behind_believes_it() -> None:
    assert isinstance(proven(token_of(), now=NOW - timedelta(days=1)), LinkClaim)
    assert proven(token_of(), now=NOW - timedelta(days=40)) is LinkFault.FORGED


def test_the_day_is_that_of_utc() -> None:
    early_in_china = datetime(2026, 11, 24, 1, 0, tzinfo=timezone(timedelta(hours=8)))
    assert token_of(now=early_in_china) == token_of()


def test_a_token_is_for_one_number_loan_purpose_and_key() -> None:
    token = token_of()
    assert proven(token, ("L1", "+8613800138001"), ("L2", PHONE)) is LinkFault.FORGED
    assert proven(token, keys=LinkKeys(OTHER)) is LinkFault.FORGED
    assert proven("Q" + token[1:]) is LinkFault.FORGED  # a certificate's
    assert token_of(key=OTHER) != token


def test_an_earlier_key_is_believed_until_its_links_are_over() -> None:
    old, new = "f" * 64, "0" * 64
    file = rotated(old, new, NOW)
    token = token_of(key=old.encode())
    assert parse_keys(file, NOW) == LinkKeys(new.encode(), (old.encode(),))
    assert isinstance(proven(token, keys=parse_keys(file, NOW)), LinkClaim)
    assert isinstance(
        proven(token, now=NOW + timedelta(days=30), keys=parse_keys(file, NOW + timedelta(days=30))),
        LinkClaim,
    )
    assert parse_keys(file, NOW + timedelta(days=32)).earlier == ()
    twice = rotated(file, "a" * 64, NOW + timedelta(days=1))
    assert parse_keys(twice, NOW).all == (b"a" * 64, new.encode(), old.encode())
    assert rotated(twice, "b" * 64, NOW + timedelta(days=90)).count("\n") == 2


@pytest.mark.parametrize(
    "text", ["", "\n", "two words", "f" * 64 + "\nsecret", "f" * 64 + "\nsecret til 2026-01-01", "short"]
)
def test_what_is_no_key_file_is_an_error_without_the_secret(text: str) -> None:
    with pytest.raises(ValueError, match=r"secret|must be|at least 16") as error:
        parse_keys(text, NOW)
    assert "ffff" not in str(error.value)


@pytest.mark.parametrize(
    "token",
    ["", "short", "https://pay.example.com/p/", "*" * 16, "还" * 16, "A" * 15, "g" * 16, "A" * 14 + "=="],
)
def test_rubbish_is_malformed(token: str) -> None:
    assert read_token(token) is LinkFault.MALFORMED


@given(st.text(max_size=40))
def test_reading_never_fails(text: str) -> None:
    read_token(text)


def test_what_cannot_be_signed_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least 16"):
        token_of(key=b"short")
    with pytest.raises(ValueError, match="time zone"):
        token_of(now=NOW.replace(tzinfo=None))


@given(st.binary(max_size=200), st.binary(min_size=1, max_size=200))
def test_hmac_is_that_of_the_standard(message: bytes, key: bytes) -> None:
    assert hmac_maker(key)(message) == hmac.digest(key, message, "sha256")


@given(st.text("ab/", max_size=5), st.integers(1, 40))
def test_links_of_other_days_are_no_other_words(around: str, days: int) -> None:
    links = [SETTINGS.pay_link_base + token_of(now=when) for when in (NOW, NOW + timedelta(days=days))]
    texts = {f"{around}{link} {around}" for link in links}
    assert len(texts) == 2
    assert {without_tokens(text, SETTINGS) for text in texts} == {
        f"{around}{SETTINGS.pay_link_base} {around}"
    }
