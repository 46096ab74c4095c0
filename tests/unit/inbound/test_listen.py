"""The listener's limits, asked as any WSGI server would ask it."""

import io
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from carloan_notify.inbound.listen import LONGEST_BODY, Listener
from carloan_notify.records import PushAnswer, PushRequest

SECRET = "s3cret-s3cret-s3cret"
OK = PushAnswer()


class Desk:
    """Remembers what it was asked to take."""

    def __init__(self, answer: PushAnswer = OK, *, healthy: bool = True, public_url: str = "") -> None:
        """Answers everything alike."""
        self.taken: list[tuple[str, str, PushRequest]] = []
        self.answer = answer
        self.app = Listener(self.take, lambda: healthy, public_url)

    def take(self, name: str, secret: str, request: PushRequest) -> PushAnswer:
        self.taken.append((name, secret, request))
        return self.answer

    def ask(
        self, path: str, body: bytes = b"", method: str = "POST", **environ: Any
    ) -> tuple[str, dict[str, str], bytes]:
        """Status line, headers and body of one request, checked against PEP 3333 on both sides."""
        given: dict[str, Any] = {}
        setup_testing_defaults(given)
        given |= {"REQUEST_METHOD": method, "PATH_INFO": path, "wsgi.input": io.BytesIO(body)}
        given |= {"CONTENT_LENGTH": str(len(body))} if body else {}
        given |= {"QUERY_STRING": ""} | environ
        told: list[Any] = []
        asked = {name: value for name, value in given.items() if value is not None}
        start: Any = lambda *line: told.append(line)  # noqa: E731 - the validator never writes through it
        result: Any = validator(self.app)(asked, start)
        answer = b"".join(result)
        result.close()
        ((status, headers, *_),) = told
        return status, dict(headers), answer


def test_a_push_is_handed_on_whole() -> None:
    desk = Desk(PushAnswer(202, "application/json", b'{"code":0}'))
    status, headers, body = desk.ask(
        f"/main/{SECRET}/up", b"\x00\xff", QUERY_STRING="a=%2B&b=", CONTENT_TYPE="x/y", HTTP_X_SIGN="abc"
    )
    assert (status, body) == ("202 Accepted", b'{"code":0}')
    assert headers["Content-Type"] == "application/json"
    assert headers["Content-Length"] == "10"
    ((name, secret, request),) = desk.taken
    assert (name, secret, request.method, request.body) == ("main", SECRET, "POST", b"\x00\xff")
    assert request.url == f"http://127.0.0.1/main/{SECRET}/up?a=%2B&b="
    assert request.headers == {"host": "127.0.0.1", "x-sign": "abc", "content-type": "x/y"}
    assert SECRET not in repr(request)


def test_the_public_address_wins() -> None:
    desk = Desk(public_url="https://notify.lender.example/push/")
    desk.ask("/main/x y", method="GET", HTTP_HOST="evil.example", QUERY_STRING="q=1")
    assert desk.taken[0][2].url == "https://notify.lender.example/push/main/x%20y?q=1"


@pytest.mark.parametrize("host", ["notify.example:8443", None])
def test_without_one_the_request_s_own(host: str | None) -> None:
    desk = Desk()
    environ: dict[str, Any] = {"HTTP_HOST": host, "SCRIPT_NAME": "/push", "wsgi.url_scheme": "https"}
    desk.ask("/main/s", method="GET", **environ)
    assert desk.taken[0][2].url == f"https://{host or '127.0.0.1:80'}/push/main/s"


@pytest.mark.parametrize("path", ["/", "/main", "/healthz2", "/favicon.ico"])
def test_every_other_path_is_not_found(path: str) -> None:
    desk = Desk()
    assert desk.ask(path)[0::2] == ("404 Not Found", b"Not Found\n")
    assert desk.taken == []


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
@pytest.mark.parametrize("path", ["/healthz", f"/main/{SECRET}", "/"])
def test_other_methods_are_refused_wherever(method: str, path: str) -> None:
    desk = Desk()
    status, headers, _ = desk.ask(path, method=method)
    assert (status, headers["Allow"]) == ("405 Method Not Allowed", "GET, POST")
    assert desk.taken == []


@pytest.mark.parametrize(
    ("body", "environ", "status"),
    [
        (b"x" * LONGEST_BODY, {}, 200),
        (b"x" * (LONGEST_BODY + 1), {}, 413),
        (b"x", {"CONTENT_LENGTH": str(10**30)}, 413),
        (b"x", {"CONTENT_LENGTH": "2"}, 400),
        (b"x", {"CONTENT_LENGTH": "\u0661"}, 400),
        (b"x" * LONGEST_BODY, {"CONTENT_LENGTH": None, "wsgi.input_terminated": True}, 200),
        (b"x" * (LONGEST_BODY + 1), {"CONTENT_LENGTH": None, "wsgi.input_terminated": True}, 413),
        (b"", {"QUERY_STRING": "q" * 8192}, 414),
    ],
)
def test_limits(body: bytes, environ: dict[str, Any], status: int) -> None:
    desk = Desk()
    with capture_logs() as lines:
        told, _, _ = desk.ask("/m/s", body, **environ)
    assert told.startswith(str(status))
    assert [len(request.body) for _, _, request in desk.taken] == ([LONGEST_BODY] if status == 200 else [])
    assert (
        lines == []
        if status == 200
        else [{"event": "push", "log_level": "info", "provider": "", "status": status}]
    )


def test_a_negative_length_is_a_bad_request() -> None:
    """Not through the validator, which refuses it itself."""
    told: list[str] = []
    desk = Desk()
    desk.app(
        {"REQUEST_METHOD": "POST", "PATH_INFO": "/m/s", "CONTENT_LENGTH": "-1"}, lambda s, _: told.append(s)
    )
    assert told == ["400 Bad Request"]


def test_a_bug_is_logged_without_the_address() -> None:
    told: list[str] = []
    with capture_logs() as lines:
        Desk().app({"REQUEST_METHOD": "POST", "PATH_INFO": f"/m/{SECRET}"}, lambda s, _: told.append(s))
    assert told == ["500 Internal Server Error"]
    assert [(line["error"], line["at"].split(":")[0]) for line in lines] == [("KeyError", "listen.py")]
    assert SECRET not in str(lines)


def test_without_a_length_there_is_no_body() -> None:
    desk = Desk()
    desk.ask("/m/s", b"left over", CONTENT_LENGTH=None)
    assert desk.taken[0][2].body == b""


@pytest.mark.parametrize(("healthy", "status"), [(True, "200 OK"), (False, "503 Service Unavailable")])
def test_health(healthy: bool, status: str) -> None:  # noqa: FBT001 - a parameter of the case
    desk = Desk(healthy=healthy)
    assert desk.ask("/healthz", method="GET")[0] == status
    assert desk.taken == []


def test_an_odd_status_is_passed_on() -> None:
    assert Desk(PushAnswer(299)).ask("/m/s")[0] == "299 Other"


@given(
    path=st.text(st.characters(max_codepoint=255)),
    query=st.text(st.characters(max_codepoint=127)),
    body=st.binary(max_size=64),
)
def test_whatever_is_asked_is_answered(path: str, query: str, body: bytes) -> None:
    desk = Desk()
    status, _, _ = desk.ask("/" + path, body, QUERY_STRING=query)
    assert status.startswith("200") == bool(desk.taken)
    assert len(desk.taken) == (path.count("/") >= 1 and "/" + path != "/healthz")
