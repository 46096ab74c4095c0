"""The Tencent adapters at a server of the test's own, and ways in which a server can fail."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from pytest_httpserver import HTTPServer

from carloan_notify.delivery.provider import Inquiry
from carloan_notify.delivery.providers.tencent.sms import TencentSms, TencentVoice
from carloan_notify.records import Channel
from tests.unit.delivery.providers.tencent import NOW, sms_settings, voice_settings

INQUIRY = Inquiry("M" * 26, Channel.SMS, "s", NOW - timedelta(hours=1), "+12025550100")


def at(server: HTTPServer | str, **changes: Any) -> TencentSms:
    url = server if isinstance(server, str) else server.url_for("/")
    return TencentSms("t", sms_settings(base_url=url, **changes), clock=lambda: NOW)


def call_at(server: HTTPServer) -> TencentVoice:
    return TencentVoice("v", voice_settings(base_url=server.url_for("/")), clock=lambda: NOW)


@contextmanager
def listening(meet: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that reads a request and then does as told."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                meet(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join(2)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hang(_: socket.socket) -> None:
    time.sleep(0.5)
