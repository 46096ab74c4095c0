"""Promises to pay: proposed, confirmed, rejected or withdrawn by people or a rule, and decided by nights.

They name a loan and hold no personal data. What a promise keeps back is not written anywhere: it follows from the
promises that are open.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from carloan_notify.errors import LedgerError
from carloan_notify.hold_codes import HoldReason
from carloan_notify.ledger import audit, holds
from carloan_notify.ledger.audit import canonical
from carloan_notify.ledger.holds import HoldOn
from carloan_notify.ledger.store import POSTGRESQL, Transaction, to_text
from carloan_notify.ledger.tables import PROMISES
from carloan_notify.notices.hold_settings import HoldsSettings
from carloan_notify.promise_codes import PromiseDoubt, PromiseState
from carloan_notify.records import AuditEvent
from carloan_notify.text import mask_digits

_DONE: Final = tuple(
    state.value for state in PromiseState if state not in (PromiseState.PROPOSED, PromiseState.OPEN)
)
_COUNTING: Final = (
    *(PromiseState.OPEN, PromiseState.KEPT, PromiseState.PARTLY_KEPT, PromiseState.BROKEN),
    PromiseState.UNPROVEN,
)
"""Promises that were confirmed and not withdrawn: payments are appropriated to them, and they count in limits."""
SHOWN: Final = (
    *(
        "promise_id",
        "loan_id",
        "state",
        "made_on",
        "pay_on",
        "ends_on",
        "amount_minor",
        "everything",
        "paid_minor",
    ),
    *(
        "threshold_percent",
        "bucket",
        "decided_on",
        "source",
        "source_ref",
        "doubts",
        "taken_at",
        "confirmed_at",
    ),
    *("ended_at", "operator", "note"),
)


# Proposals.


@dataclass(frozen=True, slots=True)
class Proposal:
    """What somebody said: `amount_minor` 0 where no sum is known, `everything` where it is said of all that is owed.

    `loan_id` is "" where it may be one of several, `pay_on` None where no one day was named. `source` is reply, page,
    clerk or file; `source_ref` the reply's id, or what tells two things said alike apart.
    """

    loan_id: str
    made_on: date
    pay_on: date | None
    amount_minor: int
    everything: bool
    source: str
    source_ref: str = ""
    doubts: tuple[PromiseDoubt, ...] = ()
    customer_ref: str = ""

    @property
    def facts(self) -> dict[str, Any]:
        """What the audit keeps of it."""
        return {
            "loan": self.loan_id,
            "made_on": self.made_on.isoformat(),
            "pay_on": _iso(self.pay_on),
            "amount_minor": self.amount_minor,
            "everything": self.everything,
            "source": self.source,
            "source_ref": self.source_ref,
            "doubts": list(self.doubts),
        }


def id_of(tx: Transaction, proposal: Proposal) -> str:
    """The id of a proposal: a keyed hash of all that was said, so that the same thing has one."""
    return tx.cipher.text_hash(canonical(["promise", *map(str, proposal.facts.values())]))[:16]


def propose(tx: Transaction, proposal: Proposal, now: datetime) -> tuple[str, bool]:
    """Keep a proposal; its id, and False where this very thing was proposed before."""
    name = id_of(tx, proposal)
    row = {
        "promise_id": name,
        "loan_id": proposal.loan_id,
        "customer_ref": proposal.customer_ref,
        "state": PromiseState.PROPOSED.value,
        "source": proposal.source,
        "source_ref": proposal.source_ref,
        "made_on": proposal.made_on.isoformat(),
        "pay_on": _iso(proposal.pay_on) or None,
        "amount_minor": proposal.amount_minor,
        "everything": proposal.everything,
        "doubts": ",".join(proposal.doubts),
        "taken_at": to_text(now),
    }
    dialect = postgresql if tx.connection.dialect.name == POSTGRESQL else sqlite
    inserted = dialect.insert(PROMISES).on_conflict_do_nothing().returning(PROMISES.c.promise_id)
    fresh = tx.connection.execute(inserted.values(**row)).first() is not None
    if fresh:
        audit.append(tx, [AuditEvent("promise.proposed", name, proposal.facts)], now)
    return name, fresh


def _iso(day: date | None) -> str:
    return day.isoformat() if day else ""


# Decisions of people and rules.


@dataclass(frozen=True, slots=True)
class Terms:
    """What a proposal is confirmed with. `ends_on` is the promised day and the days of grace."""

    loan_id: str
    pay_on: date
    ends_on: date
    amount_minor: int
    threshold_percent: int
    bucket: str
    paid_before_minor: int
    overdue_before_minor: int
    customer_ref: str = ""


def confirm(
    tx: Transaction, promise_id: str, terms: Terms, by: tuple[str, HoldsSettings], now: datetime
) -> list[str]:
    """Make a proposal a promise; the ids of the messages that waited to collect, cancelled. `by` is the operator.

    Their keys are free, so that after its end the ladder goes on from where the loan stands then.

    Raises:
        LedgerError: there is none of this id, or it is no proposal any more.
    """
    operator, settings = by
    _require(tx, promise_id, PromiseState.PROPOSED)
    given = {
        "loan_id": terms.loan_id,
        "pay_on": terms.pay_on.isoformat(),
        "ends_on": terms.ends_on.isoformat(),
        "amount_minor": terms.amount_minor,
        "threshold_percent": terms.threshold_percent,
        "bucket": terms.bucket,
        "paid_before_minor": terms.paid_before_minor,
        "overdue_before_minor": terms.overdue_before_minor,
    }
    owner = {"customer_ref": terms.customer_ref} if terms.customer_ref else {}
    changed = {
        **given,
        **owner,
        "state": PromiseState.OPEN.value,
        "confirmed_at": to_text(now),
        "operator": operator,
    }
    tx.connection.execute(_of(promise_id).values(**changed))
    cancelled = _held_back(tx, terms.loan_id, settings, now)
    data = {**given, "operator": operator, "cancelled": cancelled}
    audit.append(tx, [AuditEvent("promise.confirmed", promise_id, data)], now)
    return cancelled


def cancel_since(tx: Transaction, since: datetime, settings: HoldsSettings, now: datetime) -> None:
    """Cancel what waits for promises confirmed at `since` or later: they came while a night was planned."""
    fresh = sa.select(PROMISES.c.loan_id).where(
        PROMISES.c.state == PromiseState.OPEN.value, PROMISES.c.confirmed_at >= to_text(since)
    )
    for loan_id in sorted(set(tx.connection.execute(fresh).scalars())):
        _held_back(tx, loan_id, settings, now)


def _held_back(tx: Transaction, loan_id: str, settings: HoldsSettings, now: datetime) -> list[str]:
    return holds.cancel_for(tx, HoldOn(loan_id=loan_id), HoldReason.PROMISE, settings, now)


def reject(tx: Transaction, promise_id: str, operator: str, note: str, now: datetime) -> None:
    """A proposal is not accepted. `LedgerError` where it is no proposal."""
    _end(tx, promise_id, PromiseState.PROPOSED, PromiseState.REJECTED, (operator, note, now))


def withdraw(tx: Transaction, promise_id: str, operator: str, note: str, now: datetime) -> None:
    """An open promise is taken back: collection goes on. `LedgerError` where it is not open."""
    _end(tx, promise_id, PromiseState.OPEN, PromiseState.WITHDRAWN, (operator, note, now))


def _end(
    tx: Transaction, promise_id: str, was: PromiseState, state: PromiseState, by: tuple[str, str, datetime]
) -> None:
    operator, note, now = by
    _require(tx, promise_id, was)
    kept = mask_digits(note)
    changed = {"state": state.value, "ended_at": to_text(now), "operator": operator, "note": kept}
    tx.connection.execute(_of(promise_id).values(**changed))
    data = {"operator": operator, "note": kept}
    audit.append(tx, [AuditEvent(f"promise.{state.value}", promise_id, data)], now)


def _require(tx: Transaction, promise_id: str, state: PromiseState) -> None:
    query = sa.select(PROMISES.c.state).where(PROMISES.c.promise_id == promise_id).with_for_update()
    found = tx.connection.execute(query).scalar_one_or_none()
    if found != state:
        told = "there is none" if found is None else f"it is {found}, not {state}"
        raise LedgerError(f"promise {promise_id}: {told}; see: carloan-notify promises list --all")


def _of(promise_id: str) -> sa.Update:
    return sa.update(PROMISES).where(PROMISES.c.promise_id == promise_id)


# Decisions of nights.


@dataclass(frozen=True, slots=True)
class PromiseOutcome:
    """What a night found of a promise: its state now, what it has received, and what it was before."""

    promise_id: str
    was: str
    state: str
    paid_minor: int


def decide(
    tx: Transaction, outcomes: Sequence[PromiseOutcome], as_of: date, run_id: str, now: datetime
) -> int:
    """Write down outcomes that are new or other than before, an audit row each; how many.

    One whose state is not `was` any more (withdrawn meanwhile) stays as it is.
    """
    events = []
    for each in sorted(
        outcomes, key=lambda outcome: outcome.promise_id
    ):  # in order: two nights must not lock out
        changed = {"state": each.state, "paid_minor": each.paid_minor, "decided_on": as_of.isoformat()}
        mine = _of(each.promise_id).where(PROMISES.c.state == each.was)
        if tx.connection.execute(mine.values(**changed)).rowcount:
            kind = "promise.decided" if each.was == PromiseState.OPEN else "promise.revised"
            data = {"run": run_id, "was": each.was, **changed}
            events.append(AuditEvent(kind, each.promise_id, data))
    audit.append(tx, events, now)
    return len(events)


# Reading.


def counting(tx: Transaction, since: date) -> Sequence[sa.RowMapping]:
    """Promises that count (the table's columns), and are open or end on `since` or later."""
    live = sa.or_(PROMISES.c.state == PromiseState.OPEN.value, PROMISES.c.ends_on >= since.isoformat())
    query = sa.select(PROMISES).where(PROMISES.c.state.in_(_COUNTING), live)
    return tx.connection.execute(query).mappings().all()


def open_ones(tx: Transaction) -> Sequence[sa.RowMapping]:
    """The open promises (the table's columns)."""
    query = sa.select(PROMISES).where(PROMISES.c.state == PromiseState.OPEN.value)
    return tx.connection.execute(query.order_by(PROMISES.c.promise_id)).mappings().all()


def made_since(tx: Transaction, since: date, loan_id: str) -> list[tuple[date, str]]:
    """Date and bucket of the promises of a loan that count, made on `since` or later."""
    query = sa.select(PROMISES.c.made_on, PROMISES.c.bucket).where(
        PROMISES.c.loan_id == loan_id,
        PROMISES.c.state.in_(_COUNTING),
        PROMISES.c.made_on >= since.isoformat(),
    )
    return [(date.fromisoformat(made_on), bucket) for made_on, bucket in tx.connection.execute(query)]


@dataclass(frozen=True, slots=True)
class PromiseFilter:
    """Which promises: every field that is set must match. `waiting` are proposals and open ones."""

    promise_id: str = ""
    loan_id: str = ""
    states: tuple[str, ...] = ()


def listed(tx: Transaction, wanted: PromiseFilter) -> list[dict[str, Any]]:
    """Promises (SHOWN), in order of the promised day; "" for what is missing."""
    query = sa.select(*(PROMISES.c[name] for name in SHOWN))
    for name in ("promise_id", "loan_id"):
        if value := getattr(wanted, name):
            query = query.where(PROMISES.c[name] == value)
    if wanted.states:
        query = query.where(PROMISES.c.state.in_(wanted.states))
    query = query.order_by(PROMISES.c.pay_on, PROMISES.c.loan_id, PROMISES.c.promise_id)
    rows = tx.connection.execute(query).mappings()
    return [{name: "" if row[name] is None else row[name] for name in SHOWN} for row in rows]


# Forgetting.


def purge(tx: Transaction, cutoff: str) -> int:
    """Delete promises that are done with and were taken before `cutoff` (as `to_text` writes it)."""
    old = sa.delete(PROMISES).where(PROMISES.c.state.in_(_DONE), PROMISES.c.taken_at < cutoff)
    return int(tx.connection.execute(old).rowcount)


def erase(tx: Transaction, customer_ref: str) -> None:
    """Forget what people wrote about a customer's promises; loan, day and sum stay, as they do of notices."""
    tx.connection.execute(sa.update(PROMISES).where(PROMISES.c.customer_ref == customer_ref).values(note=""))
