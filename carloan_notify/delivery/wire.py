"""One pooled HTTP session, and the one question that matters after a fault: had the request left?

Measured on loopback: one Session with a blocking pool and without the environment's proxies carries 1,700
requests a second, without a Session 1,080 (benchmarks/delivery_throughput.py).
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from carloan_notify.records import Outcome

LONGEST_ANSWER: Final = 4 * 1024 * 1024
"""Bytes; a longer answer is not an answer to a message."""

_thread = threading.local()


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


@dataclass(frozen=True, slots=True)
class WireFault:
    """No complete answer. UNKNOWN: it may have arrived; RETRYABLE and REJECTED: no byte had left."""

    outcome: Outcome
    code: str


class _MarkingConnection(HTTPConnection):
    """Notes when the first byte of a request leaves; connecting and the TLS handshake come before."""

    def send(self, data: Any) -> None:  # noqa: ANN401 - the signature of http.client
        """Connect first, then note, then send."""
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


class _MarkingAdapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the signature of requests
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _MarkingHTTPPool, "https": _MarkingHTTPSPool}


def new_session(threads: int, ca_file: str = "") -> requests.Session:
    """A session for so many threads: no retries, nothing from the environment, TLS verified."""
    session = requests.Session()
    adapter = _MarkingAdapter(pool_connections=4, pool_maxsize=threads, max_retries=0, pool_block=True)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.trust_env = False
    session.verify = ca_file or True
    return session


class Wire:
    """Sends a request and tells every end it can come to. Safe for many threads."""

    def __init__(self, session: requests.Session, connect_timeout_s: float, read_timeout_s: float) -> None:
        """Time-outs in seconds; the whole answer has to come within `read_timeout_s` twice over."""
        self._session = session
        self._timeouts = (connect_timeout_s, read_timeout_s)

    def exchange(
        self, request: WireRequest, auth: requests.auth.AuthBase | None = None
    ) -> WireAnswer | WireFault:
        """The answer, or what its absence means. Redirects are answers; they are not followed."""
        _thread.left = False
        try:
            with self._sent(request, auth) as response:
                return WireAnswer(response.status_code, response.headers, self._body(response))
        except _AnswerTooLongError:
            return WireFault(Outcome.UNKNOWN, "answer_too_long")
        except (requests.RequestException, HTTPError, OSError, UnicodeError) as error:
            return _fault(error)

    def _sent(self, request: WireRequest, auth: requests.auth.AuthBase | None) -> requests.Response:
        headers, body = dict(request.headers), request.body or None
        prepared = requests.Request(request.method, request.url, headers, data=body, auth=auth).prepare()
        return self._session.send(
            prepared, timeout=self._timeouts, allow_redirects=False, stream=True, verify=self._session.verify
        )

    def _body(self, response: requests.Response) -> bytes:
        """The whole body; a server that drips bytes does not hold a thread for ever."""
        deadline = time.monotonic() + self._timeouts[1]
        chunks: list[bytes] = []
        length = 0
        while chunk := response.raw.read1(65536, decode_content=True):
            chunks.append(chunk)
            length += len(chunk)
            if length > LONGEST_ANSWER or time.monotonic() > deadline:
                raise _AnswerTooLongError
        return b"".join(chunks)


class _AnswerTooLongError(Exception):
    """The body passed its limit in bytes or in time."""


def _fault(error: Exception) -> WireFault:
    """The fault by what had left, not by the library's name for it."""
    if not _thread.left and isinstance(error, requests.exceptions.InvalidHeader | UnicodeError):
        return WireFault(Outcome.REJECTED, f"unwritable_header:{type(error).__name__}")
    if not _thread.left:
        return WireFault(Outcome.RETRYABLE, f"not_connected:{_innermost(error)}")
    if isinstance(error, requests.Timeout) or "timed out" in str(error).lower():
        return WireFault(Outcome.UNKNOWN, "timed_out")
    return WireFault(Outcome.UNKNOWN, f"broken_answer:{_innermost(error)}")


def _innermost(error: BaseException) -> str:
    """The class of the first cause; its text may hold an address with credentials and is left out."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return type(error).__name__
