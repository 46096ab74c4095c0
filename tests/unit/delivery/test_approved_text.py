"""An approved text is taken apart, filled, and read back."""

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.delivery.approved import message_of, sources, take_apart, template_rules, templates_of
from carloan_notify.delivery.registry import ConsoleProviderSettings

RULES = template_rules()
WORDS = st.lists(st.text("您好款日，。 ", min_size=1, max_size=6), min_size=1, max_size=6)
SYNTAX = {"aliyun": "${{v{0}}}", "tencent": "{{{0}}}", "huawei": "${{TXT_{0}}}"}


def written(kind: str, words: Sequence[str]) -> str:
    """A text of these words with a variable between any two of them."""
    variables = [SYNTAX[kind].format(number) for number in range(1, len(words))]
    return "".join(part for pair in zip(words, [*variables, ""], strict=True) for part in pair)


@given(WORDS, st.sampled_from(sorted(SYNTAX)), st.data())
def test_filling_and_reading_back_gives_the_parameters(
    words: list[str], kind: str, data: st.DataObject
) -> None:
    values = {f"v{n}": data.draw(st.text("abc123.", max_size=8)) for n in range(1, len(words))}
    apart = take_apart(written(kind, words), RULES[kind])
    assert apart.fixed == tuple(words)
    read = message_of(apart, values, RULES[kind])
    pattern = "([a-c0-9.]*)".join(re.escape(part) for part in apart.fixed)
    back = re.fullmatch(pattern, read)
    assert back is not None
    assert list(back.groups()) == list(values.values())


@pytest.mark.parametrize(
    ("kind", "text", "params", "filled_by"),
    [
        ("aliyun", "a${y}b${x}c${z}", ["x", "y"], ["y", "x", None]),
        ("tencent", "a{2}b{1}c{3}d{0}", ["x", "y"], ["y", "x", None, None]),
        ("huawei", "a${NUM_6}b${DATE}c${TXT_9}", ["x", "y"], ["x", "y", None]),
    ],
    ids=["by name", "by number", "by place"],
)
def test_which_parameter_fills_which_variable(
    kind: str, text: str, params: list[str], filled_by: list[str | None]
) -> None:
    assert sources(take_apart(text, RULES[kind]), params, RULES[kind]) == filled_by


def test_a_variable_that_nothing_fills_is_read_as_nothing() -> None:
    assert message_of(take_apart("a${x}b${y}", RULES["aliyun"]), {"x": "1"}, RULES["aliyun"]) == "a1b"


def test_a_provider_of_free_text_has_no_approved_templates() -> None:
    assert list(templates_of(ConsoleProviderSettings(type="console"))) == []
