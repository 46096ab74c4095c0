"""Days of a small lender, drawn by Hypothesis: what nights, files, payments and people may do, and what must hold.

After every step each message that left is held against the plain model of `debts`, at the moment of its leaving.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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

from carloan_notify.ledger.views import Stored
from carloan_notify.notices.endings import EXPIRED
from tests.integration.reliability.debts import CATCH_UP, PART, RULES, Book, Loan, Payment, Person, Rule, Told
from tests.integration.reliability.small_lender import ZONE, SmallLender, later, read

START: Final = datetime(2026, 11, 23, 2, 0, tzinfo=ZONE)
PHONES: Final = tuple(f"1000000000{n}" for n in range(1, 6))
NAMES: Final = ("李二", "王五", "赵六")
HOURS: Final = ((10, 0), (8, 0), (15, 30), (20, 59), (7, 59), (21, 0))
OPEN: Final = {"queued", "claimed", "sending", "retryable"}
AHEAD: Final = "payment_ahead"

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
        self.told: set[tuple[object, ...]] = set()
        self.settled: set[str] = set()
        self.made = 0

    @initialize(
        first=st.lists(st.integers(-4, 4), min_size=3, max_size=3),
        shared=st.booleans(),
        partner=phones,
    )
    def found(self, first: Sequence[int], shared: bool, partner: str) -> None:  # noqa: FBT001 - drawn
        """Two loans of one customer, which may fall due together, and one of another."""
        due = [START.date() + timedelta(days=days) for days in first]
        due[1] = due[0] if shared else due[1]
        loans = [
            Loan(f"L-000{n + 1}", customer, due[n], phone)
            for n, (customer, phone) in enumerate((("C1", PHONES[0]), ("C1", PHONES[0]), ("C2", PHONES[1])))
        ]
        book = Book(loans, people={"C1": [Person("co_borrower", "李二", partner)], "C2": []})
        self.lender = SmallLender(Path(self.place.name), book, START)
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

    def _somebody(self, edit: Edit) -> list[Person]:
        people = self.book.people[edit.customer]
        return [people[edit.pick % len(people)]] if people else []

    # What is done, and looked at.

    def _night(self, as_of: date) -> None:
        self._check_left(self.lender.night(as_of))
        self._check_fired(as_of)
        self._check_ended()

    def _send(self) -> None:
        self._check_left(self.lender.send())
        self._check_ended()
        self._check_waiting()

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

    # Never untrue, never twice, never after paid, never at night.

    def _check_left(self, left: Sequence[Stored]) -> None:
        now, today = self.lender.now, self.lender.today
        for message in left:
            assert (8, 0) <= (now.hour, now.minute) < (21, 0), f"{message.notice} left at {now}"
            assert str(message.channel) == "sms" or 9 <= now.hour < 20
            self._check_true(message, today)
            self._check_once(message)

    def _check_true(self, message: Stored, today: date) -> None:
        found = rule_of(message)
        owed = [self._owed(found, loan, due, today) for loan, due in covered(message)]
        told = [one for one in owed if one is not None]
        what = f"{message.notice} on {today} to {message.phone}: {message.rendered.text}, owed: {owed}"
        assert told, what
        assert len(told) == len(owed), what
        said, first = read(message.rendered.text), told[0]
        assert said.amount == sum(one.amount for one in told), what
        assert said.loan_count == len({one.loan.loan_id for one in told}), what
        assert {said.due_on} == {one.loan.due_on(one.number) for one in told}, what
        assert said.days_to_due == (said.due_on - today).days, what
        assert said.days_past_due == (first.days if found.chases else 0), what
        numbers = {one.number for one in told}
        assert said.installment_no == (numbers.pop() if len(numbers) == 1 else 0), what
        if found.chases:
            assert not any(self.book.paid_ahead(one.loan, today) for one in told), what

    def _owed(self, found: Rule, loan_id: str, due: date, today: date) -> Told | None:
        return self.book.owed(found, self.book.named(loan_id), due, today)

    def _check_once(self, message: Stored) -> None:
        for loan, due in covered(message):
            head = (message.notice, str(message.channel), loan, due)
            keys = {(*head, message.phone)} | ({(*head, "borrower")} if message.role == "borrower" else set())
            assert not keys & self.told, f"told twice: {keys & self.told}"
            self.told |= keys

    # Every notice that fires is decided, and everything that is decided ends.

    def _check_fired(self, as_of: date) -> None:
        """The night decided what the model calls for, and nothing else but ends of what was held."""
        rows = [row for row in self.lender.decisions() if row["run_id"] == self.lender.run_id]
        mine = [row for row in rows if not row["reason"].startswith(EXPIRED)]
        decided = {(r["notice"], r["channel"], r["role"], r["loan_id"], r["installment_no"]) for r in mine}
        called = {
            (each.notice, each.channel, role, told.loan.loan_id, told.number)
            for each in RULES
            for told in self.book.fired(each, as_of)
            for role in set(each.roles) & self.book.roles(told.loan)
        }
        assert decided == called

    def _check_waiting(self) -> None:
        """What could leave now and did not is held for a reason that the files give."""
        now = self.lender.now
        for row in self.lender.messages():
            if row["state"] in OPEN and instant(row["not_before"]) <= now:
                assert now < instant(row["expires_at"]), row
                message = self.lender.stored(row["message_id"])
                loans = [self.book.named(loan) for loan, _ in covered(message)]
                doubted = any(self.book.paid_ahead(loan, now.date()) for loan in loans)
                assert rule_of(message).chases, row
                assert doubted, row

    def _check_ended(self) -> None:
        """What was cancelled since the last look was owed no more."""
        today = self.lender.today
        for row in self.lender.messages():
            if row["state"] != "cancelled" or row["message_id"] in self.settled:
                continue
            self.settled.add(row["message_id"])
            message = self.lender.stored(row["message_id"])
            owed = [self._owed(rule_of(message), loan, due, today) for loan, due in covered(message)]
            assert not any(owed), f"{message.notice} was cancelled on {today}: {row['code']}, owed: {owed}"


def walk(lives: int, steps: int) -> None:
    """So many lenders, each for at most so many steps."""
    slow = [HealthCheck.too_slow]
    run_state_machine_as_test(
        Days,
        settings=settings(
            max_examples=lives, stateful_step_count=steps, deadline=None, suppress_health_check=slow
        ),
    )


def instant(text: str) -> datetime:
    """An instant as the ledger writes it."""
    return datetime.fromisoformat(text)


def rule_of(message: Stored) -> Rule:
    """The rule that a message was made by."""
    wanted = (message.notice, str(message.channel))
    return next(r for r in RULES if (r.notice, r.channel) == wanted and message.role in r.roles)


def covered(message: Stored) -> Iterator[tuple[str, date]]:
    """Loan and due date of what a message tells, each once."""
    still = [c for c in message.covers if "~" not in c.idempotency_key or message.state == "cancelled"]
    yield from dict.fromkeys((c.loan_id, c.original_due_on) for c in still if c.original_due_on)
