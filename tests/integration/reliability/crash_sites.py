"""Where the source commits, moves a file or talks to a network: there a command may crash, so a scenario must pass it.

Found by walking the syntax trees, not kept by hand: a new `ledger.write()` is a site as soon as it is written.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

from tests.integration.reliability.crash_points import MOVES, PACKAGE, PLUMBING

REMOTE: Final = frozenset({"exchange", "sendall"})
"""Methods that put octets on a wire: `Wire.exchange`, and a socket's own."""
_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Site:
    """A place in the source, and the lines at one of which its frame stands when it is passed."""

    kind: str
    file: str
    function: str
    lines: range

    def __str__(self) -> str:
        """As a person looks for it."""
        return f"{self.file}:{self.lines.start}: {self.kind} in {self.function}"

    @property
    def owner(self) -> str:
        """The function that holds it."""
        return f"{self.file}:{self.function}"

    def holds(self, place: str) -> bool:
        """Whether a point of `places`, `kind file:function:line`, is here."""
        kind, where = place.split(" ", 1)
        owner, line = where.rsplit(":", 1)
        return (kind, owner) == (self.kind, self.owner) and int(line) in self.lines


def sites(package: Path = Path(PACKAGE)) -> list[Site]:
    """Every site of the package, but for the plumbing."""
    files = {path.relative_to(package).as_posix(): path.read_text("utf-8") for path in package.rglob("*.py")}
    found = chain.from_iterable(sites_of(source, file) for file, source in sorted(files.items()))
    return [site for site in found if site.owner not in PLUMBING]


def sites_of(source: str, file: str) -> list[Site]:
    """Every site of one file."""
    return list(_walk(ast.parse(source), file, "<module>"))


def _walk(node: ast.AST, file: str, function: str) -> Iterator[Site]:
    function = node.name if isinstance(node, _FUNCTIONS) else function
    if isinstance(node, ast.With):
        head = range(node.lineno, node.body[0].lineno)
        yield from (Site("commit", file, function, head) for item in node.items if _writes(item.context_expr))
        yield from chain.from_iterable(_walk(item.context_expr, file, function) for item in node.items)
        yield from chain.from_iterable(_walk(inner, file, function) for inner in node.body)
        return
    if isinstance(node, ast.Call) and (kind := _kind(node)):
        yield Site(kind, file, function, range(node.lineno, (node.end_lineno or node.lineno) + 1))
    yield from chain.from_iterable(_walk(inner, file, function) for inner in ast.iter_child_nodes(node))


def _writes(context: ast.expr) -> bool:
    return any(
        isinstance(node, ast.Call) and _method(node) == "write" and not node.args
        for node in ast.walk(context)
    )


def _kind(call: ast.Call) -> str:
    name = _method(call)
    if name in REMOTE:
        return "exchange"
    of_os = ast.unparse(call.func).startswith("os.")
    of_a_path = len(call.args) == (name not in {"unlink", "remove"}) and all(
        keyword.arg == "missing_ok" for keyword in call.keywords
    )
    return "file" if name in MOVES and (of_os or of_a_path) else ""


def _method(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""
