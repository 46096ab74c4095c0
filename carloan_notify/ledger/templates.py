"""Every wording that left, by version: kept in the transaction that queues the first message worded by it.

A template is a row for each *turn*: a wording and the nights that used it, one after the other. A file that is changed
and changed back has three. Templates hold no personal data, so neither `erase` nor a purge touches them.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from carloan_notify.ledger import audit
from carloan_notify.ledger.audit import canonical
from carloan_notify.ledger.store import Transaction, to_text
from carloan_notify.ledger.tables import TEMPLATES
from carloan_notify.records import AuditEvent, Channel, TemplateWording

CHANGED: Final = "template.used"


@dataclass(frozen=True, slots=True)
class Turn:
    """A wording, and the first and the last run that queued by it (instants as the ledger writes them)."""

    wording: TemplateWording = field(repr=False)
    turn: int
    first_run: str
    first_used_at: str
    last_run: str
    last_used_at: str


def sources_hash(wording: TemplateWording) -> str:
    """SHA-256 of the sources as canonical JSON: what the audit keeps, longer than the version."""
    return hashlib.sha256(_packed(wording).encode()).hexdigest()


def _packed(wording: TemplateWording) -> str:
    return canonical([[name, source] for name, source in wording.sources.items()])


def keep(tx: Transaction, run_id: str, wordings: Iterable[TemplateWording], now: datetime) -> None:
    """Note that a run words by these; one that is not the last of its template begins a turn, which is audited."""
    newest = _newest(tx)
    fresh = list[dict[str, Any]]()
    for said in sorted(wordings, key=lambda each: (each.template, each.version)):
        last = newest.get(said.template)
        if last is None or last.version != said.version:
            row = _row(said, last.turn + 1 if last else 1, run_id, to_text(now))
            tx.connection.execute(sa.insert(TEMPLATES), row)
            fresh.append(
                {
                    "turn": row["turn"],
                    "version": said.version,
                    "sha256": sources_hash(said),
                    "of": said.template,
                }
            )
        elif last.last_run != run_id:
            this = (TEMPLATES.c.template == said.template, TEMPLATES.c.turn == last.turn)
            used = {"last_run": run_id, "last_used_at": to_text(now)}
            tx.connection.execute(sa.update(TEMPLATES).where(*this).values(**used))
    events = [AuditEvent(CHANGED, data.pop("of"), {**data, "run": run_id}) for data in fresh]
    audit.append(tx, events, now)


def _newest(tx: Transaction) -> dict[str, sa.Row[Any]]:
    """The last turn of each template."""
    names = ("template", "turn", "version", "last_run")
    query = sa.select(*(TEMPLATES.c[name] for name in names)).order_by(TEMPLATES.c.template, TEMPLATES.c.turn)
    return {row.template: row for row in tx.connection.execute(query)}


def _row(said: TemplateWording, turn: int, run_id: str, at: str) -> dict[str, Any]:
    used = {"first_run": run_id, "first_used_at": at, "last_run": run_id, "last_used_at": at}
    told = {"template": said.template, "version": said.version, "language": said.language}
    return {**told, "turn": turn, "channel": said.channel.value, "sources": _packed(said), **used}


def turns(tx: Transaction, *, template: str = "", version: str = "") -> list[Turn]:
    """Every turn, or those of one template or version, by template and in order of use."""
    query = sa.select(TEMPLATES).order_by(TEMPLATES.c.template, TEMPLATES.c.turn)
    wanted = {"template": template, "version": version}
    query = query.where(*(TEMPLATES.c[name] == value for name, value in wanted.items() if value))
    return [_turn(row) for row in tx.connection.execute(query)]


def _turn(row: sa.Row[Any]) -> Turn:
    sources = dict(json.loads(row.sources))
    said = TemplateWording(row.template, row.version, row.language, Channel(row.channel), sources)
    return Turn(said, row.turn, row.first_run, row.first_used_at, row.last_run, row.last_used_at)
