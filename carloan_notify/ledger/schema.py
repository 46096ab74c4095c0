"""The schema's version: checked at every opening, changed only by a migration the operator asked for."""

from datetime import datetime
from typing import Final
from uuid import uuid4

import sqlalchemy as sa

from carloan_notify.errors import LedgerError
from carloan_notify.ledger import audit
from carloan_notify.ledger.store import Store
from carloan_notify.ledger.tables import META
from carloan_notify.records import AuditEvent

HEAD: Final = "0001"
_VERSION: Final = sa.table("alembic_version", sa.column("version_num"))


def current(store: Store) -> str:
    """The revision of the database, `""` when it has no ledger yet."""
    if not store.exists():
        return ""
    with store.read() as connection:
        return str(connection.execute(sa.select(_VERSION.c.version_num)).scalar_one())


def require_current(store: Store) -> None:
    """Raise `LedgerError` with the cure unless the database is at `HEAD`."""
    found = current(store)
    if not found:
        raise LedgerError(f"{store.engine.url!r}: no ledger here yet; run: carloan-notify ledger migrate")
    if found != HEAD:
        raise LedgerError(
            f"the ledger is at schema {found}, this version needs {HEAD}; run: carloan-notify ledger backup, "
            "then carloan-notify ledger migrate (or install the version that wrote it)"
        )


def migrate(store: Store, key_check: str, now: datetime) -> str:
    """Bring the database to `HEAD`, all steps or none; returns the revision it was at.

    A new ledger gets its identity, the check value of its keys and the first row of its audit.
    """
    before = current(store)
    if before == HEAD:
        return before
    store.make_file()
    with store.write() as connection:
        upgrade(connection)
        if not before:
            _found(connection, key_check, now)
        audit.append(connection, [AuditEvent("ledger.migrated", HEAD, {"from": before, "to": HEAD})], now)
    return before


def upgrade(connection: sa.Connection) -> None:
    """Run the migrations that are missing, in the caller's transaction."""
    from alembic import command  # noqa: PLC0415 - 0.2 s that only a migration should cost
    from alembic.config import Config  # noqa: PLC0415 - same

    config = Config()
    config.set_main_option("script_location", "carloan_notify.ledger:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _found(connection: sa.Connection, key_check: str, now: datetime) -> None:
    ledger_id = uuid4().hex
    identity = [{"name": "ledger_id", "value": ledger_id}, {"name": "key_check", "value": key_check}]
    connection.execute(sa.insert(META), identity)
    audit.found_chain(connection)
    audit.append(connection, [AuditEvent("ledger.created", ledger_id, {})], now)


def meta(connection: sa.Connection, name: str) -> str:
    """A value of the ledger's identity: `ledger_id` or `key_check`."""
    return str(connection.execute(sa.select(META.c.value).where(META.c.name == name)).scalar_one())
