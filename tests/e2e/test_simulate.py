"""`simulate` against the nights themselves, two configurations side by side, and what it refuses."""

from collections import Counter
from datetime import date, timedelta
from typing import Any, Final

import pytest
import yaml

from carloan_notify.pipeline.simulate import MOST_DAYS
from tests.e2e import tiny
from tests.e2e.conftest import Desk

FIRST: Final = date(2026, 11, 23)
NIGHTS: Final = 5
LOANS: Final = (
    tiny.Loan("A", "2026-10-23", phone="10000000001"),  # due today, pays in time
    tiny.Loan("B", "2026-10-23", phone="10000000002"),  # due today, pays three days late
    tiny.Loan("C", "2026-10-30", phone="10000000003"),  # due in seven days, never pays
    tiny.Loan("D", "2026-10-22", phone="10000000004"),  # one day late on the first night
)
FEW: Final = [word for name in ("no_new_payments", "message_count", "cost") for word in ("--accept", name)]
"""Four loans are too few for the guards of a real night."""
MADE: Final = ("P1,A,2026-11-23,100.00", "P2,B,2026-11-26,100.00", "P3,D,2026-11-24,40.00")


def simulated(desk: Desk, *args: str, code: int = 0) -> Any:
    last = FIRST + timedelta(days=NIGHTS - 1)
    days = ("--from", FIRST.isoformat(), "--to", last.isoformat())
    return desk.run("simulate", *days, "--now", tiny.NOON, "--format", "json", *args, code=code).json


def test_it_sends_what_the_nights_themselves_send(desk: Desk) -> None:
    before = tiny.october(LOANS)
    tiny.export(desk, LOANS, before)
    payments = desk.write("later", tiny.PAYMENTS, MADE)
    foretold = simulated(desk, "--payers", str(payments))
    real: Counter[tuple[str, str]] = Counter()
    for number in range(NIGHTS):
        day = FIRST + timedelta(days=number)
        made = [row for row in MADE if row.split(",")[2] < day.isoformat()]
        tiny.export(desk, LOANS, [*before, *made], day=day.isoformat())
        counts = desk.night(day.isoformat(), *FEW)
        desk.send(f"{day}T12:00:00+08:00")
        real.update({(day.isoformat(), name): number for name, number in counts["by_notice"].items()})
        assert (
            next(row for row in foretold["days"] if row["day"] == day.isoformat())["sent"] == counts["queued"]
        )
    by_notice: Counter[str] = Counter()
    for (_, name), number in real.items():
        by_notice[name] += number
    assert {
        f"{row['notice']}.{row['channel']}": row["sent"] for row in foretold["notices"] if row["sent"]
    } == by_notice
    assert foretold["total"]["sent"] == sum(by_notice.values()) > NIGHTS


def overdue(told: Any) -> int:
    return sum(row["sent"] for row in told["notices"] if row["notice"].startswith("overdue"))


def test_everybody_pays_and_nobody_pays(desk: Desk) -> None:
    tiny.export(desk, LOANS, tiny.october(LOANS))
    none, all_ = simulated(desk), simulated(desk, "--payers", "everybody")
    overdue = [
        sum(row["sent"] for row in each["notices"] if row["notice"].startswith("overdue"))
        for each in (none, all_)
    ]
    assert overdue[0] > overdue[1] > 0  # D is late on the first night whatever comes
    for told in (none, all_):
        for name in ("sent", "parts", "withheld"):
            assert sum(row[name] for row in told["days"]) == told["total"][name]
            assert sum(row[name] for row in told["notices"]) == told["total"][name]
    assert not (desk.folder / "ledger.db").exists()


def test_two_configurations_side_by_side_as_table_csv_and_page(desk: Desk) -> None:
    tiny.export(desk, LOANS, tiny.october(LOANS))
    other = yaml.safe_load((desk.folder / "config.yaml").read_text(encoding="utf-8"))
    other["rules"] = [rule for rule in other["rules"] if rule["notice"] != "due_in_7_days"]
    (desk.folder / "other.yaml").write_text(yaml.safe_dump(other, allow_unicode=True), encoding="utf-8")
    days = ("--from", "2026-11-23", "--to", "2026-11-24", "--now", tiny.NOON, "--against", "other.yaml")
    first, second = desk.run("simulate", *days, "--format", "json").json
    assert [each["name"] for each in (first, second)] == ["config.yaml", "other.yaml"]
    assert first["total"]["sent"] > second["total"]["sent"]
    assert "due_in_7_days" not in {row["notice"] for row in second["notices"]}
    table = desk.run("simulate", *days, "--language", "zh").out
    assert "未发" in table
    assert "发送 ②" in table
    rows = desk.run("simulate", *days, "--format", "csv", "--html", "page.html").out.splitlines()
    assert rows[0] == "configuration,day,notice,channel,outcome,reason,notices,parts,cost"
    assert {row.split(",")[0] for row in rows[1:]} == {"config.yaml", "other.yaml"}
    page = (desk.folder / "page.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "http" not in page
    assert page.count("<i class=two") == 2


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--to", "2026-11-01"), "lies before --from"),
        (("--to", "2036-01-01"), f"at most {MOST_DAYS}"),
        (("--payers", "some"), "neither nobody, everybody, ledger nor a file"),
        (("--payers", "ledger"), "has not yet seen"),
        (("--payers", "export/wrong.csv"), "export/wrong.csv:3"),
    ],
)
def test_what_it_refuses(desk: Desk, args: tuple[str, ...], said: str) -> None:
    tiny.export(desk, LOANS, tiny.october(LOANS))
    desk.write("wrong", tiny.PAYMENTS, ["P1,A,2026-11-24,1.00", "P2,A,2026-11-24,much"])
    done = desk.run("simulate", "--from", "2026-11-23", "--now", tiny.NOON, *args, code=2)
    assert said in done.err


def test_a_snapshot_has_no_days_to_come(desk: Desk) -> None:
    desk.configure(schedule={"basis": "snapshot"})
    desk.write(
        "loans",
        "loan_id,customer_id,borrower_name,phone,status,language,timezone,next_due_date,amount_due,overdue_amount,days_past_due",
        ["A,A,钱一,10000000001,active,zh-CN,Asia/Shanghai,2026-11-23,100.00,0,0"],
    )
    assert (
        "snapshot knows no day to come"
        in desk.run("simulate", "--from", "2026-11-23", "--now", tiny.NOON, code=2).err
    )
