"""The shipped rules on labelled replies, and what an author of rules is told."""

import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.errors import ConfigError
from carloan_notify.inbound.lexicon import (
    NO_RULE,
    Lexicon,
    ReplyKind,
    as_opt_out,
    lexicon_text,
    parse_lexicon,
    shipped_lexicon,
    shipped_text,
)

LABELLED = yaml.safe_load((Path(__file__).parents[2] / "data" / "replies.yaml").read_text(encoding="utf-8"))
REPLIES = [(kind, str(text)) for kind, texts in LABELLED.items() for text in texts]
SHIPPED = shipped_lexicon()
WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)} | {0x20: 0x3000}


def test_the_labelled_replies_are_many_and_of_every_kind() -> None:
    assert len(REPLIES) >= 120
    assert set(LABELLED) == {kind.value for kind in ReplyKind}


@pytest.mark.parametrize("kind", [kind.value for kind in ReplyKind])
def test_a_labelled_reply_is_taken_for_what_a_clerk_takes_it_for(kind: str) -> None:
    taken = {str(text): SHIPPED.read(str(text)).kind.value for text in LABELLED[kind]}
    assert {text: found for text, found in taken.items() if found != kind} == {}


def _blanks(text: str) -> Iterator[str]:
    """Blanks at both ends, doubled between words, and between Chinese characters, where they mean nothing."""
    yield f"  {text}\n"
    yield text.replace(" ", "   ")
    if text and all(unicodedata.name(character, "").startswith("CJK") for character in text):
        yield " ".join(text)


@given(st.sampled_from(REPLIES))
def test_width_case_and_blanks_make_no_difference(labelled: tuple[str, str]) -> None:
    _, text = labelled
    reading = SHIPPED.read(text)
    for other in (text.upper(), text.lower(), text.translate(WIDE), *_blanks(text)):
        assert SHIPPED.read(other) == reading, other


@given(st.text() | st.lists(st.sampled_from([text for _, text in REPLIES])).map("，".join))
def test_reading_never_fails_and_always_gives_a_reason(text: str) -> None:
    reading = SHIPPED.read(text)
    assert reading.kind is reading.kinds[0]
    assert len(reading.rules) == len(reading.kinds) >= 1
    assert reading.rule == ", ".join(reading.rules)


@given(st.sampled_from([text for _, text in REPLIES]), st.sampled_from(["退订", "STOP", "别再发了", "拒收"]))
def test_a_clear_opt_out_wins_over_whatever_else_is_said(text: str, stop: str) -> None:
    reading = SHIPPED.read(f"{text}。{stop}")
    assert reading.kind is ReplyKind.OPT_OUT


def test_a_bare_opt_out_needs_nobody_a_said_one_does() -> None:
    assert not SHIPPED.read("TD").asks
    assert SHIPPED.read("别再发了").asks
    reading = SHIPPED.read("退订，我已经还了")
    assert reading.kinds == (ReplyKind.OPT_OUT, ReplyKind.PAID_ALREADY)
    assert reading.asks


@pytest.mark.parametrize(
    ("text", "kinds", "rules", "asks"),
    [
        ("BASTA", ["opt_out"], ["provider"], False),
        ("wrong number", ["opt_out", "wrong_person"], ["provider", "wrong_person_en"], True),
        ("stop", ["opt_out"], ["stop_word"], False),
        (
            "wrong number, stop texting me",
            ["opt_out", "wrong_person"],
            ["stop_asked_en", "wrong_person_en"],
            True,
        ),
    ],
)
def test_what_the_provider_took_for_an_opt_out_is_one(
    text: str, kinds: list[str], rules: list[str], *, asks: bool
) -> None:
    reading = as_opt_out(shipped_lexicon().read(text))
    assert ([kind.value for kind in reading.kinds], list(reading.rules), reading.asks) == (kinds, rules, asks)
    assert reading.kind is ReplyKind.OPT_OUT


