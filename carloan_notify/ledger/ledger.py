"""The ledger as the rest of the house sees it: one object, each method one committed transaction."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pandas as pd

from carloan_notify.ledger import (
    audit,
    digest,
    intake,
    keys,
    notices,
    portfolio,
    runs,
    schema,
    stopping,
    verify,
    views,
)
from carloan_notify.ledger.keys import Cipher
from carloan_notify.ledger.outbox import LedgerOutbox
from carloan_notify.ledger.replies import Inbox
from carloan_notify.ledger.settings import LedgerSettings
from carloan_notify.ledger.store import Store, locate
from carloan_notify.ledger.upkeep import Places, Upkeep, create_keys
from carloan_notify.notices.fingerprints import LastNight
from carloan_notify.records import AuditEvent, Draft, MessageClass, NightFacts
from carloan_notify.text import mask_digits

_HEALED_DIGESTS = 50


class Ledger:
    """Runs, notices, the outbox, suppressions and the audit of one lender. Use as a context manager."""

    def __init__(self, store: Store, cipher: Cipher, settings: LedgerSettings, places: Places) -> None:
        """Use `Ledger.open`."""
        self.store = store
        self.cipher = cipher
        self.settings = settings
        self.places = places
        self.outbox = LedgerOutbox(store, cipher)
        self.inbox = Inbox(store, cipher)
        self.upkeep = Upkeep(store, cipher, settings, places)

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
            schema.make(store, cipher.key_check(), create_at)
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

    # --- keyed hashes -------------------------------------------------------------------------------------

    def phone_hash(self, e164: str) -> str:
        """See `Cipher.phone_hash`."""
        return self.cipher.phone_hash(e164)

    def customer_ref(self, customer_id: str) -> str:
        """See `Cipher.customer_ref`."""
        return self.cipher.customer_ref(customer_id)

    # --- runs ---------------------------------------------------------------------------------------------

    def start_run(
        self, run_id: str, as_of: date, kind: str, now: datetime, sources: Mapping[str, Any] | None = None
    ) -> None:
        """Note that a run began; `sources` is JSON-safe and names no person."""
        with self.store.write() as connection:
            runs.start(connection, run_id, kind, as_of, now, sources or {})

    def finish_run(
        self, run_id: str, status: str, counts: Mapping[str, Any], facts: NightFacts | None, now: datetime
    ) -> None:
        """Note how a run ended; `facts` only of a night that later nights may be compared with."""
        with self.store.write() as connection:
            runs.finish(connection, run_id, status, counts, facts, now)

    def keep_portfolio(self, run_id: str, as_of: date, prints: np.ndarray) -> None:
        """See `portfolio.keep`."""
        with self.store.write() as connection:
            portfolio.keep(connection, self.cipher, run_id, as_of, prints)

    def last_portfolio(self) -> LastNight | None:
        """See `portfolio.last_night`."""
        with self.store.read() as connection:
            return portfolio.last_night(connection, self.cipher)

    def night_history(self, limit: int = 60) -> list[NightFacts]:
        """Facts of earlier nights, newest first."""
        with self.store.read() as connection:
            return runs.night_history(connection, limit)

    def get_run(self, run_id: str) -> runs.Run | None:
        """One run by id."""
        with self.store.read() as connection:
            return runs.get(connection, run_id)

    def last_run(self, kind: str = "") -> runs.Run | None:
        """The run that started last, of one kind or of any."""
        with self.store.read() as connection:
            return runs.last(connection, kind)

    def runs(self, limit: int = 100) -> pd.DataFrame:
        """See `runs.table`."""
        with self.store.read() as connection:
            return runs.table(connection, limit)

    # --- decisions and intake -----------------------------------------------------------------------------

    def known_keys(self, names: Sequence[str]) -> set[str]:
        """Which idempotency keys are taken."""
        with self.store.read() as connection:
            return notices.known(connection, names)

    def recent_contacts(self, since: datetime) -> pd.DataFrame:
        """See `views.recent_contacts`."""
        with self.store.read() as connection:
            return views.recent_contacts(connection, since)

    def record_notices(self, run_id: str, frame: pd.DataFrame, now: datetime) -> None:
        """Keep every decision (`frames.DECISIONS`) of a run, and their tally in the audit."""
        rows = notices.to_rows(run_id, frame, self.cipher.customer_ref)
        with self.store.write() as connection:
            notices.record(connection, rows)
            audit.append(connection, [AuditEvent("run.decided", run_id, notices.tally(frame))], now)

    def notices_for(self, loan_id: str) -> pd.DataFrame:
        """Every decision about one loan, oldest first."""
        with self.store.read() as connection:
            return notices.of_loan(connection, loan_id)

    def notices_of(self, run_id: str) -> pd.DataFrame:
        """Every decision of one run."""
        with self.store.read() as connection:
            return notices.of_run(connection, run_id)

    def enqueue(self, run_id: str, drafts: Iterable[Draft], now: datetime) -> intake.EnqueueResult:
        """Queue drafts, a transaction per 1,000.

        Keys already taken are values, a merged message goes whole.
        """
        total = intake.EnqueueResult(0)
        for chunk in intake.in_chunks(drafts):
            with self.store.write() as connection:
                total += intake.enqueue(connection, self.cipher, run_id, chunk, now)
        return total

    # --- views --------------------------------------------------------------------------------------------

    def messages(self, wanted: views.MessageFilter | None = None) -> pd.DataFrame:
        """Messages newest first, personal data masked; columns `views.COLUMNS`."""
        with self.store.read() as connection:
            return views.messages(connection, self.cipher, wanted or views.MessageFilter(), reveal=False)

    def reveal(self, wanted: views.MessageFilter, operator: str, reason: str, now: datetime) -> pd.DataFrame:
        """Messages with phone, name and text in clear; who looked at what, and why, is audited first."""
        with self.store.write() as connection:
            shown = views.messages(connection, self.cipher, wanted, reveal=True)
            why = mask_digits(reason)
            data = {"operator": operator, "reason": why, "messages": list(shown["message_id"])}
            audit.append(connection, [AuditEvent("message.revealed", operator, data)], now)
        return shown

    def message(self, message_id: str) -> dict[str, Any] | None:
        """One message, masked, as a mapping of `views.COLUMNS`."""
        found = self.messages(views.MessageFilter(message_id=message_id)).to_dict("records")
        return {str(name): value for name, value in found[0].items()} if found else None

    def attempts(self, loan_id: str, notice: str = "") -> pd.DataFrame:
        """Every message that told this loan (this notice), newest first, masked."""
        return self.messages(views.MessageFilter(loan_id=loan_id, notice=notice))

    def stored(self, message_id: str) -> views.Stored | None:
        """See `reading_back.stored`."""
        with self.store.read() as connection:
            return views.stored(connection, self.cipher, message_id)

    def receipts_of(self, message_id: str) -> pd.DataFrame:
        """See `views.receipts_of`."""
        with self.store.read() as connection:
            return views.receipts_of(connection, message_id)

    # --- suppressions -------------------------------------------------------------------------------------

    def subject(
        self, *, phone: str = "", customer_id: str = "", message_class: MessageClass | None = None
    ) -> stopping.Subject:
        """A suppression's subject from a phone in E.164 or a customer id."""
        return stopping.Subject(self.phone_hash(phone), self.customer_ref(customer_id), message_class)

    def suppress(
        self, subject: stopping.Subject, source: str, reason: str, now: datetime, *, note: str = ""
    ) -> stopping.Stopped:
        """Stop messages to a subject, those that wait included."""
        with self.store.write() as connection:
            return stopping.stop(connection, subject, source, reason, now, note=note)

    def unsuppress(
        self, subject: stopping.Subject, operator: str, reason: str, now: datetime, *, was: str = ""
    ) -> str | None:
        """See `suppressions.remove`."""
        with self.store.write() as connection:
            return stopping.remove(connection, subject, operator, reason, now, was=was)

    def suppressions(self, *, standing_only: bool = True) -> pd.DataFrame:
        """See `suppressions.table`."""
        with self.store.read() as connection:
            return stopping.table(connection, standing_only=standing_only)

    # --- audit --------------------------------------------------------------------------------------------

    def append_audit(self, events: Sequence[AuditEvent], now: datetime) -> None:
        """Chain events that no other method writes (guard accepted, kill switch seen, …)."""
        with self.store.write() as connection:
            audit.append(connection, events, now)

    def show_audit(
        self, *, kind: str = "", mentions: str = "", since: datetime | None = None, limit: int = 1_000
    ) -> pd.DataFrame:
        """See `audit.show`."""
        with self.store.read() as connection:
            return audit.show(connection, kind=kind, mentions=mentions, since=since, limit=limit)

    def write_digest(
        self, run_id: str, now: datetime, counts: Mapping[str, Any] | None = None
    ) -> digest.Digest:
        """Sign the head of the chain; put the file, and any a crash left unwritten, into every folder."""
        key = digest.load(self.places.signing_key_file)
        with self.store.write() as connection:
            seen = digest.newest_in(self.places.digest_folders, key.public_key())
            written = digest.write(connection, key, (run_id, counts or {}), seen, now)
            recent = digest.stored(connection, newest=_HEALED_DIGESTS)
        digest.put(self.places.digest_folders, recent)
        return written

    def verify_audit(self, public_key_file: Path | None = None) -> verify.Verification:
        """Has anybody changed the audit? `public_key_file`: the auditor's copy instead of the one at hand."""
        trusted = digest.trusted(public_key_file or digest.public_file(self.places.signing_key_file))
        shelves = [verify.Shelf.read(folder) for folder in self.places.digest_folders]
        with self.store.read() as connection:
            evidence = verify.Evidence(
                ledger_id=schema.meta(connection, "ledger_id"),
                head=audit.head(connection),
                known=digest.stored(connection),
                shelves=shelves,
                trusted=trusted,
            )
            return verify.verify_rows(audit.stream(connection), evidence)

    def export_audit(self, path: Path) -> verify.Exported:
        """Write the whole audit as JSONL that `audit_export.verify` proves without the ledger."""
        trusted = digest.trusted(digest.public_file(self.places.signing_key_file))
        with self.store.read() as connection:
            ledger_id = schema.meta(connection, "ledger_id")
            signed = digest.stored(connection)
            return verify.write(path, audit.stream(connection), signed, list(trusted.values()), ledger_id)
