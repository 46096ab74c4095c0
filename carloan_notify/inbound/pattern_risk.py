"""Whether a regular expression may take for ever over one reply. Pure.

`re` tries every way in which a pattern can read a text. Where a repetition can read the same characters in two
ways, those ways double with every round: 24 words hold the program for seconds, 40 for ever. Two endless
repetitions that may both read the same stretch cost its length squared. Both are told from the pattern alone, by
the criteria of Weber and Seidl ("On the degree of ambiguity of finite automata", 1991) on its position automaton.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Final

from carloan_notify.inbound.pattern_tree import Characters, Node, Repeat, Sequence, Split, repeats, trees_of

DOUBLES: Final = (
    "a repetition reads the same characters in two ways, so one reply could hold the program for ever; let each "
    "alternative begin with a character of its own, and nothing in it that may be left out be read by the next one"
)
SQUARES: Final = (
    "two endless repetitions may read the same characters, so a long reply could hold the program; bound them, "
    "[^,]{0,20} instead of .*"
)

Positions = Counter[int]
Follow = Counter[tuple[int, int]]


def risk_of(pattern: str) -> str:
    """What is dangerous about a pattern that compiles, with the cure; "" when nothing is."""
    automata = [_Automaton.of(tree) for tree in trees_of(pattern) if repeats(tree)]
    if any(automaton.doubles() for automaton in automata):
        return DOUBLES
    return SQUARES if any(automaton.squares() for automaton in automata) else ""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of the pattern: where it may begin and end, in how many ways it reads nothing."""

    first: Positions
    last: Positions
    empty: int


@dataclass(slots=True)
class _Automaton:
    """One state per place of the pattern that reads a character; edges count the ways to get there (Glushkov)."""

    reads: list[Characters] = field(default_factory=list)
    follow: Follow = field(default_factory=Counter)
    endless: list[_Piece] = field(default_factory=list)

    @classmethod
    def of(cls, tree: Node) -> "_Automaton":
        """The automaton of a pattern."""
        made = cls()
        made._piece(tree)
        return made

    def doubles(self) -> bool:
        """Whether some text leads from a state back to it in two ways."""
        after = self._after()
        for loop in _loops(after):
            if any(self.follow[one, other] > 1 for one, other in product(loop, loop)):
                return True
            inside = {state: after[state] & loop for state in loop}
            if self._part_and_meet(inside):
                return True
        return False

    def squares(self) -> bool:
        """Whether one endless repetition can hand over to another in the middle of what both can read."""
        after = self._after()
        pieces = [(piece, self._read_by(piece, after)) for piece in self.endless]
        for (one, read), (other, also_read) in product(pieces, repeat=2):
            shared = read & also_read
            if one is not other and shared and self._leads(one, other, shared, after):
                return True
        return False

    def _leads(
        self, one: _Piece, other: _Piece, shared: Characters, after: dict[int, frozenset[int]]
    ) -> bool:
        begins = frozenset(state for state in other.first if self.reads[state] & shared)
        ends = [state for state in one.last if self.reads[state] & shared]
        allowed = {
            state: frozenset(next_ for next_ in after[state] if self.reads[next_] & shared) for state in after
        }
        return any(_reached(end, allowed) & begins for end in ends)

    def _read_by(self, piece: _Piece, after: dict[int, frozenset[int]]) -> Characters:
        """All that the states of a repetition read."""
        inside = {state for start in piece.first for state in {start} | _reached(start, after)}
        back = {state for state in inside if _reached(state, after) & set(piece.first)}
        return frozenset().union(*(self.reads[state] for state in back))

    def _part_and_meet(self, after: dict[int, frozenset[int]]) -> bool:
        """Whether two readers that stand together can part over the same characters and meet again."""
        pairs = {(state, state): True for state in after}
        edges: dict[tuple[int, int], set[tuple[int, int]]] = {}
        todo = list(pairs)
        while todo:
            pair = todo.pop()
            edges[pair] = {
                (one, other)
                for one, other in product(after[pair[0]], after[pair[1]])
                if one == other or self.reads[one] & self.reads[other]
            }
            todo += edges[pair] - edges.keys() - set(todo)
        meet = {pair for pair in edges if pair[0] == pair[1]}
        parted = {next_ for pair in meet for next_ in edges[pair]} - meet
        seen: set[tuple[int, int]] = set()
        while parted:
            pair = parted.pop()
            if edges[pair] & meet:
                return True
            seen.add(pair)
            parted |= edges[pair] - seen
        return False

    def _after(self) -> dict[int, frozenset[int]]:
        after: dict[int, set[int]] = {state: set() for state in range(len(self.reads))}
        for one, other in self.follow:
            after[one].add(other)
        return {state: frozenset(states) for state, states in after.items()}

    def _piece(self, node: Node) -> _Piece:
        match node:
            case Repeat():
                return self._repeated(node)
            case Sequence():
                return self._one_after_another(self._piece(part) for part in node.parts)
            case Split():
                ways = [self._piece(part) for part in node.ways]
                first: Positions = sum((way.first for way in ways), Counter())
                last: Positions = sum((way.last for way in ways), Counter())
                return _Piece(first, last, sum(way.empty for way in ways))
        self.reads.append(node)
        state = len(self.reads) - 1
        return _Piece(Counter([state]), Counter([state]), 0)

    def _repeated(self, node: Repeat) -> _Piece:
        body = self._piece(node.body)
        if node.again:
            self._join(body.last, body.first)
        if node.endless:
            self.endless.append(body)
        return _Piece(body.first, body.last, body.empty + node.optional)

    def _one_after_another(self, pieces: Iterable[_Piece]) -> _Piece:
        whole = _Piece(Counter(), Counter(), 1)
        for piece in pieces:
            self._join(whole.last, piece.first)
            first = whole.first + _times(piece.first, whole.empty)
            last = _times(whole.last, piece.empty) + piece.last
            whole = _Piece(first, last, whole.empty * piece.empty)
        return whole

    def _join(self, ends: Positions, begins: Positions) -> None:
        for (end, ways), (begin, more) in product(ends.items(), begins.items()):
            self.follow[end, begin] += ways * more


def _times(positions: Positions, ways: int) -> Positions:
    return Counter({state: count * ways for state, count in positions.items()}) if ways else Counter()


def _reached(start: int, after: dict[int, frozenset[int]]) -> set[int]:
    """Every state that can be reached from a state, in one step or more."""
    seen: set[int] = set()
    todo = set(after[start])
    while todo:
        state = todo.pop()
        seen.add(state)
        todo |= after[state] - seen
    return seen


def _loops(after: dict[int, frozenset[int]]) -> Iterator[frozenset[int]]:
    """Sets of states each of which leads to every other (strongly connected components with an edge)."""
    reached = {state: _reached(state, after) for state in after}
    placed: set[int] = set()
    for state in after:
        if state not in placed and state in reached[state]:
            loop = frozenset(other for other in reached[state] if state in reached[other])
            placed |= loop
            yield loop
