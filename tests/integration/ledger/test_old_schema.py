"""A ledger of an older version: nobody changes it unasked, and a backup of it comes first."""

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from click.testing import CliRunner

from carloan_notify.cli.main import cli
from carloan_notify.config.example import sample_values
from carloan_notify.errors import LedgerError
from carloan_notify.ledger import audit, contents, intake, keys, migrations, receipts, schema, upkeep, views
from carloan_notify.ledger import backup as backup_file
from carloan_notify.ledger.contents import Content
from carloan_notify.ledger.keys import Cipher
from carloan_notify.ledger.ledger import Ledger, create_keys
from carloan_notify.ledger.settings import LedgerSettings
from carloan_notify.ledger.store import Store, Transaction, locate
from carloan_notify.ledger.tables import METADATA
from carloan_notify.ledger.views import MessageFilter
from tests.integration.ledger import older_schema
from tests.integration.ledger.drafts import NOW, TEXT, draft, name_of, on_sqlite, receipt, state
from tests.transactions import commit, look

OLDER = "0000"
PHONES = {7: "+12025550101", 8: "+12025550102"}
LATER = NOW + timedelta(hours=1)
AT = "2026-11-23T02:00:00.000000Z"
NEVER = {"lease_until": None, "sent_at": None, "answered_at": None, "settled_at": None}


def row_of(table: sa.Table, **values: object) -> dict[str, object]:
    """A row with these values, empty or 0 where nothing is said."""
    blank: dict[type, object] = {str: "", int: 0, bool: True, bytes: b""}
    return {column.name: blank[column.type.python_type] for column in table.c} | values


@pytest.fixture
def two_schemas(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a version before this one had been released: its schema, and the step from it to this one's."""
    scripts = tmp_path_factory.mktemp("scripts") / "migrations"
    without = shutil.ignore_patterns("versions", "__pycache__")
    shutil.copytree(Path(*migrations.__path__), scripts, ignore=without)
    shutil.copytree(Path(*older_schema.__path__), scripts / "versions")
    monkeypatch.setattr(schema, "_SCRIPTS", str(scripts))
    monkeypatch.setattr(schema, "REVISIONS", (OLDER, *schema.REVISIONS))


@pytest.fixture
def old(settings: LedgerSettings, tmp_path: Path, two_schemas: None) -> LedgerSettings:  # noqa: ARG001 - it acts
    """A ledger as the older version made it: a message that waits, two that were accepted together, a receipt."""
    create_keys(settings, tmp_path)
    cipher = Cipher(keys.load_keyring(tmp_path / settings.key_file, ""))
    store = Store(locate(settings.url, tmp_path), busy_timeout_s=5)
    sealed = contents.seal(cipher, name_of(1), Content(text=TEXT))
    lot = {"lot_no": 1, "not_before": AT, "expires_at": AT}
    message = {**NEVER, "lot_no": 1}
    waits: dict[str, Any] = {**message, "message_id": name_of(1), "state": "queued", "due_at": AT}
    taken = {**message, "state": "accepted", "due_at": None, "provider": "gate", "provider_ref": "biz"}
    told: list[dict[str, Any]] = [
        {"message_no": number, "phone_hash": cipher.phone_hash(phone)} for number, phone in PHONES.items()
    ]
    rows: list[tuple[str, dict[str, Any]]] = [
        ("lots", lot),
        ("messages", {**waits, "message_no": 1}),
        *[("messages", {**taken, "message_no": n, "message_id": name_of(n)}) for n in PHONES],
        ("contents", {"message_no": 1, "content_sealed": sealed}),
        *[("contents", each) for each in told],
        ("message_keys", {"idempotency_key": "key", "message_no": 1, "loan_id": "L1"}),
        ("receipts", {"receipt_id": "r", "provider_ref": "ref", "occurred_at": AT, "received_at": AT}),
    ]
    with store.write() as connection:
        schema.upgrade(connection, to=OLDER)
        schema._found(Transaction(connection, cipher), NOW)  # noqa: SLF001 - as the older version did
        for name, values in rows:
            table = sa.Table(name, sa.MetaData(), autoload_with=connection)
            connection.execute(sa.insert(table), row_of(table, **values))
    store.close()
    return settings


def revision(settings: LedgerSettings, folder: Path) -> str:
    store = Store(locate(settings.url, folder), busy_timeout_s=5)
    try:
        return schema.current(store)
    finally:
        store.close()


def say_it_is(settings: LedgerSettings, folder: Path, number: str) -> None:
    store = Store(locate(settings.url, folder), busy_timeout_s=5)
    with store.write() as connection:
        version = sa.table("alembic_version", sa.column("version_num"))
        connection.execute(sa.update(version).values(version_num=number))
    store.close()


@pytest.mark.parametrize("create", [True, False])
@on_sqlite
def test_it_is_never_upgraded_in_passing(old: LedgerSettings, tmp_path: Path, *, create: bool) -> None:
    with pytest.raises(LedgerError, match=f"at schema {OLDER}, this version needs .* ledger migrate, which"):
        Ledger.open(old, tmp_path, create=create, now=NOW)
    assert revision(old, tmp_path) == OLDER


def test_a_backup_comes_before_the_migration(old: LedgerSettings, tmp_path: Path) -> None:
    made = upkeep.migrate(old, tmp_path, LATER)
    assert made is not None
    assert backup_file.read_header(made.path)["schema"] == OLDER
    assert revision(old, tmp_path) == schema.HEAD
    with Ledger.open(old, tmp_path) as ledger:
        commit(ledger, intake.enqueue, "R2", [draft(2)], LATER)
        assert state(ledger, name_of(1)) == "queued"  # nothing was restored
        kinds = list(look(ledger, audit.show, kind="ledger.")["kind"])
        assert kinds == ["ledger.created", "ledger.backed_up", "ledger.migrated"]
        assert made.path.name in look(ledger, audit.show, kind="ledger.migrated")["data"].iloc[0]
        assert ledger.verify_audit().ok
    assert upkeep.migrate(old, tmp_path, LATER) is None


def test_it_becomes_this_versions_schema_with_its_rows(old: LedgerSettings, tmp_path: Path) -> None:
    upkeep.migrate(old, tmp_path, LATER)
    with Ledger.open(old, tmp_path) as ledger:
        with ledger.store.read() as connection:
            assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
        told = [
            replace(receipt("biz", delivered=number == 7), phone=phone) for number, phone in PHONES.items()
        ]
        assert commit(ledger, receipts.settle, told, LATER).settled == 2
        assert [state(ledger, name_of(i)) for i in (1, 7, 8)] == ["queued", "delivered", "undelivered"]


@on_sqlite
def test_the_command_says_where_the_backup_is(old: LedgerSettings, tmp_path: Path) -> None:
    assert old.url == "sqlite:///ledger.db"
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(sample_values(), allow_unicode=True), encoding="utf-8")
    for command, said in (
        ("backup", " rows, sha256 "),  # of the old schema
        ("migrate", ".backup: backup of the ledger as it was\nthe ledger is at this version's schema\n"),
        ("migrate", "the ledger is at this version's schema\n"),
    ):
        done = CliRunner().invoke(cli, ["--config", str(config), "ledger", command])
        assert done.exit_code == 0, done.output
        assert said in done.stdout
    assert len(list((tmp_path / "backups").glob("*.backup"))) == 2
    assert revision(old, tmp_path) == schema.HEAD


