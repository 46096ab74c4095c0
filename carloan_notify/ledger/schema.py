"""The schema's version: checked at every opening, changed only by a migration the operator asked for."""

from datetime import datetime
from typing import Final
from uuid import uuid4

import sqlalchemy as sa

from carloan_notify.errors import LedgerError
from carloan_notify.ledger import audit
from carloan_notify.ledger.keys import Cipher
from carloan_notify.ledger.store import Store, Transaction
from carloan_notify.ledger.tables import META
from carloan_notify.records import AuditEvent

REVISIONS: Final = ("0001",)
"""Every schema there was, oldest first; the migrations' own numbers."""
HEAD: Final = REVISIONS[-1]
_SCRIPTS: Final = "carloan_notify.ledger:migrations"
_VERSION: Final = sa.table("alembic_version", sa.column("version_num"))


def current(store: Store) -> str:
    """The revision of the database, `""` when it has no ledger yet."""
    if not store.exists():
        return ""
    with store.read() as connection:
        return str(connection.execute(sa.select(_VERSION.c.version_num)).scalar_one())


def require_known(store: Store) -> str:
    """The revision of the database, this version's or an older one. None, or a newer one: `LedgerError`."""
    found = current(store)
    if not found:
        raise LedgerError(f"{store.engine.url!r}: no ledger here yet; run: carloan-notify ledger migrate")
    if found not in REVISIONS:
        raise LedgerError(
            f"the ledger is at schema {found}, which this version does not know (it knows {HEAD} and older); "
            "install the version that wrote it"
        )
    return found


def require_current(store: Store) -> None:
    """Raise `LedgerError` with the cure unless the database is at `HEAD`."""
    found = require_known(store)
    if found != HEAD:
        raise LedgerError(
            f"the ledger is at schema {found}, this version needs {HEAD}; run: carloan-notify ledger migrate, "
            "which takes a backup first (or install the version that wrote it)"
        )


def require_key(store: Store, key_check: str, place: str) -> None:
    """Raise `LedgerError` unless the keys whose check value this is are the ledger's own."""
    with store.read() as connection:
        if meta(connection, "key_check") != key_check:
            raise LedgerError(f"{place}: not the key of this ledger; restore the one made with it")


def make(store: Store, cipher: Cipher, now: datetime) -> None:
    """Make the ledger where there is none; one that is there, of whatever schema, stays as it is.

    A new ledger gets its identity, the check value of its keys and the first row of its audit.
    """
    if store.exists():
        return
    store.make_file()
    with store.write() as connection:
        upgrade(connection)
        tx = Transaction(connection, cipher)
        _found(tx, now)
        audit.append(tx, [_migrated("")], now)


def migrate(store: Store, cipher: Cipher, now: datetime, **told: str) -> None:
    """Bring an older ledger to `HEAD`, all steps or none; the audit keeps what is `told` beside the revisions."""
    before = require_known(store)
    with store.write() as connection:
        upgrade(connection)
        audit.append(Transaction(connection, cipher), [_migrated(before, **told)], now)


def _migrated(before: str, **told: str) -> AuditEvent:
    return AuditEvent("ledger.migrated", HEAD, {"from": before, "to": HEAD, **told})


def upgrade(connection: sa.Connection, to: str = HEAD) -> None:
    """Run the migrations that are missing, in the caller's transaction."""
    from alembic import command  # noqa: PLC0415 - 0.2 s that only a migration should cost
    from alembic.config import Config  # noqa: PLC0415 - same

    config = Config()
    config.set_main_option("script_location", _SCRIPTS)
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def _found(tx: Transaction, now: datetime) -> None:
    ledger_id = uuid4().hex
    identity = [
        {"name": "ledger_id", "value": ledger_id},
        {"name": "key_check", "value": tx.cipher.key_check()},
    ]
    tx.connection.execute(sa.insert(META), identity)
    audit.found_chain(tx)
    audit.append(tx, [AuditEvent("ledger.created", ledger_id, {})], now)


def meta(connection: sa.Connection, name: str) -> str:
    """A value of the ledger's identity: `ledger_id` or `key_check`."""
    return str(connection.execute(sa.select(META.c.value).where(META.c.name == name)).scalar_one())
