"""What public bug reports of this field say exports hold: nobody is misnamed, misdated, or missed for it."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
import yaml

from tests.e2e.conftest import Desk, Lender

AS_OF = "2026-11-23"
NOON = "2026-11-23T10:00:00+08:00"
LOANS = (
    "loan_id,customer_id,borrower_name,phone,product,principal,annual_rate,term_months,disbursed_on,first_due_on,"
    "due_day,repayment_method,status,language,timezone,account_tail,plate_no,in_dispute,data_date"
)
EMPTY = {
    "payments": "payment_id,loan_id,paid_on,amount",
    "changes": "change_id,loan_id,type,effective_on,value",
    "events": "event_id,loan_id,type,occurred_at,amount,detail",
    "contacts": "customer_id,role,name,phone,language,timezone,channels,preferred_hours,consent,opt_out,do_not_contact",
}


def loan(number: int, *, name: str = "钱一", tail: str = "1111", due: str = AS_OF, **cells: str) -> str:
    """A row due on `due` for the first time, 1,200.00 in twelve parts without interest."""
    row = {
        "loan_id": f"L-{number:04}",
        "customer_id": f"C{number}",
        "name": name,
        "phone": f"1000000{number:04}",
        "product": "car",
        "principal": "1200",
        "rate": "0",
        "term": "12",
        "disbursed": "2026-08-24",
        "due": due,
        "day": due[8:10],
        "method": "equal_principal",
        "status": "active",
        "language": "zh-CN",
        "zone": "Asia/Shanghai",
        "tail": tail,
        "plate": "",
        "dispute": "",
        "data_date": AS_OF,
        **cells,
    }
    return ",".join(row.values())


def told(desk: Desk, as_of: str = AS_OF, now: str = NOON) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = desk.run("preview", "--as-of", as_of, "--now", now, "--format", "json").json
    return rows


@pytest.fixture
def empty(desk: Desk) -> Desk:
    for name, header in EMPTY.items():
        desk.write(name, header)
    return desk


@pytest.mark.parametrize("word", ["nan", "NULL", "None", "\\N", "#N/A"])
def test_nobody_is_called_nan(empty: Desk, word: str) -> None:
    empty.write("loans", LOANS, [loan(1, name=word, tail=word)])
    (row,) = told(empty)
    assert row["decision"] == "queued"
    assert row["text"].startswith("【安达车贷】您好，")
    assert word not in row["text"]


@pytest.mark.parametrize(
    "spelt", ["20001.0", "20001.000000000", "'20001", "２０００１", "20001\u200b", "\u00a020001"]
)
@pytest.mark.parametrize("in_contacts", [False, True])
def test_one_customer_in_two_spellings_is_one(empty: Desk, spelt: str, in_contacts: bool) -> None:  # noqa: FBT001 - parametrised
    here, there = ("20001", spelt) if in_contacts else (spelt, "20001")
    empty.write("loans", LOANS, [loan(1, customer_id=here, tail="6367.0")])
    empty.write("contacts", EMPTY["contacts"], [f"{there},borrower,钱一,,,,,,,,yes"])
    (row,) = told(empty)
    assert (row["decision"], row["text"]) == ("suppressed", "")


def test_a_loan_is_named_in_any_spelling(empty: Desk) -> None:
    empty.write("loans", LOANS, [loan(1, loan_id="20001.0")])
    for spelt in ("20001", "20001.0", '="20001"', "２０００１"):
        command = ("preview", "--loan", spelt, "--as-of", AS_OF, "--now", NOON, "--format", "json")
        assert [row["loan_id"] for row in empty.run(*command).json] == ["20001"]
        assert "20001" in empty.run("explain", spelt, "--as-of", AS_OF).out
        assert len(empty.run("schedule", spelt, "--as-of", AS_OF, "--format", "json").json) == 12


def test_a_customer_is_suppressed_in_any_spelling(empty: Desk) -> None:
    empty.write("loans", LOANS, [loan(1, customer_id="20001")])
    empty.run("suppress", "add", "--customer", '="20001.0"', "--opt-out", "--reason", "asked by phone")
    assert [row["decision"] for row in told(empty)] == ["suppressed"]


def test_payments_find_their_loan_in_another_spelling(empty: Desk) -> None:
    empty.write("loans", LOANS, [loan(1, loan_id="20001", due="2026-11-22"), loan(2, due="2026-11-22")])
    paid = ["P1,20001.0,2026-11-22,100", 'P2,"=""L-0002""",2026-11-22,100']
    empty.write("payments", EMPTY["payments"], paid)
    assert {row["notice"] for row in told(empty)} == {"payment_received"}


