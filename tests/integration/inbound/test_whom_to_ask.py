"""Which providers are asked, and about what: all that are configured, and every message in its turn."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from carloan_notify.delivery.provider import Capabilities, Inquiry, LookUp, MessageFate, ReceiptMode
from carloan_notify.ledger import audit, intake
from carloan_notify.ledger.tables import MESSAGES
from carloan_notify.pipeline import inbox
from carloan_notify.pipeline.returns import pull_returns, reconcile
from carloan_notify.records import Outcome
from tests.integration.inbound.desk import GATE, house_at, make_ledger
from tests.integration.inbound.queue import OnceOnly, pulled
from tests.integration.ledger.drafts import NOW, answer, draft, name_of, put_on_wire
from tests.transactions import commit, look


class Askable(OnceOnly):
    """Hands nothing out, but knows what it is asked."""

    capabilities = Capabilities(look_up_window=timedelta(days=3), receipts=ReceiptMode.NONE)

    def __init__(self) -> None:
        """Nothing asked yet."""
        super().__init__()
        self.asked: list[str] = []

    def look_up(self, inquiries: Sequence[Inquiry]) -> list[LookUp]:
        self.asked += [inquiry.message_id for inquiry in inquiries]
        return [LookUp(inquiry.message_id, MessageFate.ACCEPTED) for inquiry in inquiries]


@pytest.mark.parametrize("minutes", [0, 7, 10])
def test_everybody_is_asked_about_however_often_somebody_asks(
    tmp_path: Path, minutes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the interval nor the numbers decide who gets a turn."""
    app = house_at(tmp_path)
    make_ledger(app, 7)
    monkeypatch.setattr(inbox, "MOST_LOOKED_UP", 3)
    provider = Askable()
    for turn in range(1, 8):
        clock = partial(NOW.__add__, timedelta(minutes=5 + minutes * turn))
        pulled(replace(app, clock=clock), provider)
    assert len(provider.asked) == 21
    assert {provider.asked.count(name_of(number)) for number in range(7)} == {3}


def test_providers_that_no_channel_names_are_pulled_too(tmp_path: Path) -> None:
    closed = {**GATE["receipts"], "request": {"url": "http://127.0.0.1:9/", "method": "GET"}}
    app = house_at(tmp_path, gate={**GATE, "receipts": closed})
    make_ledger(app)
    told: list[str] = []
    (row,) = pull_returns(app, told.append)
    assert (row["provider"], row["problems"]) == ("gate", 1)
    assert told == ["gate: receipts: not_connected:ConnectionRefusedError"]
    with app.open_ledger() as ledger:
        (event,) = look(ledger, audit.show, kind="return.problem").to_dict("records")
    assert (event["subject"], told[0] in event["data"]) == ("gate", True)


LOOK_UP = {
    "request": {"url": "http://127.0.0.1:9/", "method": "GET"},
    "state": "s",
    "states": {},
    "window_hours": 1,
}


@pytest.mark.parametrize(
    ("name", "changes", "found"),
    [
        ("", {}, "not asked: nobody knows which provider had it"),
        ("other", {}, "not asked: its provider is no longer configured"),
        ("gate", {}, "not asked: its provider cannot be asked"),
        ("gate", {"look_up": LOOK_UP}, "not asked: outside the provider's look-up window"),
    ],
)
def test_why_a_message_was_not_asked_about_is_true(
    tmp_path: Path, name: str, changes: dict[str, Any], found: str
) -> None:
    app = house_at(tmp_path)
    make_ledger(app)
    with app.open_ledger() as ledger:
        commit(ledger, intake.enqueue, "run", [draft(9)], NOW)
        (on_wire,) = put_on_wire(ledger)
        answer(ledger, on_wire, Outcome.UNKNOWN)
        with ledger.store.write() as connection:
            connection.execute(sa.update(MESSAGES).values(provider="gate" if name else ""))
    providers: dict[str, Any] = {name or "gate": {**GATE, **changes}}
    later = house_at(tmp_path, NOW + timedelta(hours=2), **providers)
    assert [row["found"] for row in reconcile(later)] == [found]
