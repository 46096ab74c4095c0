"""`policy`: the law that binds a loan, and what it does to the ladder."""

import sys
from datetime import date, datetime
from typing import Any

import click

from carloan_notify import errors
from carloan_notify.cli.main import LoanId, as_of_option, format_option, now_option, open_app


@click.group()
def policy_command() -> None:
    """Show the law that binds a loan; tell what presets do to the ladder.

    \b
    Example:
      carloan-notify policy lint
    """


@policy_command.command()
@click.option("--loan", "loan_id", type=LoanId(), default="", help="What binds the people of this loan.")
@as_of_option
@now_option
@click.option("--language", type=click.Choice(["en", "zh"]), default="en", show_default=True)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.pass_context
def show(
    ctx: click.Context, loan_id: str, as_of: date | None, now: datetime | None, language: str, form: str
) -> None:
    """Presets, hours, caps and days without contact, each with its source; of a loan, with what is used up.

    \b
    Example:
      carloan-notify policy show
      carloan-notify policy show --loan AD2026000001 --language zh
    """
    from carloan_notify.pipeline.policy import show_policy
    from carloan_notify.reports.tables import print_json

    app = open_app(ctx, now)
    told = show_policy(app, loan_id, as_of or app.business_date())
    if form == "json":
        print_json(told, sys.stdout)
        return
    for one in told["people"]:
        _print_law(one, language)


def _print_law(one: dict[str, Any], language: str) -> None:
    """One person's law as tables; a source stands once, below the hours that are made of it."""
    from carloan_notify.pipeline.policy import sections
    from carloan_notify.reports.tables import print_rows
    from carloan_notify.words import Word, word

    where = "-".join(filter(None, [one["country"], one["region"]])) or "?"
    click.echo(Word.LAW_OF.sentence(language).format(who=word(one["who"], language), where=where))
    for name, rows in sections(one, language):
        worded = [
            {word(key, language): word(str(cell), language) for key, cell in row.items()} for row in rows
        ]
        print_rows(worded, sys.stdout, "table", title=word(name, language))


@policy_command.command()
@click.option("--preset", "names", multiple=True, help="Try this preset, configured or not; may be repeated.")
@now_option
@click.option("--language", type=click.Choice(["en", "zh"]), default="en", show_default=True)
@format_option
@click.pass_context
def lint(ctx: click.Context, names: tuple[str, ...], now: datetime | None, language: str, form: str) -> None:
    """Stages of the ladder that a preset holds back, and where the policy is looser; reads no export.

    Looks at the presets of the configuration, at all there are where it names none. Exits with 1 where a stage is
    always late or never told, or where a text or the lexicon lacks what a preset asks for.

    \b
    Example:
      carloan-notify policy lint
      carloan-notify policy lint --preset au --preset us-ma
    """
    from carloan_notify.errors import ConfigError
    from carloan_notify.pipeline.policy_lint import COLUMNS, is_fatal, lint_policy
    from carloan_notify.reports.tables import print_rows

    app = open_app(ctx, now)
    try:
        rows = lint_policy(app, names, language)
    except ValueError as error:
        raise ConfigError([str(error)]) from None
    print_rows(rows, sys.stdout, form, columns=COLUMNS)
    ctx.exit(errors.EXIT_FAILED_ITEMS if is_fatal(rows) else errors.EXIT_OK)
