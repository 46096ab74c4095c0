from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.inbound.times import (
    AHEAD,
    ODD,
    OLDEST,
    REHEARSED,
    dated_receipts,
    dated_replies,
    span_around,
)
from carloan_notify.records import Receipt, Reply

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
SPAN = span_around(NOW)
ZONES = st.none() | st.timezones() | st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m)))


def receipt(at: datetime) -> Receipt:
    return Receipt("gate", "r", "M", delivered=True, code="OK", detail="", occurred_at=at)


def reply(at: datetime, reply_id: str = "") -> Reply:
    return Reply("gate", reply_id, "+12025550100", "STOP", at)


@pytest.mark.parametrize(
    ("at", "believed"),
    [
        (NOW, True),
        (NOW - OLDEST, True),
        (NOW + AHEAD, True),
        (NOW - OLDEST - timedelta(seconds=1), False),
        (NOW + AHEAD + timedelta(seconds=1), False),
        (NOW.replace(tzinfo=None), False),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=14))), False),
        (datetime.max.replace(tzinfo=timezone(-timedelta(hours=14))), False),
    ],
)
def test_what_is_believed(at: datetime, *, believed: bool) -> None:
    assert SPAN.holds(at) is believed


def test_in_a_rehearsal_the_clock_of_the_gateway_is_believed() -> None:
    assert all(REHEARSED.holds(NOW + timedelta(days=days)) for days in (-900, 0, 900))
    assert not REHEARSED.holds(datetime.min.replace(tzinfo=UTC))


@given(st.lists(st.datetimes(timezones=ZONES, allow_imaginary=False)))
def test_every_record_is_kept_and_every_odd_time_told(times: list[datetime]) -> None:
    receipts, problems = dated_receipts([receipt(at) for at in times], SPAN, NOW)
    replies, told = dated_replies([reply(at) for at in times], SPAN, NOW)
    odd = [place for place, at in enumerate(times) if not SPAN.holds(at)]
    assert problems == [f"gate: receipt {place}: {ODD}" for place in odd]
    assert told == [f"gate: reply {place}: {ODD}" for place in odd]
    for place, at in enumerate(times):
        expected = NOW if place in odd else at
        assert receipts[place].occurred_at == replies[place].received_at == expected
        assert receipts[place].occurred_at.astimezone(UTC)
    assert dated_receipts(receipts, SPAN, NOW) == (receipts, [])
    assert dated_replies(replies, SPAN, NOW) == (replies, [])


def test_a_reply_of_an_odd_time_is_known_again_by_its_id_else_by_that_time_and_the_day() -> None:
    never = datetime.min.replace(tzinfo=UTC)
    (named, nameless), _ = dated_replies([reply(never, "7"), reply(never)], SPAN, NOW)
    assert named.reply_id == "7"
    assert nameless.reply_id == "time: 0001-01-01T00:00:00+00:00, came 2026-11-23"
    ((again,), _) = dated_replies([reply(never)], SPAN, NOW + timedelta(hours=1))
    assert again.reply_id == nameless.reply_id
    ((later,), _) = dated_replies([reply(never)], SPAN, NOW + timedelta(days=1))
    assert later.reply_id != nameless.reply_id
