"""The script a lender would write: pandas, row by row, dateutil, Jinja2 and sqlite3; fairly written, same messages.

It walks along the due dates with dateutil, takes the installment from its formula, writes one transaction a night,
and tells nothing twice by a UNIQUE key. It checks nothing, encrypts nothing and proves nothing.

Run: `python -m benchmarks.night.script JOB`, with a `plain.Job`.
"""

import json
import sqlite3
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import pandas as pd
from dateutil.relativedelta import relativedelta

from benchmarks.night.plain import Job, Links, Words

STAGES: Final = ((30, "overdue_30"), (15, "overdue_15"), (7, "overdue_7"), (3, "overdue_3"), (1, "overdue_1"))
CALLED: Final = ("overdue_1", "overdue_15")
CATCH_UP: Final = 2
BUREAU_DAYS: Final = 25
REMINDER_DAYS: Final = range(5, 8)
Notice = tuple[str, str, dict[str, Any], str]
"""Its name, its channel, what it says, and what makes it told once."""


def read(path: str) -> pd.DataFrame:
    """A table as text; Parquet keeps its types."""
    if Path(path).suffix == ".parquet":
        return pd.read_parquet(path)
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def level(principal: int, rate: float, term: int) -> int:
    """The equal installment in cents."""
    monthly = rate / 12
    return round(principal * monthly / (1 - (1 + monthly) ** -term))


def last_installment(principal: int, rate: float, term: int, each: int) -> int:
    """What clears the loan in the end."""
    balance = principal
    for _ in range(term - 1):
        balance += int(balance * rate / 12 + 0.5) - each
    return balance + int(balance * rate / 12 + 0.5)


def notices(row: Any, paid: int, today: date, links: Links) -> Iterator[Notice]:  # noqa: ANN401 - a row of pandas
    """What an active loan's borrower must hear today."""
    first, term = date.fromisoformat(str(row["first_due_on"])[:10]), int(row["term_months"])
    principal, rate = round(float(row["principal"]) * 100), float(row["annual_rate"])
    each = level(principal, rate, term)
    met = min(paid // each, term)
    passed = 0
    while passed < term and first + relativedelta(months=passed) < today:
        passed += 1
    if met < passed:
        owed = each * passed
        if passed == term:
            owed += last_installment(principal, rate, term, each) - each
        yield from overdue(row, first + relativedelta(months=met), met + 1, owed - paid, today, links)
    coming = max(met, passed)
    if coming == term:
        return
    due = first + relativedelta(months=coming)
    days = (due - today).days
    if days == 0 or days in REMINDER_DAYS:
        amount = last_installment(principal, rate, term, each) if coming == term - 1 else each
        values = said(row, links, due, coming + 1, amount) | {"days_to_due": days}
        yield "due_in_7_days" if days else "due_today", "sms", values, str(coming + 1)


def overdue(row: Any, due: date, number: int, owed: int, today: date, links: Links) -> Iterator[Notice]:  # noqa: ANN401
    """The stage that a late loan has reached."""
    days = (today - due).days
    values = said(row, links, due, number, owed) | {"days_past_due": days}
    for first, notice in STAGES:
        if first <= days <= first + CATCH_UP:
            yield notice, "sms", values, str(number)
            if notice in CALLED:
                yield notice, "voice", values, str(number)
            break
    if BUREAU_DAYS <= days <= BUREAU_DAYS + CATCH_UP:
        yield "credit_bureau_notice", "sms", values, str(number)


def said(row: Any, links: Links, due: date, number: int, amount: int) -> dict[str, Any]:  # noqa: ANN401
    """What every notice of an installment says."""
    return {
        **of_loan(row),
        "installment_no": number,
        "due_on": due,
        "amount": amount,
        "pay_link": links.pay(row["loan_id"], row["phone"]),
    }


def of_loan(row: Any) -> dict[str, Any]:  # noqa: ANN401
    """What every notice says."""
    return {
        "borrower_name": row["borrower_name"],
        "contract_tail": row["loan_id"][-4:],
        "account_tail": row["account_tail"],
    }


def received(row: Any, payments: list[tuple[str, date, int]]) -> Iterator[Notice]:  # noqa: ANN401
    """Thanks for the payments of the last days, or for the last of all."""
    settled = row["status"] == "settled"
    for payment_id, paid_on, amount in payments[-1:] if settled else payments:
        values = {**of_loan(row), "occurred_on": paid_on, "amount": amount}
        yield "loan_settled" if settled else "payment_received", "sms", values, payment_id


class Payments:
    """What was paid on each loan, and what came in the last days."""

    def __init__(self, job: Job, loans: pd.DataFrame) -> None:
        """Read the table, or the column that stands for it."""
        self.recent: dict[str, list[tuple[str, date, int]]] = {}
        if not job.payments:
            amounts = (loans["paid_to_date"].astype(float) * 100).round().astype(int)
            self.total = dict(zip(loans["loan_id"], amounts, strict=True))
            return
        table = read(job.payments)
        table = table.assign(cents=(table["amount"].astype(float) * 100).round().astype(int))
        self.total = table.groupby("loan_id")["cents"].sum().to_dict()
        since = (job.day - timedelta(days=CATCH_UP)).isoformat()
        for _, row in table[table["paid_on"].astype(str) >= since].iterrows():
            came = (row["payment_id"], date.fromisoformat(str(row["paid_on"])[:10]), row["cents"])
            self.recent.setdefault(row["loan_id"], []).append(came)


def night(job: Job) -> int:
    """The whole night; how many messages."""
    loans = read(job.loans)
    words, links, payments = Words(job), Links(job), Payments(job, loans)
    told = sqlite3.connect(job.told)
    told.execute(
        "CREATE TABLE IF NOT EXISTS told (key TEXT UNIQUE, loan TEXT, phone TEXT, notice TEXT, body TEXT)"
    )
    texts = []
    for _, row in loans.iterrows():
        loan_id = row["loan_id"]
        due = list(received(row, payments.recent.get(loan_id, [])))
        if row["status"] == "active":
            due += notices(row, int(payments.total.get(loan_id, 0)), job.day, links)
        for notice, channel, values, about in due:
            key = f"{loan_id}|{about}|{notice}|{channel}"
            if told.execute("SELECT 1 FROM told WHERE key = ?", (key,)).fetchone():
                continue
            text = words.writer(notice, channel)(values)
            told.execute(
                "INSERT INTO told VALUES (?, ?, ?, ?, ?)", (key, loan_id, row["phone"], notice, text)
            )
            texts.append((loan_id, notice, channel, text))
    told.commit()
    told.close()
    if job.words:
        Path(job.words).write_text(json.dumps(texts, ensure_ascii=False), encoding="utf-8")
    return len(texts)


if __name__ == "__main__":
    print(json.dumps({"messages": night(Job.read(Path(sys.argv[1])))}))
