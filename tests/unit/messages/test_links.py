"""Signed links."""

import base64
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.messages.links import (
    LinkClaim,
    LinkFault,
    Purpose,
    certificate_links,
    loan_ref,
    pay_links,
    verify_link,
    without_tokens,
)
from carloan_notify.messages.settings import MessagesSettings

KEY = b"a key of thirty-two bytes, no less"
NOW = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)
SETTINGS = MessagesSettings(
    pay_link_base="https://pay.example.com/p/",
    certificate_link_base="https://pay.example.com/c/",
)


def pay_link(
    settings: MessagesSettings, key: bytes, *, loan_id: str, installment_no: int, now: datetime
) -> str:
    (link,) = pay_links(settings, key, loan_ids=[loan_id], installment_nos=[installment_no], now=now)
    return link


def certificate_link(settings: MessagesSettings, key: bytes, *, loan_id: str, now: datetime) -> str:
    (link,) = certificate_links(settings, key, loan_ids=[loan_id], now=now)
    return link


def test_a_link_says_what_it_was_made_for() -> None:
    link = pay_link(SETTINGS, KEY, loan_id="L123", installment_no=5, now=NOW)
    assert verify_link(link, KEY, NOW) == LinkClaim(Purpose.PAY, loan_ref(KEY, "L123"), 5, date(2026, 12, 23))
    certificate = certificate_link(SETTINGS, KEY, loan_id="L123", now=NOW)
    claim = verify_link(certificate, KEY, NOW)
    assert isinstance(claim, LinkClaim)
    assert (claim.purpose, claim.installment_no) == (Purpose.CERTIFICATE, 0)


def test_a_link_is_short_and_opaque() -> None:
    link = pay_link(SETTINGS, KEY, loan_id="HT-2026-000123", installment_no=5, now=NOW)
    token = link.removeprefix(SETTINGS.pay_link_base)
    assert len(token) == 24
    assert b"2026" not in base64.urlsafe_b64decode(token)
    assert b"123" not in base64.urlsafe_b64decode(token)


def test_no_base_no_link() -> None:
    assert pay_link(MessagesSettings(), KEY, loan_id="L1", installment_no=1, now=NOW) == ""
    assert certificate_link(MessagesSettings(), KEY, loan_id="L1", now=NOW) == ""


def test_a_link_expires_after_its_last_day() -> None:
    link = pay_link(SETTINGS, KEY, loan_id="L1", installment_no=1, now=NOW)
    last = datetime(2026, 12, 23, 23, 59, tzinfo=UTC)
    assert isinstance(verify_link(link, KEY, last), LinkClaim)
    assert verify_link(link, KEY, last + timedelta(minutes=1)) is LinkFault.EXPIRED


def test_the_day_is_that_of_utc() -> None:
    early_in_china = datetime(2026, 11, 24, 1, 0, tzinfo=timezone(timedelta(hours=8)))
    here = pay_link(SETTINGS, KEY, loan_id="L1", installment_no=1, now=NOW)
    assert pay_link(SETTINGS, KEY, loan_id="L1", installment_no=1, now=early_in_china) == here


@given(st.text(min_size=1), st.integers(0, 8191), st.integers(30, 60_000))
def test_every_link_comes_back(loan_id: str, installment_no: int, days: int) -> None:
    now = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(days=days)
    link = pay_link(SETTINGS, KEY, loan_id=loan_id, installment_no=installment_no, now=now)
    until = now.date() + timedelta(days=30)
    assert verify_link(link, KEY, now) == LinkClaim(
        Purpose.PAY, loan_ref(KEY, loan_id), installment_no, until
    )


@given(st.integers(0, 17), st.integers(1, 255))
def test_one_changed_byte_is_refused(place: int, change: int) -> None:
    link = pay_link(SETTINGS, KEY, loan_id="L1", installment_no=1, now=NOW)
    raw = bytearray(base64.urlsafe_b64decode(link[-24:]))
    raw[place] ^= change
    assert verify_link(base64.urlsafe_b64encode(raw).decode(), KEY, NOW) is LinkFault.FORGED


def test_another_key_is_refused() -> None:
    link = pay_link(SETTINGS, KEY, loan_id="L1", installment_no=1, now=NOW)
    assert verify_link(link, b"another key of enough bytes", NOW) is LinkFault.FORGED
    assert loan_ref(KEY, "L1") != loan_ref(b"another key of enough bytes", "L1")


@pytest.mark.parametrize("token", ["", "short", "https://pay.example.com/p/", "*" * 24, "还" * 24, "A" * 20])
def test_rubbish_is_malformed(token: str) -> None:
    assert verify_link(token, KEY, NOW) is LinkFault.MALFORMED


def test_what_cannot_be_signed_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least 16"):
        pay_link(SETTINGS, b"short", loan_id="L1", installment_no=1, now=NOW)
    with pytest.raises(ValueError, match="time zone"):
        pay_link(SETTINGS, KEY, loan_id="L1", installment_no=1, now=NOW.replace(tzinfo=None))
    with pytest.raises(ValueError, match="does not fit"):
        pay_link(SETTINGS, KEY, loan_id="L1", installment_no=8192, now=NOW)


@given(st.text("ab/", max_size=5), st.integers(1, 40))
def test_links_of_other_days_are_no_other_words(around: str, days: int) -> None:
    links = [
        pay_link(SETTINGS, KEY, loan_id="L1", installment_no=1, now=when)
        for when in (NOW, NOW + timedelta(days=days))
    ]
    texts = {f"{around}{link} {around}" for link in links}
    assert len(texts) == 2
    assert {without_tokens(text, SETTINGS) for text in texts} == {
        f"{around}{SETTINGS.pay_link_base} {around}"
    }
