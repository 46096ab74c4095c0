"""The lender's own schedule is the truth; where it differs from the recomputed one, the night says so."""

from tests.e2e.conftest import Desk
from tests.e2e.test_two_cases import LATE, LOANS


def test_supplied_schedule_is_used_and_its_differences_are_told(desk: Desk) -> None:
    desk.configure(
        sources={
            "loans": {"path": "export/loans.csv", "fictitious_phones": True},
            "installments": {"path": "export/installments.csv"},
        },
        schedule={"basis": "supplied"},
    )
    desk.write("loans", LOANS, [f"{LATE},2026-11-23"])
    rows = [f"L-LATE,{n},2026-{n + 2:02d}-10,1000.00,0.00,1000.00,1000.00" for n in range(1, 9)]
    rows += ["L-LATE,9,2026-11-23,1000.00,2.50,1002.50,0.00"]  # the lender moved it, and charges for it
    rows += [
        f"L-LATE,{n},{2026 + (n + 2) // 13}-{(n + 1) % 12 + 1:02d}-10,1000.00,0.00,1000.00,0.00"
        for n in (10, 11, 12)
    ]
    header = "loan_id,installment_no,due_on,principal_due,interest_due,total_due,paid_amount"
    desk.write("installments", header, rows)
    night = desk.night("2026-11-23")
    assert night["by_notice"] == {"due_today.sms": 1}
    (line,) = night["schedule_differences"]
    assert line.startswith(
        "L-LATE: installment 9: due 2026-11-23 (computed 2026-11-10), total +250 minor units"
    )
    (told,) = desk.messages("--reveal", "--reason", "test")
    assert "1,002.50元" in told["text"]
    compared = desk.run("schedule", "L-LATE", "--compare", "--as-of", "2026-11-23", "--format", "json").json
    assert [(row["installment_no"], row["total_difference"]) for row in compared] == [(9, "2.50")]
