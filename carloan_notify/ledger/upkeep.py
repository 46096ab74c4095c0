"""Looking after the ledger: forgetting, key rotation, backup and restore, health."""

from datetime import datetime
from pathlib import Path

from carloan_notify.errors import LedgerError
from carloan_notify.ledger import audit, backup, doctor, keys, retention, signing
from carloan_notify.ledger.cipher import Cipher
from carloan_notify.ledger.places import Places
from carloan_notify.ledger.settings import LedgerSettings
from carloan_notify.ledger.store import Store, locate
from carloan_notify.records import AuditEvent


class Upkeep:
    """Maintenance of an open ledger. Run it under the lock that nights and senders take."""

    def __init__(self, store: Store, cipher: Cipher, settings: LedgerSettings, places: Places) -> None:
        """Use `Ledger.upkeep`."""
        self._store, self._cipher, self._settings, self._places = store, cipher, settings, places

    def purge(self, older_than: datetime, now: datetime) -> retention.Purged:
        """Delete messages and decisions from before `older_than` for good; the audit stays."""
        with self._store.write(wipes=True) as connection:
            purged = retention.purge(connection, older_than, now)
        self._store.forget()
        return purged

    def erase(self, customer_id: str, operator: str, now: datetime) -> retention.Erased:
        """Overwrite everything personal of a customer, cancel what waits; a record of the erasure stays."""
        with self._store.write(wipes=True) as connection:
            erased = retention.erase(connection, self._cipher.customer_ref(customer_id), operator, now)
        self._store.forget()
        return erased

    def rotate_keys(self, operator: str, now: datetime) -> int:
        """Encrypt every message with a new key; returns how many transactions it took.

        Interrupted, it may simply run again. Old keys stay in the key file, because backups need them.
        Afterwards open the ledger anew. A keyring from the environment raises `LedgerError`: only its owner
        can change it.
        """
        if keys.from_environment(self._settings.key_env):
            name = self._settings.key_env
            raise LedgerError(
                f"{name} is set, so the keys cannot be changed here; unset it and use ledger.key_file"
            )
        fresh = keys.load_keyring(self._places.key_file, "").with_new_key()
        keys.write_private(self._places.key_file, fresh.to_text().encode(), replace=True)
        cipher, last, steps = Cipher(fresh), "", 0
        while True:
            with self._store.write(wipes=True) as connection:
                last = retention.reseal(connection, cipher, last)
            if not last:
                break
            steps += 1
        with self._store.write() as connection:
            audit.append(connection, [AuditEvent("keys.rotated", operator, {"key_id": fresh.active})], now)
        self._store.forget()
        return steps

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

    def doctor(self, now: datetime) -> list[doctor.Ailment]:
        """What is wrong with the ledger, apart from its audit chain (`Ledger.verify_audit`)."""
        with self._store.read() as connection:
            return doctor.examine(connection, self._cipher, now)


def restore(settings: LedgerSettings, base_dir: Path, source: Path, now: datetime) -> backup.Restored:
    """Put a backup where `settings.url` points; that place must be empty. See `backup.restore`."""
    places = Places.of(settings, base_dir)
    keyring = keys.load_keyring(places.key_file, settings.key_env)
    store = Store(locate(settings.url, base_dir), busy_timeout_s=settings.busy_timeout_seconds)
    try:
        return backup.restore(store, keyring, source, now)
    finally:
        store.close()
