"""Connections that note when the first byte of a request leaves and end with its time, and their pools.

Only what was certainly not sent may be sent again, so this question decides about messages told twice. The
adapter also leaves out what `requests` does for others with every request: cookies, and parsing the address four times.
"""

import io
import socket
import threading
import time
from http.client import HTTPResponse
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import ConnectionPool

MOST_POOLS: Final = 8
"""Addresses of one provider: for sending, asking later and receipts, perhaps a second region."""
_thread: Final = threading.local()


def begin(within_s: float) -> None:
    """This thread begins a request, whose whole answer has to come within so many seconds."""
    _thread.left = False
    _thread.until = time.monotonic() + within_s


def has_left() -> bool:
    """Whether a byte of this thread's request has left since `begin`."""
    return bool(_thread.left)


class _TimedReader(io.RawIOBase):
    """Reads a socket, each time for no longer than the request has left.

    The socket's own time-out begins anew with every byte: a server that drips them would hold a thread for ever.
    """

    def __init__(self, sock: socket.socket, until: float) -> None:
        self._sock, self._until = sock, until
        self._hold = sock.makefile("rb", buffering=0)  # the socket stays open until its last reader closes
        self._longest = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 - any buffer
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        if self._longest is None or left < self._longest:
            self._sock.settimeout(left)
        return self._sock.recv_into(buffer)

    def close(self) -> None:
        self._hold.close()
        super().close()


class _TimedResponse(HTTPResponse):
    """An answer whose head and body have to come in time."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the signature of http.client
        super().__init__(_Timed(sock), *args, **kwargs)  # type: ignore[arg-type] # all it asks of a socket is makefile


class _Timed:
    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._sock, _thread.until))


class _MarkingConnection(HTTPConnection):
    """Notes when the first byte of a request leaves; connecting and the TLS handshake come before.

    Head and body leave together: half as many packets, and the other threads are not waited for in between.
    """

    response_class = _TimedResponse
    debuglevel = 0  # whatever a program sets for http.client: it would print whole requests
    _held: list[bytes] | None = None

    def request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the signature of urllib3
        """Write head and body, then let them go."""
        held = self._held = []
        try:
            super().request(*args, **kwargs)
        finally:
            self._held = None
        self.send(b"".join(held))

    def send(self, data: Any) -> None:  # noqa: ANN401 - the signature of http.client
        """Connect first, then note, then send."""
        if self._held is not None:
            self._held.append(data)
            return
        if self.sock is None:
            self.connect()
        _thread.left = True
        super().send(data)


class _MarkingTLSConnection(_MarkingConnection, HTTPSConnection):
    """The same under TLS."""


class _MarkingHTTPPool(HTTPConnectionPool):
    ConnectionCls = _MarkingConnection


class _MarkingHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _MarkingTLSConnection


class MarkingAdapter(HTTPAdapter):
    """What a session mounts. The pool of an address is looked up once, not with every request."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the signature of requests
        """As it was, with pools of our own."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _MarkingHTTPPool, "https": _MarkingHTTPSPool}
        self._pools: dict[tuple[str, Any], ConnectionPool] = {}

    def get_connection_with_tls_context(
        self,
        request: requests.PreparedRequest,
        verify: Any,  # noqa: ANN401 - the signature of requests
        proxies: Any = None,  # noqa: ANN401 - same
        cert: Any = None,  # noqa: ANN401 - same
    ) -> ConnectionPool:
        """The pool of the request's address; proxies and client certificates are not remembered."""
        if proxies or cert:
            return super().get_connection_with_tls_context(request, verify, proxies, cert)
        place = (_origin(request.url or ""), verify)
        pool = self._pools.get(place)
        if pool is None:
            if len(self._pools) >= MOST_POOLS:
                self._pools.clear()
            pool = self._pools[place] = super().get_connection_with_tls_context(request, verify)
        return pool

    def close(self) -> None:
        """Forget every connection."""
        self._pools.clear()
        super().close()

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:  # noqa: ANN401 - same
        """Path and query."""
        if proxies:
            return super().request_url(request, proxies)
        url = request.url or ""
        return url[len(_origin(url)) :].partition("#")[0]

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:  # noqa: ANN401 - same
        """Status, headers and the unread body; no cookies are taken."""
        response = requests.Response()
        response.status_code, response.reason = resp.status, resp.reason
        response.headers = CaseInsensitiveDict(resp.headers)
        response.raw = resp
        response.url, response.request = req.url or "", req
        return response


def _origin(url: str) -> str:
    """`scheme://host:port` of a prepared address, which has a path."""
    return url[: url.index("/", url.index("://") + 3)]
