"""Who must hear what, in numpy: the least arithmetic that gives the same notices as the default rules."""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from benchmarks.night.installments import Dates, Ints, last_of, level_of

CATCH_UP: Final = 2
STAGES: Final = ((1, "overdue_1"), (3, "overdue_3"), (7, "overdue_7"), (15, "overdue_15"), (30, "overdue_30"))
CALLED: Final = ("overdue_1", "overdue_15")
BUREAU_DAYS: Final = 25
REMINDER_DAYS: Final = 7
_LOANS: Final = (
    "loan_id", "customer_id", "borrower_name", "phone", "principal", "annual_rate", "term_months", "first_due_on",
    "status", "account_tail",
)  # fmt: skip
_TEXTS: Final = ("loan_id", "customer_id", "borrower_name", "phone", "status", "account_tail")


def read_table(path: str, columns: tuple[str, ...]) -> pa.Table:
    """The columns of a CSV or Parquet file that are needed; money and rates as float64."""
    if Path(path).suffix == ".parquet":
        return pq.ParquetFile(path).read(columns=list(columns))
    types = {name: pa.string() for name in (*_TEXTS, "payment_id")}
    return csv.read_csv(
        path, convert_options=csv.ConvertOptions(include_columns=list(columns), column_types=types)
    )


@dataclass(frozen=True)
class Due:
    """Notices of one kind, by column: the place of their loans, what they say and of which installment."""

    notice: str
    channel: str
    loan: Ints
    installment_no: Ints
    amount: Ints
    due_on: Dates
    days_past_due: Ints
    event: pa.Array | None = None
    """The payment that is told, else None; then `due_on` is the day on which it came."""


@dataclass(frozen=True)
class Book:
    """The loans as read, and what was paid on each."""

    table: pa.Table
    paid: Ints
    payments: pa.Table | None

    def text(self, name: str) -> pa.Array:
        """A text column."""
        return self.table.column(name)

    def numbers(self, name: str, scale: int = 1) -> Ints:
        """A column of numbers in units of 1 / `scale`."""
        return _integers(self.table.column(name), scale)


def read_book(loans: str, payments: str) -> Book:
    """Read the tables of a morning."""
    if not payments:
        table = read_table(loans, (*_LOANS, "paid_to_date"))
        return Book(table, _integers(table.column("paid_to_date"), 100), None)
    table = read_table(loans, _LOANS)
    paid = read_table(payments, ("payment_id", "loan_id", "paid_on", "amount"))
    loan = _positions(paid.column("loan_id"), table.column("loan_id"))
    sums = np.bincount(loan, weights=_integers(paid.column("amount"), 100), minlength=table.num_rows)
    return Book(table, sums.astype(np.int64), paid)


def _positions(ids: pa.ChunkedArray, among: pa.ChunkedArray) -> Ints:
    """Where each of `ids` stands `among` others."""
    return np.asarray(pc.index_in(ids, value_set=among)).astype(np.int64)


