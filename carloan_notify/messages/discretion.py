"""What others than the borrower may read, and which templates would tell them more.

Co-borrowers and guarantors owe the debt too, so a rule may tell them; the borrower's data are not theirs. One rule for
`templates lint`, for every night and for the last look: a template tells a party every value that it writes in a branch
that this party may come to. Only questions about `role` keep a branch from somebody; any other question may be
answered either way. So a template may be refused that would never have told too much, and none tells it unseen.

Sources: PIPL §6 (no more than the purpose needs); the CBA guide of 2026-01-30 for whom else is contacted at all.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

from jinja2 import nodes

from carloan_notify.messages.sandbox import MessageEnvironment
from carloan_notify.messages.settings import MessagesSettings, OtherPartyDetail

BORROWER: Final = "borrower"
OTHERS: Final = ("co_borrower", "guarantor")
NEVER: Final = frozenset({"borrower_name", "account_tail"})
"""The borrower's own data: nobody else reads them, whatever the lender allows."""
_DETAILS: Final = frozenset(get_args(OtherPartyDetail))
_ROLE: Final = "role"


def kept_from_others(settings: MessagesSettings) -> frozenset[str]:
    """The values (names of `context.VARIABLES`) that no message to another party may tell."""
    return NEVER | (_DETAILS - settings.other_parties_may_read)


def readable(context: Mapping[str, Any], settings: MessagesSettings) -> Mapping[str, Any]:
    """The values of one message as its own party may read them: all for the borrower."""
    if context[_ROLE] == BORROWER:
        return context
    kept = kept_from_others(settings)
    return {name: value for name, value in context.items() if name not in kept}


def told_to(environment: MessageEnvironment, name: str, role: str) -> dict[str, int]:
    """The names of all values that the template `name` may write to a party of this role, each with its first line.

    Raises:
        TemplateSyntaxError: the template cannot be read.
    """
    source = environment.loader.get_source(environment, name)[0] if environment.loader else ""
    tree = environment.checked(source, name)
    names = _Reader("" if _renamed(tree) else role).block(tree.body)
    return {node.name: node.lineno for node in reversed([*names])}


def _renamed(tree: nodes.Template) -> bool:
    """Whether the template gives `role` another meaning: then no question about it keeps a branch from anybody."""
    return any(node.name == _ROLE and node.ctx != "load" for node in tree.find_all(nodes.Name))


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the parts of a template that a party of this role may come to; "" for one that is not known."""

    role: str

    def block(self, parts: Sequence[nodes.Node]) -> Iterator[nodes.Name]:
        for node in parts:
            if isinstance(node, nodes.If):
                branches = [(each.test, each.body) for each in (node, *node.elif_)]
                yield from self._branches(branches, node.else_)
            elif isinstance(node, nodes.Macro):
                own = {each.name for each in node.args}
                yield from self.block(node.defaults)
                yield from (each for each in self.block(node.body) if each.name not in own)
            elif isinstance(node, nodes.CondExpr):
                otherwise = [] if node.expr2 is None else [node.expr2]
                yield from self._branches([(node.test, [node.expr1])], otherwise)
            elif isinstance(node, nodes.Name) and node.ctx == "load":
                yield node
            else:
                yield from self.block([*node.iter_child_nodes()])

    def _branches(
        self, branches: Sequence[tuple[nodes.Node, Sequence[nodes.Node]]], otherwise: Sequence[nodes.Node]
    ) -> Iterator[nodes.Name]:
        """What the branches say until one that is taken for sure."""
        for test, body in branches:
            answer = self._answer(test)
            if answer is not False:
                yield from self.block(body)
            if answer is True:
                return
        yield from self.block(otherwise)

    def _answer(self, test: nodes.Node) -> bool | None:
        """The answer to a question that `role` alone decides; None for any other."""
        if isinstance(test, nodes.Not):
            answer = self._answer(test.node)
            return None if answer is None else not answer
        if isinstance(test, nodes.And | nodes.Or):
            decides = isinstance(test, nodes.Or)
            answers = {self._answer(test.left), self._answer(test.right)}
            return decides if decides in answers else None if None in answers else not decides
        if isinstance(test, nodes.Compare) and self._is_role(test.expr) and len(test.ops) == 1:
            return self._compared(test.ops[0])
        return None

    def _is_role(self, node: nodes.Node) -> bool:
        return bool(self.role) and isinstance(node, nodes.Name) and node.name == _ROLE

    def _compared(self, operand: nodes.Operand) -> bool | None:
        try:
            other = operand.expr.as_const()
        except nodes.Impossible:
            return None
        if operand.op in {"in", "notin"} and isinstance(other, list | tuple):
            return (self.role in other) is (operand.op == "in")
        if operand.op in {"eq", "ne"}:
            return (self.role == other) is (operand.op == "eq")
        return None
