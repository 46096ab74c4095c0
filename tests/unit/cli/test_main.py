"""The boundary: whatever happens becomes an exit code and a sentence."""

import errno
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify import errors
from carloan_notify.cli.main import COMMANDS, cli, main, read_any_text, report_bug, write_every_name
from carloan_notify.reports.tables import print_json

OUTCOMES: dict[str, tuple[BaseException | None, int, str]] = {
    "nothing": (None, 0, ""),
    "config": (errors.ConfigError(["a.b: wrong; mend it", "c: too"]), 2, "a.b: wrong; mend it\nc: too"),
    "ledger wrong": (errors.LedgerError("no ledger here yet"), 2, "carloan-notify: no ledger here yet"),
    "ledger gone": (errors.LedgerUnavailableError("disk full"), 1, "carloan-notify: disk full"),
    "no room": (OSError(errno.ENOSPC, "full", "r.html"), 1, "no room to write r.html; make room"),
    "no room for output": (OSError(errno.EFBIG, "full"), 1, "no room to write a file; make room"),
    "another fault of a file": (PermissionError(errno.EACCES, "no", "r.html"), 3, "a bug (PermissionError)"),
    "locked": (errors.LockedError("miriam runs"), 4, "carloan-notify: miriam runs"),
    "usage": (click.UsageError("give --this"), 2, "Error: give --this"),
    "interrupt": (KeyboardInterrupt(), 130, "carloan-notify: interrupted"),
    "abort": (click.Abort(), 130, "carloan-notify: interrupted"),
    "exit": (SystemExit(7), 7, ""),
    "bug": (RuntimeError("+8613800138000 is secret"), 3, "carloan-notify: a bug (RuntimeError); please report it with"),
}  # fmt: skip


def command_that(act: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """A command `boom`, found as the real ones are: by its module's name."""

    @click.command()
    @click.pass_context
    def command(ctx: click.Context) -> None:
        found = act()
        if isinstance(found, int):
            ctx.exit(found)

    monkeypatch.setitem(sys.modules, "carloan_notify.cli.boom", SimpleNamespace(boom_command=command))
    monkeypatch.setitem(COMMANDS, "boom", ("boom", "Goes wrong."))


@pytest.mark.parametrize("case", OUTCOMES)
def test_outcome_becomes_exit_code(
    case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    error, code, said = OUTCOMES[case]

    def act() -> None:
        if error is not None:
            raise error

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    command_that(act, monkeypatch)
    with pytest.raises(SystemExit) as ended:
        main(["boom"])
    assert ended.value.code == code
    told = capsys.readouterr()
    assert told.out == ""
    assert said in told.err
    assert "Traceback" not in told.err
    assert "13800138000" not in told.err


def test_code_of_a_command_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    command_that(lambda: 5, monkeypatch)
    with pytest.raises(SystemExit) as ended:
        main(["boom"])
    assert ended.value.code == 5


def test_bug_report_is_private_and_holds_no_values(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ValueError, match="138") as caught:
        int("+8613800138000 is no number")
    path = report_bug(caught.value)
    text = path.read_text(encoding="utf-8")
    assert path.parent == tmp_path
    assert path.stat().st_mode & 0o077 == 0
    assert text.splitlines()[0].startswith("carloan-notify ")
    assert text.endswith("ValueError\n")
    assert "test_bug_report" in text
    assert "13800138000" not in text.replace('int("+8613800138000', "")  # source lines are, values are not


def test_commands_are_listed_without_importing_them() -> None:
    context = click.Context(cli)
    assert cli.list_commands(context) == sorted(COMMANDS)
    assert cli.get_command(context, "nothing") is None


@given(
    st.text(st.characters(codec="utf-8"), max_size=8).map(lambda text: f"𠮷一·é{text}"),
    st.sampled_from(["ascii", "gbk", "latin-1", "utf-8", "cp1252"]),
)
def test_no_name_stops_an_output_and_json_stays_json(name: str, encoding: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    write_every_name(stream, io.StringIO())
    print_json({"name": name}, stream)
    stream.flush()
    written = raw.getvalue().decode("utf-8" if encoding == "ascii" else encoding)
    assert json.loads(written) == {"name": name}


@pytest.mark.parametrize(("encoding", "found"), [("ascii", "张�"), ("utf-8", "张�"), ("latin-1", "å¼\xa0ÿ")])
def test_no_text_stops_an_input(encoding: str, found: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO("张".encode() + b"\xff"), encoding=encoding)
    read_any_text(stream)
    assert stream.read() == found
    read_any_text(io.StringIO())
