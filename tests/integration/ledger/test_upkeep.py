"""Forgetting, new keys, backup and restore, health; and several senders at once."""

import secrets
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from carloan_notify.errors import LedgerError
from carloan_notify.ledger import (
    answers,
    audit,
    health,
    intake,
    outbox,
    receipts,
    runs,
    stopping,
    upkeep,
    views,
)
from carloan_notify.ledger import backup as backup_file
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.schema import HEAD
from carloan_notify.ledger.settings import LedgerSettings
from carloan_notify.ledger.views import MessageFilter
from carloan_notify.records import AuditEvent, MessageState, Outcome, SendResult
from tests.integration.ledger.drafts import (
    NAME,
    NOW,
    PHONE,
    TEXT,
    answer,
    claim,
    decisions,
    draft,
    keep_decisions,
    name_of,
    on_sqlite,
    put_on_wire,
    receipt,
    state,
)
from tests.integration.ledger.test_records import DAY, decided
from tests.transactions import commit, look, wiping

LATER = NOW + timedelta(days=400)
ALL = MessageFilter()
MAY_HAVE_LEFT = ["state", "code", "sent_at", "attempts"]
"""What a restore changes of a message that waited."""


def told(ledger: Ledger) -> None:
    """One delivered message, one that waits, one suppression, one finished night."""
    commit(ledger, runs.start, "R1", DAY, "run", NOW)
    commit(
        ledger,
        intake.enqueue,
        "R1",
        [draft(1), draft(2, not_before=NOW + timedelta(days=1), expires_at=LATER)],
        NOW,
    )
    keep_decisions(ledger, "R1", decided())
    put_on_wire(ledger)
    answer(ledger, name_of(1), Outcome.ACCEPTED, "r1")
    commit(ledger, receipts.settle, [receipt("r1"), receipt("nobody's")], NOW)
    commit(ledger, stopping.stop, look(ledger, stopping.subject_of, phone="+12025550199"), "reply", "TD", NOW)
    commit(ledger, runs.finish, "R1", "ok", {}, None, NOW)
    ledger.write_digest("R1", NOW)


def test_purging_forgets_what_is_old_and_settled(ledger: Ledger) -> None:
    told(ledger)
    assert wiping(ledger, upkeep.purge, NOW, LATER).messages == 0
    purged = wiping(ledger, upkeep.purge, NOW + timedelta(seconds=1), LATER)
    assert (purged.messages, purged.notices, purged.receipts) == (1, 2, 2)
    assert list(look(ledger, views.messages)["message_id"]) == [name_of(2)]
    assert decisions(ledger) == []
    assert ledger.verify_audit().ok


def test_a_compact_ledger_holds_the_same_in_less_room(ledger: Ledger) -> None:
    drafts = [draft(number) for number in range(2_000)]
    commit(ledger, intake.enqueue, "R1", drafts, NOW)
    put_on_wire(ledger, limit=1_900)
    with pytest.raises(LedgerError, match="1900 messages are in a sender's hands"):
        upkeep.compact(ledger, "kim", NOW)
    lapsed = NOW + timedelta(hours=1)
    commit(ledger, outbox.recover, lapsed)
    wiping(ledger, upkeep.purge, lapsed, lapsed)
    before = look(ledger, views.messages, ALL).to_dict("records")
    done = upkeep.compact(ledger, "kim", lapsed)
    assert done.after < done.before - 500_000
    assert look(ledger, views.messages, ALL).to_dict("records") == before
    assert len(before) == 100
    assert list(look(ledger, audit.show, kind="ledger.compacted")["subject"]) == ["kim"]
    assert ledger.verify_audit().ok


