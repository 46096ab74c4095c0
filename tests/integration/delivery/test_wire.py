"""The wire over real sockets: what leaves, when it counts as left, and what the pool keeps."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import requests
from requests.auth import AuthBase

from carloan_notify.delivery.http import (
    MOST_POOLS,
    Wire,
    WireAnswer,
    WireFault,
    WireRequest,
    begin,
    has_left,
    new_session,
)
from carloan_notify.records import Outcome

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Kept: yes\r\nSet-Cookie: c=1\r\n\r\n{}"


@contextmanager
def server(*serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """Serves so many connections, one after the other."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            for one in serve:
                connection, _ = listener.accept()
                with connection:
                    one(connection)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(3)


class Noted:
    """Answers a number of requests on one connection and keeps what came in one piece each."""

    def __init__(self, requests_: int = 1, *pieces: bytes) -> None:
        """Each answer is sent in these pieces."""
        self.seen: list[bytes] = []
        self._requests = requests_
        self._pieces = pieces or (OK,)

    def __call__(self, connection: socket.socket) -> None:
        for _ in range(self._requests):
            self.seen.append(connection.recv(65536))
            for piece in self._pieces:
                connection.sendall(piece)


def wire(session: requests.Session | None = None) -> Wire:
    return Wire(session or new_session(2), 1, 1)


def post(url: str, body: bytes = b'{"a":1}', **headers: str) -> WireRequest:
    return WireRequest("POST", url, {"Content-Type": "application/json", **headers}, body)


def answered(end: WireAnswer | WireFault) -> WireAnswer:
    assert isinstance(end, WireAnswer), end
    return end


