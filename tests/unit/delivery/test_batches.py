from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.delivery.channel import Batcher, ChannelQueue
from carloan_notify.delivery.provider import REQUEST_FULL
from carloan_notify.delivery.registry import BreakerSettings, CanarySettings, ConsoleProviderSettings
from carloan_notify.delivery.sender import Answer, Sender
from carloan_notify.records import Channel, OutboundMessage, Outcome
from tests.unit.delivery.world import FakeProvider, FakeTime, message, result


def keyed(number: int, key: str, phone: str) -> OutboundMessage:
    return replace(message(number), phone=phone, params={"key": key})


def key_of(of: OutboundMessage) -> str:
    return of.params["key"]


@given(
    wanted=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("1234")), max_size=60),
    requests=st.integers(0, 6),
    limit=st.integers(1, 5),
)
def test_a_request_holds_one_key_no_number_twice_and_no_more_than_the_limit(
    wanted: list[tuple[str, str]], requests: int, limit: int
) -> None:
    messages = [keyed(i, key, phone) for i, (key, phone) in enumerate(wanted)]
    packing = Batcher(requests, limit, key_of)
    packed = [m for m in messages if packing.add(m)]
    assert len(packing.batches) <= requests
    for batch in packing.batches:
        assert 1 <= len(batch) <= limit
        assert len({key_of(m) for m in batch}) == 1
        assert max(Counter(m.phone for m in batch).values()) == 1
    assert sorted(m.message_id for b in packing.batches for m in b) == [m.message_id for m in packed]


@given(count=st.integers(0, 40), requests=st.integers(1, 6), limit=st.integers(1, 5))
def test_different_numbers_of_one_key_fill_every_request(count: int, requests: int, limit: int) -> None:
    packing = Batcher(requests, limit, key_of)
    packed = sum(packing.add(keyed(i, "a", str(i))) for i in range(count))
    assert packed == min(count, requests * limit)
    assert all(len(batch) == limit for batch in packing.batches[:-1])


TOLD = {
    "alone": (Outcome.APART, "refused"),
    "full": (Outcome.APART, REQUEST_FULL),
    "slow": (Outcome.THROTTLED, "429"),
    "later": (Outcome.RETRYABLE, "busy"),
}


@given(told=st.lists(st.sampled_from(sorted(TOLD)), min_size=1, max_size=30), limit=st.integers(2, 5))
def test_what_was_told_to_go_apart_has_a_request_of_its_own_from_then_on(told: list[str], limit: int) -> None:
    provider, settings = FakeProvider(batch_limit=limit), ConsoleProviderSettings(type="console")
    sender = Sender(provider, settings, BreakerSettings(), FakeTime().monotonic)
    queue = ChannelQueue(Channel.SMS, [sender], CanarySettings(size=0))
    messages = [message(i) for i in range(len(told))]
    results = [result(m, *TOLD[what]) for m, what in zip(messages, told, strict=True)]
    queue.learn(sender, Answer(tuple(messages), tuple(results)))
    others = [m for m, what in zip(messages, told, strict=True) if what != "alone"]
    for _ in range(2):
        queue.refill(messages, 0.0)
        batches = queue.pick(sender, len(messages))
        together = [m for batch in batches for m in batch if m in others]
        assert sorted(m.message_id for batch in batches for m in batch) == [m.message_id for m in messages]
        assert all(len(batch) == 1 for batch in batches if batch[0] not in others)
        assert (together, sum(batch[0] in others for batch in batches)) == (others, -(-len(others) // limit))
    sender.close()
