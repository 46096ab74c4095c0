"""How fast the ledger takes messages in, hands them out, and proves its audit.

Run: `python -m benchmarks.ledger_audit [AUDIT_ROWS] [MESSAGES]`. Figures are CPU seconds of one
process, and ratios against a floor of the same run: SHA-256 over as many lines, bare inserts of as many rows.
"""

import hashlib
import resource
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import process_time

from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.settings import LedgerSettings
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

NOW = datetime(2026, 11, 23, 2, tzinfo=UTC)
BATCH = 1_000


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    start = process_time()
    work()
    return process_time() - start


def drafts(count: int) -> Iterator[Draft]:
    """Messages to nobody."""
    rendered = Rendered("[Anda] 1,234.56 falls due today. " * 3, "GSM-7", 99, 1, "due_day.sms", "v1")
    for number in range(count):
        cover = CoveredNotice(f"key-{number}", f"L{number}", 1, NOW.date())
        yield Draft(
            message_id=f"{number:026d}",
            covers=(cover,),
            customer_id=f"C{number}",
            notice="due_day",
            channel=Channel.SMS,
            role="borrower",
            message_class=MessageClass.SERVICE,
            language="en",
            phone="+12025550100",
            recipient_name="Ada Example",
            rendered=rendered,
            params={"amount": "1,234.56"},
            due_on=NOW.date(),
            amount_minor=123456,
            not_before=NOW,
            expires_at=NOW + timedelta(days=1),
            until_paid=True,
        )


def drain(ledger: Ledger, batch: int) -> None:
    """Claim, begin and record everything, without a network."""
    while True:
        ids = [
            message.message_id
            for message in ledger.outbox.claim(
                channels=[Channel.SMS], limit=batch, owner="bench", now=NOW, lease_s=60
            )
        ]
        if not ids:
            return
        ledger.outbox.begin(ids, "bench", NOW, owner="bench", lease_s=60)
        ledger.outbox.record([SendResult(i, Outcome.ACCEPTED, f"r{i}") for i in ids], "bench", NOW)


def fill_audit(ledger: Ledger, rows: int) -> None:
    """Chain `rows` events."""
    for start in range(0, rows, BATCH):
        events = [
            AuditEvent("bench.event", f"{n:026d}", {"loans": [[f"L{n}", 3]], "notice": "due_day"})
            for n in range(start, min(start + BATCH, rows))
        ]
        ledger.append_audit(events, NOW)


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


def tell(what: str, rate: float, ratio: float) -> None:
    """One line of figures."""
    print(f"{what:<14} {rate:>10,.0f} messages/s   {ratio:.1f} x bare inserts")


def main(audit_rows: int = 1_000_000, messages: int = 20_000) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        floor = seconds(lambda: bare_inserts(Path(folder) / "floor.db", messages))
        with Ledger.open(LedgerSettings(), Path(folder), create=True, now=NOW) as ledger:
            prepared = list(drafts(messages))
            intake = seconds(lambda: ledger.enqueue("bench", prepared, NOW))
            tell("enqueue", messages / intake, intake / floor)
            drained = seconds(lambda: drain(ledger, BATCH))
            tell("drain", messages / drained, drained / floor)
            fill_audit(ledger, audit_rows)
            ledger.write_digest("bench", NOW)
            hashes = seconds(lambda: hash_lines(audit_rows))
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            verified = seconds(ledger.verify_audit)
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
            rate, ratio = f"{audit_rows:,} rows in {verified:.1f} s", verified / hashes
            print(f"audit verify   {rate}   {ratio:.1f} x bare hashing   {grown} MiB more memory")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:3]))
