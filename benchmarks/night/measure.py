"""What a command costs: CPU seconds and peak memory of it and all its children, and the time on the clock."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
_EVERY_S: Final = 0.05
_KILOBYTE: Final = 1 if sys.platform == "darwin" else 1024


class CommandFailedError(Exception):
    """A measured command ended otherwise than it should; no figure of it is worth anything."""


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU and wall seconds, peak memory in MB of the whole tree at one moment, and what was printed."""

    cpu: float
    wall: float
    peak_mb: float
    output: str


def measured(command: Sequence[str], allowed: Sequence[int] = (0,)) -> Spent:
    """Run a command to its end.

    CPU is the kernel's own count of the process and all children that it waited for. Memory of a tree is what its
    processes hold at one moment, added up twenty times a second (a page that forked processes share counts by its
    share); never less than the kernel's own peak of the process itself. The peak that `wait4` tells is not used where
    there is /proc: it counts what this process held when it forked.

    Raises:
        CommandFailedError: its exit code is none of `allowed`; with the end of what it said.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        began = time.perf_counter()
        process = subprocess.Popen(list(command), stdout=out, stderr=err)
        watch = _Watch(process.pid)
        watch.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        watch.stop()
        for stream in (out, err):
            stream.seek(0)
        said = out.read()
        if process.returncode not in allowed:
            tail = (said + err.read())[-2000:]
            raise CommandFailedError(f"{' '.join(command)}: exit {process.returncode}\n{tail}")
    peak = watch.peak_mb or usage.ru_maxrss * _KILOBYTE / 1e6
    return Spent(usage.ru_utime + usage.ru_stime, wall, peak, said)


def ours(folder: Path, *arguments: str) -> list[str]:
    """The command line of the package, on the configuration of `folder`."""
    config = ("--config", str(folder / "config.yaml"))
    return [sys.executable, "-m", "carloan_notify.cli.main", *config, *arguments]


class _Watch(threading.Thread):
    """Looks at the memory of a process and its descendants until it is stopped."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._over = threading.Event()
        self.peak_mb = 0.0

    def run(self) -> None:
        while not self._over.wait(_EVERY_S):
            self.peak_mb = max(self.peak_mb, tree_mb(self._pid))

    def stop(self) -> None:
        self._over.set()
        self.join()


def tree_mb(pid: int) -> float:
    """MB that a process and its descendants hold now, or it alone held at its peak; 0 without /proc or process."""
    family = list(_family(pid))
    alone = _kilobytes(pid, "status", "VmHWM:") * 1024 / 1e6
    if len(family) == 1:
        return alone
    return max(alone, sum(_kilobytes(member, "smaps_rollup", "Pss:") for member in family) * 1024 / 1e6)


def _family(pid: int) -> Iterator[int]:
    yield pid
    for children in (PROC / str(pid) / "task").glob("*/children"):
        for child in _read(children).split():
            yield from _family(int(child))


def _kilobytes(pid: int, file: str, name: str) -> int:
    lines = _read(PROC / str(pid) / file).splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(name))


def _read(path: Path) -> str:
    """What stands there; nothing once the process is gone."""
    try:
        return path.read_text()
    except OSError:
        return ""
