"""Where two texts part is shown if they part, and both can be read from it when nothing is left out."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.pipeline.templates import difference

TEXTS = st.text("ab，。元 ", max_size=30)


@given(TEXTS, TEXTS)
def test_something_is_shown_if_and_only_if_the_texts_differ(ours: str, theirs: str) -> None:
    assert bool(difference(ours, theirs)) == (ours != theirs)


@given(TEXTS, TEXTS)
def test_what_is_marked_belongs_to_its_text(ours: str, theirs: str) -> None:
    shown = difference(ours, theirs)
    assert all(part in ours for part in re.findall(r"\[-(.*?)-\]", shown))
    assert all(part in theirs for part in re.findall(r"\{\+(.*?)\+\}", shown))
    if shown and "…" not in shown:
        assert re.sub(r"\{\+.*?\+\}|\[-|-\]", "", shown) == ours
        assert re.sub(r"\[-.*?-\]|\{\+|\+\}", "", shown) == theirs


@pytest.mark.parametrize(
    ("ours", "theirs", "shown"),
    [
        ("还款日为11月30日。", "还款日为11月30日。", ""),
        (
            "您好，还款日为11月30日。谢谢您的配合。",
            "您好，还款日为11月20日。谢谢您的配合。",
            "…款日为11月[-3-]{+2+}0日。谢谢您…",
        ),
        ("ab", "abc", "ab{+c+}"),
        ("甲乙丙丁", "甲戊丙己丁", "甲[-乙-]{+戊+}丙{+己+}丁"),
        ("请点击链接还款，已还款请忽略。", "请点击链接还款。", "…点击链接还款[-，已还款请忽略-]。"),
    ],
    ids=["none", "a day", "an end", "two places", "a sentence"],
)
def test_differences_are_short(ours: str, theirs: str, shown: str) -> None:
    assert difference(ours, theirs) == shown
