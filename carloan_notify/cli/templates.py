"""`templates`: for those who write them."""

import sys
from pathlib import Path
from typing import Any, Final

import click

from carloan_notify import errors
from carloan_notify.cli.main import format_option, open_app


@click.group()
def templates_command() -> None:
    """List, lint and show templates; count segments.

    \b
    Example:
      carloan-notify templates lint
    """


@templates_command.command(name="list")
@click.option("--variables", is_flag=True, help="List what a template may say instead.")
@format_option
@click.pass_context
def list_templates(ctx: click.Context, variables: bool, form: str) -> None:
    """Every template with its version, parts and price; or every variable, for our own or approved templates.

    Parts and price: of a message to an ordinary borrower, and of the dearest plausible one (a long name, long amounts).

    \b
    Example:
      carloan-notify templates list --format csv
      carloan-notify templates list --variables
    """
    from carloan_notify.pipeline.templates import template_rows, variable_rows
    from carloan_notify.reports.tables import print_rows

    if variables:
        print_rows(variable_rows(), sys.stdout, form)
        return
    columns = ("notice", "channel", "language", "version", "parts", "most_parts", "price", "most_price")
    print_rows(template_rows(open_app(ctx)), sys.stdout, form, columns=columns)


@templates_command.command()
@click.option("--provider", metavar="NAME", help="Check this provider's approved templates instead.")
@click.option(
    "--approved",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Approved texts as its console exports them, CSV or JSON with code and text; they replace `text`.",
)
@click.option(
    "--variable-limit",
    type=click.IntRange(min=1),
    help="Most characters of a variable in your account, where it is not the published number.",
)
@format_option
@click.pass_context
def lint(
    ctx: click.Context, provider: str | None, approved: Path | None, variable_limit: int | None, form: str
) -> None:
    """Check every template; exits with 1 if there is a finding.

    With --provider: fill its approved texts with sample values, compare them with our own, and check them
    against the provider's rules.

    \b
    Example:
      carloan-notify templates lint
      carloan-notify templates lint --provider main --approved export.csv
    """
    if provider is None and (approved or variable_limit):
        raise click.UsageError("--approved and --variable-limit go with --provider NAME")
    if provider is None:
        findings, columns = _own_findings(ctx)
    else:
        findings, columns = _approved_findings(ctx, provider, approved, variable_limit, form)
    from carloan_notify.reports.tables import print_rows

    print_rows(findings, sys.stdout, form, columns=columns)
    ctx.exit(errors.EXIT_FAILED_ITEMS if findings else errors.EXIT_OK)


def _own_findings(ctx: click.Context) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    from carloan_notify.pipeline.templates import lint_templates

    return lint_templates(open_app(ctx)), ("code", "place", "message")


def _approved_findings(
    ctx: click.Context, provider: str, approved: Path | None, variable_limit: int | None, form: str
) -> tuple[list[dict[str, str]], tuple[str, ...]]:
    """The findings; in a table both texts stand below the message, where a column each would be too narrow."""
    from carloan_notify.pipeline.templates import FINDING_COLUMNS, lint_approved

    findings = lint_approved(open_app(ctx), provider, approved, variable_limit)
    if form != "table":
        return findings, FINDING_COLUMNS
    for row in findings:
        if row["ours"]:
            row["message"] += f"\nours:     {row['ours']}\napproved: {row['approved']}"
    return findings, ("code", "place", "message")


@templates_command.command()
@click.argument("notice")
@click.option("--channel", type=click.Choice(["sms", "voice"]), default="sms", show_default=True)
@click.option("--language", help="BCP 47, such as zh-CN; the default language if left out.")
@click.pass_context
def show(ctx: click.Context, notice: str, channel: str, language: str | None) -> None:
    """Render one template with sample values.

    \b
    Example:
      carloan-notify templates show due_today --language en
    """
    from carloan_notify.pipeline.templates import show_template

    click.echo(show_template(open_app(ctx), notice, channel, language))


# What templates said on earlier nights.


@templates_command.command()
@click.argument("name", required=False, default="")
@format_option
@click.pass_context
def history(ctx: click.Context, name: str, form: str) -> None:
    """Every wording that ever left, by template and version, with the first and the last night that used it.

    NAME is a notice (due_today), or a file of the folder (zh-CN/due_today.sms.j2). JSON holds the texts too, with
    the shared parts of their language.

    \b
    Example:
      carloan-notify templates history due_today
      carloan-notify templates history zh-CN/due_today.sms.j2 --format json
    """
    from carloan_notify.pipeline.template_history import HISTORY_COLUMNS, history_rows
    from carloan_notify.reports.tables import print_rows

    columns = () if form == "json" else HISTORY_COLUMNS
    print_rows(history_rows(open_app(ctx), name), sys.stdout, form, columns=columns)


@templates_command.command()
@click.argument("name", required=False, default="")
@click.option("--from", "since", default="", metavar="VERSION", help="Compare this version of NAME.")
@click.option("--to", "until", default="", metavar="VERSION", help="With this one; the folder if left out.")
@click.option("--format", "form", type=click.Choice(["diff", "json"]), default="diff", show_default=True)
@click.pass_context
def diff(ctx: click.Context, name: str, since: str, until: str, form: str) -> None:
    """What has changed in the templates since the last night that used each, as a unified diff.

    A version is named by its first digits, four or more. A shared part that has changed is shown once.

    \b
    Example:
      carloan-notify templates diff
      carloan-notify templates diff due_today --from 3f9a --to 81c2
    """
    from carloan_notify.pipeline.template_history import changes
    from carloan_notify.reports.tables import print_json

    found = changes(open_app(ctx), name, since, until)
    if form == "json":
        rows = [change.as_row() for change in found.files]
        print_json({"files": rows, "never_used": found.never_used, "gone": found.gone}, sys.stdout)
        return
    for change in found.files:
        for line in change.lines:
            click.echo(click.style(line, fg=_COLOURS.get(line[:1])))
        click.echo(f"# words {', '.join(change.templates)}")
    for state, paths in (("never used yet", found.never_used), ("no longer in the folder", found.gone)):
        if paths:
            click.echo(f"# {state}: {', '.join(paths)}")
    if not found.files:
        click.echo("# nothing has changed in what was used")


_COLOURS: Final = {"+": "green", "-": "red", "@": "cyan"}


@templates_command.command()
@click.argument("text")
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "csv"]), default="json", show_default=True
)
def segments(text: str, form: str) -> None:
    """Count the encoding, units and segments of TEXT; `-` reads standard input, less one line end at its end.

    \b
    Example:
      carloan-notify templates segments '【安达车贷】您好' --format json
    """
    from carloan_notify.gsm import count_segments
    from carloan_notify.reports.tables import print_json, print_rows

    counted = count_segments(sys.stdin.read().removesuffix("\n") if text == "-" else text)
    row = {"encoding": counted.encoding, "units": counted.units, "segments": counted.segments}
    if form == "json":
        print_json(row, sys.stdout)
    else:
        print_rows([row], sys.stdout, form)
