"""What must hold of a small lender after each step, held against the plain model of `debts`.

Never untrue on the day where its reader is, never twice, never after paid, never at night, never to a number that is
nobody's any more or to somebody who refuses; and whatever does not leave has a reason in the files.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import pandas as pd

from carloan_notify.ledger.views import Stored
from carloan_notify.notices.decide import Identity, notice_keys
from carloan_notify.notices.endings import EXPIRED
from carloan_notify.records import CoveredNotice
from tests.integration.reliability.debts import REPLACES, RULES, Loan, Payment, Rule, Told
from tests.integration.reliability.small_lender import SmallLender, read, read_name, read_thanks

OPEN: Final = {"queued", "claimed", "sending", "retryable"}
OVER: Final = {"cancelled", "expired", "rejected"}


@dataclass
class Oracle:
    """`told` and `settled` are what it has seen; `paid` every payment that ever stood in the files, by its key."""

    lender: SmallLender
    told: set[tuple[object, ...]] = field(default_factory=set)
    settled: set[str] = field(default_factory=set)
    paid: dict[str, str] = field(default_factory=dict)

    # What left.

    def check_left(self, left: Sequence[Stored]) -> None:
        """At the moment of leaving: true, once, to the right person, by day."""
        stages = {
            (m.notice, loan.loan_id, due, m.role, m.phone) for m in left for loan, due in self.covered(m)
        }
        for notice, *rest in stages:
            assert (REPLACES.get(notice), *rest) not in stages, "two stages of one installment left at once"
        for message in left:
            loans = self.loans(message)
            local = self.lender.now.astimezone(ZoneInfo(loans[0].zone))
            assert (8, 0) <= (local.hour, local.minute) < (21, 0), f"{message.notice} left at {local}"
            assert str(message.channel) == "sms" or 9 <= local.hour < 20
            self._check_person(message, loans)
            if rule_of(message).thanks:
                self._check_thanks(message)
            else:
                self._check_true(message)
                self._check_once(message)

    def _check_person(self, message: Stored, loans: Sequence[Loan]) -> None:
        book = self.lender.book
        for loan in loans:
            assert book.numbers(loan, message.role).get(_number(message)) is False, message.phone
            if message.role != "borrower":
                assert read_name(message.rendered.text) in book.names(loan, message.role)

    def _check_thanks(self, message: Stored) -> None:
        payment = self.payment_of(message)
        assert payment is not None
        assert payment.payment_id not in self.lender.book.taken_back()
        assert read_thanks(message.rendered.text) == (payment.amount, payment.paid_on)
        assert ("thanks", payment.payment_id) not in self.told
        self.told.add(("thanks", payment.payment_id))

    def _check_true(self, message: Stored) -> None:
        found, today = rule_of(message), self.day(self.loans(message)[0])
        owed = [self.owed(found, loan, due) for loan, due in self.covered(message)]
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
            assert not any(self.lender.book.paid_ahead(one.loan, self.lender.today) for one in told), what

    def _check_once(self, message: Stored) -> None:
        for loan, due in self.covered(message):
            rest = (str(message.channel), loan.loan_id, due)
            head = (message.notice, *rest)
            keys = {(*head, message.phone)} | ({(*head, "borrower")} if message.role == "borrower" else set())
            assert not keys & self.told, f"told twice: {keys & self.told}"
            self.told |= keys
            for later in _later(message.notice):
                heard = {(later, channel, *rest[1:], "borrower") for channel in ("sms", "voice")}
                assert message.role != "borrower" or not heard & self.told, (
                    "an earlier stage after a later one"
                )

    # Every notice that fires is decided, and everything that is decided ends.

    def check_fired(self, as_of: date) -> None:
        """The night decided what the model calls for, and nothing else but ends of what was held."""
        book = self.lender.book
        rows = [row for row in self.lender.decisions() if row["run_id"] == self.lender.run_id]
        decided = _kinds(rows)
        called = {
            (each.notice, each.channel, role, told.loan.loan_id, told.number)
            for each in RULES
            for told in book.fired(each, as_of)
            for role in set(each.roles) & book.roles(told.loan)
        }
        assert called <= decided
        assert _kinds(row for row in rows if not row["reason"].startswith(EXPIRED)) <= called

    def check_waiting(self) -> None:
        """What could leave now and did not is held for a reason that the files give."""
        now = self.lender.now
        for row in self.lender.messages():
            if row["state"] in OPEN and datetime.fromisoformat(row["not_before"]) <= now:
                assert now < datetime.fromisoformat(row["expires_at"]), row
                assert any(self._doubts(self.lender.stored(row["message_id"]))), row

    def _doubts(self, message: Stored) -> Iterator[bool]:
        """Reasons to hold: a payment of a day to come, a row or a person that vanished, the hours where it is now."""
        book, found, loans = self.lender.book, rule_of(message), self.loans(message)
        yield found.chases and any(book.paid_ahead(loan, self.lender.today) for loan in loans)
        yield found.thanks and self.payment_of(message) is None
        yield any(_number(message) not in book.numbers(loan, message.role) for loan in loans)
        local = self.lender.now.astimezone(ZoneInfo(loans[0].zone))
        yield not 8 <= local.hour < 21 or (str(message.channel) == "voice" and not 9 <= local.hour < 20)

    def check_ended(self) -> None:
        """What was cancelled since the last look was owed no more, or its person was not to be told it."""
        for row in self.lender.messages():
            if row["state"] == "cancelled" and row["message_id"] not in self.settled:
                self.settled.add(row["message_id"])
                message = self.lender.stored(row["message_id"])
                assert self._is_over(message, row["code"]), f"{message.notice} was cancelled: {row['code']}"

    def _is_over(self, message: Stored, code: str) -> bool:
        found = rule_of(message)
        if code == "superseded":
            return self._is_replaced(message)
        if found.thanks and code == "taken_back":
            payment = self.payment_of(message)
            return payment is not None and payment.payment_id in self.lender.book.taken_back()
        mine = [one for one in self.covered(message) if self._hears(message, one[0])]
        if code in {"number_changed", "refused"}:
            return not mine
        return not found.thanks and not any(self.owed(found, loan, due) for loan, due in mine)

    def _hears(self, message: Stored, loan: Loan) -> bool:
        return self.lender.book.numbers(loan, message.role).get(_number(message)) is False

    def _is_replaced(self, message: Stored) -> bool:
        later = _later(message.notice)
        others = [
            row for row in self.lender.messages() if row["notice"] in later and row["state"] not in OVER
        ]
        told = {one for row in others for one in self._named(self.lender.stored(row["message_id"]))}
        return any(one in told for one in self._named(message))

    def _named(self, message: Stored) -> list[tuple[str, date, str]]:
        return [(loan.loan_id, due, message.role) for loan, due in self.covered(message)]

    # What a message is about.

    def day(self, loan: Loan) -> date:
        """The date where its people are."""
        return self.lender.now.astimezone(ZoneInfo(loan.zone)).date()

    def owed(self, found: Rule, loan: Loan, due: date) -> Told | None:
        """What a rule has to say there and now; the lender knows the payments of its own today."""
        day = self.day(loan)
        return self.lender.book.owed(found, loan, due, day, max(day, self.lender.today))

    def loans(self, message: Stored) -> list[Loan]:
        """The loans that it still tells of."""
        names = dict.fromkeys(c.loan_id for c in _still(message))
        return [self.lender.book.named(name) for name in names]

    def covered(self, message: Stored) -> Iterator[tuple[Loan, date]]:
        """Loan and due date of what a message tells, each once; nothing of a payment."""
        told = dict.fromkeys((c.loan_id, c.original_due_on) for c in _still(message) if c.original_due_on)
        yield from ((self.lender.book.named(loan), due) for loan, due in told if due)

    def payment_of(self, message: Stored) -> Payment | None:
        """The payment that it confirms as the files have it now."""
        for payment in self.lender.book.payments:
            if payment.payment_id not in self.paid.values():
                self.paid[self._key(payment)] = payment.payment_id
        wanted = {self.paid.get(cover.idempotency_key.partition("~")[0]) for cover in message.covers}
        return next((p for p in self.lender.book.payments if p.payment_id in wanted), None)

    def _key(self, payment: Payment) -> str:
        row = {
            "loan_id": payment.loan_id,
            "installment_no": 0,
            "event_id": payment.payment_id,
            "notice": "payment_received",
            "channel": "sms",
            **dict.fromkeys(("person", "phone", "recipient_name"), ""),
            "role": "borrower",
        }
        notices = pd.DataFrame([row]).assign(original_due_on=pd.Series([pd.NaT], dtype="datetime64[s]"))
        lender = Identity(self.lender.settings.lender.record().lender_id, str)
        return str(notice_keys(lender, notices, shared=pd.Series([False]))["idempotency_key"].iloc[0])


def _kinds(rows: Iterable[Mapping[str, Any]]) -> set[tuple[str, str, str, str, int]]:
    return {(r["notice"], r["channel"], r["role"], r["loan_id"], r["installment_no"]) for r in rows}


def _later(notice: str) -> list[str]:
    return [name for name, old in REPLACES.items() if old == notice]


def rule_of(message: Stored) -> Rule:
    """The rule that a message was made by."""
    wanted = (message.notice, str(message.channel))
    return next(r for r in RULES if (r.notice, r.channel) == wanted and message.role in r.roles)


def _number(message: Stored) -> str:
    """Its number as the files write it."""
    return message.phone.removeprefix("+86")


def _still(message: Stored) -> list[CoveredNotice]:
    return [c for c in message.covers if "~" not in c.idempotency_key or message.state == "cancelled"]
