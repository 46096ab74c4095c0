"""The templates that come with the package: complete, clean, discreet, and worded for each case."""

from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.messages.context import VARIABLES, sample_context, worst_context
from carloan_notify.messages.lint import LintRule, lint
from carloan_notify.messages.render import default_templates_dir, open_templates
from carloan_notify.messages.settings import MessagesSettings
from carloan_notify.messages.values import Money
from carloan_notify.records import Channel, Lender, MessageClass, Rendered
from tests.unit.messages.lenders import CHINESE, US

DUE = ("due_in_7_days", "due_today")
OVERDUE = ("overdue_1", "overdue_3", "overdue_7", "overdue_15", "overdue_30", "credit_bureau_notice")
SPOKEN_EVENTS = (
    "application_received", "application_approved", "contract_signed", "loan_disbursed", "payment_received",
    "due_day_changed", "loan_settled", "remainder_left",
    "promise_due", "promise_kept", "promise_partly_kept", "promise_broken",
)  # fmt: skip
TEXT_EVENTS = (
    "application_rejected", "loan_deferred", "loan_extended", "rate_changed", "loan_prepaid",
    "settlement_quoted", "lien_released", "lien_reminder", "settled_offer",
)  # fmt: skip
EVENTS = (*SPOKEN_EVENTS, *TEXT_EVENTS)
NOTICES = (*DUE, *OVERDUE, *EVENTS)
SAID = [
    *product(("sms",), NOTICES),
    *product(("voice",), (*DUE, *OVERDUE, *SPOKEN_EVENTS)),
]
"""Every template there is: channel and notice."""
LANGUAGES = ("zh-CN", "en")
LINKED = {
    "pay_link_base": "https://pay.example.com/p/",
    "certificate_link_base": "https://pay.example.com/c/",
}
HOME = {"zh-CN": (CHINESE, MessagesSettings()), "en": (US, MessagesSettings(billing="gsm"))}


def said(notice: str, channel: str, language: str, **changes: Any) -> str:
    lender, settings = HOME[language]
    templates = open_templates(None, settings, lender)
    result = templates.render(notice, language, channel, sample_context(language) | changes)
    assert isinstance(result, Rendered), result
    return result.text


def ladder() -> list[LintRule]:
    classes = dict.fromkeys(OVERDUE, MessageClass.COLLECTION) | {"settled_offer": MessageClass.MARKETING}
    return [
        LintRule(name, name, Channel(channel), classes.get(name, MessageClass.SERVICE))
        for channel, name in SAID
    ]


def test_every_notice_has_every_file() -> None:
    expected = {f"{language}/{name}.{channel}.j2" for language in LANGUAGES for channel, name in SAID}
    root = default_templates_dir()
    assert {str(path.relative_to(root)) for path in root.rglob("[a-z]*.j2")} == expected


@pytest.mark.parametrize(
    ("lender", "settings"),
    [
        (CHINESE, MessagesSettings()),
        (CHINESE, MessagesSettings(**LINKED)),
        (US, MessagesSettings(billing="gsm", segment_limit={"en": 2, "zh-CN": 3})),
        (US, MessagesSettings(billing="gsm", segment_limit={"en": 2, "zh-CN": 3}, **LINKED)),
    ],
    ids=["china", "china-links", "us", "us-links"],
)
def test_the_packaged_templates_are_clean(lender: Lender, settings: MessagesSettings) -> None:
    templates = open_templates(None, settings, lender)
    findings = lint(templates, settings, lender, ladder())
    assert findings.to_dict("records") == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("channel", "notice"), SAID)
