"""A lender's portfolio as it stands on any morning, made partition by partition: seeded, never held whole.

Loans of 24, 36 and 48 months, of every age, that fall due on the days 1 to 28. One installment of seven is paid up to
five days early, eleven of two hundred up to four weeks late, and six loans of a thousand are not paid any more: of a
million loans about 145,000 messages on the first night and 71,000 on the next.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.night.installments import Dates, Ints, last_of, level_of

PARTITION: Final = 50_000
LONGEST: Final = 48
_TERMS: Final = (24, 36, 48)
_ON_TIME: Final = 0.945
_EARLY: Final = 0.15
_STOPPED: Final = 0.006
_BEGINS: Final = np.datetime64("2026-12", "M")
"""The last month in which a loan of the portfolio has its first installment."""
_EARLY_BOOKED: Final = 10
_LATE_DAYS: Final = ((1, 3, 0.45), (3, 7, 0.25), (7, 15, 0.15), (15, 29, 0.15))
"""From, to (not included) and share of the installments that come late."""
_SURNAMES: Final = pa.array(list("赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏"))
_GIVEN: Final = pa.array([*"伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂", ""])
_PRODUCTS: Final = pa.array(["二手车贷", "新车贷", "新能源车贷"])


@dataclass(frozen=True, slots=True)
class Portfolio:
    """What export is wanted: `loans` of them; `due_day` 0 for every day of the month."""

    loans: int
    seed: int = 11
    due_day: int = 0

    def partitions(self, as_of: date, *, later: bool = False) -> Iterator["Partition"]:
        """The loans of the morning of `as_of`, PARTITION at a time; `later` that day every tenth one has paid."""
        for number, first in enumerate(range(0, self.loans, PARTITION)):
            size = min(PARTITION, self.loans - first)
            yield self._partition(number, first, size).on(as_of, later=later)

    def _partition(self, number: int, first: int, size: int) -> "Partition":
        rng = np.random.default_rng((self.seed, number))
        term = rng.choice(_TERMS, size).astype(np.int64)
        age = (rng.random(size) * (term + 1)).astype(np.int64)
        days = rng.integers(1, 29, size) if not self.due_day else np.full(size, self.due_day)
        principal = rng.integers(36, 300, size) * 100_000
        rate = rng.integers(400, 1200, size)
        level = level_of(principal, rate, term)
        stopped = rng.random(size) < _STOPPED
        return Partition(
            number=first + np.arange(1, size + 1),
            term=term,
            first=(_BEGINS - age).astype("datetime64[D]") + (days - 1),
            principal=principal,
            rate=rate,
            level=level,
            last=last_of(principal, rate, term, level),
            delay=_delays(rng, size),
            stops=np.where(stopped, (rng.random(size) * (age + 1)).astype(np.int64), LONGEST),
            words=rng.integers(0, 2**31, (4, size)),
            paid=np.zeros((size, LONGEST), dtype=bool),
            as_of=np.datetime64("1970-01-01", "D"),
        )


@dataclass(frozen=True, slots=True)
class Partition:
    """Loans by column; `delay` and `paid` by loan and installment. Money in minor units, rates in basis points."""

    number: Ints
    term: Ints
    first: Dates
    principal: Ints
    rate: Ints
    level: Ints
    last: Ints
    delay: Ints
    stops: Ints
    words: Ints
    paid: np.ndarray[Any, np.dtype[np.bool_]]
    as_of: np.datetime64

    def on(self, as_of: date, *, later: bool = False) -> "Partition":
        """The same loans with what was paid before that morning; of every tenth, `later`, that day's payments too."""
        place = np.arange(LONGEST)
        promised = place < np.minimum(self.term, self.stops)[:, None]
        today = np.datetime64(as_of, "D")
        until = today + (later & (self.number % _EARLY_BOOKED == 0)).astype(np.int64)
        return replace(self, paid=promised & (self._paid_on() < until[:, None]), as_of=today)

    def _paid_on(self) -> Dates:
        months = self.first.astype("datetime64[M]")
        day = self.first - months.astype("datetime64[D]")
        due = (months[:, None] + np.arange(LONGEST)).astype("datetime64[D]") + day[:, None]
        return np.asarray(np.maximum(due + self.delay, self._disbursed()[:, None]))

    def _disbursed(self) -> Dates:
        return np.asarray(self.first - 31)

    def _amounts(self) -> Ints:
        place = np.arange(LONGEST)
        return np.where(place == self.term[:, None] - 1, self.last[:, None], self.level[:, None])

    def loans(self, *, paid_to_date: bool) -> pa.Table:
        """The loans table; with what was paid to date as a column where there is no payments table."""
        count = self.paid.sum(axis=1)
        columns = {
            "loan_id": _numbered("AD", self.number),
            "customer_id": _numbered("C", self.number),
            "borrower_name": self._names(),
            "phone": _numbered("100", self.number, 8),
            "product": _PRODUCTS.take(pa.array(self.words[3] % len(_PRODUCTS))),
            "principal": _money(self.principal),
            "annual_rate": _decimal(self.rate, 4),
            "term_months": pa.array(self.term),
            "disbursed_on": pa.array(self._disbursed()),
            "first_due_on": pa.array(self.first),
            "due_day": pa.array((self.first - self.first.astype("datetime64[M]")).astype(np.int64) + 1),
            "repayment_method": _constant("equal_installment", len(self.number)),
            "status": pa.array(np.where(count == self.term, "settled", "active")),
            "language": _constant("zh-CN", len(self.number)),
            "timezone": _constant("Asia/Shanghai", len(self.number)),
            "account_tail": _numbered("", self.words[0] % 10_000, 4),
            "data_date": pa.array(np.full(len(self.number), self.as_of)),
        }
        if paid_to_date:
            columns["paid_to_date"] = _money((self._amounts() * self.paid).sum(axis=1))
        return pa.table(columns)

    def _names(self) -> pa.Array:
        surname, first, second = self.words[:3]
        parts = [
            _SURNAMES.take(pa.array(surname % len(_SURNAMES))),
            _GIVEN.take(pa.array(first % (len(_GIVEN) - 1))),
            _GIVEN.take(pa.array(second % len(_GIVEN))),
        ]
        return pc.binary_join_element_wise(*parts, "")

    def payments(self) -> pa.Table:
        """What was paid, in the order in which it came."""
        loan, place = np.nonzero(self.paid)
        days = self._paid_on()[loan, place]
        order = np.argsort(days, kind="stable")
        loan, place = loan[order], place[order]
        return pa.table(
            {
                "payment_id": _numbered("P", self.number[loan] * 100 + place, 12),
                "loan_id": _numbered("AD", self.number[loan]),
                "paid_on": pa.array(days[order]),
                "amount": _money(self._amounts()[loan, place]),
            }
        )


