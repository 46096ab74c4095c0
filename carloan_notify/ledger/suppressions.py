"""Who must not hear what: kept by keyed hash, never by number, and never deleted, only ended."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import pandas as pd
import sqlalchemy as sa

from carloan_notify.errors import LedgerError
from carloan_notify.ledger import audit
from carloan_notify.ledger.instants import to_text
from carloan_notify.ledger.masking import mask_digits
from carloan_notify.ledger.tables import SUPPRESSIONS
from carloan_notify.records import AuditEvent, MessageClass

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


def add(connection: sa.Connection, subject: Subject, source: str, reason: str, now: datetime) -> bool:
    """Suppress from now on; False when this very suppression already stands."""
    audit.lock_head(connection)  # two hosts must not both find it missing
    if connection.execute(sa.select(SUPPRESSIONS.c.suppression_no).where(*_standing(subject))).first():
        return False
    row = {**subject.columns, "source": source, "reason": mask_digits(reason), "added_at": to_text(now)}
    connection.execute(sa.insert(SUPPRESSIONS), row)
    audit.append(connection, [AuditEvent("suppression.added", source, _told(subject, reason))], now)
    return True


def remove(connection: sa.Connection, subject: Subject, operator: str, reason: str, now: datetime) -> bool:
    """End a suppression; False when there is none."""
    ended = sa.update(SUPPRESSIONS).where(*_standing(subject)).values(removed_at=to_text(now))
    if not connection.execute(ended).rowcount:
        return False
    audit.append(connection, [AuditEvent("suppression.removed", operator, _told(subject, reason))], now)
    return True


def table(connection: sa.Connection, *, standing_only: bool) -> pd.DataFrame:
    """Suppressions in order of entry; text columns, `""` when missing."""
    query = sa.select(*(SUPPRESSIONS.c[name] for name in _SHOWN)).order_by(SUPPRESSIONS.c.suppression_no)
    if standing_only:
        query = query.where(SUPPRESSIONS.c.removed_at.is_(None))
    frame = pd.DataFrame([tuple(row) for row in connection.execute(query)], columns=list(_SHOWN))
    return frame.astype(object).fillna("").astype({**dict.fromkeys(_SHOWN, "str"), "suppression_no": "int64"})


def _standing(subject: Subject) -> list[sa.ColumnElement[bool]]:
    same = [SUPPRESSIONS.c[name] == value for name, value in subject.columns.items()]
    return [*same, SUPPRESSIONS.c.removed_at.is_(None)]


def _told(subject: Subject, reason: str) -> dict[str, str]:
    return {**subject.columns, "reason": mask_digits(reason)}
