import json

import pytest

from carloan_notify.delivery.gateway.answer import text_at


@pytest.mark.parametrize(
    ("value", "text"),
    [("a\x00b", "ab"), ("\ud83d", ""), ("\x00 x ", "x"), ("😀", "😀"), ("\ud83d\ude00", ""), ("é\n", "é")],
    ids=["nul", "half", "space behind nul", "whole", "two halves", "line end"],
)
def test_what_nobody_can_store_is_left_out(value: str, text: str) -> None:
    assert text_at({"id": value}, "id") == text


def test_escapes_of_json_are_no_way_around_it() -> None:
    fields = json.loads(rb'{"id": "r\u0000-\ud83d-7", "pair": "\ud83d\ude00"}')
    assert text_at(fields, "id") == "r--7"
    assert text_at(fields, "pair") == "😀"
