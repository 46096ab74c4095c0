"""The record: look into it, keep it well, prove it."""

import hashlib
import json
import shutil
from pathlib import Path

from tests.e2e.after import AS_OF, audited, one
from tests.e2e.conftest import Desk, Lender


def test_report_tells_what_became_of_it_since(after: Desk) -> None:
    runs = after.run("report", "--list", "--format", "json").json
    assert [run["kind"] for run in runs] == ["night"]
    figures = after.run("report", runs[0]["run_id"], "--format", "json").json
    assert figures == after.run("report", "--format", "json").json
    assert figures["queued"] == sum(figures[name] for name in ("accepted", "pending"))
    assert "run R0: not in the ledger" in after.run("report", "R0", code=2).err


def test_messages_are_masked_unless_revealed_with_a_reason(after: Desk) -> None:
    row = one(after, "due_today")
    assert row["phone"].startswith("+86100****")
    assert row["text"] == row["name"] == ""
    args = ("ledger", "messages", "--loan", row["loans"], "--reveal")
    assert "--reveal needs --reason" in after.run(*args, code=2).err
    shown = after.run(*args, "--reason", "complaint 4711").out
    assert "【安达车贷】" in shown
    assert any("complaint 4711" in text for text in audited(after, "message.revealed"))
    assert after.messages("--run", "R0") == []


def test_backup_goes_where_the_ledger_was(after: Desk) -> None:
    figures = after.run("report", "--format", "json").json
    made = after.run("ledger", "backup", "--to", "safe").out
    (backup,) = (after.folder / "safe").glob("*.backup")
    assert str(backup.relative_to(after.folder)) in made
    assert b"C20007" not in backup.read_bytes()
    assert "ledger" in after.run("ledger", "restore", str(backup), code=2).err  # one is there already
    for file in after.folder.glob("ledger.db*"):
        file.unlink()
    assert "run: carloan-notify ledger migrate" in after.run("report", code=2).err
    told = after.run("ledger", "restore", str(backup)).out
    assert f"{figures['pending']} messages may have left since and are unknown: see reconcile" in told
    assert "now run: carloan-notify audit verify" in told
    doubtful = {"pending": 0, "unknown": figures["pending"]}
    assert after.run("report", "--format", "json").json == figures | doubtful
    assert "ledger_restored" in after.run("ledger", "doctor", code=1).out
    after.run("audit", "verify")
    after.run("ledger", "backup")
    assert list((after.folder / "backups").glob("*.backup"))