def _delays(rng: np.random.Generator, size: int) -> Ints:
    """Days from each installment's due date to its payment."""
    shape = (size, LONGEST)
    early = -rng.integers(0, 6, shape) * (rng.random(shape) < _EARLY)
    drawn, late = rng.random(shape), np.zeros(shape, dtype=np.int64)
    begin = _ON_TIME
    for first, end, share in _LATE_DAYS:
        width = (1 - _ON_TIME) * share
        inside = (drawn >= begin) & (drawn < begin + width)
        late[inside] = first + ((drawn[inside] - begin) / width * (end - first)).astype(np.int64)
        begin += width
    return np.where(drawn < _ON_TIME, early, late)


def _numbered(prefix: str, numbers: Ints, digits: int = 9) -> pa.Array:
    texts = pc.utf8_lpad(pa.array(numbers).cast(pa.string()), digits, "0")
    return pc.binary_join_element_wise(prefix, texts, "")


def _constant(text: str, size: int) -> pa.Array:
    return pa.repeat(text, size)


def _money(minor: Ints) -> pa.Array:
    return _decimal(minor, 2)


def _decimal(units: Ints, digits: int) -> pa.Array:
    """Whole units (none negative) of the last digit as a decimal column, exactly: its buffer holds 128-bit integers."""
    words = np.stack([units, np.zeros_like(units)], axis=1)
    return pa.Array.from_buffers(pa.decimal128(18, digits), len(units), [None, pa.py_buffer(words.tobytes())])