def test_erasing_a_customer_leaves_a_record_and_a_whole_chain(ledger: Ledger) -> None:
    told(ledger)
    for number, cancelled in ((1, 0), (2, 1)):
        erased = wiping(ledger, upkeep.erase, f"C{number}", "kim", NOW)
        assert (erased.messages, erased.cancelled) == (1, cancelled)
    assert set(look(ledger, views.messages)["phone"]) == {"(erased)"}
    assert set(commit(ledger, views.reveal, ALL, "kim", "check", NOW)["text"]) == {"(erased)"}
    assert state(ledger, name_of(2)) == MessageState.CANCELLED
    assert list(look(ledger, audit.show, kind="customer.erased")["subject"]) == [
        ledger.cipher.customer_ref("C1"),
        ledger.cipher.customer_ref("C2"),
    ]
    assert ledger.verify_audit().ok
    assert look(ledger, health.examine, NOW) == []


def test_no_clear_text_ever_reaches_the_disk(sqlite_ledger: Ledger, tmp_path: Path) -> None:
    told(sqlite_ledger)
    upkeep.write_backup(sqlite_ledger, NOW)
    sqlite_ledger.export_audit(tmp_path / "audit.jsonl")
    sqlite_ledger.close()
    for path in tmp_path.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert not any(secret.encode() in content for secret in (PHONE, PHONE[1:], NAME, TEXT)), path


def test_erased_ciphertext_is_gone_from_the_file(sqlite_ledger: Ledger, tmp_path: Path) -> None:
    commit(sqlite_ledger, intake.enqueue, "R1", [draft(1)], NOW)
    with sqlite_ledger.store.read() as connection:
        (sealed,) = connection.exec_driver_sql("SELECT content_sealed FROM contents").scalars()
    wiping(sqlite_ledger, upkeep.erase, "C1", "kim", NOW)
    sqlite_ledger.close()
    assert all(sealed not in path.read_bytes() for path in tmp_path.glob("ledger.db*"))


def test_a_new_key_takes_over_and_the_old_one_opens_old_backups(ledger: Ledger, tmp_path: Path) -> None:
    told(ledger)
    wiping(ledger, upkeep.erase, "C1", "kim", NOW)
    backup = upkeep.write_backup(ledger, NOW)
    old = ledger.cipher.keyring.active
    assert upkeep.rotate_keys(ledger, "kim", NOW) == 1
    with Ledger.open(ledger.settings, tmp_path) as fresh:
        assert fresh.cipher.keyring.active != old
        assert sorted(commit(fresh, views.reveal, ALL, "kim", "check", NOW)["text"]) == ["(erased)", TEXT]
        with fresh.store.read() as connection:
            sealed = connection.exec_driver_sql("SELECT content_sealed FROM contents").scalars().all()
        assert not any(bytes(value).startswith(bytes.fromhex(old)) for value in sealed)
        elsewhere = LedgerSettings(url="sqlite:///restored.db")
        assert upkeep.restore(elsewhere, tmp_path, backup.path, NOW).rows > 0


def test_a_backup_of_either_database_restores_into_either(ledger: Ledger, tmp_path: Path) -> None:
    told(ledger)
    before = commit(ledger, views.reveal, ALL, "kim", "compare", NOW).drop(columns=MAY_HAVE_LEFT)
    made = upkeep.write_backup(ledger, NOW)
    assert made.path.stat().st_mode & 0o777 == 0o600
    elsewhere = ledger.settings.model_copy(update={"url": "sqlite:///restored.db"})
    restored = upkeep.restore(elsewhere, tmp_path, made.path, LATER)
    assert (restored.rows, restored.written_at) == (made.rows, "2026-11-23T02:00:00.000000Z")
    with Ledger.open(elsewhere, tmp_path) as copy:
        assert (
            commit(copy, views.reveal, ALL, "kim", "compare", NOW).drop(columns=MAY_HAVE_LEFT).equals(before)
        )
        assert copy.verify_audit().ok
        assert list(look(copy, audit.show, kind="ledger.restored")["subject"]) == [made.path.name]
        assert decisions(copy) == decisions(ledger)


