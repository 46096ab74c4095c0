"""The slow, plain twin of interest by the day of payment: one loan, day by day."""

from dataclasses import dataclass, field
from datetime import date, timedelta

from carloan_notify.loans.schedule import LoanTerms
from carloan_notify.loans.settings import ProductTerms
from tests.unit.loans.plain_schedule import (
    Row,
    fractions,
    level,
    part_of,
    plain_days,
    plain_schedule,
    year_days,
)

Pairs = list[tuple[date, int]]
DAY = timedelta(days=1)


@dataclass
class PlainDaily:
    """A loan on its way from day to day; money in minor units.

    `paid` is principal that is settled, `early` money of the running period that lowers the balance before its
    interest is taken out of it, `ahead` what coming installments need not repay, `own_level` the installment (or
    its principal) after a prepayment.
    """

    loan: LoanTerms
    terms: ProductTerms
    applied_as: str
    as_of: date
    agreed: list[Row] = field(default_factory=list)
    rows: list[tuple[int, int]] = field(default_factory=list)
    paid: int = 0
    early: int = 0
    ahead: int = 0
    own_level: int | None = None
    fallen: int = 0
    due_interest: int = 0
    settled: int = 0
    weight: int = 0
    earlier: int = 0

    @property
    def balance(self) -> int:
        return self.loan.principal_minor - self.paid - self.early

    def accrued(self) -> int:
        year = year_days(self.terms.interest_basis) * 10**9
        return self.earlier + part_of(
            self.weight, self.loan.annual_rate_ppb, year, self.terms.interest_rounding
        )

    def move(self, paid: int, early: int) -> None:
        """Money changes the balance: what has run so far is rounded, a new stretch begins."""
        if paid + early != self.paid + self.early:
            self.earlier, self.weight = self.accrued(), 0
        self.paid, self.early = paid, early

    def pay(self, day: date, amount: int) -> None:
        for_interest = min(amount, self.due_interest)
        self.due_interest -= for_interest
        left = amount - for_interest
        overdue = 0 if self.terms.recalculation == "simple" else min(left, max(self.fallen - self.paid, 0))
        left -= overdue
        self.move(self.paid + overdue, self.early)
        due_on = self.agreed[min(len(self.rows), len(self.agreed) - 1)].interest_on
        if self.terms.recalculation == "daily" and day < due_on:
            lowers = min(left, self.balance)
            self.settled += min(left - lowers, max(self.accrued() - self.settled, 0))
            self.move(self.paid, self.early + lowers)
            return
        running = min(left, max(self.accrued() - self.settled, 0))
        self.settled += running
        self.move(self.paid + min(left - running, self.balance), self.early)

    def scheduled(self, interest: int) -> int:
        one, by_total = (
            self.agreed[len(self.rows)],
            self.loan.repayment_method in ("equal_installment", "balloon"),
        )
        if not one.principal:
            return 0
        own = one.principal + one.interest if by_total else one.principal
        amount = own if self.own_level is None else self.own_level
        return max(amount - interest if by_total else amount, 0)

    def charge_early(self) -> None:
        taken = min(self.early, max(self.accrued() - self.settled, 0))
        self.settled += taken
        self.move(self.paid + self.early - taken, 0)

    def fall_due(self) -> None:
        prepaid, interest = self.paid + self.early - self.fallen, self.accrued()
        self.charge_early()
        left = self.loan.principal_minor - self.fallen
        principal = min(self.scheduled(interest), left)
        spared = min(principal, self.ahead)
        self.ahead -= spared
        principal -= spared
        more = min(max(prepaid - principal, 0), left - principal) if self.applied_as else 0
        self.rows.append((principal + more, interest))
        self.fallen += principal + more
        self.due_interest += max(interest - self.settled, 0)
        self.settled = self.weight = self.earlier = 0
        if more and self.applied_as == "next_installments":
            self.ahead += more
        elif more and self.applied_as == "smaller_installment":
            self.own_level = self.new_level()

    def new_level(self) -> int:
        done, last = len(self.rows), len(self.agreed) - 1
        pays = [row for row, one in enumerate(self.agreed) if one.principal or row == last]
        coming = [row for row in pays if row >= done]
        owed = self.loan.principal_minor - self.fallen
        rounding = self.terms.installment_rounding
        if self.loan.repayment_method not in ("equal_installment", "balloon"):
            return part_of(owed, 1, len(coming), rounding)
        periods, _ = fractions(self.loan, self.terms, [one.interest_on for one in self.agreed])
        if self.terms.annuity_rate == "nominal":
            periods = [(self.loan.annual_rate_ppb, 12 * 10**9)] * len(self.agreed)
        elif self.terms.annuity_rate == "first_period":
            periods = [periods[pays[0]]] * len(self.agreed)
        balloon = min(self.loan.balloon_minor, owed) if self.loan.repayment_method == "balloon" else 0
        unit = max(1, int(self.terms.installment_multiple.scaleb(2)))
        return level(owed, balloon, [periods[row] for row in coming], unit, rounding)

    def assume_paid(self) -> None:
        self.move(max(self.paid, self.fallen - self.early), self.early)
        self.due_interest = 0

    def live(self, paid: Pairs) -> list[tuple[int, int]]:
        begin, last = self.loan.disbursed_on, max(self.agreed[-1].interest_on, self.as_of)
        assert begin is not None
        for number in range((last - begin).days + 1):
            day = begin + number * DAY
            if number:
                self.weight += self.balance * plain_days(day - DAY, day, self.terms.interest_basis)
            for _, amount in [pair for pair in paid if pair[0] == day and day <= self.as_of]:
                self.pay(day, amount)
            if len(self.rows) < len(self.agreed) - 1 and self.agreed[len(self.rows)].interest_on == day:
                self.fall_due()
            elif day == self.agreed[-1].interest_on:
                self.charge_early()
            if day >= self.as_of:
                self.assume_paid()
        self.rows.append((self.loan.principal_minor - self.fallen, self.accrued()))
        return self.cut()

    def cut(self) -> list[tuple[int, int]]:
        """Without the rows after the one that repays the last of the principal; interest of theirs joins it."""
        total, rows = self.loan.principal_minor, self.rows
        done = next(at for at in range(len(rows)) if sum(p for p, _ in rows[: at + 1]) >= total)
        rest = sum(interest for _, interest in rows[done + 1 :])
        return [*rows[:done], (rows[done][0], rows[done][1] + rest)]


def plain_daily(
    loan: LoanTerms, terms: ProductTerms, paid: Pairs, as_of: date, applied_as: str
) -> list[tuple[int, int]]:
    """Principal and interest of every installment."""
    agreed = plain_schedule(loan, terms, lambda _: True)
    return PlainDaily(loan, terms, applied_as, as_of, agreed).live(paid)
