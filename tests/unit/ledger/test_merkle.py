"""The tree over facts: short proofs that fit one root, and nothing else does."""

import hashlib
import math

from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.ledger import merkle

LINES = st.lists(
    st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\n")), min_size=1, max_size=70
)


def by_definition(lines: list[str]) -> bytes:
    """MTH of RFC 6962, section 2.1, word for word."""
    if len(lines) == 1:
        return hashlib.sha256(b"\x00" + lines[0].encode()).digest()
    split = 1 << (len(lines) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + by_definition(lines[:split]) + by_definition(lines[split:])).digest()


@given(LINES, st.data())
def test_every_line_has_a_short_proof(lines: list[str], data: st.DataObject) -> None:
    leaves = [merkle.leaf(line) for line in lines]
    root = merkle.root(leaves)
    assert root == by_definition(lines).hex()
    place = data.draw(st.integers(0, len(lines) - 1))
    steps = merkle.proof(leaves, place)
    assert len(steps) <= math.ceil(math.log2(len(lines)))
    assert merkle.proven(lines[place], steps) == root
    assert merkle.proven(lines[place] + "x", steps) != root


@given(LINES, st.data())
def test_what_was_changed_is_found(lines: list[str], data: st.DataObject) -> None:
    leaves = [merkle.leaf(line) for line in lines]
    kept = merkle.marks(leaves)
    assert merkle.differing(leaves, kept) == []
    changed = sorted(data.draw(st.sets(st.integers(0, len(lines) - 1))))
    altered = [merkle.leaf(f"{line}!" if n in changed else line) for n, line in enumerate(lines)]
    assert merkle.differing(altered, kept) == changed
    assert (merkle.root(altered) == merkle.root(leaves)) == (not changed)


@given(LINES)
def test_lines_come_back_as_they_were(lines: list[str]) -> None:
    packed = merkle.packed(lines)
    assert merkle.unpacked(packed) == lines
    assert merkle.unpacked(packed[:-1]) is None


@given(st.lists(st.text(max_size=3), max_size=40))
def test_a_tree_that_grows_has_at_every_size_the_root_of_its_leaves(lines: list[str]) -> None:
    growing = merkle.Growing()
    assert growing.root == merkle.root([])
    for number, line in enumerate(lines, start=1):
        growing.add(line)
        assert growing.root == merkle.root([merkle.leaf(each) for each in lines[:number]])
