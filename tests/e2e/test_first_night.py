"""A folder made by `init`: run, run again, prove it."""

import sqlite3
import stat
from pathlib import Path

from tests.e2e.conftest import MORNING, NIGHT, Desk, Lender

LADDER = {
    "due_in_7_days.sms",
    "due_today.sms",
    "overdue_1.sms",
    "overdue_1.voice",
    "overdue_3.sms",
    "overdue_7.sms",
    "overdue_15.sms",
    "overdue_15.voice",
    "overdue_30.sms",
    "credit_bureau_notice.sms",
    "application_received.sms",
    "application_approved.sms",
    "application_rejected.sms",
    "contract_signed.sms",
    "loan_disbursed.sms",
    "payment_received.sms",
    "due_day_changed.sms",
    "loan_deferred.sms",
    "loan_extended.sms",
    "rate_changed.sms",
    "loan_prepaid.sms",
    "settlement_quoted.sms",
    "loan_settled.sms",
}  # all but what comes weeks after a settlement, and remainder_left, which only a lender that charges penalty can see

WITH_CALLS = ("overdue_1", "overdue_15")


def test_sample_has_a_loan_for_every_notice_of_the_ladder(lender: Lender) -> None:
    first = Desk(lender.folder).night("2026-11-23")
    assert set(first["by_notice"]) == LADDER
    assert first["rows_rejected"] == 4
    assert first["pending"] == first["queued"]  # it is 02:00: nothing may leave

    second = lender.night("2026-11-23")  # in another process, as the next night is
    assert second["queued"] == 0
    assert second["already_sent"] == first["queued"] + first["reasons"]["suppressed:merged"]


def test_nothing_leaves_at_night_and_all_of_it_in_the_day(planned: Desk) -> None:
    queued = planned.run("report", "--format", "json").json["queued"]
    assert planned.send(NIGHT)["accepted"] == 0
    after_calls = len(
        [row for row in planned.messages() if row["notice"] in WITH_CALLS and row["channel"] == "sms"]
    )
    assert planned.send(MORNING)["accepted"] == queued - 1 - after_calls  # one asked for the evening
    assert planned.send("2026-11-23T10:30:00+08:00")["accepted"] == 0
    assert planned.send("2026-11-23T11:05:00+08:00")["accepted"] == after_calls  # no receipt came for an hour
    assert planned.send("2026-11-23T18:30:00+08:00")["accepted"] == 1
    figures = planned.run("report", "--format", "json").json
    assert (figures["accepted"], figures["pending"]) == (queued, 0)
    assert all(row["attempts"] == 1 for row in planned.messages())


def test_run_in_the_day_sends_at_once(desk: Desk) -> None:
    report = desk.night("2026-11-23", at="10:00")
    after_calls = sum(report["by_notice"].get(f"{notice}.sms", 0) for notice in WITH_CALLS)
    assert report["accepted"] == report["queued"] - 1 - after_calls
    assert report["pending"] == 1 + after_calls


def test_verify_names_the_row_that_was_changed(planned: Desk) -> None:
    assert "ok" in planned.run("audit", "verify").out
    with sqlite3.connect(planned.folder / "ledger.db") as connection:
        connection.execute(
            'UPDATE audit SET data = replace(data, \'"notice":"due_today"\', \'"notice":"due_todaz"\') WHERE seq = 7'
        )
        changed = connection.execute("SELECT count(*) FROM audit WHERE data LIKE '%due_todaz%'").fetchone()[0]
        if not changed:  # row 7 is not about that notice: turn any one byte of it
            connection.execute(
                "UPDATE audit SET data = substr(data, 1, length(data) - 2) || 'X' || substr(data, -1) WHERE seq = 7"
            )
    found = planned.run("audit", "verify", "--format", "json", code=1).json
    assert not found["ok"]
    assert any(breach["kind"] == "modified" and "7" in breach["place"] for breach in found["breaches"])
    assert "row 7" in planned.run("audit", "verify", code=1).out


def test_secrets_are_private(lender: Lender) -> None:
    for name in ("ledger.key", "signing.key", "links.key"):
        assert stat.S_IMODE((lender.folder / "secrets" / name).stat().st_mode) == 0o600


def test_init_overwrites_nothing(lender: Lender) -> None:
    done = Desk(lender.folder.parent).run("init", str(lender.folder), code=2)
    assert "is there already" in done.err


def test_preview_writes_nothing(desk: Desk) -> None:
    def everything() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in desk.folder.rglob("*") if path.is_file()}

    before = everything()
    rows = desk.run("preview", "--as-of", "2026-11-23", "--now", NIGHT, "--format", "json").json
    assert everything() == before
    assert {row["decision"] for row in rows} == {"queued", "suppressed", "held"}
    shown = desk.run("preview", "--as-of", "2026-11-23", "--now", NIGHT).out
    assert "【安达车贷】" in shown
    assert "+86100****" in shown


def test_dry_run_queues_nothing(desk: Desk) -> None:
    report = desk.run("run", "--dry-run", "--as-of", "2026-11-23", "--now", NIGHT, "--format", "json").json
    assert report["status"] == "dry run"
    assert report["queued"] == 53
    assert not (desk.folder / "ledger.db").exists()


def test_preview_page_is_complete_and_inert(desk: Desk) -> None:
    loans = desk.folder / "export" / "loans.csv"
    loans.write_text(
        loans.read_text(encoding="utf-8").replace("钱丽华", "<script>alert(1)</script>"), encoding="utf-8"
    )
    desk.run("preview", "--as-of", "2026-11-23", "--now", NIGHT, "--html", "tonight.html")
    page = (desk.folder / "tonight.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert page.count("<tr class=") == 68
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
