"""Do the hash trees fit the chain: the roots over the facts of queued messages, and those that digests sign?"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from carloan_notify.ledger import merkle
from carloan_notify.ledger.audit import QUEUED, AuditRow, Block, hash_of
from carloan_notify.ledger.chain_walk import Breach, BreachKind
from carloan_notify.ledger.digest import Digest
from carloan_notify.ledger.merkle import Growing

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


class Trees:
    """The trees that digests sign, against the rows they speak of. Feed it every row in order."""

    def __init__(self, signed: Iterable[Digest]) -> None:
        """`signed` are the digests to compare."""
        self._ending: dict[int, list[Digest]] = {}
        for each in signed:
            self._ending.setdefault(each.count, []).append(each)
        self._starts = {each.since for ending in self._ending.values() for each in ending}
        self._growing = {0: Growing()} if 0 in self._starts else {}
        self._found: list[Breach] = []

    def feed(self, row: AuditRow) -> None:
        """Take a row of the audit; trees that end with it are compared and forgotten."""
        for tree in self._growing.values():
            tree.add(row.hash)
        ending = self._ending.pop(row.seq, [])
        for each in ending:
            if each.since in self._growing and self._growing[each.since].root != each.tree:
                text = "its tree is not that of the rows it speaks of: whoever has the signing key made it up"
                self._found.append(Breach(BreachKind.MODIFIED_DIGEST, f"digest {each.number}", text))
        if ending:
            needed = {each.since for later in self._ending.values() for each in later}
            self._growing = {since: tree for since, tree in self._growing.items() if since in needed}
        if row.seq in self._starts:
            self._growing[row.seq] = Growing()

    def breaches(self) -> list[Breach]:
        """What is wrong with the trees."""
        return self._found


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
