"""Canonical JSON and hashes, recomputed in the plainest way."""

import hashlib
import json

from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.ledger.audit import GENESIS, AuditRow, canonical, hash_of, row_hash

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=10,
)


@given(json_values)
def test_canonical_text_reads_back_and_is_stable(value: object) -> None:
    text = canonical(value)
    assert json.loads(text) == value
    assert canonical(json.loads(text)) == text


def test_canonical_text_has_one_spelling() -> None:
    assert canonical({"b": [1, None], "a": "值 "}) == '{"a":"值 ","b":[1,null]}'


@given(st.integers(1, 10**9), st.text(st.characters(exclude_categories=["Cs"])), json_values)
def test_the_hash_is_that_of_the_whole_row_as_json(seq: int, subject: str, data: object) -> None:
    row = ["2026", "kind", subject]
    whole = json.dumps([seq, *row, data, GENESIS], sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    expected = hashlib.sha256(whole.encode()).hexdigest()
    assert row_hash(seq, row, canonical(data), GENESIS) == expected
    stored = AuditRow(seq, "2026", "kind", subject, canonical(data), GENESIS, expected)
    assert hash_of(stored) == expected
    assert hash_of(stored, seq=seq + 1) != expected
