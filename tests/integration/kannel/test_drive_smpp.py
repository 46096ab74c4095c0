"""Our SMPP against drive_smpp, the SMSC simulator of kannel-extras.

It binds transmitters and receivers, takes submit_sm, sends replies and enquire_link. It has no transceivers, gives
no message id and sends no delivery receipts: those are proven in test_smpp_like_kannel.py.
"""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from carloan_notify.app import system_clock
from carloan_notify.delivery.providers.smpp.link import Timers
from carloan_notify.delivery.providers.smpp.settings import SmppSettings
from carloan_notify.delivery.providers.smpp.sms import SmppSms
from carloan_notify.records import Channel, OutboundMessage, Outcome, SendResult
from tests.integration.kannel.kannel import INSTALLED, Kannel, free_port, until

pytestmark = [
    pytest.mark.needs_kannel,
    pytest.mark.skipif(not INSTALLED, reason="apt-get install kannel kannel-extras"),
    pytest.mark.xdist_group("kannel"),
]
REPLIES = 3


def test_bind_send_and_receive(tmp_path: Path) -> None:
    kannel = Kannel(tmp_path, "http://127.0.0.1:9/nobody")
    port = free_port()
    settings = {
        "type": "smpp",
        "host": "127.0.0.1",
        "port": port,
        "system_id": "lender",
        "password": "secret",
        "bind": "transmitter_and_receiver",
    }
    timers = Timers(rebind=0, receive=0.5)
    line = SmppSms(
        "line",
        SmppSettings.model_validate(settings),
        clock=system_clock,
        timers=timers,
    )
    log = tmp_path / "drive_smpp.log"
    try:
        kannel.start_bearerbox()
        kannel.start_drive_smpp(port, REPLIES)
        until(lambda: log.exists() and "accept_thread" in log.read_text(), "drive_smpp")
        problems: list[str] = []
        cursor = ""

        def pull() -> bool:
            nonlocal cursor
            page = line.pull(datetime.now(UTC), cursor)
            problems.extend(page.problems)
            cursor = page.cursor
            return len(problems) >= REPLIES and not page.more

        sent = OutboundMessage(
            f"M{1:025d}", Channel.SMS, "due_today", "en", "+12025550123", "Due today: 1,033.33", {}
        )
        results: list[SendResult] = []

        def submit() -> bool:
            """Definitely not sent while the peer is not ready yet: then it may go again."""
            results[:] = line.send([sent])
            return results[0].outcome is not Outcome.RETRYABLE

        until(submit, "a bind that holds")
        until(pull, "its replies")
        until(lambda: log.read_text().count("of type deliver_sm_resp") == REPLIES, "our answers")
    finally:
        kannel.stop()
    assert (results[0].outcome, results[0].provider_ref) == (Outcome.ACCEPTED, "")
    assert "submit_sm: short_message = <Due today: 1,033.33>" in log.read_text()
    # Its replies come from 456, which is no telephone number: kept as they came, for a person to look at.
    assert problems == ["line: a reply whose sender is no telephone number"] * REPLIES
