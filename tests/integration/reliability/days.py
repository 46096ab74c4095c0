"""Days of a small lender, drawn by Hypothesis: what nights, files, payments and people may do, and what must hold.

After every step each message that left is held against the plain model of `debts`, at the moment of its leaving
(`oracle`).
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.integration.reliability.debts import (
    CATCH_UP,
    LOS_ANGELES,
    PART,
    SHANGHAI,
    Book,
    Loan,
    Payment,
    Person,
)
from tests.integration.reliability.oracle import Oracle
from tests.integration.reliability.small_lender import ZONE, SmallLender, later

START: Final = datetime(2026, 11, 23, 2, 0, tzinfo=ZONE)
PHONES: Final = tuple(f"1000000000{n}" for n in range(1, 6))
NAMES: Final = ("李二", "王五", "赵六")
HOURS: Final = ((10, 0), (8, 0), (15, 30), (20, 59), (7, 59), (21, 0))

NIGHTS: Final = ("tonight's", "tonight's, twice", "late", "missed", "last night's", "both")


@dataclass(frozen=True)
class Edit:
    """A change of the files; each kind takes of it what it needs."""

    kind: str
    pick: int
    days: int
    amount: int
    customer: str
    role: str
    name: str
    phone: str


phones = st.sampled_from(PHONES)
edits = st.lists(
    st.builds(
        Edit,
        kind=st.sampled_from(
            (
                "pays",
                "pays",
                "pays",
                "pays",
                "bounces",
                "signs",
                "is_renamed",
                "moves",
                "leaves",
                "borrower_moves",
                "vanishes",
                "is_corrected",
                "refuses",
                "somebody_refuses",
                "emigrates",
            )
        ),
        pick=st.integers(0, 11),
        days=st.sampled_from((0, 0, -1, -3, 1, 2)),
        amount=st.sampled_from((0, PART, PART // 2, PART // 4, 1)),
        customer=st.sampled_from(("C1", "C2")),
        role=st.sampled_from(("guarantor", "co_borrower")),
        name=st.sampled_from(NAMES),
        phone=phones,
    ),
    min_size=1,
    max_size=4,
)


class Days(RuleBasedStateMachine):
    """A lender of three loans; the clock only goes forward."""

    def __init__(self) -> None:
        """Nothing is there yet."""
        super().__init__()
        self.place = tempfile.TemporaryDirectory()
        self.made = 0

    @initialize(
        first=st.lists(st.integers(-4, 4), min_size=3, max_size=3),
        shared=st.booleans(),
        partner=phones,
        zone=st.sampled_from((SHANGHAI, LOS_ANGELES)),
    )
    def found(self, first: Sequence[int], shared: bool, partner: str, zone: str) -> None:  # noqa: FBT001 - drawn
        """Two loans of one customer, which may fall due together, and one of another, who may live elsewhere."""
        due = [START.date() + timedelta(days=days) for days in first]
        due[1] = due[0] if shared else due[1]
        loans = [
            Loan(f"L-000{n + 1}", customer, due[n], phone)
            for n, (customer, phone) in enumerate((("C1", PHONES[0]), ("C1", PHONES[0]), ("C2", PHONES[1])))
        ]
        loans[2].zone = zone
        book = Book(loans, people={"C1": [Person("co_borrower", "李二", partner)], "C2": []})
        self.lender = SmallLender(Path(self.place.name), book, START)
        self.oracle = Oracle(self.lender)
        self._night(START.date())

    def teardown(self) -> None:
        """Go on for as many nights as anything may be caught up: then everything has an end."""
        try:
            if hasattr(self, "lender"):
                self._go_on()
        finally:
            self.place.cleanup()

    @property
    def book(self) -> Book:
        """What the files say."""
        return self.lender.book

    # Days and nights.

    @rule(night=st.sampled_from(NIGHTS), between=edits, hour=st.sampled_from(HOURS), late=edits)
    def day(self, night: str, between: Sequence[Edit], hour: tuple[int, int], late: Sequence[Edit]) -> None:
        """The next day: its night, files that change, what is sent, files that change again."""
        self.lender.now = later(self.lender.now, 1, 2)
        if night in {"last night's", "both"}:
            self._night(self.lender.today - timedelta(days=1))
        if night in {"tonight's", "both", "tonight's, twice"}:
            self._night(self.lender.today)
        self.change(between)
        if night in {"late", "tonight's, twice"}:
            self.lender.now = later(self.lender.now, 0, 9, 30)
            self._night(self.lender.today)
        self.send(hour)
        self.change(late)

    @rule()
    def made_up_night(self) -> None:
        """Last night's, at whatever hour of today."""
        self._night(self.lender.today - timedelta(days=1))

    @rule(first=st.booleans())
    def two_nights(self, first: bool) -> None:  # noqa: FBT001 - drawn
        """The next day, at two and at three: tonight's, and last night's made up before or after it."""
        self.lender.now = later(self.lender.now, 1, 2)
        last = self.lender.today - timedelta(days=1)
        self._night(last if first else self.lender.today)
        self.lender.now = later(self.lender.now, 0, 3)
        self._night(self.lender.today if first else last)

    @precondition(lambda self: self.lender.now.hour < 21)
    @rule()
    def early_night(self) -> None:
        """At half past nine in the evening: what it tells is read tomorrow."""
        self.lender.now = later(self.lender.now, 0, 21, 30)
        self._night(self.lender.today)

    @rule(hour=st.sampled_from(HOURS))
    def send(self, hour: tuple[int, int]) -> None:
        """Send, today at that time or now if it is over."""
        self.lender.now = max(self.lender.now, later(self.lender.now, 0, *hour))
        self._send()

    # Files that change.

    @rule(changes=edits)
    def change(self, changes: Sequence[Edit]) -> None:
        """Money comes or bounces; somebody signs, moves, is renamed or leaves."""
        for edit in changes:
            getattr(self, f"_{edit.kind}")(edit)

    def _pays(self, edit: Edit) -> None:
        """Money of some day, also of one to come: all that is open by then, or a part, or more."""
        loan = self.book.loans[edit.pick % len(self.book.loans)]
        on = self.lender.today + timedelta(days=edit.days)
        amount = edit.amount or self.book.open_until(loan, on + timedelta(days=edit.pick % 4))
        if amount:
            self._book_payment(loan.loan_id, on, amount)

    def _bounces(self, edit: Edit) -> None:
        """A payment is taken back, on its own day or later, once."""
        paid = [p for p in self.book.payments if p.amount > 0 and not self._bounced(p)]
        if paid:
            one = paid[-1 - edit.pick % len(paid)]
            on = max(one.paid_on, self.lender.today + timedelta(days=edit.days))
            self._book_payment(one.loan_id, on, -one.amount, one.payment_id)

    def _signs(self, edit: Edit) -> None:
        self.book.people[edit.customer].append(Person(edit.role, edit.name, edit.phone))

    def _is_renamed(self, edit: Edit) -> None:
        for one in self._somebody(edit):
            one.name = edit.name

    def _moves(self, edit: Edit) -> None:
        for one in self._somebody(edit):
            one.phone = edit.phone

    def _leaves(self, edit: Edit) -> None:
        for one in self._somebody(edit):
            self.book.people[edit.customer].remove(one)

    def _borrower_moves(self, edit: Edit) -> None:
        self.book.loans[edit.pick % len(self.book.loans)].phone = edit.phone

    def _vanishes(self, edit: Edit) -> None:
        """A payment's row is gone, and with it what took it back."""
        if paid := [p for p in self.book.payments if p.amount > 0]:
            one = paid[-1 - edit.pick % len(paid)].payment_id
            self.book.payments = [
                p for p in self.book.payments if p.payment_id != one and not p.payment_id.endswith(f"-{one}")
            ]

    def _is_corrected(self, edit: Edit) -> None:
        """A payment that stands has another amount now."""
        paid = [p for p in self.book.payments if p.amount > 0 and not self._bounced(p)]
        if paid and edit.amount:
            one = paid[-1 - edit.pick % len(paid)]
            self.book.payments[self.book.payments.index(one)] = replace(one, amount=edit.amount)

    def _refuses(self, edit: Edit) -> None:
        """A borrower is marked do-not-contact, or no longer."""
        self.book.refusing ^= {edit.customer}

    def _somebody_refuses(self, edit: Edit) -> None:
        for one in self._somebody(edit):
            one.refuses = not one.refuses

    def _emigrates(self, _: Edit) -> None:
        """The customer of one loan lives elsewhere now, or again."""
        loan = self.book.loans[2]
        loan.zone = SHANGHAI if loan.zone == LOS_ANGELES else LOS_ANGELES

    def _somebody(self, edit: Edit) -> list[Person]:
        people = self.book.people[edit.customer]
        return [people[edit.pick % len(people)]] if people else []

    # What is done, and looked at.

    def _night(self, as_of: date) -> None:
        self.oracle.check_left(self.lender.night(as_of))
        self.oracle.check_fired(as_of)
        self.oracle.check_ended()

    def _send(self) -> None:
        self.oracle.check_left(self.lender.send())
        self.oracle.check_ended()
        self.oracle.check_waiting()

    def _book_payment(self, loan_id: str, on: date, amount: int, of: str = "") -> None:
        self.made += 1
        self.book.payments.append(Payment(f"P{self.made}{'-' + of if of else ''}", loan_id, on, amount))

    def _bounced(self, payment: Payment) -> bool:
        return any(p.payment_id.endswith(f"-{payment.payment_id}") for p in self.book.payments)

    def _go_on(self) -> None:
        for _ in range(CATCH_UP + 2):
            self.day("tonight's", [], (10, 0), [])
        last = {row["idempotency_key"]: row for row in self.lender.decisions()}
        over = str(self.lender.today - timedelta(days=CATCH_UP + 1))
        first: dict[str, str] = {}
        for row in self.lender.decisions():
            first.setdefault(row["idempotency_key"], row["as_of"])
        held = [row for key, row in last.items() if row["decision"] == "held" and first[key] < over]
        assert not held, held


def walk(lives: int, steps: int) -> None:
    """So many lenders, each for at most so many steps."""
    slow = [HealthCheck.too_slow]
    run_state_machine_as_test(
        Days,
        settings=settings(
            max_examples=lives, stateful_step_count=steps, deadline=None, suppress_health_check=slow
        ),
    )