def test_head_and_body_leave_together_and_the_connection_stays() -> None:
    noted = Noted(2)
    with server(noted) as url:
        ours = wire()
        first = answered(ours.exchange(post(f"{url}/send?a=b#part", X_Key="k")))
        second = answered(ours.exchange(WireRequest("GET", f"{url}/state", {}, b"")))
    assert (first.status, first.body, first.headers["x-kept"], second.body) == (200, b"{}", "yes", b"{}")
    head, _, body = noted.seen[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert (lines[0], body) == (b"POST /send?a=b HTTP/1.1", b'{"a":1}')
    assert {b"X_Key: k", b"Content-Length: 7", b"Content-Type: application/json"} <= set(lines)
    assert noted.seen[1].startswith(b"GET /state HTTP/1.1\r\n")
    assert b"Cookie" not in noted.seen[1]
    assert b"Content-Length" not in noted.seen[1]


def test_a_post_without_a_body_says_so() -> None:
    noted = Noted()
    with server(noted) as url:
        answered(wire().exchange(WireRequest("POST", url, {}, b"")))
    assert b"\r\nContent-Length: 0\r\n" in noted.seen[0]
    assert noted.seen[0].startswith(b"POST / HTTP/1.1")


def test_an_answer_in_pieces_is_read_whole() -> None:
    with server(Noted(1, *(OK[at : at + 5] for at in range(0, len(OK), 5)))) as url:
        assert answered(wire().exchange(post(url))).body == b"{}"


class Stamp(AuthBase):
    """Signs what is about to leave."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body = request.body
        assert isinstance(body, bytes)
        request.headers["x-stamp"] = f"{request.method} {len(body)}"
        return request


def test_authentication_sees_the_prepared_request() -> None:
    noted = Noted()
    with server(noted) as url:
        answered(wire().exchange(post(url), Stamp()))
    assert b"\r\nx-stamp: POST 7\r\n" in noted.seen[0]


def test_an_address_goes_out_as_an_address_should() -> None:
    noted = Noted(2)
    with server(noted) as url:
        ours = wire()
        answered(ours.exchange(post(f"{url}/短信 1?t=é%20x")))
        answered(ours.exchange(post(f"{url}?t=1")))
    assert noted.seen[0].startswith(b"POST /%E7%9F%AD%E4%BF%A1%201?t=%C3%A9%20x HTTP/1.1")
    assert noted.seen[1].startswith(b"POST /?t=1 HTTP/1.1")


@pytest.mark.parametrize(
    "url", ["no address", "http://", "http://[::1", "http://*.example/", "ftp://g.example/"]
)
def test_what_is_no_address_was_certainly_not_sent(url: str) -> None:
    end = wire().exchange(post(url))
    assert isinstance(end, WireFault)
    assert end.outcome is Outcome.RETRYABLE
    assert end.code.startswith("not_connected:")


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\r\n folded", " led by a space", "短信"])
def test_what_no_header_can_carry_never_leaves(value: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        end = wire().exchange(post(f"http://127.0.0.1:{listener.getsockname()[1]}/", X=value))
    assert isinstance(end, WireFault)
    assert (end.outcome, end.code.partition(":")[0]) == (Outcome.REJECTED, "unwritable_header")


def test_after_a_header_that_could_not_be_written_the_next_request_is_whole() -> None:
    noted = Noted()
    with server(noted) as url:
        ours = wire(new_session(1))
        assert isinstance(ours.exchange(post(url, X="短信")), WireFault)
        answered(ours.exchange(post(url, X="1")))
    assert noted.seen[0].count(b"HTTP/1.1") == 1


def test_nothing_has_left_before_the_connection_stands() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    begin(5.0)
    assert not has_left()
    end = wire().exchange(post(f"http://127.0.0.1:{port}/"))
    assert end == WireFault(Outcome.RETRYABLE, "not_connected:ConnectionRefusedError")
    assert not has_left()
    with server(lambda connection: connection.close()) as url:
        gone = wire().exchange(post(url))
    assert isinstance(gone, WireFault)
    assert (gone.outcome, has_left()) == (Outcome.UNKNOWN, True)


def test_a_connection_that_was_closed_meanwhile_is_not_used_again() -> None:
    """Else every pause longer than the gateway's patience would make messages unknown."""
    first, second = Noted(), Noted()
    with server(first, second) as url:
        ours = wire(new_session(1))
        answered(ours.exchange(post(url)))
        for _ in range(100):
            if second.seen:
                break
            threading.Event().wait(0.01)
            answered(ours.exchange(post(url)))
    assert len(second.seen) == 1


def prepared(url: str) -> requests.PreparedRequest:
    return requests.Request("POST", url, data=b"x").prepare()


def test_the_pool_of_an_address_is_looked_up_once() -> None:
    session = new_session(2)
    adapter = session.get_adapter("http://a.example")
    assert isinstance(adapter, requests.adapters.HTTPAdapter)

    def pool_of(url: str) -> object:
        return adapter.get_connection_with_tls_context(prepared(url), verify=True)

    kept = pool_of("http://g.example/x")
    assert pool_of("http://g.example/y?z") is kept
    assert pool_of("https://g.example/x") is not kept
    assert pool_of("http://g.example:81/x") is not kept
    assert (
        adapter.get_connection_with_tls_context(prepared("http://g.example/x"), verify="ca.pem") is not kept
    )
    for number in range(2 * MOST_POOLS):
        pool_of(f"http://g{number}.example/x")
    assert pool_of("http://g.example/x") is not kept
    kept = pool_of("http://g.example/x")
    session.close()
    assert pool_of("http://g.example/x") is not kept


def test_a_session_with_a_proxy_still_works_as_requests_does() -> None:
    adapter = new_session(2).get_adapter("http://a.example")
    assert isinstance(adapter, requests.adapters.HTTPAdapter)
    proxies, request = {"http": "http://proxy.example:3128"}, prepared("http://g.example/x?y=1")
    assert adapter.request_url(request, proxies) == "http://g.example/x?y=1"
    through = adapter.get_connection_with_tls_context(request, verify=True, proxies=proxies)
    assert getattr(through, "proxy", None) is not None
    noted = Noted()
    with server(noted) as url:
        plain = new_session(2).post(f"{url}/x", json={"a": 1}, timeout=1)
    assert (plain.status_code, plain.json()) == (200, {})
