"""Looking after the ledger: forgetting, key rotation, backup and restore, migration.

All but a backup belongs under the lock that a night takes. Senders take no such lock: a message's lease tells
that it is in their hands.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from carloan_notify.errors import LedgerError
from carloan_notify.ledger import (
    audit,
    backup,
    certificates,
    contents,
    health,
    keys,
    portfolio,
    promises,
    schema,
    states,
    unread,
)
from carloan_notify.ledger.keys import Cipher
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.notices import in_parts
from carloan_notify.ledger.replies import CLOSED, OPEN
from carloan_notify.ledger.settings import LedgerSettings, Places
from carloan_notify.ledger.states import PENDING, Step
from carloan_notify.ledger.store import Store, Transaction, locate, to_text
from carloan_notify.ledger.tables import (
    AUDIT,
    CONTENTS,
    HOLDS,
    LOTS,
    MESSAGE_KEYS,
    MESSAGES,
    NOTICES,
    NUMBERS,
    RECEIPTS,
    REPLIES,
    RULINGS,
    RUNS,
    UNREAD,
    WHOLE,
)
from carloan_notify.records import AuditEvent, MessageState

# Forgetting: content past its time, and one customer's content on request.
#
# The audit names loans and keyed hashes only, so all of this leaves its chain whole. Run it in
# `ledger.write(wipes=True)`. Backups made before still hold what is forgotten here until they age out.

_ERASED: Final = "customer.erased"
_ALIVE: Final = tuple(state.value for state in (*PENDING, MessageState.SENDING))


@dataclass(frozen=True, slots=True)
class Purged:
    """How many rows of each kind are gone."""

    messages: int
    notices: int
    receipts: int
    replies: int = 0
    unread: int = 0
    certificates: int = 0


@dataclass(frozen=True, slots=True)
class Erased:
    """How many messages lost their content, and how many of them were waiting and are cancelled.

    So many `replies` and `certificates` lost theirs; `unread` records that named a number of the customer are deleted.
    """

    messages: int
    cancelled: int
    replies: int = 0
    unread: int = 0
    certificates: int = 0


def purge(tx: Transaction, older_than: datetime, now: datetime) -> Purged:
    """Delete messages queued, decisions of runs started, replies and unread records taken before `older_than`.

    Nothing that may still go, no reply that is still on the work list, and no promise that is not done with. Holds that
    ended before it go too; a number of which nothing new was heard since keeps its hash and what is known of it, and
    loses the number itself. Certificates issued before lose what they say and keep their number.
    """
    cutoff = to_text(older_than)
    gone = (LOTS.c.queued_at < cutoff, MESSAGES.c.state.not_in(_ALIVE))
    its_lot = LOTS.c.lot_no == MESSAGES.c.lot_no
    old = sa.select(MESSAGES.c.message_id).join(LOTS, its_lot).where(*gone)
    numbers = sa.select(MESSAGES.c.message_no).join(LOTS, its_lot).where(*gone)
    old_runs = sa.select(RUNS.c.run_id).where(RUNS.c.started_at < cutoff)
    unmatched = sa.and_(RECEIPTS.c.message_id == "", RECEIPTS.c.received_at < cutoff)
    gone_receipts = sa.delete(RECEIPTS).where(sa.or_(RECEIPTS.c.message_id.in_(old), unmatched))
    receipts = tx.connection.execute(gone_receipts).rowcount
    for table in (MESSAGE_KEYS, CONTENTS):
        tx.connection.execute(sa.delete(table).where(table.c.message_no.in_(numbers)))
    messages = tx.connection.execute(sa.delete(MESSAGES).where(MESSAGES.c.message_no.in_(numbers))).rowcount
    empty = ~sa.exists().where(MESSAGES.c.lot_no == LOTS.c.lot_no)
    tx.connection.execute(sa.delete(LOTS).where(LOTS.c.queued_at < cutoff, empty))
    ruled = sa.select(RULINGS.c.ruling_no).where(RULINGS.c.run_id.in_(old_runs))
    notices = tx.connection.execute(sa.delete(NOTICES).where(NOTICES.c.ruling_no.in_(ruled))).rowcount
    tx.connection.execute(sa.delete(RULINGS).where(RULINGS.c.run_id.in_(old_runs)))
    done_with = sa.and_(REPLIES.c.taken_at < cutoff, REPLIES.c.state != OPEN)
    answered = tx.connection.execute(sa.delete(REPLIES).where(done_with)).rowcount
    promises.purge(tx, cutoff)
    tx.connection.execute(sa.delete(HOLDS).where(HOLDS.c.ended_at < cutoff))
    forgotten = sa.update(NUMBERS).where(NUMBERS.c.changed_at < cutoff)
    tx.connection.execute(forgotten.values(phone_sealed=b""))
    unreadable = tx.connection.execute(sa.delete(UNREAD).where(UNREAD.c.taken_at < cutoff)).rowcount
    emptied = certificates.forget(tx, certificates.issued_before(cutoff))
    purged = Purged(messages, notices, receipts, answered, unreadable, emptied)
    data = {"older_than": cutoff, **asdict(purged)}
    audit.append(tx, [AuditEvent("ledger.purged", "", data)], now)
    return purged


def erase(tx: Transaction, customer_id: str, operator: str, now: datetime) -> Erased:
    """Overwrite phone, name, text and parameters of every message of a customer; what waits is cancelled.

    Replies of the customer, and those from the numbers that these messages went to, lose phone, text and note
    and leave the work list. Receipts lose the keyed hash of such a number, unread records that hold one are
    deleted. A suppression, a hold and what is known of a number keep their hash: who opted out stays so, and to the
    dead nothing is sent. A promise loses its notes, not its sum. A certificate loses what it says and can still be
    checked by its code and its file.
    """
    portfolio.erase(tx, portfolio.mark(tx.cipher, customer_id))
    return _erase(tx, tx.cipher.customer_ref(customer_id), operator, now)


def _erase(tx: Transaction, customer_ref: str, operator: str, now: datetime) -> Erased:
    query = sa.select(WHOLE.c.message_id, WHOLE.c.phone_hash, WHOLE.c.content_sealed)
    query = query.where(WHOLE.c.customer_ref == customer_ref).order_by(WHOLE.c.message_id)
    rows = tx.connection.execute(query).all()
    ids = [row.message_id for row in rows]
    numbers = {
        row.phone_hash: contents.opened(tx.cipher, row.message_id, row.content_sealed).phone for row in rows
    }
    waiting = states.allowed(tx, ids, Step.CANCEL)
    ended = {**states.UNLEASED, "due_at": None, "settled_at": to_text(now), "code": "erased"}
    states.move_all(tx, waiting, Step.CANCEL, MessageState.CANCELLED, ended)
    states.tell(tx, "cancelled", "", waiting, now, reason="erased")
    theirs = sa.update(CONTENTS).where(CONTENTS.c.customer_ref == customer_ref)
    tx.connection.execute(theirs.values(content_sealed=b"", phone_hash=""))
    hashes = sorted(numbers.keys() - {""})
    _erase_receipts(tx, ids, hashes)
    for part in in_parts(hashes):
        tx.connection.execute(
            sa.update(NUMBERS).where(NUMBERS.c.phone_hash.in_(part)).values(phone_sealed=b"")
        )
    replies = _erase_replies(tx, customer_ref, hashes, (operator, now))
    promises.erase(tx, customer_ref)
    unreadable = unread.drop_mentions(tx, numbers.values())
    emptied = certificates.forget(tx, certificates.of_customer(customer_ref))
    erased = Erased(len(ids), len(waiting), replies, unreadable, emptied)
    data = {"operator": operator, **asdict(erased)}
    audit.append(tx, [AuditEvent(_ERASED, customer_ref, data)], now)
    return erased


# Erasures are kept beside the digests, by keyed hash alone: who was erased stays erased after a restore.

_ERASURES: Final = "erasure-*.json"
_PUBLIC: Final = 0o644


def keep_erasure(places: Places, cipher: Cipher, customer_id: str, now: datetime) -> None:
    """Note outside the ledger that a customer is erased; to be called before it is done, so that none is lost."""
    ref = cipher.customer_ref(customer_id)
    about = {"customer": ref, "portfolio": portfolio.mark(cipher, customer_id), "erased_at": to_text(now)}
    body = json.dumps(about) + "\n"
    for folder in places.digest_folders:
        folder.mkdir(parents=True, exist_ok=True)
        keys.write_durably(folder / f"erasure-{ref}.json", body.encode(), _PUBLIC)


def erase_again(tx: Transaction, places: Places, written_at: str, now: datetime) -> None:
    """Erase from a ledger restored from a backup of `written_at` whoever was erased since; done already, do nothing."""
    for path in sorted(path for folder in places.digest_folders for path in folder.glob(_ERASURES)):
        kept = json.loads(path.read_text("utf-8"))
        if kept["erased_at"] > written_at and not _is_erased(tx, kept):
            portfolio.erase(tx, kept["portfolio"])
            _erase(tx, kept["customer"], "restore", now)


def _is_erased(tx: Transaction, kept: Mapping[str, str]) -> bool:
    """Whether the audit has this erasure; that by `erase` is written after it was kept."""
    done = sa.select(AUDIT.c.seq).where(AUDIT.c.kind == _ERASED, AUDIT.c.subject == kept["customer"])
    return tx.connection.execute(done.where(AUDIT.c.at >= kept["erased_at"])).first() is not None


def _erase_receipts(tx: Transaction, message_ids: Sequence[str], phone_hashes: Sequence[str]) -> None:
    theirs = [RECEIPTS.c.message_id.in_(part) for part in in_parts(message_ids)]
    theirs += [RECEIPTS.c.phone_hash.in_(part) for part in in_parts(phone_hashes)]
    for some in theirs:
        tx.connection.execute(sa.update(RECEIPTS).where(some).values(phone_hash=""))


def _erase_replies(
    tx: Transaction,
    customer_ref: str,
    phone_hashes: Sequence[str],
    by_and_at: tuple[str, datetime],
) -> int:
    operator, now = by_and_at
    theirs = [REPLIES.c.customer_ref == customer_ref]
    theirs += [REPLIES.c.phone_hash.in_(part) for part in in_parts(phone_hashes)]
    ended = {"state": CLOSED, "closed_at": to_text(now), "operator": operator}
    on_list = sa.update(REPLIES).where(sa.or_(*theirs), REPLIES.c.state == OPEN)
    tx.connection.execute(on_list.values(**ended))
    empty = {"phone_sealed": b"", "text_sealed": b"", "phone_hash": "", "note": ""}
    return tx.connection.execute(sa.update(REPLIES).where(sa.or_(*theirs)).values(**empty)).rowcount


def rotate_keys(ledger: Ledger, operator: str, now: datetime) -> int:
    """Encrypt every message, reply and unread record with a new key; returns how many transactions it took.

    Interrupted, it may simply run again. Old keys stay in the key file, because backups need them.
    Afterwards open the ledger anew. `LedgerError` while a sender holds messages, and for a keyring from
    the environment: only its owner can change that.
    """
    if keys.from_environment(ledger.settings.key_env):
        name = ledger.settings.key_env
        raise LedgerError(
            f"{name} is set, so the keys cannot be changed here; unset it and use ledger.key_file"
        )
    with ledger.read() as tx:
        health.require_no_sender(tx, now)
    fresh = keys.load_keyring(ledger.places.key_file, "").with_new_key()
    keys.write_private(ledger.places.key_file, fresh.to_text().encode(), replace=True)
    steps = sum(_resealed(ledger.store, Cipher(fresh), table) for table in health.SEALED_TABLES)
    with ledger.write(wipes=True) as tx:
        audit.append(tx, [AuditEvent("keys.rotated", operator, {"key_id": fresh.active})], now)
    return steps


def _resealed(store: Store, cipher: Cipher, table: health.SealedTable) -> int:
    """Encrypt one table anew; returns the number of transactions."""
    last: str | int | None = None
    steps = 0
    while True:
        with store.write(wipes=True) as connection:
            last = health.reseal(Transaction(connection, cipher), table, last)
        if last is None:
            return steps
        steps += 1


@dataclass(frozen=True, slots=True)
class Compacted:
    """Bytes that the ledger's database took before and takes now."""

    before: int
    after: int


