"""Late in its hours a message leaves only where the network can be told until when it may arrive."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.delivery.provider import Capabilities, ReceiptMode, minutes_left, seconds_left
from carloan_notify.delivery.registry import DeliverySettings
from carloan_notify.delivery.sender import LEAST_VALIDITY
from carloan_notify.delivery.summary import StoppedBy
from carloan_notify.records import MessageState, OutboundMessage, Outcome, SendResult
from tests.unit.delivery.test_dispatcher import Even, delivery, drain
from tests.unit.delivery.world import START, FakeOutbox, FakeProvider, FakeTime, accept, always, message

S = MessageState
HOLD_BACK = timedelta(minutes=30)


class Bounding(FakeProvider):
    """Can be told until when a message may arrive."""

    capabilities = Capabilities(look_up_window=None, receipts=ReceiptMode.NONE, bounds_delivery=True)


def ending(*seconds: float) -> FakeOutbox:
    """A message each that may arrive for so many seconds more."""
    ends = [START + timedelta(seconds=each) for each in seconds]
    outbox = FakeOutbox([replace(message(number), expires_at=end) for number, end in enumerate(ends)])
    for row, end in zip(outbox.rows.values(), ends, strict=True):
        row.expires_at = end
    return outbox


def states(outbox: FakeOutbox) -> list[MessageState]:
    return [row.state for row in outbox.rows.values()]


def test_what_the_provider_cannot_bound_expires_early() -> None:
    outbox, provider = ending(1799, 1800, 43_200), FakeProvider()
    summary = drain(outbox, [provider])
    assert states(outbox) == [S.EXPIRED, S.ACCEPTED, S.ACCEPTED]
    assert (summary.expired, summary.released, summary.stopped_by) == (1, 0, StoppedBy.NOTHING)


def test_what_the_provider_can_bound_leaves_until_the_last_minute() -> None:
    outbox = ending(59, 60, 1799)
    drain(outbox, [Bounding()])
    assert states(outbox) == [S.EXPIRED, S.ACCEPTED, S.ACCEPTED]


def test_the_margin_is_a_setting() -> None:
    outbox = ending(299, 300)
    drain(outbox, [FakeProvider()], delivery(hold_back_minutes=5))
    assert states(outbox) == [S.EXPIRED, S.ACCEPTED]
    assert DeliverySettings().hold_back_minutes == HOLD_BACK.total_seconds() / 60


def test_a_message_without_an_end_is_never_late() -> None:
    outbox = FakeOutbox([message(1)])
    drain(outbox, [FakeProvider()])
    assert states(outbox) == [S.ACCEPTED]


def test_late_messages_go_by_the_provider_that_bounds_them() -> None:
    outbox, first, second = ending(600, 7200), FakeProvider("first"), Bounding("second")
    drain(outbox, [first, second])
    assert states(outbox) == [S.ACCEPTED, S.ACCEPTED]
    assert [row.provider for row in outbox.rows.values()] == ["second", "first"]


def test_a_late_message_that_was_not_sent_does_not_go_by_another_that_cannot_bound_it() -> None:
    outbox, time = ending(600), FakeTime()
    busy, free = Bounding("busy", always(Outcome.RETRYABLE)), FakeProvider("free")
    drain(outbox, [busy, free], delivery("busy", "free"), time, rng=Even())
    assert states(outbox) == [S.RETRYABLE]
    assert not free.seen
    assert sum(busy.seen.values()) == 4, "tried after 0, 5, 15 and 35 seconds; the next send tries again"


def test_the_drain_ends_when_only_a_broken_provider_could_take_what_waits() -> None:
    outbox, time = ending(*[600] * 20), FakeTime()
    broken, free = Bounding("broken", always(Outcome.UNKNOWN)), FakeProvider("free")
    options = delivery("broken", "free", breaker={"consecutive_errors": 3, "open_seconds": 900})
    summary = drain(outbox, [broken, free], options, time)
    assert summary.stopped_by is StoppedBy.BREAKER
    assert set(states(outbox)) == {S.UNKNOWN, S.QUEUED}
    assert time.seconds < 60
    assert not free.seen


def test_a_message_that_waits_too_long_for_its_turn_does_not_leave_late() -> None:
    outbox, time = ending(*[1810] * 100), FakeTime()
    options = delivery(pace={"rate_per_second": 1})
    drain(outbox, [FakeProvider()], options, time)
    left = states(outbox).count(S.ACCEPTED)
    assert 5 <= left <= 12, "those of the first ten seconds"
    assert states(outbox).count(S.EXPIRED) == 100 - left


@given(
    st.lists(st.integers(1, 4000), min_size=1, max_size=30),
    st.lists(st.booleans(), min_size=1, max_size=3),
    st.sampled_from([1, 7]),
)
def test_nothing_leaves_late_and_nothing_in_time_is_held(
    seconds: list[int], bounding: list[bool], batch_limit: int
) -> None:
    """Whatever the providers: each message leaves by one that fits it, or expires because there is none."""
    time = FakeTime()
    late: list[str] = []

    def watch(name: str, needed: timedelta) -> FakeProvider:
        def script(batch: Sequence[OutboundMessage]) -> list[SendResult]:
            late.extend(m.message_id for m in batch if m.expires_at and m.expires_at < time.clock() + needed)
            return accept(batch)

        kind = Bounding if needed == LEAST_VALIDITY else FakeProvider
        return kind(name, script, batch_limit=batch_limit)

    margins = [LEAST_VALIDITY if bounds else HOLD_BACK for bounds in bounding]
    providers = [watch(f"p{place}", margin) for place, margin in enumerate(margins)]
    outbox = ending(*seconds)
    summary = drain(outbox, providers, time=time)
    needed = LEAST_VALIDITY if any(bounding) else HOLD_BACK
    fits = [timedelta(seconds=each) >= needed for each in seconds]
    assert not late
    assert states(outbox) == [S.ACCEPTED if fit else S.EXPIRED for fit in fits]
    assert (summary.accepted, summary.expired) == (fits.count(True), fits.count(False))


@pytest.mark.parametrize(
    ("left_s", "seconds", "minutes"), [(0.5, 1, 1), (59.9, 59, 1), (119.9, 119, 1), (120, 120, 2)]
)
def test_the_time_left_is_cut_down(left_s: float, seconds: int, minutes: int) -> None:
    ends = replace(message(1), expires_at=START + timedelta(seconds=left_s))
    assert (seconds_left(ends, START), minutes_left(ends, START)) == (seconds, minutes)


@given(st.floats(60, 86_400))
def test_a_network_that_counts_from_now_never_delivers_late(left_s: float) -> None:
    ends = START + timedelta(seconds=left_s)
    mine = replace(message(1), expires_at=ends)
    assert START + timedelta(minutes=minutes_left(mine, START) or 0) <= ends
    assert START + timedelta(seconds=seconds_left(mine, START) or 0) <= ends


def test_a_message_without_an_end_has_no_time_left_to_tell() -> None:
    assert (seconds_left(message(1), START), minutes_left(message(1), START)) == (None, None)
