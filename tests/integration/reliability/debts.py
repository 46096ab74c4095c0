"""What is owed by whom on each day, by dates and ifs: the plain model that a night is held against.

Loans run without interest in equal parts, a week apart, so that each answer can be worked out by hand.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

TERMS: Final = 12
PART: Final = 10_000
"""Minor units of each installment."""
WEEK: Final = timedelta(days=7)
CATCH_UP: Final = 2


@dataclass(frozen=True)
class Rule:
    """When a notice fires: `before` days before a due date, or `late` days after it."""

    notice: str
    channel: str
    roles: tuple[str, ...]
    before: int | None = None
    late: int = 0

    @property
    def days(self) -> range:
        """Days to the due date, or past due, on which it may be told."""
        if self.before is not None:
            return range(max(self.before - CATCH_UP, min(self.before, 1)), self.before + 1)
        return range(self.late, self.late + CATCH_UP + 1)

    @property
    def chases(self) -> bool:
        """Whether it is of class collection."""
        return self.before is None


RULES: Final = (
    Rule("due_in_3", "sms", ("borrower",), before=3),
    Rule("due_today", "sms", ("borrower", "co_borrower"), before=0),
    Rule("overdue_1", "voice", ("borrower",), late=1),
    Rule("overdue_1", "sms", ("borrower",), late=1),
    Rule("overdue_1", "sms", ("co_borrower",), late=1),
    Rule("overdue_3", "sms", ("borrower", "guarantor"), late=3),
)


@dataclass
class Person:
    """A contact of a customer; a borrower stands in the loan itself."""

    role: str
    name: str
    phone: str


@dataclass
class Loan:
    """Twelve equal parts, a week apart."""

    loan_id: str
    customer_id: str
    first_due_on: date
    phone: str
    name: str = "钱一"

    def due_on(self, number: int) -> date:
        """When installment `number` (from 1) falls due."""
        return self.first_due_on + (number - 1) * WEEK


@dataclass(frozen=True)
class Payment:
    """Money in, or taken back where it is negative, on its date."""

    payment_id: str
    loan_id: str
    paid_on: date
    amount: int


@dataclass(frozen=True)
class Told:
    """What one notice is about: an installment of a loan, how much is asked, and days to due or past due."""

    loan: Loan
    number: int
    amount: int
    days: int


@dataclass
class Book:
    """Everything that the lender's files say at one moment."""

    loans: list[Loan] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    people: dict[str, list[Person]] = field(default_factory=dict)

    def unpaid(self, loan: Loan, number: int, day: date) -> int:
        """Minor units of an installment that are open on a day; money goes to the oldest first."""
        paid = sum(p.amount for p in self.payments if p.loan_id == loan.loan_id and p.paid_on <= day)
        return min(PART, max(0, number * PART - paid))

    def open_until(self, loan: Loan, day: date) -> int:
        """All that has fallen due by a day and is open on it."""
        due = [n for n in range(1, TERMS + 1) if loan.due_on(n) <= day]
        return sum(self.unpaid(loan, n, day) for n in due)

    def paid_ahead(self, loan: Loan, today: date) -> bool:
        """Whether the files know a payment that is dated after today."""
        return any(p.loan_id == loan.loan_id and p.paid_on > today for p in self.payments)

    def fired(self, rule: Rule, day: date) -> Iterator[Told]:
        """What the rule calls for on a day, whoever is to hear it."""
        for loan in self.loans:
            told = self._coming(rule, loan, day) if rule.before is not None else self._late(rule, loan, day)
            yield from told

    def owed(self, rule: Rule, loan: Loan, due_on: date, day: date) -> Told | None:
        """What the rule has to say of one installment on a day; None when it has nothing to say."""
        told = (told for told in self.fired(rule, day) if told.loan is loan)
        return next((one for one in told if loan.due_on(one.number) == due_on), None)

    def named(self, loan_id: str) -> Loan:
        """The loan of that id."""
        return next(loan for loan in self.loans if loan.loan_id == loan_id)

    def roles(self, loan: Loan) -> set[str]:
        """Who there is to hear of a loan."""
        return {"borrower"} | {person.role for person in self.people.get(loan.customer_id, ())}

    def _coming(self, rule: Rule, loan: Loan, day: date) -> Iterator[Told]:
        for number in range(1, TERMS + 1):
            days, unpaid = (loan.due_on(number) - day).days, self.unpaid(loan, number, day)
            if days in rule.days and unpaid:
                yield Told(loan, number, unpaid, days)

    def _late(self, rule: Rule, loan: Loan, day: date) -> Iterator[Told]:
        """The oldest unpaid installment names the notice; all that is overdue is asked."""
        late = [n for n in range(1, TERMS + 1) if loan.due_on(n) < day and self.unpaid(loan, n, day)]
        if late and (days := (day - loan.due_on(late[0])).days) in rule.days:
            yield Told(loan, late[0], sum(self.unpaid(loan, n, day) for n in late), days)
