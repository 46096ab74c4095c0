"""A lender with a handful of interest-free loans: what is said of each can be read off a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from tests.e2e.conftest import Desk

AS_OF: Final = "2026-11-23"
NOON: Final = "2026-11-23T10:00:00+08:00"
LOANS: Final = (
    "loan_id,customer_id,borrower_name,phone,product,principal,annual_rate,term_months,disbursed_on,"
    "first_due_on,due_day,repayment_method,status,language,timezone,account_tail,data_date"
)
PAYMENTS: Final = "payment_id,loan_id,paid_on,amount"
CONTACTS: Final = "customer_id,role,name,phone,language,timezone"


@dataclass(frozen=True)
class Loan:
    """12 equal parts of `principal` without interest, of which none is paid unless a payment says so."""

    loan_id: str
    first_due_on: str
    principal: int = 1200
    customer_id: str = ""
    phone: str = "10000000001"
    account_tail: str = "1111"

    def row(self, day: str) -> str:
        """The loan as a line of the export of `day`."""
        due_day = self.first_due_on[-2:]
        return (
            f"{self.loan_id},{self.customer_id or self.loan_id},钱一,{self.phone},car,{self.principal},0,12,"
            f"2026-05-01,{self.first_due_on},{due_day},equal_principal,active,zh-CN,Asia/Shanghai,"
            f"{self.account_tail},{day}"
        )


def export(
    desk: Desk,
    loans: Sequence[Loan],
    payments: Sequence[str] = (),
    contacts: Sequence[str] = (),
    *,
    day: str = AS_OF,
) -> None:
    """Write the whole export of a day."""
    desk.write("loans", LOANS, [loan.row(day) for loan in loans])
    desk.write("payments", PAYMENTS, payments)
    desk.write("changes", "change_id,loan_id,type,effective_on,value")
    desk.write("events", "event_id,loan_id,type,occurred_at,amount,detail")
    desk.write("contacts", CONTACTS, contacts)


def only_sms(desk: Desk) -> None:
    """Take the voice rules out."""
    rules = options(desk)["rules"]
    desk.configure(rules=[rule for rule in rules if rule.get("channel", "sms") == "sms"])


def options(desk: Desk) -> dict[str, Any]:
    """The configuration as it stands."""
    values: dict[str, Any] = yaml.safe_load((desk.folder / "config.yaml").read_text(encoding="utf-8"))
    return values


def preview(desk: Desk, as_of: str = AS_OF, now: str = NOON) -> list[dict[str, Any]]:
    """Every notice of a night with its decision and its text."""
    rows: list[dict[str, Any]] = desk.run("preview", "--as-of", as_of, "--now", now, "--format", "json").json
    return rows


def texts(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The texts of the messages among them."""
    return [row["text"] for row in rows if row["text"]]


def october(loans: Sequence[Loan]) -> list[str]:
    """Payments of the installments of October, for loans that began with one."""
    return [f"O-{loan.loan_id},{loan.loan_id},{loan.first_due_on},{loan.principal // 12}" for loan in loans]
