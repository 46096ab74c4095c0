"""Nights that ended in the middle, and ledgers that are not the ones that the digests tell of."""

import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from carloan_notify.ledger import intake, runs
from carloan_notify.ledger.intake import EnqueueResult
from carloan_notify.ledger.store import Transaction
from carloan_notify.records import Draft
from carloan_notify.text import ERASED
from tests.e2e.conftest import MORNING, NIGHT, Desk
from tests.e2e.tiny import AS_OF, Loan, export, october, only_sms

LOANS = [Loan(f"L{n}", "2026-10-20", phone=f"100000000{n}") for n in range(10, 40)]
AGAIN = "2026-11-23T02:30:00+08:00"


class KilledError(BaseException):
    """The process is gone."""


@pytest.fixture
def killed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A night of 30 messages that was killed after the first ten were queued."""
    only_sms(desk)
    export(desk, LOANS, october(LOANS))
    real, calls = intake.enqueue, list[int]()

    def enqueue(tx: Transaction, run_id: str, drafts: Sequence[Draft], now: datetime) -> EnqueueResult:
        calls.append(len(drafts))
        if len(calls) > 1:
            raise KilledError
        return real(tx, run_id, drafts, now)

    def finish(*_: Any) -> None:
        """Nobody is left to say how the run ended."""

    with monkeypatch.context() as patched:
        patched.setattr(intake, "DRAFTS_PER_TRANSACTION", 10)
        patched.setattr(intake, "enqueue", enqueue)
        patched.setattr(runs, "finish", finish)
        with pytest.raises(KilledError):
            desk.run("run", "--as-of", AS_OF, "--now", NIGHT)
    assert len(desk.messages()) == 10
    return desk


def test_a_half_night_is_finished_by_the_next_run(killed: Desk) -> None:
    done = killed.run("run", "--as-of", AS_OF, "--now", AGAIN, "--format", "json")
    assert done.json["queued"] == 20
    figures = killed.send(MORNING)
    assert figures["accepted"] == 30
    assert killed.send("2026-11-23T10:05:00+08:00")["accepted"] == 0


def test_send_says_so_until_it_is_finished(killed: Desk) -> None:
    done = killed.run("send", "--now", MORNING, "--format", "json", code=1)
    assert done.json["accepted"] == 10
    assert f"run --as-of {AS_OF}" in done.err
    killed.run("run", "--as-of", AS_OF, "--now", MORNING)
    assert "ended in the middle" not in killed.run("send", "--now", "2026-11-23T10:05:00+08:00").err


def test_a_night_after_ordinary_ones_is_finished_too(killed: Desk) -> None:
    """No guard mistakes what is left of a half night for a night too small."""
    killed.run("run", "--as-of", AS_OF, "--now", AGAIN)
    for day in ("2026-11-24", "2026-11-25"):
        export(killed, LOANS, [*october(LOANS), f"P{day},L10,{day},1"], day=day)
        assert killed.night(day)["status"] == "finished"


@pytest.mark.parametrize("command", ["send", "run"])
def test_a_ledger_that_was_copied_back_tells_nobody_twice(desk: Desk, command: str) -> None:
    only_sms(desk)
    export(desk, LOANS[:12], october(LOANS[:12]))
    desk.night(AS_OF)
    ledger = desk.folder / "ledger.db"
    copy = Path(shutil.copy(ledger, desk.folder / "copy.db"))
    assert desk.send(MORNING)["accepted"] == 12
    desk.night(AS_OF, at="10:30")  # writes a digest that the copy lacks
    shutil.copy(copy, ledger)
    if command == "send":
        assert "signed digest" in desk.run("send", "--now", "2026-11-23T11:00:00+08:00", code=2).err
    now = "2026-11-23T11:05:00+08:00"
    stopped = desk.run("run", "--as-of", AS_OF, "--now", now, "--format", "json", code=5)
    assert stopped.json["guards_tripped"] == ["ledger_restored"]
    assert {row["state"] for row in desk.messages()} == {"unknown"}
    desk.run("run", "--as-of", AS_OF, "--now", now, code=5)  # it does not pass by itself
    accepted = ("--accept", "ledger_restored", "--reason", "asked the provider, ticket 4711")
    report = desk.run("run", "--as-of", AS_OF, "--now", now, "--format", "json", *accepted).json
    assert report["queued"] == 0
    assert desk.run("run", "--as-of", AS_OF, "--now", now, "--format", "json").json["status"] == "finished"
    assert "ledger.replaced" in desk.run("audit", "show", "--format", "json").out


def test_a_ledger_that_was_deleted_stops_the_night(desk: Desk) -> None:
    export(desk, LOANS[:12], october(LOANS[:12]))
    desk.night(AS_OF, at="10:00")
    (desk.folder / "ledger.db").unlink()
    for leftover in desk.folder.glob("ledger.db-*"):
        leftover.unlink()
    stopped = desk.run(
        "run", "--as-of", AS_OF, "--now", "2026-11-23T10:30:00+08:00", "--format", "json", code=5
    )
    assert stopped.json["guards_tripped"] == ["ledger_restored"]
    assert desk.messages() == []


def test_who_was_erased_stays_erased_after_a_restore(desk: Desk) -> None:
    export(desk, [Loan("L1", "2026-11-20", customer_id="C1"), Loan("L2", "2026-11-20", phone="10000000002")])
    desk.night(AS_OF, at="10:00")
    desk.run("ledger", "backup")
    desk.run("ledger", "erase", "--customer", "C1", "--yes")
    (backup,) = [path for path in (desk.folder / "backups").iterdir() if path.suffix != ".sha256"]
    for file in desk.folder.glob("ledger.db*"):
        file.unlink()
    desk.run("ledger", "restore", str(backup))
    reveal = ("--reveal", "--reason", "check", "--format", "json")
    rows = desk.run("ledger", "messages", *reveal).json
    assert {row["loans"]: row["name"] for row in rows} == {"L1": ERASED, "L2": "钱一"}
