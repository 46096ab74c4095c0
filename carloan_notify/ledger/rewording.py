"""Other words for a message that waits, because what it told has changed since it was queued."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from carloan_notify.ledger import audit, notices, states
from carloan_notify.ledger.intake import said
from carloan_notify.ledger.keys import Cipher
from carloan_notify.ledger.states import Step
from carloan_notify.ledger.store import Transaction
from carloan_notify.ledger.tables import MESSAGES
from carloan_notify.records import AuditEvent, Draft


@dataclass(frozen=True, slots=True)
class Reworded:
    """The message's new words and amount as a draft; `dropped` are keys of notices it does not tell any more."""

    message_id: str
    draft: Draft
    dropped: tuple[str, ...] = ()


def reword(tx: Transaction, changes: Sequence[Reworded], now: datetime) -> None:
    """Replace text, values, name and amount of claimed messages; free the keys of what they no longer tell.

    A message that is not claimed any more stays as it is. The audit keeps the hash of the new text, the amount
    and how many notices fell away.
    """
    claimed = set(states.allowed(tx, [change.message_id for change in changes], Step.BEGIN))
    fitting = [change for change in changes if change.message_id in claimed]
    for change in fitting:
        tx.connection.execute(
            sa.update(MESSAGES).where(MESSAGES.c.message_id == change.message_id),
            said(tx.cipher, change.message_id, change.draft)
            | {"name_sealed": tx.cipher.seal(change.message_id, "name", change.draft.recipient_name)},
        )
        if change.dropped:
            notices.release(tx, [change.message_id], change.dropped)
    audit.append(tx, [_event(tx.cipher, change) for change in fitting], now)


def _event(cipher: Cipher, change: Reworded) -> AuditEvent:
    data = {
        "template_version": change.draft.rendered.template_version,
        "text": cipher.text_hash(change.draft.rendered.text),
        "amount": change.draft.amount_minor,
        "dropped": len(change.dropped),
    }
    return AuditEvent("message.reworded", change.message_id, data)
