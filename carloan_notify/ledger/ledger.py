"""Opening the ledger, and its transactions.

`with ledger.write() as tx: outbox.claim(tx, …)`: what the block did is committed where it ends. What can be done in it
stands in the modules of this folder: `outbox`, `answers`, `receipts`, `stopping`, `runs`, `views` and the others.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from carloan_notify.ledger import audit, digest, keys, schema, verify
from carloan_notify.ledger.keys import Cipher
from carloan_notify.ledger.settings import LedgerSettings, Places
from carloan_notify.ledger.store import Store, Transaction, locate

_HEALED_DIGESTS = 50


class Ledger:
    """The ledger of one lender. Use as a context manager."""

    def __init__(self, store: Store, cipher: Cipher, settings: LedgerSettings, places: Places) -> None:
        """Use `Ledger.open`."""
        self.store = store
        self.cipher = cipher
        self.settings = settings
        self.places = places

    @classmethod
    def open(
        cls, settings: LedgerSettings, base_dir: Path, *, create: bool = False, now: datetime | None = None
    ) -> "Ledger":
        """Open the ledger.

        With `create`, missing keys and a missing ledger are made first; without, a ledger that is absent
        raises `LedgerError`. One at another schema raises it in any case, with the cure, and so does a keyring
        that is not this ledger's. `now` stamps what is made; `create` without it raises `ValueError`.
        """
        if create and now is None:
            raise ValueError("a ledger that may be made needs to know now")
        store = Store(locate(settings.url, base_dir), busy_timeout_s=settings.busy_timeout_seconds)
        try:
            return cls._opened(store, settings, base_dir, now if create else None)
        except BaseException:
            store.close()
            raise

    @classmethod
    def _opened(
        cls, store: Store, settings: LedgerSettings, base_dir: Path, create_at: datetime | None
    ) -> "Ledger":
        if create_at and not store.exists():
            create_keys(settings, base_dir)
        places = Places.of(settings, base_dir)
        cipher = Cipher(keys.load_keyring(places.key_file, settings.key_env))
        if create_at:
            schema.make(store, cipher, create_at)
        schema.require_current(store)
        schema.require_key(store, cipher.key_check(), str(places.key_file))
        return cls(store, cipher, settings, places)

    def close(self) -> None:
        """Close every connection."""
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def write(self, *, wipes: bool = False) -> Iterator[Transaction]:
        """A transaction that commits at the end of the block and rolls back on any exception.

        Nothing in the block may call a provider. With `wipes`, what it deletes or shortens is overwritten, and
        the database keeps no copy of it afterwards.
        """
        with self.store.write(wipes=wipes) as connection:
            yield Transaction(connection, self.cipher)
        if wipes:
            self.store.forget()

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A transaction that sees one moment of the ledger and changes nothing."""
        with self.store.read() as connection:
            yield Transaction(connection, self.cipher)

    # The audit's files, beside the rows of a transaction.

    def write_digest(
        self, run_id: str, now: datetime, counts: Mapping[str, Any] | None = None
    ) -> digest.Digest:
        """Sign the head of the chain; put the file, and any a crash left unwritten, into every folder."""
        key = digest.load(self.places.signing_key_file)
        with self.write() as tx:
            public = key.public_key()
            seen = digest.newest_in(self.places.digest_folders, {digest.public_id(public): public})
            written = digest.write(tx, key, (run_id, counts or {}), seen, now)
            recent = digest.stored(tx, newest=_HEALED_DIGESTS)
        digest.put(self.places.digest_folders, recent)
        return written

    def verify_audit(self, public_key_file: Path | None = None) -> verify.Verification:
        """Has anybody changed the audit? `public_key_file`: the auditor's copy instead of the one at hand."""
        trusted = digest.trusted(public_key_file or digest.public_file(self.places.signing_key_file))
        shelves = [verify.Shelf.read(folder) for folder in self.places.digest_folders]
        with self.read() as tx:
            evidence = verify.Evidence(
                ledger_id=schema.meta(tx.connection, "ledger_id"),
                head=audit.head(tx),
                known=digest.stored(tx),
                shelves=shelves,
                trusted=trusted,
            )
            return verify.verify_rows(audit.stream(tx), evidence, audit.blocks(tx))

    def export_audit(self, path: Path) -> verify.Exported:
        """Write the whole audit as JSONL that `audit_export.verify` proves without the ledger."""
        trusted = digest.trusted(digest.public_file(self.places.signing_key_file))
        with self.read() as tx:
            ledger_id = schema.meta(tx.connection, "ledger_id")
            signed = digest.stored(tx)
            return verify.write(
                path, (audit.stream(tx), audit.blocks(tx)), signed, list(trusted.values()), ledger_id
            )


def create_keys(settings: LedgerSettings, base_dir: Path) -> list[Path]:
    """Make the key files that are missing (mode 0600).

    Returns those made. An existing key is never touched.
    """
    places, made = Places.of(settings, base_dir), list[Path]()
    if not keys.from_environment(settings.key_env) and not places.key_file.exists():
        keys.write_private(places.key_file, keys.Keyring.generate().to_text().encode())
        made.append(places.key_file)
    if not places.signing_key_file.exists():
        digest.create(places.signing_key_file)
        made.append(places.signing_key_file)
    return made
