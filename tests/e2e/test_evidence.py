"""Evidence of what a borrower was told: made by the lender, checked by a stranger, changed by neither."""

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from carloan_notify.config.load import load_settings
from carloan_notify.ledger import digest, receipts
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.tables import AUDIT, CONTENTS
from carloan_notify.records import Receipt
from carloan_notify.reports import evidence_check as check
from tests.e2e.conftest import Desk, copied
from tests.e2e.tiny import options
from tests.transactions import commit

LOAN = "AD2026000025"
NOTICE = "credit_bureau_notice"
ARRIVED = datetime.fromisoformat("2026-11-23T10:00:07+08:00")
WHY = ("--reason", "case 4711")
CHOSEN = 40
"""Bytes changed in the suite; `make soak` changes every one."""


def ledger_of(desk: Desk) -> Ledger:
    return Ledger.open(load_settings(desk.folder / "config.yaml").ledger, desk.folder)


def deliver(desk: Desk, loan: str, at: datetime = ARRIVED) -> str:
    """A receipt of delivery for the loan's notice; the id of the message."""
    (row,) = desk.messages("--loan", loan, "--notice", NOTICE)
    told = Receipt(
        row["provider"],
        row["provider_ref"],
        row["message_id"],
        delivered=True,
        code="DELIVRD",
        detail="on the handset",
        occurred_at=at,
    )
    with ledger_of(desk) as ledger:
        commit(ledger, receipts.settle, [told], at)
    return str(row["message_id"])


@pytest.fixture(scope="module")
def told_folder(night_before: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The morning after: the notice was delivered, and a bundle about it lies in `bundle.zip`. Never changed."""
    desk = Desk(copied(night_before, tmp_path_factory.mktemp("told")))
    deliver(desk, LOAN)
    desk.run("evidence", LOAN, "--notice", NOTICE, *WHY, "--out", "bundle.zip")
    return desk.folder


@pytest.fixture
def told(told_folder: Path, tmp_path: Path) -> Desk:
    return Desk(copied(told_folder, tmp_path))


@pytest.fixture(scope="module")
def bundle(told_folder: Path) -> bytes:
    return (told_folder / "bundle.zip").read_bytes()


@pytest.fixture(scope="module")
def files(bundle: bytes) -> dict[str, bytes]:
    return check.unpack(bundle)[0]


@pytest.fixture(scope="module")
def keys(files: dict[str, bytes]) -> dict[str, bytes]:
    return check.keys_of(files[check.PUBLIC_KEY].decode())


def stranger(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """The bundle's own script by an interpreter without any package."""
    command = [sys.executable, "-I", "-S", *args]
    return subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", timeout=60, check=False)


def test_a_stranger_checks_it_with_the_script_in_it_and_nothing_else(
    told_folder: Path, bundle: bytes, tmp_path: Path
) -> None:
    with zipfile.ZipFile(io.BytesIO(bundle)) as opened:
        opened.extractall(tmp_path / "open")
    (tmp_path / "bundle.zip").write_bytes(bundle)
    published = next((told_folder / ".keys").glob("*.pub"), None) or next(told_folder.rglob("*.pub"))
    (tmp_path / "key.pem").write_bytes(published.read_bytes())
    done = stranger(tmp_path, "open/verify.py", "bundle.zip", "--key", "key.pem")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("OK: nothing was changed.")
    own = stranger(tmp_path, "open/verify.py")  # the folder it lies in, by the bundle's own key
    assert own.returncode == 0
    assert "compare its fingerprint" in own.stdout
    (tmp_path / "open" / "index.html").write_bytes(b"another page")
    changed = stranger(tmp_path, "open/verify.py", "open")
    assert changed.returncode == 1
    assert "index.html: changed" in changed.stdout
    digest.create(tmp_path / "foreign")
    foreign = stranger(tmp_path, "open/verify.py", "bundle.zip", "--key", "foreign.pub")
    assert foreign.returncode == 1
    assert "signed by another key" in foreign.stdout
    assert stranger(tmp_path, "open/verify.py", "nothing.zip").returncode == 2
    assert stranger(tmp_path, "open/verify.py", "bundle.zip", "--key").returncode == 2


def test_it_tells_what_was_due_in_which_words_when_and_what_came_back(files: dict[str, bytes]) -> None:
    (told,) = json.loads(files["evidence.json"])["messages"]
    assert told["number"] == "+86100****0025"
    assert told["text"].startswith("【安达车贷】")
    assert [event["event"] for event in told["events"]] == ["queued", "sending", "accepted", "delivered"]
    assert told["events_read"][-1]["at"] == "2026-11-23 10:00:07+08:00 (Asia/Shanghai)"
    (receipt,) = told["receipts"]
    assert (receipt["code"], receipt["detail"], receipt["delivered"]) == ("DELIVRD", "on the handset", True)
    (decision,) = told["decisions"]
    assert (decision["decision"], decision["days_past_due"], decision["loan_id"]) == ("queued", 25, LOAN)
    assert dict(told["template"]["sources"]).keys() == {f"{NOTICE}.sms.j2", "_parts.j2"}
    page = files["index.html"].decode()
    for part in (
        "告知证据",
        "Evidence of notice",
        told["text"],
        "回执显示已送达",
        "on the handset",
        "verify.py",
    ):
        assert part in page
    assert "<script" not in page
    assert "http" not in page.replace(told["text"], "").replace("http-equiv", "")


def test_nothing_of_another_person_is_in_it(told: Desk, files: dict[str, bytes]) -> None:
    everything = b"".join(files.values()).decode()
    others = {row["loans"] for row in told.messages() if LOAN not in row["loans"]}
    assert len(others) > 10
    assert not [loan for loan in others if loan in everything]
    phones = {row["phone"] for row in told.run(
        "ledger", "messages", "--reveal", *WHY, "--limit", "1000", "--format", "json"
    ).json}  # fmt: skip
    assert not [phone for phone in phones if phone in everything]  # the borrower's own number is masked


def test_the_number_is_shown_in_clear_only_on_demand_and_is_proven(told: Desk) -> None:
    told.run("evidence", LOAN, "--notice", NOTICE, *WHY, "--full-number", "--out", "full.zip")
    files, damage = check.unpack((told.folder / "full.zip").read_bytes())
    (shown,) = json.loads(files["evidence.json"])["messages"]
    keys = check.keys_of(files[check.PUBLIC_KEY].decode())
    assert (damage, check.check(files, keys)) == ("", [])
    assert shown["full_number"].startswith("+86100")
    lied = resigned(
        told, files, "evidence.json", lambda text: text.replace(shown["full_number"], "+8613800138000")
    )
    assert "full number is not the one" in check.check(lied, keys)[0]


def changed(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 0x01]) + content[place + 1 :]