def test_damaged_backup_is_refused(after: Desk) -> None:
    after.run("ledger", "backup", "--to", "safe")
    (backup,) = (after.folder / "safe").glob("*.backup")
    content = bytearray(backup.read_bytes())
    content[len(content) // 2] ^= 1
    backup.write_bytes(bytes(content))
    (after.folder / "ledger.db").unlink()
    assert str(backup) in after.run("ledger", "restore", str(backup), code=2).err
    assert not (after.folder / "ledger.db").exists()


def test_purge_keeps_the_audit_and_the_last_year(lender: Lender) -> None:
    desk = Desk(lender.folder)
    desk.configure(sources={"loans": {"path": "export/loans.csv", "fictitious_phones": True}}, guards={})
    header = (
        "loan_id,customer_id,borrower_name,phone,principal,annual_rate,term_months,disbursed_on,first_due_on,"
    )
    row = "L-OLD,C1,孙思远,10000000001,12000.00,0,12,2019-10-10,2019-11-10,10,等额本息,正常,zh-CN,Asia/Shanghai,6789"
    header += "due_day,repayment_method,status,language,timezone,account_tail"
    desk.write("loans", header, [row])
    assert desk.night("2019-11-10", at="10:00")["accepted"] == 1
    args = ("ledger", "purge", "--older-than")
    assert "is not in the range x>=1.0" in desk.run(*args, "0", "--yes", code=2).err
    desk.run(*args, "1", stdin="n\n", code=130)
    assert desk.run(*args, "1", "--yes").out.startswith("deleted 1 messages, 1 decisions")
    assert desk.messages() == []
    assert audited(desk, "ledger.purged")
    desk.run("audit", "verify")


def test_erased_customer_leaves_the_chain_whole(after: Desk) -> None:
    row = one(after, "due_today")
    done = after.run("ledger", "erase", "--customer", f"C2{row['loans'][-4:]}", "--yes")
    assert done.out == (
        "erased 1 messages; 0 of them were waiting and are cancelled; "
        "erased 0 replies and 0 certificates, deleted 0 unread records\n"
    )
    args = ("ledger", "messages", "--loan", row["loans"], "--reveal", "--reason", "x", "--format", "json")
    assert {(shown["name"], shown["text"]) for shown in after.run(*args).json} == {("(erased)", "(erased)")}
    after.run("audit", "verify")
    after.run("ledger", "doctor")


def test_keys_rotate(after: Desk) -> None:
    row = one(after, "due_today")
    key = after.folder / "secrets" / "ledger.key"
    before = key.read_bytes()
    assert "holds a new key" in after.run("ledger", "rotate-keys", "--yes").out
    assert key.read_bytes() != before
    args = ("ledger", "messages", "--loan", row["loans"], "--reveal", "--reason", "x")
    assert "【安达车贷】" in after.run(*args).out
    assert after.night(AS_OF)["queued"] == 0  # nobody became a stranger by it


def test_doctor(after: Desk) -> None:
    assert after.run("ledger", "doctor").out == "ok: nothing is wrong with the ledger\n"
    assert after.run("ledger", "doctor", "--format", "json").json == []
    shutil.rmtree(after.folder / "audit")
    found = after.run("ledger", "doctor", "--format", "json", code=1).json
    assert found[0]["code"].startswith("audit_")
    assert found[0]["code"] in after.run("ledger", "doctor", code=1).out
    assert "ledger is at this version's schema" in after.run("ledger", "migrate").out


def test_audit_export_proves_itself_far_from_the_ledger(after: Desk, tmp_path: Path) -> None:
    after.run("audit", "export", "audit.jsonl")
    public = after.folder / "secrets" / "signing.pub"
    far = tmp_path / "auditor"
    far.mkdir()
    for file in (after.folder / "audit.jsonl", *after.folder.glob("secrets/*.pub")):
        shutil.copy(file, far)
    auditor = Desk(far)
    key = next(far.glob("*.pub"))
    found = auditor.run(
        "audit", "verify", "--export", "audit.jsonl", "--public-key", str(key), "--format", "json"
    )
    assert found.json["ok"]
    assert found.json["digests"] == 1
    assert public.parent.is_dir()
    exported = far / "audit.jsonl"
    exported.write_text(
        exported.read_text(encoding="utf-8").replace("due_today", "due_todaz", 1), encoding="utf-8"
    )
    args = ("audit", "verify", "--export", "audit.jsonl", "--public-key", str(key))
    assert not auditor.run(*args, "--format", "json", code=1).json["ok"]
    assert auditor.run(*args, "--format", "csv", code=1).out.startswith("kind,place,message\n")
    assert "name a new file" in after.run("audit", "export", "audit.jsonl", code=2).err


def test_audit_show_filters(after: Desk) -> None:
    rows = after.run("audit", "show", "--limit", "3", "--format", "json").json
    assert len(rows) == 3
    loan = one(after, "due_today")["loans"]
    about = after.run("audit", "show", "--about", loan, "--format", "json").json
    assert about
    assert all(loan in str(row) for row in about)
    assert not after.run("audit", "show", "--since", "2199-01-01T00:00:00Z", "--format", "json").json


def test_night_leaves_its_figures_and_metrics(after: Desk) -> None:
    after.configure(reports={"folder": "papers", "metrics_file": "papers/notify.prom"})
    report = after.night(AS_OF)
    figures = json.loads(
        (after.folder / "papers" / f"night-{report['run_id']}.json").read_text(encoding="utf-8")
    )
    assert figures == report
    metrics = (after.folder / "papers" / "notify.prom").read_text(encoding="utf-8")
    assert f'carloan_notify_notices{{decision="already_sent"}} {float(report["already_sent"])}' in metrics


def test_one_messages_facts_are_proven_without_the_others(after: Desk) -> None:
    row = one(after, "due_today")
    proof = after.run("audit", "prove", row["message_id"]).json
    assert json.loads(proof["facts"])["message"] == row["message_id"]
    node = hashlib.sha256(b"\x00" + proof["facts"].encode()).digest()
    for step in proof["steps"]:
        other = bytes.fromhex(step["other"])
        node = hashlib.sha256(b"\x01" + (other + node if step["is_left"] else node + other)).digest()
    assert json.loads(proof["row"]["data"])["root"] == node.hex()
    assert "not in the audit" in after.run("audit", "prove", "NOBODY", code=1).err
