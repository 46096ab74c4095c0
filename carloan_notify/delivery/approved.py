"""Approved templates: clouds that send no free text get a template's code and its parameters."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from carloan_notify.delivery.gateway.template import compiled
from carloan_notify.delivery.gateway.values import of_message
from carloan_notify.delivery.provider import same_for_all
from carloan_notify.delivery.provider_settings import ApprovedTemplateSettings
from carloan_notify.records import OutboundMessage, Outcome, SendResult

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
class Wording:
    """What decides which template words a message."""

    notice: str
    language: str
    for_others: bool
    several_loans: bool


def wording(message: OutboundMessage) -> Wording:
    """The wording a message asks for. Without parameters it is the borrower's, for one loan."""
    return Wording(
        message.notice,
        message.language,
        message.params.get("role", BORROWER) != BORROWER,
        message.params.get("loan_count", "1") not in ("", "0", "1"),
    )


def words(template: ApprovedTemplateSettings, asked: Wording) -> bool:
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