def compact(ledger: Ledger, operator: str, now: datetime) -> Compacted:
    """Pack a ledger of many nights anew: no row changes, and what was deleted leaves the disk.

    `LedgerError` while a sender holds messages: it would wait for so long that its leases run out.
    """
    with ledger.read() as tx:
        health.require_no_sender(tx, now)
    before = ledger.store.size()
    ledger.store.compact()
    done = Compacted(before, ledger.store.size())
    with ledger.write() as tx:
        audit.append(tx, [AuditEvent("ledger.compacted", operator, asdict(done))], now)
    return done


def write_backup(ledger: Ledger, now: datetime, folder: Path | None = None) -> backup.Backup:
    """An encrypted copy of one moment, taken while others write; keeps the newest `keep_backups`."""
    place = folder or ledger.places.backup_dir
    made = backup.write(ledger.store, ledger.cipher, place, ledger.settings.keep_backups, now)
    with ledger.write() as tx:
        data = {"sha256": made.sha256, "rows": made.rows, "deleted": list(made.deleted)}
        audit.append(tx, [AuditEvent("ledger.backed_up", made.path.name, data)], now)
    return made


def back_up(
    settings: LedgerSettings, base_dir: Path, now: datetime, folder: Path | None = None
) -> backup.Backup:
    """`write_backup` of a ledger that is not open; it may be of an older schema, before it is migrated."""
    with _at_hand(settings, base_dir) as ledger:
        return write_backup(ledger, now, folder)


