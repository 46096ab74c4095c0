"""`receipts listen` as it is started and ended."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests
import yaml
from click.testing import CliRunner

from carloan_notify.cli.main import cli
from carloan_notify.config.example import sample_values
from carloan_notify.errors import ConfigError
from tests.integration.inbound.desk import GATE, SECRET, house_at, make_ledger, states


@pytest.fixture
def config(tmp_path: Path) -> Path:
    values = sample_values()
    values["delivery"]["providers"]["gate"] = {**GATE, "push_secret": "${file:secrets/push}"}
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "push").write_text(f"{SECRET}\n")
    (tmp_path / "secrets" / "push").chmod(0o600)
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    return path


def said(config: Path, *args: str) -> ConfigError:
    done = CliRunner().invoke(cli, ["--config", str(config), "receipts", "listen", *args])
    assert isinstance(done.exception, ConfigError)
    return done.exception


def test_it_serves_until_it_is_told_to_end(config: Path) -> None:
    ids = make_ledger(house_at(config.parent))
    command = [
        sys.executable,
        "-m",
        "carloan_notify.cli.main",
        "--config",
        str(config),
        "--log-format",
        "json",
    ]
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [*command, "receipts", "listen", "--port", "0"], stderr=subprocess.PIPE, text=True, env=env
    ) as process:
        assert process.stderr is not None
        url = process.stderr.readline().split()[2].rstrip(";")
        session = requests.Session()
        session.trust_env = False
        body = {"reports": [{"ref": ids[0], "stat": "DELIVRD", "at": 1795399200}]}
        assert session.post(f"{url}/gate/{SECRET}?phone=%2B12025550100", json=body, timeout=10).text == "OK"
        assert session.get(f"{url}/healthz", timeout=10).status_code == 200
        session.close()
        process.send_signal(signal.SIGTERM)
        log = process.stderr.read()
        assert process.wait(10) == 0
    line = json.loads(log)  # one line
    assert (line["provider"], line["status"], line["receipts"], line["settled"]) == ("gate", 200, 1, 1)
    assert not any(secret in log for secret in (SECRET, "2025550100", ids[0], "healthz"))
    assert states(house_at(config.parent))[ids[0]] == "delivered"


def test_a_missing_extra_says_how_to_install_it(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "waitress", None)
    assert 'pip install "carloan-notify[web]"' in str(said(config))


def test_a_port_in_use_is_named(config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        problem = str(said(config, "--port", port))
    assert f"cannot listen at 127.0.0.1:{port}" in problem
    assert "choose another --port" in problem


def test_nobody_may_push_by_default(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(sample_values(), allow_unicode=True), encoding="utf-8")
    assert "none has a push_secret" in str(said(path))