def test_what_every_message_says(language: str, channel: str, notice: str) -> None:
    text = said(notice, channel, language)
    lender = HOME[language][0]
    assert text.startswith(
        ("【安达车贷】", "[Anda Auto]") if channel == Channel.SMS else ("您好，这里是", "Hello, this is")
    )
    assert lender.sign in text
    assert "  " not in text
    assert not any(mark in text for mark in ("。。", "，。", " .", " ,", "..", "None", "{{", "第0期"))
    if channel == Channel.SMS:
        assert lender.hotline in text
        assert "1234" in text
    else:
        assert "http" not in text
        assert len(text) <= 350
        assert ("四零零，零零零，零零零零" if language == "zh-CN" else "1, 2 0 2, 5 5 5, 0 1 0 0") in text


@pytest.mark.parametrize(("language", "channel", "notice"), [*product(LANGUAGES, Channel, (*DUE, *OVERDUE))])
def test_the_amount_is_named_to_the_borrower(language: str, channel: Channel, notice: str) -> None:
    text = said(notice, channel, language)
    amount = {
        ("zh-CN", "sms"): "3,210.50元",
        ("zh-CN", "voice"): "3210.50元",
        ("en", "sms"): "$3,210.50",
        ("en", "voice"): "$3210.50",
    }[language, str(channel)]
    assert amount in text
    assert amount in said(notice, channel, language, loan_count=2)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("channel", "notice"), SAID)
@pytest.mark.parametrize("role", ["co_borrower", "guarantor", "guarantor#2"])
def test_others_learn_no_more_than_needed(language: str, channel: str, notice: str, role: str) -> None:
    text = said(
        notice,
        channel,
        language,
        role=role,
        pay_link="https://pay.example.com/p/x",
        certificate_link="https://x.example/",
    )
    for secret in ("王小明", "John", "3,210", "3210", "2,889", "6789", "8Z66", "5.88", "https"):
        assert secret not in text


@pytest.mark.parametrize(("language", "notice"), [*product(LANGUAGES, (*DUE, *OVERDUE))])
def test_merged_loans_are_told_together(language: str, notice: str) -> None:
    text = said(notice, "sms", language, loan_count=3)
    assert ("3笔车贷" if language == "zh-CN" else "your 3 car loans") in text
    assert "1234" not in text


@pytest.mark.parametrize(
    ("language", "notice"),
    [*product(LANGUAGES, ("overdue_1", "overdue_3", "overdue_7", "overdue_15", "overdue_30"))],
)
def test_penalty_interest_is_named_when_there_is_any(language: str, notice: str) -> None:
    unit = "CNY" if language == "zh-CN" else "USD"
    text = said(notice, "sms", language, penalty=Money(1230, unit), total_due=Money(322_280, unit))
    assert "12.30" in text
    assert "3,222.80" in text
    assert "12.30" not in said(notice, "sms", language)


@pytest.mark.parametrize(("language", "notice"), [*product(LANGUAGES, (*DUE, *OVERDUE[:-1]))])
def test_how_to_pay(language: str, notice: str) -> None:
    link = "https://pay.example.com/p/AbCdEfGhIjKlMnOpQrStUvWx"
    assert link in said(notice, "sms", language, pay_link=link)
    nothing = said(notice, "sms", language, account_tail="", pay_link="")
    assert "http" not in nothing
    assert ("按合同约定" if language == "zh-CN" else "lease pay") in nothing


def test_the_due_day_before_and_after() -> None:
    assert "每月还款日已由15日变更为20日，自2026年12月1日起生效" in said("due_day_changed", "sms", "zh-CN")
    assert "changed from day 15 to day 20 as of Dec 1, 2026" in said("due_day_changed", "sms", "en")
    assert "已由原还款日变更为20日。" in said(
        "due_day_changed", "sms", "zh-CN", old_value="", effective_on=None
    )


def test_the_settlement_thanks_and_hands_out_the_certificate() -> None:
    link = "https://pay.example.com/c/AbCdEfGhIjKlMnOpQrStUvWx"
    for language, thanks in (("zh-CN", "感谢您"), ("en", "Thank you")):
        text = said("loan_settled", "sms", language, certificate_link=link)
        assert thanks in text
        assert link in text


