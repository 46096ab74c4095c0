"""Commands in processes of their own that need not import everything first: real processes, quickly started."""

import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from multiprocessing import forkserver
from pathlib import Path
from typing import Final
from unittest import mock

from carloan_notify.cli.main import main

PRELOADED: Final = [
    "carloan_notify.cli.main",
    "carloan_notify.pipeline.night",
    "carloan_notify.pipeline.send",
]


class Forked:
    """A started command, with as much of Popen's interface as the tests use.

    Its lines are not counted: it ends without a farewell, so coverage would slow it down and have nothing to show.
    """

    def __init__(self, folder: Path, args: tuple[str, ...], first: Callable[[], None] | None = None) -> None:
        """Start it; `first` is done in the new process before the command."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        with mock.patch.dict(os.environ, {"COVERAGE_PROCESS_CONFIG": ""}):
            forkserver.ensure_running()
        self._output = Path(tempfile.mkdtemp(prefix="forked-"))
        self._process = context.Process(target=_command, args=(folder, args, self._output, first))
        self._process.start()

    @property
    def returncode(self) -> int | None:
        """As Popen's."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """As Popen's."""
        return self._process.exitcode

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()

    def go_on(self) -> None:
        """Wake it where it was stopped (SIGCONT)."""
        os.kill(int(self._process.pid or 0), signal.SIGCONT)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for the end; what was written to standard output and standard error."""
        self._process.join(timeout)
        written = [self._output / name for name in ("out", "err")]
        texts = [path.read_text(encoding="utf-8") if path.exists() else "" for path in written]
        return texts[0], texts[1]


def _command(folder: Path, args: tuple[str, ...], output: Path, first: Callable[[], None] | None) -> None:
    os.chdir(folder)
    if first is not None:
        first()
    with (
        (output / "out").open("w", encoding="utf-8") as out,
        (output / "err").open("w", encoding="utf-8") as err,
    ):
        sys.stdout, sys.stderr = out, err
        main(args)
