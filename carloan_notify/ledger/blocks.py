"""Are the facts of the queued messages those that the chain vouches for? Their roots against the rows of the audit."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from carloan_notify.ledger import merkle
from carloan_notify.ledger.audit import QUEUED, AuditRow, Block, hash_of
from carloan_notify.ledger.chain_walk import Breach, BreachKind

_LISTED: Final = 1_000
"""So many messages of one block are named; a longer list tells no more."""


class Roots:
    """The roots that rows of the audit hold. Feed it every row; a row that was changed is the walk's to tell."""

    def __init__(self) -> None:
        """Nothing seen."""
        self._roots: dict[int, str] = {}
        self._doubtful: set[int] = set()

    def feed(self, row: AuditRow) -> None:
        """Take a row of the audit."""
        if row.kind != QUEUED:
            return
        root = _root_of(row)
        if root is None:
            self._doubtful.add(row.seq)
        else:
            self._roots[row.seq] = root

    def breaches(self, blocks: Iterable[Block], *, explained: bool) -> list[Breach]:
        """What is wrong with the facts; `explained`: the walk found something, and a stray block says nothing."""
        found, missing = list[Breach](), dict(self._roots)
        for block in blocks:
            root = missing.pop(block.seq, None)
            if root is not None:
                found.extend(_compared(block, root))
            elif block.seq not in self._doubtful and not explained:
                text = "facts that no row of the audit vouches for: somebody put them in"
                found.append(Breach(BreachKind.INSERTED, f"facts of audit row {block.seq}", text))
        text = "the facts of the messages it vouches for are missing: somebody deleted them"
        found += [Breach(BreachKind.DELETED, f"facts of audit row {seq}", text) for seq in sorted(missing)]
        return found


def _root_of(row: AuditRow) -> str | None:
    """The root in a row that is sound in itself, else None."""
    try:
        root = json.loads(row.data)["root"]
    except (ValueError, KeyError, TypeError):
        return None
    return str(root) if hash_of(row) == row.hash else None


def _compared(block: Block, root: str) -> Iterator[Breach]:
    lines = merkle.unpacked(block.facts)
    leaves = [merkle.leaf(line) for line in lines or ()]
    if lines is not None and merkle.root(leaves) == root:
        return
    changed = merkle.differing(leaves, block.marks)
    place = f"facts of audit row {block.seq}"
    if lines is None or not changed or len(leaves) * merkle.MARK_BYTES != len(block.marks):
        text = "they are not those that were hashed when its messages were queued"
        yield Breach(BreachKind.MODIFIED, place, text)
    for number in changed[:_LISTED]:
        text = "its facts are not those that were hashed when it was queued"
        yield Breach(BreachKind.MODIFIED, f"{place}, message {_name(lines or (), number)}", text)


def _name(lines: Sequence[str], number: int) -> str:
    """The message's id, else its place in the block: the line may be anything now."""
    try:
        return str(json.loads(lines[number])["message"])
    except (ValueError, KeyError, TypeError):
        return str(number + 1)
