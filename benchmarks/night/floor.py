"""The full floor of a night: the least that does the same work, in a process of its own.

The same bytes are read (pyarrow), the standing is worked out (numpy), what was told before is left out, the same
messages are rendered from the same templates (Jinja2) with a signed link, each is sealed once (AES-GCM), keyed,
referenced and chained (SHA-256), and the rows that the command left in its ledger are inserted into one of the same
schema, 10,000 of a table a transaction, with the command's own durability. What the command checks besides (guards,
fingerprints, findings, contact hours, caps) costs the floor nothing, and fetching the rows to insert is not counted
either: both make the floor lower.

Run: `python -m benchmarks.night.floor JOB`, with a `plain.Job`; prints what is not to be counted, as JSON.
"""

import base64
import hashlib
import hmac
import json
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from datetime import date
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from benchmarks.night.floor_standing import Book, Due, due_notices, read_book
from benchmarks.night.installments import Ints
from benchmarks.night.plain import Job, Links, Words

ROWS: Final = 10_000
_KEY: Final = bytes(range(32))
_REMINDERS: Final = ("due_in_7_days", "due_today")


def message_keys(book: Book, due: Due) -> list[bytes]:
    """What tells each notice from every other, for ever."""
    ids = _taken(book, "loan_id", due.loan)
    about = due.event.to_pylist() if due.event is not None else due.installment_no.tolist()
    tail = f"{due.notice}|{due.channel}"
    return [
        hashlib.sha256(f"{one}|{what}|{tail}".encode()).digest() for one, what in zip(ids, about, strict=True)
    ]


class Memory:
    """What was told, as the first eight bytes of each key: the cheapest memory there is."""

    def __init__(self, path: Path) -> None:
        """Read it, if there is any."""
        self._path = path
        self._told = np.load(path) if path.exists() else np.empty(0, dtype=np.uint64)
        self._new: list[Ints] = []

    def untold(self, keys: list[bytes]) -> Ints:
        """The places of the keys that were never told; they count as told from now on."""
        heads = np.frombuffer(b"".join(key[:8] for key in keys), dtype=np.uint64)
        fresh = ~np.isin(heads, self._told)
        self._new.append(heads[fresh].astype(np.int64))
        return np.flatnonzero(fresh)

    def keep(self) -> None:
        """Write it."""
        np.save(self._path, np.concatenate([self._told, *(part.astype(np.uint64) for part in self._new)]))


def written(
    book: Book, due: Due, chosen: Ints, job: Job, words: Words
) -> Iterator[tuple[str, str, str, str]]:
    """Loan, phone, name and text of each chosen notice."""
    links, day, write = Links(job), job.day, words.writer(due.notice, due.channel)
    loan = due.loan[chosen]
    columns = (
        *(_taken(book, name, loan) for name in ("loan_id", "phone", "borrower_name", "account_tail")),
        *(part[chosen].tolist() for part in (due.installment_no, due.amount, due.due_on, due.days_past_due)),
    )
    for loan_id, phone, name, tail, number, amount, on, late in zip(*columns, strict=True):
        values = {
            "borrower_name": name,
            "contract_tail": loan_id[-4:],
            "account_tail": tail,
            "amount": amount,
            **_about(due.notice, links, (loan_id, phone), number, on, day),
            "days_past_due": late,
        }
        yield loan_id, phone, name, write(values)


def _about(
    notice: str, links: Links, told: tuple[str, str], number: int, on: date, day: date
) -> dict[str, Any]:
    """What a kind of notice says besides; a link is signed only where the text has one."""
    if notice in {"payment_received", "loan_settled"}:
        return {"occurred_on": on}
    days = (on - day).days if notice in _REMINDERS else 0
    return {
        "installment_no": number,
        "due_on": on,
        "days_to_due": days,
        "pay_link": links.pay(*told),
    }


