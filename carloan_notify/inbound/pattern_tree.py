"""A regular expression as a small tree: what it reads, splits and repeats. Pure.

Characters stand for all that a pattern cannot tell apart: a set of characters is the set of those samples it holds.
"""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

_PARSER: Final[Any] = importlib.import_module("re._parser")
_MANY: Final = 64
"""A repetition of more rounds counts as endless."""
_COMMON: Final = "a0_ ,\n一é"
"""A sample of each kind that a class such as \\w or \\s may tell apart."""
_LARGEST: Final = 0x10FFFF

Characters = frozenset[str]


@dataclass(frozen=True, slots=True)
class Sequence:
    """Parts one after another."""

    parts: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Split:
    """One of several ways."""

    ways: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Repeat:
    """`again`: more than once. `endless`: more often than anybody would write. `optional`: perhaps never."""

    body: "Node"
    again: bool
    endless: bool
    optional: bool


Node = Characters | Sequence | Split | Repeat


def trees_of(pattern: str) -> list[Node]:
    """The tree of a pattern that compiles, and one for each look ahead or behind in it."""
    parsed = _PARSER.parse(pattern)
    reader = _Reader(_samples(parsed))
    return [reader.sequence(parsed), *reader.looks]


def repeats(node: Node) -> bool:
    """Whether anything in it is read more than once."""
    match node:
        case Repeat():
            return node.again or repeats(node.body)
        case Sequence():
            return any(map(repeats, node.parts))
        case Split():
            return any(map(repeats, node.ways))
    return False


class _Reader:
    """Turns what `re` parsed into nodes. Small and capital letters are alike."""

    def __init__(self, samples: Characters) -> None:
        """`samples` stand for all characters."""
        self._samples = samples
        self.looks: list[Node] = []

    def sequence(self, parsed: Any) -> Sequence:  # noqa: ANN401 - `re` does not type its parser
        """One part per item that reads something."""
        parts = [self._node(str(op), given) for op, given in parsed]
        return Sequence(tuple(part for part in parts if part is not None))

    def _node(self, op: str, given: Any) -> Node | None:  # noqa: ANN401 - as above
        match op:
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                least, most, body = given
                found: Node | None = Repeat(self.sequence(body), most > 1, most > _MANY, least == 0)
            case "BRANCH":
                found = Split(tuple(map(self.sequence, given[1])))
            case "GROUPREF_EXISTS":
                found = Split(tuple(Sequence(()) if way is None else self.sequence(way) for way in given[1:]))
            case "SUBPATTERN" | "ATOMIC_GROUP":
                found = self.sequence(given[3] if op == "SUBPATTERN" else given)
            case "ASSERT" | "ASSERT_NOT" | "AT":
                self.looks += [] if op == "AT" else [self.sequence(given[1])]
                found = None
            case "LITERAL":
                found = frozenset({chr(given).lower()[0]})
            case _:
                found = frozenset(sample for sample in self._samples if _reads(op, given, sample))
        return found


def _reads(op: str, given: Any, sample: str) -> bool:  # noqa: ANN401 - as above
    """Whether an item that reads one character reads this one. What a group found may be anything."""
    match op:
        case "LITERAL":
            return chr(given).lower() == sample
        case "NOT_LITERAL":
            return chr(given).lower() != sample
        case "RANGE":
            return any(given[0] <= ord(form) <= given[1] for form in {sample, sample.upper()[0]})
        case "CATEGORY":
            return _in_category(str(given), sample)
        case "IN":
            items = [(str(item), value) for item, value in given]
            found = any(_reads(item, value, sample) for item, value in items if item != "NEGATE")
            return found != any(item == "NEGATE" for item, _ in items)
    return True


def _in_category(name: str, sample: str) -> bool:
    kinds = {
        "DIGIT": sample.isdecimal(),
        "SPACE": sample.isspace(),
        "WORD": sample.isalnum() or sample == "_",
    }
    *_, negation, kind = ("", *name.removeprefix("CATEGORY_").split("_"))
    return kinds[kind] != (negation == "NOT")


def _samples(parsed: Any) -> Characters:  # noqa: ANN401 - as above
    """Every character that the pattern names, those beside the ends of its ranges, and the common kinds."""
    named = {code for end in _ends(parsed) for code in (end - 1, end, end + 1) if 0 <= code <= _LARGEST}
    return frozenset(_COMMON) | {chr(code).lower()[0] for code in named}


def _ends(parsed: Any) -> Iterator[int]:  # noqa: ANN401 - as above
    """The codes of all characters that are written in the pattern, at any depth."""
    for op, given in parsed:
        if str(op) in {"LITERAL", "NOT_LITERAL"}:
            yield given
        elif str(op) == "RANGE":
            yield from given
        elif isinstance(given, tuple | list | _PARSER.SubPattern):
            yield from _deeper(given)


def _deeper(given: Any) -> Iterator[int]:  # noqa: ANN401 - as above
    if isinstance(given, _PARSER.SubPattern):
        yield from _ends(given)
        return
    for item in given:
        if isinstance(item, _PARSER.SubPattern):
            yield from _ends(item)
        elif isinstance(item, list):
            yield from _deeper(item)
        elif isinstance(item, tuple):
            yield from _ends([item])