def test_a_gbk_name_that_is_valid_utf_8_too(empty: Desk) -> None:
    path = empty.write("loans", LOANS, [loan(1, name="钱一")])
    path.write_bytes(path.read_text(encoding="utf-8").encode("gbk"))
    (row,) = told(empty)
    assert row["text"].startswith("【安达车贷】钱一您好")


@pytest.mark.parametrize("phone", ["+3225484211", "0032 2 548 42 11", "010-88888888"])
def test_a_landline_is_called_and_not_texted(empty: Desk, phone: str) -> None:
    empty.write("loans", LOANS, [loan(1, due="2026-11-22", phone=phone)])
    decisions = {(row["channel"], row["decision"]): row["why"] for row in told(empty)}
    assert set(decisions) == {("sms", "held"), ("voice", "queued")}
    assert "is a landline" in decisions["sms", "held"]


def test_only_the_named_countries_are_told(empty: Desk) -> None:
    config = empty.folder / "config.yaml"
    options = yaml.safe_load(config.read_text(encoding="utf-8"))
    empty.configure(policy={**options.get("policy", {}), "countries": ["CN"]})
    empty.write("loans", LOANS, [loan(1), loan(2, phone="0032 470 12 34 56")])
    assert {row["loan_id"]: row["decision"] for row in told(empty)} == {"L-0001": "queued", "L-0002": "held"}


def test_a_date_as_midnight_utc_is_that_date(empty: Desk) -> None:
    config = empty.folder / "config.yaml"
    options = yaml.safe_load(config.read_text(encoding="utf-8"))
    options["lender"] |= {"timezone": "America/Chicago", "country": "US", "currency": "USD"}
    config.write_text(yaml.safe_dump(options, allow_unicode=True), encoding="utf-8")
    cells = {"phone": "+12025550101", "language": "en", "zone": "America/Chicago", "day": "24"}
    empty.write("loans", LOANS, [loan(1, due="2026-11-24T00:00:00Z", **cells)])
    notices = {row["notice"] for row in told(empty, "2026-11-24", "2026-11-24T12:00:00-06:00")}
    assert notices == {"due_today"}


def test_the_same_payment_row_twice_counts_once(empty: Desk) -> None:
    empty.write("loans", LOANS, [loan(1, due="2026-10-23")])
    empty.write("payments", EMPTY["payments"], ["P1,L-0001,2026-10-23,100"] * 2)
    assert [(row["notice"], row["decision"]) for row in told(empty)] == [("due_today", "queued")]
    night = empty.run("run", "--dry-run", "--as-of", AS_OF, "--now", NOON, "--format", "json").json
    assert (night["rows_read"], night["rows_used"], night["rows_rejected"]) == (3, 3, 0)
    assert night["findings"] == {"row_repeated": 1}


def test_a_name_brings_no_sign_no_code_and_no_line(empty: Desk) -> None:
    names = ["【招商银行】钱一", "{{ 7*7 }}", '"钱\n三"', "钱\u202e四", "=HYPERLINK(1)"]
    empty.write("loans", LOANS, [loan(n, name=name) for n, name in enumerate(names, 1)])
    texts = [row["text"] for row in told(empty)]
    assert len(texts) == len(names)
    assert all(text.count("【") == 1 and "49" not in text[:20] for text in texts)
    assert all(text.isprintable() for text in texts)


@pytest.mark.parametrize("encoding", ["ascii", "gbk", "latin-1"])
@pytest.mark.parametrize("form", ["json", "table"])
def test_an_output_that_cannot_write_a_name(lender: Lender, encoding: str, form: str) -> None:
    for name, header in EMPTY.items():
        lender.write(name, header)
    lender.write("loans", LOANS, [loan(1, name="𠮷一·买买提")])
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    command = [sys.executable, "-m", "carloan_notify.cli.main", "preview", "--as-of", AS_OF, "--now", NOON]
    done = subprocess.run(
        [*command, "--format", form],
        cwd=lender.folder,
        env={**kept, "LC_ALL": "C", "PYTHONIOENCODING": encoding},
        capture_output=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    written = done.stdout.decode("utf-8" if encoding == "ascii" else encoding)
    assert form == "table" or json.loads(written)[0]["text"].startswith("【安达车贷】𠮷一·买买提您好")
