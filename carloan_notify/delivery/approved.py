"""Approved templates: clouds that send no free text get a template's code and its parameters."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import chain, zip_longest
from pathlib import Path
from re import Pattern
from typing import Any, Final, Literal

import yaml
from pydantic import Field, TypeAdapter

from carloan_notify.delivery.gateway.request import compiled, of_message
from carloan_notify.delivery.provider import ApprovedTemplateSettings, ProviderSettings, same_for_all
from carloan_notify.errors import ConfigError
from carloan_notify.records import MessageClass, OutboundMessage, Outcome, SendResult
from carloan_notify.settings import Settings

NO_TEMPLATE: Final = "no_approved_template"
"""The code of a message that no configured template words."""
BORROWER: Final = "borrower"
_compiled: Final = cache(compiled)
"""The configuration holds a few dozen of these texts, and every message fills some."""


def choose(
    templates: Sequence[ApprovedTemplateSettings], message: OutboundMessage
) -> ApprovedTemplateSettings | None:
    """The first template that words this message, None when none does."""
    asked = wording(message)
    return next((template for template in templates if words(template, asked)), None)


@dataclass(frozen=True, slots=True)
class ApprovedWording:
    """What decides which template words a message."""

    notice: str
    language: str
    for_others: bool
    several_loans: bool


def wording(message: OutboundMessage) -> ApprovedWording:
    """The wording a message asks for. Without parameters it is the borrower's, for one loan."""
    return ApprovedWording(
        message.notice,
        message.language,
        message.params.get("role", BORROWER) != BORROWER,
        message.params.get("loan_count", "1") not in ("", "0", "1"),
    )


def words(template: ApprovedTemplateSettings, asked: ApprovedWording) -> bool:
    """Whether a template is for this notice, language, party and number of loans."""
    return (
        asked.notice in template.notices
        and template.language in ("", asked.language)
        and template.party in ("any", "other" if asked.for_others else "borrower")
        and template.loans in ("any", "several" if asked.several_loans else "one")
    )


def fill(template: ApprovedTemplateSettings, message: OutboundMessage) -> dict[str, str]:
    """The template's variables with this message's values, in the template's order; a missing value is ""."""

    def value_of(name: str) -> str:
        return message.params.get(name, "")

    known = of_message(message, value_of)
    return {name: str(_compiled(text)(known)) for name, text in template.params.items()}


def without_template(batch: Sequence[OutboundMessage]) -> list[SendResult]:
    """The answer for messages that no template words: definitely not sent, and a person has to add one."""
    detail = "no approved template words this notice; add one under the provider's `templates`"
    return same_for_all(batch, Outcome.TEMPLATE, NO_TEMPLATE, detail)


# What a cloud allows in an approved template: `template_rules.yaml`, by the provider's type.


class VariableKind(Settings):
    """What the value of a variable may be, by the variable's own name."""

    name: Pattern[str] = Field(description="Pattern of the name; its group, if it has one, is the length.")
    limit: int | None = Field(default=None, description="Most characters of a value; empty for no limit.")
    value: Pattern[str] | None = Field(
        default=None, description="Pattern that a whole value must fit; empty for any."
    )
    says: str = Field(default="", description="The same in words.")


class Refusal(Settings):
    """What must not stand in a text or a value."""

    pattern: Pattern[str] = Field(description="Pattern that is looked for.")
    says: str = Field(description="Why, or what to write instead.")


class OptOut(Settings):
    """The words by which a recipient may refuse further messages."""

    words: str = Field(description="What a marketing text must end with.")
    refused: Pattern[str] | None = Field(
        default=None, description="Pattern that no other text may hold; empty for none."
    )


