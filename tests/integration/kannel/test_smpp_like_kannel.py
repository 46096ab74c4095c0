"""Our SMPP against Kannel's: the same texts through a real Kannel and through our own link, to the same SMSC."""

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from waitress.server import create_server

from carloan_notify.app import system_clock
from carloan_notify.delivery.provider import Received, ReturnPage
from carloan_notify.delivery.providers.smpp.link import Timers
from carloan_notify.delivery.providers.smpp.settings import SmppSettings
from carloan_notify.delivery.providers.smpp.sms import SmppSms
from carloan_notify.inbound.listen import Listener
from carloan_notify.records import Channel, OutboundMessage, Outcome, PushAnswer, PushRequest, Receipt, Reply
from tests.integration.delivery.smsc import Smsc, Submitted
from tests.integration.kannel.kannel import INSTALLED, Kannel, free_port, until
from tests.integration.kannel.test_kannel import SECRET, provider

pytestmark = [
    pytest.mark.needs_kannel,
    pytest.mark.skipif(not INSTALLED, reason="apt-get install kannel kannel-extras"),
    pytest.mark.xdist_group("kannel"),
]

TEXTS = {
    "short": "Due today: 1,033.33 @ 09:00 [ref ~1] {x} £5 €7",
    "long": "Your car loan payment of 1,033.33 is due on 1 December. " * 6,
    "chinese": "您的车贷今日到期，请按时还款。+ ~ * “引号”\n谢谢",
    "long chinese": "【安达车贷】您的车贷今日到期，应还1033.33元，请按时还款，如已还款请忽略本短信。" * 4,
    "emoji": "🚗 due today",
}


def message(number: int, text: str) -> OutboundMessage:
    return OutboundMessage(f"M{number:025d}", Channel.SMS, "due_today", "en", "+12025550123", text, {})


class Both:
    """A Kannel that is bound to an SMSC of ours, its listener, and our own link to another such SMSC."""

    def __init__(self, folder: Path) -> None:
        self.theirs, self.ours = Smsc(reports=True), Smsc(reports=True)
        self.receipts: list[Receipt] = []
        self.replies: list[Reply] = []
        self.pages: list[ReturnPage] = []
        port = free_port()
        listener = f"http://127.0.0.1:{port}"
        self._server = create_server(
            Listener(self._take, lambda: True), host="127.0.0.1", port=port, threads=1
        )
        threading.Thread(target=self._server.run, daemon=True).start()
        self.kannel = Kannel(folder, f"{listener}/kannel/{SECRET}", smsc_port=self.theirs.port)
        self.through_kannel = provider(self.kannel.url, listener)
        settings = {
            "type": "smpp",
            "host": "127.0.0.1",
            "port": self.ours.port,
            "system_id": "lender",
            "password": "secret",
            "sender": "1069012345",
        }
        timers = Timers(receive=0.5)
        self.link = SmppSms("line", SmppSettings.model_validate(settings), clock=system_clock, timers=timers)

    def pulled(self) -> ReturnPage:
        """The next page over our own link, which answers for the one before."""
        cursor = self.pages[-1].cursor if self.pages else ""
        self.pages.append(self.link.pull(datetime.now(UTC), cursor))
        assert not self.pages[-1].problems
        return self.pages[-1]

    def close(self) -> None:
        self.kannel.stop()
        self._server.close()
        self.theirs.__exit__()
        self.ours.__exit__()

    def _take(self, _: str, __: str, request: PushRequest) -> PushAnswer:
        end = self.through_kannel.receive(request)
        assert isinstance(end, Received)
        self.receipts += end.page.receipts
        self.replies += end.page.replies
        return end.answer


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    made = Both(tmp_path_factory.mktemp("kannel-smpp"))
    try:
        made.kannel.start()
        yield made
    finally:
        made.close()


