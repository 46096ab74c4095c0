"""An approved text and its variables: which parameter fills which, and what the recipient then reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

from carloan_notify.delivery.provider_settings import ApprovedTemplateSettings, ProviderSettings
from carloan_notify.delivery.template_rules import TemplateRules


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
