"""What a cloud allows in an approved template: `template_rules.yaml`, by the provider's type."""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from re import Pattern
from typing import Literal

import yaml
from pydantic import Field, TypeAdapter

from carloan_notify.settings import Settings


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
