"""One harness that drives any provider through the contract; third parties run it from their own tests."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Final, TypeVar

from carloan_notify.delivery.provider import CheckResult, Inquiry, Provider, Received, Refused, ReturnPage
from carloan_notify.records import OutboundMessage, Outcome, PushRequest, SendResult

# A loopback server that reads a request and then goes wrong, in every way a network or a gateway can.

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


def fault_answer(status: str, body: bytes = b"", *headers: str) -> Behaviour:
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


Built = Callable[[str], Provider]
"""Base URL → a fresh provider that talks to it, with time-outs of a second or less."""

Answer = TypeVar("Answer")
_MOST_IN_A_FAULT: Final = 3
_PATIENCE_S: Final = 10.0
"""A provider under test has short time-outs; one that waits longer than this for an answer has none."""
_TIMES: Final = 3
_SLACK_S: Final = 2.0
"""A busy machine may stand still for so long."""
_RETRY_AFTER_S: Final = 7

PAGE: Final = b"<!DOCTYPE html><html><head><title>Portal</title></head><body>Sign in, please</body></html>"
_GARBAGE: Final = (
    b"", b"\x00\xff\xfe", PAGE, b"null", b"true", b"5", b'"text"', b"[]", b"{}", b"[[]]", b"[null]", b"[{}]",
    b'{"a": [1, {"b": null}]}', b'[{"code": 0', b"[" * 5000, b"{" * 5000, b"a=b&c", b"=&=&=", b"<a><b/></a>",
    b"<a><b>", "退订".encode("gb18030"), b"9" * 5000, b'{"' + b"k" * 5000 + b'": 1}',
)  # fmt: skip


def check_provider(provider: Provider, sample: OutboundMessage, now: datetime) -> list[str]:
    """What the provider does against the contract, as sentences; none when it keeps it.

    It really sends: one message, then a full batch, all like `sample` and under ids of their own. The first
    goes to the sample's number, the others of a batch to numbers that are reserved for fiction. A sample without an end
    ends an hour after `now`, as those of a night do.
    """
    sample = replace(sample, expires_at=sample.expires_at or now + timedelta(hours=1))
    return [
        *_declared(provider, sample),
        *_sent(provider, sample),
        *_asked(provider, sample, now),
        *_heard(provider),
        *_returned(provider, now),
    ]


def check_faults(build: Built, sample: OutboundMessage, *, not_taken: Collection[int] = ()) -> list[str]:
    """Where the provider's outcomes break the promise under faults of the network and the gateway; HTTP only.

    What certainly did not leave is RETRYABLE; what was read without a readable answer is UNKNOWN; 429 is
    THROTTLED and carries `Retry-After`; nothing is ever ACCEPTED, an exception, or slower than three time-outs.
    `not_taken` lists the 5xx statuses with which the gateway's own contract promises that it took nothing.
    """
    found = list(_unreached(build, sample))
    longest, hung = _hung(build, sample)
    found += hung
    for fault in faults(not_taken):
        found += _met(fault, build, sample, longest)
    return found


@dataclass(frozen=True, slots=True)
class Fault:
    """What a gateway does once it has read the request, and the outcomes that are true then."""

    name: str
    behaviour: Behaviour
    allowed: frozenset[Outcome] = frozenset({Outcome.UNKNOWN})
    retry_after_s: float = 0.0


def faults(not_taken: Collection[int] = ()) -> Iterator[Fault]:
    """Every fault after the request was read, but for the silence that `check_faults` measures first."""
    ok = "200 OK"
    json_type = "Content-Type: application/json"
    yield Fault("reset after reading", reset)
    yield Fault("closed after reading", raw(b""))
    yield Fault("not HTTP", raw(b"SSH-2.0-OpenSSH_9\r\n"))
    yield Fault("a web page", fault_answer(ok, PAGE, "Content-Type: text/html"))
    yield Fault("half of the JSON", fault_answer(ok, b'{"code": "0", "data": {"sta', json_type))
    yield Fault("an empty answer", fault_answer(ok))
    for other in (b"null", b"[]", b"{}", b'"OK"', b"[{}]", b"0"):
        yield Fault(f"JSON of another kind: {other.decode()}", fault_answer(ok, other, json_type))
    short = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\nConnection: close\r\n\r\n{"
    yield Fault("shorter than announced", raw(short))
    yield Fault("not what its encoding says", fault_answer(ok, b"{}", "Content-Encoding: gzip"))
    yield Fault("an answer without end", flood)
    yield Fault("an answer byte by byte", drip)
    yield Fault("a header byte by byte", drip_head)
    yield Fault("one 100 Continue after the other", never_begins)
    yield Fault("redirect", fault_answer("302 Found", b"", "Location: /elsewhere"))
    yield from _refusals(not_taken)


def _refusals(not_taken: Collection[int]) -> Iterator[Fault]:
    """Statuses that say no."""
    unknown = frozenset({Outcome.UNKNOWN})
    account = unknown | {Outcome.ACCOUNT}
    wait = f"Retry-After: {_RETRY_AFTER_S}"
    for body in (b"", PAGE):
        kind = " with a web page" if body else ""
        for status in (401, 403):
            yield Fault(f"{status}{kind}", fault_answer(_line(status), body), account)
        for status in (404, 500, 502, 503):
            allowed = unknown | {Outcome.RETRYABLE, Outcome.THROTTLED} if status in not_taken else unknown
            yield Fault(f"{status}{kind}", fault_answer(_line(status), body), allowed)
        throttled = fault_answer(_line(429), body, wait)
        yield Fault(f"429{kind}", throttled, frozenset({Outcome.THROTTLED}), _RETRY_AFTER_S)


def _line(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}"


def _unreached(build: Built, sample: OutboundMessage) -> Iterator[str]:
    batch, provider = _few(build(closed_port()), sample)
    results, breaches = _tried("connection refused: send", partial(provider.send, batch))
    yield from breaches
    yield from _untrue("connection refused", batch, results or [], frozenset({Outcome.RETRYABLE}))


def _hung(build: Built, sample: OutboundMessage) -> tuple[float, list[str]]:
    """Seconds that a send may take under the other faults, and what is wrong under silence."""
    fault = Fault("no answer", hang)
    began = time.monotonic()
    found = _met(fault, build, sample, _PATIENCE_S)
    took = time.monotonic() - began
    return min(took, _PATIENCE_S) * _TIMES + _SLACK_S, found


def _met(fault: Fault, build: Built, sample: OutboundMessage, longest_s: float) -> list[str]:
    with serving(fault.behaviour) as scene:
        batch, provider = _few(build(scene.url), sample)
        began = time.monotonic()
        results, found = _tried(f"{fault.name}: send", partial(provider.send, batch))
        took = time.monotonic() - began
        found += _untrue(fault.name, batch, results or [], fault.allowed)
        if scene.requests != 1:
            found.append(f"{fault.name}: {scene.requests} requests were made, must be 1")
    if took > longest_s:
        found.append(f"{fault.name}: send took {took:.1f} s; give it time-outs and keep them")
    waits = {result.retry_after_s for result in results or []}
    if fault.retry_after_s and waits != {fault.retry_after_s}:
        found.append(f"{fault.name}: retry_after_s is {sorted(waits)}, must be {fault.retry_after_s:g}")
    return found


def _few(provider: Provider, sample: OutboundMessage) -> tuple[list[OutboundMessage], Provider]:
    return _batch(provider, sample, min(max(1, provider.batch_limit), _MOST_IN_A_FAULT)), provider


def _untrue(
    what: str, batch: Sequence[OutboundMessage], results: Sequence[SendResult], allowed: frozenset[Outcome]
) -> list[str]:
    wrong = sorted({result.outcome.value for result in results if result.outcome not in allowed})
    must = " or ".join(sorted(allowed))
    found = [f"{what}: the outcome is {outcome}, must be {must}" for outcome in wrong]
    return [*found, *_unmatched(what, batch, results)]


def _unmatched(what: str, batch: Sequence[OutboundMessage], results: Sequence[SendResult]) -> list[str]:
    answered = Counter(result.message_id for result in results)
    if answered == Counter(message.message_id for message in batch):
        return []
    return [f"{what}: a batch of {len(batch)} got {len(results)} results, or results for other messages"]


def _batch(provider: Provider, sample: OutboundMessage, size: int) -> list[OutboundMessage]:
    """Messages that may share a request: to the sample's number first, unless its country parts it from the rest."""
    nobody = [phone for phone in _fictional() if phone != sample.phone]
    mixed = _numbered(sample, [sample.phone, *nobody[: size - 1]])
    keys, _ = _tried("batch_key", lambda: {provider.batch_key(message) for message in mixed})
    return _numbered(sample, nobody[:size]) if len(keys or ()) > 1 else mixed


