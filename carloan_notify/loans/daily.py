"""Interest by the day of actual payment (daily simple interest): schedules that follow what was paid, and when."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from carloan_notify.loans.amounts import LevelQuestion, level_installment
from carloan_notify.loans.arrays import Dates, Flags, Ints, mul_div
from carloan_notify.loans.calendar import day_of_month
from carloan_notify.loans.grid import Grid
from carloan_notify.loans.payments import Payments
from carloan_notify.loans.plan import YEAR_DAYS, whole_period
from carloan_notify.loans.settings import InterestBasis, ProductTerms
from carloan_notify.records import PPB

_MONTH: Final = 30
_NEVER: Final = 2**40


@dataclass(frozen=True, eq=False)
class DailyRule:
    """What recalculating n loans needs beside their schedules.

    `start_on` (n,) is the first day that bears interest, `rate_ppb` (n,) the yearly rate. Where `level` (n,)
    an installment keeps its total and interest decides its principal; elsewhere it keeps its principal.
    `balloon_minor` (n,) remains for the last installment; `unit` (minor units) divides every level installment.
    `applied_as`: what is paid beyond an installment repays principal within it, and changes the coming ones as
    AllocationSettings.applied_as says; "": it counts towards them.
    """

    terms: ProductTerms
    start_on: Dates
    rate_ppb: Ints
    level: Flags
    balloon_minor: Ints
    unit: int
    applied_as: str


def recalculated(agreed: Grid, payments: Payments, rule: DailyRule, as_of: int) -> Grid:
    """The schedules with the interest that payments up to day number `as_of` have made, and will make.

    Interest of a period is what the open principal bore on each of its days, rounded for each stretch of days with
    one principal. A payment counts from its own day on. `simple`: it settles all interest up to its day, then
    principal. `daily`: it settles interest of past installments, then their principal; on a due date, the
    interest and principal of that installment; before it, all that is left lowers the principal that bears
    interest, and the due date takes the interest of the period out of it. From `as_of` on, arrears are taken as
    paid at once and every installment on its due date. The last installment takes what is left; it goes on bearing
    interest while it is unpaid. Its total less all payments is the payoff of a schedule that ends on that day.
    Source: simple interest as U.S. car contracts have it; Apache Fineract's interest recalculation with daily
    rest and no compounding (LoanRepayment.feature, RP04, RP05, RP11; payments before a due date and what they
    change: AbstractCumulativeLoanScheduleGenerator, handleRecalculationForNonDueDateTransactions and
    applyEarlyPaymentStrategy).
    """
    walk = _Walk(agreed, rule, as_of)
    days, amounts = _events(agreed, payments)
    for day, amount in zip(days, amounts, strict=True):
        walk.step(day, amount)
    return walk.finished()


def _events(agreed: Grid, payments: Payments) -> tuple[Ints, Ints]:
    """Days (e, n) in order, and the payment of each event; −1 is a due date, which follows that day's payments."""
    rows, loans = agreed.due_on.shape
    due = np.where(agreed.present, agreed.interest_on.view(np.int64), _NEVER)
    place = np.arange(len(payments.amount_minor)) - payments.start[payments.loan_at]
    paid_on = np.full((int(payments.count.max(initial=0)), loans), _NEVER)
    paid = np.zeros_like(paid_on)
    paid_on[place, payments.loan_at] = payments.paid_on.astype("datetime64[D]").astype(np.int64)
    paid[place, payments.loan_at] = payments.amount_minor
    days = np.concatenate([paid_on, due])
    amounts = np.concatenate([paid, np.full((rows, loans), -1)])
    order = np.argsort(days, axis=0, kind="stable")
    return np.take_along_axis(days, order, axis=0), np.take_along_axis(amounts, order, axis=0)


