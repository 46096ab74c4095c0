"""Runs, decisions, views, suppressions, and opening."""

from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from carloan_notify import frames
from carloan_notify.errors import LedgerError
from carloan_notify.ledger import audit, contacts, intake, outbox, runs, stopping, upkeep, views
from carloan_notify.ledger.ledger import Ledger
from carloan_notify.ledger.settings import LedgerSettings
from carloan_notify.ledger.views import MessageFilter
from carloan_notify.records import MessageClass, MessageState, NightFacts, Outcome
from tests.integration.ledger.drafts import (
    NAME,
    NOW,
    PHONE,
    TEXT,
    answer,
    decisions,
    draft,
    keep_decisions,
    name_of,
    put_on_wire,
)
from tests.transactions import commit, look

DAY = date(2026, 11, 23)
FACTS = NightFacts(DAY, 10, None, 12, 2, 9, 1, 7, 490, date(2026, 11, 22), "abc")


def test_runs_are_kept_with_their_facts(ledger: Ledger) -> None:
    commit(ledger, runs.start, "R1", DAY, "run", NOW, {"loans": "loans.csv"})
    commit(ledger, runs.start, "S1", DAY, "send", NOW + timedelta(hours=1))
    commit(ledger, runs.finish, "R1", "ok", {"queued": 3}, FACTS, NOW + timedelta(hours=2))
    assert look(ledger, runs.night_history) == [FACTS]
    run = look(ledger, runs.get, "R1")
    assert run is not None
    assert (run.as_of, run.status, run.counts, run.sources) == (
        DAY,
        "ok",
        {"queued": 3},
        {"loans": "loans.csv"},
    )
    assert (run.started_at, run.finished_at, run.facts) == (NOW, NOW + timedelta(hours=2), FACTS)
    sent, night = look(ledger, runs.last), look(ledger, runs.last, "run")
    assert sent is not None
    assert night is not None
    assert (sent.run_id, sent.finished_at, sent.facts, night.run_id) == ("S1", None, None, "R1")
    assert [run["run_id"] for run in look(ledger, runs.table)] == ["S1", "R1"]
    assert look(ledger, runs.get, "none") is None
    assert look(ledger, runs.last, "none") is None


def test_night_history_is_newest_first_and_survives_without_an_export_date(sqlite_ledger: Ledger) -> None:
    for day in range(3):
        facts = NightFacts(DAY + timedelta(days=day), 1, 2, 3, 4, 5, 6, 7, 8, None, "x")
        commit(sqlite_ledger, runs.start, f"R{day}", facts.as_of, "run", NOW + timedelta(days=day))
        commit(sqlite_ledger, runs.finish, f"R{day}", "ok", {}, facts, NOW + timedelta(days=day))
    assert [facts.as_of.day for facts in look(sqlite_ledger, runs.night_history, 2)] == [25, 24]


def test_a_run_id_is_used_once_and_must_be_known(sqlite_ledger: Ledger) -> None:
    commit(sqlite_ledger, runs.start, "R1", DAY, "run", NOW)
    with pytest.raises(LedgerError, match="already in the ledger"):
        commit(sqlite_ledger, runs.start, "R1", DAY, "run", NOW)
    with pytest.raises(LedgerError, match="never started"):
        commit(sqlite_ledger, runs.finish, "R2", "ok", {}, None, NOW)


def decided() -> pd.DataFrame:
    frame = pd.concat([frames.empty(frames.DECISIONS), pd.DataFrame({"loan_id": ["A", "B"]})])
    plain = {"MONEY": 0}
    for name, kind in frames.DECISIONS.items():
        if name != "loan_id":
            frame[name] = plain.get(name, "" if kind == "str" else False if kind == "bool" else 0)
            if kind.startswith("datetime"):
                frame[name] = pd.Series([pd.Timestamp("2026-11-23"), pd.NaT]).to_numpy()
                frame[name] = frame[name].dt.tz_localize("UTC") if "UTC" in kind else frame[name]
    frame = frame.astype(dict(frames.DECISIONS)).reset_index(drop=True)
    frame["customer_id"] = "C1"
    frame["decision"] = ["queued", "suppressed"]
    frame["reason"] = ["", "opted_out"]
    frame["phone"] = PHONE
    return frame


