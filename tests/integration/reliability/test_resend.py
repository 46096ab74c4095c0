"""A repetition is queued once: after a crash, by two operators, and whatever became of the attempts before it."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from carloan_notify.app import App, build_app
from carloan_notify.codes import Repeated
from carloan_notify.delivery.simulator.server import Simulator
from carloan_notify.ledger.states import LEASED, PENDING, WAITING
from carloan_notify.ledger.store import to_text
from carloan_notify.ledger.tables import MESSAGES
from carloan_notify.pipeline.resend import IN_DOUBT, ResendOrder, propose, queue_proposal
from carloan_notify.records import MessageState
from tests.integration.ledger.drafts import NOW
from tests.integration.reliability.crash_scenarios import prepare_resend
from tests.integration.reliability.world import World


@pytest.fixture
def told(tmp_path: Path) -> tuple[App, str]:
    """An app at a moment after the night was sent, and a message that was accepted."""
    with Simulator() as simulator:
        _, _, message_id, *_ = prepare_resend(World(tmp_path, simulator), "")
    return build_app(tmp_path / "config.yaml", NOW + timedelta(minutes=5)), message_id


def repeat(app: App, message_id: str) -> Callable[[], str]:
    """Propose; the answer queues it, and returns the id of the repetition or why there is none."""
    proposal = propose(app, ResendOrder(message_id, "tester", "lost"))

    def queue() -> str:
        done = queue_proposal(app, proposal)
        return done.draft.message_id if done.draft else done.refusal

    return queue


def put(app: App, message_id: str, state: MessageState) -> None:
    """Where a message stands, as if the outbox had brought it there."""
    at = {
        "due_at": to_text(NOW) if state in WAITING else None,
        "lease_until": to_text(NOW) if state in LEASED else None,
    }
    changed = sa.update(MESSAGES).where(MESSAGES.c.message_id == message_id).values(state=state.value, **at)
    with app.open_ledger() as ledger, ledger.store.write() as connection:
        assert connection.execute(changed).rowcount == 1


def against(app: App, message_id: str) -> str:
    return propose(app, ResendOrder(message_id, "tester", "lost")).refusal


def refusal(state: MessageState, message_id: str) -> str:
    """The sentence that an attempt in this state calls for."""
    codes = {**dict.fromkeys(PENDING, Repeated.WAITS), **dict.fromkeys(IN_DOUBT, Repeated.IN_DOUBT)}
    return codes[state].english.format(message_id=message_id) if state in codes else ""


def test_an_attempt_stands_in_the_way_until_its_end_is_known(told: tuple[App, str]) -> None:
    app, first = told
    second = repeat(app, first)()
    for state in MessageState:
        put(app, second, state)
        assert against(app, first) == refusal(state, second), state
    put(app, second, MessageState.ACCEPTED)
    third = repeat(app, second)()
    for message_id in (
        first,
        second,
        third,
    ):  # whichever of the three is named, the last one is the same message
        assert against(app, message_id) == refusal(MessageState.QUEUED, third)
    put(app, third, MessageState.ACCEPTED)
    put(app, first, MessageState.UNKNOWN)
    assert {against(app, name) for name in (first, second, third)} == {refusal(MessageState.UNKNOWN, first)}


def test_of_two_who_repeat_it_at_once_one_is_refused(told: tuple[App, str]) -> None:
    app, first = told
    mine, theirs = repeat(app, first), repeat(app, first)
    queued = theirs()
    assert mine() == refusal(MessageState.QUEUED, queued)
