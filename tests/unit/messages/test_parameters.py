"""The values of approved templates: documented, plain, and written as our own text writes them."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.messages.context import (
    DERIVED,
    OURS_ONLY,
    PARAMETERS,
    VARIABLES,
    parameters,
    sample_context,
    worst_context,
)
from carloan_notify.messages.sandbox import MessageEnvironment, allow_steps
from carloan_notify.messages.values import Money, build_filters
from carloan_notify.records import Channel
from tests.unit.messages.lenders import CHINESE, US

BASES = {"pay_link": "https://pay.example.com/p/", "certificate_link": ""}
ZH = build_filters("zh-CN", "sms", CHINESE)
EN = build_filters("en", "sms", US)


@pytest.mark.parametrize("channel", [Channel.SMS, Channel.VOICE])
def test_every_documented_value_is_given_and_no_other(channel: Channel) -> None:
    links = dict.fromkeys(BASES, "https://pay.example.com/x/")
    told = parameters(worst_context("zh-CN", links=links), ZH, links, channel)
    unspoken = set() if channel == Channel.VOICE else {"contract_tail_spelled"}
    assert set(told) == set(PARAMETERS) - unspoken
    assert not set(PARAMETERS) & OURS_ONLY
    assert set(VARIABLES) - OURS_ONLY == set(PARAMETERS) - set(DERIVED)
    assert all(isinstance(value, str) for value in told.values())


def test_amounts_days_and_links() -> None:
    context = {
        "amount": Money(321_050, "CNY"),
        "due_on": date(2026, 11, 30),
        "effective_on": date(2026, 12, 1),
        "occurred_on": None,
        "installment_no": 5,
        "pay_link": BASES["pay_link"] + "TOKEN",
        "certificate_link": "",
        "contract_tail": "1234",
        "extra": {"branch": "x"},
    }
    assert parameters(context, ZH, BASES, "sms") == {
        "amount": "3210.50",
        "amount_text": "3,210.50元",
        "due_on": "2026-11-30",
        "due_on_text": "11月30日",
        "effective_on": "2026-12-01",
        "effective_on_text": "12月1日",
        "effective_on_long": "2026年12月1日",
        "occurred_on": "",
        "installment_no": "5",
        "pay_link": "https://pay.example.com/p/TOKEN",
        "pay_link_token": "TOKEN",
        "certificate_link": "",
        "contract_tail": "1234",
    }
    spoken = parameters(context, build_filters("zh-CN", "voice", CHINESE), BASES, "voice")
    assert (spoken["amount_text"], spoken["contract_tail_spelled"]) == ("3210.50元", "一二三四")
    english = parameters({"amount": Money(5, "USD"), "due_on": date(2026, 1, 2)}, EN, {}, "sms")
    assert (english["amount_text"], english["due_on_text"]) == ("$0.05", "Jan 2, 2026")


@given(st.integers(0, 10**12), st.integers(0, 20_000))
def test_texts_are_those_of_our_own_templates(minor: int, days: int) -> None:
    context = sample_context("zh-CN") | {
        "amount": Money(minor, "CNY"),
        "effective_on": date(2000, 1, 1) + timedelta(days=days),
    }
    source = "{{ amount | money }}|{{ effective_on | date }}|{{ effective_on | long_date }}"
    names = ("amount_text", "effective_on_text", "effective_on_long")
    environment = MessageEnvironment({"t": source}, ZH, {})
    told = parameters(context, environment.filters, {}, "sms")
    allow_steps()
    assert environment.get_template("t").render(context) == "|".join(told[name] for name in names)


@given(st.integers(-(10**15), 10**15), st.sampled_from(["CNY", "USD", "JPY", "KWD"]))
def test_plain_amounts_are_their_decimals(minor: int, currency: str) -> None:
    amount = Money(minor, currency)
    assert amount.plain() == f"{amount.decimal():f}"
