"""No reply may hold the program: dangerous patterns are told, and the shipped ones are pumped."""

import re
import time
from collections.abc import Iterator

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.errors import ConfigError
from carloan_notify.inbound.lexicon import parse_lexicon, shipped_lexicon, shipped_text
from carloan_notify.inbound.pattern_risk import DOUBLES, SQUARES, risk_of
from carloan_notify.inbound.pattern_tree import Node, Repeat, Sequence, Split, repeats, trees_of

PATTERNS = [
    pattern
    for rule in yaml.safe_load(shipped_text())["rules"]
    for option in ("patterns", "overlook")
    for pattern in rule.get(option, [])
]
LONGEST_S = 0.5
"""For 500 characters. What doubles with every round takes years."""


@pytest.mark.parametrize(
    "pattern",
    [
        "(?:a+)+",
        "(?:a*)*",
        "(?:a|aa)*",
        "(?:ab|a|b)*",
        "(?:款|贷款?)*",
        "(?:x(?:y?|z?))*",
        r"(?:\w+ ?){0,3}",
        "(?:a?b?)*",
        r"(?:\D|[^a])*",
        "(?:[^a]|(?-i:b)x?)+",
        "(?:[a-m]x?|kx)*",
        "(?:A|ab?|b)*",
        "(?>a+)+",
        "(?:a++)+",
        r"(b)(?:\1|b)+",
        "(?=(?:ab|a|b)*)c",
        "c(?<!(?:x)(?:y))(?:(?:a|ab)|b)*",
        "(b)?(?:(?(1)a|ab?)b?)*",
    ],
)
def test_a_repetition_that_reads_in_two_ways_is_told(pattern: str) -> None:
    assert risk_of(pattern) == DOUBLES


@pytest.mark.parametrize(
    "pattern", [".*x.*y", "还.*钱.*吗", r"\w*a\w*b", "[^a]*[^b]*", r"(?:ab)*(?:ab)*", r".{0,99}x.{0,99}"]
)
def test_two_endless_repetitions_that_share_a_stretch_are_told(pattern: str) -> None:
    assert risk_of(pattern) == SQUARES


@pytest.mark.parametrize(
    "pattern",
    [
        "a+b",
        r"\w+ \w+ \w+",
        r"(?: \w+){0,3}? (?:call|text)",
        "(?:款|贷款)*",
        "(?:ab|ac)*",
        "(?:a?)*",
        r"(.)\1{3,}",
        "还[^,]{0,20}钱[^,]{0,20}吗",
        "(?:a|b)?(?:a|b)?",
        "(a)?(?(1)b|c)",
        "[^,]*,[^,]*,",
        "^x*?y*$",
        r"(?<=\s)\S+(?!\d)",
    ],
)
def test_what_is_read_in_one_way_is_free(pattern: str) -> None:
    assert re.compile(pattern)
    assert risk_of(pattern) == ""


def test_a_lender_is_told_where_and_how_to_mend_it() -> None:
    rules = {
        "rules": [
            {"name": "mine", "kind": "other", "patterns": ["x", "(?:款|贷款?)*了"], "overlook": [".*a.*b"]}
        ]
    }
    with pytest.raises(ConfigError) as raised:
        parse_lexicon(yaml.safe_dump(rules, allow_unicode=True), "mine.yaml")
    assert list(raised.value.problems) == [
        f"mine.yaml: rules[0].patterns[1]: {DOUBLES}",
        f"mine.yaml: rules[0].overlook[0]: {SQUARES}",
    ]


def test_the_shipped_rules_are_free_of_it() -> None:
    assert [pattern for pattern in PATTERNS if risk_of(pattern)] == []


def _text(node: Node) -> str:
    """Something that a part of a pattern reads: the first way, every optional thing once."""
    match node:
        case Sequence():
            return "".join(map(_text, node.parts))
        case Split():
            return _text(node.ways[0])
        case Repeat():
            return _text(node.body)
    return min(node - set("\n"), default="")


def _ways(node: Node) -> Iterator[str]:
    """A text for each alternative of a repeated group."""
    if isinstance(node, Split):
        for way in node.ways:
            yield from _ways(way)
    elif isinstance(node, Sequence) and len(node.parts) == 1:
        yield from _ways(node.parts[0])
    else:
        yield _text(node)
        if isinstance(node, Sequence):  # once more without what may be left out
            yield "".join(
                _text(part) for part in node.parts if not (isinstance(part, Repeat) and part.optional)
            )


def _pumps(node: Node, before: str = "") -> Iterator[tuple[str, list[str]]]:
    """Each repeated group: a text that leads to it, and what its alternatives read."""
    match node:
        case Repeat():
            if node.again:
                yield before, [way for way in _ways(node.body) if way]
            yield from _pumps(node.body, before)
        case Sequence():
            for part in node.parts:
                yield from _pumps(part, before)
                before += _text(part)
        case Split():
            for way in node.ways:
                yield from _pumps(way, before)


PUMPS = [
    (pattern, before, ways)
    for pattern in PATTERNS
    for tree in trees_of(pattern)
    if repeats(tree)
    for before, ways in _pumps(tree)
    if ways
]


def _seconds(pattern: re.Pattern[str], text: str) -> float:
    begun = time.thread_time()
    pattern.search(text)
    pattern.sub("\n", text)
    return time.thread_time() - begun


def _longest(pattern: str, before: str, unit: str) -> float:
    """The most CPU seconds over ever longer texts; ends as soon as it is too much, or nothing would end it."""
    compiled, longest = re.compile(pattern, re.IGNORECASE), 0.0
    for size in (16, 18, 19, 20, 21, 22, 24, 28, 40, 500 // len(unit)):
        longest = max(longest, _seconds(compiled, (before + unit * size)[:500] + ","))
        if longest > LONGEST_S:
            break
    return longest


def test_each_alternative_of_each_repeated_group_is_pumped() -> None:
    assert len(PUMPS) > 100
    assert sum(len(ways) for _, _, ways in PUMPS) > 200
    slow = [
        (pattern, unit)
        for pattern, before, ways in PUMPS
        for unit in ways
        if _longest(pattern, before, unit) > LONGEST_S
    ]
    assert slow == []


def test_the_pump_finds_what_doubles() -> None:
    """The pattern that a reviewer found, as it was: the pump would tell."""
    was = "(?:还|付)(?:款|钱|贷款?|车贷)*(?:了|过)"
    (tree,) = trees_of(was)
    ((before, ways),) = _pumps(tree)
    assert "贷款" in ways
    assert max(_longest(was, before, unit) for unit in ways) > LONGEST_S


@given(st.sampled_from(PUMPS).flatmap(lambda pump: st.tuples(
    st.just(pump[:2]), st.lists(st.sampled_from(pump[2]), min_size=1, max_size=4)
)))  # fmt: skip
def test_alternatives_mixed_at_random_are_read_at_once(pump: tuple[tuple[str, str], list[str]]) -> None:
    (pattern, before), units = pump
    assert _longest(pattern, before, "".join(units)) <= LONGEST_S


@given(st.lists(st.sampled_from([unit for _, _, ways in PUMPS for unit in ways]), min_size=1, max_size=3))
def test_a_whole_reply_is_read_at_once(units: list[str]) -> None:
    text = "".join(units)
    begun = time.thread_time()
    shipped_lexicon().read(text * (500 // len(text) + 1))
    assert time.thread_time() - begun <= LONGEST_S
