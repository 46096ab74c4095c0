"""The two borrowers of the article the product was made for, over several nights, through the simulator."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from carloan_notify.config.example import sample_values
from carloan_notify.delivery.simulator.server import Simulator
from carloan_notify.delivery.simulator.settings import simulator_settings
from carloan_notify.records import Channel
from tests.e2e.conftest import Desk, Lender

LOANS = (
    "loan_id,customer_id,borrower_name,phone,principal,annual_rate,term_months,disbursed_on,first_due_on,due_day,"
    "repayment_method,status,language,timezone,account_tail,data_date"
)
PAYMENTS = "payment_id,loan_id,paid_on,amount"
# 12 000 over 12 months without interest: every installment is 1 000.00.
LATE = "L-LATE,C1,孙思远,10000000001,12000.00,0,12,2026-02-10,2026-03-10,10,等额本息,正常,zh-CN,Asia/Shanghai,6789"
LAST = "L-LAST,C2,李静怡,10000000002,12000.00,0,12,2025-11-10,2025-12-10,10,等额本息,正常,zh-CN,Asia/Shanghai,4321"


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


@pytest.fixture
def two_loans(desk: Desk, simulator: Simulator) -> Lender:
    values = sample_values()
    values["sources"] = {
        "loans": {"path": "export/loans.csv", "fictitious_phones": True},
        "payments": {"path": "export/payments.csv"},
    }
    values["delivery"] = {
        "channels": {"sms": ["sim_sms"], "voice": ["sim_voice"]},
        "providers": {f"sim_{channel}": simulator_settings(simulator.url, channel) for channel in Channel},
    }
    (desk.folder / "config.yaml").write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    return desk


def export(lender: Lender, day: str, paid_late: int, paid_last: int, extra: tuple[str, ...] = ()) -> None:
    """The lender's export of a day: so many installments paid by each of the two."""
    lender.write("loans", LOANS, [f"{LATE},{day}", f"{LAST},{day}"])
    rows = [f"A{n},L-LATE,2026-{n + 2:02d}-09,1000.00" for n in range(1, paid_late + 1)]
    months = ["2025-12", *(f"2026-{month:02d}" for month in range(1, 12))]
    rows += [f"B{n},L-LAST,{months[n - 1]}-10,1000.00" for n in range(1, paid_last + 1)]
    lender.write("payments", PAYMENTS, [*rows, *extra])


def told(lender: Lender, loan_id: str) -> list[tuple[str, str, str]]:
    """Every message about a loan, oldest first: notice, channel, state."""
    rows = sorted(lender.messages("--loan", loan_id), key=lambda row: (row["queued_at"], row["channel"]))
    return [(row["notice"], row["channel"], row["state"]) for row in rows]


def texts(lender: Lender, loan_id: str, notice: str) -> list[str]:
    rows = lender.messages("--loan", loan_id, "--notice", notice, "--reveal", "--reason", "test")
    return [row["text"] for row in rows]


