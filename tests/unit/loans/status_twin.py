"""A slow, plain account of one loan: the oracle of allocation, penalty, delinquency and standing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_UP, Decimal, getcontext
from functools import cached_property

from carloan_notify.loans.settings import Rounding
from carloan_notify.loans.standing_settings import (
    AllocationSettings,
    DayCount,
    DelinquencySettings,
    PenaltyBase,
)
from carloan_notify.loans.waterfall import Waterfall

getcontext().prec = 40
MODES = {
    Rounding.HALF_UP: ROUND_HALF_UP,
    Rounding.HALF_EVEN: ROUND_HALF_EVEN,
    Rounding.UP: ROUND_UP,
    Rounding.DOWN: ROUND_DOWN,
}
PARTS = ("fees", "penalty", "interest", "principal")


@dataclass
class PlainInstallment:
    due_on: date
    fees: int
    interest: int
    principal: int
    number: int = 0
    original_due_on: date = date.min
    unpaid: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Nothing is paid yet."""
        self.unpaid = {
            "fees": self.fees,
            "penalty": 0,
            "interest": self.interest,
            "principal": self.principal,
        }

    @property
    def open(self) -> int:
        return self.unpaid["fees"] + self.unpaid["interest"] + self.unpaid["principal"]

    @property
    def total(self) -> int:
        return self.fees + self.interest + self.principal