def found_in_archive(bundle: bytes, keys: dict[str, bytes], place: int) -> list[str]:
    inside, damage = check.unpack(changed(bundle, place))
    return [damage, *check.check(inside, keys)] if damage else check.check(inside, keys)


def test_one_byte_changed_anywhere_in_the_archive_is_found_and_named(
    bundle: bytes, files: dict[str, bytes], keys: dict[str, bytes]
) -> None:
    for place in range(0, len(bundle), len(bundle) // CHOSEN):
        damage = check.unpack(changed(bundle, place))[1]
        assert damage.startswith("archive: "), place
        assert any(name in damage for name in files) or "contents" in damage, damage
    assert found_in_archive(bundle, keys, len(bundle) // 2)


def test_one_byte_changed_in_any_file_is_found_and_named(
    files: dict[str, bytes], keys: dict[str, bytes]
) -> None:
    for name, content in files.items():
        for place in {0, len(content) // 3, len(content) - 1}:
            (problem,) = check.check({**files, name: changed(content, place)}, keys)
            assert problem.startswith(f"{name}: changed"), problem
    assert check.check({k: v for k, v in files.items() if k != "proof.json"}, keys) == ["proof.json: missing"]
    assert check.check({**files, "more": b""}, keys) == ["more: does not belong to the bundle"]


@pytest.mark.soak
def test_every_byte_changed_is_found(bundle: bytes, files: dict[str, bytes], keys: dict[str, bytes]) -> None:
    for place in range(len(bundle)):
        assert check.unpack(changed(bundle, place))[1].startswith("archive: "), place
    for name, content in files.items():
        for place in range(len(content)):
            (problem,) = check.check({**files, name: changed(content, place)}, keys)
            assert problem.startswith(f"{name}: changed"), problem


# Whoever has the signing key can sign another bundle: the chain tells against it.


def resigned(
    desk: Desk, files: dict[str, bytes], name: str, change: Callable[[str], str]
) -> dict[str, bytes]:
    """The bundle with one file changed and signed anew by the lender's own key."""
    content = change(files[name].decode()).encode()
    assert content != files[name]
    manifest = json.loads(files[check.MANIFEST])
    manifest.pop("signature")
    manifest["files"][name] = hashlib.sha256(content).hexdigest()
    with ledger_of(desk) as ledger:
        private = digest.load(ledger.places.signing_key_file)
    signature = digest.sign(private, check.canonical(manifest).encode())
    body = check.canonical({**manifest, "signature": signature}) + "\n"
    return {**files, name: content, check.MANIFEST: body.encode()}


def in_json(edit: Callable[[Any], None]) -> Callable[[str], str]:
    def change(text: str) -> str:
        value = json.loads(text)
        edit(value)
        return check.canonical(value) + "\n"

    return change


def message(**changes: Any) -> Callable[[str], str]:
    return in_json(lambda value: value["messages"][0].update(changes))


def later(value: Any) -> None:
    value["messages"][0]["events"][-1]["at"] = "2026-11-21T02:00:00.000000Z"


def another_row(value: Any) -> None:
    value["rows"][-1]["row"]["at"] = "2026-11-21T02:00:00.000000Z"


def another_root(value: Any) -> None:
    signed = json.loads(value["digests"][0])
    value["digests"][0] = check.canonical({**signed, "tree": "0" * 64}) + "\n"


def other_facts(value: Any) -> None:
    value["facts"][0]["line"] = value["facts"][0]["line"].replace('"amount":', '"amount":1')


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("evidence.json", message(text="您已被告知。"), "wording are not those whose seal"),
        ("evidence.json", message(number_seal="0" * 64), "wording are not those whose seal"),
        ("evidence.json", message(amount_minor=1), "says 1 where the audit has"),
        ("evidence.json", message(state="undelivered"), "is said to be undelivered"),
        ("evidence.json", message(role="guarantor"), "says 'guarantor' where the audit has 'borrower'"),
        ("evidence.json", message(loans=["L1"]), "says ['L1'] where the audit has"),
        ("evidence.json", message(message_id="M"), "the proof has no facts of it"),
        ("evidence.json", in_json(later), "is not what the audit tells"),
        ("evidence.json", lambda text: text.replace("_parts.j2", "_other.j2"), "the text of its template"),
        ("proof.json", in_json(another_row), "is not one that the digest vouches for"),
        ("proof.json", in_json(another_root), "a digest was changed"),
        ("proof.json", in_json(other_facts), "are not those of the audit"),
        ("proof.json", lambda _: "{}", "lacks what a proof needs"),
    ],
)
def test_a_lender_that_signs_another_story_contradicts_its_own_chain(
    told: Desk,
    files: dict[str, bytes],
    keys: dict[str, bytes],
    name: str,
    change: Callable[[str], str],
    says: str,
) -> None:
    assert any(says in problem for problem in check.check(resigned(told, files, name, change), keys))


# From our own side.


def test_we_check_it_against_our_own_audit(
    told: Desk, bundle: bytes, planned_folder: Path, tmp_path: Path
) -> None:
    assert told.run("evidence", "verify", "bundle.zip").out == "ok: bundle.zip is as this ledger made it\n"
    (told.folder / "bad.zip").write_bytes(changed(bundle, len(bundle) // 2))
    assert "changed: archive" in told.run("evidence", "verify", "bad.zip", code=1).err
    other = Desk(
        copied(planned_folder, tmp_path / "other")
    )  # the same lender before it was told: another audit
    (other.folder / "bundle.zip").write_bytes(bundle)
    assert "is not the one of this ledger" in other.run("evidence", "verify", "bundle.zip", code=1).err
    for kept in other.folder.rglob("*.pub"):
        digest.create(kept.with_suffix(""), replace=True)
        kept.write_text(
            kept.read_text().partition("-----END PUBLIC KEY-----\n")[0] + "-----END PUBLIC KEY-----\n"
        )
    assert "another key" in other.run("evidence", "verify", "bundle.zip", code=1).err


def test_who_asked_and_why_is_audited(told: Desk) -> None:
    (row,) = told.run("audit", "show", "--kind", "evidence.made", "--format", "json").json
    assert row["subject"] == LOAN
    assert "case 4711" in row["data"]
    assert "needs --reason" in told.run("evidence", LOAN, code=2).err
    assert "already there" in told.run("evidence", LOAN, *WHY, "--out", "bundle.zip", code=2).err
    assert "no such folder" in told.run("evidence", LOAN, *WHY, "--out", "none/new.zip", code=2).err
    assert (told.folder / "bundle.zip").stat().st_mode & 0o777 == 0o600


def test_nothing_is_made_where_nothing_was_told(told: Desk) -> None:
    assert "nothing was ever queued" in told.run("evidence", "L999", *WHY, code=2).err
    assert "was never queued" in told.run("evidence", LOAN, "--notice", "loan_settled", *WHY, code=2).err


def test_nothing_is_made_of_an_audit_that_does_not_verify(told: Desk) -> None:
    with ledger_of(told) as ledger, ledger.store.write() as connection:
        connection.execute(
            sa.update(AUDIT).where(AUDIT.c.kind == "message.delivered").values(subject="other")
        )
    refused = told.run("evidence", LOAN, *WHY, "--out", "new.zip", code=2).err
    assert "the audit does not verify" in refused
    assert not (told.folder / "new.zip").exists()


def test_nothing_is_made_where_tables_and_audit_disagree(told: Desk) -> None:
    """Somebody changes the amount in the tables, not in the chain."""
    with ledger_of(told) as ledger, ledger.store.write() as connection:
        connection.execute(sa.update(CONTENTS).values(amount_minor=CONTENTS.c.amount_minor + 1))
    refused = told.run("evidence", LOAN, *WHY, "--out", "new.zip", code=2).err
    assert "say something else than its audit" in refused


def test_an_erased_person_is_still_proven_without_words(told: Desk) -> None:
    customer = next(
        line.split(",")[1]
        for line in (told.folder / "export" / "loans.csv").read_text(encoding="utf-8").splitlines()
        if line.startswith(LOAN)
    )
    told.run("ledger", "erase", "--customer", customer, "--yes")
    told.run("evidence", LOAN, *WHY, "--out", "erased.zip")
    files, _ = check.unpack((told.folder / "erased.zip").read_bytes())
    evidence = json.loads(files["evidence.json"])
    assert {each["text"] for each in evidence["messages"]} == {None}
    assert "erased at the person" in files["index.html"].decode()
    assert told.run("evidence", "verify", "erased.zip").code == 0


def test_what_an_older_key_signed_is_proven_after_a_newer_one_was_made(told: Desk) -> None:
    with ledger_of(told) as ledger:
        digest.create(ledger.places.signing_key_file, replace=True)
    told.run("evidence", LOAN, *WHY, "--out", "newer.zip")
    assert told.run("evidence", "verify", "newer.zip").code == 0
    assert told.run("evidence", "verify", "bundle.zip").code == 0
    files, _ = check.unpack((told.folder / "newer.zip").read_bytes())
    assert len(check.keys_of(files[check.PUBLIC_KEY].decode())) == 2


def test_the_decision_names_the_law_that_bound(fresh_folder: Path, tmp_path: Path) -> None:
    desk = Desk(copied(fresh_folder, tmp_path))
    desk.configure(policy={**options(desk)["policy"], "presets": ["cn"]})
    desk.night("2026-11-23")
    desk.run("evidence", LOAN, "--notice", NOTICE, *WHY, "--out", "law.zip")
    files, _ = check.unpack((desk.folder / "law.zip").read_bytes())
    (decision,) = json.loads(files["evidence.json"])["messages"][0]["decisions"]
    assert (decision["presets"], decision["decided_on"]) == ("cn", "2026-11-23")
    assert "适用的法规预设" in files["index.html"].decode()
