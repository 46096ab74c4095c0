"""The keys of a notice: injective, stable, blind to row order and to places in lists."""

import hashlib

import pandas as pd
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from carloan_notify.notices.decide import KEYS, Identity, notice_keys

PARTS = [
    "loan_id",
    "installment_no",
    "original_due_on",
    "event_id",
    "notice",
    "channel",
    "role",
    "phone",
    "recipient_name",
]
tight = st.text(alphabet="1:a|", max_size=3)  # few letters, so that texts nearly collide
rows = st.tuples(
    tight,
    st.integers(0, 12),
    st.sampled_from([None, "2026-11-23", "2026-11-24"]),
    tight,
    tight,
    st.sampled_from(["sms", "voice"]),
    st.sampled_from(["co_borrower", "guarantor"]),
    tight.filter(bool),
    tight,
)
LENDER = Identity("lender", lambda text: f"<{text}>")


def frame(values: list[tuple[object, ...]]) -> pd.DataFrame:
    made = pd.DataFrame(values, columns=PARTS)
    texts = dict.fromkeys(
        ("loan_id", "event_id", "notice", "channel", "role", "phone", "recipient_name"), "str"
    )
    made = made.astype({**texts, "original_due_on": "datetime64[s]"})
    return made.assign(person=made["phone"].where(made["role"] != "borrower", ""))


def keys_of(made: pd.DataFrame, identity: Identity = LENDER, *, shared: bool = True) -> pd.DataFrame:
    return notice_keys(identity, made, shared=pd.Series(data=shared, index=made.index))


@settings(max_examples=50, deadline=None)
@given(st.lists(rows, min_size=1, max_size=60, unique_by=lambda row: row[:8]))
def test_different_rows_never_share_a_key(values: list[tuple[object, ...]]) -> None:
    keys = keys_of(frame(values))["idempotency_key"]
    assert keys.nunique() == len(values)
    assert keys.str.fullmatch("[0-9a-f]{32}").all()


@settings(max_examples=30, deadline=None)
@given(st.lists(rows, min_size=1, max_size=10), st.integers(0, 99))
def test_keys_do_not_depend_on_the_order(values: list[tuple[object, ...]], seed: int) -> None:
    made = frame(values)
    shuffled = made.sample(frac=1, random_state=seed)
    pd.testing.assert_frame_equal(keys_of(shuffled).sort_index(), keys_of(made))


@settings(max_examples=50, deadline=None)
@given(st.lists(rows, min_size=2, max_size=6, unique_by=lambda row: (row[7], row[8])), rows)
def test_who_comes_or_goes_changes_nobodys_key(
    values: list[tuple[object, ...]], other: tuple[object, ...]
) -> None:
    """All are parties of one occasion; a newcomer of another name and number joins them."""
    same = [values[0][:7] + row[7:] for row in values]
    joined = values[0][:7] + other[7:]
    assume(all(other[7] != row[7] and other[8] != row[8] for row in values))
    before, after = keys_of(frame(same)), keys_of(frame([joined, *same]))
    pd.testing.assert_frame_equal(after.iloc[1:].reset_index(drop=True), before)


def test_a_new_number_and_a_new_name_are_still_the_same_person() -> None:
    one = ("L1", 1, "2026-11-23", "", "overdue_3", "sms", "guarantor", "+8610000000009", "王五")
    moved, renamed = (*one[:7], "+8610000000007", "王五"), (*one[:8], "王武")
    first, other_number, other_name = (set(keys_of(frame([row])).iloc[0]) for row in (one, moved, renamed))
    assert first & other_number
    assert first & other_name
    assert not other_number & other_name


def test_two_of_one_name_are_two_persons() -> None:
    one = ("L1", 1, "2026-11-23", "", "overdue_3", "sms", "guarantor", "+8610000000009", "王五")
    keys = keys_of(frame([one, (*one[:7], "+8610000000007", "王五")]))
    assert not set(keys.iloc[0]) & set(keys.iloc[1]) - {""}


def test_one_number_has_one_key_in_all_roles() -> None:
    one = ("L1", 1, "2026-11-23", "", "overdue_3", "sms", "borrower", "+8610000000009", "王五")
    keys = keys_of(frame([one, (*one[:6], "co_borrower", "+8610000000009", "李二")]))
    assert keys["number_key"][0] == keys["number_key"][1]
    assert keys["idempotency_key"].nunique() == 2


def test_the_borrower_alone_needs_one_key_and_no_name() -> None:
    one = ("L1", 1, "2026-11-23", "", "overdue_3", "sms", "borrower", "+8610000000009", "王五")
    moved = (*one[:7], "+8610000000007", "王武")
    first, second = (keys_of(frame([row]), shared=False).iloc[0].tolist() for row in (one, moved))
    assert first == second
    assert first[1:] == ["", ""]
    assert list(KEYS) == list(keys_of(frame([one])))


def test_the_lender_is_part_of_it() -> None:
    made = frame([("L1", 1, "2026-11-23", "", "due_today", "sms", "borrower", "1", "")])
    keys = [keys_of(made, Identity(name, str))["idempotency_key"][0] for name in "ab"]
    assert keys[0] != keys[1]


def test_a_key_never_changes_between_releases() -> None:
    made = frame([("L1", 1, "2026-11-23", "", "due_today", "sms", "borrower", "1", "")])
    fields = "16:carloan-notify/27:andacar2:L11:110:2026-11-230:9:due_today3:sms8:borrower0:"
    key = keys_of(made, Identity("andacar", str))["idempotency_key"][0]
    assert key == hashlib.sha256(fields.encode()).hexdigest()[:32]
