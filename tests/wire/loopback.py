"""A server on loopback that writes down what an SDK sends to it. Standard library only."""

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

Recorded = dict[str, Any]


class Loopback:
    """Answers every request the same way and keeps it: method, path with query, headers that matter, body."""

    def __init__(
        self,
        answer: Mapping[str, Any],
        *,
        status: int = 200,
        headers: tuple[str, ...] = (),
        port: int = 0,
    ) -> None:
        """`headers` names those to keep, in small letters; a fixed port keeps a signed Host the same."""
        self.requests: list[Recorded] = []
        self._server = HTTPServer(("127.0.0.1", port), self._handler(answer, status, headers))

    @property
    def host(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        """Its address without a path."""
        return f"http://{self.host}"

    def __enter__(self) -> Self:
        """Serve in a thread."""
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()

    def _handler(
        self, answer: Mapping[str, Any], status: int, headers: tuple[str, ...]
    ) -> type[BaseHTTPRequestHandler]:
        kept = self.requests
        body = json.dumps(answer).encode()

        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                sent = self.rfile.read(length).decode()
                named = {
                    name.lower(): value for name, value in self.headers.items() if name.lower() in headers
                }
                kept.append(
                    {
                        "method": self.command,
                        "path": self.path,
                        "headers": dict(sorted(named.items())),
                        "body": sent,
                    }
                )
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = _serve  # noqa: N815 - names that http.server looks for

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature of http.server
                """Say nothing."""

        return Handler


def write_down(path: Path, sdk: str, given: Mapping[str, Any], requests: Mapping[str, Recorded]) -> None:
    """A fixture: which SDK, what it was given, and what it put on the wire."""
    fixture = {"sdk": sdk, "given": given, "requests": requests}
    path.write_text(json.dumps(fixture, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
