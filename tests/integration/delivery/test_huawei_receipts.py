"""A batch of Huawei's that got no readable answer, and the receipts that settle it one by one in the real outbox."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from carloan_notify.delivery.provider import Received
from carloan_notify.delivery.providers.huawei.huawei import HuaweiSms
from carloan_notify.ledger import answers, intake, outbox, receipts
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.settings import LedgerSettings
from carloan_notify.records import PushRequest, Receipt
from tests.integration.ledger.drafts import NOW, claim, draft, state
from tests.transactions import commit
from tests.unit.delivery.providers.vendors import Network, clock, huawei_settings

PHONES = [f"+1202555010{n}" for n in range(3)]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(LedgerSettings(), tmp_path, create=True, now=NOW) as opened:
        drafts = [draft(n, notice="settled", language="zh-CN", phone=phone) for n, phone in enumerate(PHONES)]
        commit(opened, intake.enqueue, "R1", drafts, NOW)
        yield opened


def pushed(provider: HuaweiSms, extend: str, phone: str, status: str) -> tuple[Receipt, ...]:
    fields = {"smsMsgId": f"id-{phone[-1]}", "status": status, "to": phone, "extend": extend}
    form = {"content-type": "application/x-www-form-urlencoded"}
    heard = provider.receive(
        PushRequest("POST", "https://notify.example/gate/x", form, urlencode(fields).encode())
    )
    assert isinstance(heard, Received)
    return heard.page.receipts


def test_receipts_settle_a_batch_that_got_no_readable_answer(ledger: Ledger) -> None:
    network = Network.saying(200, b"<html>")
    provider = HuaweiSms("gate", huawei_settings(), session=network.session, clock=clock)
    batch = claim(ledger)
    ids = commit(ledger, outbox.begin, [m.message_id for m in batch], "gate", NOW, owner="one", lease_s=60)
    results = provider.send(batch)
    commit(ledger, answers.record, results, "gate", NOW)
    assert [state(ledger, i) for i in ids] == ["unknown"] * 3
    (extend,) = {result.provider_ref for result in results}
    came = [
        *pushed(provider, extend, PHONES[0], "DELIVRD"),
        *pushed(provider, extend, PHONES[2], "UNDELIV"),
    ]
    settled = commit(ledger, receipts.settle, came, NOW)
    assert (settled.settled, settled.unmatched, settled.refused) == (2, 0, ())
    assert [state(ledger, i) for i in ids] == ["delivered", "unknown", "undelivered"]


def test_a_receipt_of_a_batch_may_overtake_its_answer(ledger: Ledger) -> None:
    def accepted(_: object) -> tuple[int, object]:
        items = [{"originTo": phone, "status": "000000", "smsMsgId": f"id-{phone[-1]}"} for phone in PHONES]
        return 200, {"code": "000000", "result": items}

    provider = HuaweiSms("gate", huawei_settings(), session=Network(accepted).session, clock=clock)
    batch = claim(ledger)
    ids = commit(ledger, outbox.begin, [m.message_id for m in batch], "gate", NOW, owner="one", lease_s=60)
    results = provider.send(batch)
    extend = results[0].provider_ref
    assert commit(ledger, receipts.settle, pushed(provider, extend, PHONES[1], "DELIVRD"), NOW).unmatched == 1
    commit(ledger, answers.record, results, "gate", NOW)
    assert [state(ledger, i) for i in ids] == ["accepted", "delivered", "accepted"]
