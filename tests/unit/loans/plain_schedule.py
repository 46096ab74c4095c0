"""The slow, plain twin of the schedule: one loan, `Decimal` and `date`, no arrays."""

import calendar
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import (
    ROUND_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    Context,
    Decimal,
    localcontext,
)

from carloan_notify.loans.schedule import LoanTerms
from carloan_notify.loans.settings import Convention, Frequency, InterestBasis, ProductTerms, Rounding

MODES = {
    Rounding.HALF_UP: ROUND_HALF_UP,
    Rounding.HALF_EVEN: ROUND_HALF_EVEN,
    Rounding.UP: ROUND_UP,
    Rounding.DOWN: ROUND_DOWN,
}
PRECISE = Context(prec=90)
MONTHS = {Frequency.MONTHLY: 1, Frequency.QUARTERLY: 3}
DAYS = {Frequency.WEEKLY: 7, Frequency.BIWEEKLY: 14}


@dataclass
class Row:
    """One installment; money in minor units."""

    due_on: date
    original_due_on: date
    interest_on: date
    principal: int
    interest: int
    fees: int


def rounded(value: Decimal, rounding: Rounding) -> int:
    with localcontext(PRECISE):
        return int(value.quantize(Decimal(1), rounding=MODES[rounding]))


def part_of(amount: int, numerator: int, denominator: int, rounding: Rounding) -> int:
    with localcontext(PRECISE):
        return rounded(Decimal(amount) * numerator / denominator, rounding)


def month_later(day: date, months: int, anchor: int) -> date:
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(anchor, calendar.monthrange(year, month + 1)[1]))


def plain_due_dates(first: date, due_day: int, count: int, frequency: Frequency) -> list[date]:
    if frequency in DAYS:
        return [first + timedelta(days=DAYS[frequency] * step) for step in range(count)]
    anchor = due_day or first.day
    later = [month_later(first, MONTHS[frequency] * step, anchor) for step in range(1, count)]
    return [first, *later]


def plain_shift(day: date, convention: Convention, is_business_day: Callable[[date], bool]) -> date:
    def walk(step: int) -> date:
        moved = day
        while not is_business_day(moved):
            moved += timedelta(days=step)
        return moved

    if convention is Convention.UNADJUSTED:
        return day
    if convention is Convention.PRECEDING:
        return walk(-1)
    after = walk(1)
    leaves_month = convention is Convention.MODIFIED_FOLLOWING and after.month != day.month
    return walk(-1) if leaves_month else after


def plain_days(start: date, end: date, basis: InterestBasis) -> int:
    if basis is not InterestBasis.THIRTY_360:
        return (end - start).days
    months = (end.year - start.year) * 12 + end.month - start.month
    return months * 30 + min(end.day, 30) - min(start.day, 30)


def year_parts(frequency: Frequency) -> tuple[int, int]:
    return (MONTHS[frequency], 12) if frequency in MONTHS else (DAYS[frequency], 365)


def year_days(basis: InterestBasis) -> int:
    return 365 if basis is InterestBasis.ACTUAL_365 else 360


def regular_start(first: date, due_day: int, frequency: Frequency) -> date:
    if frequency in DAYS:
        return first - timedelta(days=DAYS[frequency])
    anchor = due_day or first.day
    if min(anchor, calendar.monthrange(first.year, first.month)[1]) != first.day:
        anchor = first.day
    return month_later(first, -MONTHS[frequency], anchor)


def fractions(
    loan: LoanTerms, terms: ProductTerms, ends: Sequence[date]
) -> tuple[list[tuple[int, int]], tuple[int, int]]:
    """Numerator and denominator of every period's interest, and of the stub's."""
    regular = regular_start(loan.first_due_on, loan.due_day, terms.frequency)
    begin = loan.disbursed_on or regular
    starts = [begin, *ends[:-1]]
    rate, basis = loan.annual_rate_ppb, terms.interest_basis
    stub = (0, 1)
    if basis is InterestBasis.RATE_12:
        part, year = year_parts(terms.frequency)
        periods = [(rate * part, year * 10**9) for _ in ends]
        if terms.stub == "pro_rata":
            nominal = (ends[0] - regular).days
            periods[0] = (rate * part * (ends[0] - begin).days, year * 10**9 * nominal)
        elif terms.stub != "none":
            stub_basis = InterestBasis(terms.stub)
            stub = (rate * plain_days(begin, regular, stub_basis), year_days(stub_basis) * 10**9)
    else:
        periods = [
            (rate * plain_days(start, end, basis), year_days(basis) * 10**9)
            for start, end in zip(starts, ends, strict=True)
        ]
    free = terms.interest_free_periods
    charged = [(0, den) if row < free else (num, den) for row, (num, den) in enumerate(periods)]
    return charged, (0, 1) if free else stub


