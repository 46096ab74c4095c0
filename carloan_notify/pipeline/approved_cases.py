"""Every kind of message that a provider would be asked to word, each with sample values."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType
from typing import Final

from carloan_notify.messages.parameters import parameters
from carloan_notify.messages.render import CompiledTemplate, RenderFailure, TemplateSet
from carloan_notify.messages.samples import sample_context, worst_context
from carloan_notify.notices.settings import RuleSettings
from carloan_notify.records import Channel, MessageClass, OutboundMessage, Rendered

SAMPLE_PHONE: Final = "+12025550100"
"""A number that is kept for fiction."""


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of message. `role` is the recipient's, `loan_count` 1, or 2 for several loans in one message."""

    notice: str
    template: str
    channel: Channel
    message_class: MessageClass
    language: str
    role: str
    loan_count: int

    @property
    def whom(self) -> str:
        """The recipient, for people."""
        loans = "one loan" if self.loan_count == 1 else "several loans"
        return f"the {self.role.replace('_', '-')} with {loans}"

    @property
    def told(self) -> str:
        """The case, for people."""
        return f"{self.notice} in {self.language} to {self.whom}"

    def message(self, params: Mapping[str, str] = MappingProxyType({})) -> OutboundMessage:
        """A message of this kind as a provider gets it; without values it says only what kind it is."""
        kind = {"role": self.role, "loan_count": str(self.loan_count)}
        return OutboundMessage(
            message_id="SAMPLE",
            channel=self.channel,
            notice=self.notice,
            language=self.language,
            phone=SAMPLE_PHONE,
            text="",
            params={**params, **kind},
        )


@dataclass(frozen=True, slots=True)
class Sample:
    """A case with values. `ours` is our own text without its sign, "" when `failure` says why there is none."""

    label: str
    message: OutboundMessage
    ours: str
    failure: str = ""


def cases_of(
    rules: Iterable[RuleSettings], templates: TemplateSet, channels: Collection[Channel]
) -> Iterator[Case]:
    """What the rules send on these channels, by language, recipient and whether several loans are told at once.

    Events are told loan by loan (notices.merge).
    """
    for rule in rules:
        if rule.channel in channels:
            for language, folder in templates.folders.items():
                if folder.file_of(rule.template_name, rule.channel):
                    yield from _cases_of_rule(rule, language)


def _cases_of_rule(rule: RuleSettings, language: str) -> Iterator[Case]:
    for role, loan_count in product(dict.fromkeys(rule.who), (1,) if rule.when.event else (1, 2)):
        yield Case(
            notice=rule.notice,
            template=rule.template_name,
            channel=rule.channel,
            message_class=rule.message_class,
            language=language,
            role=role.value,
            loan_count=loan_count,
        )


def samples_of(case: Case, templates: TemplateSet) -> Iterator[Sample]:
    """The case for an ordinary recipient and for the longest plausible one."""
    found = templates.find(case.template, case.language, case.channel)
    if isinstance(found, RenderFailure):
        yield Sample("any recipient", case.message(), "", found.message)
        return
    filters = templates.environment(found.language, found.channel).filters
    links = templates.settings.link_bases
    values = (case.language, templates.lender.currency, links)
    contexts = {
        "an ordinary recipient": sample_context(*values),
        "the longest plausible recipient": worst_context(*values),
    }
    for label, context in contexts.items():
        told = context | {"role": case.role, "loan_count": case.loan_count}
        params = parameters(told, filters, links, found.channel)
        yield _sample(label, case.message(params), found, found.render(told))


def _sample(
    label: str, message: OutboundMessage, template: CompiledTemplate, rendered: Rendered | RenderFailure
) -> Sample:
    if isinstance(rendered, RenderFailure):
        return Sample(label, message, "", rendered.message)
    return Sample(label, message, rendered.text.removeprefix(template.opening))
