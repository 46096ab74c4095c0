"""A template filled for many messages at once: column by column, in the words of the same template one by one.

A template is taken apart where its own language allows it: fixed words, single values, and branches that ask
for values. Macros of shared wording are put in their places. Each value and each question is then worked out
once per distinct value, by the same sandbox, and the parts are joined. What cannot be taken apart (loops,
assignments, an unknown name) is rendered message by message, and so is every message whose parts fail: then
the template itself says what is wrong and where.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import repeat
from typing import Any, Final, Protocol, Self

from jinja2 import Template, TemplateError, nodes

from carloan_notify.messages.sandbox import MAX_STEPS, MessageEnvironment, allow_steps, written

Column = Sequence[Any]
"""The values of one variable, one per message. They can be hashed, and those that are equal read alike."""
Columns = Mapping[str, Column]
FAULTS: Final = (
    TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError,
)  # fmt: skip
"""What a template can do wrong while it runs; anything else is a bug of ours and stops the run."""
_EXTRA: Final = "extra"
_YES: Final = "1"


def extra(column: str) -> str:
    """The name under which a lender's own column stands among the values of a template that is taken apart."""
    return f"{_EXTRA}__{column}"


class TemplatePart(Protocol):
    """A part of a template."""

    @property
    def needs(self) -> frozenset[str]:
        """The names of the values it asks for."""

    def texts(self, columns: Columns, count: int) -> Iterable[str | None]:
        """What it says in each of `count` messages; None where it fails."""


