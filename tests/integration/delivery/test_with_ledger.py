"""Dispatcher, described gateway, real sockets and the real outbox on SQLite, through every fault at once."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from carloan_notify.app import system_clock
from carloan_notify.delivery.dispatch import Dispatcher, RunContext
from carloan_notify.delivery.registry import DeliverySettings, build_channels
from carloan_notify.delivery.simulator.server import Simulator
from carloan_notify.delivery.simulator.settings import Faults, simulator_settings
from carloan_notify.delivery.summary import DrainSummary, StoppedBy
from carloan_notify.ledger import intake, outbox, runs, unknowns, views
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.settings import LedgerSettings
from carloan_notify.pipeline.send import LedgerOutbox
from carloan_notify.records import Channel, CoveredNotice, Draft, MessageClass, MessageState, Rendered
from tests.transactions import commit, look

MESSAGES = 300
STARTED = datetime.now(UTC)


def draft(number: int) -> Draft:
    return Draft(
        message_id=f"M{number:025d}",
        covers=(CoveredNotice(f"key{number}", f"L{number}", 1, None),),
        customer_id=f"C{number}",
        notice="due_today",
        channel=Channel.SMS,
        role="borrower",
        message_class=MessageClass.SERVICE,
        language="en",
        phone=f"+120255501{number % 100:02d}",  # a request holds no number twice
        recipient_name="A",
        rendered=Rendered("text", "GSM-7", 4, 1, "t", "v"),
        params={},
        due_on=date(2026, 11, 23),
        amount_minor=100,
        not_before=STARTED - timedelta(hours=1),
        expires_at=STARTED + timedelta(hours=5),
        until_paid=True,
    )


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(LedgerSettings(), tmp_path, create=True, now=STARTED) as opened:
        commit(opened, runs.start, "R1", date(2026, 11, 23), "run", STARTED)
        commit(opened, intake.enqueue, "R1", [draft(number) for number in range(MESSAGES)], STARTED)
        yield opened


PATIENT_S = 30
"""Where no answer is late on purpose: a busy machine is not one either."""


def drain(
    ledger: Ledger,
    url: str,
    batch_limit: int,
    stop: threading.Event | None = None,
    patience_s: float = 0.3,
    *,
    bounds_delivery: bool = True,
) -> DrainSummary:
    provider = {**simulator_settings(url, Channel.SMS, batch_limit=batch_limit), "read_timeout_s": patience_s}
    if not bounds_delivery:
        del provider["request"]["body"]["valid_minutes"]
    settings = DeliverySettings.model_validate(
        {
            "channels": {"sms": ["sim"]},
            "providers": {"sim": provider},
            "canary": {"size": 0},
            "retry": {"first_s": 0.05, "longest_s": 0.1},
            "breaker": {"consecutive_errors": 50, "error_share": 1},
        }
    )
    around = RunContext(clock=lambda: datetime.now(UTC), owner="me", stop=stop or threading.Event())
    return Dispatcher(LedgerOutbox(ledger), build_channels(settings, system_clock), settings, around).drain()


@pytest.mark.parametrize("batch_limit", [1, 7])
def test_every_fault_at_once_tells_nobody_twice_and_loses_nobody(ledger: Ledger, batch_limit: int) -> None:
    share = 0.05
    faults = Faults(
        dropped_before=share,
        dropped_after=share,
        hanging=share / 5,
        html=share,
        truncated=share,
        server_error=share,
        unavailable=share,
        throttled=share / 5,
        rejected=share,
        busy=share,
    )
    with Simulator(faults, seed=7) as simulator:
        summary = drain(ledger, simulator.url, batch_limit)
        accepted = simulator.gateway.counts()
    counts = look(ledger, outbox.counts, "R1")
    assert summary.stopped_by is StoppedBy.NOTHING
    assert sum(counts.values()) == MESSAGES
    assert set(counts) <= {MessageState.ACCEPTED, MessageState.REJECTED, MessageState.UNKNOWN}
    assert counts[MessageState.UNKNOWN] == summary.unknown > 0
    assert counts[MessageState.ACCEPTED] > MESSAGES / 3
    assert set(accepted.values()) == {1}
    unknown = {message.message_id for message in look(ledger, unknowns.waiting)}
    assert len(set(accepted) - unknown) == counts[MessageState.ACCEPTED]


def test_a_stopped_drain_is_finished_by_the_next(ledger: Ledger) -> None:
    stop = threading.Event()
    with Simulator(Faults(latency_s=0.01)) as simulator:
        threading.Timer(0.15, stop.set).start()
        first = drain(ledger, simulator.url, 1, stop, PATIENT_S)
        assert first.stopped_by is StoppedBy.SIGNAL
        assert set(look(ledger, outbox.counts, "R1")) == {MessageState.ACCEPTED, MessageState.QUEUED}
        second = drain(ledger, simulator.url, 1, patience_s=PATIENT_S)
        assert first.accepted + second.accepted == MESSAGES
        assert simulator.gateway.stats() == {"requests": MESSAGES, "accepted": MESSAGES, "duplicates": 0}


def test_each_held_back_message_ends_with_its_own_hours_and_can_be_told_again(ledger: Ledger) -> None:
    minutes = {MESSAGES: 10, MESSAGES + 1: 20, MESSAGES + 2: 40}
    late = [
        replace(draft(n), expires_at=datetime.now(UTC) + timedelta(minutes=m)) for n, m in minutes.items()
    ]
    commit(ledger, runs.start, "R2", date(2026, 11, 23), "run", STARTED)
    commit(ledger, intake.enqueue, "R2", late, STARTED)
    with Simulator() as simulator:
        summary = drain(ledger, simulator.url, 1, patience_s=PATIENT_S, bounds_delivery=False)
        reached = simulator.gateway.counts()
    assert (summary.expired, summary.accepted) == (2, MESSAGES + 1)
    assert look(ledger, outbox.counts, "R2") == {MessageState.EXPIRED: 2, MessageState.ACCEPTED: 1}
    assert {draft.message_id for draft in late} & set(reached) == {late[2].message_id}
    ended = [look(ledger, views.stored, draft.message_id) for draft in late[:2]]
    assert all(each is not None and each.is_free_again for each in ended)
