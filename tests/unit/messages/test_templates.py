"""The templates that come with the package: complete, clean, discreet, and worded for each case."""

from itertools import product
from pathlib import Path
from typing import Any

import pytest

from carloan_notify.messages.context import VARIABLES, sample_context, worst_context
from carloan_notify.messages.lint import LintRule, lint
from carloan_notify.messages.render import TemplateSet, default_templates_dir, open_templates
from carloan_notify.messages.settings import MessagesSettings
from carloan_notify.messages.values import Money
from carloan_notify.records import Channel, Lender, MessageClass, Rendered
from tests.unit.messages.lenders import CHINESE, US

DUE = ("due_in_7_days", "due_today")
OVERDUE = ("overdue_1", "overdue_3", "overdue_7", "overdue_15", "overdue_30", "credit_bureau_notice")
EVENTS = (
    "application_received", "application_approved", "contract_signed", "loan_disbursed", "payment_received",
    "due_day_changed", "loan_settled", "remainder_left",
    "promise_due", "promise_kept", "promise_partly_kept", "promise_broken",
)  # fmt: skip
NOTICES = (*DUE, *OVERDUE, *EVENTS)
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
    classes = dict.fromkeys(OVERDUE, MessageClass.COLLECTION)
    return [
        LintRule(name, name, channel, classes.get(name, MessageClass.SERVICE))
        for name, channel in product(NOTICES, Channel)
    ]


def test_every_notice_has_every_file() -> None:
    expected = {
        f"{language}/{name}.{channel}.j2" for language, name, channel in product(LANGUAGES, NOTICES, Channel)
    }
    root = default_templates_dir()
    assert {str(path.relative_to(root)) for path in root.rglob("[a-z]*.j2")} == expected


@pytest.mark.parametrize(
    ("lender", "settings"),
    [
        (CHINESE, MessagesSettings()),
        (CHINESE, MessagesSettings(**LINKED)),
        (US, MessagesSettings(billing="gsm", segment_limit={"en": 3, "zh-CN": 4})),
        (US, MessagesSettings(billing="gsm", segment_limit={"en": 3, "zh-CN": 4}, **LINKED)),
    ],
    ids=["china", "china-links", "us", "us-links"],
)
def test_the_packaged_templates_are_clean(lender: Lender, settings: MessagesSettings) -> None:
    templates = open_templates(None, settings, lender)
    findings = lint(templates, settings, lender, ladder())
    assert findings.to_dict("records") == []


@pytest.fixture(scope="module")
def chinese() -> TemplateSet:
    return open_templates(None, MessagesSettings(), CHINESE)


@pytest.mark.parametrize(("language", "channel", "notice"), [*product(LANGUAGES, Channel, NOTICES)])
def test_what_every_message_says(language: str, channel: Channel, notice: str) -> None:
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


@pytest.mark.parametrize(("language", "channel", "notice"), [*product(LANGUAGES, Channel, NOTICES)])
@pytest.mark.parametrize("role", ["co_borrower", "guarantor", "guarantor#2"])
def test_others_learn_no_more_than_needed(language: str, channel: Channel, notice: str, role: str) -> None:
    text = said(
        notice,
        channel,
        language,
        role=role,
        pay_link="https://pay.example.com/p/x",
        certificate_link="https://x.example/",
    )
    for secret in ("王小明", "John", "3,210", "3210", "6789", "8Z66", "https"):
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
    assert "changed from day 15 to day 20 as of December 1, 2026" in said("due_day_changed", "sms", "en")
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
        "【安达车贷】您好，您的车贷（合同尾号1234）本期应还"
    )
    assert said("due_in_7_days", "sms", "en", **bare).startswith(
        "[Anda Auto] Dear customer, the payment of your car loan"
    )
    assert "本人收听" not in said("due_today", "voice", "zh-CN", borrower_name="")
    for language, channel, notice in product(LANGUAGES, Channel, EVENTS):
        empty = {"due_on": None, "effective_on": None, "due_day": 0, "amount": Money(0, "CNY")}
        assert said(notice, channel, language, **bare | empty)


@pytest.mark.parametrize("language", LANGUAGES)
def test_samples_cover_the_contract(language: str) -> None:
    told_by_the_set = {"lender_name", "sign", "hotline", "reply_hint"}
    assert set(sample_context(language)) == set(VARIABLES) - told_by_the_set
    assert set(worst_context(language)) == set(VARIABLES) - told_by_the_set


def test_a_typical_chinese_message_costs_two_parts(chinese: TemplateSet) -> None:
    for notice in ("due_in_7_days", "due_today", "overdue_1", "overdue_3"):
        result = chinese.render(notice, "zh-CN", "sms", sample_context("zh-CN"))
        assert isinstance(result, Rendered)
        assert result.segments <= 2, result.text


def test_templates_are_utf8_with_a_note_on_top() -> None:
    for path in default_templates_dir().rglob("*.j2"):
        assert Path(path).read_text(encoding="utf-8").startswith("{# "), path