class Question(Protocol):
    """The condition of a branch."""

    @property
    def needs(self) -> frozenset[str]:
        """The names of the values it asks for."""

    def truths(self, columns: Columns, count: int) -> list[bool | None]:
        """Its answer for each of `count` messages; None where it fails."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """Words that are the same in every message."""

    text: str
    needs: frozenset[str] = frozenset()

    def texts(self, columns: Columns, count: int) -> Iterable[str | None]:  # noqa: ARG002 - a piece's signature
        """The same words `count` times."""
        return repeat(self.text, count)


@dataclass(frozen=True, slots=True)
class Fill:
    """A value of each message, written as the template writes it."""

    names: tuple[str, ...]
    write: Callable[..., str] = field(repr=False)

    @property
    def needs(self) -> frozenset[str]:
        """Its own."""
        return frozenset(self.names)

    def texts(self, columns: Columns, count: int) -> Iterable[str | None]:
        """The written values."""
        return _per_distinct(self.write, [columns[name] for name in self.names], count)


@dataclass(frozen=True, slots=True)
class Condition:
    """A question about some values."""

    names: tuple[str, ...]
    ask: Callable[..., bool] = field(repr=False)

    @property
    def needs(self) -> frozenset[str]:
        """Its own."""
        return frozenset(self.names)

    def truths(self, columns: Columns, count: int) -> list[bool | None]:
        """The answers."""
        return _per_distinct(self.ask, [columns[name] for name in self.names], count)


@dataclass(frozen=True, slots=True)
class Given:
    """Whether a value says anything."""

    name: str

    @property
    def needs(self) -> frozenset[str]:
        """Its own."""
        return frozenset({self.name})

    def truths(self, columns: Columns, count: int) -> list[bool | None]:  # noqa: ARG002 - a question's signature
        """The truth of each value."""
        return list(map(bool, columns[self.name]))


@dataclass(frozen=True, slots=True)
class Not:
    """The contrary of a question."""

    asked: Question

    @property
    def needs(self) -> frozenset[str]:
        """Those of the question."""
        return self.asked.needs

    def truths(self, columns: Columns, count: int) -> list[bool | None]:
        """The contrary answers."""
        return [None if each is None else not each for each in self.asked.truths(columns, count)]


@dataclass(frozen=True, slots=True)
class Joined:
    """Two questions: both (`every`) or one of them. The second is not asked where the first decides."""

    every: bool
    left: Question
    right: Question

    @property
    def needs(self) -> frozenset[str]:
        """Those of both."""
        return self.left.needs | self.right.needs

    def truths(self, columns: Columns, count: int) -> list[bool | None]:
        """The answers to both together."""
        pairs = zip(self.left.truths(columns, count), self.right.truths(columns, count), strict=True)
        return [right if left is self.every else left for left, right in pairs]


@dataclass(frozen=True, slots=True)
class Fork:
    """Branches, of which the first whose question is answered with yes speaks; else `otherwise`."""

    branches: tuple[tuple[Question, "Body"], ...]
    otherwise: "Body"

    @property
    def needs(self) -> frozenset[str]:
        """Those of all questions and branches."""
        parts = (part.needs for branch in self.branches for part in branch)
        return self.otherwise.needs.union(*parts)

    def texts(self, columns: Columns, count: int) -> Iterable[str | None]:
        """The words of the branch that each message takes."""
        told: list[str | None] = [None] * count
        left: Sequence[int] = range(count)
        for question, body in self.branches:
            answers = question.truths(_rows(columns, left, count), len(left))
            taken = [row for row, answer in zip(left, answers, strict=True) if answer]
            _put(told, taken, body, columns)
            left = [row for row, answer in zip(left, answers, strict=True) if answer is False]
        _put(told, left, self.otherwise, columns)
        return told


@dataclass(frozen=True)
class Body:
    """Parts one after the other."""

    pieces: tuple[TemplatePart, ...]

    @cached_property
    def needs(self) -> frozenset[str]:
        """Those of all parts; asked for with every slice."""
        return frozenset[str]().union(*(piece.needs for piece in self.pieces))

    def texts(self, columns: Columns, count: int) -> list[str | None]:
        """What they say together in each of `count` messages; None where one of them fails."""
        parts = [list(piece.texts(columns, count)) for piece in self.pieces]
        if not parts:
            return [""] * count
        rows = zip(*parts, strict=True)
        if any(None in part for part in parts):
            return [None if None in row else "".join(row) for row in rows]
        return ["".join(row) for row in rows]


def _put(told: list[str | None], rows: Sequence[int], body: Body, columns: Columns) -> None:
    if not len(rows):
        return
    mine = {name: columns[name] for name in body.needs}
    for row, text in zip(rows, body.texts(_rows(mine, rows, len(told)), len(rows)), strict=True):
        told[row] = text


def _rows(columns: Columns, rows: Sequence[int], count: int) -> Columns:
    if len(rows) == count:
        return columns
    return {name: [column[row] for row in rows] for name, column in columns.items()}


def _per_distinct(work: Callable[..., Any], columns: Sequence[Column], count: int) -> list[Any]:
    """The work's answer for each row, asked once per distinct one; None where it fails."""
    if not columns:
        return [_tried(work, ())] * count
    keys: Iterable[Any] = columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))
    single = len(columns) == 1
    known = {key: _tried(work, (key,) if single else key) for key in dict.fromkeys(keys)}
    return [known[key] for key in keys]


def _tried(work: Callable[..., Any], values: Sequence[Any]) -> Any:  # noqa: ANN401 - whatever the work gives
    try:
        return work(*values)
    except FAULTS:
        return None  # the whole template is rendered for this message and tells what is wrong


# Taking a template apart.


class _WholeError(Exception):
    """This template must be rendered as a whole."""


