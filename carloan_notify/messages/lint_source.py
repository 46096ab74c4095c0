"""What can be said of a template without rendering it: syntax, names, words."""

import difflib
import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from jinja2 import TemplateSyntaxError, meta, nodes

from carloan_notify.messages.context import FILTERS, VARIABLES
from carloan_notify.messages.sandbox import MessageEnvironment
from carloan_notify.messages.segments import GSM
from carloan_notify.messages.settings import MessagesSettings
from carloan_notify.records import MessageClass

# More distinct characters than this outside GSM-7 are a language, not a slip of the keyboard.
_FEW = 3
_RARE = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """One line of the report. `place` is relative to the template folder."""

    code: str
    place: str
    value: str
    message: str


def read_names(environment: MessageEnvironment, name: str, path: str) -> Iterator[Problem]:
    """Syntax errors, constructs outside the language, unknown filters and unknown variables."""
    source = environment.loader.get_source(environment, name)[0] if environment.loader else ""
    try:
        environment.get_template(name)
        tree = environment.checked(source, name)
    except TemplateSyntaxError as error:
        yield Problem("syntax_error", f"{path}:{error.lineno}", "", _syntax_cure(str(error.message)))
        return
    except (SyntaxError, RecursionError):
        yield Problem(
            "syntax_error", f"{path}:1", "", "blocks are nested too deeply; make the template simpler"
        )
        return
    known = {*VARIABLES, *environment.globals}
    for variable in sorted(meta.find_undeclared_variables(tree) - known):
        line = next(node.lineno for node in tree.find_all(nodes.Name) if node.name == variable)
        yield Problem("unknown_variable", f"{path}:{line}", variable, _variable_cure(variable, known))


def read_words(
    environment: MessageEnvironment,
    name: str,
    path: str,
    settings: MessagesSettings,
    classes: AbstractSet[MessageClass],
) -> Iterator[Problem]:
    """Words that no message, or none of these classes, may hold; unsafe addresses; costly characters."""
    source = environment.loader.get_source(environment, name)[0] if environment.loader else ""
    written = [*_literals(environment.checked(source, name))]
    for line, text in written:
        yield from word_problems(text, f"{path}:{line}", settings, classes)
        if "http://" in text.casefold():
            yield Problem("link_not_https", f"{path}:{line}", "http://", "a link must start with https://")
    outside = dict.fromkeys(
        char for _, text in written for char in text if char not in GSM and not char.isspace()
    )
    letters = sum(len(text) for _, text in written)
    if 0 < len(outside) <= _FEW and letters > _RARE * len(outside):
        characters = " ".join(outside)
        line = next(line for line, text in written if next(iter(outside)) in text)
        yield Problem(
            "costly_character",
            f"{path}:{line}",
            characters,
            f"{characters} makes each message cost about twice as much (UCS-2); write plain quotes, "
            f"dashes and letters",
        )


def word_problems(
    text: str, place: str, settings: MessagesSettings, classes: AbstractSet[MessageClass]
) -> Iterator[Problem]:
    """Forbidden words in any text; marketing words where some class of the template is not marketing."""
    for word in settings.forbidden_words:
        if holds_word(text, word):
            yield Problem(
                "forbidden_word", place, word, f"`{word}` may stand in no message; say it without a threat"
            )
    if classes and classes != {MessageClass.MARKETING}:
        for word in settings.marketing_words:
            if holds_word(text, word):
                message = (
                    f"`{word}` is marketing; a service or collection message must not advertise: take it out"
                )
                yield Problem("marketing_word", place, word, message)


def holds_word(text: str, word: str) -> bool:
    """Whether a text holds a word, in any letter case; a Latin word from its beginning (`arrested`)."""
    if not word.isascii():
        return word.casefold() in text.casefold()
    return re.search(rf"(?<![a-z]){re.escape(word.casefold())}", text.casefold()) is not None


def _literals(tree: nodes.Template) -> Iterator[tuple[int, str]]:
    """Line and text of everything a template says by itself, line by line."""
    for node in tree.find_all((nodes.TemplateData, nodes.Const)):
        text = node.data if isinstance(node, nodes.TemplateData) else getattr(node, "value", "")
        if isinstance(text, str):
            for offset, line in enumerate(text.split("\n")):
                yield node.lineno + offset, line


def _variable_cure(variable: str, known: AbstractSet[str]) -> str:
    near = difflib.get_close_matches(variable, known, n=1)
    hint = f"did you mean `{near[0]}`?" if near else "a column of your own is written extra." + variable
    return f"`{variable}` is no name a template knows; {hint}"


def _syntax_cure(message: str) -> str:
    unknown = re.search(r"No filter named '(.+?)'", message)
    return f"there is no filter `{unknown[1]}`; there are {', '.join(FILTERS)}" if unknown else message