class Chain:
    """Seals each message, hashes what is looked up by, and chains its facts."""

    def __init__(self) -> None:
        """An empty chain."""
        self._seal = AESGCM(_KEY).encrypt
        self._head = "0" * 64
        self.sealed = 0

    def add(self, key: bytes, message: tuple[str, str, str, str], customer: str) -> None:
        """One message."""
        loan_id, phone, name, text = message
        reference = base64.b32encode(hashlib.sha256(key).digest())[:26]
        self.sealed += len(self._seal(os.urandom(12), f"{phone}\0{name}\0{text}".encode(), reference))
        refs = [hmac.digest(_KEY, one.encode(), "sha256").hex() for one in (phone, customer, text)]
        fact = f'{self._head}{{"id":"{reference!r}","key":"{key.hex()}","loan":"{loan_id}","refs":"{refs}"}}'
        self._head = hashlib.sha256(fact.encode()).hexdigest()


class Stopwatch:
    """CPU and wall seconds of what is not to be counted."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.cpu = self.wall = 0.0

    def apart(self, cursor: sqlite3.Cursor) -> list[Any]:
        """The next rows, fetched outside the count."""
        cpu, wall = time.process_time(), time.perf_counter()
        rows = cursor.fetchmany(ROWS)
        self.cpu += time.process_time() - cpu
        self.wall += time.perf_counter() - wall
        return rows


def insert_rows(ledger: Path, source: Path, watch: Stopwatch) -> int:
    """Insert every row of `source` into the tables of the same name; how many."""
    reading = sqlite3.connect(f"file:{source}?mode=ro", uri=True)
    writing = sqlite3.connect(ledger, isolation_level=None)
    writing.execute("PRAGMA journal_mode = WAL")
    writing.execute("PRAGMA synchronous = FULL")
    names = [
        name
        for (name,) in reading.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid")
    ]
    cursors = {name: reading.execute(f'SELECT * FROM "{name}"') for name in names}  # noqa: S608 - our own tables
    count = 0
    while cursors:
        writing.execute("BEGIN IMMEDIATE")
        for name, cursor in list(cursors.items()):
            rows = watch.apart(cursor)
            if not rows:
                del cursors[name]
                continue
            marks = ", ".join("?" * len(rows[0]))
            writing.executemany(f'INSERT OR REPLACE INTO "{name}" VALUES ({marks})', rows)  # noqa: S608 - same
            count += len(rows)
        writing.execute("COMMIT")
    writing.close()
    reading.close()
    return count


def _taken(book: Book, name: str, loan: Ints) -> list[str]:
    taken: list[str] = book.text(name).take(pa.array(loan)).to_pylist()
    return taken


def night(job: Job) -> dict[str, float]:
    """One night; what it did and what of it does not count."""
    book = read_book(job.loans, job.payments)
    words, memory, chain, watch = Words(job), Memory(Path(job.told)), Chain(), Stopwatch()
    texts: list[tuple[str, str, str, str]] = []
    messages = 0
    for due in due_notices(book, job.day):
        keys = message_keys(book, due)
        chosen = memory.untold(keys)
        customers = _taken(book, "customer_id", due.loan[chosen])
        drafts = written(book, due, chosen, job, words)
        for at, customer, message in zip(chosen.tolist(), customers, drafts, strict=True):
            chain.add(keys[at], message, customer)
            if job.words:
                texts.append((message[0], due.notice, due.channel, message[3]))
        messages += len(chosen)
    if job.rows:
        insert_rows(Path(job.ledger), Path(job.rows), watch)
    memory.keep()
    if job.words:
        Path(job.words).write_text(json.dumps(texts, ensure_ascii=False), encoding="utf-8")
    return {"messages": messages, "cpu": watch.cpu, "wall": watch.wall}


class NoPandas(MetaPathFinder):
    """pyarrow imports pandas wherever it can; the floor needs none and does not pay for it."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:  # noqa: ARG002 - the protocol
        """Say of pandas that it is not there, and nothing of any other module."""
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname)


if __name__ == "__main__":
    sys.meta_path.insert(0, NoPandas())
    print(json.dumps(night(Job.read(Path(sys.argv[1])))))
