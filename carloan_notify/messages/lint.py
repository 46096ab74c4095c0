"""Check every template before a night depends on it: `templates lint`.

Each file is read for its syntax, its names and its words (`lint_source`), then rendered for an ordinary and
for the longest plausible recipient in every role, and the texts are checked as their recipients would see
them (`lint_text`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from carloan_notify.frames import FINDINGS
from carloan_notify.messages.folder import LanguageFolder
from carloan_notify.messages.lint_source import Problem, read_names, read_words
from carloan_notify.messages.lint_text import LintText, check_texts, render_variants
from carloan_notify.messages.render import TemplateSet
from carloan_notify.messages.settings import MessagesSettings
from carloan_notify.records import Channel, Lender, MessageClass


@dataclass(frozen=True, slots=True)
class LintRule:
    """What a notice rule asks of a template."""

    notice: str
    template: str
    channel: Channel
    message_class: MessageClass


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


def _sign(lender: Lender) -> Iterator[Problem]:
    if not lender.sign.strip():
        yield Problem(
            "missing_sign", "lender.sign", "", "every message must name the lender; set lender.sign"
        )
    elif set(lender.sign) & set("【】[]"):
        yield Problem(
            "sign_brackets",
            "lender.sign",
            lender.sign,
            "write the sign without brackets; they are added by language",
        )


def _coverage(templates: TemplateSet, rules: Sequence[LintRule]) -> Iterator[Problem]:
    """Templates that a rule needs and nobody wrote, or that exist in some languages only."""
    wanted = {(rule.template, str(rule.channel)): rule.notice for rule in rules}
    for template, channel in sorted({*wanted, *_written(templates)}):
        name = f"{template}.{channel}.j2"
        missing = [tag for tag, folder in templates.folders.items() if not folder.file_of(template, channel)]
        if len(missing) == len(templates.folders):
            notice = wanted[template, channel]
            yield Problem(
                "missing_template",
                name,
                notice,
                f"the rule `{notice}` needs it; write it or correct the rule",
            )
            continue
        for tag in missing:
            message = "exists in other languages but not in this one; translate it, or remove the language"
            yield Problem("missing_language", f"{tag}/{name}", tag, message)


def _written(templates: TemplateSet) -> set[tuple[str, str]]:
    return {
        (_parsed(name)[0], str(_parsed(name)[1]))
        for folder in templates.folders.values()
        for name in folder.sources
        if not name.startswith("_")
    }


def _folder(
    templates: TemplateSet, folder: LanguageFolder, settings: MessagesSettings, rules: Sequence[LintRule]
) -> Iterator[Problem]:
    for name, reason in folder.problems.items():
        yield Problem("template_file", f"{folder.language}/{name}:1", "", reason)
    try:
        templates.environment(folder.language, Channel.SMS)
    except ValueError as error:
        yield Problem("unknown_language", folder.language, folder.language, str(error))
        return
    for name in folder.sources:
        yield from _file(templates, folder, name, settings, rules)


def _file(
    templates: TemplateSet,
    folder: LanguageFolder,
    name: str,
    settings: MessagesSettings,
    rules: Sequence[LintRule],
) -> Iterator[Problem]:
    path = f"{folder.language}/{name}"
    shared = name.startswith("_")
    template, channel = _parsed(name)
    classes = frozenset(r.message_class for r in rules if (r.template, r.channel) == (template, channel))
    environment = templates.environment(folder.language, channel)
    problems = [*read_names(environment, name, path)]
    yield from problems
    if any(problem.code == "syntax_error" for problem in problems):
        return
    worded = [*read_words(environment, name, path, settings, classes)]
    yield from worded
    if not shared:
        subject = LintText(path, folder.language, channel, classes, folder.sources[name])
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
