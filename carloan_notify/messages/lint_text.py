"""What can be said of a template from the texts it makes: length, sign, opt-out, links, discretion."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from carloan_notify.messages.lint_source import Problem, holds_word, word_problems
from carloan_notify.messages.render import RenderFailure, TemplateSet
from carloan_notify.messages.samples import sample_context, worst_context
from carloan_notify.messages.settings import MessagesSettings, for_language
from carloan_notify.records import Channel, Lender, MessageClass, Rendered

_EXAMPLE_LINKS: Final = {
    "pay_link": "https://pay.example.com/p/",
    "certificate_link": "https://pay.example.com/c/",
}
_OTHERS: Final = ("co_borrower", "guarantor")
_LINK: Final = re.compile(r"https?://[!-~]+", re.IGNORECASE)
_OPT_OUT: Final = re.compile(
    r"拒收|退订|回复?\s*(?:R|T|TD)(?![a-z])|\bopt[ -]?out\b|\bunsubscribe\b|\b(?:reply|text|send) stop\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class LintText:
    """The template whose texts are looked at. `classes` are those of the rules that use it."""

    path: str
    language: str
    channel: Channel
    classes: frozenset[MessageClass]
    source: str = field(repr=False)

    def problem(self, code: str, value: str, message: str, *, near: str = "") -> Problem:
        """A problem at the line that holds `near`, else at the first line."""
        lines = self.source.splitlines()
        line = next((number for number, text in enumerate(lines, 1) if near and near in text), 1)
        return Problem(code, f"{self.path}:{line}", value, message)


@dataclass(frozen=True, slots=True)
class Variant:
    """One recipient the template was rendered for. `billed`: the links are the configured ones."""

    label: str
    context: Mapping[str, Any]
    billed: bool
    result: Rendered | RenderFailure


def render_variants(
    templates: TemplateSet, template: str, subject: LintText, settings: MessagesSettings
) -> list[Variant]:
    """The template for an ordinary recipient, the longest plausible one and one with links, in every role."""
    currency = templates.lender.currency
    bases = (
        ("an ordinary recipient", sample_context(subject.language, currency), True),
        (
            "the longest plausible recipient",
            worst_context(subject.language, currency, settings.link_bases),
            True,
        ),
        ("a recipient with links", worst_context(subject.language, currency, _EXAMPLE_LINKS), False),
    )
    variants = []
    for label, base, billed in bases:
        for role in ("borrower", *_OTHERS):
            for loan_count in (1, 2):
                context = base | {"role": role, "loan_count": loan_count}
                result = templates.render(template, subject.language, subject.channel, context)
                told = f"{label} ({role}, {loan_count} loan{'s' if loan_count > 1 else ''})"
                variants.append(Variant(told, context, billed, result))
    return variants


def check_texts(
    subject: LintText, variants: Sequence[Variant], lender: Lender, settings: MessagesSettings
) -> Iterator[Problem]:
    """Every problem of the rendered texts; each kind once per template."""
    yield from _failures(subject, variants)
    texts = [(variant, variant.result) for variant in variants if isinstance(variant.result, Rendered)]
    yield from _length(subject, [(variant, text) for variant, text in texts if variant.billed], settings)
    for variant, rendered in texts:
        yield from word_problems(rendered.text, f"{subject.path}:1", settings, subject.classes)
        yield from _opt_out(subject, rendered.text, settings)
        yield from _links(subject, rendered.text)
        yield from _signed(subject, rendered.text, lender, settings)
        yield from _discretion(subject, variant, rendered.text)


def _failures(subject: LintText, variants: Sequence[Variant]) -> Iterator[Problem]:
    """What stops a message; the first variant of each kind is enough."""
    seen: set[str] = set()
    for variant in variants:
        failure = variant.result
        if isinstance(failure, RenderFailure) and failure.code not in seen:
            seen.add(failure.code)
            place, _, reason = failure.message.partition(": ")
            placed = place if place.rpartition(":")[2].isdigit() else f"{subject.path}:1"
            yield Problem(failure.code, placed, "", f"for {variant.label}: {reason}")


def _length(
    subject: LintText, texts: Sequence[tuple[Variant, Rendered]], settings: MessagesSettings
) -> Iterator[Problem]:
    limit = for_language(settings.segment_limit, subject.language, 0)
    over = [(variant, text) for variant, text in texts if limit and text.segments > limit]
    if over:
        variant, text = max(over, key=lambda pair: pair[1].segments)
        message = (
            f"{text.segments} parts ({text.units} {text.encoding} units) for {variant.label}, the limit "
            f"is {limit}; "
            "shorten it or raise messages.segment_limit"
        )
        yield subject.problem("over_segment_limit", str(text.segments), message)


def _opt_out(subject: LintText, text: str, settings: MessagesSettings) -> Iterator[Problem]:
    """Source of the rule: providers refuse it in notifications and demand it in marketing messages."""
    words = for_language(settings.opt_out_text, subject.language, "")
    owed = subject.classes & set(settings.opt_out_classes)
    offered = bool(words) and holds_word(text, words)
    loose = _OPT_OUT.search(text)
    found = words if offered else loose[0] if loose else ""
    if owed and subject.channel == Channel.SMS and not offered:
        message = f"a {', '.join(sorted(owed))} message must offer a way out; end it with `{words}`"
        yield subject.problem("opt_out_missing", words, message)
    if found and subject.classes - set(settings.opt_out_classes):
        message = (
            f"`{found}` stands in a message that owes no opt-out; providers refuse it there: take it out"
        )
        yield subject.problem("opt_out_not_owed", found, message, near=found)


def _links(subject: LintText, text: str) -> Iterator[Problem]:
    for link in _LINK.finditer(text):
        shown = link[0].split("/")[2]
        if subject.channel == Channel.VOICE:
            yield subject.problem(
                "link_in_voice", shown, "nobody can tap a spoken link; take it out", near="link"
            )
        elif link[0].lower().startswith("http://"):
            yield subject.problem(
                "link_not_https", "http://", "a link must start with https://", near="http://"
            )
        elif link[0][-1] in ".,;:!?)" or text[link.end() : link.end() + 1].strip():
            message = "put a blank after the link; telephones take what clings to it for a part of it"
            yield subject.problem("link_not_separated", shown, message, near="link")


def _signed(subject: LintText, text: str, lender: Lender, settings: MessagesSettings) -> Iterator[Problem]:
    if subject.channel == Channel.VOICE:
        if lender.sign not in text and lender.name not in text:
            message = (
                "a voice message must say who speaks; write {{ sign }} or {{ lender_name }} at its beginning"
            )
            yield subject.problem("missing_sign", "", message)
        return
    brackets = for_language(settings.sign_brackets, subject.language, "[]")
    body = text[len(lender.sign) + len(brackets) :] if lender.sign.strip() else text
    again = next((mark for mark in ("【", "】") if mark in body), "")
    if again or (lender.sign.strip() and body.lstrip().startswith(lender.sign)):
        message = "a message begins with the sign by itself; take the sign and 【】 out of the template"
        yield subject.problem("sign_repeated", again or lender.sign, message, near=again or "sign")


def _discretion(subject: LintText, variant: Variant, text: str) -> Iterator[Problem]:
    """A co-borrower or guarantor does not learn the borrower's name or account."""
    if variant.context["role"] == "borrower":
        return
    for name in ("borrower_name", "account_tail"):
        if variant.context[name] in text:
            message = (
                f"{{{{ {name} }}}} is told to a {variant.context['role']}; keep it behind role == 'borrower'"
            )
            yield subject.problem("told_to_others", name, message, near=name)