def due_notices(book: Book, as_of: date) -> list[Due]:
    """Every notice that the default rules call for, told before or not."""
    today = np.datetime64(as_of, "D")
    first = np.asarray(book.table.column("first_due_on")).astype("datetime64[D]")
    term, principal, rate = (
        book.numbers("term_months"),
        book.numbers("principal", 100),
        book.numbers("annual_rate", 10_000),
    )
    level = level_of(principal, rate, term)
    months = first.astype("datetime64[M]")
    day = first - months.astype("datetime64[D]")
    month = today.astype("datetime64[M]")
    passed = (month - months).astype(np.int64) + (today - month.astype("datetime64[D]") > day)
    passed = np.clip(passed, 0, term)
    met = np.minimum(book.paid // level, term)
    active = np.asarray(pc.equal(book.text("status"), pa.scalar("active")))
    grid = _Grid(months, day, term, level, principal, rate)
    late = np.flatnonzero(active & (met < passed))
    coming = np.flatnonzero(active & (np.maximum(met, passed) < term))
    return [
        *_coming(grid, coming, np.maximum(met, passed)[coming], today),
        *_overdue(grid, late, met[late], grid.owed(late, passed[late]) - book.paid[late], today),
        *_events(book, as_of),
    ]


@dataclass(frozen=True)
class _Grid:
    months: Dates
    day: Any
    term: Ints
    level: Ints
    principal: Ints
    rate: Ints

    def due(self, loan: Ints, place: Ints) -> Dates:
        return np.asarray((self.months[loan] + place).astype("datetime64[D]") + self.day[loan])

    def last(self, loan: Ints) -> Ints:
        return last_of(self.principal[loan], self.rate[loan], self.term[loan], self.level[loan])

    def amount(self, loan: Ints, place: Ints) -> Ints:
        amounts = self.level[loan]
        ends = place == self.term[loan] - 1
        amounts[ends] = self.last(loan[ends])
        return amounts

    def owed(self, loan: Ints, count: Ints) -> Ints:
        """All that had fallen due when `count` installments had."""
        sums = self.level[loan] * count
        ended = count == self.term[loan]
        sums[ended] += self.last(loan[ended]) - self.level[loan[ended]]
        return sums


def _coming(grid: _Grid, loan: Ints, place: Ints, today: np.datetime64) -> list[Due]:
    due = grid.due(loan, place)
    days = (due - today).astype(np.int64)
    found = []
    for notice, chosen in (
        ("due_in_7_days", (days <= REMINDER_DAYS) & (days >= REMINDER_DAYS - CATCH_UP)),
        ("due_today", days == 0),
    ):
        mine, at = loan[chosen], place[chosen]
        found.append(Due(notice, "sms", mine, at + 1, grid.amount(mine, at), due[chosen], np.zeros_like(at)))
    return found


def _overdue(grid: _Grid, loan: Ints, place: Ints, owed: Ints, today: np.datetime64) -> list[Due]:
    due = grid.due(loan, place)
    days = (today - due).astype(np.int64)
    stage = np.zeros(len(days), dtype=np.int64)
    for first, _ in STAGES:  # a later stage takes the place of the ones before it
        stage[(days >= first) & (days <= first + CATCH_UP)] = first
    kinds = [
        (notice, channel, stage == first)
        for first, notice in STAGES
        for channel in (("sms", "voice") if notice in CALLED else ("sms",))
    ]
    kinds.append(("credit_bureau_notice", "sms", (days >= BUREAU_DAYS) & (days <= BUREAU_DAYS + CATCH_UP)))
    return [
        Due(notice, channel, loan[at], place[at] + 1, owed[at], due[at], days[at])
        for notice, channel, at in kinds
    ]


def _events(book: Book, as_of: date) -> list[Due]:
    """Payments of the last days, and loans whose last payment was one of them."""
    if book.payments is None:
        return []
    since = pa.scalar(as_of - timedelta(days=CATCH_UP))
    recent = book.payments.filter(pc.greater_equal(book.payments.column("paid_on"), since))
    loan = _positions(recent.column("loan_id"), book.text("loan_id"))
    paid_on = np.asarray(recent.column("paid_on")).astype("datetime64[D]")
    amount, settled = (
        _integers(recent.column("amount"), 100),
        np.asarray(pc.equal(book.text("status"), pa.scalar("settled"))),
    )
    ends, ids = settled[loan], recent.column("payment_id").combine_chunks()
    found = []
    for notice, chosen in (("payment_received", ~ends), ("loan_settled", ends)):
        nothing = np.zeros(int(chosen.sum()), dtype=np.int64)
        event = ids.filter(pa.array(chosen))
        found.append(
            Due(notice, "sms", loan[chosen], nothing, amount[chosen], paid_on[chosen], nothing, event)
        )
    return found


def _integers(column: pa.ChunkedArray, scale: int) -> Ints:
    if pa.types.is_integer(column.type) and scale == 1:
        return np.asarray(column).astype(np.int64)
    return np.asarray(np.rint(np.asarray(pc.cast(column, pa.float64())) * scale).astype(np.int64))
