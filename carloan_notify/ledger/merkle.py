"""A hash tree over lines of facts: one row of the audit vouches for thousands of messages, a short path for each.

The tree of RFC 6962, section 2.1: a leaf is SHA-256 over 0x00 and the line, a node SHA-256 over 0x01 and its two
children; of a row of nodes the last one without a partner moves up as it is. So nobody can pass a node off as a leaf,
and the proof of one leaf among n is at most log2 n hashes, rounded up.
"""

import hashlib
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

LEAF: Final = b"\x00"
NODE: Final = b"\x01"
MARK_BYTES: Final = 8
"""So much of each leaf's hash is kept beside the facts: not to prove them, but to find the one that was changed."""
_LEVEL: Final = 6


@dataclass(frozen=True, slots=True)
class ProofStep:
    """One step from a leaf to the root: the other child's hash (hex), and whether it stands to the left."""

    other: str
    is_left: bool


def leaf(line: str) -> bytes:
    """The hash of one line of facts."""
    return hashlib.sha256(LEAF + line.encode()).digest()


def _above(nodes: Sequence[bytes]) -> list[bytes]:
    pairs = zip(nodes[::2], nodes[1::2], strict=False)
    following = [hashlib.sha256(NODE + left + right).digest() for left, right in pairs]
    return [*following, nodes[-1]] if len(nodes) % 2 else following


def root(leaves: Sequence[bytes]) -> str:
    """The root over these leaf hashes, 64 hex digits; of none, the hash of nothing."""
    nodes = list(leaves)
    while len(nodes) > 1:
        nodes = _above(nodes)
    return nodes[0].hex() if nodes else hashlib.sha256(b"").hexdigest()


class Growing:
    """A tree that grows leaf by leaf: `root` of all so far, with log2 n hashes in memory."""

    def __init__(self) -> None:
        """No leaf yet."""
        self.count = 0
        self._full: list[bytes] = []  # roots of the full trees that the leaves make, the largest first

    def add(self, line: str) -> None:
        """One more leaf."""
        node, left = leaf(line), self.count
        while left & 1:
            node = hashlib.sha256(NODE + self._full.pop() + node).digest()
            left >>= 1
        self._full.append(node)
        self.count += 1

    @property
    def root(self) -> str:
        """What `root` says of the same leaves."""
        if not self._full:
            return root(())
        node = self._full[-1]
        for left in reversed(self._full[:-1]):
            node = hashlib.sha256(NODE + left + node).digest()
        return node.hex()


def grown(lines: Iterable[str]) -> str:
    """The root over the leaves of these lines, few in memory at a time."""
    growing = Growing()
    for line in lines:
        growing.add(line)
    return growing.root


def proof(leaves: Sequence[bytes], place: int) -> list[ProofStep]:
    """The steps from the leaf at `place` (from 0) to the root, the lowest first."""
    steps, nodes = list[ProofStep](), list(leaves)
    while len(nodes) > 1:
        other = place ^ 1
        if other < len(nodes):
            steps.append(ProofStep(nodes[other].hex(), is_left=other < place))
        nodes, place = _above(nodes), place // 2
    return steps


def proven(line: str, steps: Sequence[ProofStep]) -> str:
    """The root that a line of facts and its proof lead to: the auditor compares it with the row's."""
    node = leaf(line)
    for step in steps:
        other = bytes.fromhex(step.other)
        left, right = (other, node) if step.is_left else (node, other)
        node = hashlib.sha256(NODE + left + right).digest()
    return node.hex()


def packed(lines: Sequence[str]) -> bytes:
    """Lines without a line break in them, small enough to keep for ever."""
    return zlib.compress("\n".join(lines).encode(), _LEVEL)


def unpacked(body: bytes) -> list[str] | None:
    """The lines again; None where the body was damaged."""
    try:
        return zlib.decompress(body).decode().split("\n")
    except (zlib.error, UnicodeDecodeError):
        return None


def marks(leaves: Sequence[bytes]) -> bytes:
    """The first bytes of each leaf's hash, one after the other."""
    return b"".join(each[:MARK_BYTES] for each in leaves)


def differing(leaves: Sequence[bytes], kept: bytes) -> list[int]:
    """The places of the leaves that are not those whose `marks` were kept."""
    starts = range(0, len(leaves) * MARK_BYTES, MARK_BYTES)
    return [
        place
        for place, (each, start) in enumerate(zip(leaves, starts, strict=True))
        if each[:MARK_BYTES] != kept[start : start + MARK_BYTES]
    ]
