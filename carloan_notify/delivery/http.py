"""One pooled HTTP session, and the one question that matters after a fault: had the request left?

A request is prepared here and goes straight to the session's adapter: cookies, redirects, hooks and the environment's
proxies are not wanted, and cost (benchmarks/delivery_throughput.py).
"""

import io
import logging
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http.client import HTTPResponse
from typing import Any, ClassVar, Final
from xml.etree import ElementTree as ET

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import check_header_validity
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import ConnectionPool
from urllib3.exceptions import HTTPError

from carloan_notify.records import Outcome
from carloan_notify.unit_of_work import forbid_open_write

# Connections that note when the first byte of a request leaves and end with its time, and their pools.
#
# Only what was certainly not sent may be sent again, so this question decides about messages told twice. The
# adapter also leaves out what `requests` does for others with every request: cookies, and parsing the address
# four times.

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


LONGEST_ANSWER: Final = 4 * 1024 * 1024
"""Bytes; a longer answer is not an answer to a message."""


@dataclass(frozen=True, slots=True)
class WireRequest:
    """A request as it goes out. Headers and body hold secrets and personal data, so they never show."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class WireAnswer:
    """A complete answer, whatever its status."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def ok(self) -> bool:
        """Whether the status says yes."""
        return self.status in SUCCESS

    @property
    def code(self) -> str:
        """The status as a code."""
        return f"http_{self.status}"


@dataclass(frozen=True, slots=True)
class WireFault:
    """No complete answer. UNKNOWN: it may have arrived; RETRYABLE and REJECTED: no byte had left."""

    outcome: Outcome
    code: str
    ok: ClassVar[bool] = False
    headers: ClassVar[Mapping[str, str]] = {}
    body: ClassVar[bytes] = b""


SUCCESS: Final = range(200, 300)
REFUSED_BY_HTTP: Final[Mapping[int, Outcome]] = {
    401: Outcome.ACCOUNT,
    402: Outcome.ACCOUNT,
    403: Outcome.ACCOUNT,
    429: Outcome.THROTTLED,
}
"""RFC 9110 §15.5 and RFC 6585 §4: the server says it did not act. 5xx says nothing of the kind."""


def retry_after(headers: Mapping[str, str], now: datetime) -> float:
    """Seconds that `Retry-After` asks for (RFC 9110 §10.2.3: a number or a date), else 0."""
    value = headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, (web_date(value) - now).total_seconds())
    except ValueError:
        return 0.0


class _Silence(logging.Filter):
    """Lets nothing pass. At DEBUG urllib3 writes addresses, which hold numbers and credentials."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - the signature of logging
        return False


_SILENCE: Final = _Silence()


def _silence() -> None:
    """Silence every logger of the libraries below us, whatever levels and handlers a program sets."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in {"requests", "urllib3"}:
            logging.getLogger(name).addFilter(_SILENCE)  # adding the same filter again changes nothing


def new_session(threads: int, ca_file: str = "") -> requests.Session:
    """A session for so many threads: no retries, nothing from the environment, TLS verified, nothing logged."""
    _silence()
    session = requests.Session()
    adapter = MarkingAdapter(
        pool_connections=MOST_POOLS, pool_maxsize=threads, max_retries=0, pool_block=True
    )
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.trust_env = False
    session.verify = ca_file or True
    return session


