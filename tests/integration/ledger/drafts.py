"""Made-up messages for the ledger's tests."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from carloan_notify.ledger import answers, notices, outbox, views
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.notices import DECIDED
from carloan_notify.records import (
    Channel,
    CoveredNotice,
    Draft,
    MessageClass,
    OutboundMessage,
    Outcome,
    Receipt,
    Rendered,
    SendResult,
)
from tests.transactions import commit, look

on_sqlite = pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
"""For tests where the second database adds nothing but time."""

NOW = datetime(2026, 11, 23, 2, tzinfo=UTC)
PHONE = "+12025550100"
NAME = "Ada Example"
TEXT = "[Anda] Dear Ada Example, 1,234.56 falls due today."


def name_of(number: int) -> str:
    return f"{number:026d}"


def draft(number: int, *, loans: tuple[str, ...] = (), **changes: object) -> Draft:
    told = loans or (f"L{number}",)
    plain = Draft(
        message_id=name_of(number),
        covers=tuple(CoveredNotice(f"key-{loan}", loan, 3, date(2026, 11, 23)) for loan in told),
        customer_id=f"C{number}",
        notice="due_day",
        channel=Channel.SMS,
        role="borrower",
        message_class=MessageClass.SERVICE,
        language="en",
        phone=PHONE,
        recipient_name=NAME,
        rendered=Rendered(TEXT, "GSM-7", 50, 1, "due_day.sms", "v1"),
        params={"name": NAME},
        due_on=date(2026, 11, 23),
        amount_minor=123456,
        not_before=NOW,
        expires_at=NOW + timedelta(hours=12),
        until_paid=True,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # test input


def claim(
    ledger: Ledger, *, limit: int = 100, owner: str = "one", now: datetime = NOW
) -> list[OutboundMessage]:
    return commit(ledger, outbox.claim, channels=list(Channel), limit=limit, owner=owner, now=now, lease_s=60)


def put_on_wire(ledger: Ledger, *, owner: str = "one", now: datetime = NOW, limit: int = 100) -> list[str]:
    ids = [message.message_id for message in claim(ledger, owner=owner, now=now, limit=limit)]
    return commit(ledger, outbox.begin, ids, "gate", now, owner=owner, lease_s=60)


def answer(ledger: Ledger, message_id: str, outcome: Outcome, ref: str = "", now: datetime = NOW) -> None:
    commit(ledger, answers.record, [SendResult(message_id, outcome, ref, "c1")], "gate", now)


def receipt(
    ref: str = "", *, message_id: str = "", delivered: bool = True, minute: int = 5, **more: Any
) -> Receipt:
    at = NOW + timedelta(minutes=minute)
    code = "DELIVRD" if delivered else "UNDELIV"
    return replace(Receipt("gate", ref, message_id, delivered, code, "seen", at), **more)


def shown_of(ledger: Ledger, message_id: str) -> dict[str, Any]:
    """A message that is there, masked."""
    found = look(ledger, views.message, message_id)
    assert found is not None
    return found


def decisions(ledger: Ledger) -> list[dict[str, Any]]:
    """Every decision that the ledger keeps, in the order it was made, without its number."""
    kept = sa.select(DECIDED).order_by(DECIDED.c.notice_no)
    with ledger.read() as tx:
        rows = [dict(row) for row in tx.connection.execute(kept).mappings()]
    return [{name: value for name, value in row.items() if name != "notice_no"} for row in rows]


def keep_decisions(ledger: Ledger, run_id: str, decided: pd.DataFrame) -> None:
    """What a night does with what it decided."""
    rows = notices.to_rows(run_id, decided, ledger.cipher.customer_ref)
    commit(ledger, notices.record, run_id, rows, NOW)


def state(ledger: Ledger, message_id: str) -> str:
    return str(shown_of(ledger, message_id)["state"])