def _numbered(sample: OutboundMessage, phones: Sequence[str]) -> list[OutboundMessage]:
    size = len(phones)
    return [
        replace(sample, message_id=f"TEST{size:06d}{number:016d}", phone=phone)
        for number, phone in enumerate(phones)
    ]


def _fictional() -> list[str]:
    """20,000 numbers that are nobody's: 555-0100 to 555-0199 of any area code (NANPA 555 line numbers)."""
    return [f"+1{area}55501{line:02d}" for area in range(201, 401) for line in range(100)]


def _tried(what: str, call: Callable[[], Answer]) -> tuple[Answer | None, list[str]]:
    """What a call returns, and a breach if it raises instead."""
    try:
        return call(), []
    except Exception as error:  # noqa: BLE001 - whatever is raised is the breach that is looked for
        return None, [f"{what}: raised {type(error).__name__}"]


def _declared(provider: Provider, sample: OutboundMessage) -> Iterator[str]:
    if not provider.name:
        yield "name: is empty"
    if sample.channel not in provider.channels:
        yield f"channels: {sample.channel} is not served"
    if provider.batch_limit < 1:
        yield f"batch_limit: {provider.batch_limit} is less than 1"
    keys, breaches = _tried(
        "batch_key", lambda: {provider.batch_key(twin) for twin in _numbered(sample, _fictional()[:2])}
    )
    yield from breaches
    if len(keys or ()) > 1:
        yield "batch_key: differs though only id and number do; no two messages would share a request"
    if not all(isinstance(key, str) for key in keys or ()):
        yield "batch_key: is no text"


