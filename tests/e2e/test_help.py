"""Every command explains itself with an example, and `--help` answers at once."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from carloan_notify.cli.main import COMMANDS, cli
from tests.e2e.conftest import Desk

HEAVY = (
    "pandas",
    "numpy",
    "pydantic",
    "pyarrow",
    "sqlalchemy",
    "alembic",
    "jinja2",
    "babel",
    "rich",
    "requests",
    "yaml",
)


def every_command() -> Iterator[tuple[str, ...]]:
    """The words that call each command: groups and what is in them."""
    context = click.Context(cli)
    for name in COMMANDS:
        found = cli.get_command(context, name)
        yield (name,)
        if isinstance(found, click.Group):
            yield from ((name, inner) for inner in found.commands)


@pytest.mark.parametrize("words", list(every_command()), ids=" ".join)
def test_help_has_an_example(tmp_path: Path, words: tuple[str, ...]) -> None:
    told = Desk(tmp_path).run(*words, "--help").out
    assert "Example:" in told
    assert (
        f"carloan-notify {' '.join(words)}" in told
        or f"carloan-notify --config config.yaml {' '.join(words)}" in told
    )
    assert max(map(len, told.splitlines())) <= 120


def test_help_lists_every_command_and_imports_nothing_heavy(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from carloan_notify.cli.main import main\n"
        "try: main(['--help'])\n"
        f"except SystemExit: print('imported:', [name for name in {HEAVY} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "imported: []"
    for name, (_, line) in COMMANDS.items():
        assert name in done.stdout
        assert line.split()[0] in done.stdout
    assert "Example:" in done.stdout


def test_version(tmp_path: Path) -> None:
    assert Desk(tmp_path).run("--version").out.startswith("carloan-notify, version ")


@pytest.mark.parametrize(
    "group",
    ["audit", "config", "holds", "ledger", "numbers", "providers", "receipts", "suppress", "templates"],
)
def test_group_without_a_command_explains_itself(tmp_path: Path, group: str) -> None:
    assert f"carloan-notify {group}" in Desk(tmp_path).run(group, code=2).err