def taken_apart(environment: MessageEnvironment, name: str, known: Collection[str]) -> Body | None:
    """The template as pieces that need nothing but values of `known`; None for one that cannot be taken apart."""
    try:
        reader = _Reader.of(environment, name)
        body = reader.body(reader.tree.body)
    except (_WholeError, TemplateError, ValueError):
        return None
    foreign = {each for each in body.needs if not each.startswith(extra(""))} - set(known)
    shadowed = {target for target, _ in reader.macros} & {*known, *environment.globals}
    return None if foreign or shadowed else body


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads a template's tree. `macros` maps (the name of an import, a macro) to the macro."""

    environment: MessageEnvironment
    tree: nodes.Template
    macros: Mapping[tuple[str, str], nodes.Macro]

    @classmethod
    def of(cls, environment: MessageEnvironment, name: str) -> Self:
        tree = environment.checked(_source(environment, name), name)
        if sum(1 for _ in tree.find_all(nodes.Call)) > MAX_STEPS:
            raise _WholeError
        macros = {
            (each.target, macro.name): macro
            for each in _imports(tree)
            for macro in _macros(environment, each.template)
        }
        return cls(environment, tree, macros)

    def body(self, tree: Sequence[nodes.Node]) -> Body:
        return Body(tuple(_merged(self._pieces(tree))))

    def _pieces(self, tree: Sequence[nodes.Node]) -> Iterator[TemplatePart]:
        for node in tree:
            if isinstance(node, nodes.Output):
                for part in node.nodes:
                    yield from self._part(part)
            elif isinstance(node, nodes.If):
                yield self._fork(node)
            elif not isinstance(node, nodes.Import):
                raise _WholeError

    def _fork(self, node: nodes.If) -> TemplatePart:
        branches = [(each.test, each.body) for each in (node, *node.elif_)]
        return Fork(
            tuple((self._question(test), self.body(body)) for test, body in branches), self.body(node.else_)
        )

    def _part(self, part: nodes.Node) -> Iterator[TemplatePart]:
        if isinstance(part, nodes.TemplateData):
            yield Fixed(part.data)
        elif isinstance(part, nodes.Call):
            yield from self.body(self._put_in_place(part)).pieces
        else:
            yield self._fill(part)

    def _put_in_place(self, call: nodes.Call) -> Sequence[nodes.Node]:
        """The body of a macro with the call's arguments in the places of its own names."""
        macro = self._called(call)
        plain = not (macro.defaults or call.kwargs or call.dyn_args or call.dyn_kwargs)
        if not plain or len(call.args) != len(macro.args) or any(map(_calls, call.args)):
            raise _WholeError
        given = {own.name: argument for own, argument in zip(macro.args, call.args, strict=True)}
        names = {node.name for part in macro.body for node in _names(part)}
        if not names <= given.keys() | self.environment.globals.keys():
            raise _WholeError  # shared wording knows nothing of a message but what it is given
        inner = [_copied(node, partial(_given_for, given=given)) for node in macro.body]
        if any(map(_calls, inner)):
            raise _WholeError  # a macro that calls another
        return inner

    def _called(self, call: nodes.Call) -> nodes.Macro:
        target = call.node
        if isinstance(target, nodes.Getattr) and isinstance(target.node, nodes.Name):
            found = self.macros.get((target.node.name, target.attr))
            if found is not None:
                return found
        raise _WholeError

    def _fill(self, expression: nodes.Node) -> TemplatePart:
        expression, names = self._values_of(expression)
        if isinstance(expression, nodes.Name) and names:
            return Fill(names, _plainly)
        fragment = self._fragment(nodes.Output([expression]))
        fill = Fill(names, partial(_rendered, fragment, self.environment.globals, names))
        if names:
            return fill
        told = _tried(fill.write, ())
        if told is None:
            raise _WholeError
        return Fixed(told)

    def _question(self, test: nodes.Node) -> Question:
        if isinstance(test, nodes.Not):
            return Not(self._question(test.node))
        if isinstance(test, nodes.And | nodes.Or):
            every = isinstance(test, nodes.And)
            return Joined(every, self._question(test.left), self._question(test.right))
        expression, names = self._values_of(test)
        if isinstance(expression, nodes.Name) and names:
            return Given(expression.name)
        said = nodes.Output([nodes.TemplateData(_YES)])
        fragment = self._fragment(nodes.If(expression, [said], [], []))
        return Condition(names, partial(_answered, fragment, self.environment.globals, names))

    def _values_of(self, expression: nodes.Node) -> tuple[nodes.Node, tuple[str, ...]]:
        """The expression with `extra.column` as a name of its own, and the names in it that each message fills."""
        expression = _copied(expression, _named)
        names = dict.fromkeys(node.name for node in _names(expression))
        if _EXTRA in names:
            raise _WholeError
        return expression, tuple(name for name in names if name not in self.environment.globals)

    def _fragment(self, node: nodes.Node) -> Template:
        """This part as a template by itself, in the same sandbox."""
        if _calls(node):
            raise _WholeError
        tree = nodes.Template([node], lineno=1)
        tree.set_environment(self.environment)
        for each in tree.find_all(nodes.Node):
            each.lineno = each.lineno or 1
        code = self.environment.compile(tree)
        return Template.from_code(self.environment, code, {})


