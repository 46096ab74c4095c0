"""Formats, logs, locks and exit codes, whatever the command."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import yaml

from carloan_notify.app import build_app, one_night
from carloan_notify.delivery.simulator.server import Simulator
from carloan_notify.delivery.simulator.settings import Faults, simulator_settings
from carloan_notify.records import Channel
from tests.e2e.after import AS_OF, AT
from tests.e2e.conftest import NIGHT, Desk, Lender

QUICK = (
    ("send", *AT),
    ("reconcile", *AT),
    ("receipts", "pull"),
    ("report",),
    ("report", "--list"),
    ("suppress", "list"),
    ("ledger", "messages", "--limit", "5"),
    ("ledger", "doctor"),
    ("audit", "show", "--limit", "5"),
    ("audit", "verify"),
    ("providers", "list"),
    ("templates", "list"),
    ("schedule", "AD2026000001", "--as-of", AS_OF),
)
SLOW = (
    ("run", "--as-of", AS_OF, *AT),
    ("preview", "--as-of", AS_OF, "--loan", "AD2026000001", *AT),
    ("templates", "lint"),
    ("due-days", "assign", "--as-of", AS_OF),
)


@pytest.mark.parametrize("command", QUICK, ids=" ".join)
def test_every_format(after: Desk, command: tuple[str, ...]) -> None:
    assert after.run(*command, "--format", "json").json is not None
    assert after.run(*command, "--format", "table").out.strip()
    assert_csv(after.run(*command, "--format", "csv").out)


@pytest.mark.parametrize("command", SLOW, ids=" ".join)
def test_csv_where_other_tests_read_the_json(after: Desk, command: tuple[str, ...]) -> None:
    assert_csv(after.run(*command, "--format", "csv").out)


def assert_csv(printed: str) -> None:
    header, *rows = list(csv.reader(io.StringIO(printed)))
    assert header
    assert all(len(row) == len(header) for row in rows)


def test_log_lines_are_json_when_asked(after: Desk) -> None:
    with Simulator(Faults(balance=0)) as broke:
        values = yaml.safe_load((after.folder / "config.yaml").read_text(encoding="utf-8"))
        values["delivery"]["channels"]["sms"] = ["sim"]
        values["delivery"]["providers"]["sim"] = simulator_settings(broke.url, Channel.SMS)
        after.configure(delivery=values["delivery"])
        done = after.run("--log-format", "json", "send", "--now", "2026-11-23T18:30:00+08:00", code=1)
    lines = [json.loads(line) for line in done.err.splitlines() if line.startswith("{")]
    assert lines[-1]["event"] == "account refused"
    assert (lines[-1]["provider"], lines[-1]["level"]) == ("sim", "error")


def test_second_run_names_the_holder_of_the_lock(lender: Lender) -> None:
    with one_night(build_app(lender.folder / "config.yaml"), "miriam"):
        done = lender.run("run", "--as-of", AS_OF, "--now", NIGHT, code=4)
    assert "miriam on " in done.err
    assert f"process {os.getpid()} runs a night already; wait for it to end" in done.err
    Desk(lender.folder).night(AS_OF)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("run", "--as-of", "23.11.2026"), "'23.11.2026' is no date; write it as 2026-11-23"),
        (("run", "--now", "2026-11-23T02:00"), "has no offset; write it as 2026-11-23T02:00:00+08:00"),
        (("run", "--now", "noon"), "'noon' is no instant"),
        (("night",), "No such command 'night'"),
        (("run", "--force"), "No such option"),
        (("run", "--format", "xml"), "'xml' is not one of"),
        (
            ("--config", "nowhere.yaml", "run"),
            "nowhere.yaml: no such file; make one with `carloan-notify init`",
        ),
        (("send",), "no ledger here yet; run: carloan-notify ledger migrate"),
    ],
)
def test_usage_errors_exit_with_2(lender: Lender, args: tuple[str, ...], said: str) -> None:
    assert said in Desk(lender.folder).run(*args, code=2).err


def test_config_from_the_environment(after: Desk, tmp_path: Path) -> None:
    far = Desk(tmp_path, {"CARLOAN_NOTIFY_CONFIG": str(after.folder / "config.yaml")})
    assert far.run("report", "--format", "json").json["as_of"] == AS_OF


def test_simulator_serves_until_interrupted(lender: Lender) -> None:
    (lender.folder / "faults.yaml").write_text("rejected: 0.5\n", encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "carloan_notify.cli.main",
        "simulator",
        "--port",
        "0",
        "--faults",
        "faults.yaml",
    ]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=lender.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as running:
        assert running.stdout is not None
        url = running.stdout.readline().split()[2]
        with urllib.request.urlopen(f"{url}/stats", timeout=10) as answer:  # noqa: S310 - our own, on loopback
            assert json.load(answer)["accepted"] == 0
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=20)
    assert running.returncode == 130
    assert told.strip() == "carloan-notify: interrupted"


def test_simulator_with_impossible_faults(lender: Lender) -> None:
    file = lender.folder / "faults.yaml"
    for text, said in (
        ("rejected: 5", "faults.yaml: rejected: "),
        ("rain: 1", "rain"),
        ("a: [", "not valid YAML"),
    ):
        file.write_text(text, encoding="utf-8")
        assert (
            said in Desk(lender.folder).run("simulator", "--port", "0", "--faults", "faults.yaml", code=2).err
        )


def test_reader_that_goes_away_is_no_bug(lender: Lender) -> None:
    command = [sys.executable, "-m", "carloan_notify.cli.main", "config", "schema"]
    with subprocess.Popen(
        command, cwd=lender.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        running.stdout.close()
        assert running.stderr is not None
        assert running.stderr.read() == b""
    assert running.returncode == 1