class TemplateRules(Settings):
    """The rules of one type of provider."""

    placeholder: Pattern[str] = Field(description="Pattern of a variable in the text; its group is the name.")
    filled_by: Literal["name", "number", "place"] = Field(
        description="How a parameter finds its variable: by its name; `{2}` is the second parameter; or the "
        "second variable takes the second parameter."
    )
    text_limit: int = Field(description="Most characters: of the template, and of a message with its sign.")
    sign: Literal["required", "optional", "none"] = Field(
        default="none", description="Whether a message names its sign; none for voice."
    )
    variables: int | None = Field(default=None, description="Most variables; empty for no limit.")
    repeats: bool = Field(default=True, description="Whether a variable may stand in a text twice.")
    between: Pattern[str] = Field(description="Pattern that the text between two variables must hold.")
    marketing_variables: bool = Field(
        default=True, description="Whether a marketing text may have variables."
    )
    params_bytes: int | None = Field(
        default=None, description="Most bytes of all parameters as JSON; empty for no limit."
    )
    kinds: list[VariableKind] = Field(description="Kinds of variables; the first whose name fits counts.")
    text_refused: list[Refusal] = Field(default=[], description="What the fixed words must not hold.")
    value_refused: list[Refusal] = Field(default=[], description="What a value must not hold.")
    opt_out: OptOut | None = Field(default=None, description="Rules about the opt-out; empty for none.")


@cache
def template_rules() -> Mapping[str, TemplateRules]:
    """The rules of every type that sends approved templates."""
    text = resources.files("carloan_notify.delivery").joinpath("template_rules.yaml").read_text("utf-8")
    return TypeAdapter(dict[str, TemplateRules]).validate_python(yaml.safe_load(text))


# An approved text and its variables: which parameter fills which, and what the recipient then reads.


@dataclass(frozen=True, slots=True)
class ApprovedText:
    """A text taken apart: `fixed` words around `variables`, one more of the former than of the latter."""

    fixed: tuple[str, ...]
    variables: tuple[str, ...]

    def filled(self, values: Sequence[str]) -> str:
        """The text with one value per variable."""
        return "".join(chain.from_iterable(zip_longest(self.fixed, values, fillvalue="")))


def templates_of(settings: ProviderSettings) -> Sequence[ApprovedTemplateSettings]:
    """A provider's approved templates; none for a provider that sends free text."""
    templates: Sequence[ApprovedTemplateSettings] = getattr(settings, "templates", ())
    return templates


def take_apart(text: str, rules: TemplateRules) -> ApprovedText:
    """Split a text at its variables, as this type of provider writes them."""
    parts = rules.placeholder.split(text)
    return ApprovedText(tuple(parts[::2]), tuple(parts[1::2]))


def sources(text: ApprovedText, params: Sequence[str], rules: TemplateRules) -> list[str | None]:
    """For each variable the name of the parameter that fills it, None where there is none."""
    if rules.filled_by == "name":
        return [name if name in params else None for name in text.variables]
    places = range(1, len(text.variables) + 1)
    numbers = places if rules.filled_by == "place" else [int(name) for name in text.variables]
    return [params[number - 1] if 1 <= number <= len(params) else None for number in numbers]


def message_of(text: ApprovedText, values: Mapping[str, str], rules: TemplateRules) -> str:
    """What the recipient reads after the sign; a variable that no parameter fills stays empty."""
    named = sources(text, list(values), rules)
    return text.filled(["" if name is None else values[name] for name in named])


# An approved template against its provider's rules: its text, its parameters and their values.

BRACKETS = 2
"""Characters around the sign in front of a message."""


@dataclass(frozen=True, slots=True)
class ApprovedFault:
    """What is wrong and how to mend it. `about` is the part in question: a variable, a character."""

    code: str
    about: str
    message: str


def text_faults(
    text: str, params: Sequence[str], rules: TemplateRules, classes: AbstractSet[MessageClass]
) -> Iterator[ApprovedFault]:
    """What can be said of a text without a message. `classes` are those of the notices that it words."""
    apart = take_apart(text, rules)
    yield from _parameters(apart, params, rules)
    yield from _variables(apart, rules)
    yield from _words(apart, rules)
    if len(text) > rules.text_limit:
        yield _too_long(len(text), rules)
    yield from _for_classes(text.rstrip(" 。.!！"), apart, rules, classes)


def _parameters(apart: ApprovedText, params: Sequence[str], rules: TemplateRules) -> Iterator[ApprovedFault]:
    used = sources(apart, params, rules)
    for place, (variable, source) in enumerate(zip(apart.variables, used, strict=True), 1):
        if source is None:
            which = (
                f"variable {place} (`{variable}`)" if rules.filled_by == "place" else f"variable `{variable}`"
            )
            yield ApprovedFault(
                "variable_unfilled", variable, f"`params` gives nothing for {which}; add it in its place"
            )
    for name in params:
        if name not in used:
            message = f"the text has no variable for `{name}`; take it out of `params`, or correct the text"
            yield ApprovedFault("param_unused", name, message)


