"""Do approved templates name what exists? A typing error would send nothing, or a message with holes."""

import difflib
from collections.abc import Iterable, Iterator

from carloan_notify.delivery.approved_text import templates_of
from carloan_notify.delivery.gateway.template import PLACEHOLDER, names_in
from carloan_notify.delivery.gateway.values import MESSAGE_NAMES
from carloan_notify.delivery.provider_settings import ApprovedTemplateSettings
from carloan_notify.delivery.settings import DeliverySettings
from carloan_notify.messages.filters import babel_locale
from carloan_notify.messages.parameters import PARAMETERS
from carloan_notify.notices.ladder import DEFAULT_LADDER
from carloan_notify.notices.settings import RuleSettings

VALUES = frozenset({*PARAMETERS, *MESSAGE_NAMES} - {"params"})


def approved_problems(
    delivery: DeliverySettings, rules: Iterable[RuleSettings], country: str
) -> Iterator[str]:
    """Every name that approved templates get wrong, each `dotted.path: what; how to fix it`.

    A notice of the default ladder is known even where no rule uses it.
    """
    notices = {rule.notice for rule in [*rules, *DEFAULT_LADDER]}
    for name, provider in delivery.providers.items():
        for number, template in enumerate(templates_of(provider)):
            path = f"delivery.providers.{name}.templates[{number}]"
            for place, notice in enumerate(template.notices):
                if notice not in notices:
                    yield f"{path}.notices[{place}]: {_unknown('notice', notice, notices, '`rules`')}"
            yield from _language(path, template.language, country)
            yield from _values(path, template)


def _language(path: str, language: str, country: str) -> Iterator[str]:
    try:
        babel_locale(language or "en", country)
    except ValueError:
        yield f"{path}.language: {language!r} is no language tag; write one such as zh-CN or en"


def _values(path: str, template: ApprovedTemplateSettings) -> Iterator[str]:
    for param, text in template.params.items():
        if {"{", "}"} & set(PLACEHOLDER.sub("", text)):
            yield f"{path}.params.{param}: a brace is left over; write a value as {{amount_text}}, in small letters"
        for value in names_in(text):
            if value.removeprefix("params.") not in VALUES:
                cure = "`templates list --variables`"
                yield f"{path}.params.{param}: {_unknown('value', value, VALUES, cure)}"


def _unknown(what: str, name: str, known: Iterable[str], cure: str) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"there is no {what} {name!r}; " + (f"did you mean {near[0]!r}?" if near else f"see {cure}")
