"""What a backup cannot know is neither sent again nor planned again until a person says so."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from carloan_notify.errors import LedgerError
from carloan_notify.ledger import (
    audit,
    continuity,
    health,
    intake,
    keys,
    notices,
    outbox,
    portfolio,
    receipts,
    unknowns,
    upkeep,
    views,
)
from carloan_notify.ledger.continuity import Gap
from carloan_notify.ledger.keys import Cipher
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.settings import LedgerSettings, Places
from carloan_notify.ledger.store import locate, to_text
from carloan_notify.ledger.tables import METADATA
from carloan_notify.ledger.unknowns import Verdict
from carloan_notify.records import Outcome
from carloan_notify.text import ERASED
from tests.integration.ledger.drafts import (
    NOW,
    answer,
    claim,
    draft,
    name_of,
    on_sqlite,
    put_on_wire,
    receipt,
    state,
)
from tests.integration.ledger.test_portfolio import prints_of
from tests.transactions import commit, look, wiping

LATER = NOW + timedelta(hours=1)
TOMORROW = NOW + timedelta(days=1)


def wipe(settings: LedgerSettings, folder: Path) -> None:
    """The disaster: the ledger is gone."""
    for file in folder.glob("ledger.db*"):
        file.unlink()
    if settings.url.startswith("postgresql"):
        engine = sa.create_engine(locate(settings.url, folder))
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
        engine.dispose()


def restored(settings: LedgerSettings, folder: Path, *, at: timedelta = timedelta(hours=1)) -> Ledger:
    """Back up at NOW what the open ledger holds, lose it, and put it back."""
    made = upkeep.back_up(settings, folder, NOW)
    wipe(settings, folder)
    upkeep.restore(settings, folder, made.path, NOW + at)
    return Ledger.open(settings, folder)


def filled(settings: LedgerSettings, folder: Path) -> None:
    """Messages 1 queued, 2 for tomorrow, 3 claimed, 4 on the wire, 5 to be tried again, 6 accepted, 7 rejected."""
    with Ledger.open(settings, folder, create=True, now=NOW) as ledger:
        commit(ledger, intake.enqueue, "R1", [draft(number) for number in (4, 5, 6, 7)], NOW)
        put_on_wire(ledger)
        for number, outcome in ((5, Outcome.RETRYABLE), (6, Outcome.ACCEPTED), (7, Outcome.REJECTED)):
            answer(ledger, name_of(number), outcome, f"r{number}")
        commit(ledger, intake.enqueue, "R1", [draft(3)], NOW - timedelta(minutes=1))
        claim(ledger, limit=1, owner="two")
        tomorrow = draft(2, not_before=TOMORROW, expires_at=TOMORROW + timedelta(hours=1))
        commit(ledger, intake.enqueue, "R1", [draft(1), tomorrow], NOW)


def test_nothing_that_waited_goes_again(settings: LedgerSettings, tmp_path: Path) -> None:
    filled(settings, tmp_path)
    with restored(settings, tmp_path) as ledger:
        found = {name_of(number): state(ledger, name_of(number)) for number in range(1, 8)}
        assert list(found.values()) == [*["unknown"] * 5, "accepted", "rejected"]
        commit(ledger, outbox.recover, TOMORROW)
        assert claim(ledger, now=LATER) == claim(ledger, now=TOMORROW) == []
        rows = {row["message_id"]: row for row in look(ledger, views.messages).to_dict("records")}
        assert {rows[name_of(number)]["code"] for number in range(1, 6)} == {"restored"}
        assert {rows[name_of(number)]["provider"] for number in range(1, 6)} == {
            ""
        }  # it may be another's by now
        assert rows[name_of(1)]["sent_at"] == "2026-11-23T02:00:00.000000Z"  # it may have left right then
        assert rows[name_of(2)]["sent_at"] == "2026-11-24T02:00:00.000000Z"  # not before it was allowed to
        assert [rows[name_of(number)]["attempts"] for number in range(1, 8)] == [1] * 7
        keys = {f"key-L{number}" for number in range(1, 7)}
        assert look(ledger, notices.known, sorted(keys)) == keys  # their notices stay told
        (event,) = look(ledger, audit.show, kind="ledger.restored").to_dict("records")
        assert '"unknown":5' in event["data"]
        assert [
            name in str(look(ledger, audit.show, kind="message.unknown")["data"].iloc[-1]) for name in found
        ] == [
            *[True] * 5,
            False,
            False,
        ]
        assert ledger.verify_audit().ok


def test_what_it_became_is_settled_by_receipt_or_by_hand(settings: LedgerSettings, tmp_path: Path) -> None:
    filled(settings, tmp_path)
    with restored(settings, tmp_path) as ledger:
        settled = commit(ledger, receipts.settle, [receipt("g1", message_id=name_of(1))], LATER)
        assert (settled.settled, settled.refused) == (1, ())
        commit(ledger, unknowns.mark, name_of(3), Verdict.SENT, "kim", "in the portal", LATER)
        commit(ledger, unknowns.mark, name_of(5), Verdict.NOT_SENT, "kim", "not in the portal", LATER)
        assert [state(ledger, name_of(n)) for n in (1, 3, 5)] == ["delivered", "accepted", "retryable"]
        assert {message.message_id for message in look(ledger, unknowns.waiting)} == {name_of(2), name_of(4)}
        assert [message.message_id for message in claim(ledger, now=LATER)] == [name_of(5)]


def test_the_gap_stays_until_it_is_accepted(settings: LedgerSettings, tmp_path: Path) -> None:
    filled(settings, tmp_path)
    with Ledger.open(settings, tmp_path) as whole:
        assert look(whole, continuity.gap) is None
    with restored(settings, tmp_path) as ledger:
        assert look(ledger, continuity.gap) == Gap(NOW, LATER)
        (ailment,) = [one for one in look(ledger, health.examine, LATER) if one.code == "ledger_restored"]
        assert ailment.place == "2026-11-23T02:00:00.000000Z to 2026-11-23T03:00:00.000000Z"
        commit(ledger, continuity.forget)
        assert look(ledger, continuity.gap) is None
        assert look(ledger, health.examine, LATER) == []


@on_sqlite
def test_a_second_restore_widens_a_gap_that_nobody_accepted(settings: LedgerSettings, tmp_path: Path) -> None:
    filled(settings, tmp_path)
    restored(settings, tmp_path).close()
    made = upkeep.back_up(settings, tmp_path, LATER)
    wipe(settings, tmp_path)
    assert upkeep.restore(settings, tmp_path, made.path, TOMORROW).unknown == 0  # they are unknown already
    with Ledger.open(settings, tmp_path) as ledger:
        assert look(ledger, continuity.gap) == Gap(NOW, TOMORROW)


@on_sqlite
def test_many_are_told_in_parts(settings: LedgerSettings, tmp_path: Path) -> None:
    with Ledger.open(settings, tmp_path, create=True, now=NOW) as ledger:
        commit(ledger, intake.enqueue, "R1", [draft(number) for number in range(1_001)], NOW)
    with restored(settings, tmp_path) as ledger:
        assert set(look(ledger, views.messages)["state"]) == {"unknown"}
        assert len(look(ledger, audit.show, kind="message.unknown")) == 2


@on_sqlite
def test_two_ledgers_share_a_folder(settings: LedgerSettings, tmp_path: Path) -> None:
    share, made = tmp_path / "share", []
    for day, place in enumerate(("one", "two", "one", "two", "two", "one")):
        (tmp_path / place).mkdir(exist_ok=True)
        Ledger.open(settings, tmp_path / place, create=True, now=NOW).close()
        made.append(upkeep.back_up(settings, tmp_path / place, NOW + timedelta(days=day), share))
    (share / "ledger-notes.backup").write_text("not ours")
    old_name = share / "ledger-20261101T020000.000000Z.backup"  # as earlier versions called them
    made[2].path.rename(old_name)
    last = upkeep.back_up(settings, tmp_path / "one", NOW + timedelta(days=6), share)
    assert [one.deleted for one in made] == [(), (), (), (), (made[1].path.name,), (made[0].path.name,)]
    assert last.deleted == (old_name.name,)  # by its header, whatever its name
    left = {path.name for path in share.glob("*.backup")}
    assert left == {"ledger-notes.backup", *(one.path.name for one in (*made[3:], last))}
    ids = {path.name.split("-")[1] for path in share.glob("ledger-*Z.backup")}
    assert len(ids) == 2


@on_sqlite
def test_a_backup_of_an_old_name_is_put_back(settings: LedgerSettings, tmp_path: Path) -> None:
    filled(settings, tmp_path)
    made = upkeep.back_up(settings, tmp_path, NOW)
    old = made.path.rename(tmp_path / "ledger-20261123T020000.000000Z.backup")
    wipe(settings, tmp_path)
    assert upkeep.restore(settings, tmp_path, old, LATER).rows == made.rows


@on_sqlite
def test_a_folder_that_cannot_be_written_is_explained(settings: LedgerSettings, tmp_path: Path) -> None:
    filled(settings, tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match=r"file: cannot be written \(File exists\)"):
        upkeep.back_up(settings, tmp_path, NOW, tmp_path / "file")


def test_keys_are_not_changed_under_a_sender(settings: LedgerSettings, tmp_path: Path) -> None:
    with Ledger.open(settings, tmp_path, create=True, now=NOW) as ledger:
        commit(ledger, intake.enqueue, "R1", [draft(1), draft(2)], NOW)
        key = (tmp_path / settings.key_file).read_bytes()
        claim(ledger, limit=1)
        with pytest.raises(LedgerError, match="1 messages are in a sender's hands, until 2026-11-23T02:01"):
            upkeep.rotate_keys(ledger, "kim", NOW)
        assert (tmp_path / settings.key_file).read_bytes() == key
        assert len(claim(ledger)) == 1  # the sender goes on
        assert upkeep.rotate_keys(ledger, "kim", LATER) == 1  # their leases have lapsed


def test_an_erased_number_leaves_no_trace_in_receipts(settings: LedgerSettings, tmp_path: Path) -> None:
    with Ledger.open(settings, tmp_path, create=True, now=NOW) as ledger:
        made = draft(1)
        commit(ledger, intake.enqueue, "R1", [made], NOW)
        put_on_wire(ledger)
        answer(ledger, name_of(1), Outcome.ACCEPTED, "r1")
        of = [replace(receipt(ref), phone=made.phone) for ref in ("r1", "unmatched")]
        commit(ledger, receipts.settle, [*of, replace(receipt("other"), phone="+12025550142")], NOW)
        wiping(ledger, upkeep.erase, "C1", "kim", NOW)
        with ledger.store.read() as connection:
            hashes = connection.exec_driver_sql("SELECT phone_hash FROM receipts").scalars().all()
        assert sorted(hashes) == ["", "", ledger.cipher.phone_hash("+12025550142")]


# `restore` once more: it died after its commit, or nobody saw that it had ended.


def stands(settings: LedgerSettings, folder: Path) -> list[list[tuple[object, ...]]]:
    """Every row of every table."""
    with Ledger.open(settings, folder) as ledger, ledger.read() as tx:
        return [
            [tuple(row) for row in tx.connection.execute(sa.select(table))]
            for table in METADATA.sorted_tables
        ]


def lost(settings: LedgerSettings, folder: Path) -> Path:
    """A filled ledger that remembers a portfolio, with a backup, is gone; the backup."""
    filled(settings, folder)
    with Ledger.open(settings, folder) as ledger:
        commit(ledger, portfolio.keep, "R1", NOW.date(), prints_of(ledger.cipher, "C6", "C7"))
    made = upkeep.back_up(settings, folder, NOW)
    wipe(settings, folder)
    return made.path


def kept_erasure(settings: LedgerSettings, folder: Path, customer_id: str) -> None:
    """`erase` had done its work in the ledger that is lost: what it kept beside the digests is there."""
    cipher = Cipher(keys.load_keyring(Places.of(settings, folder).key_file, ""))
    upkeep.keep_erasure(Places.of(settings, folder), cipher, customer_id, LATER)


def erased(settings: LedgerSettings, folder: Path) -> tuple[list[str], int, int]:
    """Whose messages are empty, how many loans are remembered, and how many erasures the audit has."""
    with Ledger.open(settings, folder) as ledger:
        rows = look(ledger, views.messages).to_dict("records")
        night = look(ledger, portfolio.last_night)
        assert night is not None
        assert ledger.verify_audit().ok
        events = look(ledger, audit.show, kind="customer.erased")
        return [row["message_id"] for row in rows if row["phone"] == ERASED], len(night.prints), len(events)


def test_restoring_again_changes_nothing(settings: LedgerSettings, tmp_path: Path) -> None:
    backup = lost(settings, tmp_path)
    first = upkeep.restore(settings, tmp_path, backup, LATER)
    before = stands(settings, tmp_path)
    again = upkeep.restore(settings, tmp_path, backup, TOMORROW)
    assert again == replace(first, before=to_text(LATER))
    assert stands(settings, tmp_path) == before


def test_who_was_erased_is_erased_by_each_restore_once(settings: LedgerSettings, tmp_path: Path) -> None:
    backup = lost(settings, tmp_path)
    kept_erasure(settings, tmp_path, "C6")
    upkeep.restore(settings, tmp_path, backup, LATER + timedelta(hours=1))
    assert erased(settings, tmp_path) == ([name_of(6)], 1, 1)
    kept_erasure(settings, tmp_path, "C7")  # it was kept, and `erase` died
    for _ in range(2):
        upkeep.restore(settings, tmp_path, backup, LATER + timedelta(hours=2))
        assert set(erased(settings, tmp_path)[0]) == {name_of(6), name_of(7)}
        assert erased(settings, tmp_path)[1:] == (0, 2)


@on_sqlite
def test_a_ledger_in_use_is_never_restored_over(settings: LedgerSettings, tmp_path: Path) -> None:
    backup = lost(settings, tmp_path)
    upkeep.restore(settings, tmp_path, backup, LATER)
    newer = upkeep.back_up(settings, tmp_path, LATER)
    with pytest.raises(LedgerError, match="not from this backup; stop everything that uses it, move it away"):
        upkeep.restore(settings, tmp_path, newer.path, TOMORROW)
    with Ledger.open(settings, tmp_path) as ledger:
        commit(ledger, continuity.forget)  # `run --accept ledger_restored`
    before = stands(settings, tmp_path)
    with pytest.raises(LedgerError, match=f"put back on {to_text(LATER)} and the ledger is in use since"):
        upkeep.restore(settings, tmp_path, backup, TOMORROW)
    assert stands(settings, tmp_path) == before


@on_sqlite
def test_what_is_queued_after_the_gap_was_accepted_is_not_doubted(
    settings: LedgerSettings, tmp_path: Path
) -> None:
    backup = lost(settings, tmp_path)
    upkeep.restore(settings, tmp_path, backup, LATER)
    with Ledger.open(settings, tmp_path) as ledger:
        ledger.write_digest("R2", LATER)  # as the ledger that is lost had done
    wipe(settings, tmp_path)
    upkeep.restore(settings, tmp_path, backup, TOMORROW)
    with Ledger.open(settings, tmp_path) as ledger:
        commit(ledger, continuity.forget)
        assert continuity.doubt_if_replaced(ledger, TOMORROW)  # it has not signed yet, so nobody can tell
        commit(ledger, continuity.forget)
        ledger.write_digest("R3", TOMORROW)
        for folder in ledger.places.digest_folders:
            max(folder.glob("digest-*.json")).unlink()  # the night died before the file was written
        commit(ledger, intake.enqueue, "R3", [draft(8)], TOMORROW)
        assert not continuity.doubt_if_replaced(ledger, TOMORROW)
        assert state(ledger, name_of(8)) == "queued"
