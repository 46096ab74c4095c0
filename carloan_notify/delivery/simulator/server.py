"""The simulator's HTTP side: loopback only, one thread per connection, standard library only."""

import hashlib
import json
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import takewhile
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qs, unquote, urlsplit

from carloan_notify.delivery.simulator.settings import Faults

# What the simulated gateway knows: who was accepted how often, and what the network says of it later.

OK: Final = "0"
BAD_NUMBER: Final = "bad_number"
BUSY: Final = "busy"
NO_BALANCE: Final = "no_balance"
UNLISTED: Final = "code_of_the_day"
LARGEST_PAGE: Final = 500
"""Receipts in one answer."""


@dataclass(frozen=True, slots=True)
class _Accepted:
    reference: str
    provider_ref: str
    channel: str
    delivered: bool
    at: float


class Gateway:
    """A gateway without a network. Safe for many threads; `clock` gives Unix seconds."""

    def __init__(self, faults: Faults, seed: int, clock: Callable[[], float]) -> None:
        self.faults = faults
        self._seed = seed
        self._clock = clock
        self._lock = threading.Lock()
        self._tries: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._accepted: dict[str, _Accepted] = {}
        self._receipts: list[_Accepted] = []
        self._recent: deque[tuple[float, int]] = deque()
        self._requests = 0

    def fate(self, references: list[str]) -> tuple[str, int]:
        """The fault that this request meets ("" for none) and how often its first message came before."""
        with self._lock:
            self._requests += 1
            first = references[0] if references else ""
            self._tries[first] += 1
            tries = self._tries[first]
            if self._too_fast(len(references)):
                return "throttled", tries
        return self.faults.request_fault(self._draw("request", first, tries)), tries

    def take(self, channel: str, reference: str, tries: int) -> tuple[str, str]:
        """Accept or refuse one message: its code and, when accepted, the gateway's id."""
        refusal = self._refusal(reference, tries)
        if refusal:
            return refusal, ""
        with self._lock:
            if self.faults.balance is not None and self._counts.total() >= self.faults.balance:
                return NO_BALANCE, ""
            self._counts[reference] += 1
            delivered = self._draw("delivered", reference, 0) >= self.faults.undelivered
            accepted = _Accepted(
                reference, f"sim-{len(self._receipts) + 1}", channel, delivered, self._clock()
            )
            self._accepted.setdefault(reference, accepted)
            twice = self._draw("receipt", reference, 0) < self.faults.duplicate_receipts
            self._receipts += [accepted, accepted] if twice else [accepted]
        return OK, accepted.provider_ref

    def message(self, reference: str) -> dict[str, Any] | None:
        """What became of one message, None when it never arrived."""
        with self._lock:
            accepted = self._accepted.get(reference)
        return None if accepted is None else {**_entry(accepted), "state": self._state(accepted)}

    def receipts(self, cursor: int) -> dict[str, Any]:
        """A page of receipts from a position on, and the next position."""
        with self._lock:
            waiting = self._receipts[cursor : cursor + LARGEST_PAGE]
        now = self._clock()
        ready = list(takewhile(lambda a: now - a.at >= self.faults.receipt_delay_s, waiting))
        entries = [{**_entry(a), "state": self._state(a)} for a in ready]
        after = cursor + len(ready)
        more = len(ready) == LARGEST_PAGE
        return {
            "receipts": entries[::-1] if self.faults.receipts_out_of_order else entries,
            "cursor": str(after),
            "more": more,
        }

    def counts(self) -> dict[str, int]:
        """How often each message was accepted; more than once is a message told twice."""
        with self._lock:
            return dict(self._counts)

    def stats(self) -> dict[str, int]:
        """Requests, messages accepted, and how many of those were told twice."""
        with self._lock:
            twice = sum(1 for count in self._counts.values() if count > 1)
            return {"requests": self._requests, "accepted": self._counts.total(), "duplicates": twice}

    def _state(self, accepted: _Accepted) -> str:
        if self._clock() - accepted.at < self.faults.receipt_delay_s:
            return "accepted"
        return "delivered" if accepted.delivered else "undelivered"

    def _refusal(self, reference: str, tries: int) -> str:
        faults = self.faults
        if faults.rejected and self._draw("rejected", reference, 0) < faults.rejected:
            return BAD_NUMBER
        if faults.busy and self._draw("busy", reference, tries) < faults.busy:
            return BUSY
        if faults.unlisted and self._draw("unlisted", reference, tries) < faults.unlisted:
            return UNLISTED
        return ""

    def _too_fast(self, messages: int) -> bool:
        """Whether these messages pass the limit in the last second; refused ones do not count."""
        limit = self.faults.rate_limit
        if limit is None:
            return False
        now = self._clock()
        while self._recent and now - self._recent[0][0] >= 1:
            self._recent.popleft()
        if sum(count for _, count in self._recent) + messages > limit:
            return True
        self._recent.append((now, messages))
        return False

    def _draw(self, kind: str, reference: str, tries: int) -> float:
        """A number in [0, 1) that depends on the seed and the message alone, not on threads or time."""
        text = f"{self._seed}:{kind}:{reference}:{tries}".encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=6).digest(), "big") / 2**48