def regular_first(loan: LoanTerms, terms: ProductTerms, end: date) -> tuple[int, int]:
    """The fraction of a first period that is as long as a regular one."""
    if terms.interest_free_periods:
        return 0, 1
    if terms.interest_basis is InterestBasis.RATE_12:
        part, year = year_parts(terms.frequency)
        return loan.annual_rate_ppb * part, year * 10**9
    begin = regular_start(loan.first_due_on, loan.due_day, terms.frequency)
    days = plain_days(begin, end, terms.interest_basis)
    return loan.annual_rate_ppb * days, year_days(terms.interest_basis) * 10**9


def level(owed: int, left: int, periods: Sequence[tuple[int, int]], unit: int, rounding: Rounding) -> int:
    """What each period must pay so that the balance, grown period by period, ends at what may be left.

    Whole numbers only: `scale` is the product of the denominators so far.
    """
    balance, paid, scale = owed, 0, 1
    for numerator, denominator in periods:
        balance *= denominator + numerator
        scale *= denominator
        paid = paid * (denominator + numerator) + scale
    exact = Context(prec=max(90, balance.bit_length() // 3 + 20))
    with localcontext(exact):
        return rounded(Decimal(balance - left * scale) / Decimal(paid * unit), rounding) * unit


def plain_schedule(
    loan: LoanTerms, terms: ProductTerms, is_business_day: Callable[[date], bool], exponent: int = 2
) -> list[Row]:
    """The schedule of one loan without changes."""
    count, frequency = loan.installments, terms.frequency
    original = plain_due_dates(loan.first_due_on, loan.due_day, count, frequency)
    due = [plain_shift(day, terms.convention, is_business_day) for day in original]
    ends = due if terms.shift_moves_interest else original
    periods, stub = fractions(loan, terms, ends)
    unit = max(1, int(terms.installment_multiple.scaleb(exponent)))
    fee = int(terms.fee_per_installment.scaleb(exponent))
    payer = Payer(loan, terms, periods, stub, unit, regular_first(loan, terms, ends[0]))
    amounts = payer.amounts()
    return [
        Row(due[row], original[row], ends[row], principal, interest, fee)
        for row, (principal, interest) in enumerate(amounts)
    ]


@dataclass
class Payer:
    """Works out principal and interest row by row."""

    loan: LoanTerms
    terms: ProductTerms
    periods: list[tuple[int, int]]
    stub: tuple[int, int]
    unit: int
    regular: tuple[int, int]

    def amounts(self) -> list[tuple[int, int]]:
        amount = self.installment()
        rows = self.walk(amount, 0)
        if self.terms.residue == "first":
            rows = self.walk(amount, self.first_extra(rows, amount))
        return rows

    @property
    def pays_total(self) -> bool:
        method = self.loan.repayment_method
        return method in ("equal_installment", "balloon") or (method == "flat" and self.unit > 1)

    def share(self, amount: int, period: tuple[int, int]) -> int:
        return part_of(amount, period[0], period[1], self.terms.interest_rounding)

    def interest(self, balance: int, row: int) -> int:
        base = self.loan.principal_minor if self.loan.repayment_method == "flat" else balance
        stub = self.share(base, self.stub) if row == 0 else 0
        if self.terms.extra_days == "on_top":
            return max(0, self.share(base, self.periods[row]) + stub)
        return max(0, self.share(base + stub, self.periods[row]) + stub)

    def installment(self) -> int:
        loan, terms, grace = self.loan, self.terms, self.terms.principal_grace
        count, owed = loan.installments - grace, loan.principal_minor
        if loan.repayment_method == "interest_only":
            return 0
        if loan.repayment_method in ("equal_installment", "balloon"):
            spread = grace == 0 and terms.extra_days == "spread"
            stub = self.share(owed, self.stub) if spread else 0
            left = loan.balloon_minor if loan.repayment_method == "balloon" else 0
            return level(owed + stub, left, self.level_periods(), self.unit, terms.installment_rounding)
        if loan.repayment_method == "flat" and self.unit > 1:
            total = owed + self.share(owed, self.periods[grace]) * count
            return part_of(total, 1, count * self.unit, terms.installment_rounding) * self.unit
        return part_of(owed, 1, count, terms.installment_rounding)

    def level_periods(self) -> list[tuple[int, int]]:
        grace, basis = self.terms.principal_grace, self.terms.interest_basis
        own = self.periods[grace:]
        if grace == 0 and self.terms.extra_days == "on_top":
            own = [self.regular, *own[1:]]
        return self.rates_of(own, basis)

    def rates_of(self, own: list[tuple[int, int]], basis: InterestBasis) -> list[tuple[int, int]]:
        if self.terms.annuity_rate == "exact" or basis is InterestBasis.RATE_12:
            return own
        if self.terms.annuity_rate == "first_period":
            return [own[0]] * len(own)
        part, year = year_parts(self.terms.frequency)
        return [(self.loan.annual_rate_ppb * part, year * 10**9)] * len(own)

    def walk(self, amount: int, first_extra: int) -> list[tuple[int, int]]:
        balance, rows = self.loan.principal_minor, []
        for row in range(self.loan.installments):
            interest = self.interest(balance, row)
            principal = self.principal(balance, interest, amount, row)
            if row == self.terms.principal_grace:
                principal += first_extra
            if row < self.terms.principal_grace:
                principal = 0
            principal = max(0, min(principal, balance))
            if row == self.loan.installments - 1:
                principal = balance
            balance -= principal
            rows.append((principal, interest))
        return self.with_flat_residue(rows) if self.loan.repayment_method == "flat" else rows

    def principal(self, balance: int, interest: int, amount: int, row: int) -> int:
        if self.pays_total:
            on_top = row == 0 and self.terms.extra_days == "on_top" and self.loan.repayment_method != "flat"
            return amount - interest + (interest - self.share(balance, self.regular) if on_top else 0)
        if self.terms.residue == "spread" and self.loan.repayment_method != "interest_only":
            return part_of(balance, 1, self.loan.installments - row, self.terms.installment_rounding)
        return amount

    def with_flat_residue(self, rows: list[tuple[int, int]]) -> list[tuple[int, int]]:
        if self.terms.residue == "spread":
            return rows
        usual = self.usual_denominator()
        regular = [row for row, period in enumerate(self.periods) if period[1] == usual]
        total = self.share(
            self.loan.principal_minor, (sum(self.periods[row][0] for row in regular), usual)
        ) + self.share(self.loan.principal_minor, self.stub)
        first = min(self.terms.interest_free_periods, len(rows) - 1)
        taker = first if self.terms.residue == "first" else len(rows) - 1
        if taker in regular:
            principal, interest = rows[taker]
            rows[taker] = principal, max(0, interest + total - sum(rows[row][1] for row in regular))
        return rows

    def usual_denominator(self) -> int:
        basis = self.terms.interest_basis
        if basis is InterestBasis.RATE_12:
            return year_parts(self.terms.frequency)[1] * 10**9
        return year_days(basis) * 10**9

    def first_extra(self, rows: list[tuple[int, int]], amount: int) -> int:
        grace, method = self.terms.principal_grace, self.loan.repayment_method
        if self.loan.installments - 1 <= grace or method == "interest_only":
            return 0
        principal, interest = rows[-1]
        residue = principal + (interest if self.pays_total else 0) - amount
        if method == "balloon":
            residue -= self.loan.balloon_minor
        if method not in ("equal_installment", "balloon"):
            return residue
        with localcontext(PRECISE):
            value = Decimal(residue)
            for numerator, denominator in self.periods[grace + 1 :]:
                value /= 1 + Decimal(numerator) / denominator
            return rounded(value, Rounding.HALF_EVEN)
