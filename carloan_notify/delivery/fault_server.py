"""A loopback server that reads a request and then goes wrong, in every way a network or a gateway can."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

LONGEST_S: Final = 60.0
"""Seconds after which a server that hangs or drips lets go."""
_RESET: Final = b"\x01\x00\x00\x00\x00\x00\x00\x00"
"""SO_LINGER on, zero seconds: closing sends RST."""


@dataclass
class Scene:
    """A running server: where it is, how many requests it read, and the sign to stop."""

    url: str
    requests: int = 0
    over: threading.Event = field(default_factory=threading.Event)


Behaviour = Callable[[socket.socket, Scene], None]
"""What is done to a connection whose request has been read."""


def answer(status: str, body: bytes = b"", *headers: str) -> Behaviour:
    """A well-formed HTTP answer; `status` is its code and phrase."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return raw("\r\n".join([*lines, "", ""]).encode() + body)


def raw(said: bytes) -> Behaviour:
    """These bytes, then the end of the connection."""

    def behave(connection: socket.socket, _scene: Scene) -> None:
        connection.sendall(said)

    return behave


def reset(connection: socket.socket, _scene: Scene) -> None:
    """The connection is torn down."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def hang(_connection: socket.socket, scene: Scene) -> None:
    """Nothing at all."""
    scene.over.wait(LONGEST_S)


def drip(connection: socket.socket, scene: Scene) -> None:
    """An answer that comes a byte at a time and never ends."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not scene.over.wait(0.05):
        connection.sendall(b" ")


def drip_head(connection: socket.socket, scene: Scene) -> None:
    """Headers that come a byte at a time and never end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not scene.over.wait(0.05):
        connection.sendall(b"x")


def never_begins(connection: socket.socket, scene: Scene) -> None:
    """One "wait" after the other, and never an answer."""
    while not scene.over.wait(0.05):
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


def flood(connection: socket.socket, scene: Scene) -> None:
    """An answer that comes fast and never ends."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not scene.over.is_set():
        connection.sendall(b"10000\r\n" + b" " * 0x10000 + b"\r\n")


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[Scene]:
    """A server that does this to every request."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        scene = Scene(_url(listener))
        thread = threading.Thread(target=_accept, args=(listener, scene, behaviour), daemon=True)
        thread.start()
        try:
            yield scene
        finally:
            scene.over.set()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes `accept`


def closed_port() -> str:
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return _url(listener)


def _url(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def _accept(listener: socket.socket, scene: Scene, behaviour: Behaviour) -> None:
    while not scene.over.is_set():
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(connection, scene, behaviour), daemon=True).start()


def _serve(connection: socket.socket, scene: Scene, behaviour: Behaviour) -> None:
    with connection, suppress(OSError):  # the other side may hang up whenever it likes
        connection.settimeout(LONGEST_S)
        if _read_request(connection):
            scene.requests += 1
            behaviour(connection, scene)


def _read_request(connection: socket.socket) -> bool:
    """Read one request to its end; False when none came."""
    said = b""
    while not _is_whole(said):
        more = connection.recv(65536)
        if not more:
            return False
        said += more
    return True


def _is_whole(said: bytes) -> bool:
    head, end, body = said.partition(b"\r\n\r\n")
    if not end:
        return False
    for line in head.lower().split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return len(body) >= int(value)
        if name == b"transfer-encoding":
            return body.endswith(b"0\r\n\r\n")
    return True