def _source(environment: MessageEnvironment, name: str) -> str:
    if environment.loader is None:
        raise _WholeError
    return environment.loader.get_source(environment, name)[0]


def _imports(tree: nodes.Template) -> Iterator[nodes.Import]:
    """The imports, which stand before everything that might use them."""
    begun = False
    for node in tree.body:
        if isinstance(node, nodes.Import):
            if begun:
                raise _WholeError
            yield node
        elif not isinstance(node, nodes.Output) or any(
            not isinstance(part, nodes.TemplateData) for part in node.nodes
        ):
            begun = True


def _macros(environment: MessageEnvironment, template: nodes.Expr) -> Iterator[nodes.Macro]:
    if not isinstance(template, nodes.Const):
        raise _WholeError
    tree = environment.checked(_source(environment, template.value), template.value)
    yield from (node for node in tree.body if isinstance(node, nodes.Macro))


def _names(node: nodes.Node) -> Iterator[nodes.Name]:
    """The names in it, itself included."""
    if isinstance(node, nodes.Name):
        yield node
    yield from node.find_all(nodes.Name)


def _calls(node: nodes.Node) -> bool:
    """Whether it is or holds a call."""
    return isinstance(node, nodes.Call) or node.find(nodes.Call) is not None


def _copied(node: nodes.Node, change: Callable[[nodes.Node], nodes.Node | None]) -> nodes.Node:
    """The tree anew; where `change` gives another node, that one."""
    other = change(node)
    if other is not None:
        return other
    kept = [_copied_field(value, change) for _, value in node.iter_fields()]
    return type(node)(*kept, lineno=node.lineno, environment=node.environment)


def _copied_field(value: Any, change: Callable[[nodes.Node], nodes.Node | None]) -> Any:  # noqa: ANN401 - any field
    if isinstance(value, nodes.Node):
        return _copied(value, change)
    return [_copied_field(each, change) for each in value] if isinstance(value, list) else value


def _given_for(node: nodes.Node, given: Mapping[str, nodes.Node]) -> nodes.Node | None:
    return given.get(node.name) if isinstance(node, nodes.Name) else None


def _named(node: nodes.Node) -> nodes.Node | None:
    if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name) and node.node.name == _EXTRA:
        return nodes.Name(extra(node.attr), "load", lineno=node.lineno, environment=node.environment)
    return None


def _merged(pieces: Iterable[TemplatePart]) -> Iterator[TemplatePart]:
    """The pieces, with fixed words that follow each other as one."""
    words = ""
    for piece in pieces:
        if isinstance(piece, Fixed):
            words += piece.text
            continue
        if words:
            yield Fixed(words)
            words = ""
        yield piece
    if words:
        yield Fixed(words)


def _plainly(value: object) -> str:
    return str(written(value))


def _rendered(fragment: Template, shared: Mapping[str, Any], names: Sequence[str], *values: object) -> str:
    allow_steps()
    context = fragment.new_context({**shared, **dict(zip(names, values, strict=True))}, shared=True)
    return "".join(fragment.root_render_func(context))


def _answered(fragment: Template, shared: Mapping[str, Any], names: Sequence[str], *values: object) -> bool:
    return _rendered(fragment, shared, names, *values) == _YES
