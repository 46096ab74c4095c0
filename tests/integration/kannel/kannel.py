"""A real Kannel on loopback: bearerbox, smsbox, and the package's own fake SMSC with a telephone behind it."""

import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

import requests

from tests.integration.kannel.config import FAKE, SMPP, written

BEARERBOX: Final = shutil.which("bearerbox", path="/usr/sbin:/usr/bin:/usr/local/sbin")
SMSBOX: Final = shutil.which("smsbox", path="/usr/sbin:/usr/bin:/usr/local/sbin")
FAKE_SMSC: Final = Path("/usr/lib/kannel/test/fakesmsc")
INSTALLED: Final = bool(BEARERBOX and SMSBOX) and FAKE_SMSC.exists()
DRIVE_SMPP: Final = FAKE_SMSC.with_name("drive_smpp")
PATIENCE_S: Final = 15.0
_SENT: Final = re.compile(r"<\d* (?P<to>\+?\d+) (?P<kind>text|ucs-2|udh) (?P<text>[^>]*)>")


_PORTS: Final = itertools.cycle(range(20_000, 32_000))
"""Below those that the system gives to outgoing connections, which would take one between choice and use."""


def free_port() -> int:
    for port in _PORTS:
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError


# Several workers of a test run begin at different places.
for _ in range(os.getpid() * 37 % 12_000):
    next(_PORTS)


def until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


class Kannel:
    """The processes and what the fake telephone got. `listener` is where pushes go, `http://…/NAME/SECRET`.

    With `smsc_port` bearerbox binds to an SMSC over SMPP there, and no fake SMSC is started.
    """

    def __init__(self, folder: Path, listener: str, smsc_port: int | None = None) -> None:
        self.folder = folder
        self.ports = {name: free_port() for name in ("admin", "smsbox", "smsc", "sendsms")}
        self._fake = smsc_port is None
        self.ports["smsc"] = smsc_port or self.ports["smsc"]
        for name in ("messages", "reports"):
            (folder / name).mkdir()
        (folder / "kannel.conf").write_text(
            written(folder, self.ports, listener, FAKE if self._fake else SMPP)
        )
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._logs: list[IO[bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['sendsms']}"

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['admin']}"

    def start(self, *replies: str) -> None:
        """All three, in their order; `replies` are what the telephone sends, in fakesmsc's words."""
        self.start_bearerbox()
        if self._fake:
            until(lambda: self._fake_smsc(replies), "fakesmsc")
        until(lambda: "<status>online" in self._status(), "the link")
        self.start_smsbox()

    def start_bearerbox(self) -> None:
        self._run("bearerbox", [str(BEARERBOX), "kannel.conf"])
        until(lambda: "running" in self._status(), "bearerbox")

    def start_drive_smpp(self, port: int, replies: int) -> None:
        """The package's SMPP test SMSC; it wants a bearerbox to report to, as a smsbox would."""
        command = [str(DRIVE_SMPP), "-v", "0", "-p", str(port), "-m", str(replies), "-c", "kannel.conf"]
        self._run("drive_smpp", command)

    def start_smsbox(self) -> None:
        self._run("smsbox", [str(SMSBOX), "kannel.conf"])
        until(self._answers, "smsbox")

    def kill(self, name: str) -> None:
        """As a crash does it."""
        process = self._running.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        for name in ("smsbox", "bearerbox", "fakesmsc", "drive_smpp"):
            if name in self._running:
                self.kill(name)
        for log in self._logs:
            log.close()

    def stored(self) -> int:
        """Messages that bearerbox has on disk."""
        return sum(path.is_file() for path in (self.folder / "messages").rglob("*"))

    def arrived(self) -> list[tuple[str, str]]:
        """Number and text of what reached the fake telephone so far, in order; long messages in parts."""
        text = (self.folder / "fakesmsc.log").read_text(errors="replace")
        return [(match["to"], match["text"]) for match in _SENT.finditer(text)]

    def copies(self, pattern: str) -> Counter[str]:
        """How often each word of this pattern reached the telephone."""
        return Counter(word for _, text in self.arrived() for word in re.findall(pattern, text))

    def _fake_smsc(self, replies: Sequence[str]) -> bool:
        most = ["-m", str(len(replies))]
        words = [*most, *(replies or ["1 2 text nothing"])]
        command = [str(FAKE_SMSC), "-H", "127.0.0.1", "-r", str(self.ports["smsc"]), "-i", "0.1", *words]
        process = self._run("fakesmsc", command)
        until(lambda: process.poll() is not None or "<status>online" in self._status(), "fakesmsc")
        return process.poll() is None

    def _run(self, name: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
        log = (self.folder / f"{name}.log").open("ab")
        self._logs.append(log)
        # A group of its own: smsbox starts itself anew when bearerbox dies.
        process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, start_new_session=True)
        self._running[name] = process
        return process

    def _status(self) -> str:
        try:
            return requests.get(f"{self.admin_url}/status.xml?password=status", timeout=2).text
        except requests.RequestException:
            return ""

    def _answers(self) -> bool:
        try:
            answer = requests.post(f"{self.url}/cgi-bin/sendsms", timeout=2)
        except requests.RequestException:
            return False
        return answer.status_code == requests.codes.forbidden and "on-line" in self._status()