@dataclass
class PlainLoan:
    installments: list[PlainInstallment]
    annual_rate_ppb: int
    allocation: AllocationSettings
    delinquency: DelinquencySettings
    credit: int = 0
    spared: int = 0
    since: date = date(1900, 1, 1)
    last_needed_on: date | None = None
    needless: int = 0

    @cached_property
    def waterfall(self) -> Waterfall:
        return self.allocation.steps

    def pay(self, day: date, amount: int) -> int:
        """Settle with a payment; what it leaves after everything overdue and the current installment."""
        self.accrue(day)
        penalty = self.penalty
        current = next((one for one in self.installments if one.due_on >= day), None)
        for step in self.waterfall.steps:
            for one in self.installments:
                overdue = one.due_on < day
                if (overdue and step.overdue) or (one is current and step.current):
                    amount = self.take(one, [PARTS[c] for c in step.components], amount)
        self.carry(amount)
        partly = sum(one.open for one in self.installments if one.open < one.total)
        self.spared = min(self.spared + penalty - self.penalty, partly)
        return amount

    def carry(self, amount: int) -> None:
        """Money for the oldest installment, then the next, whether due or not."""
        for one in self.installments:
            amount = self.take(one, [PARTS[c] for c in self.waterfall.order], amount)
        self.credit += amount

    def settle(self, payments: Sequence[tuple[date, int]], as_of: date) -> "PlainLoan":
        """All payments, then penalty up to the business date."""
        for day, amount in payments:
            before = self.credit
            self.pay(day, amount)
            if self.credit - before < amount:
                self.last_needed_on = day
            else:
                self.needless += 1
        self.accrue(as_of)
        return self

    @staticmethod
    def take(one: PlainInstallment, parts: Sequence[str], amount: int) -> int:
        for part in parts:
            paid = min(amount, one.unpaid[part])
            one.unpaid[part] -= paid
            amount -= paid
        return amount

    def accrue(self, day: date) -> None:
        rule = self.delinquency.penalty
        if rule.enabled:
            oldest = next(
                (one for one in self.installments if one.open > self.free and one.due_on < day), None
            )
            charged = [(one, self._penalty(one, day, one is oldest)) for one in self.installments]
            for one, amount in charged:
                one.unpaid["penalty"] += amount
        self.since = day

    def _penalty(self, one: PlainInstallment, day: date, is_oldest: bool) -> int:  # noqa: FBT001 - a plain flag
        rule = self.delinquency.penalty
        days = self._elapsed(one.due_on, day) - self._elapsed(one.due_on, self.since)
        base = {
            PenaltyBase.OVERDUE_PRINCIPAL: one.unpaid["principal"],
            PenaltyBase.OVERDUE_INTEREST: one.unpaid["interest"],
            PenaltyBase.OVERDUE_AMOUNT: one.open,
            PenaltyBase.OUTSTANDING_PRINCIPAL: is_oldest
            * sum(o.unpaid["principal"] for o in self.installments),
            PenaltyBase.ORIGINAL_PRINCIPAL: is_oldest * sum(o.principal for o in self.installments),
        }[rule.base]
        if not days or not base or one.open <= self.free:
            return 0
        if rule.annual_rate is not None:
            yearly = Decimal(int(rule.annual_rate * 10**9))
        else:
            yearly = (self.annual_rate_ppb * rule.rate_multiplier).quantize(Decimal(1), ROUND_HALF_UP)
        daily = yearly / rule.day_basis / 10**9
        if rule.compounding == "simple":
            grown = base * days * yearly / (rule.day_basis * 10**9)
        else:
            grown = (base + one.unpaid["penalty"]) * ((1 + daily) ** days - 1)
        return int(grown.quantize(Decimal(1), MODES[rule.rounding]))

    def _elapsed(self, due_on: date, day: date) -> int:
        late, grace = (day - due_on).days, self.delinquency.grace_days
        if late <= grace:
            return 0
        return late - grace if self.delinquency.penalty.starts == "after_grace" else late

    @property
    def penalty(self) -> int:
        return sum(one.unpaid["penalty"] for one in self.installments)

    @property
    def free(self) -> int:
        """Installments of which no more is open bear no penalty."""
        rule = self.delinquency.tolerance
        return int(100 * max(rule.amount, rule.settled_below))

    def asked(self) -> list[tuple[PlainInstallment, int]]:
        """The installments that do not count as paid, and what is asked with each."""
        found, carried = [], 0
        for one in self.installments:
            if not one.open:
                continue
            rule = self.delinquency.tolerance
            allowed = int(max(rule.amount * 100, one.total * rule.share))
            allowed += min(self.spared, one.total // 2) if rule.amount or rule.share else 0
            if carried + one.open <= min(allowed, one.total - 1):
                carried += one.open
            else:
                found.append((one, carried + one.open))
                carried = 0
        return found

    def standing(self, as_of: date, pauses: Sequence[tuple[date, date]], paid: int) -> dict[str, object]:
        """STANDING of an active loan, without its loan_id."""
        asked = self.asked()
        oldest = next((one for one, _ in asked if one.due_on < as_of), None)
        coming, bill = next(((one, sum_) for one, sum_ in asked if one.due_on >= as_of), (None, 0))
        left = self.penalty + sum(one.open for one in self.installments)
        rule = self.delinquency
        settled = not asked and left <= rule.tolerance.settled_below * 100
        ended = not asked and not settled and all(one.due_on < as_of for one in self.installments)
        overdue = sum(amount for one, amount in asked if one.due_on < as_of)
        past_due = plain_days_past_due(oldest.due_on, as_of, rule.dpd_convention) if oldest else 0
        held = (
            plain_held_days(oldest.due_on, rule.grace_days, pauses, as_of, rule.dpd_convention)
            if oldest
            else 0
        )
        past_due = max(past_due - held, 0)
        return {
            "status": "settled" if settled else "active",
            "settled_on": self.last_needed_on if settled else None,
            "installments": len(self.installments),
            "next_installment_no": coming.number if coming else 0,
            "next_due_on": coming.due_on if coming else None,
            "next_original_due_on": coming.original_due_on if coming else None,
            "next_due_minor": bill,
            "oldest_installment_no": oldest.number if oldest else 0,
            "oldest_due_on": oldest.due_on if oldest else None,
            "oldest_original_due_on": oldest.original_due_on if oldest else None,
            "overdue_minor": overdue,
            "carried_minor": sum(one.open for one in self.installments if one.due_on < as_of) - overdue,
            "remainder_minor": left if ended else 0,
            "remainder_on": self.ended_on() if ended else None,
            "days_past_due": past_due,
            "bucket": plain_bucket(past_due, rule),
            "penalty_minor": self.penalty,
            "outstanding_principal_minor": sum(one.unpaid["principal"] for one in self.installments),
            "paid_minor": paid,
        }

    def ended_on(self) -> date:
        after = max(one.due_on for one in self.installments) + timedelta(days=1)
        return max(after, self.last_needed_on or after)

    def dues(self, until: date) -> list[tuple[object, ...]]:
        """DUES up to a date, without the loan_id."""
        return [
            (one.number, one.due_on, one.original_due_on, one.total, amount)
            for one, amount in self.asked()
            if one.due_on <= until
        ]


def plain_held_days(
    due_on: date,
    grace_days: int,
    pauses: Sequence[tuple[date, date]],
    as_of: date,
    convention: DayCount = DayCount.CALENDAR,
) -> int:
    """Days after the grace period on which the count stands still: paused, and so was the day before."""

    def paused(day: date) -> bool:
        return any(first <= day <= last for first, last in pauses)

    first = due_on.toordinal() + grace_days + 1
    days = [date.fromordinal(number) for number in range(first, as_of.toordinal() + 1)]
    pairs = [(day - timedelta(days=1), day) for day in days]
    return sum(plain_days_past_due(*pair, convention) for pair in pairs if all(map(paused, pair)))


def plain_bucket(past_due: int, rule: DelinquencySettings) -> str:
    days = past_due if past_due > rule.grace_days else 0
    if days and rule.counts_from == "grace_end":
        days -= rule.grace_days
    return ["M0", *(name for name, first in rule.bucket_edges.items() if days >= first)][-1]


def plain_days_past_due(due_on: date, as_of: date, convention: DayCount) -> int:
    if convention is DayCount.CALENDAR:
        return max((as_of - due_on).days, 0)
    return plain_days_30_360(due_on, as_of)


def plain_net(payments: Sequence[tuple[date, int]]) -> list[tuple[date, int]]:
    """Payments with every reversal taken out of the ones before it."""
    net: list[tuple[date, int]] = []
    for day, amount in sorted(payments, key=lambda pair: (pair[0], -pair[1])):
        if amount >= 0:
            net.append((day, amount))
            continue
        same = [at for at, (_, paid) in enumerate(net) if paid == -amount]
        if same:
            net[same[-1]] = (net[same[-1]][0], 0)
            continue
        wanted = -amount
        for at in range(len(net) - 1, -1, -1):
            undone = min(wanted, net[at][1])
            net[at] = (net[at][0], net[at][1] - undone)
            wanted -= undone
    return [(day, amount) for day, amount in net if amount]


def plain_days_30_360(first: date, last: date) -> int:
    """30E/360 ISDA: the last day of a month counts as its 30th."""

    def serial(day: date) -> int:
        month_end = date.fromordinal(day.toordinal() + 1).month != day.month
        return (day.year * 12 + day.month) * 30 + (30 if month_end else day.day)

    return max(serial(last) - serial(first), 0)
