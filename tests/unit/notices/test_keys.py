"""The keys of a notice: injective, stable, blind to row order and to places in lists."""

import hashlib

import pandas as pd
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from carloan_notify.notices.decide import KEYS, Identity, notice_keys, replaced_before
from carloan_notify.notices.settings import Role, RuleSettings, When
from carloan_notify.records import Channel

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


STAGES = [
    RuleSettings(notice="a", when=When(days_past_due=1), who=tuple(Role)),
    RuleSettings(notice="b", when=When(days_past_due=3), who=tuple(Role), supersedes=("a",)),
    RuleSettings(notice="b", when=When(days_past_due=3), channel=Channel.VOICE, supersedes=("a",)),
]
staged = st.tuples(
    st.sampled_from(["L1", "L2"]),
    st.integers(1, 2),
    st.sampled_from(["a", "b"]),
    st.sampled_from(["sms", "voice"]),
    st.sampled_from(["borrower", "guarantor"]),
)
numbers = st.fixed_dictionaries(dict.fromkeys(("borrower", "guarantor"), st.sampled_from(["+1", "+2"])))
Staged = list[tuple[str, int, str, str, str]]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(staged, min_size=1, max_size=6, unique=True),
    st.lists(staged, max_size=6, unique=True),
    numbers,
    numbers,
)
def test_what_a_later_stage_was_told_for_is_replaced(
    now: Staged, before: Staged, number_now: dict[str, str], number_before: dict[str, str]
) -> None:
    """Told before is a later stage when loan and installment, and role or number, are the same, by any channel."""
    known = set(keys_of(_staged(before, number_before))[list(KEYS)].to_numpy().ravel())
    tonight = _staged(now, number_now).assign(idempotency_key=[str(place) for place in range(len(now))])
    found = replaced_before(LENDER, tonight, STAGES, (known - {""}).intersection)

    def heard(one: tuple[str, int, str, str, str], other: tuple[str, int, str, str, str]) -> bool:
        stages = (one[2], other[2]) == ("a", "b") and (other[3] == "sms" or one[4] == "borrower")
        same = one[4] == other[4] or number_now[one[4]] == number_before[other[4]]
        return stages and one[:2] == other[:2] and same

    assert found == {
        str(place) for place, one in enumerate(now) if any(heard(one, other) for other in before)
    }


def _staged(stages: Staged, number: dict[str, str]) -> pd.DataFrame:
    return frame(
        [
            (loan, installment, "2026-11-23", "", notice, channel, role, number[role], "Li")
            for loan, installment, notice, channel, role in stages
        ]
    )