def _variables(apart: ApprovedText, rules: TemplateRules) -> Iterator[ApprovedFault]:
    for name in dict.fromkeys(apart.variables):
        if kind_of(name, rules) is None:
            message = f"the provider knows no variable `{name}`; see docs/approved-templates.md for the names"
            yield ApprovedFault("variable_name", name, message)
        if apart.variables.count(name) > 1 and not rules.repeats:
            message = (
                f"`{name}` stands in the text twice, which is refused; give the second a name of its own"
            )
            yield ApprovedFault("variable_repeated", name, message)
    for before, after, between in zip(apart.variables, apart.variables[1:], apart.fixed[1:], strict=False):
        if not rules.between.search(between):
            message = f"`{before}` and `{after}` stand side by side, which is refused; put words between them"
            yield ApprovedFault("variables_adjacent", after, message)
    if rules.variables is not None and len(apart.variables) > rules.variables:
        message = f"{len(apart.variables)} variables, {rules.variables} are allowed; write more words out"
        yield ApprovedFault("variables_too_many", "", message)


def _words(apart: ApprovedText, rules: TemplateRules) -> Iterator[ApprovedFault]:
    fixed = "\0".join(apart.fixed)
    for brace in dict.fromkeys(sign for sign in fixed if sign in "{}"):
        message = (
            f"`{brace}` stands among the words and would be sent as it is; correct the variable's spelling"
        )
        yield ApprovedFault("stray_brace", brace, message)
    for refusal in rules.text_refused:
        for found in dict.fromkeys(match[0].strip() for match in refusal.pattern.finditer(fixed)):
            yield ApprovedFault("text_refused", found, f"`{found}` may not stand in it: {refusal.says}")


def _for_classes(
    text: str, apart: ApprovedText, rules: TemplateRules, classes: AbstractSet[MessageClass]
) -> Iterator[ApprovedFault]:
    """Source of the rule: notifications must not offer an opt-out, marketing must end with it."""
    marketing = MessageClass.MARKETING in classes
    if marketing and apart.variables and not rules.marketing_variables:
        yield ApprovedFault(
            "marketing_variables", "", "a marketing text may have no variables; write its words out"
        )
    if rules.opt_out is None:
        return
    words, refused = rules.opt_out.words, rules.opt_out.refused
    if marketing and not text.endswith(words):
        yield ApprovedFault("opt_out_missing", words, f"a marketing text must end with `{words}`; add it")
    found = refused.search(text) if refused and classes - {MessageClass.MARKETING} else None
    if found:
        message = f"`{found[0]}` is refused in a notification: only marketing offers a way out; take it out"
        yield ApprovedFault("opt_out_not_owed", found[0], message)


def value_faults(
    text: str, values: Mapping[str, str], rules: TemplateRules, variable_limit: int | None
) -> Iterator[ApprovedFault]:
    """What is wrong with the values of one message. `variable_limit` replaces the published length."""
    apart = take_apart(text, rules)
    filled = zip(sources(apart, list(values), rules), apart.variables, strict=True)
    variables = {source: name for source, name in filled if source is not None}
    for param, value in values.items():
        kind = kind_of(variables.get(param, ""), rules)
        yield from _value(param, value, kind, rules, variable_limit)
    size = len(json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode())
    if rules.params_bytes is not None and size > rules.params_bytes:
        message = (
            f"the parameters take {size} bytes as JSON, {rules.params_bytes} may be; shorten names or values"
        )
        yield ApprovedFault("params_too_long", "", message)


def _value(
    param: str, value: str, kind: VariableKind | None, rules: TemplateRules, variable_limit: int | None
) -> Iterator[ApprovedFault]:
    if not value:
        message = f"`{param}` is empty, and an empty variable is refused; use another value or write it out"
        yield ApprovedFault("value_empty", param, message)
        return
    limit = variable_limit or (kind and kind.limit)
    if limit and len(value) > limit:
        message = f"`{param}` may hold {limit} characters; here it takes {len(value)}; use a shorter value"
        yield ApprovedFault("value_too_long", param, message)
    refused = next((refusal.says for refusal in rules.value_refused if refusal.pattern.search(value)), "")
    if not refused and kind and kind.value and not kind.value.fullmatch(value):
        refused = kind.says
    if refused:
        yield ApprovedFault("value_refused", param, f"`{param}` would be refused: {refused}")


