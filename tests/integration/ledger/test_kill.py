"""A sender killed any time: nothing goes twice, nothing is lost, only what was on the wire is in doubt."""

import multiprocessing
import os
import random
import time
from datetime import datetime, timedelta
from pathlib import Path

from carloan_notify.ledger import answers, intake, outbox, unknowns
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.settings import LedgerSettings
from carloan_notify.records import MessageState, Outcome, SendResult
from tests.integration.ledger.drafts import NOW, claim, draft
from tests.transactions import commit, look

MESSAGES = 300
BATCH = 5
KILLS = 25


def send(settings: LedgerSettings, folder: Path, now: datetime) -> None:
    """A sender whose network is a file: what is written there has reached somebody."""
    with Ledger.open(settings, folder) as ledger, (folder / "network").open("ab", buffering=0) as network:
        while ids := [message.message_id for message in claim(ledger, limit=BATCH, now=now)]:
            for message_id in commit(ledger, outbox.begin, ids, "gate", now, owner="one", lease_s=60):
                os.write(network.fileno(), f"{message_id}\n".encode())
            accepted = [SendResult(message_id, Outcome.ACCEPTED) for message_id in ids]
            commit(ledger, answers.record, accepted, "gate", now)


def test_a_killed_sender_repeats_and_loses_nothing(sqlite_ledger: Ledger, tmp_path: Path) -> None:
    commit(sqlite_ledger, intake.enqueue, "R1", [draft(number) for number in range(MESSAGES)], NOW)
    settings, moments = sqlite_ledger.settings, random.Random(7)  # noqa: S311 - no secret, a repeatable schedule
    sqlite_ledger.close()
    kills = 0
    for night in range(KILLS + 1):
        now = NOW + timedelta(minutes=2 * night)
        with Ledger.open(settings, tmp_path) as ledger:
            commit(ledger, outbox.recover, now)
        sender = multiprocessing.get_context("fork").Process(target=send, args=(settings, tmp_path, now))
        sender.start()
        if night < KILLS:
            time.sleep(moments.uniform(0.005, 0.05))
            sender.kill()
        sender.join(30)
        kills += sender.exitcode == -9
    sent = (tmp_path / "network").read_text().split()
    with Ledger.open(settings, tmp_path) as ledger:
        commit(ledger, outbox.recover, NOW + timedelta(hours=6))
        states = look(ledger, outbox.counts, "R1")
        doubtful = {message.message_id for message in look(ledger, unknowns.waiting)}
        assert ledger.verify_audit().ok
    assert kills > 0
    assert len(sent) == len(set(sent)), "somebody was told twice"
    assert set(states) <= {MessageState.ACCEPTED, MessageState.UNKNOWN}
    assert states[MessageState.ACCEPTED] + len(doubtful) == MESSAGES
    assert len(set(sent) | doubtful) == MESSAGES, "somebody was lost"
    assert len(doubtful) <= kills * BATCH
