"""Installed from its wheel, far from any clone, the tool works."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.e2e.conftest import NIGHT, Lender

ROOT = Path(__file__).parents[2]
ON = ("--as-of", "2026-11-23", "--now", NIGHT)
UNMEASURED = {"COVERAGE_PROCESS_CONFIG": ""}  # what runs here is a copy, and the tools that made it


def quietly() -> dict[str, str]:
    """The environment, without coverage."""
    return {**os.environ, **UNMEASURED}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, env=quietly(), check=True, capture_output=True, timeout=240)
    (built,) = folder.glob("*.whl")
    return built


def test_wheel_holds_templates_and_sample(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
    templates = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "templates").rglob("*.j2"))
    packed = (name.split("_data/")[1] for name in names if "_data/" in name)
    assert sorted(name for name in packed if name.endswith(".j2")) == templates
    samples = {f"carloan_notify/_data/export/{path.name}" for path in (ROOT / "samples" / "export").iterdir()}
    assert samples <= set(names)
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith("tests/")]


def test_installed_wheel_lives_through_a_night(wheel: Path, tmp_path: Path) -> None:
    site, folder = tmp_path / "site", tmp_path / "empty"
    folder.mkdir()
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)]
    home = Lender(folder, {"PYTHONPATH": str(site), **UNMEASURED})
    subprocess.run(
        [*pip, "--disable-pip-version-check"], env=quietly(), check=True, capture_output=True, timeout=240
    )
    where = [sys.executable, "-c", "import carloan_notify; print(carloan_notify.__file__)"]
    found = subprocess.run(
        where, cwd=folder, env={**os.environ, **home.env}, capture_output=True, text=True, check=True
    )
    assert Path(found.stdout.strip()).is_relative_to(site)

    assert "templates" in home.run("init").out
    assert "【安达车贷】" in home.run("preview", *ON).out
    report = home.run("run", *ON, "--format", "json").json
    assert report["queued"] > 0
    assert report["rows_read"] == report["rows_used"] + report["rows_rejected"]
    assert home.run("audit", "verify").out.startswith("ok: ")