def test_unknown_values_leave_no_holes() -> None:
    bare: dict[str, Any] = {"borrower_name": "", "installment_no": 0, "days_to_due": 0, "account_tail": ""}
    assert said("due_in_7_days", "sms", "zh-CN", **bare).startswith(
        "【安达车贷】您好，尾号1234的车贷本期3,210.50元于11月30日到期"
    )
    assert said("due_in_7_days", "sms", "en", **bare).startswith(
        "[Anda Auto] Dear customer, the payment of car loan"
    )
    assert "本人收听" not in said("due_today", "voice", "zh-CN", borrower_name="")
    empty = {"due_on": None, "effective_on": None, "due_day": 0, "amount": Money(0, "CNY")}
    for language, (channel, notice) in product(LANGUAGES, SAID):
        if notice in EVENTS:
            assert said(notice, channel, language, **bare | empty)


UNKNOWN: dict[str, Any] = {
    **dict.fromkeys(("old_due_on", "new_due_on", "old_last_due_on", "new_last_due_on", "next_due_on")),
    **dict.fromkeys(("old_amount", "new_amount", "next_amount", "amount"), Money(0, "CNY")),
    **dict.fromkeys(("old_installments", "new_installments", "changed_installment", "installments"), 0),
    **dict.fromkeys(("paid_from", "paid_to", "part_paid", "open_installments", "due_day"), 0),
    **dict.fromkeys(("old_value", "old_rate"), ""),
    "overdue_amount": Money(0, "CNY"),
    "effective_on": None,
}
"""What a lender without schedules does not know of a change or a payment."""


@pytest.mark.parametrize(
    ("notice", "text"),
    [
        ("loan_disbursed", "尾号1234的车贷已于11月23日发放。"),
        ("payment_received", "尾号1234的车贷11月23日收到还款0.00元，谢谢。"),
        ("due_day_changed", "尾号1234的车贷每月还款日已由原还款日变更为20日。如非本人申请请立即联系我们。"),
        ("loan_deferred", "尾号1234的车贷本期已延期。如非本人申请请立即联系我们。"),
        ("loan_extended", "尾号1234的车贷已展期。如非本人申请请立即联系我们。"),
        ("rate_changed", "尾号1234的车贷年利率变更为4.9%。"),
        ("loan_prepaid", "尾号1234的车贷提前还款已登记。如非本人申请请立即联系我们。"),
    ],
)
def test_a_change_of_which_little_is_known_says_no_more(notice: str, text: str) -> None:
    told = said(notice, "sms", "zh-CN", **UNKNOWN)
    assert told == f"【安达车贷】王小明您好，{text}可回复或致电400-000-0000"
    english = said(notice, "sms", "en", **UNKNOWN)
    assert not any(mark in english for mark in ("None", "->", " 0 ", "0.00 on"))


@pytest.mark.parametrize(
    ("paid", "chinese", "english"),
    [
        ({"paid_from": 5, "paid_to": 5}, "（第5期）", " (no. 5)"),
        ({"paid_from": 5, "paid_to": 7}, "（第5至7期）", " (no. 5-7)"),
        ({"paid_from": 0, "paid_to": 0, "part_paid": 8}, "（第8期部分）", " (part of no. 8)"),
        ({"paid_from": 0, "paid_to": 0}, "元，谢谢", "1234. Still"),
    ],
)
def test_a_payment_names_its_installments(paid: dict[str, int], chinese: str, english: str) -> None:
    assert chinese in said("payment_received", "sms", "zh-CN", **paid)
    assert english in said("payment_received", "sms", "en", **paid)


def test_what_remains_after_a_payment() -> None:
    none = {"overdue_amount": Money(0, "CNY")}
    assert "尚有逾期3,210.50元未还。可回复" in said("payment_received", "sms", "zh-CN")
    assert "下期11月30日应还3,210.50元，还剩31期。" in said("payment_received", "sms", "zh-CN", **none)


