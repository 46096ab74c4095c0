"""How fast the ledger takes messages in, hands them out, and proves its audit; and how much room a message takes.

Run: `python -m benchmarks ledger_audit [AUDIT_ROWS [MESSAGES]]`. Figures are CPU seconds of one
process, and ratios against a floor of the same run: SHA-256 over as many lines, bare inserts of as many rows.
"""

import base64
import gc
import hashlib
import resource
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import process_time

import pandas as pd

from carloan_notify.ledger import answers, audit, intake, notices, outbox
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.settings import LedgerSettings
from carloan_notify.ledger.store import to_text
from carloan_notify.records import (
    AuditEvent,
    Channel,
    CoveredNotice,
    Draft,
    MessageClass,
    Outcome,
    Rendered,
    SendResult,
)
from tests.transactions import commit

NOW = datetime(2026, 11, 23, 2, tzinfo=UTC)
BATCH = 1_000
WANTED_PER_SECOND = 20_000
WANTED_BYTES = 1_200
"""A message with its keys, its decision and its audit until it was accepted, in all tables and indexes."""
WANTED_VERIFY_S = 20
"""For a million rows."""


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    start = process_time()
    work()
    return process_time() - start


def drafts(count: int, now: datetime = NOW) -> Iterator[Draft]:
    """Messages to nobody, due at once."""
    rendered = Rendered("[Anda] 1,234.56 falls due today. " * 3, "GSM-7", 99, 1, "due_day.sms", "v1")
    for number in range(count):
        digest = hashlib.sha256(str(number).encode())  # ids and keys come in no order, as those of a night
        cover = CoveredNotice(digest.hexdigest()[:32], f"AD2026{number:08d}", 1, now.date())
        yield Draft(
            message_id=base64.b32encode(digest.digest()).decode()[:26],
            covers=(cover,),
            customer_id=f"C{number}",
            notice="due_day",
            channel=Channel.SMS,
            role="borrower",
            message_class=MessageClass.SERVICE,
            language="en",
            phone=f"+120255501{number % 100:02d}",  # a request holds no number twice
            recipient_name="Ada Example",
            rendered=rendered,
            params={},  # no provider of these benchmarks asks for values
            due_on=now.date(),
            amount_minor=123456,
            not_before=now,
            expires_at=now + timedelta(days=1),
            until_paid=True,
        )


def drain(ledger: Ledger, batch: int) -> None:
    """Claim, begin and record everything, without a network."""
    while True:
        ids = [
            message.message_id
            for message in commit(
                ledger, outbox.claim, channels=[Channel.SMS], limit=batch, owner="bench", now=NOW, lease_s=60
            )
        ]
        if not ids:
            return
        commit(ledger, outbox.begin, ids, "bench", NOW, owner="bench", lease_s=60)
        commit(ledger, answers.record, [SendResult(i, Outcome.ACCEPTED, f"r{i}") for i in ids], "bench", NOW)


def fill_audit(ledger: Ledger, rows: int) -> None:
    """Chain `rows` events."""
    for start in range(0, rows, BATCH):
        events = [
            AuditEvent("bench.event", f"{n:026d}", {"loans": [[f"L{n}", 3]], "notice": "due_day"})
            for n in range(start, min(start + BATCH, rows))
        ]
        commit(ledger, audit.append, events, NOW)


def hash_lines(count: int) -> None:
    """The floor of a verification: hash and compare, nothing read."""
    line = "x" * 300
    for number in range(count):
        hashlib.sha256(f"{number}{line}".encode()).hexdigest()


def bare_inserts(path: Path, count: int) -> None:
    """The floor of an intake: one narrow row per message with the driver alone."""
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (a TEXT PRIMARY KEY, b BLOB)")
    for start in range(0, count, BATCH):
        connection.executemany(
            "INSERT INTO t VALUES (?, ?)", [(f"{n:026d}", b"x" * 600) for n in range(start, start + BATCH)]
        )
        connection.commit()
    connection.close()


def queue(ledger: Ledger, prepared: Iterable[Draft]) -> None:
    """Every draft into the outbox, as a night does it."""
    for part in intake.in_chunks(prepared):
        commit(ledger, intake.enqueue, "bench", part, NOW)


def decide(ledger: Ledger, prepared: Iterable[Draft]) -> None:
    """The decision of each, as a night keeps it."""
    rows = [
        {
            "run_id": "bench",
            **{name: getattr(one, name) for name in ("notice", "role", "amount_minor")},
            "channel": one.channel.value,
            "message_class": one.message_class.value,
            "decision": "queued",
            "reason": "",
            "merged_into": "",
            "days_past_due": 0,
            "not_before": to_text(one.not_before),
            "expires_at": to_text(one.expires_at),
            "loan_id": one.covers[0].loan_id,
            "idempotency_key": one.covers[0].idempotency_key,
            "customer_ref": ledger.cipher.customer_ref(one.customer_id),
            "installment_no": 1,
            "due_on": str(one.due_on),
            "original_due_on": str(one.due_on),
        }
        for one in prepared
    ]
    commit(ledger, notices.record, "bench", pd.DataFrame(rows), NOW)


def tell(what: str, rate: float, ratio: float, wanted: int) -> None:
    """One line of figures."""
    print(f"{what:<14} {rate:>10,.0f} messages/s (wanted {wanted:,})   {ratio:.1f} x bare inserts")


def run(audit_rows: float = 1_000_000, messages: float = 20_000) -> dict[str, float]:
    """Measure, print and return the figures; `ok` is 1 when every target is met."""
    count, rows = int(messages), int(audit_rows)
    with tempfile.TemporaryDirectory() as folder:
        floor = seconds(lambda: bare_inserts(Path(folder) / "floor.db", count))
        with Ledger.open(LedgerSettings(), Path(folder), create=True, now=NOW) as ledger:
            prepared = list(drafts(count))
            gc.freeze()  # going through the caller's drafts again and again is no cost of the ledger's
            queued = seconds(lambda: queue(ledger, prepared))
            tell("enqueue", count / queued, queued / floor, WANTED_PER_SECOND)
            drained = seconds(lambda: drain(ledger, BATCH))
            tell("drain", count / drained, drained / floor, WANTED_PER_SECOND)
            gc.unfreeze()
            decide(ledger, prepared)
            room = ledger.store.size() / count
            print(f"room           {room:>10,.0f} bytes a message (wanted {WANTED_BYTES:,})")
            fill_audit(ledger, rows)
            ledger.write_digest("bench", NOW)
            hashes = seconds(lambda: hash_lines(rows))
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            verified = seconds(ledger.verify_audit)
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    limit = WANTED_VERIFY_S * max(rows / 1_000_000, 0.1)
    print(
        f"audit verify   {rows:,} rows in {verified:.1f} s (wanted {limit:g})   "
        f"{verified / hashes:.1f} x bare hashing   {grown} MiB more memory"
    )
    quick = count / max(queued, drained) >= WANTED_PER_SECOND and verified <= limit
    ok = quick and room <= WANTED_BYTES
    return {
        "enqueued_per_second": round(count / queued),
        "drained_per_second": round(count / drained),
        "bytes_a_message": round(room),
        "verify_s": round(verified, 1),
        "ok": float(ok),
    }


if __name__ == "__main__":
    run(*(float(argument) for argument in sys.argv[1:3]))
