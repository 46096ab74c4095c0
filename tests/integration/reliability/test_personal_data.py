"""A whole night and the day after it; then everything it wrote or printed is searched for the people in it."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from carloan_notify.delivery.simulator.server import Simulator
from carloan_notify.delivery.simulator.settings import Faults, simulator_settings
from carloan_notify.notices.guards import GUARDS
from carloan_notify.pipeline.setup import init_folder
from carloan_notify.records import Channel
from tests.integration.reliability.world import World

DAY = "2026-11-23"
NIGHT, MORNING, EVENING = (f"{DAY}T{at}:00+08:00" for at in ("02:00", "10:00", "18:30"))
DAMAGED = "10099887766"
FAULTS = Faults(rejected=0.1, busy=0.1, dropped_after=0.1, undelivered=0.1)
NOT_WRITTEN_HERE = {"export", "templates"}
"""The lender's own tables, and what `init` wrote before any of them was read."""
OWN_PAPERS = "certificates"
"""What is made for one person to have, and says who they are; each behind a code of its own, for its owner alone."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("night") / "lender"
    init_folder(folder)
    damage(folder / "export" / "loans.csv")
    with Simulator(FAULTS, seed=5) as simulator:
        world = World(folder, simulator)
        world.configure()
        world.change(lambda values: with_everything(values, simulator.url))
        yield world


def with_everything(values: dict[str, Any], url: str) -> None:
    """Contacts, calls, metrics and a second place for the digests."""
    values["sources"]["contacts"] = {"path": "export/contacts.csv", "fictitious_phones": True}
    values["reports"]["metrics_file"] = "metrics.prom"
    values["ledger"]["audit_copy_dir"] = "audit-copy"
    values["delivery"]["channels"]["voice"] = ["console", "calls"]
    values["delivery"]["providers"]["calls"] = simulator_settings(url, Channel.VOICE)


def damage(loans: Path) -> None:
    """Rows that are refused because of the very cells that nobody may read in a report."""
    rows = list(csv.DictReader(loans.read_text(encoding="utf-8").splitlines()))
    spoilt = [
        {**rows[0], "loan_id": "AD1", "phone": f"{DAMAGED}x7"},
        {**rows[1], "loan_id": "AD2", "status": rows[1]["phone"]},
        {**rows[2], "loan_id": "AD3", "annual_rate": rows[2]["plate_no"]},
        {**rows[3], "loan_id": rows[3]["loan_id"]},
    ]
    with loans.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows([*rows, *spoilt])


def secrets_of(folder: Path) -> set[str]:
    """Every phone (also as it is dialled abroad), name and plate of the export."""
    found = {DAMAGED}
    for table in ("loans", "contacts"):
        with (folder / "export" / f"{table}.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                values = (row.get(name) or "" for name in ("borrower_name", "name", "phone", "plate_no"))
                found |= {value for value in values if len(value) > 1}
    return found


class Clerk:
    """Runs commands at full verbosity and keeps what they print."""

    def __init__(self, world: World, log_format: str) -> None:
        """Nothing was said yet."""
        self.said = ""
        self._world = world
        self._options = ("--log-format", log_format, "-vv")

    def do(self, *args: str) -> str:
        """Run one command; its standard output."""
        done = self._world.carloan(*self._options, *args)
        assert done.code in {0, 1}, (args, done.err)
        self.said += done.out + done.err
        return done.out


def night_and_day(world: World) -> str:
    """Every command that does not reveal by its nature; all that they print."""
    clerk = Clerk(world, "text")
    at_night, in_the_evening = ("--as-of", DAY, "--now", NIGHT), ("--now", EVENING)
    clerk.do("config", "check")
    clerk.do("run", "--dry-run", *at_night)
    clerk.do("run", *at_night)
    clerk.do("explain", "AD2026000001", *at_night)
    clerk.do("explain", "AD2026000001", *at_night, "--language", "zh", "--format", "json")
    clerk.do("schedule", "AD2026000001", "--as-of", DAY)
    clerk.do("send", "--now", MORNING)
    clerk.do("send", *in_the_evening, "--format", "json")
    clerk.do("reconcile", *in_the_evening)
    for _ in range(2):
        clerk.do("receipts", "pull", *in_the_evening)
    rows = json.loads(clerk.do("ledger", "messages", "--format", "json"))
    sent = next(row for row in rows if row["state"] == "delivered")
    clerk.do("resend", "--message", sent["message_id"], "--reason", "lost", "--yes", *in_the_evening)
    clerk.do("suppress", "add", "--phone", "+8610000000001", "--opt-out", "--reason", "asked")
    clerk.do("suppress", "list")
    clerk.do("holds", "add", "--phone", "+8610000000002", "--kind", "hardship", "--reason", "asked")
    clerk.do("holds", "list", "--format", "json")
    clerk.do("numbers", "quarantine", "--phone", "+8610000000003", "--reason", "a stranger answered")
    clerk.do("numbers", "list", "--format", "csv")
    clerk.do("report")
    clerk.do("report", "--list", "--format", "csv")
    clerk.do("audit", "show", "--limit", "1000")
    clerk.do("audit", "export", "audit.jsonl")
    clerk.do("audit", "verify")
    clerk.do("ledger", "doctor")
    clerk.do("ledger", "backup")
    clerk.do("providers", "list")
    clerk.do("due-days", "assign", "--as-of", DAY)
    return clerk.said


def next_day(world: World) -> str:
    """The commands that log, with JSON lines."""
    clerk = Clerk(world, "json")
    # The same export again, and a day old: guards stop that, and are told to let it pass.
    accepted = [option for guard in GUARDS for option in ("--accept", guard)]
    night = ("run", "--as-of", "2026-11-24", "--now", "2026-11-24T02:00:00+08:00", "--format", "json")
    clerk.do(*night, *accepted, "--reason", "rehearsal")
    for command in (("send",), ("reconcile",), ("receipts", "pull")):
        clerk.do(*command, "--now", "2026-11-24T12:00:00+08:00", "--format", "json")
    return clerk.said


def leaks(text: bytes, secrets: set[str]) -> set[str]:
    """Which secrets stand in it, as UTF-8, UTF-16, GBK or escaped as JSON does."""
    forms = {
        secret: {
            secret.encode(),
            secret.encode("utf-16-le"),
            secret.encode("gb18030"),
            json.dumps(secret)[1:-1].encode(),
        }
        for secret in secrets
    }
    return {secret for secret, written in forms.items() if any(form in text for form in written)}


def test_the_search_finds_what_is_there(world: World) -> None:
    """What `preview` is for is to show the text; the same search finds the names in it, and no number."""
    secrets = secrets_of(world.folder)
    shown = world.carloan("preview", "--as-of", DAY, "--now", NIGHT, "--format", "json")
    found = leaks((shown.out + shown.err).encode(), secrets)
    assert found
    assert not any(character.isdigit() for secret in found for character in secret)
    assert leaks((world.folder / "export" / "loans.csv").read_bytes(), secrets) > found


@pytest.mark.no_cover  # each command has tests of its own; this one reads what they leave behind
def test_nothing_personal_is_printed_or_written(world: World) -> None:
    secrets = secrets_of(world.folder)
    assert len(secrets) > 100
    said = night_and_day(world) + next_day(world)
    assert leaks(said.encode(), secrets) == set()
    files = [path for path in world.folder.rglob("*") if path.is_file()]
    written = [path for path in files if path.relative_to(world.folder).parts[0] not in NOT_WRITTEN_HERE]
    assert {path.name for path in written} >= {"ledger.db", "metrics.prom", "audit.jsonl"}
    assert {path.suffix for path in written} >= {".csv", ".json", ".db", ".prom", ".jsonl"}
    papers = [path for path in written if path.relative_to(world.folder).parts[0] == OWN_PAPERS]
    assert {path.stat().st_mode & 0o777 for path in papers} == {0o600}
    others = set(written) - set(papers)
    assert {str(path): found for path in others if (found := leaks(path.read_bytes(), secrets))} == {}
