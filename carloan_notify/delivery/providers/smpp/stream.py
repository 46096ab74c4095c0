"""A connection that one thread reads while others write, also under TLS."""

import selectors
import socket
import ssl
import threading
from contextlib import suppress

from carloan_notify.delivery.providers.smpp.settings import SmppSettings


class Connection:
    """Octets in and out. OpenSSL does not read and write at once, so one lock serves both ways."""

    def __init__(self, connected: socket.socket) -> None:
        """Takes the socket over; its time-out bounds every write."""
        self._socket = connected
        self._lock = threading.Lock()
        self._readable = selectors.DefaultSelector()
        self._readable.register(connected, selectors.EVENT_READ)

    def send(self, octets: bytes) -> None:
        """Write all of it.

        Raises:
            OSError: not all of it was handed to the network, so the other side cannot have the whole.
        """
        with self._lock:
            self._socket.sendall(octets)

    def receive(self, wait_s: float) -> bytes | None:
        """What has come, None when nothing did in time, b"" when the other side is gone.

        Raises:
            OSError: the connection broke.
        """
        if not self._buffered() and not self._readable.select(wait_s):
            return None
        with self._lock:
            try:
                return self._socket.recv(65536)
            except (ssl.SSLWantReadError, TimeoutError):
                return None

    def close(self) -> None:
        """Whoever reads or writes at the moment gets an OSError or b""."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _buffered(self) -> bool:
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0


def connect(settings: SmppSettings) -> Connection:
    """A connection to the SMSC.

    Raises:
        OSError: it cannot be reached, or its certificate is not vouched for.
    """
    raw = socket.create_connection((settings.host, settings.port), settings.connect_timeout_s)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        connected = _secured(raw, settings) if settings.tls else raw
    except OSError:
        raw.close()
        raise
    connected.settimeout(settings.answer_timeout_s)
    return Connection(connected)


def _secured(raw: socket.socket, settings: SmppSettings) -> socket.socket:
    context = ssl.create_default_context(cafile=settings.ca_file or None)
    return context.wrap_socket(raw, server_hostname=settings.host)