def test_every_decision_is_kept_without_personal_data(ledger: Ledger) -> None:
    keep_decisions(ledger, "R1", decided())
    both = pd.DataFrame(decisions(ledger))
    first = both.iloc[0]
    assert (first["decision"], first["due_on"], first["not_before"]) == (
        "queued",
        "2026-11-23",
        "2026-11-23T00:00:00.000000Z",
    )
    assert list(both["run_id"]) == ["R1", "R1"]
    assert list(both["reason"]) == ["", "opted_out"]
    assert both["due_on"].isna().tolist() == [False, True]
    assert PHONE not in both.to_string()
    (data,) = look(ledger, audit.show, kind="run.decided")["data"]
    assert data == '{"queued":1,"suppressed:opted_out":1}'


def test_views_mask_unless_revealed_and_a_reveal_is_audited(ledger: Ledger) -> None:
    commit(ledger, intake.enqueue, "R1", [draft(1), draft(2)], NOW)
    masked = look(ledger, views.messages).to_string()
    assert "+120****0100" in masked
    assert all(secret not in masked for secret in (PHONE, NAME, TEXT))
    shown = commit(ledger, views.reveal, MessageFilter(loan_id="L1"), "kim", "complaint 7", NOW)
    assert shown[["phone", "name", "text"]].to_dict("records") == [
        {"phone": PHONE, "name": NAME, "text": TEXT}
    ]
    (data,) = look(ledger, audit.show, kind="message.revealed")["data"]
    assert data == f'{{"messages":["{name_of(1)}"],"operator":"kim","reason":"complaint 7"}}'
    assert look(ledger, views.message, "none") is None


def test_messages_are_found_by_any_mark(sqlite_ledger: Ledger) -> None:
    commit(sqlite_ledger, intake.enqueue, "R1", [draft(1, loans=("A", "B")), draft(2, notice="settled")], NOW)
    commit(sqlite_ledger, intake.enqueue, "R2", [draft(3)], NOW + timedelta(seconds=1))
    commit(sqlite_ledger, outbox.cancel, [name_of(3)], "paid", NOW)
    wanted = {
        MessageFilter(run_id="R1"): [2, 1],
        MessageFilter(loan_id="B"): [1],
        MessageFilter(notice="settled"): [2],
        MessageFilter(state=MessageState.CANCELLED): [3],
        MessageFilter(limit=1): [3],
        MessageFilter(loan_id="A", notice="settled"): [],
    }
    for filters, numbers in wanted.items():
        assert list(look(sqlite_ledger, views.messages, filters)["message_id"]) == [
            name_of(number) for number in numbers
        ]
    assert list(
        look(sqlite_ledger, views.messages, MessageFilter(loan_id="B", notice="due_day"))["loans"]
    ) == ["A,B"]


def test_recent_contacts_are_those_reached_or_about_to_be(ledger: Ledger) -> None:
    early = NOW - timedelta(days=3)
    commit(ledger, intake.enqueue, "R1", [draft(1), draft(2), draft(3, not_before=early)], NOW)
    put_on_wire(ledger)
    answer(ledger, name_of(1), Outcome.ACCEPTED, "r1")
    answer(ledger, name_of(2), Outcome.REJECTED)
    reached = look(ledger, contacts.recent, NOW - timedelta(days=1))
    assert list(reached["message_id"]) == [name_of(1), name_of(3)]
    assert set(reached["phone_hash"]) == {ledger.cipher.phone_hash(PHONE)}
    assert list(reached["customer_ref"]) == [
        ledger.cipher.customer_ref("C1"),
        ledger.cipher.customer_ref("C3"),
    ]
    assert reached["contact_at"].tolist() == [pd.Timestamp(NOW)] * 2
    nobody = look(ledger, contacts.recent, NOW + timedelta(days=9))
    assert nobody.empty
    assert str(nobody["contact_at"].dtype) == "datetime64[us, UTC]"


def test_suppressions_stand_until_removed(ledger: Ledger) -> None:
    phone = look(ledger, stopping.subject_of, phone=PHONE, message_class=MessageClass.MARKETING)
    customer = look(ledger, stopping.subject_of, customer_id="C1")
    assert commit(ledger, stopping.stop, phone, "reply", "TD from 13800138000", NOW).fresh
    assert not commit(ledger, stopping.stop, phone, "reply", "TD from 13800138000", NOW).fresh
    assert commit(ledger, stopping.stop, customer, "operator", "asked", NOW).fresh
    assert commit(ledger, stopping.remove, customer, "kim", "settled", NOW) == "asked"
    assert commit(ledger, stopping.remove, customer, "kim", "settled", NOW) is None
    (row,) = look(ledger, stopping.table).to_dict("records")
    assert (row["phone_hash"], row["customer_ref"], row["message_class"]) == (
        ledger.cipher.phone_hash(PHONE),
        "",
        "marketing",
    )
    assert row["reason"] == "TD from 138****8000"
    assert len(look(ledger, stopping.table, standing_only=False)) == 2
    assert len(look(ledger, audit.show, kind="suppression.")) == 3
    with pytest.raises(LedgerError, match="exactly one"):
        look(ledger, stopping.subject_of)