@pytest.mark.parametrize(
    ("reason", "chinese", "english"),
    [
        ("", "未能通过审核。", "ending 1234. You may ask"),
        ("documents", "未能通过审核，原因：资料不齐。", ": papers are missing."),
        ("vehicle", "，原因：车辆不符合要求。", ": the vehicle does not qualify."),
        ("region", "，原因：所在地区暂未开办。", ": we do not lend in your area."),
        ("逾期12次，评分480", "未能通过审核。", "ending 1234. You may ask"),
    ],
)
def test_a_refusal_tells_nothing_of_a_credit_history(reason: str, chinese: str, english: str) -> None:
    assert chinese in said("application_rejected", "sms", "zh-CN", event_detail=reason)
    assert english in said("application_rejected", "sms", "en", event_detail=reason)


def test_an_offer_shows_the_way_out_and_thanks_come_without_it() -> None:
    assert said("settled_offer", "sms", "zh-CN").endswith("，拒收请回复R")
    assert said("settled_offer", "sms", "en").endswith(" Reply STOP to opt out")
    for notice in ("loan_settled", "lien_released", "lien_reminder"):
        assert "拒收" not in said(notice, "sms", "zh-CN")
        assert "车险" not in said(notice, "sms", "zh-CN")


LONGEST = {"zh-CN": 2, "en": 3}
DAYS = ("due_on", "occurred_on", "old_due_on", "new_due_on", "next_due_on", "valid_until", "new_last_due_on")
AMOUNTS = ("amount", "overdue_amount", "penalty", "total_due", "old_amount", "new_amount", "next_amount")


NAMES = {"zh-CN": "阿卜杜热合曼·买买提", "en": "Alexander Featherstone"}


@st.composite
def contexts(draw: st.DrawFn, language: str) -> dict[str, Any]:
    """Names up to 10 characters in Chinese and 22 in English, amounts below 20 000, links of 42 characters."""
    token = draw(st.text("AbZ09-_", min_size=16, max_size=16))
    amounts = {name: Money(draw(st.integers(0, 1_999_999)), "CNY") for name in AMOUNTS}
    return sample_context(language, "CNY") | {
        "borrower_name": NAMES[language][: draw(st.integers(0, 22))],
        **amounts,
        **{name: draw(st.dates(date(2026, 1, 1), date(2031, 12, 31))) for name in DAYS},
        "penalty": Money(draw(st.integers(0, 199_999)), "CNY"),
        "pay_link": f"https://pay.example.com/p/{token}",
        "certificate_link": f"https://pay.example.com/c/{token}",
        "installment_no": draw(st.integers(0, 60)),
        "paid_to": draw(st.integers(0, 60)),
        "days_past_due": draw(st.integers(1, 999)),
        "loan_count": draw(st.integers(1, 2)),
    }


@given(st.data(), st.sampled_from(NOTICES), st.sampled_from(LANGUAGES))
def test_no_text_costs_more_than_its_parts(data: st.DataObject, notice: str, language: str) -> None:
    context = data.draw(contexts(language))
    result = DEFAULTS.render(notice, language, "sms", context)
    assert isinstance(result, Rendered)
    assert result.segments <= LONGEST[language], result.text


DEFAULTS = open_templates(None, MessagesSettings(), CHINESE)


@pytest.mark.parametrize("language", LANGUAGES)
def test_samples_cover_the_contract(language: str) -> None:
    told_by_the_set = {"lender_name", "sign", "hotline", "reply_hint"}
    assert set(sample_context(language)) == set(VARIABLES) - told_by_the_set
    assert set(worst_context(language)) == set(VARIABLES) - told_by_the_set


def test_templates_are_utf8_with_a_note_on_top() -> None:
    for path in default_templates_dir().rglob("*.j2"):
        assert Path(path).read_text(encoding="utf-8").startswith("{# "), path
