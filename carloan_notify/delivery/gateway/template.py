"""`{name}` in described requests: found once, filled with data as often as needed."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

PLACEHOLDER: Final = re.compile(r"\{([a-z][a-z0-9_]*(?:\.[A-Za-z0-9_]+)?)\}")

Fill = Callable[[Callable[[str], Any]], Any]
"""Maps a look-up from name to value onto the filled node."""


def names_in(node: Any) -> Iterator[str]:  # noqa: ANN401 - a node is any YAML value
    """Every placeholder of a text, list or mapping, keys included."""
    if isinstance(node, str):
        yield from PLACEHOLDER.findall(node)
    elif isinstance(node, Mapping):
        for key, value in node.items():
            yield from names_in(key)
            yield from names_in(value)
    elif isinstance(node, list):
        for value in node:
            yield from names_in(value)


def compiled(node: Any) -> Fill:  # noqa: ANN401 - a node is any YAML value
    """The node as a function of its values.

    A text that is nothing but one placeholder becomes the value itself (a list stays a list); inside longer
    text a value is written as text. Whatever the value holds, it is never read as a template again.
    """
    if isinstance(node, str):
        return _compiled_text(node)
    if isinstance(node, Mapping):
        fills = {key: compiled(value) for key, value in node.items()}
        return lambda value_of: {key: fill(value_of) for key, fill in fills.items()}
    if isinstance(node, list):
        elements = [compiled(value) for value in node]
        return lambda value_of: [fill(value_of) for fill in elements]
    return lambda _: node


def _compiled_text(text: str) -> Fill:
    parts = PLACEHOLDER.split(text)
    if len(parts) == 1:
        return lambda _: text
    if len(parts) == 3 and not parts[0] and not parts[2]:  # noqa: PLR2004 - before, name, after
        name = parts[1]
        return lambda value_of: value_of(name)
    return lambda value_of: "".join(str(value_of(part)) if i % 2 else part for i, part in enumerate(parts))
