"""Holds that somebody set: on a number, a customer or a loan, until a day or until a person ends them.

Kept by keyed hash or loan number, never deleted, only ended. Setting one cancels what waits for it in the same
transaction and frees the keys of that, so that after its end the ladder goes on from where the loan stands then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from carloan_notify.errors import LedgerError
from carloan_notify.hold_codes import HoldReason, Then, Whom
from carloan_notify.ledger import audit, notices, states
from carloan_notify.ledger.listing import as_frame
from carloan_notify.ledger.states import Step
from carloan_notify.ledger.stopping import Stopped
from carloan_notify.ledger.store import Transaction, to_text
from carloan_notify.ledger.tables import HOLDS, MESSAGE_KEYS, WHOLE
from carloan_notify.notices.hold_settings import HoldsSettings
from carloan_notify.records import AuditEvent, MessageClass, MessageState
from carloan_notify.text import mask_digits

if TYPE_CHECKING:
    import pandas as pd

SHOWN: Final = (
    *("hold_no", "kind", "loan_id", "phone_hash", "customer_ref", "message_class"),
    *("source", "set_at", "until", "ended_at", "ended_by"),
)
HELD: Final = "held"
"""The code of a message that a hold cancelled."""
_STANDING: Final = HOLDS.c.ended_at.is_(None)


@dataclass(frozen=True, slots=True)
class HoldOn:
    """What is held: a number or a customer by keyed hash, or a loan, exactly one of them.

    `message_class` None means every class that the hold's kind keeps back.
    """

    phone_hash: str = ""
    customer_ref: str = ""
    loan_id: str = ""
    message_class: MessageClass | None = None

    def __post_init__(self) -> None:
        """Exactly one of the three."""
        if sum(map(bool, (self.phone_hash, self.customer_ref, self.loan_id))) != 1:
            raise LedgerError("a hold needs a phone, a customer or a loan, exactly one of them")

    @property
    def columns(self) -> dict[str, str]:
        """The subject as table columns."""
        chosen = self.message_class.value if self.message_class else ""
        subject = {"phone_hash": self.phone_hash, "customer_ref": self.customer_ref, "loan_id": self.loan_id}
        return {**subject, "message_class": chosen}


@dataclass(frozen=True, slots=True)
class NewHold:
    """A hold to be set: on what, of which kind, and its last day, None where it has no end."""

    on: HoldOn
    kind: HoldReason
    until: date | None


def put(
    tx: Transaction, new: NewHold, source: str, settings: HoldsSettings, now: datetime, *, note: str = ""
) -> Stopped:
    """Hold from now on and cancel what waits for it; where it stands already, the later end counts.

    `source` says who set it (an operator, `reply:KIND`); `note` goes into the audit. A message on the wire cannot be
    called back. Rows are locked before the audit's head, and looked for once more behind it, as in `stopping.stop`.
    """
    ids = states.allowed(tx, _waiting(tx, new.on, new.kind, settings), Step.CANCEL)
    audit.lock_head(tx)
    fresh = _kept(tx, new, source, now, mask_digits(note))
    late = _waiting(tx, new.on, new.kind, settings)
    cancelled = sorted({*ids, *states.allowed(tx, sorted(set(late) - set(ids)), Step.CANCEL)})
    _cancel(tx, cancelled, new.kind, now)
    return Stopped(fresh, tuple(cancelled))


def _kept(tx: Transaction, new: NewHold, source: str, now: datetime, note: str) -> bool:
    """Insert the hold, or give the one that stands the later end; False where that has changed nothing."""
    stands = sa.select(HOLDS.c.hold_no, HOLDS.c.until).where(*_same(new.on, new.kind))
    known = tx.connection.execute(stands).one_or_none()
    until = new.until.isoformat() if new.until else None
    if known is not None and (known.until is None or (until is not None and until <= known.until)):
        return False
    data: dict[str, Any] = {**new.on.columns, "kind": new.kind.value, "until": until}
    if known is None:
        row = {**data, "source": source, "set_at": to_text(now), "ended_by": ""}
        tx.connection.execute(sa.insert(HOLDS), row)
    else:
        tx.connection.execute(sa.update(HOLDS).where(HOLDS.c.hold_no == known.hold_no).values(until=until))
        data["was"] = known.until
    told = data | ({"note": note} if note else {})
    audit.append(tx, [AuditEvent("hold.set" if known is None else "hold.prolonged", source, told)], now)
    return True


def end(tx: Transaction, hold_no: int, operator: str, reason: str, now: datetime) -> HoldReason | None:
    """End a hold by its number; its kind, None where none of that number stands."""
    audit.lock_head(tx)
    its = [HOLDS.c.hold_no == hold_no, _STANDING]
    row = tx.connection.execute(sa.select(HOLDS).where(*its)).mappings().one_or_none()
    if row is None:
        return None
    tx.connection.execute(sa.update(HOLDS).where(*its).values(ended_at=to_text(now), ended_by=operator))
    subject = {name: row[name] for name in ("phone_hash", "customer_ref", "loan_id", "message_class", "kind")}
    data = {"hold": hold_no, **subject, "reason": mask_digits(reason)}
    audit.append(tx, [AuditEvent("hold.ended", operator, data)], now)
    return HoldReason(row["kind"])


def expire(tx: Transaction, day: date, settings: HoldsSettings, now: datetime) -> list[int]:
    """End the holds whose last day lies before `day` and that end by themselves; their numbers."""
    kinds = [kind.value for kind in HoldReason if settings.rule(kind).then is Then.RESUMES]
    over = [_STANDING, HOLDS.c.until < day.isoformat(), HOLDS.c.kind.in_(kinds)]
    numbers = list(tx.connection.execute(sa.select(HOLDS.c.hold_no).where(*over)).scalars())
    if not numbers:
        return []
    audit.lock_head(tx)
    tx.connection.execute(sa.update(HOLDS).where(*over).values(ended_at=to_text(now)))
    data = {"holds": sorted(numbers), "last_day_before": day.isoformat()}
    audit.append(tx, [AuditEvent("hold.expired", "", data)], now)
    return sorted(numbers)


def last_number(tx: Transaction) -> int:
    """The number of the newest hold, 0 where there was none."""
    return int(tx.connection.execute(sa.select(sa.func.max(HOLDS.c.hold_no))).scalar() or 0)


def cancel_since(tx: Transaction, number: int, settings: HoldsSettings, now: datetime) -> None:
    """Cancel what waits for holds newer than `number`: they came while a night was planned that did not know them.

    The caller has queued in this transaction, and so locked the audit's head.
    """
    newer = sa.select(HOLDS).where(_STANDING, HOLDS.c.hold_no > number).order_by(HOLDS.c.hold_no)
    for row in tx.connection.execute(newer).mappings().all():
        chosen = MessageClass(row["message_class"]) if row["message_class"] else None
        on = HoldOn(row["phone_hash"], row["customer_ref"], row["loan_id"], chosen)
        kind = HoldReason(row["kind"])
        _cancel(tx, states.allowed(tx, _waiting(tx, on, kind, settings), Step.CANCEL), kind, now)


def table(tx: Transaction, *, standing_only: bool = True) -> "pd.DataFrame":
    """Holds in order of entry (SHOWN); text columns, `""` when missing."""
    query = sa.select(*(HOLDS.c[name] for name in SHOWN)).order_by(HOLDS.c.hold_no)
    found = as_frame(tx.connection.execute(query.where(_STANDING) if standing_only else query), SHOWN)
    return found.astype(object).fillna("").astype({**dict.fromkeys(SHOWN, "str"), "hold_no": "int64"})


def _same(on: HoldOn, kind: HoldReason) -> list[sa.ColumnElement[bool]]:
    return [*(HOLDS.c[name] == value for name, value in on.columns.items()), HOLDS.c.kind == kind, _STANDING]


def _waiting(tx: Transaction, on: HoldOn, kind: HoldReason, settings: HoldsSettings) -> Sequence[str]:
    """The pending messages that such a hold keeps back: the same question as `notices.holds.held` asks of notices."""
    rule = settings.rule(kind)
    mine = [each.value for each in rule.classes if on.message_class in (None, each)]
    concerned = [states.is_pending(WHOLE), WHOLE.c.message_class.in_(mine)]
    if rule.channels:
        concerned.append(WHOLE.c.channel.in_([each.value for each in rule.channels]))
    if rule.statutory:
        concerned.append(WHOLE.c.notice.not_in(settings.statutory))
    if rule.whom is Whom.BORROWER and not on.phone_hash:
        concerned.append(WHOLE.c.role == Whom.BORROWER.value)
    its_loan = sa.select(MESSAGE_KEYS.c.message_no).where(MESSAGE_KEYS.c.loan_id == on.loan_id)
    concerned += [
        WHOLE.c[name] == on.columns[name] for name in ("phone_hash", "customer_ref") if on.columns[name]
    ]
    concerned += [WHOLE.c.message_no.in_(its_loan)] if on.loan_id else []
    return list(tx.connection.execute(sa.select(WHOLE.c.message_id).where(*concerned)).scalars())


def cancel_for(
    tx: Transaction, on: HoldOn, kind: HoldReason, settings: HoldsSettings, now: datetime
) -> list[str]:
    """Cancel what waits for such a hold that is no row here (an open promise); the ids."""
    ids = states.allowed(tx, _waiting(tx, on, kind, settings), Step.CANCEL)
    _cancel(tx, ids, kind, now)
    return sorted(ids)


def _cancel(tx: Transaction, ids: Sequence[str], kind: HoldReason, now: datetime) -> None:
    """Cancel these (locked) messages; nobody was told, so their keys are free for the day when the hold ends."""
    ended = {**states.UNLEASED, "due_at": None, "settled_at": to_text(now), "code": f"{HELD}_{kind.value}"}
    states.move_all(tx, ids, Step.CANCEL, MessageState.CANCELLED, ended)
    notices.release(tx, ids)
    states.tell(tx, "cancelled", "", ids, now, reason=f"{HELD}_{kind.value}")
