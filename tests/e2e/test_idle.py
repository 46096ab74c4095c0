"""Commands that cron starts every few minutes load what they need, and nothing that only a night needs."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from carloan_notify.app import build_app
from carloan_notify.pipeline.setup import init_folder

HEAVY: Final = ("pandas", "pyarrow", "alembic", "holidays", "carloan_notify.delivery.providers.twilio.twilio")
PROBE: Final = """
import json, sys
from carloan_notify.cli.main import main
try:
    main(sys.argv[2:])
except SystemExit as end:
    loaded = [name for name in json.loads(sys.argv[1]) if name in sys.modules]
    print(json.dumps({"code": end.code, "loaded": loaded}))
"""


@pytest.fixture(scope="module")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lender with a ledger in which nothing waits."""
    folder = tmp_path_factory.mktemp("idle") / "lender"
    init_folder(folder)
    with build_app(folder / "config.yaml").open_ledger(create=True):
        return folder


def run(folder: Path, *arguments: str) -> tuple[int, list[str]]:
    """The exit code of a command, and which heavy modules it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(HEAVY), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    said = json.loads(done.stdout.splitlines()[-1])
    return said["code"], said["loaded"]


@pytest.mark.parametrize("command", ["send", "receipts pull", "report --list"])
def test_nothing_to_do_loads_nothing_heavy(lender: Path, command: str) -> None:
    assert run(lender, *command.split()) == (0, [])


def test_the_figures_of_a_night_load_nothing_heavy(lender: Path) -> None:
    code, loaded = run(lender, "report")
    assert (code, loaded) == (2, [])  # there was no night yet


def test_the_probe_sees_what_is_loaded(lender: Path) -> None:
    _, loaded = run(lender, "explain", "AD2026000001", "--as-of", "2026-11-23")
    assert {"pandas", "pyarrow"} <= set(loaded)


def test_help_comes_at_once(lender: Path) -> None:
    before = os.times().children_user + os.times().children_system
    assert run(lender, "--help") == (0, [])
    used = os.times().children_user + os.times().children_system - before
    assert used < 0.5