def test_what_no_rule_fits_is_for_a_person() -> None:
    reading = SHIPPED.read("今天天气不错")
    assert (reading.kind, reading.rules, reading.asks) == (ReplyKind.OTHER, (NO_RULE,), True)
    assert not SHIPPED.read("谢谢提醒").asks


def lexicon(*rules: dict[str, Any]) -> Lexicon:
    return parse_lexicon(yaml.safe_dump({"rules": list(rules)}, allow_unicode=True), "mine.yaml")


def test_a_lender_writes_rules_as_replies_are_written() -> None:
    mine = lexicon(
        {"name": "bye", "kind": "opt_out", "whole": ["Ｄon't!"], "phrases": ["NO 短信"]},
        {
            "name": "plain",
            "kind": "other",
            "patterns": ["ok[0-9]"],
            "overlook": ["not ok."],
            "work_list": False,
        },
    )
    assert len(mine) == 2
    assert [mine.read(text).kind.value for text in ("dont", "please, no短信", "ano短信")] == [
        "opt_out",
        "opt_out",
        "other",
    ]
    assert mine.read("OK7").rules == ("plain",)
    assert mine.read("not ok7").rules == (NO_RULE,)
    assert mine.read("not ok7 but ok8").rules == ("plain",)


def test_overlooked_words_do_not_join_what_stands_beside_them() -> None:
    mine = lexicon({"name": "pay", "kind": "other", "phrases": ["还款"], "overlook": ["不"]})
    assert mine.read("还不款").rules == (NO_RULE,)


def test_a_promise_is_never_taken_for_paid() -> None:
    """Whatever day is named: nobody who only means to pay is taken for one who has."""
    promised = [str(text) for text in LABELLED["promise"]]
    assert [text for text in promised if ReplyKind.PAID_ALREADY in SHIPPED.read(text).kinds] == []


@given(
    st.integers(1, 31),
    st.sampled_from(["号", "日", "號"]),
    st.sampled_from(["还清", "还款", "付清", "還清", "结清"]),
)
def test_any_day_of_the_month_may_be_promised(day: int, unit: str, verb: str) -> None:
    for text in (f"{day}{unit}前{verb}", f"我{day}{unit}{verb}", f"{day}{unit}之前一定{verb}"):
        assert SHIPPED.read(text).kind is ReplyKind.PROMISE, text
    assert SHIPPED.read(f"{day}{unit}就{verb}了").kind is ReplyKind.PAID_ALREADY


def test_parts_of_patterns_are_written_once() -> None:
    rule = {"name": "day", "kind": "other", "patterns": ["<<day>> ok"], "overlook": ["not <<day>>"]}
    text = yaml.safe_dump({"parts": {"day": "(?:mon|tues)day"}, "rules": [rule]})
    mine = parse_lexicon(text, "mine.yaml")
    assert [mine.read(said).rule for said in ("tuesday ok", "not monday ok")] == ["day", NO_RULE]
    with pytest.raises(ConfigError, match=r"rules\[0\].patterns\[0\]: there is no part 'day'"):
        parse_lexicon(yaml.safe_dump({"rules": [rule]}), "mine.yaml")


