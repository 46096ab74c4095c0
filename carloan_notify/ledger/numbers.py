"""What is known of telephone numbers: by keyed hash, with the number itself sealed beside it.

One row a number, of the newest day of which something is known; the audit has what was known before.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from carloan_notify.hold_codes import NumberStatus
from carloan_notify.ledger import audit, contents, notices, states
from carloan_notify.ledger.listing import as_frame
from carloan_notify.ledger.notices import in_parts
from carloan_notify.ledger.states import Step
from carloan_notify.ledger.store import POSTGRESQL, Transaction, to_text
from carloan_notify.ledger.tables import NUMBERS, WHOLE
from carloan_notify.records import AuditEvent, MessageState
from carloan_notify.text import ERASED, mask_digits, mask_phone

if TYPE_CHECKING:
    import pandas as pd

COLUMNS: Final = (
    "phone",
    "status",
    "status_on",
    "failures",
    "failed_on",
    "source",
    "changed_at",
    "phone_hash",
)
PLAIN: Final = COLUMNS[1:]
CLOSED: Final = frozenset({NumberStatus.INVALID, NumberStatus.QUARANTINED, NumberStatus.REASSIGNED})
"""Nothing goes to a number that is one of these."""
NO_SUCH_PERSON: Final = "number_"
"""Stands before the status for which a waiting message was cancelled: `number_reassigned`."""


@dataclass(frozen=True, slots=True)
class Known:
    """What somebody says of a number (E.164), and the day of which it was true."""

    phone: str = field(repr=False)
    status: NumberStatus
    on: date


@dataclass(frozen=True, slots=True)
class Marked:
    """How many numbers are known anew; the others were known as that, or by a later day. `cancelled` were waiting."""

    changed: int = 0
    unchanged: int = 0
    cancelled: tuple[str, ...] = ()


def mark(tx: Transaction, known: Sequence[Known], source: str, now: datetime, *, note: str = "") -> Marked:
    """Keep what is said of these numbers where nothing newer is known; what waits for closed ones is cancelled.

    A number that is verified to be active has no failures any more. The same number twice: the later day counts, of one
    day the later line.
    """
    newest = {each.phone: each for each in sorted(known, key=lambda each: each.on)}
    said = {tx.cipher.phone_hash(phone): newest[phone] for phone in sorted(newest)}
    closing = [name for name, each in said.items() if each.status in CLOSED]
    waiting = states.allowed(tx, _waiting(tx, closing), Step.CANCEL)
    audit.lock_head(tx)
    was = _standing(tx, list(said))
    fresh = {name: each for name, each in said.items() if _is_news(was.get(name), each)}
    for name, each in fresh.items():
        _keep(tx, name, each, was.get(name), source, now)
    if fresh:
        audit.append(tx, [_event(fresh, source, mask_digits(note))], now)
    closed = [name for name in closing if name in fresh or was[name].status == said[name].status]
    cancelled = _cancel(tx, waiting, {name: said[name].status for name in closed}, now)
    return Marked(len(fresh), len(said) - len(fresh), tuple(cancelled))


def cancel_since(tx: Transaction, instant: datetime, now: datetime) -> None:
    """Cancel what waits for numbers closed since `instant`: a night was planned that did not know it.

    The caller has queued in this transaction, and so locked the audit's head.
    """
    closed = NUMBERS.c.status.in_([status.value for status in CLOSED])
    query = sa.select(NUMBERS.c.phone_hash, NUMBERS.c.status)
    found = tx.connection.execute(query.where(closed, NUMBERS.c.changed_at >= to_text(instant)))
    newly = {row.phone_hash: NumberStatus(row.status) for row in found}
    if newly:
        _cancel(tx, [], newly, now)


def _is_news(was: "sa.Row[Any] | None", said: Known) -> bool:
    if was is None:
        return True
    resets = said.status is NumberStatus.ACTIVE and was.failures > 0
    return said.on.isoformat() >= was.status_on and (was.status != said.status or resets)


def _keep(
    tx: Transaction,
    name: str,
    said: Known,
    was: "sa.Row[Any] | None",
    source: str,
    now: datetime,
) -> None:
    values: dict[str, Any] = {"status": said.status.value, "status_on": said.on.isoformat(), "source": source}
    values["changed_at"] = to_text(now)
    no_failures: dict[str, Any] = {"failures": 0, "failed_on": ""}
    if was is not None:
        if said.status is NumberStatus.ACTIVE:
            values |= no_failures
        tx.connection.execute(sa.update(NUMBERS).where(NUMBERS.c.phone_hash == name).values(values))
        return
    sealed = tx.cipher.seal(name, "phone", said.phone)
    row = {"phone_hash": name, **values, **no_failures, "phone_sealed": sealed}
    tx.connection.execute(sa.insert(NUMBERS), row)


def _event(fresh: Mapping[str, Known], source: str, note: str) -> AuditEvent:
    told = {name: [each.status.value, each.on.isoformat()] for name, each in fresh.items()}
    return AuditEvent("numbers.marked", source, {"numbers": told} | ({"note": note} if note else {}))


def _waiting(tx: Transaction, phone_hashes: Collection[str]) -> list[str]:
    """The pending messages to these numbers."""
    query = sa.select(WHOLE.c.message_id).where(states.is_pending(WHOLE))
    return [
        name
        for part in in_parts(sorted(phone_hashes))
        for name in tx.connection.execute(query.where(WHOLE.c.phone_hash.in_(part))).scalars()
    ]


def _cancel(
    tx: Transaction, locked: Sequence[str], closed: Mapping[str, NumberStatus], now: datetime
) -> list[str]:
    """Cancel what waits for closed numbers, also what was queued since it was locked; their keys are free again."""
    late = set(_waiting(tx, closed)) - set(locked)
    ids = sorted({*locked, *states.allowed(tx, sorted(late), Step.CANCEL)})
    number = sa.select(WHOLE.c.message_id, WHOLE.c.phone_hash)
    status_of = {
        row.message_id: closed[row.phone_hash]
        for part in in_parts(ids)
        for row in tx.connection.execute(number.where(WHOLE.c.message_id.in_(part)))
        if row.phone_hash in closed
    }
    for status in sorted(set(status_of.values())):
        mine, code = (
            [name for name in ids if status_of.get(name) == status],
            f"{NO_SUCH_PERSON}{status.value}",
        )
        ended = {**states.UNLEASED, "due_at": None, "settled_at": to_text(now), "code": code}
        states.move_all(tx, mine, Step.CANCEL, MessageState.CANCELLED, ended)
        notices.release(tx, mine)
        states.tell(tx, "cancelled", "", mine, now, reason=code)
    return sorted(status_of)


def _standing(tx: Transaction, names: Sequence[str]) -> "dict[str, sa.Row[Any]]":
    """Status, its day and failures of these numbers, by hash, locked."""
    columns = (
        NUMBERS.c.phone_hash,
        NUMBERS.c.status,
        NUMBERS.c.status_on,
        NUMBERS.c.failures,
        NUMBERS.c.failed_on,
    )
    query = sa.select(*columns).order_by(NUMBERS.c.phone_hash).with_for_update()
    found: dict[str, sa.Row[Any]] = {}
    for part in in_parts(names):
        rows = tx.connection.execute(query.where(NUMBERS.c.phone_hash.in_(part)))
        found |= {row.phone_hash: row for row in rows}
    return found


def is_somebody_elses(tx: Transaction, phone: str) -> bool:
    """Whether a number (E.164) is known to belong to a person whom we do not know."""
    query = sa.select(NUMBERS.c.status).where(NUMBERS.c.phone_hash == tx.cipher.phone_hash(phone))
    return tx.connection.execute(query).scalar_one_or_none() == NumberStatus.REASSIGNED


# What receipts and answers say of numbers: a failure that means "no such number", and a message that arrived.


def note_failures(tx: Transaction, message_ids: Iterable[str], source: str, day: date, now: datetime) -> None:
    """Count one more day on which the network says of the numbers of these messages that they do not exist.

    Failures of one day are one: a carrier that answers wrongly for an evening closes no number. The caller holds the
    audit's head.
    """
    phones = _phones(tx, sorted(message_ids))
    was = _standing(tx, sorted(phones))
    on = day.isoformat()
    counted = {}
    for name, phone in sorted(phones.items()):
        known = was.get(name)
        if known is not None and known.failed_on >= on:
            continue
        counted[name] = (known.failures if known is not None else 0) + 1
        values = {"failures": counted[name], "failed_on": on, "source": source, "changed_at": to_text(now)}
        if known is not None:
            tx.connection.execute(sa.update(NUMBERS).where(NUMBERS.c.phone_hash == name).values(values))
            continue
        fixed = {"phone_hash": name, "status": NumberStatus.ACTIVE.value, "status_on": on}
        sealed = tx.cipher.seal(name, "phone", phone)
        tx.connection.execute(_insert_once(tx), {**fixed, **values, "phone_sealed": sealed})
    if counted:
        audit.append(tx, [AuditEvent("numbers.failed", source, {"day": on, "failures": counted})], now)


def note_arrivals(tx: Transaction, phone_hashes: Iterable[str], source: str, now: datetime) -> None:
    """A message arrived at these numbers: whatever failed there before counts no more."""
    failing = sa.select(NUMBERS.c.phone_hash).where(NUMBERS.c.failures > 0)
    names = sorted(
        name
        for part in in_parts(sorted(set(phone_hashes) - {""}))
        for name in tx.connection.execute(failing.where(NUMBERS.c.phone_hash.in_(part))).scalars()
    )
    if not names:
        return
    values = {"failures": 0, "failed_on": "", "source": source, "changed_at": to_text(now)}
    for part in in_parts(names):
        tx.connection.execute(sa.update(NUMBERS).where(NUMBERS.c.phone_hash.in_(part)).values(values))
    audit.append(tx, [AuditEvent("numbers.arrived", source, {"numbers": names})], now)


def _phones(tx: Transaction, message_ids: Sequence[str]) -> dict[str, str]:
    """The numbers of these messages by hash; an erased message has none."""
    query = sa.select(WHOLE.c.message_id, WHOLE.c.phone_hash, WHOLE.c.content_sealed)
    return {
        row.phone_hash: contents.opened(tx.cipher, row.message_id, row.content_sealed).phone
        for part in in_parts(message_ids)
        for row in tx.connection.execute(query.where(WHOLE.c.message_id.in_(part)))
        if row.phone_hash
    }


def _insert_once(tx: Transaction) -> sa.Insert:
    """Another process may be noting the same number at this moment."""
    if tx.connection.dialect.name == POSTGRESQL:
        return postgresql.insert(NUMBERS).on_conflict_do_nothing()
    return sqlite.insert(NUMBERS).on_conflict_do_nothing()


# Reading.


@dataclass(frozen=True, slots=True)
class NumberFilter:
    """Which numbers: every field that is set must match."""

    phone_hash: str = ""
    status: NumberStatus | None = None
    failing_only: bool = False


def table(tx: Transaction, wanted: NumberFilter | None = None) -> "pd.DataFrame":
    """Numbers by the day they changed, newest first, columns `COLUMNS`; the phone masked."""
    return _table(tx, wanted or NumberFilter(), reveal=False)


def reveal(
    tx: Transaction, wanted: NumberFilter, operator: str, reason: str, now: datetime
) -> "pd.DataFrame":
    """The same in clear; who looked at which, and why, is audited first."""
    shown = _table(tx, wanted, reveal=True)
    data = {"operator": operator, "reason": mask_digits(reason), "numbers": list(shown["phone_hash"])}
    audit.append(tx, [AuditEvent("numbers.revealed", operator, data)], now)
    return shown


def _table(tx: Transaction, wanted: NumberFilter, *, reveal: bool) -> "pd.DataFrame":
    conditions = [NUMBERS.c.phone_hash == wanted.phone_hash] if wanted.phone_hash else []
    conditions += [NUMBERS.c.status == wanted.status.value] if wanted.status else []
    conditions += [NUMBERS.c.failures > 0] if wanted.failing_only else []
    query = sa.select(NUMBERS).where(*conditions)
    query = query.order_by(NUMBERS.c.changed_at.desc(), NUMBERS.c.phone_hash)
    lines = []
    for row in tx.connection.execute(query).mappings():
        phone = tx.cipher.open(row["phone_hash"], "phone", row["phone_sealed"])
        shown = (phone or ERASED) if reveal else mask_phone(phone)
        lines.append({"phone": shown, **{name: row[name] for name in PLAIN}})
    kinds = {**dict.fromkeys(COLUMNS, "str"), "failures": "int64"}
    return as_frame(lines, COLUMNS).astype(kinds)


def all_known(tx: Transaction, only: Collection[str] | None = None) -> "pd.DataFrame":
    """Every number of which more is known than that it is in use, or those `only` (keyed hashes): PLAIN, text."""
    in_use = [NumberStatus.ACTIVE.value, NumberStatus.PORTED.value, NumberStatus.ABSENT.value]
    tells = sa.or_(NUMBERS.c.failures > 0, NUMBERS.c.status.not_in(in_use))
    query = sa.select(*(NUMBERS.c[name] for name in PLAIN)).where(tells)
    if only is None:
        return as_frame(tx.connection.execute(query), PLAIN)
    parts = (query.where(NUMBERS.c.phone_hash.in_(part)) for part in in_parts(sorted(only)))
    return as_frame([row for part in parts for row in tx.connection.execute(part)], PLAIN)
