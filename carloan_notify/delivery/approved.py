"""Approved templates: clouds that send no free text get a template's code and its parameters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import chain, zip_longest
from re import Pattern
from typing import Final, Literal

import yaml
from pydantic import Field, TypeAdapter

from carloan_notify.delivery.gateway.request import compiled, of_message
from carloan_notify.delivery.provider import ApprovedTemplateSettings, ProviderSettings, same_for_all
from carloan_notify.records import OutboundMessage, Outcome, SendResult
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
