"""Other words for a message that waits, because what it told has changed since it was queued."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from carloan_notify.ledger import audit, contents, intake, notices, states, templates
from carloan_notify.ledger.states import Step
from carloan_notify.ledger.store import Transaction
from carloan_notify.ledger.tables import CONTENTS, LOTS, MESSAGES
from carloan_notify.records import AuditEvent, Draft

_RENDERED: Final = ("template", "template_version", "encoding")


@dataclass(frozen=True, slots=True)
class Reworded:
    """The message's new words and amount as a draft; `dropped` are keys of notices it does not tell any more."""

    message_id: str
    draft: Draft
    dropped: tuple[str, ...] = ()


def reword(
    tx: Transaction,
    changes: Sequence[Reworded],
    now: datetime,
) -> None:
    """Replace text, values, name and amount of claimed messages; free the keys of what they no longer tell.

    A message that is not claimed any more stays as it is. The audit keeps the hash of the new text, the amount
    and how many notices fell away.
    """
    claimed = set(states.allowed(tx, [change.message_id for change in changes], Step.BEGIN))
    fitting = [change for change in changes if change.message_id in claimed]
    if not fitting:
        return
    audit.lock_head(tx)  # numbers of lots are given under it
    events = list[AuditEvent]()
    for change in fitting:
        run_id, told = _reword(tx, change)
        events.append(_event(change, told))
        templates.keep(tx, run_id, intake.wordings([change.draft]), now)
        if change.dropped:
            notices.release(tx, [change.message_id], change.dropped)
    audit.append(tx, events, now)


def _reword(tx: Transaction, change: Reworded) -> tuple[str, str]:
    """The new words into the message's content, and the message into a lot of their template.

    Returns the id of its run, and the seal of what it tells now.
    """
    draft = change.draft
    mine = tx.connection.execute(
        sa.select(MESSAGES.c.message_no, MESSAGES.c.lot_no, CONTENTS.c.content_sealed)
        .join(CONTENTS, CONTENTS.c.message_no == MESSAGES.c.message_no)
        .where(MESSAGES.c.message_id == change.message_id)
    ).one()
    was = contents.opened(tx.cipher, change.message_id, mine.content_sealed)
    content = replace(contents.content_of(draft), phone=was.phone)
    said = {
        "amount_minor": draft.amount_minor,
        "units": draft.rendered.units,
        "segments": draft.rendered.segments,
        "content_sealed": contents.seal(tx.cipher, change.message_id, content),
    }
    this = CONTENTS.c.message_no == mine.message_no
    tx.connection.execute(sa.update(CONTENTS).where(this).values(**said))
    row = tx.connection.execute(sa.select(LOTS).where(LOTS.c.lot_no == mine.lot_no)).mappings().one()
    lot = {**row, **{name: getattr(draft.rendered, name) for name in _RENDERED}}
    if lot != dict(row):
        named = tuple(lot[name] for name in intake.LOT)
        number = intake.new_lots(tx, [named], row["run_id"], row["queued_at"])[named]
        of_new = sa.update(MESSAGES).where(MESSAGES.c.message_no == mine.message_no)
        tx.connection.execute(of_new.values(lot_no=number))
    return str(row["run_id"]), tx.cipher.told(change.message_id, content.phone, content.text)


def _event(change: Reworded, told: str) -> AuditEvent:
    data = {
        "template": change.draft.rendered.template,
        "template_version": change.draft.rendered.template_version,
        "text": told,
        "amount": change.draft.amount_minor,
        "dropped": len(change.dropped),
    }
    return AuditEvent("message.reworded", change.message_id, data)