def _entry(accepted: _Accepted) -> dict[str, Any]:
    return {
        "reference": accepted.reference,
        "id": accepted.provider_ref,
        "channel": accepted.channel,
        "at": datetime.fromtimestamp(accepted.at, UTC).isoformat(),
    }


LOOPBACK: Final = "127.0.0.1"
PAGE: Final = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


class Simulator:
    """A provider on this machine. `with Simulator(faults, seed) as simulator:` gives `simulator.url`."""

    def __init__(
        self,
        faults: Faults | None = None,
        seed: int = 1,
        *,
        port: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Bind the port (0: any free one); `start` serves it."""
        self.gateway = Gateway(faults or Faults(), seed, clock)
        self._server = _Server(port, self.gateway)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """Where it listens, e.g. http://127.0.0.1:40123."""
        return f"http://{LOOPBACK}:{self._server.server_address[1]}"

    def start(self) -> None:
        """Serve from a thread of its own."""
        self._thread.start()

    def serve_forever(self) -> None:
        """Serve from this thread until interrupted, for the command line."""
        self._server.serve_forever()

    def stop(self) -> None:
        """Stop listening and drop every connection, as a dying gateway would."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int, gateway: Gateway) -> None:
        super().__init__((LOOPBACK, port), _Handler)
        self.gateway = gateway
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()

    def opened(self, connection: socket.socket) -> None:
        with self._open_lock:
            self._open.add(connection)

    def closed(self, connection: socket.socket) -> None:
        with self._open_lock:
            self._open.discard(connection)

    def stop(self) -> None:
        self.stopping.set()
        self.server_close()
        with self._open_lock:
            for connection in self._open:
                hang_up(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the signature of socketserver
        """A client that hangs up is what the simulator is for; it says nothing."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.opened(self.connection)

    def finish(self) -> None:
        self.server.closed(self.connection)
        super().finish()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - the signature of http.server
        """Say nothing: request lines hold references."""

    def do_GET(self) -> None:
        gateway = self.server.gateway
        place = urlsplit(self.path)
        if place.path.startswith("/messages/"):
            found = gateway.message(unquote(place.path.removeprefix("/messages/")))
            self._answer(404 if found is None else 200, found or {"code": "not_found"})
        elif place.path == "/receipts":
            cursor = parse_qs(place.query).get("cursor", ["0"])[0]
            self._answer(200, gateway.receipts(int(cursor) if cursor.isdecimal() else 0))
        elif place.path == "/accepted":
            self._answer(200, gateway.counts())
        elif place.path == "/stats":
            self._answer(200, gateway.stats())
        else:
            self._answer(404, {"code": "no_such_place"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        channel, _, action = self.path.strip("/").partition("/")
        if channel not in {"sms", "voice"} or action not in {"send", "batch"}:
            self._answer(404, {"code": "no_such_place"})
            return
        try:
            fields = json.loads(body)
            references = [
                str(m["reference"]) for m in (fields["messages"] if action == "batch" else [fields])
            ]
        except (ValueError, KeyError, TypeError):
            self._answer(400, {"code": "bad_request"})
            return
        self._deliver(channel, references, batch=action == "batch")

    def _deliver(self, channel: str, references: list[str], *, batch: bool) -> None:
        gateway = self.server.gateway
        fault, tries = gateway.fate(references)
        if gateway.faults.latency_s:
            self.server.stopping.wait(gateway.faults.latency_s)
        if fault in {"dropped_before", "unavailable", "throttled"} or (fault == "server_error" and tries % 2):
            self._fail(fault, {})
            return
        taken = [(reference, *gateway.take(channel, reference, tries)) for reference in references]
        results = [{"reference": reference, "code": code, "id": ref} for reference, code, ref in taken]
        answer = {"code": OK, "results": results} if batch else results[0]
        if fault:
            self._fail(fault, answer)
        else:
            self._answer(200, answer)

    def _fail(self, fault: str, answer: dict[str, Any]) -> None:
        faults = self.server.gateway.faults
        if fault == "hanging":
            self.server.stopping.wait(faults.hang_s)
        if fault in {"hanging", "dropped_before", "dropped_after"}:
            self.close_connection = True
            hang_up(self.connection)
        elif fault == "html":
            self._write(200, PAGE, "text/html")
        elif fault == "truncated":
            whole = json.dumps(answer).encode()
            self._write(200, whole[: len(whole) // 2], "application/json")
        elif fault == "throttled":
            self._answer(429, {"code": "throttled"}, {"Retry-After": f"{faults.retry_after_s:.0f}"})
        else:
            self._answer(503 if fault == "unavailable" else 500, {"code": fault})

    def _answer(self, status: int, answer: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        self._write(status, json.dumps(answer).encode(), "application/json", headers)

    def _write(self, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        self.send_response_only(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def hang_up(connection: socket.socket) -> None:
    """Drop a connection at once; the peer may have been quicker."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
