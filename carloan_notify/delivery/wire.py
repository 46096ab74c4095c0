"""One pooled HTTP session, and the one question that matters after a fault: had the request left?

A request is prepared here and goes straight to the session's adapter: cookies, redirects, hooks and the environment's
proxies are not wanted, and cost (benchmarks/delivery_throughput.py).
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import requests
from requests.structures import CaseInsensitiveDict
from requests.utils import check_header_validity
from urllib3.exceptions import HTTPError

from carloan_notify.delivery.marking import MOST_POOLS, MarkingAdapter, begin, has_left
from carloan_notify.records import Outcome

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


@dataclass(frozen=True, slots=True)
class WireFault:
    """No complete answer. UNKNOWN: it may have arrived; RETRYABLE and REJECTED: no byte had left."""

    outcome: Outcome
    code: str


class _Silence(logging.Filter):
    """Lets nothing pass. At DEBUG urllib3 writes addresses, which hold numbers and credentials."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - the signature of logging
        return False


_SILENCE: Final = _Silence()


def _silence() -> None:
    """Silence every logger of the libraries below us, whatever levels and handlers a program sets."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in {"requests", "urllib3"}:
            logging.getLogger(name).addFilter(_SILENCE)  # once is enough: the same filter is kept once


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
        """The answer, or what its absence means. Redirects are answers; they are not followed."""
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