class _Walk:
    """n loans on their way from event to event."""

    def __init__(self, agreed: Grid, rule: DailyRule, as_of: int) -> None:
        self.agreed, self.rule, self.as_of = agreed, rule, as_of
        loans = len(agreed)
        self.principal = np.zeros_like(agreed.principal_minor)
        self.interest = np.zeros_like(agreed.interest_minor)
        self.row = np.zeros(loans, dtype=np.int64)
        self.day: Ints = rule.start_on.astype("datetime64[D]").astype(np.int64)
        self.repaid = np.zeros(loans, dtype=np.int64)  # principal that payments have settled
        self.fallen_due = np.zeros(loans, dtype=np.int64)  # principal of past installments
        self.unpaid_interest = np.zeros(loans, dtype=np.int64)  # of past installments
        self.settled_interest = np.zeros(loans, dtype=np.int64)  # of the running period
        self.early = np.zeros(
            loans, dtype=np.int64
        )  # paid in the running period, its interest not taken out yet
        self.ahead_minor = np.zeros(
            loans, dtype=np.int64
        )  # principal that coming installments need not repay
        self.new_level = np.full(loans, -1)  # installment (or its principal) after a prepayment, -1 as agreed
        self.balance_days = np.zeros(
            loans, dtype=np.int64
        )  # since the principal changed, in the running period
        self.earlier_interest = np.zeros(loans, dtype=np.int64)  # of the running period, before it changed

    def step(self, day: Ints, amount: Ints) -> None:
        """One event of each loan; loans whose events are over have the day _NEVER."""
        happens = day < _NEVER
        ahead = happens & (day > self.as_of)
        self._accrue(np.where(ahead, self.as_of, day), happens)
        self._assume_paid(ahead)
        self._accrue(day, happens)
        self._pay(day, np.where(happens, np.maximum(amount, 0), 0))
        self._fall_due(happens & (amount < 0), ahead)

    def finished(self) -> Grid:
        """The schedules, cut where the principal is repaid sooner."""
        self._accrue(np.full(len(self.row), self.as_of), np.ones(len(self.row), dtype=bool))
        last = np.maximum(self.agreed.count - 1, 0)
        at = (last, np.arange(len(last)))
        exists = self.agreed.count > 0
        self.principal[at] = np.where(exists, self.agreed.opening_minor - self.fallen_due, 0)
        self.interest[at] = np.where(exists, self._accrued(), 0)
        return self._cut()

    def _accrue(self, day: Ints, happens: Flags) -> None:
        days = _serial(day, self.rule.terms.interest_basis) - _serial(
            self.day, self.rule.terms.interest_basis
        )
        days = np.where(happens, np.maximum(days, 0), 0)
        self.balance_days += days * (self.agreed.opening_minor - self.repaid)
        self.day = np.where(happens, np.maximum(day, self.day), self.day)

    def _accrued(self) -> Ints:
        terms = self.rule.terms
        year = np.array(YEAR_DAYS[terms.interest_basis] * PPB)
        stretch = mul_div(self.balance_days, self.rule.rate_ppb, year, terms.interest_rounding)
        return self.earlier_interest + stretch

    def _repay(self, repaid: Ints) -> None:
        changes = repaid != self.repaid
        self.earlier_interest = np.where(changes, self._accrued(), self.earlier_interest)
        self.balance_days = np.where(changes, 0, self.balance_days)
        self.repaid = repaid

    def _pay(self, day: Ints, amount: Ints) -> None:
        for_interest = np.minimum(amount, self.unpaid_interest)
        self.unpaid_interest -= for_interest
        left = amount - for_interest
        overdue = np.maximum(self.fallen_due - self.repaid, 0)
        before_due = self._before_due(day)
        first = np.where(before_due, self.agreed.opening_minor - self.repaid, overdue)
        for_running = left if self.rule.terms.recalculation == "simple" else np.maximum(left - first, 0)
        running = np.minimum(for_running, np.maximum(self._accrued() - self.settled_interest, 0))
        self.settled_interest += running
        repaid = np.minimum(self.repaid + left - running, self.agreed.opening_minor)
        self.early += np.where(before_due, np.maximum(repaid - self.repaid - overdue, 0), 0)
        self._repay(repaid)

    def _before_due(self, day: Ints) -> Flags:
        """Where a payment of this day comes before the due date of the running period, and Fineract's way holds."""
        if self.rule.terms.recalculation == "simple":
            return np.zeros(len(day), dtype=bool)
        row = np.minimum(self.row, np.maximum(self.agreed.count - 1, 0))
        due: Ints = self.agreed.interest_on[row, np.arange(len(row))].astype(np.int64)
        return day < due

    def _assume_paid(self, ahead: Flags) -> None:
        """From the business date on, what has fallen due is paid."""
        self._repay(np.where(ahead, np.maximum(self.repaid, self.fallen_due), self.repaid))
        self.unpaid_interest = np.where(ahead, 0, self.unpaid_interest)

    def _charge_early(self, due: Flags) -> None:
        """Take the interest of the period out of what was paid before its due date."""
        interest = np.maximum(self._accrued() - self.settled_interest, 0)
        taken = np.where(due, np.minimum(interest, self.early), 0)
        self.settled_interest += taken
        self._repay(self.repaid - taken)
        self.early = np.where(due, 0, self.early)

    def _scheduled(self, loans: Ints, interest: Ints) -> Ints:
        """The principal of these loans' rows without any prepayment in their periods."""
        at = (self.row[loans], loans)
        agreed, level = self.agreed.principal_minor[at], self.new_level[loans]
        by_total = self.rule.level[loans]
        own = np.where(by_total, agreed + self.agreed.interest_minor[at], agreed)
        amount = np.where(level >= 0, level, own)
        repays = np.maximum(np.where(by_total, amount - interest, amount), 0)
        return np.where(agreed > 0, repays, 0)

    def _fall_due(self, due: Flags, ahead: Flags) -> None:
        prepaid = self.repaid - self.fallen_due
        self._charge_early(due)
        due = due & (self.row < self.agreed.count - 1)
        loans = np.flatnonzero(due)
        at = (self.row[loans], loans)
        interest = self._accrued()[loans]
        left = (self.agreed.opening_minor - self.fallen_due)[loans]
        principal = np.minimum(self._scheduled(loans, interest), left)
        spared = np.minimum(principal, self.ahead_minor[loans])
        self.ahead_minor[loans] -= spared
        principal = principal - spared
        more = np.clip(prepaid[loans] - principal, 0, left - principal) * bool(self.rule.applied_as)
        principal = principal + more
        self.principal[at], self.interest[at] = principal, interest
        self.fallen_due[loans] += principal
        self.unpaid_interest[loans] += np.maximum(interest - self.settled_interest[loans], 0)
        self.settled_interest[loans] = 0
        self.balance_days[loans] = 0
        self.earlier_interest[loans] = 0
        self.row[loans] += 1
        self._prepaid(loans[more > 0], more[more > 0])
        self._assume_paid(due & ahead)

    def _prepaid(self, loans: Ints, more: Ints) -> None:
        """What these loans repaid beyond the installment that has just fallen due changes the coming ones."""
        if self.rule.applied_as == "next_installments":
            self.ahead_minor[loans] += more
        elif self.rule.applied_as == "smaller_installment" and len(loans):
            self.new_level[loans] = self._level_of(loans)

    def _level_of(self, loans: Ints) -> Ints:
        """The equal installment (or principal share) that repays what is left of these loans by their last row."""
        agreed, rule = self.agreed, self.rule
        row, last = np.arange(agreed.rows)[:, None], agreed.count[loans] - 1
        repays = (agreed.principal_minor[:, loans] > 0) | (row == last)
        pays = repays & (row >= self.row[loans]) & (row <= last)
        owed = (agreed.opening_minor - self.fallen_due)[loans]
        balloon = np.minimum(rule.balloon_minor[loans], owed)
        numerator, year = self._fractions(loans, repays)
        question = LevelQuestion(owed, balloon, pays, numerator, np.array([[year]]))
        level = level_installment(question, rule.unit, rule.terms.installment_rounding)
        share = mul_div(
            owed, np.ones_like(owed), np.maximum(pays.sum(axis=0), 1), rule.terms.installment_rounding
        )
        return np.where(rule.level[loans], level, share)

    def _fractions(self, loans: Ints, repays: Flags) -> tuple[Ints, int]:
        """The interest fraction of each row by the product's `annuity_rate`: numerators, denominator."""
        terms, rate = self.rule.terms, self.rule.rate_ppb[loans]
        if terms.annuity_rate == "nominal":
            part, year = whole_period(terms.frequency)
            return (rate * part)[None, :], year * PPB
        begin = self.rule.start_on[loans].astype("datetime64[D]").astype(np.int64)
        ends = np.where(self.agreed.present[:, loans], self.agreed.interest_on[:, loans].view(np.int64), 0)
        days = _serial(np.maximum.accumulate(ends, axis=0), terms.interest_basis)
        periods = np.diff(days, axis=0, prepend=_serial(begin, terms.interest_basis)[None, :])
        if terms.annuity_rate == "first_period":
            periods = np.take_along_axis(periods, repays.argmax(axis=0)[None, :], axis=0)
        return periods * rate, YEAR_DAYS[terms.interest_basis] * PPB

    def _cut(self) -> Grid:
        """Rows after the one that repays the last of the principal go; interest of theirs joins it."""
        agreed = self.agreed
        done = np.cumsum(self.principal, axis=0) >= agreed.opening_minor
        last = np.minimum(np.where(done.any(axis=0), done.argmax(axis=0), agreed.count - 1), agreed.count - 1)
        count = np.where(agreed.count > 0, last + 1, 0)
        kept = np.arange(agreed.rows)[:, None] < count
        loans = np.arange(len(agreed))
        self.interest[np.maximum(last, 0), loans] += np.where(kept, 0, self.interest).sum(axis=0)
        none = np.datetime64("NaT", "D")
        return replace(
            agreed,
            count=count,
            due_on=np.where(kept, agreed.due_on, none),
            original_due_on=np.where(kept, agreed.original_due_on, none),
            interest_on=np.where(kept, agreed.interest_on, none),
            principal_minor=np.where(kept, self.principal, 0),
            interest_minor=np.where(kept, self.interest, 0),
            fees_minor=np.where(kept, agreed.fees_minor, 0),
        )


def _serial(day: Ints, basis: InterestBasis) -> Ints:
    """Day numbers whose differences are the basis's days."""
    if basis is not InterestBasis.THIRTY_360:
        return day
    dates = day.astype("datetime64[D]")
    months: Ints = dates.astype("datetime64[M]").astype(np.int64)
    return months * _MONTH + np.minimum(day_of_month(dates), _MONTH)
