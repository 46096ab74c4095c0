"""`receipts listen`: serve the address that providers push to."""

import logging
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click

from carloan_notify.errors import ConfigError

if TYPE_CHECKING:
    from carloan_notify.inbound.listen import Listener
    from carloan_notify.inbound.settings import ListenSettings


def serve(app: "Listener", settings: "ListenSettings", host: str, port: int) -> None:
    """Serve until SIGTERM or Ctrl-C; what is being taken is finished first.

    Raises:
        ConfigError: the extra `web` is not installed, or the port is taken.
    """
    server = make_server(app, settings, host, port)
    bound = getattr(server, "effective_port", port)  # a name such as localhost binds two sockets and has none
    click.echo(f"listening at http://{host}:{bound}; Ctrl-C ends it", err=True)
    signal.signal(signal.SIGTERM, _end)
    try:
        server.run()
    finally:
        server.close()


def make_server(app: "Listener", settings: "ListenSettings", host: str, port: int) -> Any:  # noqa: ANN401 - waitress ships no types
    """The server, bound and not yet running. Bodies stay in memory: they hold personal data."""
    try:
        import waitress
    except ImportError:
        raise ConfigError(
            ['receipts listen: needs the extra `web`; install it: pip install "carloan-notify[web]"']
        ) from None
    from carloan_notify.inbound.listen import LONGEST_HEADERS

    logging.getLogger("waitress").setLevel(logging.CRITICAL)  # its warnings quote what strangers send
    try:
        return waitress.create_server(
            app,
            host=host,
            port=port,
            threads=settings.threads,
            channel_timeout=settings.idle_timeout_s,
            max_request_body_size=settings.body_limit_bytes + 1,  # it refuses what reaches its limit
            max_request_header_size=LONGEST_HEADERS,
            inbuf_overflow=2 * settings.body_limit_bytes,
            ident=None,
        )
    except OSError as error:
        raise ConfigError(
            [f"receipts listen: cannot listen at {host}:{port} ({error.strerror}); choose another --port"]
        ) from None


def _end(_signal: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)