def test_a_restored_postgresql_numbers_on(fresh_postgres: str, sqlite_ledger: Ledger, tmp_path: Path) -> None:
    told(sqlite_ledger)
    made = upkeep.write_backup(sqlite_ledger, NOW)
    elsewhere = sqlite_ledger.settings.model_copy(update={"url": fresh_postgres})
    upkeep.restore(elsewhere, tmp_path, made.path, NOW)
    with Ledger.open(elsewhere, tmp_path) as copy:
        keep_decisions(copy, "R2", decided())
        assert commit(copy, stopping.stop, stopping.Subject("", "C9"), "operator", "", NOW).fresh
        assert len([row for row in decisions(copy) if row["loan_id"] == "A"]) == 2


def test_backups_are_kept_in_number_and_never_overwritten(sqlite_ledger: Ledger, tmp_path: Path) -> None:
    folder = tmp_path / "safe"
    for day in range(9):
        upkeep.write_backup(sqlite_ledger, NOW + timedelta(days=day), folder)
    assert len(list(folder.glob("*.backup"))) == len(list(folder.glob("*.sha256"))) == 7
    with pytest.raises(LedgerError, match="this very moment"):
        upkeep.write_backup(sqlite_ledger, NOW + timedelta(days=8), folder)


def test_a_large_backup_spans_several_chunks(sqlite_ledger: Ledger, tmp_path: Path) -> None:
    keyring = sqlite_ledger.cipher.keyring
    lines = [secrets.token_hex(1_000) for _ in range(2_500)]
    backup_file.write_file(tmp_path / "big", keyring, {}, lines)
    assert list(backup_file.read(tmp_path / "big", keyring)) == lines
    whole = (tmp_path / "big").read_bytes()
    assert len(whole) > 2 << 20
    for broken in (whole[:-1], whole[:-40], whole[: len(whole) // 2], whole[:200] + b"x" + whole[201:]):
        (tmp_path / "big").write_bytes(broken)
        with pytest.raises(LedgerError, match="damaged or cut off"):
            list(backup_file.read(tmp_path / "big", keyring))


def test_a_backup_that_is_not_sound_is_refused_and_leaves_nothing(
    sqlite_ledger: Ledger, tmp_path: Path
) -> None:
    told(sqlite_ledger)
    made = upkeep.write_backup(sqlite_ledger, NOW)
    elsewhere = LedgerSettings(url="sqlite:///restored.db")
    with pytest.raises(LedgerError, match="a ledger already, and not from this backup"):
        upkeep.restore(sqlite_ledger.settings, tmp_path, made.path, NOW)
    whole = made.path.read_bytes()
    made.path.write_bytes(whole[:-1])
    with pytest.raises(LedgerError, match="checksum differs"):
        upkeep.restore(elsewhere, tmp_path, made.path, NOW)
    made.path.with_name(made.path.name + ".sha256").unlink()
    with pytest.raises(LedgerError, match="damaged or cut off"):
        upkeep.restore(elsewhere, tmp_path, made.path, NOW)
    made.path.write_bytes(b"\x00\x00\x00\x02{}")
    with pytest.raises(LedgerError, match="not a backup"):
        upkeep.restore(elsewhere, tmp_path, made.path, NOW)
    made.path.write_bytes(b"\xff\xff\xff\xff{}")
    with pytest.raises(LedgerError, match="not a backup"):
        upkeep.restore(elsewhere, tmp_path, made.path, NOW)
    assert not (tmp_path / "restored.db").exists()


@pytest.mark.parametrize(
    ("about", "lines", "says"),
    [
        ({"schema": HEAD}, [], "incomplete"),
        ({"schema": HEAD}, ['{"end":3}'], "incomplete"),
        ({"schema": "0000"}, ['{"end":0}'], "made at schema 0000"),
        ({"schema": HEAD, "key_id": "00"}, ['{"end":0}'], "encrypted with key 00"),
    ],
)
def test_a_backup_that_does_not_fit_is_refused(
    sqlite_ledger: Ledger, tmp_path: Path, about: dict[str, str], lines: list[str], says: str
) -> None:
    path = tmp_path / "made.backup"
    backup_file.write_file(path, sqlite_ledger.cipher.keyring, about, lines)
    with pytest.raises(LedgerError, match=says):
        upkeep.restore(LedgerSettings(url="sqlite:///restored.db"), tmp_path, path, NOW)


def test_a_backup_with_a_broken_chain_is_refused(sqlite_ledger: Ledger, tmp_path: Path) -> None:
    told(sqlite_ledger)
    with sqlite_ledger.store.write() as connection:
        connection.exec_driver_sql("UPDATE audit SET subject = 'x' WHERE seq = 3")
    made = upkeep.write_backup(sqlite_ledger, NOW)
    elsewhere = LedgerSettings(url="sqlite:///restored.db")
    with pytest.raises(LedgerError, match="modified at audit row 3"):
        upkeep.restore(elsewhere, tmp_path, made.path, NOW)
    with pytest.raises(LedgerError, match="no ledger here yet"):
        Ledger.open(elsewhere, tmp_path)


@on_sqlite
def test_the_doctor_finds_nothing_in_a_healthy_ledger(ledger: Ledger) -> None:
    told(ledger)
    assert look(ledger, health.examine, NOW) == []


def test_the_doctor_names_what_is_wrong(sqlite_ledger: Ledger) -> None:
    commit(sqlite_ledger, runs.start, "R1", DAY, "run", NOW)
    commit(sqlite_ledger, intake.enqueue, "R1", [draft(n) for n in range(1, 5)], NOW)
    claim(sqlite_ledger, limit=1)
    commit(sqlite_ledger, answers.record, [SendResult("stranger", Outcome.ACCEPTED)], "gate", NOW)
    with sqlite_ledger.store.write() as connection:
        connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
        connection.exec_driver_sql("DELETE FROM message_keys WHERE loan_id = 'L2'")
        connection.exec_driver_sql("UPDATE messages SET state = 'flying' WHERE message_id LIKE '%3'")
        connection.exec_driver_sql("DELETE FROM contents WHERE message_no = 4")
        connection.exec_driver_sql("UPDATE contents SET content_sealed = x'00112233445566778899'")
        connection.exec_driver_sql("PRAGMA ignore_check_constraints = OFF")
    codes = {ailment.code for ailment in look(sqlite_ledger, health.examine, NOW + timedelta(hours=1))}
    assert codes == {
        "database_damaged",
        "state_unknown_to_us",
        "message_without_loan",
        "message_without_content",
        "key_missing",
        "lease_lapsed",
        "answer_conflict",
        "run_unfinished",
    }


def test_the_doctor_finds_dangling_keys(sqlite_ledger: Ledger) -> None:
    connection = sqlite_ledger.store.engine.raw_connection()
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = OFF")
    cursor.execute("INSERT INTO message_keys VALUES ('key', 99, 'L9', 1, NULL)")
    cursor.execute("PRAGMA foreign_keys = ON")
    connection.close()
    assert [ailment.code for ailment in look(sqlite_ledger, health.examine, NOW)] == ["dangling_key"]


def drain(settings: LedgerSettings, folder: Path, owner: str, sent: list[str]) -> None:
    with Ledger.open(settings, folder) as ledger:
        while True:
            ids = [message.message_id for message in claim(ledger, limit=20, owner=owner)]
            if not ids:
                return
            sent += commit(ledger, outbox.begin, ids, "gate", NOW, owner=owner, lease_s=60)
            commit(
                ledger, answers.record, [SendResult(i, Outcome.ACCEPTED, f"r{i}") for i in ids], "gate", NOW
            )


def test_several_senders_share_the_work_without_repeating(ledger: Ledger, tmp_path: Path) -> None:
    commit(ledger, intake.enqueue, "R1", [draft(number) for number in range(400)], NOW)
    sent: list[str] = []
    threads = [
        threading.Thread(target=drain, args=(ledger.settings, tmp_path, f"sender-{n}", sent))
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    commit(ledger, audit.append, [AuditEvent("test.event", str(n), {}) for n in range(50)], NOW)
    for thread in threads:
        thread.join()
    assert len(sent) == len(set(sent)) == 400
    assert look(ledger, outbox.counts, "R1") == {MessageState.ACCEPTED: 400}
    assert ledger.verify_audit().ok
