"""Dates and XML as strangers write them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.delivery.http import retry_after, safe_root, web_date

AT = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)
ENDLESS = "Sun, 22 Nov 99999999999999999999 10:00:00 +0000"
LAST = "Fri, 31 Dec 9999 23:59:59 -2359"


@pytest.mark.parametrize(
    "text", ["Mon, 23 Nov 2026 01:02:03 GMT", "Mon, 23 Nov 2026 09:02:03 +0800", "23 Nov 2026 01:02:03 -0000"]
)
def test_every_way_to_write_an_instant(text: str) -> None:
    assert web_date(text) == AT
    assert web_date(text).utcoffset() == timedelta()


@pytest.mark.parametrize("text", ["", "soon", ENDLESS, LAST])
def test_what_is_no_date_says_so_and_asks_for_no_wait(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - a stranger's text stands in no message
        web_date(text)
    assert retry_after({"Retry-After": text}, AT) == 0


@pytest.mark.parametrize("page", ["<!DOCTYPE html><html/>", '<!ENTITY a "b">', "<a><b>", "", "plain"])
def test_no_document_type_no_entities_no_halves(page: str) -> None:
    for text in (page, page.encode()):
        with pytest.raises(ValueError):  # noqa: PT011 - a stranger's text stands in no message
            safe_root(text)


@given(st.text() | st.binary())
def test_anything_else_is_a_root_or_a_value_error(text: str | bytes) -> None:
    try:
        root = safe_root(text)
    except ValueError:
        return
    assert isinstance(root.tag, str)