def _sent(provider: Provider, sample: OutboundMessage) -> Iterator[str]:
    for size in sorted({1, max(1, provider.batch_limit)}):
        batch = _batch(provider, sample, size)
        results, breaches = _tried("send", partial(provider.send, batch))
        yield from breaches or _unmatched("send", batch, results or [])


def _asked(provider: Provider, sample: OutboundMessage, now: datetime) -> Iterator[str]:
    inquiry = Inquiry("TEST" + "0" * 22, sample.channel, "", now, sample.phone)
    found, breaches = _tried("look_up", partial(provider.look_up, [inquiry]))
    yield from breaches
    if found is not None and [answer.message_id for answer in found] != [inquiry.message_id]:
        yield "look_up: not one answer per inquiry"


def _heard(provider: Provider) -> Iterator[str]:
    """Garbage may be refused or kept as unread; it is never believed and never raises."""
    url = f"https://notify.example/{provider.name}/SECRET"
    for body in _GARBAGE:
        shown = repr(body[:20])
        form = {"content-type": "application/x-www-form-urlencoded"}
        for request in (PushRequest("POST", url, {}, body), PushRequest("POST", url, form, body)):
            heard, breaches = _tried(f"receive {shown}", partial(provider.receive, request))
            yield from breaches
            if not breaches and not isinstance(heard, Received | Refused):
                yield f"receive {shown}: neither Received nor Refused"
            elif isinstance(heard, Received) and (heard.page.receipts or heard.page.replies):
                yield f"receive {shown}: was believed"
    asked = PushRequest("GET", f"{url}?a=b&%ff", {}, b"")
    yield from _tried("receive GET", partial(provider.receive, asked))[1]


def _returned(provider: Provider, now: datetime) -> Iterator[str]:
    page, breaches = _tried("pull", partial(provider.pull, now, ""))
    yield from breaches
    if not breaches and not isinstance(page, ReturnPage):
        yield "pull: no ReturnPage"
    looked, breaches = _tried("check", provider.check)
    yield from breaches
    if not breaches and not (isinstance(looked, list) and all(isinstance(c, CheckResult) for c in looked)):
        yield "check: not a list of CheckResult"
