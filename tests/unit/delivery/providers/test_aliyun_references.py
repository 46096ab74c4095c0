from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.delivery.providers.aliyun.api import (
    batch_out_id,
    batch_reference_in,
    dialled,
    e164,
    holds,
    instant,
    new_nonce,
)
from carloan_notify.delivery.vendor import our_reference
from tests.unit.delivery.providers.aliyun_world import IDS


@pytest.mark.parametrize(
    ("phone", "written"),
    [
        ("+8613800138000", "13800138000"),
        ("+12025550100", "12025550100"),
        ("+85251234567", "85251234567"),
        ("+13035550100", "13035550100"),  # eleven digits that look Chinese: written with its country code
    ],
)
def test_numbers_as_the_vendor_dials_them(phone: str, written: str) -> None:
    assert dialled(phone) == written


@pytest.mark.parametrize(
    ("written", "phone"),
    [
        ("13800138000", "+8613800138000"),
        ("8613800138000", "+8613800138000"),
        ("+8613800138000", "+8613800138000"),
        ("008613800138000", "+8613800138000"),
        (" 85251234567 ", "+85251234567"),
        ("12025550100", "+12025550100"),
    ],
)
def test_numbers_as_the_vendor_tells_them(written: str, phone: str) -> None:
    assert e164(written) == phone


@pytest.mark.parametrize("written", ["", "0571", "*138****0001", "13800138000x", "+8613800138000000000"])
def test_what_is_no_number(written: str) -> None:
    with pytest.raises(ValueError, match="no phone number"):
        e164(written)


def test_times_are_those_of_china() -> None:
    assert (
        instant("2026-11-23 09:00:05")
        == instant(" 20261123090005 ")
        == datetime(2026, 11, 23, 1, 0, 5, tzinfo=UTC)
    )


ids = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=26, max_size=26)


@given(st.lists(ids, min_size=1, max_size=100, unique=True))
def test_a_batch_never_denies_its_own(message_ids: list[str]) -> None:
    out_id = batch_out_id(message_ids)
    assert len(out_id) < 256
    assert out_id == batch_out_id(message_ids)
    assert all(holds(out_id, message_id) for message_id in message_ids)
    assert our_reference(out_id) == ""
    assert len(batch_reference_in(out_id)) == 16


def test_a_batch_hardly_ever_claims_another_message() -> None:
    out_id = batch_out_id([f"M{n:025d}" for n in range(100)])
    claimed = sum(bool(holds(out_id, f"N{n:025d}")) for n in range(20_000))
    assert claimed <= 40  # 24 expected


@pytest.mark.parametrize(
    ("out_id", "answer"),
    [(IDS[0], True), (IDS[1], False), ("", None), ("theirs", None), (batch_out_id(IDS)[:-1], None)],
)
def test_whose_a_reference_is(*, out_id: str, answer: bool | None) -> None:
    assert holds(out_id, IDS[0]) is answer


def test_no_nonce_comes_twice() -> None:
    nonces = {new_nonce() for _ in range(100)}
    assert len(nonces) == 100
    assert {len(nonce) for nonce in nonces} == {32}