def test_overdue_bill_then_voice_and_second_sms_then_paid(two_loans: Lender, simulator: Simulator) -> None:
    lender = two_loans
    export(lender, "2026-11-10", paid_late=8, paid_last=11)
    lender.night("2026-11-10")
    lender.send("2026-11-10T09:30:00+08:00")
    assert told(lender, "L-LATE") == [("due_today", "sms", "accepted")]
    (bill,) = texts(lender, "L-LATE", "due_today")
    assert bill.startswith("【安达车贷】")
    for part in (
        "孙思远",
        "11月10日",
        "1,000.00元",
        "尾号6789",
        "https://pay.example.com/p/",
        "400-000-0000",
    ):
        assert part in bill

    # No payment arrives: the next day a voice reminder and a second SMS, on two channels.
    export(lender, "2026-11-11", paid_late=8, paid_last=12)
    lender.night("2026-11-11")
    lender.send("2026-11-11T08:30:00+08:00")
    assert told(lender, "L-LATE")[1:] == [("overdue_1", "sms", "queued"), ("overdue_1", "voice", "queued")]
    lender.send("2026-11-11T10:00:00+08:00")
    assert told(lender, "L-LATE")[1:] == [("overdue_1", "sms", "queued"), ("overdue_1", "voice", "accepted")]
    lender.send("2026-11-11T11:05:00+08:00")  # no receipt of the call within the hour
    assert told(lender, "L-LATE")[1:] == [
        ("overdue_1", "sms", "accepted"),
        ("overdue_1", "voice", "accepted"),
    ]
    seen = [simulator.gateway.message(row["message_id"]) for row in lender.messages("--notice", "overdue_1")]
    channels = [message["channel"] for message in seen if message]
    assert sorted(channels) == ["sms", "voice"]

    # Day 3 is queued by night; the payment comes before the messages leave: what waits is cancelled.
    export(lender, "2026-11-13", paid_late=8, paid_last=12)
    lender.night("2026-11-13")
    assert told(lender, "L-LATE")[-1] == ("overdue_3", "sms", "queued")
    export(lender, "2026-11-13", paid_late=9, paid_last=12)
    assert lender.send("2026-11-13T10:00:00+08:00")["cancelled"] == 1
    assert told(lender, "L-LATE")[-1] == ("overdue_3", "sms", "cancelled")

    # The ladder has stopped: the next nights are silent but for the thanks.
    export(lender, "2026-11-14", paid_late=9, paid_last=12)
    night = lender.night("2026-11-14")
    assert not [name for name in night["by_notice"] if name.startswith("overdue")]
    lender.send("2026-11-14T10:00:00+08:00")
    assert simulator.gateway.stats()["duplicates"] == 0


def test_payment_known_by_night_stops_the_ladder_that_night(two_loans: Lender) -> None:
    lender = two_loans
    export(lender, "2026-11-11", paid_late=8, paid_last=12)
    lender.night("2026-11-11")
    assert [state for _, _, state in told(lender, "L-LATE")] == ["queued", "queued"]
    export(lender, "2026-11-12", paid_late=9, paid_last=12, extra=())
    lender.night("2026-11-12")
    assert [state for _, _, state in told(lender, "L-LATE")[:2]] == ["cancelled", "cancelled"]
    assert lender.send("2026-11-12T10:00:00+08:00")["unknown"] == 0


def test_last_installment_paid_thanks_and_certificate_once(two_loans: Lender, simulator: Simulator) -> None:
    lender = two_loans
    for day in ("2026-11-11", "2026-11-12", "2026-11-13"):
        export(lender, day, paid_late=9, paid_last=12)
        lender.night(day)
        lender.send(f"{day}T10:00:00+08:00")
    assert told(lender, "L-LAST") == [("loan_settled", "sms", "accepted")]
    (text,) = texts(lender, "L-LAST", "loan_settled")
    assert text.startswith("【安达车贷】")
    for part in ("李静怡", "结清", "感谢", "https://pay.example.com/c/"):
        assert part in text
    for word in ("优惠", "拒收请回复R"):
        assert word not in text
    assert simulator.gateway.stats()["duplicates"] == 0


def test_receipts_come_back_once_however_often_they_are_pulled(two_loans: Lender) -> None:
    lender = two_loans
    export(lender, "2026-11-10", paid_late=8, paid_last=11)
    lender.night("2026-11-10", at="10:00")
    pulled = lender.run("receipts", "pull", "--format", "json").json
    assert sum(row["settled"] for row in pulled) == 2
    again = lender.run("receipts", "pull", "--format", "json").json
    assert sum(row["settled"] for row in again) == 0
    assert {row["state"] for row in lender.messages()} == {"delivered"}


def test_folder_is_all_it_takes(two_loans: Lender, tmp_path: Path) -> None:
    """Nothing is written outside the lender's folder."""
    before = set(tmp_path.iterdir())
    export(two_loans, "2026-11-10", paid_late=8, paid_last=11)
    two_loans.night("2026-11-10")
    assert set(tmp_path.iterdir()) == before
