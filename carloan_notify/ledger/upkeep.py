"""Looking after the ledger: forgetting, key rotation, backup and restore, migration, health."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from carloan_notify.errors import LedgerError
from carloan_notify.ledger import audit, backup, digest, health, keys, portfolio, schema, states, unread

# Where the ledger's files lie, and the keys made on first use.
from carloan_notify.ledger.backup import Gap
from carloan_notify.ledger.keys import Cipher
from carloan_notify.ledger.notices import in_parts
from carloan_notify.ledger.replies import CLOSED, OPEN
from carloan_notify.ledger.settings import LedgerSettings
from carloan_notify.ledger.states import PENDING, Step
from carloan_notify.ledger.store import Store, locate, to_text
from carloan_notify.ledger.tables import (
    MESSAGE_KEYS,
    MESSAGES,
    NOTICES,
    RECEIPTS,
    REPLIES,
    RUNS,
    SEALED,
    UNREAD,
)
from carloan_notify.records import AuditEvent, MessageState


@dataclass(frozen=True, slots=True)
class Places:
    """The settings' paths, resolved against the folder of the configuration file."""

    key_file: Path
    signing_key_file: Path
    digest_folders: tuple[Path, ...]
    backup_dir: Path

    @classmethod
    def of(cls, settings: LedgerSettings, base_dir: Path) -> "Places":
        """Resolve every path."""
        folders = (settings.audit_dir, *([settings.audit_copy_dir] if settings.audit_copy_dir else []))
        return cls(
            key_file=base_dir / settings.key_file,
            signing_key_file=base_dir / settings.signing_key_file,
            digest_folders=tuple(base_dir / folder for folder in folders),
            backup_dir=base_dir / settings.backup_dir,
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


# Forgetting: content past its time, and one customer's content on request.
#
# The audit names loans and keyed hashes only, so all of this leaves its chain whole. Backups made before still
# hold what is forgotten here until they age out.

_ALIVE: Final = tuple(state.value for state in (*PENDING, MessageState.SENDING))
_SEALED_COLUMNS: Final = tuple(f"{name}_sealed" for name in SEALED)


@dataclass(frozen=True, slots=True)
class Purged:
    """How many rows of each kind are gone."""

    messages: int
    notices: int
    receipts: int
    replies: int = 0
    unread: int = 0


@dataclass(frozen=True, slots=True)
class Erased:
    """How many messages lost their content, and how many of them were waiting and are cancelled.

    So many `replies` lost theirs; `unread` records that named a number of the customer are deleted.
    """

    messages: int
    cancelled: int
    replies: int = 0
    unread: int = 0


def purge(connection: sa.Connection, older_than: datetime, now: datetime) -> Purged:
    """Delete messages queued, decisions of runs started, replies and unread records taken before `older_than`.

    Nothing that may still go, and no reply that is still on the work list.
    """
    cutoff = to_text(older_than)
    old = sa.select(MESSAGES.c.message_id).where(
        MESSAGES.c.queued_at < cutoff, MESSAGES.c.state.not_in(_ALIVE)
    )
    old_runs = sa.select(RUNS.c.run_id).where(RUNS.c.started_at < cutoff)
    unmatched = sa.and_(RECEIPTS.c.message_id == "", RECEIPTS.c.received_at < cutoff)
    gone_receipts = sa.delete(RECEIPTS).where(sa.or_(RECEIPTS.c.message_id.in_(old), unmatched))
    receipts = connection.execute(gone_receipts).rowcount
    connection.execute(sa.delete(MESSAGE_KEYS).where(MESSAGE_KEYS.c.message_id.in_(old)))
    messages = connection.execute(sa.delete(MESSAGES).where(MESSAGES.c.message_id.in_(old))).rowcount
    notices = connection.execute(sa.delete(NOTICES).where(NOTICES.c.run_id.in_(old_runs))).rowcount
    done_with = sa.and_(REPLIES.c.taken_at < cutoff, REPLIES.c.state != OPEN)
    answered = connection.execute(sa.delete(REPLIES).where(done_with)).rowcount
    unreadable = connection.execute(sa.delete(UNREAD).where(UNREAD.c.taken_at < cutoff)).rowcount
    purged = Purged(messages, notices, receipts, answered, unreadable)
    data = {"older_than": cutoff, **asdict(purged)}
    audit.append(connection, [AuditEvent("ledger.purged", "", data)], now)
    return purged


def erase(
    connection: sa.Connection, cipher: Cipher, customer_ref: str, operator: str, now: datetime
) -> Erased:
    """Overwrite phone, name, text and parameters of every message of a customer; what waits is cancelled.

    Replies of the customer, and those from the numbers that these messages went to, lose phone, text and note
    and leave the work list. Receipts lose the keyed hash of such a number, unread records that hold one are
    deleted. A suppression keeps its hash: a number that opted out stays so.
    """
    query = sa.select(MESSAGES.c.message_id, MESSAGES.c.phone_hash, MESSAGES.c.phone_sealed)
    query = query.where(MESSAGES.c.customer_ref == customer_ref).order_by(MESSAGES.c.message_id)
    rows = connection.execute(query).all()
    ids = [row.message_id for row in rows]
    numbers = {row.phone_hash: cipher.open(row.message_id, "phone", row.phone_sealed) for row in rows}
    waiting = states.allowed(connection, ids, Step.CANCEL)
    ended = {**states.UNLEASED, "due_at": None, "settled_at": to_text(now), "code": "erased"}
    states.move_all(connection, waiting, Step.CANCEL, MessageState.CANCELLED, ended)
    states.tell(connection, "cancelled", "", waiting, now, reason="erased")
    empty = {**dict.fromkeys(_SEALED_COLUMNS, b""), "phone_hash": ""}
    for part in in_parts(ids):
        connection.execute(sa.update(MESSAGES).where(MESSAGES.c.message_id.in_(part)).values(**empty))
    hashes = sorted(numbers.keys() - {""})
    _erase_receipts(connection, ids, hashes)
    replies = _erase_replies(connection, customer_ref, hashes, (operator, now))
    unreadable = unread.drop_mentions(connection, cipher, numbers.values())
    erased = Erased(len(ids), len(waiting), replies, unreadable)
    data = {"operator": operator, **asdict(erased)}
    audit.append(connection, [AuditEvent("customer.erased", customer_ref, data)], now)
    return erased


def _erase_receipts(
    connection: sa.Connection, message_ids: Sequence[str], phone_hashes: Sequence[str]
) -> None:
    theirs = [RECEIPTS.c.message_id.in_(part) for part in in_parts(message_ids)]
    theirs += [RECEIPTS.c.phone_hash.in_(part) for part in in_parts(phone_hashes)]
    for some in theirs:
        connection.execute(sa.update(RECEIPTS).where(some).values(phone_hash=""))


def _erase_replies(
    connection: sa.Connection,
    customer_ref: str,
    phone_hashes: Sequence[str],
    by_and_at: tuple[str, datetime],
) -> int:
    operator, now = by_and_at
    theirs = [REPLIES.c.customer_ref == customer_ref]
    theirs += [REPLIES.c.phone_hash.in_(part) for part in in_parts(phone_hashes)]
    ended = {"state": CLOSED, "closed_at": to_text(now), "operator": operator}
    on_list = sa.update(REPLIES).where(sa.or_(*theirs), REPLIES.c.state == OPEN)
    connection.execute(on_list.values(**ended))
    empty = {"phone_sealed": b"", "text_sealed": b"", "phone_hash": "", "note": ""}
    return connection.execute(sa.update(REPLIES).where(sa.or_(*theirs)).values(**empty)).rowcount


class Upkeep:
    """Maintenance of an open ledger. All but `backup` and `doctor` belong under the lock that a night takes.

    Senders take no such lock: a message's lease tells that it is in their hands.
    """

    def __init__(self, store: Store, cipher: Cipher, settings: LedgerSettings, places: Places) -> None:
        """Use `Ledger.upkeep`."""
        self._store, self._cipher, self._settings, self._places = store, cipher, settings, places

    def purge(self, older_than: datetime, now: datetime) -> Purged:
        """Delete messages, decisions and replies from before `older_than` for good; the audit stays."""
        with self._store.write(wipes=True) as connection:
            purged = purge(connection, older_than, now)
        self._store.forget()
        return purged

    def erase(self, customer_id: str, operator: str, now: datetime) -> Erased:
        """Overwrite everything personal of a customer, cancel what waits; a record of the erasure stays."""
        with self._store.write(wipes=True) as connection:
            customer_ref = self._cipher.customer_ref(customer_id)
            erased = erase(connection, self._cipher, customer_ref, operator, now)
            portfolio.erase(connection, self._cipher, customer_id)
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
            health.require_no_sender(connection, now)
        fresh = keys.load_keyring(self._places.key_file, "").with_new_key()
        keys.write_private(self._places.key_file, fresh.to_text().encode(), replace=True)
        steps = sum(self._resealed(Cipher(fresh), table) for table in health.SEALED_TABLES)
        with self._store.write() as connection:
            audit.append(connection, [AuditEvent("keys.rotated", operator, {"key_id": fresh.active})], now)
        self._store.forget()
        return steps

    def _resealed(self, cipher: Cipher, table: health.SealedTable) -> int:
        """Encrypt one table anew; returns the number of transactions."""
        last, steps = "", 0
        while True:
            with self._store.write(wipes=True) as connection:
                last = health.reseal(connection, cipher, table, last)
            if not last:
                return steps
            steps += 1

    def rotate_signing_key(self, operator: str, now: datetime) -> str:
        """Sign with a new key from now on; the old public key stays trusted. Returns the new key's id."""
        path = self._places.signing_key_file
        digest.create(path, replace=True)
        key_id = digest.public_id(digest.load(path).public_key())
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

    def gap(self) -> Gap | None:
        """What a restore left out and nobody has accepted yet."""
        with self._store.read() as connection:
            return backup.gap(connection)

    def accept_gap(self) -> None:
        """Plan on in spite of the gap; the caller audits who accepted it and why."""
        with self._store.write() as connection:
            backup.forget(connection)

    def doctor(self, now: datetime) -> list[health.Ailment]:
        """What is wrong with the ledger, apart from its audit chain (`Ledger.verify_audit`)."""
        with self._store.read() as connection:
            return health.examine(connection, self._cipher, now)


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
