"""`providers`: what is configured, whether it is in order, and one test message."""

import sys

import click

from carloan_notify import errors
from carloan_notify.cli.main import format_option, open_app


@click.group()
def providers_command() -> None:
    """List the configured providers, check them without sending, or send one test message.

    \b
    Example:
      carloan-notify providers check
    """


@providers_command.command(name="list")
@format_option
@click.pass_context
def list_providers(ctx: click.Context, form: str) -> None:
    """List the configured providers: channels, place in line, batch limit, receipts, look-up, bounded delivery.

    `bounds_delivery` no: such a provider cannot be told until when a message may arrive, so none leaves through
    it in the last `delivery.hold_back_minutes` of its hours.

    \b
    Example:
      carloan-notify providers list --format json
    """
    from carloan_notify.pipeline.providers import provider_rows
    from carloan_notify.reports.tables import print_rows

    print_rows(provider_rows(open_app(ctx)), sys.stdout, form)


@providers_command.command()
@click.argument("names", nargs=-1)
@format_option
@click.pass_context
def check(ctx: click.Context, names: tuple[str, ...], form: str) -> None:
    """Look at credentials, clock, signs and templates without sending: all providers, or NAMES. 1 if any is wrong.

    \b
    Example:
      carloan-notify providers check main --format json
    """
    from carloan_notify.pipeline.providers import CHECK_COLUMNS, check_providers
    from carloan_notify.reports.tables import print_rows

    rows = check_providers(open_app(ctx), names)
    print_rows(rows, sys.stdout, form, columns=CHECK_COLUMNS)
    wrong = any(row["verdict"] == "wrong" for row in rows)
    ctx.exit(errors.EXIT_FAILED_ITEMS if wrong else errors.EXIT_OK)


@providers_command.command()
@click.argument("name")
@click.option("--to", "phone", required=True, help="A number of your own, in E.164.")
@click.option("--channel", type=click.Choice(["sms", "voice"]), default="sms", show_default=True)
@click.option(
    "--notice", default="", help="This notice with sample values; needed where templates are approved."
)
@click.option("--language", default="", help="Its language; the default one if left out.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@format_option
@click.pass_context
def test(
    ctx: click.Context, name: str, phone: str, channel: str, notice: str, language: str, yes: bool, form: str
) -> None:
    """Send one real message through provider NAME, after a confirmation. Audited before and after.

    Refused while the kill-switch file is there.

    \b
    Example:
      carloan-notify providers test main --to +8613800138000 --notice due_today
    """
    from carloan_notify.pipeline.providers import Wanted, try_provider
    from carloan_notify.records import Channel
    from carloan_notify.reports.tables import print_rows

    if not yes:
        click.confirm(f"Send one real {channel} message through {name}?", abort=True, err=True)
    row = try_provider(open_app(ctx), name, phone, Wanted(Channel(channel), notice, language))
    print_rows([row], sys.stdout, form)
    ctx.exit(errors.EXIT_OK if row["outcome"] == "accepted" else errors.EXIT_FAILED_ITEMS)
