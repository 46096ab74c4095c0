"""Each fault of a template is found, at its line, with its cure; a good template has none."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from carloan_notify.frames import FINDINGS
from carloan_notify.messages.lint import LintRule, holds_word, lint
from carloan_notify.messages.settings import MessagesSettings
from carloan_notify.records import Channel, Lender, MessageClass
from tests.unit.messages.lenders import CHINESE, US, folder_of, templates_of

SERVICE, COLLECTION, MARKETING = MessageClass.SERVICE, MessageClass.COLLECTION, MessageClass.MARKETING


def rule(
    message_class: MessageClass = SERVICE, channel: Channel = Channel.SMS, template: str = "t"
) -> LintRule:
    return LintRule(template, template, channel, message_class)


def linted(
    root: Path,
    files: Mapping[str, str],
    *rules: LintRule,
    settings: MessagesSettings | None = None,
    lender: Lender = US,
) -> pd.DataFrame:
    chosen = settings or MessagesSettings(billing="gsm")
    return lint(templates_of(root, files, chosen, lender), chosen, lender, rules)


def told(findings: pd.DataFrame) -> list[tuple[str, str, str]]:
    assert list(findings.columns) == list(FINDINGS)
    assert {name: str(kind) for name, kind in findings.dtypes.items()} == dict(FINDINGS)
    assert (findings["message"].str.len() > 20).all()
    return [*zip(findings["code"], findings["place"], findings["value"], strict=True)]


def one(findings: pd.DataFrame) -> tuple[str, str, str]:
    (only,) = told(findings)
    return only


def test_a_good_template_has_no_findings(tmp_path: Path) -> None:
    name = "{{ borrower_name if role == 'borrower' else 'customer' }}"
    files = {"en/t.sms.j2": f"Dear {name}, {{{{ amount | money }}}} is due. {{{{ extra.city }}}}"}
    assert told(linted(tmp_path, files, rule())) == []


@pytest.mark.parametrize(
    ("source", "code", "line", "value"),
    [
        ("a\n{% if x", "syntax_error", 2, ""),
        ("a\n\n{{ sign ~ sign }}", "syntax_error", 3, ""),
        ("a\n{{ sign | sparkle }}", "syntax_error", 2, ""),
        ("{% for a in [1] %}" * 30 + "x" + "{% endfor %}" * 30, "syntax_error", 1, ""),
        ("a\n{{ amuont }}", "unknown_variable", 2, "amuont"),
        ("pay\nor go to jail", "forbidden_word", 2, "jail"),
        ("pay\nfor a special offer", "marketing_word", 2, "special offer"),
        ("see\nhttp://pay.example.com now", "link_not_https", 2, "http://"),
        ("it’s due\ntoday, please pay as agreed in your contract", "costly_character", 1, "’"),
        ("hi\n{{ reply_hint }} Reply STOP to opt out", "opt_out_not_owed", 2, "Reply STOP to opt out"),
        ("hi\nunsubscribe by mail", "opt_out_not_owed", 2, "unsubscribe"),
        ("hi\n【x】", "sign_repeated", 2, "【"),
        ("{{ sign }} says hi", "sign_repeated", 1, "Anda Auto"),
        ("hi\n{{ amount }}", "render_failed", 2, ""),
        (
            "{% for i in range(9) %}{% for j in range(900) %}{% endfor %}{% endfor %}",
            "template_endless",
            1,
            "",
        ),
        ("{% if loan_count > 1 %}x{% endif %}", "message_empty", 1, ""),
        ("{% for i in range(80) %}1234567890{% endfor %}", "message_too_long", 1, ""),
        ("hi\n{{ borrower_name }}", "told_to_others", 2, "borrower_name"),
        ("hi\n{% if pay_link %}{{ pay_link }}.{% endif %}", "link_not_separated", 2, "pay.example.com"),
        ("hi\n{% if pay_link %}{{ pay_link }}。{% endif %}", "link_not_separated", 2, "pay.example.com"),
    ],
)
def test_each_fault_is_found_at_its_line(
    tmp_path: Path, source: str, code: str, line: int, value: str
) -> None:
    findings = linted(tmp_path, {"en/t.sms.j2": source}, rule())
    assert (code, f"en/t.sms.j2:{line}", value) in told(findings)


def test_other_parties_of_a_rule_hear_nothing_of_how_the_debt_stands(tmp_path: Path) -> None:
    details = ("{{ total_due | money }}", "{{ plate_tail }}", "{{ pay_link }}")
    source = {"en/t.sms.j2": "hi\n" + " ".join(details)}
    to_all = replace(rule(), to_others=True)
    found = {value for code, _, value in told(linted(tmp_path, source, to_all)) if code == "told_to_others"}
    assert found >= {"total_due", "plate_tail", "pay_link"}
    assert "told_to_others" not in {code for code, *_ in told(linted(tmp_path, source, rule()))}
    agreed = frozenset({"amount", "overdue_amount", "total_due", "pay_link"})
    allowed = MessagesSettings(billing="gsm", other_parties_may_read=agreed)
    rest = told(linted(tmp_path, source, to_all, settings=allowed))
    assert {value for code, _, value in rest if code == "told_to_others"} == {"plate_tail"}


def test_an_unknown_name_gets_a_suggestion(tmp_path: Path) -> None:
    findings = linted(tmp_path, {"en/t.sms.j2": "{{ amuont }} {{ branch_city }}"}, rule())
    messages = dict(zip(findings["value"], findings["message"], strict=True))
    assert "did you mean `amount`?" in messages["amuont"]
    assert "extra.branch_city" in messages["branch_city"]


def test_an_unknown_filter_names_those_there_are(tmp_path: Path) -> None:
    findings = linted(tmp_path, {"en/t.sms.j2": "{{ amount | mony }}"}, rule())
    assert "there is no filter `mony`; there are money, date" in findings["message"][0]


def test_names_of_loops_macros_and_imports_are_known(tmp_path: Path) -> None:
    source = (
        "{% import '_p.j2' as say %}{% macro m(x) %}{{ x }}{% endmacro %}{% set y = 1 %}"
        "{% for i in range(2) %}{{ loop.index }}{{ m(i) }}{{ say.hi(y) }}{% endfor %}"
    )
    files = {"en/t.sms.j2": source, "en/_p.j2": "{% macro hi(n) %}{{ n }}{{ hotline }}{% endmacro %}"}
    assert told(linted(tmp_path, files, rule())) == []


def test_shared_wording_is_read_too(tmp_path: Path) -> None:
    files = {"en/t.sms.j2": "hi", "en/_p.j2": "{% macro m() %}\nthe police {{ whatever }}\n{% endmacro %}"}
    assert told(linted(tmp_path, files, rule())) == [
        ("forbidden_word", "en/_p.j2:2", "police"),
        ("unknown_variable", "en/_p.j2:2", "whatever"),
    ]


def test_a_forbidden_word_from_the_settings_is_seen_in_the_text(tmp_path: Path) -> None:
    settings = MessagesSettings(billing="gsm", reply_hint={"en": "Final warning!"})
    findings = linted(tmp_path, {"en/t.sms.j2": "{{ reply_hint }} Pay."}, rule(), settings=settings)
    assert one(findings) == ("forbidden_word", "en/t.sms.j2:1", "final warning")


@pytest.mark.parametrize(
    ("text", "word", "found"),
    [
        ("You may be Arrested", "arrest", True),
        ("carrest", "arrest", False),
        ("a 拘留 b", "拘留", True),
        ("拘 留", "拘留", False),
        ("c++ rules", "c++", True),
    ],
)
def test_words_are_found_from_their_beginning(text: str, word: str, *, found: bool) -> None:
    assert holds_word(text, word) is found


def test_marketing_must_offer_a_way_out_and_may_advertise(tmp_path: Path) -> None:
    without = {"en/t.sms.j2": "A special offer for you."}
    assert one(linted(tmp_path, without, rule(MARKETING)))[0] == "opt_out_missing"
    within = {"en/t.sms.j2": "A special offer for you. reply stop to opt out"}
    assert told(linted(tmp_path, within, rule(MARKETING))) == []
    assert told(linted(tmp_path, within)) == []


def test_a_spoken_advertisement_owes_no_reply_text(tmp_path: Path) -> None:
    files = {"en/t.voice.j2": "This is {{ sign }} with a special offer."}
    assert told(linted(tmp_path, files, rule(MARKETING, Channel.VOICE))) == []


def test_a_template_of_two_classes_answers_to_both(tmp_path: Path) -> None:
    files = {"en/t.sms.j2": "A discount. Reply STOP to opt out"}
    codes = {code for code, _, _ in told(linted(tmp_path, files, rule(MARKETING), rule(COLLECTION)))}
    assert codes == {"marketing_word", "opt_out_not_owed"}


@pytest.mark.parametrize("words", ["拒收请回复R", "回T退订", "回复TD退订", "拒收请回R"])
def test_opt_out_is_known_in_its_common_forms(tmp_path: Path, words: str) -> None:
    files = {"zh-CN/t.sms.j2": f"您的车贷今日到期。{words}"}
    findings = linted(tmp_path, files, rule(COLLECTION), lender=CHINESE)
    assert one(findings)[0] == "opt_out_not_owed"


def test_an_invitation_to_reply_is_no_opt_out(tmp_path: Path) -> None:
    files = {
        "zh-CN/t.sms.j2": "您的车贷今日到期。如有疑问可直接回复本短信。",
        "en/t.sms.j2": "Just reply. Do not stop.",
    }
    assert told(linted(tmp_path, files, rule(COLLECTION), lender=CHINESE)) == []


def test_a_spoken_message_says_who_speaks_and_no_link(tmp_path: Path) -> None:
    files = {"en/t.voice.j2": "Hello. {% if pay_link %}Go to {{ pay_link }} now.{% endif %}"}
    codes = [code for code, _, _ in told(linted(tmp_path, files, rule(channel=Channel.VOICE)))]
    assert codes == ["link_in_voice", "missing_sign"]
    good = {"en/t.voice.j2": "This is {{ lender_name }}."}
    assert told(linted(tmp_path, good, rule(channel=Channel.VOICE))) == []


@pytest.mark.parametrize(
    ("sign", "code"), [("", "missing_sign"), (" ", "missing_sign"), ("【安达】", "sign_brackets")]
)
def test_the_sign_itself(tmp_path: Path, sign: str, code: str) -> None:
    findings = linted(tmp_path, {"en/t.sms.j2": "hi"}, rule(), lender=replace(US, sign=sign))
    assert (code, "lender.sign", sign.strip()) in told(findings)


def test_languages_and_templates_that_are_missing(tmp_path: Path) -> None:
    files = {"en/t.sms.j2": "hi", "zh-CN/u.sms.j2": "您好"}
    findings = linted(tmp_path, files, rule(), rule(template="wanted"), lender=CHINESE)
    assert told(findings) == [
        ("missing_language", "en/u.sms.j2", "en"),
        ("missing_template", "wanted.sms.j2", "wanted"),
        ("missing_language", "zh-CN/t.sms.j2", "zh-CN"),
    ]


def test_folders_and_files_that_cannot_be_used(tmp_path: Path) -> None:
    folder_of(tmp_path, {"en/t.sms.j2": "hi", "en/Bad.j2": "x", "klingon/t.sms.j2": "hi"})
    assert told(linted(tmp_path, {}, rule())) == [
        ("template_file", "en/Bad.j2:1", ""),
        ("unknown_language", "klingon", "klingon"),
    ]


def test_the_segment_limit_is_checked_with_the_longest_recipient(tmp_path: Path) -> None:
    files = {"en/t.sms.j2": "{% if role == 'borrower' %}{{ borrower_name }}{% endif %}" + "x" * 130}
    settings = MessagesSettings(billing="gsm", segment_limit={"en": 1})
    findings = linted(tmp_path, files, rule(), settings=settings)
    assert one(findings) == ("over_segment_limit", "en/t.sms.j2:1", "2")
    assert "the longest plausible recipient (borrower, 1 loan)" in findings["message"][0]
    without = settings.model_copy(update={"segment_limit": {}})
    assert told(linted(tmp_path, files, rule(), settings=without)) == []


def test_configured_links_count_towards_the_limit(tmp_path: Path) -> None:
    files = {"en/t.sms.j2": "x" * 120 + " {{ pay_link }}"}
    short = MessagesSettings(billing="gsm", segment_limit={"en": 1})
    linked = short.model_copy(update={"pay_link_base": "https://pay.example.com/p/"})
    assert told(linted(tmp_path, files, rule(), settings=short)) == []
    assert one(linted(tmp_path, files, rule(), settings=linked))[0] == "over_segment_limit"


def test_a_broken_import_is_found(tmp_path: Path) -> None:
    findings = linted(tmp_path, {"en/t.sms.j2": "hi\n{% import '_no.j2' as say %}{{ say.x() }}"}, rule())
    assert one(findings)[:2] == ("render_failed", "en/t.sms.j2:2")


def test_findings_are_the_same_each_time(tmp_path: Path) -> None:
    files = {"en/t.sms.j2": "jail {{ x }} 【", "zh-CN/u.sms.j2": "拘留"}
    first, again = linted(tmp_path, files, rule()), linted(tmp_path, files, rule())
    pd.testing.assert_frame_equal(first, again)
    assert len(first) > 3