def on_the_wire(unit: Submitted) -> tuple[int, int, bytes]:
    """What both must agree on; the reference of a long message is each sender's own."""
    octets = unit.octets
    if unit.esm_class & 0x40:
        octets = octets[:3] + b"?" + octets[4:]
    return unit.data_coding, unit.esm_class & 0x40, octets


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_leaves_as_kannel_writes_it(both: Both, name: str) -> None:
    for smsc in (both.theirs, both.ours):
        smsc.submitted.clear()
    number = list(TEXTS).index(name)
    (theirs,) = both.through_kannel.send([message(number, TEXTS[name])])
    (ours,) = both.link.send([message(number, TEXTS[name])])
    assert theirs.outcome is ours.outcome is Outcome.ACCEPTED
    until(lambda: len(both.theirs.submitted) >= len(both.ours.submitted), "Kannel's submit_sm")
    assert [on_the_wire(unit) for unit in both.ours.submitted] == [
        on_the_wire(unit) for unit in both.theirs.submitted
    ]
    assert (len(both.ours.submitted) > 1) == ("long" in name)


def test_the_end_of_a_message_reaches_the_smsc_as_kannel_writes_it(both: Both) -> None:
    """Kannel counts whole minutes from its own clock; neither of both ever tells a time after the end."""
    for smsc in (both.theirs, both.ours):
        smsc.submitted.clear()
    ends = datetime.now(UTC) + timedelta(minutes=7, seconds=30)
    until_then = replace(message(88, TEXTS["long chinese"]), expires_at=ends)
    for way in (both.through_kannel, both.link):
        (result,) = way.send([until_then])
        assert result.outcome is Outcome.ACCEPTED
    until(lambda: len(both.theirs.submitted) >= len(both.ours.submitted), "Kannel's submit_sm")
    (ours,) = {unit.validity for unit in both.ours.submitted}
    (theirs,) = {unit.validity for unit in both.theirs.submitted}
    assert ours == ends.strftime("%y%m%d%H%M%S000+")
    assert ends - timedelta(minutes=1) - SKEW <= instant(theirs) <= ends
    assert instant(ours) == ends.replace(microsecond=0)


SKEW = timedelta(hours=1) if "FAKETIME" in os.environ else timedelta()
"""With a moved clock (`make test-clock`) each process counts from its own start, so Kannel's lags behind ours."""


def instant(validity: str) -> datetime:
    """An absolute time of SMPP (7.1.1.1), in UTC."""
    assert validity.endswith("000+"), validity
    return datetime.strptime(validity[:12], "%y%m%d%H%M%S").replace(tzinfo=UTC)


def test_the_smscs_reports_come_back_both_ways(both: Both) -> None:
    both.theirs.submitted.clear()
    both.ours.submitted.clear()
    sent = message(77, TEXTS["long"])
    both.through_kannel.send([sent])
    until(lambda: sent.message_id in {receipt.message_id for receipt in both.receipts}, "Kannel's report")
    theirs = next(receipt for receipt in both.receipts if receipt.message_id == sent.message_id)
    (accepted,) = both.link.send([sent])
    until(lambda: accepted.provider_ref in {one.provider_ref for one in both.pulled().receipts}, "ours")
    ours = next(one for one in both.pages[-1].receipts if one.provider_ref == accepted.provider_ref)
    assert (ours.delivered, ours.code) == (theirs.delivered, theirs.code) == (True, "DELIVRD")


def test_a_chinese_reply_reads_the_same_both_ways(both: Both) -> None:
    reply = {
        "source_addr": "12025550123",
        "source_addr_ton": 1,
        "destination_addr": "1069012345",
        "data_coding": 8,
        "short_message": "退订 鈀 R丠".encode("utf-16-be"),
    }
    both.theirs.deliver(**reply)
    both.ours.deliver(**reply)
    until(lambda: bool(both.replies), "the reply through Kannel")
    until(lambda: bool(both.pulled().replies), "the reply over our link")
    (ours,) = both.pages[-1].replies
    (theirs,) = both.replies
    assert (ours.phone, ours.text) == (theirs.phone, theirs.text) == ("+12025550123", "退订 鈀 R丠")
