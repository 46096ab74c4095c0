"""Chains in memory, and what can be done to them."""

from carloan_notify.ledger.audit import GENESIS, AuditRow, Head, chained
from carloan_notify.ledger.chain_walk import Breach, ChainWalk
from carloan_notify.records import AuditEvent


def chain(length: int) -> list[AuditRow]:
    events = [AuditEvent("test.event", f"subject-{n}", {"n": n}) for n in range(1, length + 1)]
    rows = chained(Head(0, GENESIS), events, "2026-11-23T02:00:00.000000Z")
    return [AuditRow(**row) for row in rows]  # type: ignore[arg-type]  # the columns' own types


def walked(rows: list[AuditRow]) -> list[Breach]:
    walk = ChainWalk()
    for row in rows:
        walk.feed(row)
    return walk.finish()


def named(rows: list[AuditRow]) -> list[tuple[str, str]]:
    return [(breach.kind.value, breach.place) for breach in walked(rows)]


def renumbered(rows: list[AuditRow]) -> list[AuditRow]:
    """As a forger would hide a gap: numbers without holes, nothing else changed."""
    return [
        AuditRow(number, row.at, row.kind, row.subject, row.data, row.prev, row.hash)
        for number, row in enumerate(rows, start=1)
    ]
