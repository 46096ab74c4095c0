"""The address that providers push to, as a WSGI application: it holds the limits, another decides and keeps."""

import traceback
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import structlog

from carloan_notify.records import PushAnswer, PushRequest

Take = Callable[[str, str, PushRequest], PushAnswer]
"""Provider name and secret as the address has them, and the request → the answer once all is on disk."""

METHODS: Final = ("GET", "POST")
HEALTH: Final = "/healthz"
LONGEST_URL: Final = 8192
"""Characters; a GET with one receipt or one reply is far shorter (RFC 9110 §4.1 asks for 8,000)."""
IDLE_TIMEOUT_S: Final = 30
"""A connection that says nothing is closed after so many seconds."""
LONGEST_BODY: Final = 1024 * 1024
"""Bytes. A push of 500 receipts has some 100 KiB; a longer body is answered with 413."""
THREADS: Final = 4
"""Pushes that are taken at once: each writes to the ledger, which takes one writer at a time."""
LONGEST_HEADERS: Final = 32 * 1024
_UNRESERVED: Final = "/~!$&'()*+,;=:@"
_PARTS: Final = 3  # "", name, secret

_log = structlog.get_logger()


def plain(status: int) -> PushAnswer:
    """An answer that says its status and nothing else: every "not found" is the same."""
    return PushAnswer(status, body=f"{phrase(status)}\n".encode())


def place_of(error: BaseException) -> str:
    """File and line where it happened: enough to find the bug, without the values that caused it."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}:{last.lineno}"


class Listener:
    """`/NAME/SECRET[/…]` for pushes, `/healthz` for whoever watches. Safe for many threads."""

    def __init__(self, take: Take, healthy: Callable[[], bool], public_url: str = "") -> None:
        """`healthy` says whether what is taken could be kept right now; `public_url` is `inbound.public_url`."""
        self._take = take
        self._healthy = healthy
        self._public_url = public_url

    def __call__(self, environ: Mapping[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        try:
            answer = self._answer(environ)
        except Exception as error:  # noqa: BLE001 - a server would log the address, and the secret with it
            _log.error("push failed: a bug", error=type(error).__name__, at=place_of(error))
            answer = plain(HTTPStatus.INTERNAL_SERVER_ERROR)
        headers = [
            ("Content-Type", answer.content_type),
            ("Content-Length", str(len(answer.body))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
        ]
        if answer.status == HTTPStatus.METHOD_NOT_ALLOWED:
            headers.append(("Allow", ", ".join(METHODS)))
        start_response(f"{answer.status} {phrase(answer.status)}", headers)
        return [answer.body]

    def _answer(self, environ: Mapping[str, Any]) -> PushAnswer:
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
        if method not in METHODS:
            return _refused(HTTPStatus.METHOD_NOT_ALLOWED)
        if path == HEALTH:
            return plain(HTTPStatus.OK if self._healthy() else HTTPStatus.SERVICE_UNAVAILABLE)
        if len(path) + len(environ.get("QUERY_STRING", "")) > LONGEST_URL:
            return _refused(HTTPStatus.REQUEST_URI_TOO_LONG)
        parts = path.split("/")
        if len(parts) < _PARTS:
            return _refused(HTTPStatus.NOT_FOUND)
        body = body_of(environ, LONGEST_BODY)
        if isinstance(body, HTTPStatus):
            return _refused(body)
        request = PushRequest(method, self._url(environ), _headers(environ), body)
        return self._take(parts[1], parts[2], request)

    def _url(self, environ: Mapping[str, Any]) -> str:
        """The address as the provider wrote it, as far as a server behind a proxy can know."""
        place = quote(environ["PATH_INFO"].encode("latin-1"), safe=_UNRESERVED)
        query = environ.get("QUERY_STRING", "")
        base = self._public_url.rstrip("/") or _own_base(environ)
        return f"{base}{place}{'?' if query else ''}{query}"


def _own_base(environ: Mapping[str, Any]) -> str:
    host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    return f"{environ['wsgi.url_scheme']}://{host}{quote(environ.get('SCRIPT_NAME', ''))}"


def _headers(environ: Mapping[str, Any]) -> dict[str, str]:
    given = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    content_type = environ.get("CONTENT_TYPE", "")
    return {**given, "content-type": content_type} if content_type else given


def body_of(environ: Mapping[str, Any], limit: int) -> bytes | HTTPStatus:
    """The whole body, or why it is not taken. An incomplete body is refused: it might end in the middle of a list."""
    declared = environ.get("CONTENT_LENGTH") or ""
    if not declared:
        whole: bytes = environ["wsgi.input"].read(limit + 1) if environ.get("wsgi.input_terminated") else b""
        return whole if len(whole) <= limit else HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    if not (declared.isascii() and declared.isdecimal()):
        return HTTPStatus.BAD_REQUEST
    if int(declared) > limit:
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    body: bytes = environ["wsgi.input"].read(int(declared))
    return body if len(body) == int(declared) else HTTPStatus.BAD_REQUEST


def _refused(status: HTTPStatus) -> PushAnswer:
    _log.info("push", provider="", status=int(status))
    return plain(status)


def phrase(status: int) -> str:
    """The words that go with a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Other"
