"""`links`: the one-tap links of messages, and the page behind them."""

import getpass
import sys
from datetime import datetime

import click

from carloan_notify import errors
from carloan_notify.cli.main import format_option, now_option, open_app


@click.group()
def links_command() -> None:
    """Check the links of messages, serve the page behind them, and change their key.

    \b
    Example:
      carloan-notify links verify gaYl-ObEhdUzA4Kl
    """


@links_command.command()
@click.argument("token")
@click.option("--language", default="en", show_default=True, help="Language of what is said: zh or en.")
@now_option
@format_option
@click.pass_context
def verify(ctx: click.Context, token: str, language: str, now: datetime | None, form: str) -> None:
    """Show what TOKEN (or a whole link) proves, to whom and until when; exits with 1 if it is not valid.

    Name and number are masked. docs/links.md tells how to check tokens in code of your own.

    \b
    Example:
      carloan-notify links verify https://pay.example.com/p/gaYl-ObEhdUzA4Kl --format json
    """
    from carloan_notify.pipeline.links import verify_token
    from carloan_notify.reports.tables import print_rows

    found = verify_token(open_app(ctx, now), token, language)
    print_rows([found], sys.stdout, form)
    ctx.exit(errors.EXIT_OK if found["valid"] else errors.EXIT_FAILED_ITEMS)


@links_command.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of this machine to listen at.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8081, show_default=True, help="Port; 0 takes a free one."
)
@click.pass_context
def serve(ctx: click.Context, host: str, port: int) -> None:
    """Serve the page behind the links, until stopped. Speaks plain HTTP: put a proxy with HTTPS before it.

    \b
    Example:
      carloan-notify links serve --port 8081
    """
    from carloan_notify.cli.main import start_talking
    from carloan_notify.cli.returns import serve as serve_application
    from carloan_notify.pipeline.link_page import application

    serve_application(application(start_talking(ctx)), host, port, "links serve")


@links_command.command()
@click.pass_context
def rotate(ctx: click.Context) -> None:
    """Make a new key for links. Links that are on their way stay valid until they expire; audited.

    Copy the key file anew to wherever else tokens are checked, and do so before the next `run`.

    \b
    Example:
      carloan-notify links rotate
    """
    from carloan_notify.pipeline.links import rotate_key

    path, earlier = rotate_key(open_app(ctx), getpass.getuser())
    click.echo(f"{path}: a new key signs links; {earlier} earlier ones are believed until their links expire")
