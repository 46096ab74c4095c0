import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.inbound.lexicon import LONGEST, compact, plain


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("Ｔ 退 订。", "t退订"),
        ("我已經還錢了,別再發了！", "我已经还钱了,别再发了"),
        ("I haven’t  paid — yet…", "i havent paid,yet"),
        ("不，退订", "不,退订"),
        ("  STOP!!! 👍👍 ", "stop"),
        ("退\u200b订\x00", "退订"),
        ("10086 号", "10086号"),
        ("", ""),
        ("？！", ""),
        ("\ud800", ""),
    ],
)
def test_a_reply_in_plain_form(text: str, seen: str) -> None:
    assert plain(text) == seen


@given(st.text())
def test_what_is_plain_stays_plain(text: str) -> None:
    once = plain(text)
    assert plain(once) == once
    assert not set(compact(once)) & set(" ,")


def test_a_flood_is_cut() -> None:
    assert len(plain("退" * 10_000)) == LONGEST
