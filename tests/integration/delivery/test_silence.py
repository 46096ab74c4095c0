"""Numbers, texts and credentials are in every request; whatever a program switches on, none of them is logged."""

import http.client
import logging
import logging.config
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
from pytest_httpserver import HTTPServer

from carloan_notify.app import system_clock
from carloan_notify.delivery.gateway.provider import HttpProvider
from carloan_notify.delivery.http import new_session
from carloan_notify.delivery.registry import HttpProviderSettings
from carloan_notify.records import Channel, OutboundMessage, Outcome, SendResult

PHONE = "+12025550123"
TEXT = "Your instalment of 412.00 is due"
SECRETS = ("2025550123", "instalment", "s3cret-query", "s3cret-header", "s3cret-body", "s3cret-token")
MESSAGE = OutboundMessage("M" * 26, Channel.SMS, "due", "en", PHONE, TEXT, {})
ANSWER = b'{"code":"0","id":"1"}'
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n" + ANSWER
FAULTS = {
    "accepted": (OK, Outcome.ACCEPTED),
    "headers that cannot be read": (
        b"HTTP/1.1 200 OK\r\nbad header\r\nContent-Length: 21\r\n\r\n" + ANSWER,
        None,
    ),
    "two lengths": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n15\r\n"
        + ANSWER
        + b"\r\n0\r\n\r\n",
        Outcome.ACCEPTED,
    ),
    "redirect": (
        b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
        Outcome.UNKNOWN,
    ),
    "server error": (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", Outcome.UNKNOWN),
    "throttled": (b"HTTP/1.1 429 Slow\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n", Outcome.THROTTLED),
    "hung up": (b"", Outcome.UNKNOWN),
    "no HTTP": (b"SSH-2.0-OpenSSH_9\r\n", Outcome.UNKNOWN),
    "cut off": (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", Outcome.UNKNOWN),
}


@contextmanager
def gateway(answer: bytes) -> Iterator[str]:
    """Answers every connection once, with these bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(3)


def provider(url: str, **changes: object) -> HttpProvider:
    raw: dict[str, Any] = {
        "type": "http",
        "allow_plain_http": True,
        "read_timeout_s": 0.5,
        "auth": {"type": "bearer", "token": "s3cret-token"},
        "values": {"key": "s3cret-query", "head": "s3cret-header", "word": "s3cret-body"},
        "request": {
            "url": f"{url}/send/{{phone_digits}}",
            "query": {"key": "{key}", "to": "{phone}", "t": "{text}"},
            "headers": {"X-Key": "{head}", "X-To": "{phone}"},
            "body_format": "json",
            "body": {"to": "{phone}", "t": "{text}", "word": "{word}"},
        },
        "answer": {"code": "code", "provider_ref": "id", "codes": {"accepted": ["0"]}},
    }
    return HttpProvider("main", HttpProviderSettings.model_validate({**raw, **changes}), clock=system_clock)


class Heard(logging.Handler):
    """Everything that reached any handler, with its arguments and its traceback."""

    def __init__(self) -> None:
        """At every level."""
        super().__init__(0)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(logging.Formatter("%(name)s %(message)s").format(record) + repr(record.args))


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    """Every logger at DEBUG with a handler of its own, and http.client told to print."""
    handler = Heard()
    loggers = [logging.getLogger(name) for name in ("", *logging.root.manager.loggerDict)]
    before = [(logger, logger.level, logger.disabled) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
        logger.disabled = False
        logger.addHandler(handler)
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 7)
    yield handler
    for logger, level, disabled in before:
        logger.setLevel(level)
        logger.disabled = disabled
        logger.removeHandler(handler)


def leaks(heard: Heard, capsys: pytest.CaptureFixture[str]) -> list[str]:
    told = capsys.readouterr()
    lines = [*heard.lines, *told.out.splitlines(), *told.err.splitlines()]
    return [line for line in lines if any(secret in line for secret in SECRETS) or "HTTP" in line]


def only(of: HttpProvider) -> SendResult:
    (result,) = of.send([MESSAGE])
    return result


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.filterwarnings("error")
def test_nothing_of_a_request_is_logged(fault: str, heard: Heard, capsys: pytest.CaptureFixture[str]) -> None:
    answer, outcome = FAULTS[fault]
    with gateway(answer) as url:
        result = only(provider(url))
    assert outcome in (None, result.outcome), result
    assert leaks(heard, capsys) == []
    assert not any(secret in repr(result) for secret in SECRETS)


def test_nothing_is_logged_of_a_request_that_found_nobody(
    heard: Heard, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert only(provider(f"http://127.0.0.1:{port}")).outcome is Outcome.RETRYABLE
    assert only(provider("https://no-such-host.invalid")).outcome is Outcome.RETRYABLE
    assert leaks(heard, capsys) == []


def hung(_: object) -> Any:
    threading.Event().wait(0.8)


def test_nothing_is_logged_of_a_request_that_took_too_long(
    heard: Heard, capsys: pytest.CaptureFixture[str], httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/send/12025550123").respond_with_handler(hung)
    of = provider(httpserver.url_for("").rstrip("/"), read_timeout_s=0.2)
    assert only(of).code == "timed_out"
    heard.lines = [line for line in heard.lines if not line.startswith("werkzeug")]  # the test's own gateway
    capsys.readouterr()
    assert leaks(heard, capsys) == []


def test_a_logging_configuration_of_later_changes_nothing(
    heard: Heard, capsys: pytest.CaptureFixture[str]
) -> None:
    of = provider("http://127.0.0.1:9")
    loud = {"level": "DEBUG", "propagate": True}
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "loggers": dict.fromkeys(("urllib3", "urllib3.connectionpool", "urllib3.util.retry"), loud),
        }
    )
    assert only(of).outcome is Outcome.RETRYABLE
    assert leaks(heard, capsys) == []


def quiet(names: list[str]) -> list[str]:
    return [name for name in names if logging.getLogger(name).filters]


def test_every_logger_of_the_libraries_is_silent() -> None:
    new_session(1)
    ours = [n for n in logging.root.manager.loggerDict if n.partition(".")[0] in {"urllib3", "requests"}]
    assert quiet(ours) == ours
    for module in ("urllib3.connectionpool", "urllib3.connection", "urllib3.util.retry", "urllib3.response"):
        assert module in ours
    used = [
        module.log.name
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] in {"urllib3", "requests"} and hasattr(module, "log")
    ]
    assert used
    assert set(used) <= set(ours)


def test_this_file_would_hear_it(heard: Heard, capsys: pytest.CaptureFixture[str]) -> None:
    """The same request through an ordinary session, with the filter taken off, is heard."""
    new_session(1)
    logger = logging.getLogger("urllib3.connectionpool")
    filters = logger.filters[:]
    logger.filters.clear()
    try:
        with gateway(OK) as url, requests.Session() as session:
            session.get(f"{url}/send?key=s3cret-query", timeout=2)
    finally:
        logger.filters[:] = filters
    assert any("s3cret-query" in line and "urllib3" in line for line in heard.lines)
    assert any("send:" in line for line in leaks(heard, capsys))