class Wire:
    """Sends a request and tells every end it can come to. Safe for many threads."""

    def __init__(self, session: requests.Session, connect_timeout_s: float, read_timeout_s: float) -> None:
        """Time-outs in seconds; all of it has to be over within both and `read_timeout_s` once more."""
        self._session = session
        self._within_s = connect_timeout_s + 2 * read_timeout_s
        self._timeouts = (connect_timeout_s, read_timeout_s)
        self._checked = lru_cache(maxsize=8)(_checked)

    def exchange(
        self, request: WireRequest, auth: requests.auth.AuthBase | None = None
    ) -> WireAnswer | WireFault:
        """The answer, or what its absence means. Redirects are answers; they are not followed.

        `RuntimeError` inside `ledger.write()`: what was promised before must be on disk by now.
        """
        forbid_open_write()
        begin(self._within_s)
        try:
            with self._sent(request, auth) as response:
                return WireAnswer(response.status_code, response.headers, self._body(response))
        except _AnswerTooLongError:
            return WireFault(Outcome.UNKNOWN, "answer_too_long")
        except (requests.RequestException, HTTPError, OSError, UnicodeError) as error:
            return _fault(error)

    def _sent(self, request: WireRequest, auth: requests.auth.AuthBase | None) -> requests.Response:
        prepared = self._prepared(request)
        if auth is not None:
            prepared = auth(prepared)
        adapter = self._session.get_adapter(prepared.url or "")
        trusted = self._session.verify or True
        return adapter.send(prepared, stream=True, timeout=self._timeouts, verify=trusted)

    def _prepared(self, request: WireRequest) -> requests.PreparedRequest:
        for header in request.headers.items():
            check_header_validity(header)  # a folded header would pass http.client
        prepared = requests.PreparedRequest()
        prepared.method = request.method
        prepared.url = self._checked(request.url)
        prepared.headers = CaseInsensitiveDict(request.headers)
        prepared.body = request.body or None
        if prepared.body is not None:
            prepared.headers["Content-Length"] = str(len(request.body))
        return prepared

    def _body(self, response: requests.Response) -> bytes:
        """The whole body; a server that floods us is cut off."""
        chunks: list[bytes] = []
        length = 0
        while chunk := response.raw.read1(65536, decode_content=True):
            chunks.append(chunk)
            length += len(chunk)
            if length > LONGEST_ANSWER:
                raise _AnswerTooLongError
        return b"".join(chunks)


def _checked(url: str) -> str:
    """The address as it goes out: host and escapes as they should be."""
    prepared = requests.PreparedRequest()
    prepared.prepare_url(url, None)
    return prepared.url or ""


class _AnswerTooLongError(Exception):
    """The body passed its limit."""


def _fault(error: Exception) -> WireFault:
    """The fault by what had left, not by the library's name for it."""
    if not has_left() and isinstance(error, requests.exceptions.InvalidHeader | UnicodeError):
        return WireFault(Outcome.REJECTED, f"unwritable_header:{type(error).__name__}")
    if not has_left():
        return WireFault(Outcome.RETRYABLE, f"not_connected:{_innermost(error)}")
    if isinstance(error, requests.Timeout) or "timed out" in str(error).lower():
        return WireFault(Outcome.UNKNOWN, "timed_out")
    return WireFault(Outcome.UNKNOWN, f"broken_answer:{_innermost(error)}")


def _innermost(error: BaseException) -> str:
    """The class of the first cause; its text may hold an address with credentials and is left out."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return type(error).__name__


# Dates as headers and mail write them: Mon, 23 Nov 2026 01:02:03 GMT.


def web_date(text: str) -> datetime:
    """An RFC 9110 §5.6.7 or RFC 5322 date as an aware UTC instant; one without a zone is in UTC.

    Raises:
        ValueError: it is none, or one that no calendar holds.
    """
    try:
        parsed = parsedate_to_datetime(text)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise ValueError("a date that no calendar holds") from None


# XML from strangers, without the entities that can make a short text endless.


def safe_root(text: str | bytes) -> ET.Element:
    """The root element.

    Raises:
        ValueError: it is no XML (HTML, a truncated answer), or brings a document type or entities of its own.
    """
    forbidden = ("<!DOCTYPE", "<!ENTITY") if isinstance(text, str) else (b"<!DOCTYPE", b"<!ENTITY")
    if any(mark in text for mark in forbidden):  # type: ignore[operator] # both are of the text's own kind
        raise ValueError("it brings a document type")
    try:
        return ET.fromstring(text)  # noqa: S314 - no document type gets here, so there are no entities
    except ET.ParseError:
        raise ValueError("it is no XML") from None
