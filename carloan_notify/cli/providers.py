"""`providers`: what is configured, and one test message."""

import sys

import click

from carloan_notify import errors
from carloan_notify.cli.options import format_option, open_house


@click.group()
def command() -> None:
    """List the configured providers or send one test message.

    \b
    Example:
      carloan-notify providers list
    """


@command.command(name="list")
@format_option
@click.pass_context
def list_providers(ctx: click.Context, form: str) -> None:
    """List the configured providers: channels, place in line, batch limit, receipts, look-up.

    \b
    Example:
      carloan-notify providers list --format json
    """
    from carloan_notify.pipeline.trying import provider_rows
    from carloan_notify.reports.tables import print_rows

    print_rows(provider_rows(open_house(ctx)), sys.stdout, form)


@command.command()
@click.argument("name")
@click.option("--to", "phone", required=True, help="A number of your own, in E.164.")
@click.option("--channel", type=click.Choice(["sms", "voice"]), default="sms", show_default=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
@format_option
@click.pass_context
def test(ctx: click.Context, name: str, phone: str, channel: str, yes: bool, form: str) -> None:
    """Send one real message through provider NAME, after a confirmation. It is audited.

    \b
    Example:
      carloan-notify providers test main --to +8613800138000
    """
    from carloan_notify.pipeline.trying import try_provider
    from carloan_notify.reports.tables import print_rows

    if not yes:
        click.confirm(f"Send one real {channel} message through {name}?", abort=True, err=True)
    row = try_provider(open_house(ctx), name, phone, channel)
    print_rows([row], sys.stdout, form)
    ctx.exit(errors.EXIT_OK if row["outcome"] == "accepted" else errors.EXIT_FAILED_ITEMS)
