from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.delivery.channel import Batcher
from carloan_notify.records import OutboundMessage
from tests.unit.delivery.world import message


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