def test_every_problem_of_a_lexicon_is_told_at_once() -> None:
    text = """
rules:
  - {name: one, kind: opt_out, whole: [R], whole: [T]}
  - {name: one, kind: other, whole: ["!!"], patterns: ["("], overlook: ["x*"]}
  - {name: three, kind: other}
"""
    with pytest.raises(ConfigError) as raised:
        parse_lexicon(text, "mine.yaml")
    assert [problem.split(";")[0] for problem in raised.value.problems] == [
        "mine.yaml: line 3: 'whole' is given twice",
        "mine.yaml: rules[1].name: 'one' is used twice",
        "mine.yaml: rules[1].whole[0]: holds no letter or digit",
        "mine.yaml: rules[1].patterns[0]: no regular expression (missing ) at position 1)",
        "mine.yaml: rules[1].overlook[0]: fits every reply, also an empty one",
        "mine.yaml: rules[2]: fits nothing",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("rules: [", "not valid YAML"),
        ("", "(top level): input should be a valid dictionary"),
        ("rules: []", "rules: list should have at least 1 item"),
        ("rules: [{name: a1, kind: nice, whole: [x]}]", "rules[0].kind: input should be"),
        ("rules: [{name: A, kind: other, whole: [x]}]", "rules[0].name: string should match"),
        (
            "rules: [{name: a1, kind: other, whole: [yes]}]",
            "rules[0].whole[0]: input should be a valid string",
        ),
        ("rules: [{name: a1, kind: other, whole: [x], hole: []}]", "rules[0].hole: extra inputs"),
    ],
)
def test_a_wrong_lexicon_names_the_file_and_the_place(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_lexicon(text, "mine.yaml")
    (told,) = raised.value.problems
    assert told.startswith(f"mine.yaml: {problem}")


def test_a_lexicon_that_cannot_be_read_says_how_to_get_one(tmp_path: Path) -> None:
    path = tmp_path / "lexicon.yaml"
    for content in (None, b"\xff\xfe\xff"):
        if content:
            path.write_bytes(content)
        with pytest.raises(ConfigError, match="carloan-notify replies lexicon"):
            lexicon_text(path)
    path.write_text(shipped_text(), encoding="utf-8-sig")
    assert lexicon_text(path) == shipped_text()


ENDLESS = ["(a+)+b", "(a|aa)+b", "(.*)*b", r"(\w+\s?)*!", "(a*)*(a*)*b"]
"""Each would search for minutes or years in a backtracking engine without a limit."""


@pytest.mark.parametrize("pattern", ENDLESS)
def test_a_pattern_that_searches_for_ever_is_given_up_and_a_person_sees_the_reply(pattern: str) -> None:
    rules = {
        "rules": [
            {"name": "endless", "kind": "abuse", "patterns": [pattern], "work_list": False},
            {"name": "stop_word", "kind": "opt_out", "whole": ["a" * 30], "work_list": False},
            {
                "name": "slow_too",
                "kind": "dispute",
                "overlook": [pattern],
                "phrases": ["b"],
                "work_list": False,
            },
        ]
    }
    lexicon = parse_lexicon(yaml.safe_dump(rules), "mine.yaml")
    reading = lexicon.read("a" * 30)
    assert reading.kind is ReplyKind.OPT_OUT
    assert reading.asks is bool(reading.slow)
    assert set(reading.slow) <= {"endless", "slow_too"}
    assert all(f"{name}:timed_out" in reading.rule for name in reading.slow)


def test_a_rule_that_is_given_up_is_named() -> None:
    rules = {"rules": [{"name": "endless", "kind": "abuse", "patterns": ["(a|aa)+b"], "work_list": False}]}
    reading = parse_lexicon(yaml.safe_dump(rules), "mine.yaml").read("a" * 60)
    assert (reading.kind, reading.asks, reading.slow) == (ReplyKind.OTHER, True, ("endless",))
    assert reading.rule == "none, endless:timed_out"


def test_what_runs_for_a_minute_in_the_standard_library_is_read_at_once() -> None:
    rules = {"rules": [{"name": "many", "kind": "abuse", "patterns": ["(a?){28}a{28}"]}]}
    assert parse_lexicon(yaml.safe_dump(rules), "mine.yaml").read("a" * 28).rules == ("many",)


def test_no_shipped_pattern_is_given_up_on_a_pumped_reply() -> None:
    lexicon = shipped_lexicon()
    for part in ("a", "还", "别再", "stop ", "不要发,", "1", "还款 ", "a1,"):
        assert lexicon.read(part * 500).slow == ()
