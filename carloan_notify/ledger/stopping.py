"""Numbers that refuse messages: suppressed from now on, and what waits for them is cancelled."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from carloan_notify.errors import LedgerError
from carloan_notify.ledger import audit, states
from carloan_notify.ledger.listing import as_frame
from carloan_notify.ledger.states import UNTOLD, Step
from carloan_notify.ledger.store import Transaction, to_text
from carloan_notify.ledger.tables import CONTENTS, LOTS, MESSAGES, SUPPRESSIONS, WHOLE, of_one_installment
from carloan_notify.notices.settings import Role
from carloan_notify.records import AuditEvent, MessageClass, MessageState
from carloan_notify.text import mask_digits

if TYPE_CHECKING:
    import pandas as pd

# Who must not hear what: kept by keyed hash, never by number, and never deleted, only ended.

_SHOWN: Final = (
    "suppression_no",
    "phone_hash",
    "customer_ref",
    "message_class",
    "source",
    "reason",
    "added_at",
    "removed_at",
)


@dataclass(frozen=True, slots=True)
class Subject:
    """A phone or a customer by keyed hash, exactly one of them; `message_class` None means every class."""

    phone_hash: str = ""
    customer_ref: str = ""
    message_class: MessageClass | None = None

    def __post_init__(self) -> None:
        """Exactly one of the two."""
        if bool(self.phone_hash) == bool(self.customer_ref):
            raise LedgerError("a suppression needs a phone or a customer, exactly one of them")

    @property
    def columns(self) -> dict[str, str]:
        """The subject as table columns."""
        chosen = self.message_class.value if self.message_class else ""
        return {"phone_hash": self.phone_hash, "customer_ref": self.customer_ref, "message_class": chosen}


def subject_of(
    tx: Transaction, *, phone: str = "", customer_id: str = "", message_class: MessageClass | None = None
) -> Subject:
    """A suppression's subject from a phone in E.164 or a customer id."""
    return Subject(tx.cipher.phone_hash(phone), tx.cipher.customer_ref(customer_id), message_class)


def add(
    tx: Transaction, subject: Subject, source: str, reason: str, now: datetime, *, note: str = ""
) -> bool:
    """Suppress from now on; False when this subject is suppressed for this very reason already.

    `note` goes into the audit. Another reason is another suppression: who ends a blacklist's does not end the person's
    own opt-out behind it. What only waits is no suppression: see `holds` and `numbers`.
    """
    audit.lock_head(tx)  # two hosts must not both find it missing
    if mask_digits(reason) in standing(tx, subject):
        return False
    row = {**subject.columns, "source": source, "reason": mask_digits(reason), "added_at": to_text(now)}
    tx.connection.execute(sa.insert(SUPPRESSIONS), row)
    data = _told(subject, reason) | ({"note": mask_digits(note)} if note else {})
    audit.append(tx, [AuditEvent("suppression.added", source, data)], now)
    return True


def remove(
    tx: Transaction, subject: Subject, operator: str, reason: str, now: datetime, *, was: str = ""
) -> str | None:
    """End the suppression whose reason `was`, "" for the only one; returns its reason, None when there is none.

    Raises:
        LedgerError: several stand, and `was` names none of them.
    """
    audit.lock_head(tx)
    reasons = standing(tx, subject)
    if not reasons or (was and was not in reasons):
        return None
    if len(reasons) > 1 and not was:
        told = ", ".join(repr(each) for each in reasons)
        raise LedgerError(f"several suppressions stand ({told}); name the one to end with --was")
    ended = was or reasons[0]
    this = [*_standing(subject), SUPPRESSIONS.c.reason == ended]
    tx.connection.execute(sa.update(SUPPRESSIONS).where(*this).values(removed_at=to_text(now)))
    data = {**_told(subject, reason), "was": ended}
    audit.append(tx, [AuditEvent("suppression.removed", operator, data)], now)
    return ended


def standing(tx: Transaction, subject: Subject) -> list[str]:
    """The reasons for which this very subject is suppressed, oldest first."""
    query = sa.select(SUPPRESSIONS.c.reason).where(*_standing(subject))
    return list(tx.connection.execute(query.order_by(SUPPRESSIONS.c.suppression_no)).scalars())


def binding(message: sa.FromClause) -> sa.ColumnElement[bool]:
    """Whether a standing suppression binds a message: by number or customer, of its class or of every class."""
    of_class = SUPPRESSIONS.c.message_class.in_(["", message.c.message_class])
    return sa.or_(
        *(
            sa.exists().where(
                SUPPRESSIONS.c[name] == message.c[name],
                message.c[name] != "",
                of_class,
                SUPPRESSIONS.c.removed_at.is_(None),
            )
            for name in ("phone_hash", "customer_ref")
        )
    )


def table(tx: Transaction, *, standing_only: bool = True) -> "pd.DataFrame":
    """Suppressions in order of entry; text columns, `""` when missing."""
    query = sa.select(*(SUPPRESSIONS.c[name] for name in _SHOWN)).order_by(SUPPRESSIONS.c.suppression_no)
    if standing_only:
        query = query.where(SUPPRESSIONS.c.removed_at.is_(None))
    frame = as_frame(tx.connection.execute(query), _SHOWN)
    return frame.astype(object).fillna("").astype({**dict.fromkeys(_SHOWN, "str"), "suppression_no": "int64"})


