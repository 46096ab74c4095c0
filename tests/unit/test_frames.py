"""Questions to columns of text, each against the plain way."""

from collections import Counter

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify import frames

TEXTS = st.lists(st.sampled_from(["", "a", "b", "李", "a ", "NaN"]), max_size=8)


def column(texts: list[str]) -> pd.Series:
    return pd.Series(texts, dtype=frames.TEXT, index=range(3, 3 + len(texts)))


@given(TEXTS, TEXTS)
def test_among_is_membership(texts: list[str], allowed: list[str]) -> None:
    mask = frames.among(column(texts), allowed)
    assert mask.tolist() == [text in allowed for text in texts]
    assert mask.index.equals(column(texts).index)
    assert frames.among(column(texts), column(allowed)).tolist() == mask.tolist()


@given(TEXTS, TEXTS)
def test_places_are_positions(wanted: list[str], texts: list[str]) -> None:
    found = frames.places(column(wanted), column(texts))
    assert found.tolist() == [texts.index(text) if text in texts else -1 for text in wanted]


@given(TEXTS)
def test_counted_counts(texts: list[str]) -> None:
    assert frames.counted(column(texts)) == Counter(texts)


@given(TEXTS)
def test_a_function_is_asked_once_per_value(texts: list[str]) -> None:
    asked: list[str] = []

    def marked(text: str) -> str:
        asked.append(text)
        return f"<{text}>"

    told = frames.per_value(column(texts), marked)
    assert told.tolist() == [f"<{text}>" for text in texts]
    assert len(asked) == len(set(texts))
