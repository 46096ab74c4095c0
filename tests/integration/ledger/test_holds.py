"""Holds and what is known of numbers in the ledger: what waits is cancelled, its keys are free, all is audited."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from carloan_notify.errors import LedgerError
from carloan_notify.hold_codes import HoldReason, NumberStatus
from carloan_notify.ledger import audit, health, holds, intake, numbers, receipts, upkeep
from carloan_notify.ledger.holds import HoldOn, NewHold
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.numbers import Known, NumberFilter
from carloan_notify.ledger.stopping import Stopped
from carloan_notify.notices.hold_settings import HoldsSettings
from carloan_notify.records import MessageClass, Outcome
from tests.integration.ledger.drafts import (
    NOW,
    PHONE,
    answer,
    draft,
    name_of,
    on_sqlite,
    put_on_wire,
    receipt,
    state,
)
from tests.transactions import commit, look, wiping

TODAY = NOW.date()
OTHER = "+12025550101"
SETTINGS = HoldsSettings()
COLLECTION = MessageClass.COLLECTION


def hold(ledger: Ledger, kind: HoldReason, until: date | None = None, **on: Any) -> Stopped:
    subject = HoldOn(**(on or {"phone_hash": ledger.cipher.phone_hash(PHONE)}))
    return commit(ledger, holds.put, NewHold(subject, kind, until), "kim", SETTINGS, NOW)


def queue(ledger: Ledger, *drafts: Any) -> None:
    commit(ledger, intake.enqueue, "R", list(drafts), NOW)


def states(ledger: Ledger, count: int) -> list[str]:
    return [str(state(ledger, name_of(number))) for number in range(1, count + 1)]


def one(ledger: Ledger, *, standing_only: bool = True) -> dict[str, Any]:
    (row,) = look(ledger, holds.table, standing_only=standing_only).to_dict("records")
    return {str(name): value for name, value in row.items()}


def test_a_hold_cancels_what_its_kind_keeps_back_and_frees_its_keys(ledger: Ledger) -> None:
    queue(
        ledger,
        draft(1, message_class=COLLECTION),
        draft(2),
        draft(3, message_class=COLLECTION, notice="credit_bureau_notice"),
        draft(4, message_class=COLLECTION, phone=OTHER),
    )
    done = hold(ledger, HoldReason.HARDSHIP, TODAY + timedelta(days=13))
    assert (done.fresh, done.cancelled) == (True, (name_of(1),))
    assert states(ledger, 4) == ["cancelled", "queued", "queued", "queued"]
    again = commit(ledger, intake.enqueue, "R2", [draft(9, loans=("L1",), message_class=COLLECTION)], NOW)
    assert again.queued == 1  # its key is free: told once the hold has ended
    (event,) = look(ledger, audit.show, kind="hold.set").to_dict("records")
    assert PHONE not in event["data"]
    assert "held_hardship" in look(ledger, audit.show, kind="message.cancelled")["data"].iloc[0]


@pytest.mark.parametrize("on", ["customer_ref", "loan_id", "phone_hash"])
def test_a_lawyers_client_is_spared_and_not_the_guarantor(ledger: Ledger, on: str) -> None:
    queue(
        ledger,
        draft(1, customer_id="C9", message_class=COLLECTION),
        draft(2, customer_id="C9", message_class=COLLECTION, role="guarantor"),
    )
    named: dict[str, Any] = {
        "customer_ref": ledger.cipher.customer_ref("C9"),
        "loan_id": "L1",
        "phone_hash": ledger.cipher.phone_hash(PHONE),
    }
    hold(ledger, HoldReason.LAWYER, None, **{on: named[on]})
    both = on == "phone_hash"  # a number is held whoever has it
    assert states(ledger, 2) == ["cancelled", "cancelled" if both else "queued"]


def test_a_second_hold_of_a_kind_only_prolongs_the_first(ledger: Ledger) -> None:
    until = TODAY + timedelta(days=5)
    assert hold(ledger, HoldReason.PAUSE, until).fresh
    assert not hold(ledger, HoldReason.PAUSE, until - timedelta(days=1)).fresh
    assert one(ledger)["until"] == until.isoformat()
    assert hold(ledger, HoldReason.PAUSE, until + timedelta(days=9)).fresh
    assert one(ledger)["until"] == (until + timedelta(days=9)).isoformat()
    assert hold(ledger, HoldReason.DECEASED).fresh  # another kind is another hold
    assert list(look(ledger, audit.show, kind="hold.")["kind"]) == ["hold.set", "hold.prolonged", "hold.set"]


def test_a_hold_is_ended_by_its_number_once(ledger: Ledger) -> None:
    hold(ledger, HoldReason.BANKRUPTCY)
    number = one(ledger)["hold_no"]
    assert commit(ledger, holds.end, number, "kim", "discharged", NOW) is HoldReason.BANKRUPTCY
    assert commit(ledger, holds.end, number, "kim", "discharged", NOW) is None
    assert look(ledger, holds.table).empty
    row = one(ledger, standing_only=False)
    assert (row["ended_by"], row["source"], row["ended_at"] != "") == ("kim", "kim", True)
    assert len(look(ledger, audit.show, kind="hold.ended")) == 1


def test_only_what_resumes_by_itself_ends_with_its_last_day(ledger: Ledger) -> None:
    yesterday = TODAY - timedelta(days=1)
    hold(ledger, HoldReason.HARDSHIP, yesterday)
    hold(ledger, HoldReason.DISPUTE, yesterday)
    hold(ledger, HoldReason.PAUSE, TODAY)
    hold(ledger, HoldReason.DECEASED)
    assert len(commit(ledger, holds.expire, TODAY, SETTINGS, NOW)) == 1
    assert set(look(ledger, holds.table)["kind"]) == {"dispute", "pause", "deceased"}
    assert commit(ledger, holds.expire, TODAY, SETTINGS, NOW) == []
    assert len(look(ledger, audit.show, kind="hold.expired")) == 1


def test_what_was_held_while_a_night_was_planned_is_cancelled_as_it_is_queued(ledger: Ledger) -> None:
    hold(ledger, HoldReason.PAUSE, TODAY)
    known = look(ledger, holds.last_number)
    hold(ledger, HoldReason.DISPUTE, loan_id="L2")
    commit(ledger, numbers.mark, [Known(OTHER, NumberStatus.REASSIGNED, TODAY)], "kim", NOW)
    drafts = [draft(n, message_class=COLLECTION, phone=OTHER if n == 3 else PHONE) for n in (1, 2, 3)]
    with ledger.write() as tx:
        intake.enqueue(tx, "R", drafts, NOW)
        holds.cancel_since(tx, known, SETTINGS, NOW)
        numbers.cancel_since(tx, NOW, NOW)
    assert states(ledger, 3) == ["queued", "cancelled", "cancelled"]


def test_a_hold_names_exactly_one_subject() -> None:
    with pytest.raises(LedgerError, match="exactly one"):
        HoldOn()
    with pytest.raises(LedgerError, match="exactly one"):
        HoldOn("a", "b")


# Numbers.


def known(ledger: Ledger) -> dict[str, Any]:
    (row,) = look(ledger, numbers.table).to_dict("records")
    return {str(name): value for name, value in row.items()}


def test_a_number_that_is_somebody_elses_hears_nothing_more(ledger: Ledger) -> None:
    queue(ledger, draft(1), draft(2, phone=OTHER))
    done = commit(
        ledger, numbers.mark, [Known(PHONE, NumberStatus.REASSIGNED, TODAY)], "reply:wrong_person", NOW
    )
    assert (done.changed, done.cancelled) == (1, (name_of(1),))
    assert states(ledger, 2) == ["cancelled", "queued"]
    row = known(ledger)
    assert (row["phone"], row["status"], row["status_on"]) == (
        "+120****0100",
        "reassigned",
        TODAY.isoformat(),
    )
    again = commit(ledger, numbers.mark, [Known(PHONE, NumberStatus.REASSIGNED, TODAY)], "kim", NOW)
    assert (again.changed, again.unchanged) == (0, 1)
    shown = commit(ledger, numbers.reveal, NumberFilter(), "kim", "ticket 1", NOW)
    assert shown["phone"].tolist() == [PHONE]
    assert len(look(ledger, audit.show, kind="numbers.revealed")) == 1


def test_an_older_word_changes_nothing_and_a_newer_one_does(ledger: Ledger) -> None:
    day = timedelta(days=1)
    commit(ledger, numbers.mark, [Known(PHONE, NumberStatus.INVALID, TODAY - day)], "file:a", NOW)
    commit(ledger, numbers.mark, [Known(PHONE, NumberStatus.ACTIVE, TODAY - 2 * day)], "file:b", NOW)
    assert known(ledger)["status"] == "invalid"
    both = [Known(PHONE, NumberStatus.ACTIVE, TODAY), Known(PHONE, NumberStatus.ABSENT, TODAY - day)]
    assert commit(ledger, numbers.mark, both, "file:c", NOW).changed == 1
    assert known(ledger)["status"] == "active"


def dead(ledger: Ledger, number: int, *, day: int = 0, arrives: bool = False) -> None:
    """A message goes out on that day and the network says that there is no such number, or that it arrived."""
    at = NOW + timedelta(days=day)
    commit(ledger, intake.enqueue, "R", [draft(number, expires_at=at + timedelta(hours=9))], at)
    put_on_wire(ledger, now=at)
    answer(ledger, name_of(number), Outcome.ACCEPTED, f"ref-{number}")
    told = receipt(f"ref-{number}", delivered=arrives, occurred_at=at, dead=not arrives)
    commit(ledger, receipts.settle, [told], at)


def test_failures_of_a_dead_number_are_counted_by_day_and_an_arrival_ends_them(ledger: Ledger) -> None:
    for number, day in enumerate((0, 0, 1, 4), start=1):
        dead(ledger, number, day=day)
    row = known(ledger)
    assert (row["failures"], row["failed_on"], row["status"]) == (3, "2026-11-27", "active")
    assert len(look(ledger, audit.show, kind="numbers.failed")) == 3
    dead(ledger, 9, day=5, arrives=True)
    assert known(ledger)["failures"] == 0
    assert len(look(ledger, audit.show, kind="numbers.arrived")) == 1
    assert look(ledger, numbers.all_known).empty


def test_whoever_verifies_a_number_ends_its_failures(ledger: Ledger) -> None:
    dead(ledger, 1)
    assert len(look(ledger, numbers.table, NumberFilter(failing_only=True))) == 1
    later = TODAY + timedelta(days=1)
    assert commit(ledger, numbers.mark, [Known(PHONE, NumberStatus.ACTIVE, later)], "kim", NOW).changed == 1
    assert known(ledger)["failures"] == 0


# Forgetting, keys, backups.


def test_an_erased_customer_keeps_holds_by_hash_and_loses_the_number(ledger: Ledger) -> None:
    queue(ledger, draft(1, customer_id="C9"))
    hold(ledger, HoldReason.DECEASED)
    commit(ledger, numbers.mark, [Known(PHONE, NumberStatus.INVALID, TODAY)], "kim", NOW)
    wiping(ledger, upkeep.erase, "C9", "kim", NOW)
    assert one(ledger)["phone_hash"] == ledger.cipher.phone_hash(PHONE)
    row = known(ledger)
    assert (row["phone"], row["status"]) == ("(erased)", "invalid")


def test_what_ended_long_ago_is_forgotten(ledger: Ledger) -> None:
    hold(ledger, HoldReason.HARDSHIP, TODAY)
    hold(ledger, HoldReason.DECEASED)
    commit(ledger, numbers.mark, [Known(PHONE, NumberStatus.INVALID, TODAY)], "kim", NOW)
    commit(ledger, holds.expire, TODAY + timedelta(days=1), SETTINGS, NOW)
    wiping(ledger, upkeep.purge, NOW + timedelta(days=400), NOW + timedelta(days=800))
    assert one(ledger, standing_only=False)["kind"] == "deceased"
    assert known(ledger)["phone"] == "(erased)"


@on_sqlite
def test_a_rotated_key_and_a_backup_know_the_numbers(ledger: Ledger, tmp_path: Path) -> None:
    commit(ledger, numbers.mark, [Known(PHONE, NumberStatus.INVALID, TODAY)], "kim", NOW)
    hold(ledger, HoldReason.DECEASED)
    made = upkeep.write_backup(ledger, NOW, tmp_path / "backups")
    assert made.rows > 0
    upkeep.rotate_keys(ledger, "kim", NOW)
    with Ledger.open(ledger.settings, tmp_path, now=NOW) as anew:
        assert commit(anew, numbers.reveal, NumberFilter(), "kim", "x", NOW)["phone"].tolist() == [PHONE]
        assert look(anew, health.examine, NOW) == []
