"""For those who write templates: list, lint, show."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import SequenceMatcher
from itertools import chain, product
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from carloan_notify.app import App
from carloan_notify.delivery.approved import (
    ApprovedFault,
    TemplateRules,
    choose,
    code_faults,
    fill,
    length_faults,
    message_of,
    read_export,
    take_apart,
    template_rules,
    templates_of,
    text_faults,
    value_faults,
)
from carloan_notify.delivery.provider import ApprovedTemplateSettings
from carloan_notify.errors import ConfigError
from carloan_notify.messages.context import (
    DERIVED,
    OURS_ONLY,
    VARIABLES,
    parameters,
    sample_context,
    with_extras,
    worst_context,
)
from carloan_notify.messages.lint import LintRule, lint
from carloan_notify.messages.render import CompiledTemplate, RenderFailure, TemplateSet
from carloan_notify.notices.settings import Role, RuleSettings
from carloan_notify.pipeline.facts import unit_prices
from carloan_notify.records import Channel, MessageClass, OutboundMessage, Rendered


def template_rows(app: App) -> list[dict[str, Any]]:
    """One row per template: notice, channel, language, version, parts and price.

    Parts and price are those of a message to an ordinary borrower and, as `most`, of the dearest one to a person with a
    long name, long amounts, the configured links or none, in every role. The price is that of the channel's first
    provider, in units of the currency; "" where a text cannot be made.
    """
    prices, digits = unit_prices(app.settings.delivery), app.settings.schedule.currency_exponent
    rows = []
    templates = app.templates()
    for tag, folder in templates.folders.items():
        for name in sorted(name for name in folder.sources if not name.startswith("_")):
            notice, channel, _ = name.split(".")
            row: dict[str, Any] = {
                "notice": notice,
                "channel": channel,
                "language": tag,
                "version": folder.version(name),
            }
            price = prices.get(Channel(channel), Decimal(0)).scaleb(-digits)
            counts = _parts_of(templates, notice, tag, Channel(channel))
            for most, count in zip(("", "most_"), counts, strict=True):
                row |= {f"{most}parts": count, f"{most}price": f"{count * price:f}" if count else ""}
            rows.append(row)
    return rows


def _parts_of(templates: TemplateSet, notice: str, language: str, channel: Channel) -> tuple[int, int]:
    """Parts of an ordinary message and of the longest plausible one; 0 where a text cannot be made."""
    currency, links = templates.lender.currency, templates.settings.link_bases
    ordinary = templates.render(notice, language, channel, sample_context(language, currency, links))
    longest = [
        templates.render(notice, language, channel, context | {"role": role, "loan_count": loans})
        for context in (worst_context(language, currency, bases) for bases in (links, {}))
        for role, loans in product(Role, (1, 2))
    ]
    typical = ordinary.segments if isinstance(ordinary, Rendered) else 0
    return typical, max((text.segments for text in longest if isinstance(text, Rendered)), default=0)


def variable_rows() -> list[dict[str, str]]:
    """One row per value that a template may use: variable, for (ours, approved, both), meaning."""
    rows = []
    for name, meaning in {**VARIABLES, **DERIVED}.items():
        use = "ours" if name in OURS_ONLY else "approved" if name in DERIVED else "both"
        rows.append({"variable": name, "for": use, "meaning": meaning})
    return rows


def lint_templates(app: App) -> list[dict[str, Any]]:
    """Findings about the templates and the rules that need them: code, place, message."""
    rules = [
        LintRule(
            notice=rule.notice,
            template=rule.template_name,
            channel=rule.channel,
            message_class=rule.message_class,
            to_others=any(role is not Role.BORROWER for role in rule.who),
        )
        for rule in app.settings.rules
    ]
    found = lint(app.templates(), app.settings.messages, app.lender, rules)
    return [{str(name): value for name, value in row.items()} for row in found.to_dict("records")]


def show_template(app: App, notice: str, channel: str, language: str | None) -> str:
    """The text of one template with sample values.

    Raises:
        ConfigError: there is no such template, or it cannot be rendered.
    """
    tag = language or app.settings.messages.default_language
    templates = app.templates()
    context = with_extras(sample_context(tag), templates.extra_kinds)
    rendered = templates.render(notice, tag, channel, context)
    if isinstance(rendered, RenderFailure):
        raise ConfigError([rendered.message])
    return rendered.text


# Every kind of message that a provider would be asked to word, each with sample values.

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
    for role, loan_count in product(dict.fromkeys(rule.who), (1,) if rule.when.moment else (1, 2)):
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
        told = with_extras(context, templates.extra_kinds) | {
            "role": case.role,
            "loan_count": case.loan_count,
        }
        params = parameters(told, filters, links, found.channel)
        yield _sample(label, case.message(params), found, found.render(told))


def _sample(
    label: str, message: OutboundMessage, template: CompiledTemplate, rendered: Rendered | RenderFailure
) -> Sample:
    if isinstance(rendered, RenderFailure):
        return Sample(label, message, "", rendered.message)
    return Sample(label, message, rendered.text.removeprefix(template.opening))


# Where two texts part, short enough for one line of a report.

_KEPT: Final = 6
_GAP: Final = "…"


def difference(ours: str, theirs: str) -> str:
    """Only what differs, each place with a few characters before and after: `[-ours-]{+theirs+}`.

    "" if and only if the texts are equal. What is left out between two places is `…`.
    """
    if ours == theirs:
        return ""
    steps = SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes()
    parts = []
    for number, (kind, start, end, their_start, their_end) in enumerate(steps, 1):
        if kind == "equal":
            parts.append(_shortened(ours[start:end], first=number == 1, last=number == len(steps)))
        else:
            parts += [
                _marked("[-", ours[start:end], "-]"),
                _marked("{+", theirs[their_start:their_end], "+}"),
            ]
    return "".join(parts)


def _marked(opening: str, text: str, closing: str) -> str:
    return f"{opening}{text}{closing}" if text else ""


def _shortened(text: str, *, first: bool, last: bool) -> str:
    """A stretch that is the same in both texts, cut where no change is near."""
    head, tail = ("" if first else text[:_KEPT]), ("" if last else text[-_KEPT:])
    return text if len(text) <= len(head) + len(tail) else head + _GAP + tail


# Hold a provider's approved templates against its rules and against our own words.

FINDING_COLUMNS = ("code", "place", "message", "ours", "approved")


@dataclass(frozen=True, slots=True)
class _Desk:
    """What every check of one provider needs. `cases` holds, per template, what it is chosen for."""

    own: TemplateSet
    path: str
    rules: TemplateRules
    templates: Sequence[ApprovedTemplateSettings]
    cases: Mapping[int, Sequence[Case]]
    unworded: Sequence[Case]
    variable_limit: int | None


def lint_approved(
    app: App, name: str, export: Path | None = None, variable_limit: int | None = None
) -> list[dict[str, str]]:
    """Findings about the approved templates of one provider, by `FINDING_COLUMNS`, in the templates' order.

    Args:
        app: its templates are the texts that the approved ones are compared with.
        name: the provider's name under `delivery.providers`.
        export: file of approved texts; they replace those of the configuration.
        variable_limit: characters of one variable in the lender's own account, if not the published number.

    Raises:
        ConfigError: there is no such provider, or it sends no approved templates; or the file is wrong.
    """
    desk = _desk(app, name, export, variable_limit)
    found = [*_of_the_list(desk)]
    for number, template in enumerate(desk.templates):
        found += _of_template(desk, number, template)
    return list({tuple(row.items()): row for row in found}.values())


def _desk(app: App, name: str, export: Path | None, variable_limit: int | None) -> _Desk:
    providers = app.settings.delivery.providers
    if name not in providers:
        known = ", ".join(sorted(providers))
        raise ConfigError([f"delivery.providers: no provider is called {name!r}; there is {known}"])
    settings = providers[name]
    if settings.type not in template_rules():
        types = ", ".join(template_rules())
        raise ConfigError(
            [
                f"delivery.providers.{name}: {settings.type} sends our own text; approved templates are for {types}"
            ]
        )
    texts = read_export(export) if export else {}
    templates = [
        template.model_copy(update={"text": texts.get(template.code, template.text)})
        for template in templates_of(settings)
    ]
    own = app.templates()
    cases, unworded = _shared_out(templates, cases_of(app.settings.rules, own, settings.serves))
    return _Desk(
        own=own,
        path=f"delivery.providers.{name}.templates",
        rules=template_rules()[settings.type],
        templates=templates,
        cases=cases,
        unworded=unworded,
        variable_limit=variable_limit,
    )


def _shared_out(
    templates: Sequence[ApprovedTemplateSettings], cases: Iterable[Case]
) -> tuple[dict[int, list[Case]], list[Case]]:
    """The cases by the place of the template that words them, and those that none words."""
    places = {id(template): number for number, template in enumerate(templates)}
    chosen: dict[int, list[Case]] = defaultdict(list)
    unworded = []
    for case in cases:
        template = choose(templates, case.message())
        if template is None:
            unworded.append(case)
        else:
            chosen[places[id(template)]].append(case)
    return dict(chosen), unworded


def _of_the_list(desk: _Desk) -> Iterator[dict[str, str]]:
    """What nobody words, and codes that stand twice."""
    missing: dict[tuple[str, str], list[str]] = defaultdict(list)
    for case in desk.unworded:
        missing[case.notice, case.language].append(case.whom)
    for (notice, language), whom in missing.items():
        told = " and ".join(whom)
        message = f"no template words {notice} in {language} to {told}: nothing would be sent; add one"
        yield _row("not_worded", desk.path, message)
    for number, fault in code_faults(desk.templates):
        yield _fault(desk, number, fault)


def _of_template(desk: _Desk, number: int, template: ApprovedTemplateSettings) -> Iterator[dict[str, str]]:
    for fault in _of_use(desk, number, template):
        yield _fault(desk, number, fault)
    if not template.text:
        message = "the approved text is not known; paste it into `text`, or give the console's export with --approved"
        yield _row("approved_text_missing", f"{desk.path}[{number}]", message)
        return
    classes = frozenset(case.message_class for case in desk.cases.get(number, ()))
    for fault in text_faults(template.text, list(template.params), desk.rules, classes):
        yield _fault(desk, number, fault)
    told: set[tuple[str, str]] = set()
    for case in desk.cases.get(number, ()):
        yield from _of_case(desk, number, template, case, told)


def _of_use(desk: _Desk, number: int, template: ApprovedTemplateSettings) -> Iterator[ApprovedFault]:
    """Whether any message would use it, and its sign."""
    sign, own = template.sign, desk.own.lender.sign
    if desk.rules.sign == "required" and not sign:
        yield ApprovedFault("sign_missing", "", f"the provider asks for a sign; add sign: {own}")
    elif desk.rules.sign != "none" and sign and sign != own:
        message = f"is sent under {sign}, our own text begins with {own}; correct one of the two"
        yield ApprovedFault("sign_differs", sign, message)
    languages = desk.own.languages
    if template.language and template.language not in languages:
        message = f"no template folder is called {template.language}; there is {', '.join(languages)}"
        yield ApprovedFault("unknown_language", template.language, message)
    used = {case.notice for case in chain(desk.unworded, *desk.cases.values())}
    for notice in template.notices:
        if notice not in used:
            message = f"no rule sends {notice} on a channel of this provider; take it out, or add the rule"
            yield ApprovedFault("notice_unused", notice, message)
    if number not in desk.cases and set(template.notices) & used and template.language in ("", *languages):
        message = (
            "no message would choose it: earlier templates word all of its own, or no rule tells its party"
        )
        yield ApprovedFault("never_chosen", "", f"{message}; take it out, or move it up")


def _of_case(
    desk: _Desk, number: int, template: ApprovedTemplateSettings, case: Case, told: set[tuple[str, str]]
) -> Iterator[dict[str, str]]:
    """One kind of message with both of its samples. `told` are the faults of values that are known already."""
    differs = False
    for sample in samples_of(case, desk.own):
        if not sample.ours:
            yield _row("our_text_missing", f"{desk.path}[{number}]", f"{case.told}: {sample.failure}")
            return
        values = fill(template, sample.message)
        read = message_of(take_apart(template.text, desk.rules), values, desk.rules)
        faults = (
            *value_faults(template.text, values, desk.rules, desk.variable_limit),
            *length_faults(read, template.sign or desk.own.lender.sign, desk.rules),
        )
        for fault in _new(faults, told):
            yield _fault(desk, number, fault, f"for {case.told}, {sample.label}: ")
        if not differs and sample.ours != read:
            differs = True
            yield _differing(desk, number, case, sample, read)


def _differing(desk: _Desk, number: int, case: Case, sample: Sample, read: str) -> dict[str, str]:
    parts = difference(sample.ours, read)
    message = f"{case.told}, {sample.label}: [-ours-]{{+approved+}}: {parts}"
    return _row("text_differs", f"{desk.path}[{number}]", message, ours=sample.ours, approved=read)


def _new(faults: Iterable[ApprovedFault], told: set[tuple[str, str]]) -> Iterator[ApprovedFault]:
    for fault in faults:
        if (fault.code, fault.about) not in told:
            told.add((fault.code, fault.about))
            yield fault


def _fault(desk: _Desk, number: int, fault: ApprovedFault, when: str = "") -> dict[str, str]:
    return _row(fault.code, f"{desk.path}[{number}]", when + fault.message)


def _row(code: str, place: str, message: str, *, ours: str = "", approved: str = "") -> dict[str, str]:
    return dict(zip(FINDING_COLUMNS, (code, place, message, ours, approved), strict=True))
