"""`templates`: for those who write them."""

import sys

import click

from carloan_notify import errors
from carloan_notify.cli.options import format_option, open_house


@click.group()
def command() -> None:
    """List, lint and show templates; count segments.

    \b
    Example:
      carloan-notify templates lint
    """


@command.command(name="list")
@format_option
@click.pass_context
def list_templates(ctx: click.Context, form: str) -> None:
    """Every template: notice, channel, language, version.

    \b
    Example:
      carloan-notify templates list --format csv
    """
    from carloan_notify.pipeline.authoring import template_rows
    from carloan_notify.reports.tables import print_rows

    print_rows(
        template_rows(open_house(ctx)), sys.stdout, form, columns=("notice", "channel", "language", "version")
    )


@command.command()
@format_option
@click.pass_context
def lint(ctx: click.Context, form: str) -> None:
    """Check every template; exits with 1 if there is a finding.

    \b
    Example:
      carloan-notify templates lint
    """
    from carloan_notify.pipeline.authoring import lint_templates
    from carloan_notify.reports.tables import print_rows

    findings = lint_templates(open_house(ctx))
    print_rows(findings, sys.stdout, form, columns=("code", "place", "message"))
    ctx.exit(errors.EXIT_FAILED_ITEMS if findings else errors.EXIT_OK)


@command.command()
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
    from carloan_notify.pipeline.authoring import show_template

    click.echo(show_template(open_house(ctx), notice, channel, language))


@command.command()
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
    from carloan_notify.messages.segments import count_segments
    from carloan_notify.reports.tables import print_json, print_rows

    counted = count_segments(sys.stdin.read().removesuffix("\n") if text == "-" else text)
    row = {"encoding": counted.encoding, "units": counted.units, "segments": counted.segments}
    if form == "json":
        print_json(row, sys.stdout)
    else:
        print_rows([row], sys.stdout, form)