def _standing(subject: Subject) -> list[sa.ColumnElement[bool]]:
    same = [SUPPRESSIONS.c[name] == value for name, value in subject.columns.items()]
    return [*same, SUPPRESSIONS.c.removed_at.is_(None)]


def _told(subject: Subject, reason: str) -> dict[str, str]:
    return {**subject.columns, "reason": mask_digits(reason)}


SUPPRESSED: Final = "suppressed"
_PENDING: Final = states.is_pending(MESSAGES)
_CONTENT: Final = CONTENTS.c.message_no == MESSAGES.c.message_no
_LOT: Final = LOTS.c.lot_no == MESSAGES.c.lot_no
_ABOUT: Final[Mapping[str, sa.Column[str]]] = {
    "phone_hash": CONTENTS.c.phone_hash,
    "customer_ref": CONTENTS.c.customer_ref,
    "message_class": LOTS.c.message_class,
}


@dataclass(frozen=True, slots=True)
class Stopped:
    """`fresh` is False when that suppression stands already; `cancelled` messages were waiting."""

    fresh: bool
    cancelled: tuple[str, ...]


def stop(
    tx: Transaction, subject: Subject, source: str, reason: str, now: datetime, *, note: str = ""
) -> Stopped:
    """Suppress a subject and cancel what waits for it. A message on the wire cannot be called back.

    Rows are locked before the audit's head, as everywhere. What was queued between the two is looked for once
    more; a row that a sender claims at that very moment is left to it.
    """
    joined = sa.select(MESSAGES.c.message_id).join(CONTENTS, _CONTENT).join(LOTS, _LOT)
    concerned = joined.where(_PENDING, *_concerned(subject))
    ids = states.allowed(tx, list(tx.connection.execute(concerned).scalars()), Step.CANCEL)
    fresh = add(tx, subject, source, reason, now, note=note)
    late = concerned.where(MESSAGES.c.message_id.not_in(ids)).with_for_update(of=MESSAGES, skip_locked=True)
    ids = sorted({*ids, *tx.connection.execute(late).scalars()})
    _cancel(tx, ids, now)
    return Stopped(fresh, tuple(ids))


def cancel_suppressed(tx: Transaction, first: int, now: datetime) -> None:
    """Cancel those of the new messages, from number `first` on, that a suppression binds: it came meanwhile."""
    bound = sa.select(WHOLE.c.message_id).where(WHOLE.c.message_no >= first, binding(WHOLE))
    _cancel(tx, sorted(tx.connection.execute(bound).scalars()), now)


def superseded(tx: Transaction, replaces: Mapping[str, Collection[str]], *, but_run: str = "") -> list[str]:
    """The pending messages of which a later stage waits, is on its way or was sent, but for those of `but_run`.

    `replaces` names for each notice those that it replaces. Compared are loan, original due date and role; among
    other parties than the borrower, the number too. A resend, which somebody asked for, is never replaced.
    """
    earlier, later = sorted({name for names in replaces.values() for name in names}), sorted(replaces)
    if not earlier:
        return []
    mine, other, both = of_one_installment()
    query = (
        sa.select(mine.c.message_id, mine.c.notice, other.c.notice.label("later"))
        .select_from(both)
        .where(
            states.is_pending(mine),
            mine.c.run_id != but_run,
            mine.c.notice.in_(earlier),
            mine.c.resend_of == "",
            other.c.notice.in_(later),
            other.c.state.not_in([state.value for state in UNTOLD]),
            other.c.role == mine.c.role,
            sa.or_(mine.c.role == Role.BORROWER.value, other.c.phone_hash == mine.c.phone_hash),
        )
        .distinct()
    )
    found = tx.connection.execute(query)
    return sorted({row.message_id for row in found if row.notice in replaces[row.later]})


def lock_with_waiting(
    tx: Transaction, message_ids: Sequence[str], refusing: Sequence[str]
) -> dict[str, sa.RowMapping]:
    """The rows of these messages, locked together with what waits for the numbers of those that are `refusing`.

    One select in order of id: locked one after the other, two writers could lock each other out.
    """
    waiting: list[str] = []
    if refusing:
        number = sa.select(WHOLE.c.phone_hash).where(
            WHOLE.c.message_id.in_(refusing), WHOLE.c.phone_hash != ""
        )
        found = sa.select(MESSAGES.c.message_id).join(CONTENTS, _CONTENT)
        found = found.where(_PENDING, CONTENTS.c.phone_hash.in_(number))
        waiting = list(tx.connection.execute(found).scalars())
    return states.lock(tx, {*message_ids, *waiting})


def _cancel(tx: Transaction, ids: Sequence[str], now: datetime) -> None:
    ended = {**states.UNLEASED, "due_at": None, "settled_at": to_text(now), "code": SUPPRESSED}
    states.move_all(tx, ids, Step.CANCEL, MessageState.CANCELLED, ended)
    states.tell(tx, "cancelled", "", ids, now, reason=SUPPRESSED)


def stop_numbers(tx: Transaction, reasons: Mapping[str, str], source: str, now: datetime) -> None:
    """The same for numbers (keyed hash → reason), every class; an erased number has none."""
    for phone_hash, reason in sorted(reasons.items()):
        if phone_hash:
            stop(tx, Subject(phone_hash), source, reason, now)


def _concerned(subject: Subject) -> list[sa.ColumnElement[bool]]:
    return [_ABOUT[name] == value for name, value in subject.columns.items() if value]