def migrate(settings: LedgerSettings, base_dir: Path, now: datetime) -> backup.Backup | None:
    """Bring an older ledger to this version's schema, after a backup; None when it is there already.

    No ledger, one of a newer version, or one of other keys raises `LedgerError`.
    """
    with _at_hand(settings, base_dir) as ledger:
        if schema.current(ledger.store) == schema.HEAD:
            return None
        made = write_backup(ledger, now)
        schema.migrate(ledger.store, ledger.cipher, now, backup=made.path.name)
        return made


@contextmanager
def _at_hand(settings: LedgerSettings, base_dir: Path) -> Iterator[Ledger]:
    """A ledger of any schema that this version knows, its keys checked: for backup and migration only."""
    places = Places.of(settings, base_dir)
    store = Store(locate(settings.url, base_dir), busy_timeout_s=settings.busy_timeout_seconds)
    try:
        schema.require_known(store)
        cipher = Cipher(keys.load_keyring(places.key_file, settings.key_env))
        schema.require_key(store, cipher.key_check(), str(places.key_file))
        yield Ledger(store, cipher, settings, places)
    finally:
        store.close()


def restore(settings: LedgerSettings, base_dir: Path, source: Path, now: datetime) -> backup.Restored:
    """Put a backup where `settings.url` points; that place must be empty, or hold this very backup already.

    Whoever was erased since it was written is erased again. See `backup.restore`.
    """
    places = Places.of(settings, base_dir)
    keyring = keys.load_keyring(places.key_file, settings.key_env)
    store = Store(locate(settings.url, base_dir), busy_timeout_s=settings.busy_timeout_seconds)
    try:
        return backup.restore(
            store, keyring, source, now, also=lambda tx, since: erase_again(tx, places, since, now)
        )
    finally:
        store.close()