def length_faults(message: str, sign: str, rules: TemplateRules) -> Iterator[ApprovedFault]:
    """Whether a whole message, its sign included, is longer than may leave."""
    length = len(message) + (len(sign) + BRACKETS if rules.sign != "none" else 0)
    if length > rules.text_limit:
        yield _too_long(length, rules)


def code_faults(templates: Sequence[ApprovedTemplateSettings]) -> Iterator[tuple[int, ApprovedFault]]:
    """Entries that give one code another text than an earlier entry, or that could be one with it."""
    for number, later in enumerate(templates):
        for earlier in templates[:number]:
            if earlier.code != later.code:
                continue
            if earlier.text != later.text:
                what, cure = "has another text in an earlier entry", "correct the code or the text"
            elif _but_notices(earlier) == _but_notices(later):
                what, cure = "stands in an earlier entry too", "name its notices in one entry"
            else:
                continue
            yield number, ApprovedFault("code_repeated", later.code, f"`{later.code}` {what}; {cure}")
            break


def kind_of(variable: str, rules: TemplateRules) -> VariableKind | None:
    """The kind of a variable, with the length that its name gives; None when the provider has no such name."""
    for kind in rules.kinds:
        named = kind.name.fullmatch(variable)
        if named:
            by_name = named.groups()
            return kind.model_copy(update={"limit": int(by_name[0])}) if by_name else kind
    return None


def _but_notices(template: ApprovedTemplateSettings) -> Mapping[str, object]:
    return template.model_dump(exclude={"notices"})


def _too_long(length: int, rules: TemplateRules) -> ApprovedFault:
    message = f"{length} characters, {rules.text_limit} are allowed; shorten it"
    return ApprovedFault("approved_too_long", "", message)


# The approved texts as a provider's console exports them: CSV or JSON, code → text.

_CODE: Final = ("code", "templatecode", "templateid", "模板code", "模板id", "模板编号")
_TEXT: Final = ("text", "templatecontent", "模板内容", "短信内容", "内容")
_CURE: Final = "give a CSV or JSON with columns `code` and `text`"


def read_export(path: Path) -> dict[str, str]:
    """The texts of a file by their code. A CSV is UTF-8 or GB18030; JSON is an object or a list of rows.

    Columns are `code` and `text`, or as Chinese consoles call them (模板CODE, 模板内容); others are not read.

    Raises:
        ConfigError: with everything wrong in the file, each with its row.
    """
    text = _decoded(path)
    rows = _json_rows(path, text) if text.lstrip()[:1] in ("[", "{") else _csv_rows(path, text)
    texts: dict[str, str] = {}
    problems = []
    for number, row in rows:
        code, worded = _cell(row, _CODE), _cell(row, _TEXT)
        if not code or not worded:
            problems.append(f"{path}:{number}: has no code or no text; {_CURE}")
        elif texts.setdefault(code, worded) != worded:
            problems.append(f"{path}:{number}: {code} stands above with another text; keep one")
    if problems or not texts:
        raise ConfigError(problems or [f"{path}: holds no template; {_CURE}"])
    return texts


def _decoded(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read ({type(error).__name__})"]) from error
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ConfigError([f"{path}: is neither UTF-8 nor GB18030 text; export it again as CSV"])


def _csv_rows(path: Path, text: str) -> Iterable[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    named = {_plain(name) for name in reader.fieldnames or () if name}
    if not (named & set(_CODE) and named & set(_TEXT)):
        raise ConfigError([f"{path}:1: names no column for code and text; {_CURE}"])
    return ((reader.line_num, row) for row in reader)


def _json_rows(path: Path, text: str) -> Iterable[tuple[int, Mapping[str, Any]]]:
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        raise ConfigError([f"{path}: is not valid JSON; {_CURE}"]) from None
    if isinstance(read, dict):
        read = [{"code": code, "text": worded} for code, worded in read.items()]
    return ((number, row if isinstance(row, dict) else {}) for number, row in enumerate(read, 1))


def _cell(row: Mapping[str, Any], names: tuple[str, ...]) -> str:
    found = (value for name, value in row.items() if name is not None and _plain(name) in names)
    return next((str(value).strip() for value in found if isinstance(value, str | int)), "")


def _plain(name: str) -> str:
    return name.strip().casefold().replace("_", "").replace(" ", "")
