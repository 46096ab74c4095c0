"""A night through a real Kannel: out, reports and replies back, and bearerbox killed in the middle."""

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from waitress.server import create_server

from carloan_notify.app import build_app, system_clock
from carloan_notify.config.example import sample_values
from carloan_notify.delivery.dispatch import Dispatcher, RunContext
from carloan_notify.delivery.provider import CheckVerdict
from carloan_notify.delivery.providers.kannel.kannel import KannelSettings, KannelSms
from carloan_notify.delivery.registry import build_channels
from carloan_notify.delivery.summary import DrainSummary
from carloan_notify.inbound.listen import Listener
from carloan_notify.ledger import intake, outbox, replies, runs, stopping, unknowns
from carloan_notify.ledger.replies import ReplyFilter
from carloan_notify.pipeline.inbox import keeper
from carloan_notify.pipeline.listen import OpenLedger, Receiving, doors
from carloan_notify.pipeline.send import LedgerOutbox
from carloan_notify.records import Channel, CoveredNotice, Draft, MessageClass, MessageState, Rendered
from tests.integration.kannel.kannel import INSTALLED, Kannel, free_port, until
from tests.transactions import commit, look

pytestmark = [
    pytest.mark.needs_kannel,
    pytest.mark.skipif(not INSTALLED, reason="apt-get install kannel kannel-extras"),
    pytest.mark.xdist_group("kannel"),
]

MESSAGES = 500
CRASHED = 200
IN_SMSBOX = 16
"""Most reports that die with smsbox, which keeps in memory what it is about to push."""
SECRET = "a-secret-of-sixteen"
STARTED = datetime.now(UTC)
PHONE, ANOTHER = "+12025550198", "+12025550197"


def options(kannel_url: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "kannel",
        "base_url": kannel_url,
        "username": "lender",
        "password": "${file:kannel-password}",
        "sender": "1069012345",
        "push_secret": "${file:push-secret}",
        "phone_region": "US",
        "concurrency": 8,
        **more,
    }


def provider(kannel_url: str, listener: str, **more: Any) -> KannelSms:
    """One outside a lender's folder, with its secrets in place."""
    plain = {"password": "kannel-password", "push_secret": SECRET, **more}
    settings = KannelSettings.model_validate(options(kannel_url, **plain))
    push_url = settings.push_url(listener, "kannel")
    return KannelSms("kannel", settings, clock=system_clock, push_url=push_url)


def phone(number: int) -> str:
    """Numbers reserved for fiction, none of them one that answers."""
    return f"+120255501{number % 90:02d}"


def draft(run: str, number: int, **changes: Any) -> Draft:
    message_id = f"{run}{number:024d}"
    made = Draft(
        message_id=message_id,
        covers=(CoveredNotice(f"key-{message_id}", f"L{message_id}", 1, None),),
        customer_id=f"C{message_id}",
        notice="due_today",
        channel=Channel.SMS,
        role="borrower",
        message_class=MessageClass.SERVICE,
        language="en",
        phone=phone(number),
        recipient_name="A",
        rendered=Rendered(f"Due today, {message_id}", "GSM-7", 4, 1, "t", "v"),
        params={},
        due_on=date(2026, 11, 23),
        amount_minor=100,
        not_before=STARTED - timedelta(hours=1),
        expires_at=STARTED + timedelta(hours=5),
        until_paid=True,
    )
    return replace(made, **changes)


class Lender:
    """A lender's folder and ledger, a Kannel, and `receipts listen` between them."""

    def __init__(self, folder: Path) -> None:
        """Kannel is not started yet."""
        self.folder = folder
        port = free_port()
        self.listener = f"http://127.0.0.1:{port}"
        self.kannel = Kannel(folder, f"{self.listener}/kannel/{SECRET}")
        for name, secret in (("kannel-password", "kannel-password"), ("push-secret", SECRET)):
            (folder / name).write_text(secret)
            (folder / name).chmod(0o600)
        self.app = build_app(self.written_config())
        self.ledger = self.app.open_ledger(create=True)
        receiving = Receiving(self.app, doors(self.app), OpenLedger(self.app), keeper(self.app))
        listener = Listener(receiving.take, receiving.healthy, self.app.settings.inbound.public_url)
        self._server = create_server(listener, host="127.0.0.1", port=port, threads=2)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()

    def written_config(self, **more: Any) -> Path:
        values = sample_values()
        values["delivery"] = {
            "channels": {"sms": ["kannel"], "voice": ["console"]},
            "providers": {
                "kannel": options(self.kannel.url, **more),
                "console": {"type": "console", "channels": ["voice"]},
            },
            "canary": {"size": 0},
            "retry": {"first_s": 0.1, "longest_s": 0.5},
            "breaker": {"consecutive_errors": 50, "error_share": 1, "open_seconds": 0.3},
        }
        values["inbound"] = {"public_url": self.listener}
        path = self.folder / "config.yaml"
        path.write_text(yaml.safe_dump(values))
        return path

    def queue(self, run: str, messages: int) -> None:
        commit(self.ledger, runs.start, run, date(2026, 11, 23), "run", STARTED)
        commit(self.ledger, intake.enqueue, run, [draft(run, number) for number in range(messages)], STARTED)

    def drain(self) -> DrainSummary:
        delivery = self.app.settings.delivery
        around = RunContext(clock=system_clock, owner="me")
        return Dispatcher(
            LedgerOutbox(self.ledger), build_channels(delivery, system_clock, self.listener), delivery, around
        ).drain()

    def counts(self, run: str) -> Counter[MessageState]:
        return Counter(look(self.ledger, outbox.counts, run))

    def replies(self) -> list[dict[str, Any]]:
        """The replies so far, in clear."""
        shown = commit(self.ledger, replies.reveal, ReplyFilter(), "me", "test", datetime.now(UTC))
        return [{str(name): value for name, value in row.items()} for row in shown.to_dict("records")]

    def close(self) -> None:
        self.kannel.stop()
        self._server.close()
        self._thread.join(5)
        self.ledger.close()