def test_a_ledger_must_be_made_on_purpose(settings: LedgerSettings, tmp_path: Path) -> None:
    Ledger.open(
        settings.model_copy(update={"url": "sqlite:///made.db"}), tmp_path, create=True, now=NOW
    ).close()
    with pytest.raises(LedgerError, match="ledger migrate"):
        Ledger.open(settings, tmp_path)


def test_files_are_for_their_owner_only(sqlite_ledger: Ledger, tmp_path: Path) -> None:
    for name in ("ledger.db", "secrets/ledger.key", "secrets/signing.key"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    assert sqlite_ledger.verify_audit().ok


def test_opening_again_changes_nothing(sqlite_ledger: Ledger, tmp_path: Path) -> None:
    before = sqlite_ledger.verify_audit().rows
    with Ledger.open(sqlite_ledger.settings, tmp_path, create=True, now=NOW) as again:
        assert again.verify_audit().rows == before


def test_a_foreign_or_lost_key_is_refused(sqlite_ledger: Ledger, tmp_path: Path) -> None:
    other = sqlite_ledger.settings.model_copy(
        update={"url": "sqlite:///other.db", "key_file": Path("other.key")}
    )
    Ledger.open(other, tmp_path, create=True, now=NOW).close()
    with pytest.raises(LedgerError, match="not the key of this ledger"):
        Ledger.open(sqlite_ledger.settings.model_copy(update={"key_file": Path("other.key")}), tmp_path)
    (tmp_path / "secrets" / "ledger.key").unlink()
    with pytest.raises(LedgerError, match="cannot read the key"):
        Ledger.open(sqlite_ledger.settings, tmp_path, create=True, now=NOW)
    assert not (tmp_path / "secrets" / "ledger.key").exists()


def test_the_key_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = LedgerSettings()
    Ledger.open(settings, tmp_path, create=True, now=NOW).close()
    key_file = tmp_path / "secrets" / "ledger.key"
    monkeypatch.setenv(settings.key_env, key_file.read_text())
    key_file.unlink()
    with Ledger.open(settings, tmp_path, create=True, now=NOW) as opened:
        assert opened.cipher.phone_hash(PHONE)
        with pytest.raises(LedgerError, match="is set"):
            upkeep.rotate_keys(opened, "kim", NOW)


def test_another_schema_says_what_to_do(sqlite_ledger: Ledger, tmp_path: Path) -> None:
    with sqlite_ledger.store.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(LedgerError, match="schema 9999"):
        Ledger.open(sqlite_ledger.settings, tmp_path)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ledger.db", "not a database URL"),
        ("mysql://x/y", "cannot hold a ledger"),
        ("sqlite://", "in memory"),
        ("nonsense://x", "cannot hold a ledger"),
    ],
)
def test_a_useless_url_is_explained(tmp_path: Path, url: str, says: str) -> None:
    with pytest.raises(LedgerError, match=says):
        Ledger.open(LedgerSettings(url=url), tmp_path, create=True, now=NOW)


def test_a_database_that_refuses_is_explained(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"this is no database, but long enough to look at" * 10)
    with pytest.raises(LedgerError, match="the ledger's database refused: DatabaseError"):
        Ledger.open(LedgerSettings(), tmp_path, create=True, now=NOW)


def test_a_stored_message_reads_back_for_a_resend(sqlite_ledger: Ledger) -> None:
    made = draft(1, loans=("A", "B"))
    commit(sqlite_ledger, intake.enqueue, "R1", [made], NOW)
    stored = look(sqlite_ledger, views.stored, made.message_id)
    assert stored is not None
    same = ("covers", "notice", "channel", "role", "message_class", "language", "phone", "recipient_name")
    for name in (*same, "rendered", "params", "due_on", "amount_minor", "until_paid"):
        assert getattr(stored, name) == getattr(made, name), name
    assert repr(stored) == f"Stored({made.message_id})"
    assert look(sqlite_ledger, views.stored, "none") is None


def test_making_a_ledger_needs_the_time(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs to know now"):
        Ledger.open(LedgerSettings(), tmp_path, create=True)


def test_a_lost_head_stops_writers(sqlite_ledger: Ledger) -> None:
    with sqlite_ledger.store.write() as connection:
        connection.exec_driver_sql("DELETE FROM audit_head")
    with pytest.raises(LedgerError, match="head row is missing"):
        commit(sqlite_ledger, runs.start, "R1", DAY, "run", NOW)
