"""Runs: when each began, how it ended, and the facts later nights are compared with."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Final

import sqlalchemy as sa

from carloan_notify.errors import LedgerError
from carloan_notify.ledger import audit
from carloan_notify.ledger.audit import canonical
from carloan_notify.ledger.store import Transaction, from_text, to_text
from carloan_notify.ledger.tables import RUNS
from carloan_notify.records import AuditEvent, NightFacts

RUNNING = "running"
_DATES = ("as_of", "export_on", "newest_payment_on")


NIGHT: Final = "night"
"""The kind of run that plans; after a finished one, everything queued agrees with the tables it read."""
FINISHED: Final = "finished"
BROKEN: Final = "broken"
_LOOKED_AT: Final = 20
"""Nights among which a broken one is looked for; those that a guard stopped are passed over."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run. `counts` is what its report says; `facts` is None unless the night came that far."""

    run_id: str
    kind: str
    as_of: date
    status: str
    started_at: datetime
    finished_at: datetime | None
    sources: Mapping[str, Any]
    counts: Mapping[str, Any]
    facts: NightFacts | None


def start(
    tx: Transaction,
    run_id: str,
    as_of: date,
    kind: str,
    now: datetime,
    sources: Mapping[str, Any] | None = None,
) -> None:
    """Note that a run began; `sources` is JSON-safe and names no person. A run id used before: `LedgerError`."""
    read = canonical(dict(sources or {}))
    row = {"run_id": run_id, "kind": kind, "as_of": as_of.isoformat(), "status": RUNNING}
    if tx.connection.execute(sa.select(RUNS.c.run_id).where(RUNS.c.run_id == run_id)).first():
        raise LedgerError(f"run {run_id}: already in the ledger; every run needs an id of its own")
    tx.connection.execute(sa.insert(RUNS), {**row, "started_at": to_text(now), "sources": read})
    data = {"kind": kind, "as_of": as_of.isoformat(), "sources": dict(sources or {})}
    audit.append(tx, [AuditEvent("run.started", run_id, data)], now)


def finish(
    tx: Transaction,
    run_id: str,
    status: str,
    counts: Mapping[str, Any],
    facts: NightFacts | None,
    now: datetime,
) -> None:
    """Note how a run ended; `facts` only of a night that later nights may be compared with.

    An unknown run id raises `LedgerError`.
    """
    values = {
        "status": status,
        "finished_at": to_text(now),
        "counts": canonical(dict(counts)),
        "facts": _facts_to_text(facts),
    }
    if tx.connection.execute(sa.update(RUNS).where(RUNS.c.run_id == run_id).values(**values)).rowcount != 1:
        raise LedgerError(f"run {run_id}: not in the ledger; it was never started")
    data = {"status": status, "counts": dict(counts)}
    audit.append(tx, [AuditEvent("run.finished", run_id, data)], now)


def night_history(tx: Transaction, limit: int = 60) -> list[NightFacts]:
    """The facts of the latest `limit` nights that have any, newest first."""
    query = (
        sa.select(RUNS.c.facts)
        .where(RUNS.c.facts != "")
        .order_by(RUNS.c.started_at.desc(), RUNS.c.run_id.desc())
        .limit(limit)
    )
    return [facts for text in tx.connection.execute(query).scalars() if (facts := _facts_from_text(text))]


def get(tx: Transaction, run_id: str) -> Run | None:
    """The run of that id."""
    row = tx.connection.execute(sa.select(RUNS).where(RUNS.c.run_id == run_id)).mappings().one_or_none()
    return _run(row) if row else None


def last(tx: Transaction, kind: str = "") -> Run | None:
    """The run that started last, of one kind or of any."""
    query = sa.select(RUNS).order_by(RUNS.c.started_at.desc(), RUNS.c.run_id.desc()).limit(1)
    if kind:
        query = query.where(RUNS.c.kind == kind)
    row = tx.connection.execute(query).mappings().one_or_none()
    return _run(row) if row else None


def newest(tx: Transaction, kind: str, until: date) -> Run | None:
    """The run of this kind with the newest business date up to `until`; of several, the one that started last."""
    query = sa.select(RUNS).where(RUNS.c.kind == kind, RUNS.c.as_of <= until.isoformat())
    query = query.order_by(RUNS.c.as_of.desc(), RUNS.c.started_at.desc(), RUNS.c.run_id.desc()).limit(1)
    row = tx.connection.execute(query).mappings().one_or_none()
    return _run(row) if row else None


def table(tx: Transaction, limit: int = 100) -> list[dict[str, Any]]:
    """The latest `limit` runs, newest first: run_id, kind, as_of, status, started_at, finished_at."""
    names = ["run_id", "kind", "as_of", "status", "started_at", "finished_at"]
    query = sa.select(*(RUNS.c[name] for name in names)).order_by(RUNS.c.started_at.desc()).limit(limit)
    return [dict(row) for row in tx.connection.execute(query).mappings()]


def unfinished(tx: Transaction) -> list[str]:
    """Runs that began and never said how they ended, oldest first."""
    query = sa.select(RUNS.c.run_id).where(RUNS.c.finished_at.is_(None)).order_by(RUNS.c.started_at)
    return list(tx.connection.execute(query).scalars())


def unfinished_night(tx: Transaction) -> Run | None:
    """The newest night that ended in the middle, if no night of its date or of a later one has ended well since."""
    query = (
        sa.select(RUNS).where(RUNS.c.kind == NIGHT).order_by(RUNS.c.started_at.desc(), RUNS.c.run_id.desc())
    )
    for row in tx.connection.execute(query.limit(_LOOKED_AT)).mappings():
        if row["status"] == FINISHED:
            return None
        if row["finished_at"] is None or row["status"] == BROKEN:
            return _run(row)
    return None


def _run(row: sa.RowMapping) -> Run:
    return Run(
        run_id=row["run_id"],
        kind=row["kind"],
        as_of=date.fromisoformat(row["as_of"]),
        status=row["status"],
        started_at=from_text(row["started_at"]),
        finished_at=from_text(row["finished_at"]) if row["finished_at"] else None,
        sources=json.loads(row["sources"] or "{}"),
        counts=json.loads(row["counts"] or "{}"),
        facts=_facts_from_text(row["facts"]),
    )


def _facts_to_text(facts: NightFacts | None) -> str:
    if facts is None:
        return ""
    return canonical({name: _plain(value) for name, value in asdict(facts).items()})


def _facts_from_text(text: str) -> NightFacts | None:
    if not text:
        return None
    body = json.loads(text)
    dated = {name: date.fromisoformat(body[name]) for name in _DATES if body.get(name)}
    return NightFacts(**{**body, **dated})


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value
