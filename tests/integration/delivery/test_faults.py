"""Every fault over a real socket: what the provider says of it, and whether the gateway had accepted."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from carloan_notify.app import system_clock
from carloan_notify.delivery.gateway.provider import HttpProvider
from carloan_notify.delivery.provider import Inquiry, MessageFate
from carloan_notify.delivery.registry import HttpProviderSettings
from carloan_notify.delivery.simulator.server import Simulator
from carloan_notify.delivery.simulator.settings import Faults, simulator_settings
from carloan_notify.records import Channel, Outcome, SendResult
from tests.integration.delivery.ends import reset, served
from tests.unit.delivery.world import message

NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)


def at(url: str, **changes: Any) -> HttpProvider:
    raw = {
        **simulator_settings(url, Channel.SMS),
        "read_timeout_s": 0.4,
        **changes,
    }
    return HttpProvider("main", HttpProviderSettings.model_validate(raw), clock=system_clock)


def send_one(url: str, **changes: Any) -> SendResult:
    (only,) = at(url, **changes).send([message(1)])
    return only


@pytest.mark.parametrize(
    ("fault", "outcome", "code", "accepted"),
    [
        ({}, Outcome.ACCEPTED, "0", 1),
        ({"latency_s": 0.1}, Outcome.ACCEPTED, "0", 1),
        ({"rejected": 1}, Outcome.REJECTED, "bad_number", 0),
        ({"busy": 1}, Outcome.RETRYABLE, "busy", 0),
        ({"unlisted": 1}, Outcome.UNKNOWN, "code_of_the_day", 0),
        ({"balance": 0}, Outcome.ACCOUNT, "no_balance", 0),
        ({"dropped_before": 1}, Outcome.UNKNOWN, "broken_answer:RemoteDisconnected", 0),
        ({"dropped_after": 1}, Outcome.UNKNOWN, "broken_answer:RemoteDisconnected", 1),
        ({"hanging": 1}, Outcome.UNKNOWN, "timed_out", 1),
        ({"html": 1}, Outcome.UNKNOWN, "unreadable_answer", 1),
        ({"truncated": 1}, Outcome.UNKNOWN, "unreadable_answer", 1),
        ({"server_error": 1}, Outcome.UNKNOWN, "http_500", 0),
        ({"unavailable": 1}, Outcome.RETRYABLE, "http_503", 0),
        ({"throttled": 1, "retry_after_s": 9}, Outcome.THROTTLED, "http_429", 0),
    ],
)
def test_the_simulators_faults(fault: dict[str, float], outcome: Outcome, code: str, accepted: int) -> None:
    with Simulator(Faults.model_validate(fault)) as simulator:
        only = send_one(simulator.url)
        assert (only.outcome, only.code) == (outcome, code)
        assert only.retry_after_s == (9 if outcome is Outcome.THROTTLED else 0)
        assert simulator.gateway.stats()["accepted"] == accepted


def answer(text: bytes) -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(text)

    return serve


def drip(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(20):
        try:
            connection.sendall(b"x")
        except OSError:
            return
        threading.Event().wait(0.1)


@pytest.mark.parametrize(
    ("serve", "code"),
    [
        (reset, "broken_answer:"),
        (answer(b""), "broken_answer:RemoteDisconnected"),
        (answer(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), "broken_answer:"),
        (answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "broken_answer:"),
        (answer(b"SSH-2.0-OpenSSH_9\r\n"), "broken_answer:BadStatusLine"),
        (
            answer(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"),
            "broken_answer:",
        ),
        (drip, "timed_out"),
    ],
)
def test_broken_answers_are_unknown(serve: Callable[[socket.socket], None], code: str) -> None:
    with served(serve) as url:
        only = send_one(url)
    assert only.outcome is Outcome.UNKNOWN
    assert only.code.startswith(code)


def test_an_endless_answer_is_cut_off(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/sms/send").respond_with_data(b"x" * (5 * 1024 * 1024))
    assert send_one(httpserver.url_for("").rstrip("/"), read_timeout_s=5).code == "answer_too_long"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("place", ["http://127.0.0.1:{port}", "https://no-such-host.invalid"])
def test_what_never_connected_was_certainly_not_sent(place: str) -> None:
    url = place.format(port=free_port())
    only = send_one(url)
    assert only.outcome is Outcome.RETRYABLE
    assert only.code.startswith("not_connected:")


def test_a_connection_that_takes_too_long_was_certainly_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        crowd = [socket.socket() for _ in range(3)]
        for one in crowd:  # the backlog is full: the next connection waits in vain
            one.setblocking(False)  # noqa: FBT003 - the signature of socket
            one.connect_ex(address)
        only = send_one(f"http://127.0.0.1:{address[1]}")
        for one in crowd:
            one.close()
    assert (only.outcome, only.code) == (Outcome.RETRYABLE, "not_connected:TimeoutError")


def test_a_certificate_nobody_vouches_for_stops_before_the_message(tmp_path: Path) -> None:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    make = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=localhost",
        "-days",
        "2",
    ]
    make += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(make, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with HTTPServer(ssl_context=context) as server:
        server.expect_request("/sms/send").respond_with_json({"code": "0", "id": "1"})
        url = f"https://127.0.0.1:{server.port}"
        only = send_one(url, read_timeout_s=5)
        assert (only.outcome, only.code) == (Outcome.RETRYABLE, "not_connected:SSLCertVerificationError")
        assert not server.log
        assert send_one(url, ca_file=str(cert), read_timeout_s=5).outcome is Outcome.ACCEPTED


def test_redirects_are_not_followed(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/sms/send").respond_with_data("", 307, {"Location": "/elsewhere"})
    httpserver.expect_request("/elsewhere").respond_with_json({"code": "0"})
    assert send_one(httpserver.url_for("").rstrip("/")).code == "http_307"
    assert [request.path for request, _ in httpserver.log] == ["/sms/send"]


def test_the_environments_proxy_and_netrc_are_ignored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with Simulator() as simulator:
        assert send_one(simulator.url).outcome is Outcome.ACCEPTED


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        ({"type": "basic", "username": "账号", "password": "密码"}, "Basic 6LSm5Y+3OuWvhueggQ=="),
        ({"type": "bearer", "token": "tok"}, "Bearer tok"),
    ],
)
def test_authentication(auth: dict[str, str], expected: str, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/sms/send").respond_with_json({"code": "0"})
    send_one(httpserver.url_for("").rstrip("/"), auth=auth)
    ((request, _),) = httpserver.log
    assert request.headers["Authorization"] == expected


def test_a_message_the_charset_cannot_write_is_refused_alone() -> None:
    with Simulator() as simulator:
        raw = simulator_settings(simulator.url, Channel.SMS, batch_limit=10)
        raw["request"]["charset"] = "ascii"
        odd = replace(message(1), text="您好")
        provider = HttpProvider("main", HttpProviderSettings.model_validate(raw), clock=system_clock)
        results = {r.message_id: r for r in provider.send([odd, message(2)])}
        assert results[odd.message_id].outcome is Outcome.REJECTED
        assert results[message(2).message_id].outcome is Outcome.ACCEPTED
        assert provider.send([odd])[0].code == "not_in_charset:ascii"
        assert simulator.gateway.counts() == {message(2).message_id: 1}


def test_half_of_a_batch_fails() -> None:
    with Simulator(Faults(rejected=0.5), seed=3) as simulator:
        raw = simulator_settings(simulator.url, Channel.SMS, batch_limit=100)
        provider = HttpProvider("main", HttpProviderSettings.model_validate(raw), clock=system_clock)
        results = provider.send([message(i) for i in range(100)])
        accepted = {r.message_id for r in results if r.outcome is Outcome.ACCEPTED}
        assert len(results) == 100
        assert 30 < len(accepted) < 70
        assert set(simulator.gateway.counts()) == accepted


def test_look_up_tells_what_arrived_from_what_did_not() -> None:
    with Simulator(Faults(dropped_after=1)) as simulator:
        provider = at(simulator.url)
        assert provider.send([message(1)])[0].outcome is Outcome.UNKNOWN
        now = datetime.now(UTC)
        inquiries = [Inquiry(message(i).message_id, Channel.SMS, "", now, "+12025550100") for i in (1, 2)]
        old = Inquiry(message(3).message_id, Channel.SMS, "", now - timedelta(days=4), "+12025550100")
        here, gone, late = provider.look_up([*inquiries, old])
        assert (here.standing, here.provider_ref) == (MessageFate.DELIVERED, "sim-1")
        assert gone.standing is MessageFate.ABSENT
        assert (late.standing, late.code) == (MessageFate.UNCLEAR, "outside_look_up_window")
    (dead,) = provider.look_up(inquiries[:1])
    assert dead.standing is MessageFate.UNCLEAR


def test_receipts_are_pulled_page_by_page_with_repeats_and_out_of_order() -> None:
    faults = Faults(undelivered=0.3, duplicate_receipts=0.5, receipts_out_of_order=True)
    with Simulator(faults, seed=5) as simulator:
        raw = simulator_settings(simulator.url, Channel.SMS, batch_limit=300)
        provider = HttpProvider("main", HttpProviderSettings.model_validate(raw), clock=system_clock)
        for start in (0, 300):
            provider.send([message(i) for i in range(start, start + 300)])
        pages = [provider.pull(NOW, "")]
        while pages[-1].more:
            pages.append(provider.pull(NOW, pages[-1].cursor))
        receipts = [r for page in pages for r in page.receipts]
        assert len(pages) == 2
        assert 600 < len(receipts) < 1200
        assert {r.message_id for r in receipts} == {message(i).message_id for i in range(600)}
        assert 0.2 < sum(not r.delivered for r in receipts) / len(receipts) < 0.4
    page = provider.pull(NOW, "7")
    assert (page.receipts, page.cursor, page.more) == ((), "7", False)
    assert page.problems[0].startswith("main: receipts: not_connected:")


def test_a_refused_pull_keeps_its_cursor(httpserver: HTTPServer) -> None:
    def refuse(_: Request) -> Response:
        return Response("", 500)

    httpserver.expect_request("/receipts").respond_with_handler(refuse)
    page = at(httpserver.url_for("").rstrip("/")).pull(NOW, "9")
    assert (page.problems, page.cursor) == (("main: receipts: http_500",), "9")


@pytest.mark.parametrize(
    ("text", "code"),
    [("a\r\nX-Evil: 1", "unwritable_header:InvalidHeader"), ("您好", "unwritable_header:UnicodeEncodeError")],
)
def test_a_value_no_header_can_carry_is_refused_before_it_leaves(text: str, code: str) -> None:
    with Simulator() as simulator:
        raw = simulator_settings(simulator.url, Channel.SMS)
        raw["request"]["headers"] = {"X-Text": "{text}"}
        odd = replace(message(1), text=text)
        (only,) = HttpProvider("main", HttpProviderSettings.model_validate(raw), clock=system_clock).send(
            [odd]
        )
        assert (only.outcome, only.code) == (Outcome.REJECTED, code)
        assert simulator.gateway.stats()["requests"] == 0
