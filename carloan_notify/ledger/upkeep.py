"""Looking after the ledger: forgetting, key rotation, backup and restore, migration, health."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from carloan_notify.errors import LedgerError
from carloan_notify.ledger import (
    audit,
    backup,
    doctor,
    keys,
    resealing,
    restored,
    retention,
    schema,
    signing,
)
from carloan_notify.ledger.cipher import Cipher
from carloan_notify.ledger.places import Places
from carloan_notify.ledger.settings import LedgerSettings
from carloan_notify.ledger.store import Store, locate
from carloan_notify.records import AuditEvent


class Upkeep:
    """Maintenance of an open ledger. All but `backup` and `doctor` belong under the lock that a night takes.

    Senders take no such lock: a message's lease tells that it is in their hands.
    """

    def __init__(self, store: Store, cipher: Cipher, settings: LedgerSettings, places: Places) -> None:
        """Use `Ledger.upkeep`."""
        self._store, self._cipher, self._settings, self._places = store, cipher, settings, places

    def purge(self, older_than: datetime, now: datetime) -> retention.Purged:
        """Delete messages, decisions and replies from before `older_than` for good; the audit stays."""
        with self._store.write(wipes=True) as connection:
            purged = retention.purge(connection, older_than, now)
        self._store.forget()
        return purged

    def erase(self, customer_id: str, operator: str, now: datetime) -> retention.Erased:
        """Overwrite everything personal of a customer, cancel what waits; a record of the erasure stays."""
        with self._store.write(wipes=True) as connection:
            customer_ref = self._cipher.customer_ref(customer_id)
            erased = retention.erase(connection, self._cipher, customer_ref, operator, now)
        self._store.forget()
        return erased

    def rotate_keys(self, operator: str, now: datetime) -> int:
        """Encrypt every message, reply and unread record with a new key; returns how many transactions it took.

        Interrupted, it may simply run again. Old keys stay in the key file, because backups need them.
        Afterwards open the ledger anew. `LedgerError` while a sender holds messages, and for a keyring from
        the environment: only its owner can change that.
        """
        if keys.from_environment(self._settings.key_env):
            name = self._settings.key_env
            raise LedgerError(
                f"{name} is set, so the keys cannot be changed here; unset it and use ledger.key_file"
            )
        with self._store.read() as connection:
            resealing.require_no_sender(connection, now)
        fresh = keys.load_keyring(self._places.key_file, "").with_new_key()
        keys.write_private(self._places.key_file, fresh.to_text().encode(), replace=True)
        steps = sum(self._resealed(Cipher(fresh), table) for table in resealing.SEALED_TABLES)
        with self._store.write() as connection:
            audit.append(connection, [AuditEvent("keys.rotated", operator, {"key_id": fresh.active})], now)
        self._store.forget()
        return steps

    def _resealed(self, cipher: Cipher, table: resealing.SealedTable) -> int:
        """Encrypt one table anew; returns the number of transactions."""
        last, steps = "", 0
        while True:
            with self._store.write(wipes=True) as connection:
                last = resealing.reseal(connection, cipher, table, last)
            if not last:
                return steps
            steps += 1

    def rotate_signing_key(self, operator: str, now: datetime) -> str:
        """Sign with a new key from now on; the old public key stays trusted. Returns the new key's id."""
        path = self._places.signing_key_file
        signing.create(path, replace=True)
        key_id = signing.public_id(signing.load(path).public_key())
        with self._store.write() as connection:
            audit.append(connection, [AuditEvent("signing_key.rotated", operator, {"key_id": key_id})], now)
        return key_id

    def backup(self, now: datetime, folder: Path | None = None) -> backup.Backup:
        """An encrypted copy of one moment, taken while others write; keeps the newest `keep_backups`."""
        place = folder or self._places.backup_dir
        made = backup.write(self._store, self._cipher.keyring, place, self._settings.keep_backups, now)
        with self._store.write() as connection:
            data = {"sha256": made.sha256, "rows": made.rows, "deleted": list(made.deleted)}
            audit.append(connection, [AuditEvent("ledger.backed_up", made.path.name, data)], now)
        return made

    def gap(self) -> restored.Gap | None:
        """What a restore left out and nobody has accepted yet."""
        with self._store.read() as connection:
            return restored.gap(connection)

    def accept_gap(self) -> None:
        """Plan on in spite of the gap; the caller audits who accepted it and why."""
        with self._store.write() as connection:
            restored.forget(connection)

    def doctor(self, now: datetime) -> list[doctor.Ailment]:
        """What is wrong with the ledger, apart from its audit chain (`Ledger.verify_audit`)."""
        with self._store.read() as connection:
            return doctor.examine(connection, self._cipher, now)


def back_up(
    settings: LedgerSettings, base_dir: Path, now: datetime, folder: Path | None = None
) -> backup.Backup:
    """`Upkeep.backup` of a ledger that is not open; it may be of an older schema, before it is migrated."""
    with _at_hand(settings, base_dir) as (_, upkeep):
        return upkeep.backup(now, folder)


def migrate(settings: LedgerSettings, base_dir: Path, now: datetime) -> backup.Backup | None:
    """Bring an older ledger to this version's schema, after a backup; None when it is there already.

    No ledger, one of a newer version, or one of other keys raises `LedgerError`.
    """
    with _at_hand(settings, base_dir) as (store, upkeep):
        if schema.current(store) == schema.HEAD:
            return None
        made = upkeep.backup(now)
        schema.migrate(store, now, backup=made.path.name)
        return made


@contextmanager
def _at_hand(settings: LedgerSettings, base_dir: Path) -> Iterator[tuple[Store, Upkeep]]:
    """The database and the upkeep of a ledger of any schema that this version knows, its keys checked."""
    places = Places.of(settings, base_dir)
    store = Store(locate(settings.url, base_dir), busy_timeout_s=settings.busy_timeout_seconds)
    try:
        schema.require_known(store)
        cipher = Cipher(keys.load_keyring(places.key_file, settings.key_env))
        schema.require_key(store, cipher.key_check(), str(places.key_file))
        yield store, Upkeep(store, cipher, settings, places)
    finally:
        store.close()


def restore(settings: LedgerSettings, base_dir: Path, source: Path, now: datetime) -> backup.Restored:
    """Put a backup where `settings.url` points; that place must be empty. See `backup.restore`."""
    places = Places.of(settings, base_dir)
    keyring = keys.load_keyring(places.key_file, settings.key_env)
    store = Store(locate(settings.url, base_dir), busy_timeout_s=settings.busy_timeout_seconds)
    try:
        return backup.restore(store, keyring, source, now)
    finally:
        store.close()
