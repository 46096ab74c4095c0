"""Check every template before a night depends on it: `templates lint`.

Each file is read for its syntax, its names and its words (`lint_source`), then rendered for an ordinary and
for the longest plausible recipient in every role, and the texts are checked as their recipients would see
them (`lint_text`).
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final, get_args

import pandas as pd
from jinja2 import TemplateSyntaxError, meta, nodes

from carloan_notify.frames import FINDINGS
from carloan_notify.gsm import GSM
from carloan_notify.messages.context import FILTERS, VARIABLES, sample_context, with_extras, worst_context
from carloan_notify.messages.render import CompiledTemplate, LanguageFolder, RenderFailure, TemplateSet
from carloan_notify.messages.sandbox import MessageEnvironment
from carloan_notify.messages.settings import (
    OPT_OUT_CLASSES,
    SIGN_BRACKETS,
    MessagesSettings,
    OtherPartyDetail,
    for_language,
)
from carloan_notify.messages.values import Money
from carloan_notify.records import Channel, Lender, MessageClass, Rendered

# What can be said of a template without rendering it: syntax, names, words.

# More distinct characters than this outside GSM-7 are a language, not a slip of the keyboard.
_FEW = 3
_RARE = 20


@dataclass(frozen=True, slots=True)
class LintFinding:
    """One line of the report. `place` is relative to the template folder."""

    code: str
    place: str
    value: str
    message: str


def read_names(environment: MessageEnvironment, name: str, path: str) -> Iterator[LintFinding]:
    """Syntax errors, constructs outside the language, unknown filters and unknown variables."""
    source = environment.loader.get_source(environment, name)[0] if environment.loader else ""
    try:
        environment.get_template(name)
        tree = environment.checked(source, name)
    except TemplateSyntaxError as error:
        yield LintFinding("syntax_error", f"{path}:{error.lineno}", "", _syntax_cure(str(error.message)))
        return
    except (SyntaxError, RecursionError):
        yield LintFinding(
            "syntax_error", f"{path}:1", "", "blocks are nested too deeply; make the template simpler"
        )
        return
    known = {*VARIABLES, *environment.globals}
    for variable in sorted(meta.find_undeclared_variables(tree) - known):
        line = next(node.lineno for node in tree.find_all(nodes.Name) if node.name == variable)
        yield LintFinding("unknown_variable", f"{path}:{line}", variable, _variable_cure(variable, known))


def read_words(
    environment: MessageEnvironment,
    name: str,
    path: str,
    settings: MessagesSettings,
    classes: AbstractSet[MessageClass],
) -> Iterator[LintFinding]:
    """Words that no message, or none of these classes, may hold; unsafe addresses; costly characters."""
    source = environment.loader.get_source(environment, name)[0] if environment.loader else ""
    written = [*_literals(environment.checked(source, name))]
    for line, text in written:
        yield from word_problems(text, f"{path}:{line}", settings, classes)
        if "http://" in text.casefold():
            yield LintFinding(
                "link_not_https", f"{path}:{line}", "http://", "a link must start with https://"
            )
    outside = dict.fromkeys(
        char for _, text in written for char in text if char not in GSM and not char.isspace()
    )
    letters = sum(len(text) for _, text in written)
    if 0 < len(outside) <= _FEW and letters > _RARE * len(outside):
        characters = " ".join(outside)
        line = next(line for line, text in written if next(iter(outside)) in text)
        yield LintFinding(
            "costly_character",
            f"{path}:{line}",
            characters,
            f"{characters} makes each message cost about twice as much (UCS-2); write plain quotes, "
            f"dashes and letters",
        )


def word_problems(
    text: str, place: str, settings: MessagesSettings, classes: AbstractSet[MessageClass]
) -> Iterator[LintFinding]:
    """Forbidden words in any text; marketing words where some class of the template is not marketing."""
    for word in settings.forbidden_words:
        if holds_word(text, word):
            yield LintFinding(
                "forbidden_word", place, word, f"`{word}` may stand in no message; say it without a threat"
            )
    if classes and classes != {MessageClass.MARKETING}:
        for word in settings.marketing_words:
            if holds_word(text, word):
                message = (
                    f"`{word}` is marketing; a service or collection message must not advertise: take it out"
                )
                yield LintFinding("marketing_word", place, word, message)


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


# What can be said of a template from the texts it makes: length, sign, opt-out, links, discretion.

FALLS_BACK: Final = "falls_back"
"""A configured fallback words what a language lacks: to be known, not to be mended before a night."""
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
    """The template whose texts are looked at: classes of its rules, and whether any names another party."""

    path: str
    language: str
    channel: Channel
    classes: frozenset[MessageClass]
    source: str = field(repr=False)
    to_others: bool = False

    def problem(self, code: str, value: str, message: str, *, near: str = "") -> LintFinding:
        """A problem at the line that holds `near`, else at the first line."""
        lines = self.source.splitlines()
        line = next((number for number, text in enumerate(lines, 1) if near and near in text), 1)
        return LintFinding(code, f"{self.path}:{line}", value, message)


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
                context = with_extras(base, templates.extra_kinds) | {"role": role, "loan_count": loan_count}
                result = templates.render(template, subject.language, subject.channel, context)
                told = f"{label} ({role}, {loan_count} loan{'s' if loan_count > 1 else ''})"
                variants.append(Variant(told, context, billed, result))
    return variants


def check_texts(
    subject: LintText, variants: Sequence[Variant], lender: Lender, settings: MessagesSettings
) -> Iterator[LintFinding]:
    """Every problem of the rendered texts; each kind once per template."""
    yield from _failures(subject, variants)
    texts = [(variant, variant.result) for variant in variants if isinstance(variant.result, Rendered)]
    yield from _length(subject, [(variant, text) for variant, text in texts if variant.billed], settings)
    for variant, rendered in texts:
        yield from word_problems(rendered.text, f"{subject.path}:1", settings, subject.classes)
        yield from _opt_out(subject, rendered.text, settings)
        yield from _links(subject, rendered.text)
        yield from _signed(subject, rendered.text, lender)
        yield from _discretion(subject, variant, rendered.text, settings)


def _failures(subject: LintText, variants: Sequence[Variant]) -> Iterator[LintFinding]:
    """What stops a message; the first variant of each kind is enough."""
    seen: set[str] = set()
    for variant in variants:
        failure = variant.result
        if isinstance(failure, RenderFailure) and failure.code not in seen:
            seen.add(failure.code)
            place, _, reason = failure.message.partition(": ")
            placed = place if place.rpartition(":")[2].isdigit() else f"{subject.path}:1"
            yield LintFinding(failure.code, placed, "", f"for {variant.label}: {reason}")


def _length(
    subject: LintText, texts: Sequence[tuple[Variant, Rendered]], settings: MessagesSettings
) -> Iterator[LintFinding]:
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


def _opt_out(subject: LintText, text: str, settings: MessagesSettings) -> Iterator[LintFinding]:
    """Source of the rule: providers refuse it in notifications and demand it in marketing messages."""
    words = for_language(settings.opt_out_text, subject.language, "")
    owed = subject.classes & OPT_OUT_CLASSES
    offered = bool(words) and holds_word(text, words)
    loose = _OPT_OUT.search(text)
    found = words if offered else loose[0] if loose else ""
    if owed and subject.channel == Channel.SMS and not offered:
        message = f"a {', '.join(sorted(owed))} message must offer a way out; end it with `{words}`"
        yield subject.problem("opt_out_missing", words, message)
    if found and subject.classes - OPT_OUT_CLASSES:
        message = (
            f"`{found}` stands in a message that owes no opt-out; providers refuse it there: take it out"
        )
        yield subject.problem("opt_out_not_owed", found, message, near=found)


def _links(subject: LintText, text: str) -> Iterator[LintFinding]:
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


def _signed(subject: LintText, text: str, lender: Lender) -> Iterator[LintFinding]:
    if subject.channel == Channel.VOICE:
        if lender.sign not in text and lender.name not in text:
            message = (
                "a voice message must say who speaks; write {{ sign }} or {{ lender_name }} at its beginning"
            )
            yield subject.problem("missing_sign", "", message)
        return
    brackets = for_language(SIGN_BRACKETS, subject.language, "[]")
    body = text[len(lender.sign) + len(brackets) :] if lender.sign.strip() else text
    again = next((mark for mark in ("【", "】") if mark in body), "")
    if again or (lender.sign.strip() and body.lstrip().startswith(lender.sign)):
        message = "a message begins with the sign by itself; take the sign and 【】 out of the template"
        yield subject.problem("sign_repeated", again or lender.sign, message, near=again or "sign")


def _discretion(
    subject: LintText, variant: Variant, text: str, settings: MessagesSettings
) -> Iterator[LintFinding]:
    """A co-borrower or guarantor does not learn the borrower's name or account, nor how the debt stands.

    Sources: PIPL §6 (no more than the purpose needs); the CBA guide of 2026-01-30 for whom else is contacted at all.
    """
    if variant.context["role"] == "borrower":
        return
    details = set(get_args(OtherPartyDetail) if subject.to_others else ()) - settings.other_parties_may_read
    for name in ("borrower_name", "account_tail", *sorted(details)):
        if any(each in text for each in _as_written(variant.context[name])):
            message = (
                f"{{{{ {name} }}}} is told to a {variant.context['role']}; keep it behind role == 'borrower'"
            )
            yield subject.problem("told_to_others", name, message, near=name)


def _as_written(value: Any) -> tuple[str, ...]:  # noqa: ANN401 - any value of a template
    """How a text would write it; nothing where it is empty or zero."""
    if not value:
        return ()
    return (f"{value.decimal():,}", value.plain()) if isinstance(value, Money) else (str(value),)


@dataclass(frozen=True, slots=True)
class LintRule:
    """What a notice rule asks of a template."""

    notice: str
    template: str
    channel: Channel
    message_class: MessageClass
    to_others: bool = False


def lint(
    templates: TemplateSet, settings: MessagesSettings, lender: Lender, rules: Sequence[LintRule]
) -> pd.DataFrame:
    """Everything wrong with the templates, as FINDINGS sorted by place; an empty frame when all is well.

    `place` is `<language>/<file>:<line>`, relative to the template folder; `message` says the cure. A
    template that no rule uses is checked for all but what depends on its message class.
    """
    problems = [*_sign(lender), *_coverage(templates, rules)]
    for folder in templates.folders.values():
        problems += _folder(templates, folder, settings, rules)
    rows = [(each.code, "", each.place, each.value, each.message) for each in dict.fromkeys(problems)]
    rows.sort(key=lambda row: (row[2], row[0], row[3]))
    return pd.DataFrame(rows, columns=list(FINDINGS)).astype(dict(FINDINGS))


def _sign(lender: Lender) -> Iterator[LintFinding]:
    if not lender.sign.strip():
        yield LintFinding(
            "missing_sign", "lender.sign", "", "every message must name the lender; set lender.sign"
        )
    elif set(lender.sign) & set("【】[]"):
        yield LintFinding(
            "sign_brackets",
            "lender.sign",
            lender.sign,
            "write the sign without brackets; they are added by language",
        )


def _coverage(templates: TemplateSet, rules: Sequence[LintRule]) -> Iterator[LintFinding]:
    """Templates that a rule needs and nobody wrote, or that exist in some languages only."""
    wanted = {(rule.template, str(rule.channel)): rule.notice for rule in rules}
    for template, channel in sorted({*wanted, *_written(templates)}):
        name = f"{template}.{channel}.j2"
        missing = [tag for tag, folder in templates.folders.items() if not folder.file_of(template, channel)]
        if len(missing) == len(templates.folders):
            notice = wanted[template, channel]
            yield LintFinding(
                "missing_template",
                name,
                notice,
                f"the rule `{notice}` needs it; write it or correct the rule",
            )
            continue
        for tag in missing:
            found = templates.find(template, tag, channel)
            if isinstance(found, CompiledTemplate):
                message = f"is not written yet; its notices fall back to {found.path}"
                yield LintFinding(FALLS_BACK, f"{tag}/{name}", found.language, message)
                continue
            message = "exists in other languages but not in this one; translate it, or remove the language"
            yield LintFinding("missing_language", f"{tag}/{name}", tag, message)


def _written(templates: TemplateSet) -> set[tuple[str, str]]:
    return {
        (_parsed(name)[0], str(_parsed(name)[1]))
        for folder in templates.folders.values()
        for name in folder.sources
        if not name.startswith("_")
    }


def _folder(
    templates: TemplateSet, folder: LanguageFolder, settings: MessagesSettings, rules: Sequence[LintRule]
) -> Iterator[LintFinding]:
    for name, reason in folder.problems.items():
        yield LintFinding("template_file", f"{folder.language}/{name}:1", "", reason)
    try:
        templates.environment(folder.language, Channel.SMS)
    except ValueError as error:
        yield LintFinding("unknown_language", folder.language, folder.language, str(error))
        return
    for name in folder.sources:
        yield from _file(templates, folder, name, settings, rules)


def _file(
    templates: TemplateSet,
    folder: LanguageFolder,
    name: str,
    settings: MessagesSettings,
    rules: Sequence[LintRule],
) -> Iterator[LintFinding]:
    path = f"{folder.language}/{name}"
    shared = name.startswith("_")
    template, channel = _parsed(name)
    mine = [rule for rule in rules if (rule.template, rule.channel) == (template, channel)]
    classes = frozenset(rule.message_class for rule in mine)
    environment = templates.environment(folder.language, channel)
    problems = [*read_names(environment, name, path)]
    yield from problems
    if any(problem.code == "syntax_error" for problem in problems):
        return
    worded = [*read_words(environment, name, path, settings, classes)]
    yield from worded
    if not shared:
        others = any(rule.to_others for rule in mine)
        subject = LintText(path, folder.language, channel, classes, folder.sources[name], others)
        told = {(problem.code, problem.value) for problem in worded}
        found = check_texts(
            subject, render_variants(templates, template, subject, settings), templates.lender, settings
        )
        yield from (problem for problem in found if (problem.code, problem.value) not in told)


def _parsed(name: str) -> tuple[str, Channel]:
    """Template and channel of a file; a file of shared wording belongs to no template."""
    if name.startswith("_"):
        return "", Channel.SMS
    template, channel, _ = name.split(".")
    return template, Channel(channel)
