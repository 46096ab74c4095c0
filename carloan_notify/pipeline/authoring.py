"""For those who write templates: list, lint, show."""

from typing import Any

from carloan_notify.errors import ConfigError
from carloan_notify.messages.context import VARIABLES
from carloan_notify.messages.lint import LintRule, lint
from carloan_notify.messages.parameters import DERIVED, OURS_ONLY
from carloan_notify.messages.render import RenderFailure
from carloan_notify.messages.samples import sample_context
from carloan_notify.pipeline.build import House


def template_rows(house: House) -> list[dict[str, Any]]:
    """One row per template: notice, channel, language, version."""
    return [
        {
            "notice": name.split(".")[0],
            "channel": name.split(".")[1],
            "language": tag,
            "version": folder.version(name),
        }
        for tag, folder in house.templates().folders.items()
        for name in sorted(folder.sources)
        if not name.startswith("_")
    ]


def variable_rows() -> list[dict[str, str]]:
    """One row per value that a template may use: variable, for (ours, approved, both), meaning."""
    rows = []
    for name, meaning in {**VARIABLES, **DERIVED}.items():
        use = "ours" if name in OURS_ONLY else "approved" if name in DERIVED else "both"
        rows.append({"variable": name, "for": use, "meaning": meaning})
    return rows


def lint_templates(house: House) -> list[dict[str, Any]]:
    """Findings about the templates and the rules that need them: code, place, message."""
    rules = [
        LintRule(
            notice=rule.notice,
            template=rule.template_name,
            channel=rule.channel,
            message_class=rule.message_class,
        )
        for rule in house.settings.rules
    ]
    found = lint(house.templates(), house.settings.messages, house.lender, rules)
    return [{str(name): value for name, value in row.items()} for row in found.to_dict("records")]


def show_template(house: House, notice: str, channel: str, language: str | None) -> str:
    """The text of one template with sample values.

    Raises:
        ConfigError: there is no such template, or it cannot be rendered.
    """
    tag = language or house.settings.messages.default_language
    rendered = house.templates().render(notice, tag, channel, sample_context(tag))
    if isinstance(rendered, RenderFailure):
        raise ConfigError([rendered.message])
    return rendered.text