@pytest.fixture(scope="module")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lender]:
    made = Lender(tmp_path_factory.mktemp("kannel"))
    try:
        commit(made.ledger, runs.start, "W", date(2026, 11, 23), "run", STARTED)
        later = STARTED + timedelta(hours=2)
        commit(
            made.ledger,
            intake.enqueue,
            "W",
            [draft("W", 1, phone=PHONE, not_before=later), draft("W", 2, not_before=later)],
            STARTED,
        )
        made.kannel.start(f"{PHONE} 1069012345 text R")
        yield made
    finally:
        made.close()


def test_a_night_goes_out_and_every_report_settles(lender: Lender) -> None:
    lender.queue("A", MESSAGES)
    summary = lender.drain()
    assert summary.accepted == MESSAGES
    until(lambda: lender.counts("A")[MessageState.DELIVERED] == MESSAGES, "all delivery reports")
    assert lender.kannel.copies(r"A\d{24}") == {f"A{number:024d}": 1 for number in range(MESSAGES)}


def test_a_reply_r_opts_its_number_out_and_cancels_what_waits_for_it(lender: Lender) -> None:
    until(lambda: bool(lender.replies()), "the reply")
    (reply,) = lender.replies()
    assert (reply["phone"], reply["text"], reply["provider"]) == (PHONE, "R", "kannel")
    assert (reply["kind"], reply["rule"]) == ("opt_out", "stop_word")
    (row,) = look(lender.ledger, stopping.table).to_dict("records")
    assert (row["phone_hash"], row["message_class"]) == (lender.ledger.cipher.phone_hash(PHONE), "")
    assert lender.counts("W") == {MessageState.CANCELLED: 1, MessageState.QUEUED: 1}


def test_nothing_is_texted_to_who_replied(lender: Lender) -> None:
    until(lambda: bool(lender.replies()), "the reply")
    assert "OK" not in [text for _, text in lender.kannel.arrived()]


def test_a_look_without_sending(lender: Lender) -> None:
    before = lender.kannel.arrived()

    def looked(password: str, status: str) -> list[tuple[str, CheckVerdict]]:
        asked = {"admin_url": lender.kannel.admin_url, "status_password": status}
        rows = provider(lender.kannel.url, lender.listener, password=password, **asked).check()
        return [(row.what, row.verdict) for row in rows]

    assert looked("kannel-password", "status") == [
        ("credentials", CheckVerdict.OK),
        ("clock", CheckVerdict.OK),
        ("link fake", CheckVerdict.OK),
    ]
    assert looked("x", "x") == [
        ("credentials", CheckVerdict.WRONG),
        ("clock", CheckVerdict.OK),
        ("links", CheckVerdict.WRONG),
    ]
    assert lender.kannel.arrived() == before


def test_bearerbox_killed_in_the_middle_loses_and_repeats_nothing(lender: Lender) -> None:
    lender.queue("B", CRASHED)
    gone = threading.Event()

    def crash() -> None:
        until(lambda: len(lender.kannel.copies(r"B\d{24}")) > CRASHED // 5, "the middle")
        lender.kannel.kill("bearerbox")
        for name in ("smsbox", "fakesmsc"):
            lender.kannel.kill(name)
        gone.set()
        lender.kannel.start(f"{ANOTHER} 1069012345 ucs2 %90%00%8B%A2")

    thread = threading.Thread(target=crash)
    thread.start()
    summary = lender.drain()
    thread.join()
    assert gone.is_set()
    until(lambda: lender.kannel.stored() == 0, "what bearerbox had stored")
    until(lambda: "退订" in [reply["text"] for reply in lender.replies()], "the reply after the crash")
    told = set(look(lender.ledger, outbox.counts, "B"))
    assert told <= {MessageState.ACCEPTED, MessageState.DELIVERED, MessageState.UNKNOWN}
    # One final answer each: what was tried again had certainly not been sent.
    assert summary.accepted + summary.unknown == CRASHED
    assert summary.retryable > 0
    copies = lender.kannel.copies(r"B\d{24}")
    lost = {f"B{number:024d}" for number in range(CRASHED)} - set(copies)
    assert len(lost) <= summary.unknown
    assert lost <= {message.message_id for message in look(lender.ledger, unknowns.waiting)}
    # Kannel's own store sends again what was on its link at that moment; in our runs that never happened.
    assert sum(copies.values()) - len(copies) <= 2
    # Reports heal what the crash left unknown; only those that smsbox had in hand are lost.
    until(lambda: lender.counts("B")[MessageState.DELIVERED] >= len(copies) - IN_SMSBOX, "the reports")
