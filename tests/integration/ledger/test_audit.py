"""The audit against everything that can be done to it."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from carloan_notify.errors import LedgerError
from carloan_notify.ledger import audit, digest, intake, merkle, verify
from carloan_notify.ledger.audit import AuditRow, canonical, hash_of
from carloan_notify.ledger.chain_walk import BreachKind
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.settings import LedgerSettings
from carloan_notify.ledger.tables import AUDIT_FACTS
from carloan_notify.records import AuditEvent
from tests.integration.ledger.drafts import NAME, NOW, PHONE, draft, name_of, on_sqlite
from tests.transactions import commit, look


def fill(ledger: Ledger, *, nights: int = 2, events: int = 10) -> None:
    for night in range(nights):
        name = f"night-{ledger.verify_audit().digests + 1}"
        commit(
            ledger,
            audit.append,
            [AuditEvent("test.event", name, {"n": n, "名": "值"}) for n in range(events)],
            NOW,
        )
        ledger.write_digest(name, NOW + timedelta(days=night), {"n": events})


def sql(ledger: Ledger, *statements: str) -> None:
    with ledger.store.write() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def found(ledger: Ledger) -> list[tuple[str, str]]:
    return [
        (b.kind.value, b.place.replace(str(ledger.places.key_file.parent.parent) + "/", ""))
        for b in ledger.verify_audit().breaches
    ]


def test_an_untouched_record_is_whole(ledger: Ledger) -> None:
    fill(ledger)
    verified = ledger.verify_audit()
    assert verified.ok
    assert (verified.rows, verified.digests) == (24, 2)
    files = sorted(path.name for path in ledger.places.digest_folders[1].iterdir())
    assert files == ["digest-00000001.json", "digest-00000002.json"]


@on_sqlite
def test_one_changed_byte_is_named(ledger: Ledger) -> None:
    fill(ledger)
    sql(ledger, "UPDATE audit SET data = replace(data, '4', '5') WHERE seq = 7")
    assert found(ledger) == [("modified", "audit row 7")]


NEGATIVE = "UPDATE audit SET seq = -seq"
HEAD_AT_20 = "UPDATE audit_head SET seq = 20, hash = (SELECT hash FROM audit WHERE seq = 20)"


def renumber(which: str, by: int) -> str:
    return f"UPDATE audit SET seq = CASE WHEN {which} THEN {by} - seq ELSE -seq END"  # noqa: S608 - a test's own SQL


def to_place(old: int, new: int) -> str:
    return f"UPDATE audit SET seq = {new} WHERE seq = {old}"  # noqa: S608 - a test's own SQL


def content_of(source: int, target: int) -> str:
    content = f"SELECT at, kind, subject, data FROM spare WHERE seq = {source}"  # noqa: S608 - a test's own SQL
    return f"UPDATE audit SET (at, kind, subject, data) = ({content}) WHERE seq = {target}"  # noqa: S608 - same


def copy_of_row_3(seq: int) -> str:
    columns = f"{seq}, at, kind, subject, data, prev, hash"
    return f"INSERT INTO audit SELECT {columns} FROM audit WHERE seq = 3"  # noqa: S608 - a test's own SQL


def cut(after: int) -> str:
    return f"DELETE FROM audit WHERE seq > {after}"  # noqa: S608 - a test's own SQL


TAMPERING: list[tuple[str, list[str], list[tuple[str, str]]]] = [
    ("subject", ["UPDATE audit SET subject = 'x' WHERE seq = 7"], [("modified", "audit row 7")]),
    ("time", ["UPDATE audit SET at = '2020' WHERE seq = 7"], [("modified", "audit row 7")]),
    ("hash", ["UPDATE audit SET hash = prev WHERE seq = 7"], [("modified", "audit row 7")]),
    ("link", ["UPDATE audit SET prev = hash WHERE seq = 7"], [("modified", "audit row 7")]),
    ("deleted", ["DELETE FROM audit WHERE seq IN (7, 8)"], [("deleted", "audit row 7-8")]),
    (
        "deleted and renumbered",
        ["DELETE FROM audit WHERE seq = 7", NEGATIVE, renumber("seq < -7", -1)],
        [("deleted", "audit row 7"), ("truncated", "audit row 24-24")],
    ),
    (
        "reordered",
        [to_place(7, -7), to_place(8, 7), to_place(-7, 8)],
        [("reordered", "audit row 7"), ("reordered", "audit row 8")],
    ),
    (
        "reordered in content, far apart",
        ["CREATE TABLE spare AS SELECT * FROM audit", content_of(9, 5), content_of(5, 9)],
        [("reordered", "audit row 5"), ("reordered", "audit row 9")],
    ),
    (
        "inserted",
        [NEGATIVE, renumber("seq <= -7", 1), copy_of_row_3(7)],
        [("inserted", "audit row 7")],
    ),
    ("inserted before the first", [copy_of_row_3(0)], [("inserted", "audit row 0")]),
    ("truncated", [cut(20)], [("truncated", "audit row 21-23")]),
    ("truncated behind the last digest", [cut(23)], [("truncated", "audit row 24-24")]),
    ("truncated with a fitting head", [cut(20), HEAD_AT_20], [("truncated", "audit row 21-23")]),
    ("head note gone", ["DELETE FROM audit_head"], [("modified", "audit row 24")]),
    ("head note changed", ["UPDATE audit_head SET hash = ''"], [("modified", "audit row 24")]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("statements", "expected"), [case[1:] for case in TAMPERING], ids=[case[0] for case in TAMPERING]
)
def test_tampering_is_named_rightly(
    sqlite_ledger: Ledger, statements: list[str], expected: list[tuple[str, str]]
) -> None:
    fill(sqlite_ledger)
    sql(sqlite_ledger, *statements)
    assert [hit for hit in found(sqlite_ledger) if hit[0] != "missing_digest"] == expected


def rows_of(ledger: Ledger) -> list[AuditRow]:
    with ledger.store.read() as connection:
        return [
            AuditRow(*row)
            for row in connection.exec_driver_sql(
                "SELECT seq, at, kind, subject, data, prev, hash FROM audit ORDER BY seq"
            )
        ]


def forge(ledger: Ledger, seq: int, change: Callable[[AuditRow], AuditRow], last: int) -> None:
    """Change one row and recompute the hashes up to row `last`."""
    prev, forged = "", []
    for row in rows_of(ledger):
        new = change(row) if row.seq == seq else row
        if seq <= row.seq <= last:
            linked = replace(new, prev=prev or new.prev)
            new = replace(linked, hash=hash_of(linked))
        prev = new.hash
        forged.append({name: getattr(new, name) for name in AuditRow.__slots__})
    with ledger.store.write() as connection:
        connection.exec_driver_sql("DELETE FROM audit")
        table = sa.Table("audit", sa.MetaData(), autoload_with=connection)
        connection.execute(sa.insert(table), forged)


def another_subject(row: AuditRow) -> AuditRow:
    return replace(row, subject="forged")


def test_a_row_forged_with_its_hash_breaks_the_next_link(sqlite_ledger: Ledger) -> None:
    fill(sqlite_ledger)
    forge(sqlite_ledger, 7, another_subject, last=7)
    assert found(sqlite_ledger) == [("modified", "audit row 7")]


def test_a_chain_forged_to_its_end_contradicts_a_digest(sqlite_ledger: Ledger) -> None:
    fill(sqlite_ledger)
    forge(sqlite_ledger, 15, another_subject, last=24)
    sql(sqlite_ledger, "UPDATE audit_head SET hash = (SELECT hash FROM audit WHERE seq = 24)")
    assert found(sqlite_ledger) == [("modified", "audit row 13-23")]


def test_a_row_appended_by_hand_is_behind_the_head(sqlite_ledger: Ledger) -> None:
    fill(sqlite_ledger)
    last = rows_of(sqlite_ledger)[-1]
    forged = AuditRow(25, last.at, "forged", "x", "{}", last.hash, "")
    values = (25, last.at, "forged", "x", "{}", last.hash, hash_of(forged))
    with sqlite_ledger.store.write() as connection:
        connection.exec_driver_sql("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?)", values)
    assert found(sqlite_ledger) == [("inserted", "audit row 25-25")]


def test_an_older_copy_put_back_is_a_roll_back(sqlite_ledger: Ledger, tmp_path: Path) -> None:
    fill(sqlite_ledger, nights=1)
    sqlite_ledger.store.forget()
    shutil.copy(tmp_path / "ledger.db", tmp_path / "old.db")
    fill(sqlite_ledger, nights=1)
    sqlite_ledger.close()
    for leftover in tmp_path.glob("ledger.db-*"):
        leftover.unlink()
    shutil.copy(tmp_path / "old.db", tmp_path / "ledger.db")
    with Ledger.open(sqlite_ledger.settings, tmp_path) as older:
        assert found(older) == [("rolled_back", "digest 2")]
        fill(
            older, nights=1, events=30
        )  # going on does not hide it, nor does the next digest take the old one's place
        assert found(older)[0] == ("rolled_back", "digest 2")
        assert older.verify_audit().digests == 3


@on_sqlite
def test_a_missing_digest_is_named_and_the_next_run_puts_it_back(ledger: Ledger) -> None:
    fill(ledger)
    (ledger.places.digest_folders[0] / "digest-00000001.json").unlink()
    assert found(ledger) == [("missing_digest", "audit/digest-00000001.json")]
    sql(ledger, "DELETE FROM digests WHERE number = 2")
    (ledger.places.digest_folders[0] / "digest-00000002.json").unlink()
    (ledger.places.digest_folders[1] / "digest-00000002.json").unlink()
    assert ("missing_digest", "copy/digest-00000002.json") in found(ledger)


def test_a_crash_before_the_file_is_healed(sqlite_ledger: Ledger) -> None:
    fill(sqlite_ledger)
    (sqlite_ledger.places.digest_folders[0] / "digest-00000002.json").unlink()
    sqlite_ledger.write_digest("night-3", NOW)
    assert sqlite_ledger.verify_audit().ok


def test_changed_digests_are_named(sqlite_ledger: Ledger) -> None:
    fill(sqlite_ledger)
    first, second = (sqlite_ledger.places.digest_folders[0] / f"digest-0000000{n}.json" for n in (1, 2))
    first.write_text(first.read_text().replace('"count":12', '"count":11'))
    second.write_text("{}")
    assert found(sqlite_ledger) == [
        ("modified_digest", "audit/digest-00000001.json"),
        ("modified_digest", "audit/digest-00000002.json"),
    ]
    first.write_text(first.read_text().replace("digest/1", "digest/2"))
    second.write_bytes((sqlite_ledger.places.digest_folders[1] / "digest-00000001.json").read_bytes())
    assert [hit[0] for hit in found(sqlite_ledger)] == ["modified_digest", "modified_digest"]


def test_a_tree_that_whoever_has_the_key_made_up_is_found(sqlite_ledger: Ledger) -> None:
    """Head and signature are right; only the tree, by which evidence proves single rows, is of other rows."""
    commit(sqlite_ledger, audit.append, [AuditEvent("test", "a", {}), AuditEvent("test", "b", {})], NOW)
    sqlite_ledger.write_digest("night-1", NOW)
    assert sqlite_ledger.verify_audit().ok
    key = digest.load(sqlite_ledger.places.signing_key_file)
    for folder in sqlite_ledger.places.digest_folders:
        path = folder / digest.file_name(1)
        fields = json.loads(path.read_text("utf-8"))
        del fields["signature"]
        fields["tree"] = "0" * 64
        signed = {**fields, "signature": digest.sign(key, canonical(fields).encode())}
        path.write_text(canonical(signed) + "\n", "utf-8")
    (found,) = sqlite_ledger.verify_audit().breaches
    assert (found.kind, found.place) == (BreachKind.MODIFIED_DIGEST, "digest 1")


def test_a_foreign_key_is_wrong_and_a_retired_one_is_trusted(sqlite_ledger: Ledger, tmp_path: Path) -> None:
    fill(sqlite_ledger, nights=1)
    digest.create(sqlite_ledger.places.signing_key_file, replace=True)
    fill(sqlite_ledger, nights=1)
    assert sqlite_ledger.verify_audit().ok
    digest.create(tmp_path / "other.key")
    verified = sqlite_ledger.verify_audit(digest.public_file(tmp_path / "other.key"))
    assert {breach.kind for breach in verified.breaches} == {BreachKind.WRONG_KEY}
    assert len(verified.breaches) == 4


def test_digests_of_another_ledger_are_a_roll_back(sqlite_ledger: Ledger, tmp_path: Path) -> None:
    fill(sqlite_ledger)
    sqlite_ledger.close()
    for file in tmp_path.glob("ledger.db*"):
        file.unlink()
    with Ledger.open(sqlite_ledger.settings, tmp_path, create=True, now=NOW) as other:
        assert found(other) == [("rolled_back", "digest 1")]


def test_two_signed_digests_of_one_number_contradict(sqlite_ledger: Ledger, tmp_path: Path) -> None:
    fill(sqlite_ledger)
    shutil.copytree(tmp_path / "secrets", tmp_path / "b" / "secrets")
    with Ledger.open(LedgerSettings(), tmp_path / "b", create=True, now=NOW) as other:
        fill(other)
    of_other = tmp_path / "b" / "audit" / "digest-00000002.json"
    shutil.copy(of_other, tmp_path / "copy")
    assert found(sqlite_ledger) == [("modified_digest", "copy/digest-00000002.json")]
    shutil.copy(of_other, tmp_path / "audit")
    assert ("modified_digest", "digest 2") in found(sqlite_ledger)


def test_a_ruined_chain_is_not_listed_without_end(sqlite_ledger: Ledger) -> None:
    fill(sqlite_ledger, nights=1, events=1_500)
    sql(sqlite_ledger, "UPDATE audit SET data = '{}'")
    assert len([hit for hit in found(sqlite_ledger) if hit[0] == "modified"]) == 1_000


def test_an_export_proves_itself(ledger: Ledger, tmp_path: Path) -> None:
    fill(ledger)
    written = ledger.export_audit(tmp_path / "audit.jsonl")
    assert (written.rows, written.digests) == (24, 2)
    verified = verify.verify_file(tmp_path / "audit.jsonl")
    assert verified.ok
    assert verified.rows == 24
    trusted = digest.public_file(ledger.places.signing_key_file)
    assert verify.verify_file(tmp_path / "audit.jsonl", trusted).ok
    with pytest.raises(LedgerError, match="name a new file"):
        ledger.export_audit(tmp_path / "audit.jsonl")


def edited(lines: list[str], what: str) -> list[str]:
    if what == "modified":
        return [line.replace('"n":4', '"n":5') for line in lines]
    return [line for line in lines if json.loads(line).get("seq") != 7]


@pytest.mark.parametrize("what", ["modified", "deleted"])
def test_a_changed_export_is_found(sqlite_ledger: Ledger, tmp_path: Path, what: str) -> None:
    fill(sqlite_ledger, nights=1)
    path = tmp_path / "audit.jsonl"
    sqlite_ledger.export_audit(path)
    path.write_text("\n".join(edited(path.read_text().splitlines(), what)) + "\n")
    assert [(b.kind.value, b.place) for b in verify.verify_file(path).breaches] == [(what, "audit row 7")]


def queue_blocks(ledger: Ledger) -> None:
    """Two blocks of messages: audit rows 3 and 4."""
    for numbers in (range(9), range(20, 25)):
        commit(ledger, intake.enqueue, "R1", [draft(number) for number in numbers], NOW)


def change_facts(ledger: Ledger, change: Callable[[list[str]], list[str]]) -> None:
    """Change the facts of the first block, as somebody with the database in hand could."""
    with ledger.read() as tx:
        block = next(audit.blocks(tx))
    lines = merkle.unpacked(block.facts)
    assert lines is not None
    with ledger.store.write() as connection:
        values = {"facts": merkle.packed(change(lines))}
        connection.execute(sa.update(AUDIT_FACTS).where(AUDIT_FACTS.c.seq == block.seq).values(values))


def told_twice(lines: list[str]) -> list[str]:
    return [line.replace('"L4"', '"L5"') for line in lines]


FACTS = "facts of audit row 3"
CHANGES: dict[str, tuple[Callable[[list[str]], list[str]], list[tuple[str, str]]]] = {
    "one": (told_twice, [("modified", f"{FACTS}, message {name_of(4)}")]),
    "swapped": (
        lambda lines: [lines[1], lines[0], *lines[2:]],
        [("modified", f"{FACTS}, message {name_of(number)}") for number in (1, 0)],
    ),
    "no JSON": (lambda lines: ["?", *lines[1:]], [("modified", f"{FACTS}, message 1")]),
    "cut off": (lambda lines: lines[:-1], [("modified", FACTS)]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changed_facts_name_their_message(sqlite_ledger: Ledger, tmp_path: Path, name: str) -> None:
    change, breaches = CHANGES[name]
    queue_blocks(sqlite_ledger)
    assert found(sqlite_ledger) == []
    change_facts(sqlite_ledger, change)
    assert found(sqlite_ledger) == breaches
    sqlite_ledger.export_audit(tmp_path / "audit.jsonl")
    exported = verify.verify_file(tmp_path / "audit.jsonl").breaches
    assert [(b.kind.value, b.place) for b in exported] == breaches


BLOCKS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "deleted": ("DELETE FROM audit_facts WHERE seq = 3", [("deleted", FACTS)]),
    "damaged": ("UPDATE audit_facts SET facts = x'00' WHERE seq = 3", [("modified", FACTS)]),
    "inserted": (
        "INSERT INTO audit_facts SELECT 2, leaves, facts, marks FROM audit_facts WHERE seq = 3",
        [("inserted", "facts of audit row 2")],
    ),
    "marks too": (
        "UPDATE audit_facts SET (facts, marks) = (SELECT facts, marks FROM audit_facts WHERE seq = 4) WHERE seq = 3",
        [("modified", FACTS)],
    ),
    "root": ("UPDATE audit SET data = replace(data, '\"count\":9', '\"count\":8') WHERE seq = 3", []),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_changed_blocks_are_named(sqlite_ledger: Ledger, tmp_path: Path, name: str) -> None:
    statement, breaches = BLOCKS[name]
    queue_blocks(sqlite_ledger)
    sql(sqlite_ledger, statement)
    assert found(sqlite_ledger) == (breaches or [("modified", "audit row 3")])
    sqlite_ledger.export_audit(tmp_path / "audit.jsonl")
    assert not verify.verify_file(tmp_path / "audit.jsonl").ok


def test_one_messages_facts_are_proven_by_few_hashes(ledger: Ledger) -> None:
    queue_blocks(ledger)
    proof = look(ledger, audit.prove, name_of(7))
    assert proof is not None
    assert json.loads(proof.facts)["loans"] == [["L7", 3]]
    assert audit.canonical(json.loads(proof.facts)) == proof.facts
    assert len(proof.steps) <= 4
    assert json.loads(proof.row.data)["root"] == merkle.proven(proof.facts, proof.steps)
    assert look(ledger, audit.prove, name_of(99)) is None


def test_a_cut_or_foreign_export_is_refused(sqlite_ledger: Ledger, tmp_path: Path) -> None:
    fill(sqlite_ledger, nights=1)
    path = tmp_path / "audit.jsonl"
    sqlite_ledger.export_audit(path)
    path.write_text("\n".join(path.read_text().splitlines()[:-1]))
    with pytest.raises(LedgerError, match="cut off"):
        verify.verify_file(path)
    path.write_text('{"a": 1}')
    with pytest.raises(LedgerError, match="not an audit export"):
        verify.verify_file(path)
    path.write_text("{")
    with pytest.raises(LedgerError, match="cannot be read"):
        verify.verify_file(path)


@on_sqlite
def test_the_audit_can_be_searched_and_holds_nobody(ledger: Ledger) -> None:
    commit(
        ledger,
        intake.enqueue,
        "R1",
        [draft(1, reason="asked by 13800138000", resend_of="M0", operator="kim"), draft(2)],
        NOW,
    )
    shown = look(ledger, audit.show, mentions="L2")
    assert list(shown["kind"]) == ["message.queued"]
    assert len(look(ledger, audit.show, kind="message.", since=NOW)) == 2
    assert look(ledger, audit.show, since=NOW + timedelta(seconds=1)).empty
    everything = " ".join(look(ledger, audit.show)["data"])
    assert PHONE not in everything
    assert NAME not in everything
    assert "13800138000" not in everything