def test_its_backup_is_put_back_into_this_version(old: LedgerSettings, tmp_path: Path) -> None:
    made = upkeep.back_up(old, tmp_path, NOW)
    elsewhere = old.model_copy(update={"url": "sqlite:///restored.db"})
    done = upkeep.restore(elsewhere, tmp_path, made.path, LATER)
    assert (done.rows, done.unknown) == (made.rows, 1)
    with Ledger.open(elsewhere, tmp_path) as ledger:
        assert state(ledger, name_of(1)) == "unknown"
        (shown,) = commit(ledger, views.reveal, MessageFilter(loan_id="L1"), "kim", "check", LATER).to_dict(
            "records"
        )
        assert (shown["text"], shown["loans"]) == (TEXT, "L1")
        with ledger.store.read() as connection:
            (row,) = connection.exec_driver_sql("SELECT phone_hash, blocked, delivered FROM receipts").all()
        assert tuple(row) == ("", False, True)
        assert ledger.verify_audit().ok


@on_sqlite
def test_a_newer_ledger_is_left_to_its_version(old: LedgerSettings, tmp_path: Path) -> None:
    say_it_is(old, tmp_path, "0099")
    for attempt in (
        lambda: Ledger.open(old, tmp_path, create=True, now=NOW),
        lambda: Ledger.open(old, tmp_path),
        lambda: upkeep.migrate(old, tmp_path, NOW),
        lambda: upkeep.back_up(old, tmp_path, NOW),
    ):
        with pytest.raises(LedgerError, match=r"schema 0099, which this version does not know .* install"):
            attempt()


@on_sqlite
def test_another_lenders_keys_migrate_nothing(old: LedgerSettings, tmp_path: Path) -> None:
    other = old.model_copy(update={"key_file": Path("other.key")})
    keys.write_private(tmp_path / "other.key", keys.Keyring.generate().to_text().encode())
    with pytest.raises(LedgerError, match="not the key of this ledger"):
        upkeep.migrate(other, tmp_path, NOW)
    assert revision(old, tmp_path) == OLDER
    assert not (tmp_path / old.backup_dir).exists()


@on_sqlite
def test_where_there_is_none_nothing_is_migrated(settings: LedgerSettings, tmp_path: Path) -> None:
    for attempt in (upkeep.migrate, upkeep.back_up):
        with pytest.raises(LedgerError, match="no ledger here yet"):
            attempt(settings, tmp_path, NOW)
    assert list(tmp_path.iterdir()) == []
