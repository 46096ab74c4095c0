"""Settlement certificates from the night that makes them to the check that finds a changed digit."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from unittest import mock

import pytest

from carloan_notify.app import build_app
from carloan_notify.certificate_codes import Check, Refusal
from carloan_notify.ledger.certificates import ALPHABET
from carloan_notify.pipeline import certificate_desk
from carloan_notify.pipeline.certificate_files import masked_id
from carloan_notify.reports import certificate
from tests.e2e.conftest import Desk
from tests.e2e.tiny import CONTACTS, options

HEADER: Final = (
    "loan_id,customer_id,borrower_name,phone,product,principal,annual_rate,term_months,disbursed_on,first_due_on,"
    "due_day,repayment_method,status,language,timezone,account_tail,plate_no,in_dispute,data_date,id_no,vin"
)
DAY: Final = "2026-11-23"
NEXT: Final = "2026-11-24"
NAMES: Final = ("孙建国", "John Smith", "阿卜杜热合曼·买买提", "䶮𠮷")
BASE: Final = "https://pay.example.com/c/"


def loan(number: int, status: str = "active", day: str = DAY, **other: str) -> str:
    values = {"language": "en" if number == 1 else "zh-CN", "in_dispute": "", "name": NAMES[number]} | other
    return (
        f"L{number},C{number},{values['name']},1000000000{number},car,1200.00,0,12,2025-12-20,2026-01-15,15,"
        f"equal_principal,{status},{values['language']},Asia/Shanghai,1111,沪A1234{number},{values['in_dispute']},"
        f"{day},110101199003071234,LSVAA49J13204737{number}"
    )


def paid(*numbers: int) -> list[str]:
    """Every installment but the last on its day, the last on November 22."""
    days = [*(f"2026-{month:02d}-15" for month in range(1, 12)), "2026-11-22"]
    return [f"P{number}-{at},L{number},{day},100.00" for number in numbers for at, day in enumerate(days)]


def back(number: int) -> str:
    return f"R{number},L{number},2026-11-23,-100.00"


def export(desk: Desk, loans: Sequence[str], payments: Sequence[str] = ()) -> None:
    desk.write("loans", HEADER, loans)
    desk.write("payments", "payment_id,loan_id,paid_on,amount", payments)
    desk.write("changes", "change_id,loan_id,type,effective_on,value")
    desk.write("events", "event_id,loan_id,type,occurred_at,amount,detail")
    desk.write("contacts", CONTACTS)


@pytest.fixture
def registry(desk: Desk) -> Desk:
    """A lender whose nights make certificates, and who maps what they show."""
    shown = {"address": "上海市浦东新区世纪大道100号", "id_column": "id_no", "vin_column": "vin"}
    desk.configure(certificates={"nightly": True, "number_prefix": "AD-", **shown})
    return desk


def change(desk: Desk, **chosen: Any) -> None:
    desk.configure(certificates=options(desk)["certificates"] | chosen)


def check(desk: Desk, what: str | Path, *args: str, code: int = 1) -> dict[str, Any]:
    found: dict[str, Any] = desk.run(
        "certificate", "verify", str(what), *args, "--format", "json", code=code
    ).json
    return found


def make(desk: Desk, name: str, *args: str, code: int = 0) -> dict[str, Any]:
    (row,) = desk.run(
        "certificate",
        name,
        "--as-of",
        DAY,
        "--now",
        f"{DAY}T10:00:00+08:00",
        "--format",
        "json",
        *args,
        code=code,
    ).json
    return dict(row)


def told(desk: Desk) -> dict[str, str]:
    """What the borrowers of settled loans were told by text message, by the tail of the number."""
    args = ("--notice", "loan_settled", "--reveal", "--reason", "test", "--format", "json")
    return {row["phone"][-1]: row["text"] for row in desk.messages(*args) if row["channel"] == "sms"}


def files(desk: Desk) -> list[Path]:
    return sorted((desk.folder / "certificates").glob("*"))


def page_of(desk: Desk, name: str) -> Path:
    return next(path for path in files(desk) if path.suffix == ".html" and name in path.read_text("utf-8"))


def test_a_night_makes_it_and_the_message_leads_to_it(registry: Desk) -> None:
    export(registry, [loan(0), loan(1)], paid(0, 1))
    assert registry.night(DAY)["findings"] == {}
    pages = files(registry)
    assert [(path.suffix, path.stat().st_mode & 0o777) for path in pages] == [(".html", 0o600)] * 2
    assert (registry.folder / "certificates").stat().st_mode & 0o777 == 0o700
    page, english = page_of(registry, "孙建国"), page_of(registry, "John Smith")
    assert f"结清证明：{BASE}{page.stem} " in told(registry)["0"]
    assert told(registry)["1"].endswith(f"Certificate: {BASE}{english.stem}")
    found = check(registry, page, code=0)
    assert re.fullmatch(r"AD-2026-00000[12]-.", found["number"])
    assert found["facts"] | {"code": "", "number": ""} == {
        "number": "",
        "code": "",
        "copy": "",
        "lender": "安达汽车金融有限公司",
        "address": "上海市浦东新区世纪大道100号",
        "borrower": "孙建国",
        "id_number": "110***********1234",
        "contract": "L0",
        "plate": "沪A12340",
        "vin": "LSVAA49J132047370",
        "amount": "1,200.00元",
        "disbursed_on": "2025年12月20日",
        "settled_on": "2026年11月22日",
        "issued_on": "2026年11月23日",
    }
    assert "paid in full on 22 November 2026" in english.read_text("utf-8")
    again = registry.night(DAY)
    assert (again["queued"], files(registry)) == (0, pages)
    assert registry.run("audit", "verify").code == 0


def test_a_payment_taken_back_ends_it(registry: Desk) -> None:
    export(registry, [loan(0)], paid(0))
    registry.night(DAY)
    (page,) = files(registry)
    kept, number = page.read_bytes(), check(registry, page, code=0)["number"]
    export(registry, [loan(0, day=NEXT)], [*paid(0), back(0)])
    night = registry.run("run", "--as-of", NEXT, "--now", f"{NEXT}T02:00:00+08:00").out
    assert "certificate_voided" in night
    assert "Loans: L0" in " ".join(night.split())
    assert files(registry) == []
    received = registry.folder / "received.html"
    received.write_bytes(kept)
    for what in (received, page.stem, number):
        found = check(registry, what)
        assert (found["check"], found["void_reason"]) == ("void", "open_again")
    assert [row["state"] for row in registry.messages("--notice", "loan_settled")] == ["cancelled"]
    export(registry, [loan(0, day=NEXT)], [*paid(0), back(0), f"X,L0,{NEXT},100.00"])
    registry.night(NEXT, at="03:00")
    (anew,) = files(registry)
    fresh = check(registry, anew, code=0)
    assert fresh["number"] > number
    assert anew.stem != page.stem
    assert check(registry, received)["check"] == "void"


def test_what_was_changed_is_found_and_named(registry: Desk) -> None:
    export(registry, [loan(0)], paid(0))
    registry.night(DAY)
    (page,) = files(registry)
    text, forged = page.read_text("utf-8"), registry.folder / "forged.html"
    number = check(registry, page, code=0)["number"]
    for old, new, differs in (
        ("1,200.00元", "9,200.00元", ["amount"]),
        ("孙建国", "孙建图", ["borrower"]),
        ("2026年11月22日", "2026年11月21日", ["settled_on"]),
        (number, number[:-3] + "9" + number[-2:], ["number"]),
        (page.stem[:4], "0000", ["code"]),
        ("#888", "#889", []),
    ):
        assert old in text
        forged.write_text(text.replace(old, new), encoding="utf-8")
        found = check(registry, forged)
        assert (found["check"], found["number"], found["differs"]) == ("changed", number, differs), new
    code = check(registry, page, code=0)["facts"]["code"]
    assert check(registry, code, "--number", number, code=0)["check"] == "valid"
    assert check(registry, code, "--number", number[:-1] + "0")["differs"] == ["number"]
    other = code[:-1] + ("1" if code[-1] != "1" else "2")
    assert [check(registry, what)["check"] for what in (other, "nonsense", "0" * 16)] == [
        "mistyped",
        "mistyped",
        "unknown",
    ]
    (registry.folder / "letter.html").write_text("<p>Dear customer</p>", encoding="utf-8")
    assert check(registry, "letter.html")["check"] == "unknown"
    shown = registry.run("certificate", "verify", str(forged), code=1).out
    assert "内容已被改动" in shown
    assert "no such file" in registry.run("certificate", "verify", "gone.pdf", code=2).err


def test_every_byte_and_every_digit(registry: Desk) -> None:
    """One byte of a page, one of many of a PDF, one character of the code: none passes for valid."""
    export(registry, [loan(0)], paid(0))
    make(registry, "L0", "--pdf")
    pdf, page = sorted(files(registry), key=lambda path: path.suffix, reverse=True)
    app = build_app(registry.folder / "config.yaml")
    with app.open_ledger() as ledger, ledger.read() as tx:
        for path, step, looked_at in ((page, 1, 400), (pdf, 61, 6_100)):
            content = path.read_bytes()
            for at in range(0, len(content), step):
                changed = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
                assert certificate_desk.is_known(tx, changed) is False
                if at % looked_at == 0:
                    found = certificate_desk.check_content(app, tx, changed, "")
                    assert found.check is Check.CHANGED, at
            assert certificate_desk.is_known(tx, content)
        code = page.stem
        for at in range(len(code)):
            for sign in set(ALPHABET) - {code[at]}:
                wrong = code[:at] + sign + code[at + 1 :]
                assert certificate_desk.check_text(app, tx, wrong).check is Check.MISTYPED


def test_what_is_not_sure_is_refused(registry: Desk) -> None:
    rows = [loan(0), loan(1, "settled", in_dispute="1"), loan(2, "settled"), loan(3)]
    export(registry, rows, [*paid(1, 2, 3), back(2), "Q,L3,soon,100.00"])
    reasons = (Refusal.NOT_SETTLED, Refusal.DISPUTED, Refusal.TAKEN_BACK, Refusal.INCOMPLETE)
    for number, refusal in enumerate(reasons):
        done = registry.run("certificate", f"L{number}", "--as-of", DAY, code=1)
        assert done.err == f"loan L{number}: no certificate: {refusal}: {refusal.chinese}\n"
    assert "in no table" in registry.run("certificate", "L9", "--as-of", DAY, code=2).err
    assert files(registry) == []


def test_a_clerk_makes_one_and_a_duplicate(registry: Desk) -> None:
    export(registry, [loan(0), loan(1)], paid(0))
    first = make(registry, "L0")
    assert (first["new"], first["copy"], make(registry, "L0")) == (True, 0, first | {"new": False})
    original = (registry.folder / first["files"]).read_bytes()
    registry.run("certificate", "L0", "--duplicate", code=2)
    second = make(registry, "L0", "--duplicate", "--reason", "lost")
    assert (second["number"], second["code"], second["copy"]) == (first["number"], first["code"], 1)
    assert "补发（第1次）" in Path(second["files"]).read_text("utf-8")
    assert check(registry, second["files"], code=0)["copy"] == 1
    (registry.folder / "first.html").write_bytes(original)
    assert check(registry, "first.html", code=0)["copy"] == 0
    Path(second["files"]).unlink()
    assert make(registry, "L0")["files"] == second["files"]
    assert check(registry, second["files"], code=0)["copy"] == 1
    export(registry, [loan(0, name="孙建图"), loan(1)], paid(0))
    refused = registry.run("certificate", "L0", "--as-of", DAY, "--duplicate", "--reason", "lost", code=2)
    assert "say otherwise of borrower" in refused.err
    assert registry.run("certificate", "revoke", first["number"], "--reason", "wrong name").out.startswith(
        "void"
    )
    registry.run("certificate", "revoke", first["code"], "--reason", "again", code=2)
    assert make(registry, "L0")["number"] > first["number"]
    listed = registry.run("certificate", "list", "--format", "json").json
    assert [(row["loan_id"], row["state"]) for row in listed] == [("L0", "valid"), ("L0", "void")]
    assert listed[0]["void_at"] is None
    registry.run("ledger", "erase", "--customer", "C0", "--yes")
    assert files(registry) == []
    found = check(registry, "first.html")
    assert (found["check"], found["facts"]) == ("void", {})


def test_the_pdf_is_text_that_can_be_found(registry: Desk) -> None:
    if shutil.which("pdftotext") is None:
        pytest.skip("needs pdftotext: apt-get install poppler-utils")
    change(registry, pdf=True)
    export(registry, [loan(0), loan(1)], paid(0, 1))
    assert registry.night(DAY)["findings"] == {}
    texts = {}
    for path in files(registry):
        if path.suffix == ".pdf":
            done = subprocess.run(["pdftotext", str(path), "-"], capture_output=True, check=True)
            texts[path] = re.sub(r"\s+", "", done.stdout.decode())
            assert path.stat().st_size < 60_000
            assert check(registry, path, code=0)["check"] == "valid"
    chinese, english = sorted(texts.values(), key=lambda text: "Settlement" in text)
    for part in (
        "贷款结清证明",
        "孙建国",
        "110***********1234",
        "1,200.00元",
        "2026年11月22日结清",
        "验证码：",
    ):
        assert part in chinese
    assert "JohnSmith(IDnumber110***********1234)waspaidinfullon22November2026" in english
    forged = registry.folder / "forged.pdf"
    path = next(iter(texts))
    forged.write_bytes(path.read_bytes().replace(b"/Keywords", b"/Keyw0rds"))
    assert check(registry, forged)["check"] == "changed"


def test_a_name_that_no_font_has_gets_a_page(registry: Desk) -> None:
    change(registry, pdf=True)
    export(registry, [loan(3)], paid(3))
    assert registry.night(DAY)["findings"] == {"certificate_failed": 1}
    (page,) = files(registry)
    assert "䶮𠮷" in page.read_text("utf-8")
    assert BASE + page.stem in told(registry)["3"]


def test_without_the_extra(registry: Desk) -> None:
    export(registry, [loan(0)], paid(0))
    with mock.patch.dict("sys.modules", {"typst": None}):
        certificate.has_pdf.cache_clear()
        try:
            refused = registry.run("certificate", "L0", "--as-of", DAY, "--pdf", code=2)
            assert 'pip install "carloan-notify[pdf]"' in refused.err
            change(registry, pdf=True)
            assert registry.night(DAY)["findings"] == {"certificate_failed": 1}
            (page,) = files(registry)
            assert check(registry, page, code=0)["check"] == "valid"
        finally:
            certificate.has_pdf.cache_clear()


def test_what_cannot_be_made_stops_no_night(registry: Desk) -> None:
    """A message never leads to what is not there; the next night makes up for it."""
    export(registry, [loan(0), loan(1)], paid(0, 1))
    change(registry, id_column="passport")
    assert registry.night(DAY)["findings"] == {"certificate_failed": 2}
    assert "结清证明可联系我们领取" in told(registry)["0"]
    change(registry, id_column="id_no")
    (registry.folder / "certificates").write_text("in the way", encoding="utf-8")
    export(registry, [loan(0), loan(1), loan(2)], paid(0, 1, 2))
    night = registry.night(DAY, at="03:00")
    assert night["findings"] == {"certificate_failed": 3}
    assert "http" not in told(registry)["2"]
    (registry.folder / "certificates").unlink()
    (registry.folder / "certificates").symlink_to(registry.folder / "export")
    assert "not a folder of its own" in registry.run("certificate", "L0", "--as-of", DAY, code=2).err
    (registry.folder / "certificates").unlink()
    template = registry.folder / "templates" / "zh-CN" / "certificate.html"
    template.write_text("<p>{{ borrower }} {{ wrong }}</p>", encoding="utf-8")
    assert registry.night(DAY, at="04:00")["findings"] == {"certificate_failed": 2}
    template.write_text("<p>{{ borrower }} {{ code }}</p>", encoding="utf-8")
    assert registry.night(DAY, at="05:00")["findings"] == {}
    assert len(files(registry)) == 3
    numbers = [row["number"] for row in registry.run("certificate", "list", "--format", "json").json]
    assert [number[8:14] for number in numbers] == ["000003", "000002", "000001"]


def test_a_night_makes_so_many_and_the_next_the_others(registry: Desk) -> None:
    change(registry, per_night=1)
    export(registry, [loan(0), loan(1, in_dispute="1"), loan(2)], paid(0, 1, 2))
    found = registry.night(DAY)["findings"]
    assert found == {"certificate_later": 1, "certificate_withheld": 1}
    assert BASE in told(registry)["0"]
    assert BASE not in told(registry)["2"]
    registry.night(DAY, at="03:00")
    assert len(files(registry)) == 2


def test_without_an_address_the_message_reads_well(registry: Desk) -> None:
    """And where only payments say that a loan is settled, its certificate waits."""
    registry.configure(messages=options(registry)["messages"] | {"certificate_link_base": ""})
    change(registry, wait_days=2)
    export(registry, [loan(0, "settled"), loan(1)], paid(0, 1))
    registry.night(DAY)
    assert "请办理解除抵押。结清证明可联系我们领取。" in told(registry)["0"]
    assert files(registry) == [page_of(registry, "孙建国")]
    assert "核验真伪请向我公司提供验证码" in files(registry)[0].read_text("utf-8")
    assert Refusal.NOT_YET in registry.run("certificate", "L1", "--as-of", DAY, code=1).err


def test_a_message_leads_to_what_a_clerk_made(registry: Desk) -> None:
    """Nights make none; an erased one has no page any more."""
    change(registry, nightly=False)
    export(registry, [loan(0), loan(1), loan(2)], paid(0, 1, 2))
    code = Path(make(registry, "L0")["files"]).stem
    make(registry, "L2")
    registry.run("ledger", "erase", "--customer", "C2", "--yes")
    registry.night(DAY)
    texts = told(registry)
    assert BASE + code in texts["0"]
    assert [BASE in texts[number] for number in "12"] == [False, False]
    assert "what it says was erased" in registry.run("certificate", "L2", "--as-of", DAY, code=2).err


def test_an_id_number_is_masked() -> None:
    numbers = ("110101199003071234", "110101900307123", "E12345678", "7", "")
    assert [masked_id(number) for number in numbers] == [
        "110***********1234",
        "110********7123",
        "****78",
        "****7",
        "",
    ]


def test_a_file_that_cannot_be_removed_is_told_and_void_all_the_same(registry: Desk) -> None:
    export(registry, [loan(0)], paid(0))
    registry.night(DAY)
    (page,) = files(registry)
    page.unlink()
    page.mkdir()  # as little to be unlinked as a file on a disk that is read only
    export(registry, [loan(0, day=NEXT)], [*paid(0), back(0)])
    findings = registry.night(NEXT)["findings"]
    assert (findings["certificate_voided"], findings["certificate_failed"]) == (1, 1)
    assert check(registry, page.stem)["check"] == "void"


def test_a_list_of_none_has_its_columns(registry: Desk) -> None:
    registry.run("ledger", "migrate")
    assert registry.run("certificate", "list", "--format", "csv").out.startswith("number,loan_id,state,")
