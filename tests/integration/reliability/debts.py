"""What is owed by whom on each day, by dates and ifs: the plain model that a night is held against.

Loans run without interest in equal parts, a week apart, so that each answer can be worked out by hand.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

SHANGHAI: Final = "Asia/Shanghai"
LOS_ANGELES: Final = "America/Los_Angeles"

TERMS: Final = 12
PART: Final = 10_000
"""Minor units of each installment."""
WEEK: Final = timedelta(days=7)
CATCH_UP: Final = 2


@dataclass(frozen=True)
class Rule:
    """When a notice fires: `before` days before a due date, `late` days after it, or for each payment (`thanks`)."""

    notice: str
    channel: str
    roles: tuple[str, ...]
    before: int | None = None
    late: int = 0
    thanks: bool = False

    @property
    def days(self) -> range:
        """Days to the due date, past due or since the payment, on which it may be told."""
        if self.before is not None:
            return range(max(self.before - CATCH_UP, min(self.before, 1)), self.before + 1)
        return range(self.late, self.late + CATCH_UP + 1)

    @property
    def chases(self) -> bool:
        """Whether it is of class collection."""
        return self.before is None and not self.thanks


RULES: Final = (
    Rule("due_in_3", "sms", ("borrower",), before=3),
    Rule("due_today", "sms", ("borrower", "co_borrower"), before=0),
    Rule("overdue_1", "voice", ("borrower",), late=1),
    Rule("overdue_1", "sms", ("borrower",), late=1),
    Rule("overdue_1", "sms", ("co_borrower",), late=1),
    Rule("overdue_3", "sms", ("borrower", "guarantor"), late=3),
    Rule("payment_received", "sms", ("borrower",), thanks=True),
)
REPLACES: Final = {"overdue_3": "overdue_1"}


@dataclass
class Person:
    """A contact of a customer; a borrower stands in the loan itself."""

    role: str
    name: str
    phone: str
    refuses: bool = False


@dataclass
class Loan:
    """Twelve equal parts, a week apart."""

    loan_id: str
    customer_id: str
    first_due_on: date
    phone: str
    name: str = "钱一"
    zone: str = SHANGHAI

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
    refusing: set[str] = field(default_factory=set)
    """Customers whose borrower is marked do-not-contact."""

    def numbers(self, loan: Loan, role: str) -> dict[str, bool]:
        """Who may be reached in a role: each number, and whether any of those who have it there refuses."""
        if role == "borrower":
            return {loan.phone: loan.customer_id in self.refusing}
        here = [person for person in self.people.get(loan.customer_id, ()) if person.role == role]
        return {p.phone: any(o.refuses for o in here if o.phone == p.phone) for p in here}

    def names(self, loan: Loan, role: str) -> set[str]:
        """The names of other parties in a role."""
        return {person.name for person in self.people.get(loan.customer_id, ()) if person.role == role}

    def taken_back(self) -> set[str]:
        """Ids of payments that were taken back, each by a later row of the opposite amount, the latest first."""
        rows = sorted(self.payments, key=lambda p: (p.paid_on, p.amount < 0, p.payment_id), reverse=True)
        # Of the rows of a day, reversals are the latest.
        waiting, gone = Counter[tuple[str, int]](), set[str]()
        for row in rows:
            if row.amount < 0:
                waiting[row.loan_id, -row.amount] += 1
            elif waiting[row.loan_id, row.amount]:
                waiting[row.loan_id, row.amount] -= 1
                gone.add(row.payment_id)
        return gone

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

    def fired(self, rule: Rule, day: date, known: date | None = None) -> Iterator[Told]:
        """What the rule calls for on a day, whoever is to hear it, by the payments `known` by a day (that day)."""
        for loan in self.loans:
            yield from self._of(rule, loan, day, known or day)

    def owed(self, rule: Rule, loan: Loan, due_on: date, day: date, known: date) -> Told | None:
        """What the rule has to say of one installment on a day; None when it has nothing to say."""
        told = self._of(rule, loan, day, known)
        return next((one for one in told if loan.due_on(one.number) == due_on), None)

    def named(self, loan_id: str) -> Loan:
        """The loan of that id."""
        return next(loan for loan in self.loans if loan.loan_id == loan_id)

    def roles(self, loan: Loan) -> set[str]:
        """Who there is to hear of a loan."""
        return {"borrower"} | {person.role for person in self.people.get(loan.customer_id, ())}

    def _of(self, rule: Rule, loan: Loan, day: date, known: date) -> Iterator[Told]:
        if rule.thanks:
            return self._thanks(rule, loan, day)
        told = self._late if rule.before is None else self._coming
        return told(rule, loan, day, known)

    def _thanks(self, rule: Rule, loan: Loan, day: date) -> Iterator[Told]:
        gone = self.taken_back()
        for paid in self.payments:
            stands = paid.loan_id == loan.loan_id and paid.amount > 0 and paid.payment_id not in gone
            if stands and (day - paid.paid_on).days in rule.days:
                yield Told(loan, 0, paid.amount, 0)

    def _coming(self, rule: Rule, loan: Loan, day: date, known: date) -> Iterator[Told]:
        for number in range(1, TERMS + 1):
            days, unpaid = (loan.due_on(number) - day).days, self.unpaid(loan, number, known)
            if days in rule.days and unpaid:
                yield Told(loan, number, unpaid, days)

    def _late(self, rule: Rule, loan: Loan, day: date, known: date) -> Iterator[Told]:
        """The oldest unpaid installment names the notice; all that is overdue is asked."""
        late = [n for n in range(1, TERMS + 1) if loan.due_on(n) < day and self.unpaid(loan, n, known)]
        if late and (days := (day - loan.due_on(late[0])).days) in rule.days:
            yield Told(loan, late[0], sum(self.unpaid(loan, n, known) for n in late), days)
