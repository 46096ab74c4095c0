"""The command line as its users have it: a folder made by `init`, a subprocess or, for breadth, this process."""

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml

from carloan_notify.cli.main import main

NIGHT = "2026-11-23T02:00:00+08:00"
MORNING = "2026-11-23T10:00:00+08:00"


@dataclass(frozen=True)
class Done:
    """A finished command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON value on standard output."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Lender:
    """A lender's folder and the command line in it."""

    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)

    def run(self, *args: str, code: int = 0, stdin: str = "") -> Done:
        """Run one command in the folder; its exit code must be `code`."""
        command = [sys.executable, "-m", "carloan_notify.cli.main", *args]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, "PYTHONUTF8": "1", **self.env},
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=240,
            check=False,
        )
        assert done.returncode == code, (
            f"exit {done.returncode}, wanted {code}: {done.stderr[-2000:]}{done.stdout[-2000:]}"
        )
        assert "Traceback" not in done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def night(self, as_of: str, *args: str, at: str = "02:00", code: int = 0) -> Any:
        """`run` on a business date, by night unless told otherwise; the reconciling object."""
        now = f"{as_of}T{at}:00+08:00"
        done = self.run("run", "--as-of", as_of, "--now", now, "--format", "json", *args, code=code)
        assert_reconciles(done.json)
        return done.json

    def send(self, now: str, code: int = 0) -> Any:
        """`send` at an instant; its figures."""
        return self.run("send", "--now", now, "--format", "json", code=code).json

    def messages(self, *args: str) -> list[dict[str, Any]]:
        """`ledger messages` as rows."""
        rows: list[dict[str, Any]] = self.run(
            "ledger", "messages", "--limit", "10000", "--format", "json", *args
        ).json
        return rows

    def configure(self, **options: Any) -> None:
        """Replace top-level options of the configuration."""
        path = self.folder / "config.yaml"
        values = yaml.safe_load(path.read_text(encoding="utf-8")) | options
        path.write_text(yaml.safe_dump(values, allow_unicode=True, sort_keys=False), encoding="utf-8")

    def write(self, name: str, header: str, rows: Sequence[str] = ()) -> Path:
        """Write a table of the export."""
        path = self.folder / "export" / f"{name}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        return path


class Desk(Lender):
    """The same command line without the second that an interpreter takes: `main`, as the console script calls it."""

    def run(self, *args: str, code: int = 0, stdin: str = "") -> Done:
        """Run one command in the folder; its exit code must be `code`."""
        out, err = io.StringIO(), io.StringIO()
        with chdir(self.folder), redirect_stdout(out), redirect_stderr(err), _given(self.env, stdin):
            ended = _ending(args)
        done = Done(ended, out.getvalue(), err.getvalue())
        assert ended == code, f"exit {ended}, wanted {code}: {done.err[-2000:]}{done.out[-2000:]}"
        assert "Traceback" not in done.err
        return done


@contextmanager
def _given(env: Mapping[str, str], stdin: str) -> Iterator[None]:
    with mock.patch.dict(os.environ, env), mock.patch.object(sys, "stdin", io.StringIO(stdin)):
        yield


def _ending(args: Sequence[str]) -> int:
    with pytest.raises(SystemExit) as ended:
        main(args)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def assert_reconciles(counts: Mapping[str, Any]) -> None:
    """The two sums that must hold for every night, and that no row is lost."""
    assert (
        counts["notices"] == counts["queued"] + counts["suppressed"] + counts["held"] + counts["already_sent"]
    )
    outcomes = ("accepted", "rejected", "unknown", "failed", "cancelled", "pending")
    assert counts["queued"] == sum(counts[name] for name in outcomes)
    assert counts["rows_read"] == counts["rows_used"] + counts["rows_rejected"]


def copied(folder: Path, place: Path) -> Path:
    """A copy of a lender's folder."""
    return Path(shutil.copytree(folder, place / "lender"))


@pytest.fixture(scope="session")
def fresh_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `init` writes; copied, never used itself."""
    folder = tmp_path_factory.mktemp("init") / "lender"
    Lender(folder.parent).run("init", str(folder))
    return folder


@pytest.fixture
def lender(fresh_folder: Path, tmp_path: Path) -> Lender:
    """A folder of its own, as `init` makes it."""
    return Lender(copied(fresh_folder, tmp_path))


@pytest.fixture
def desk(lender: Lender) -> Desk:
    """The folder of `lender`, served by this process."""
    return Desk(lender.folder)


@pytest.fixture(scope="session")
def planned_folder(fresh_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose night was planned at 02:00; copied, never used itself."""
    desk = Desk(copied(fresh_folder, tmp_path_factory.mktemp("planned")))
    desk.night("2026-11-23")
    return desk.folder


@pytest.fixture(scope="session")
def night_before(planned_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose night was planned at 02:00 and sent at 10:00; copied, never used itself."""
    desk = Desk(copied(planned_folder, tmp_path_factory.mktemp("night")))
    desk.send(MORNING)
    return desk.folder


@pytest.fixture
def planned(planned_folder: Path, tmp_path: Path) -> Desk:
    """The night of 2026-11-23, planned and not sent, in a folder of its own."""
    return Desk(copied(planned_folder, tmp_path))


@pytest.fixture
def after(night_before: Path, tmp_path: Path) -> Desk:
    """The morning after, in a folder of its own."""
    return Desk(copied(night_before, tmp_path))
