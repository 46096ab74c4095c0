"""What the busy paths read on SQLite: rows by their ids, never the whole outbox nor all that share a state."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from carloan_notify.ledger import answers, contacts, intake, outbox, receipts, stopping, unknowns, views
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.records import Channel, Outcome, SendResult
from tests.integration.ledger.drafts import NOW, draft, name_of, receipt
from tests.transactions import commit, look

IDS = [name_of(number) for number in range(20)]
BY_ID = "SEARCH messages USING INDEX sqlite_autoindex_messages_1 (message_id=?)"
BY_NUMBER = "SEARCH messages USING INTEGER PRIMARY KEY (rowid=?)"
BY_DUE_TIME = "SEARCH messages USING INDEX ix_messages_due (channel=? AND due_at>? AND due_at<?)"
BY_LOT = "SEARCH messages USING INDEX ix_messages_lot (lot_no=?)"
OPEN = "SEARCH messages USING INDEX ix_messages_open (state=?)"
"""The few that have not come to an end, whatever lies behind them."""
WAITING = "SCAN messages USING INDEX ix_messages_due"
"""That index holds what waits and nothing else."""

STEPS: dict[str, tuple[Callable[[Ledger], object], set[str]]] = {
    "claim": (
        lambda of: commit(
            of, outbox.claim, channels=[Channel.SMS], limit=9, owner="one", now=NOW, lease_s=60
        ),
        {BY_DUE_TIME, BY_ID},
    ),
    "begin": (lambda of: commit(of, outbox.begin, IDS, "gate", NOW, owner="one", lease_s=60), {BY_ID}),
    "record": (
        lambda of: commit(
            of, answers.record, [SendResult(i, Outcome.ACCEPTED, f"ref-{i}") for i in IDS], "gate", NOW
        ),
        {BY_ID},
    ),
    "release": (lambda of: commit(of, outbox.release, IDS, NOW), {BY_ID}),
    "cancel": (lambda of: commit(of, outbox.cancel, IDS, "paid", NOW), {BY_ID}),
    "expire": (lambda of: commit(of, outbox.expire, NOW), {WAITING}),
    "next_due": (lambda of: look(of, outbox.next_due, NOW), {WAITING.replace("SCAN", "SEARCH")}),
    "recover": (lambda of: commit(of, outbox.recover, NOW), {OPEN}),
    "waiting": (lambda of: look(of, views.waiting), {OPEN}),
    "waiting of these": (lambda of: look(of, views.waiting, IDS), {BY_ID}),
    "superseded": (
        lambda of: look(of, stopping.superseded, {"overdue_3": {"overdue_1"}}),
        {OPEN, BY_NUMBER},
    ),
    "of_other_runs": (lambda of: look(of, views.of_other_runs, "R9"), {OPEN}),
    "unknown": (lambda of: look(of, unknowns.waiting), {OPEN}),
    "contacts": (lambda of: look(of, contacts.recent, NOW), {BY_LOT}),
    "counts": (lambda of: look(of, outbox.counts, "R1"), {BY_LOT}),
}


def plans(ledger: Ledger, step: Callable[[Ledger], object]) -> set[str]:
    """How SQLite finds rows of messages and receipts in every statement of a step."""
    texts: list[tuple[str, object]] = []

    def note(_: object, __: object, text: str, values: object, ___: object, many: bool) -> None:  # noqa: FBT001 - the listener's signature
        if text.startswith(("SELECT", "UPDATE")):
            texts.append((text, values[0] if many and isinstance(values, list) else values))

    sa.event.listen(ledger.store.engine, "before_cursor_execute", note)
    step(ledger)
    sa.event.remove(ledger.store.engine, "before_cursor_execute", note)
    with ledger.store.read() as connection:
        found = [
            str(row[3])
            for text, values in texts
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)  # type: ignore[arg-type]  # as it was given
        ]
    return {line for line in found if " messages" in line or " receipts" in line}


@pytest.mark.parametrize("name", STEPS)
def test_rows_are_found_by_the_right_index(sqlite_ledger: Ledger, name: str) -> None:
    commit(sqlite_ledger, intake.enqueue, "R1", [draft(number) for number in range(20)], NOW)
    step, wanted = STEPS[name]
    found = plans(sqlite_ledger, step)
    assert {line for line in found if " messages" in line} == wanted
    assert all("ix_receipts_reference" in line for line in found if " receipts" in line)


def test_receipts_that_overtook_are_found_by_their_reference(sqlite_ledger: Ledger) -> None:
    commit(sqlite_ledger, intake.enqueue, "R1", [draft(1)], NOW)
    commit(sqlite_ledger, receipts.settle, [receipt("early")], NOW)
    found = plans(sqlite_ledger, STEPS["record"][0])
    assert [line for line in found if "receipts" in line] == [
        "SEARCH receipts USING INDEX ix_receipts_reference (provider_ref=?)"
    ]
