"""The template language: a small, finite part of Jinja2.

A template is written by people who may err, and filled with text by strangers. So only the constructs listed
in `ALLOWED` exist, there are no methods and no attributes but `extra.<column>` and `loop.<...>`, and every
loop pass and macro call is counted: whatever a template says, rendering ends after `MAX_STEPS`. That needs
no clock and no thread, and gives the same answer on every machine.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from datetime import date
from decimal import Decimal
from typing import Any, Final

from jinja2 import DictLoader, StrictUndefined, TemplateSyntaxError, Undefined, nodes
from jinja2.environment import TemplateModule
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment

from carloan_notify.messages.values import Money
from carloan_notify.text import inline

MAX_STEPS: Final = 1_000
MAX_SOURCE: Final = 20_000
MAX_TEXT: Final = 10_000
_COUNTED: Final = "counted"

ALLOWED: Final[tuple[type[nodes.Node], ...]] = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Getattr, nodes.Getitem,
    nodes.Filter, nodes.Test, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.CondExpr,
    nodes.If, nodes.For, nodes.Assign, nodes.Macro, nodes.Call, nodes.Keyword, nodes.Import, nodes.FromImport,
    nodes.List, nodes.Tuple, nodes.Add, nodes.Sub, nodes.Neg,
)  # fmt: skip


class StepsSpentError(SecurityError):
    """The template does more than `MAX_STEPS` loop passes and macro calls."""


class CleanText(str):
    """Text a macro has already put together from clean parts."""

    __slots__ = ()


class Steps:
    """Loop passes and macro calls that one message may still make."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        """Start with the whole allowance."""
        self.left = MAX_STEPS

    def spend(self) -> None:
        """Take one step, or raise `StepsSpentError`."""
        self.left -= 1
        if self.left < 0:
            raise StepsSpentError(f"more than {MAX_STEPS} loop passes and macro calls; shorten its loops")


_STEPS: ContextVar[Steps] = ContextVar("steps")


def allow_steps() -> None:
    """Give the message that is about to be rendered its allowance of steps."""
    _STEPS.set(Steps())


class MessageEnvironment(ImmutableSandboxedEnvironment):
    """Compiles and runs the templates of one language and channel. `sources` maps file name to source."""

    intercepted_binops = frozenset({"+", "-"})

    def __init__(
        self, sources: Mapping[str, str], filters: Mapping[str, Callable[..., Any]], names: Mapping[str, str]
    ) -> None:
        """`names` are the values that are the same in every message of this language."""
        super().__init__(
            loader=DictLoader(sources),
            undefined=StrictUndefined,
            finalize=written,
            auto_reload=False,
            autoescape=False,
            optimized=False,
            cache_size=-1,
        )
        self.filters = {**filters, _COUNTED: counted}
        self.globals = {"range": limited_range, **names}

    def compile(
        self,
        source: str | nodes.Template,
        name: str | None = None,
        filename: str | None = None,
        raw: bool = False,  # noqa: ARG002, FBT001, FBT002 - Jinja's own signature; it never asks for it
        defer_init: bool = False,  # noqa: FBT001, FBT002 - same
    ) -> Any:  # noqa: ANN401 - Jinja's own signature
        """Parse, refuse what is not in the language, count the loops, and compile."""
        tree = self.checked(source, name) if isinstance(source, str) else source
        for loop in tree.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, _COUNTED, [], [], None, None, lineno=loop.lineno)
        return super().compile(tree, name, filename, raw=False, defer_init=defer_init)

    def checked(self, source: str, name: str | None) -> nodes.Template:
        """The syntax tree of a source that keeps to the language.

        Raises:
            TemplateSyntaxError: it does not; the error holds the line and says what is not allowed.
        """
        if len(source) > MAX_SOURCE:
            raise TemplateSyntaxError(f"longer than {MAX_SOURCE:,} characters; shorten it", 1, name)
        try:
            tree = self.parse(source, name)
        except RecursionError as error:
            raise TemplateSyntaxError("expressions are nested too deeply; split them up", 1, name) from error
        for node in tree.find_all(nodes.Node):
            problem = refused(node, in_parts=(name or "").startswith("_"))
            if problem:
                raise TemplateSyntaxError(problem, node.lineno, name)
        return tree

    def getattr(self, obj: Any, attribute: str) -> Any:  # noqa: ANN401 - Jinja's own signature
        """`parts.macro`, `loop.index`, `extra.column`; nothing else has attributes."""
        if isinstance(obj, TemplateModule | LoopContext) and not attribute.startswith("_"):
            found = getattr(obj, attribute, None)
            return self.undefined(f"there is no `{attribute}` in it") if found is None else found
        if isinstance(obj, Mapping):
            try:
                return obj[attribute]
            except LookupError:
                return self.undefined(f"extra has no column `{attribute}`")
        hint = f"`.{attribute}` does not exist here; only extra.<column> does"
        return self.undefined(hint, exc=SecurityError)

    def getitem(self, obj: Any, argument: Any) -> Any:  # noqa: ANN401 - Jinja's own signature
        """An element of a mapping, text or list; never an attribute."""
        try:
            return obj[argument]
        except (LookupError, TypeError):
            return self.undefined("there is no such element; look at what stands in [ ]")

    def call(
        self,
        context: Context,  # noqa: ARG002 - Jinja's own signature
        obj: Any,  # noqa: ANN401 - same
        /,
        *args: Any,  # noqa: ANN401 - same
        **kwargs: Any,  # noqa: ANN401 - same
    ) -> Any:  # noqa: ANN401 - same
        """Call a macro or range(), at the price of one step."""
        _STEPS.get().spend()
        kwargs.pop("_loop_vars", None)  # Jinja adds it inside loops, for functions that read the context
        if isinstance(obj, Macro):
            return bounded(obj(*args, **kwargs))
        if obj is limited_range or isinstance(obj, Undefined):
            return obj(*args, **kwargs)
        raise SecurityError("only macros and range() can be called")

    def call_binop(
        self,
        context: Context,
        operator: str,
        left: Any,  # noqa: ANN401 - Jinja's own signature
        right: Any,  # noqa: ANN401 - same
    ) -> Any:  # noqa: ANN401 - same
        """Whole numbers may be added and subtracted; text and money may not."""
        if not (isinstance(left, int) and isinstance(right, int)):
            raise SecurityError(f"`{operator}` works on whole numbers only; write texts one after the other")
        return super().call_binop(context, operator, left, right)


def counted(items: Iterable[Any]) -> Iterator[Any]:
    """The items of a loop, each at the price of one step."""
    steps = _STEPS.get()
    for item in items:
        steps.spend()
        yield item


def bounded(text: str) -> CleanText:
    """What a macro wrote, if it is short enough to stand in a message."""
    if len(text) > MAX_TEXT:
        raise SecurityError(f"a macro wrote more than {MAX_TEXT:,} characters")
    return CleanText(text)


def limited_range(*bounds: int) -> range:
    """A range of at most `MAX_STEPS` numbers."""
    numbers = range(*bounds)
    try:
        too_many = len(numbers) > MAX_STEPS
    except OverflowError:
        too_many = True
    if too_many:
        raise StepsSpentError(f"range() is limited to {MAX_STEPS} numbers")
    return numbers


def refused(node: nodes.Node, *, in_parts: bool) -> str:
    """Why this construct may not stand in a template, or "". `in_parts`: in a file of shared wording."""
    if not isinstance(node, ALLOWED):
        return (
            f"`{type(node).__name__}` is not allowed; write with if, for, set, macro, import and filters only"
        )
    if isinstance(node, nodes.For) and node.recursive:
        return "recursive loops are not allowed; use a plain loop"
    if isinstance(node, nodes.Import | nodes.FromImport):
        return _refused_import(node, in_parts=in_parts)
    if isinstance(node, nodes.List | nodes.Tuple) and not _is_flat(node):
        return "a list may hold only texts and numbers written out, as in ['borrower', 'guarantor']"
    return ""


def _refused_import(node: nodes.Import | nodes.FromImport, *, in_parts: bool) -> str:
    if in_parts:
        return "a file of shared wording (_*.j2) imports nothing; move the import to the template"
    named = isinstance(node.template, nodes.Const) and str(node.template.value).startswith("_")
    if node.with_context or not named:
        return "only files of shared wording are imported, by name: {% import '_parts.j2' as parts %}"
    return ""


def _is_flat(node: nodes.List | nodes.Tuple) -> bool:
    stored = isinstance(node, nodes.Tuple) and node.ctx == "store"
    return stored or all(isinstance(item, nodes.Const) for item in node.items)


def written(value: object) -> object:
    """What stands in the message for a value: text on one line, without sign brackets (`text.inline`).

    Raises:
        TypeError: the value has no plain text, such as money or a date without its filter.
    """
    if isinstance(value, str):
        return value if isinstance(value, CleanText) else inline(value)
    if isinstance(value, Money):
        raise TypeError("an amount needs its filter: {{ amount | money }}")
    if isinstance(value, date):
        raise TypeError("a date needs its filter: {{ due_on | date }}")
    if isinstance(value, int | Decimal | Undefined):
        return value
    raise TypeError(f"a value of type {type(value).__name__} cannot be written into a message")
