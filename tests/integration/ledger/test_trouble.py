"""A ledger that is wrong (exit 2: mend the configuration) and one that fails in use (exit 1: mend the machine)."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from carloan_notify import errors
from carloan_notify.ledger import intake
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.settings import LedgerSettings
from tests.integration.ledger.drafts import NOW, claim, draft
from tests.transactions import commit

QUICK = LedgerSettings(busy_timeout_seconds=1)


@contextmanager
def held(path: Path, *, readers_too: bool = False) -> Iterator[None]:
    """Another program in the middle of a transaction."""
    connection = sqlite3.connect(path, isolation_level=None)
    if readers_too:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        connection.close()


def exit_code_of_opening(folder: Path, settings: LedgerSettings, *, create: bool = False) -> int:
    with pytest.raises(errors.LedgerError) as caught:
        Ledger.open(settings, folder, create=create, now=NOW)
    return caught.value.exit_code


def test_a_ledger_locked_while_in_use_ends_with_failed_items(tmp_path: Path) -> None:
    with Ledger.open(QUICK, tmp_path, create=True, now=NOW) as ledger:
        commit(ledger, intake.enqueue, "R1", [draft(1)], NOW)
        with held(tmp_path / "ledger.db"), pytest.raises(errors.LedgerUnavailableError) as caught:
            claim(ledger)
        assert caught.value.exit_code == errors.EXIT_FAILED_ITEMS
        assert "is not held by another program, then run the command again" in str(caught.value)
        assert len(claim(ledger)) == 1


def test_a_ledger_locked_at_the_first_look_is_no_mistake_of_the_configuration(tmp_path: Path) -> None:
    Ledger.open(QUICK, tmp_path, create=True, now=NOW).close()
    with held(tmp_path / "ledger.db", readers_too=True):
        assert exit_code_of_opening(tmp_path, QUICK) == errors.EXIT_FAILED_ITEMS


def fill(ledger: Ledger) -> None:
    with ledger.store.write() as connection:
        (pages,) = connection.exec_driver_sql("PRAGMA page_count").one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        connection.exec_driver_sql("INSERT INTO meta VALUES ('big', zeroblob(1000000))")


def test_a_full_disk_ends_with_failed_items(sqlite_ledger: Ledger) -> None:
    with pytest.raises(errors.LedgerUnavailableError, match="disk is full"):
        fill(sqlite_ledger)


def test_a_ledger_that_was_never_reached_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    nowhere = LedgerSettings(url=f"postgresql+psycopg://nobody@/ledger?host={tmp_path}")
    assert exit_code_of_opening(tmp_path, nowhere) == errors.EXIT_USAGE
    (tmp_path / "ledger.db").write_bytes(b"this is no database, but long enough to look at" * 10)
    assert exit_code_of_opening(tmp_path, QUICK, create=True) == errors.EXIT_USAGE


def test_missing_foreign_and_older_ledgers_are_mistakes_of_the_configuration(tmp_path: Path) -> None:
    Ledger.open(QUICK, tmp_path, create=True, now=NOW).close()
    key = tmp_path / QUICK.key_file
    other = tmp_path / "other"
    other.mkdir()
    Ledger.open(QUICK, other, create=True, now=NOW).close()
    ours = key.read_bytes()
    key.write_bytes((other / QUICK.key_file).read_bytes())
    assert exit_code_of_opening(tmp_path, QUICK) == errors.EXIT_USAGE
    key.write_bytes(ours)
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0000'")
    connection.close()
    assert exit_code_of_opening(tmp_path, QUICK) == errors.EXIT_USAGE
    (tmp_path / "ledger.db").unlink()
    assert exit_code_of_opening(tmp_path, QUICK) == errors.EXIT_USAGE
