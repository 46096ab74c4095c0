"""The slow, plain twin of changes: one loan, lists of rows, walked again from the first touched row."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from carloan_notify.loans.schedule import LoanTerms
from carloan_notify.loans.settings import InterestBasis, ProductTerms
from tests.unit.loans.plain_schedule import (
    DAYS,
    MONTHS,
    Row,
    level,
    month_later,
    part_of,
    plain_days,
    plain_due_dates,
    plain_schedule,
    regular_start,
    year_days,
    year_parts,
)


@dataclass(frozen=True)
class PlainChange:
    """A change already read."""

    kind: str
    on: date
    number: int = 0
    mode: str = ""
    to: date | None = None


class RefusedError(Exception):
    """The change cannot be applied; the text is the finding's code."""


@dataclass
class PlainRunning:
    """A loan of the method equal_installment, equal_principal or flat, unadjusted, without grace and stub."""

    loan: LoanTerms
    terms: ProductTerms
    rows: list[Row] = field(default_factory=list)
    skipped: set[int] = field(default_factory=set)
    regular: dict[int, date] = field(default_factory=dict)
    rates: list[tuple[date, int]] = field(default_factory=list)
    locked: int = 0
    amount: int = 0
    base: int = 0
    path: tuple[date, int] = (date.min, 0)

    def __post_init__(self) -> None:
        """Begin with the schedule before any change."""
        loan = self.loan
        self.rows = plain_schedule(loan, self.terms, lambda _: True)
        self.rates = [(date.min, loan.annual_rate_ppb)]
        self.base = loan.principal_minor
        self.path = loan.first_due_on, loan.due_day or loan.first_due_on.day
        self.amount = self.new_amount(0)

    @property
    def begin(self) -> date:
        assert self.loan.disbursed_on is not None
        return self.loan.disbursed_on

    def on_path(self, row: int) -> date:
        frequency = self.terms.frequency
        if frequency in DAYS:
            return self.path[0] + timedelta(days=DAYS[frequency] * row)
        return month_later(self.path[0].replace(day=1), MONTHS[frequency] * row, self.path[1])

    def start(self, row: int) -> tuple[date, int]:
        """The first day of a row's interest, and how many periods it spans."""
        periods = 1
        while row - 1 in self.skipped:
            row, periods = row - 1, periods + 1
        return (self.rows[row - 1].interest_on if row else self.begin), periods

    def fraction(self, row: int, begin: date | None = None, end: date | None = None) -> tuple[int, int]:
        first, periods = self.start(row)
        begin, end = max(begin or first, first), end or self.rows[row].interest_on
        basis = self.terms.interest_basis
        earned = 0
        limits = [*(day for day, _ in self.rates[1:]), date.max]
        for (since, rate), until in zip(self.rates, limits, strict=True):
            low, high = max(begin, since), min(end, until)
            if low < high:
                earned += rate * plain_days(low, high, basis)
        if basis is not InterestBasis.RATE_12:
            return earned, year_days(basis) * 10**9
        part, year = year_parts(self.terms.frequency)
        full = self.rows[row].interest_on
        if self.terms.charge_shift_interest:
            full = self.regular.get(row, full)
        return earned * part * periods, year * 10**9 * (full - first).days

    def regular_fraction(self, row: int) -> tuple[int, int]:
        """The fraction of a row as if no change and no disbursement had moved its period."""
        first, periods = self.start(row)
        by_days = self.terms.interest_basis is not InterestBasis.RATE_12
        end = self.rows[row].interest_on
        if by_days or self.terms.charge_shift_interest:
            end = self.regular.get(row, end)
        if not by_days:
            return self.fraction(row, end=end)
        begin = first
        if row + 1 - periods == 0:
            begin = regular_start(self.loan.first_due_on, self.loan.due_day, self.terms.frequency)
        earned = 0
        limits = [*(day for day, _ in self.rates[1:]), date.max]
        for (since, rate), until in zip(self.rates, limits, strict=True):
            low, high = max(begin, since), min(end, until)
            if low < high:
                earned += rate * plain_days(low, high, self.terms.interest_basis)
        return earned, year_days(self.terms.interest_basis) * 10**9

    def balance(self, row: int) -> int:
        return self.loan.principal_minor - sum(done.principal for done in self.rows[:row])

    def new_amount(self, row: int) -> int:
        paying = [at for at in range(row, len(self.rows)) if at not in self.skipped]
        if self.loan.repayment_method == "equal_installment":
            on_top = self.terms.extra_days == "on_top"
            fractions = [self.regular_fraction(at) if on_top else self.fraction(at) for at in paying]
            return level(self.balance(row), 0, fractions, 1, self.terms.installment_rounding)
        return part_of(self.balance(row), 1, len(paying), self.terms.installment_rounding)

    def walk(self, row: int) -> None:
        for at in range(row, len(self.rows)):
            done, balance = self.rows[at], self.balance(at)
            flat = self.loan.repayment_method == "flat"
            numerator, denominator = self.fraction(at)
            done.interest = part_of(
                self.base if flat else balance, numerator, denominator, self.terms.interest_rounding
            )
            if at in self.skipped:
                done.principal = done.interest = 0
                if balance:
                    continue
            level_pays = self.loan.repayment_method == "equal_installment"
            principal = self.amount - done.interest if level_pays else self.amount
            if level_pays and self.terms.extra_days == "on_top":
                regular = self.regular_fraction(at)
                principal = self.amount - part_of(balance, *regular, self.terms.interest_rounding)
            done.principal = balance if at == len(self.rows) - 1 else max(0, min(principal, balance))
            if done.principal == balance:
                del self.rows[at + 1 :]
                return

    def apply(self, change: PlainChange) -> None:
        getattr(self, f"apply_{change.kind}")(change)

    def first_due_from(self, day: date) -> int:
        return self.at_most_last(sum(row.due_on < day for row in self.rows))

    def first_interest_from(self, day: date) -> int:
        return self.at_most_last(sum(row.interest_on < day for row in self.rows))

    def at_most_last(self, row: int) -> int:
        if row >= len(self.rows):
            raise RefusedError("change_after_last_due")
        return row

    def usable(self, row: int, change: PlainChange) -> int:
        if change.on < self.begin:
            raise RefusedError("change_before_disbursement")
        if row < self.locked - (change.kind == "prepayment"):
            raise RefusedError("changes_overlap")
        return row

    def move(self, row: int) -> None:
        # Where the period would have ended had no change moved it; an earlier move of this row has said so.
        self.regular.setdefault(row, self.rows[row].interest_on)
        for at in range(row, len(self.rows)):
            self.rows[at].due_on = self.rows[at].interest_on = self.on_path(at)
            if at > row:
                self.regular.pop(at, None)
        before = self.rows[row - 1].due_on if row else self.begin
        if self.rows[row].due_on <= before:
            raise RefusedError("change_date_not_after_previous")
        by_days = self.terms.interest_basis is not InterestBasis.RATE_12 or self.terms.charge_shift_interest
        by_days = by_days and self.terms.extra_days == "spread"
        if by_days and self.loan.repayment_method == "equal_installment":
            self.amount = self.new_amount(row)
        self.walk(row)

    def apply_due_day(self, change: PlainChange) -> None:
        row = self.usable(self.first_due_from(change.on), change)
        if self.terms.frequency in DAYS:
            raise RefusedError("change_not_applicable")
        self.path = self.path[0].replace(day=1), change.number
        before = self.rows[row - 1].due_on if row else self.begin
        if self.on_path(row) < change.on or self.on_path(row) <= before:
            self.path = month_later(self.path[0], 1, 1), change.number
        self.move(row)

    def apply_deferral(self, change: PlainChange) -> None:
        row = change.number - 1
        if row >= len(self.rows):
            raise RefusedError("change_unknown_installment")
        self.usable(row, change)
        frequency = self.terms.frequency
        if change.mode == "spread":
            if row == len(self.rows) - 1:
                raise RefusedError("change_not_applicable")
            self.skipped.add(row)
            self.rows[row + 1].fees += self.rows[row].fees
            self.rows[row].fees = 0
            self.amount = self.new_amount(row)
            self.walk(row)
            return
        steps = -row if change.to else 1
        given = change.to or self.path[0]
        if frequency in DAYS:
            self.path = given + timedelta(days=DAYS[frequency] * steps), self.path[1]
        else:
            first = month_later(given.replace(day=1), MONTHS[frequency] * steps, 1)
            self.path = first, given.day if change.to else self.path[1]
        self.move(row)

    def apply_extension(self, change: PlainChange) -> None:
        row = self.usable(self.first_due_from(change.on), change)
        loan, count = self.loan, len(self.rows)
        original = plain_due_dates(
            loan.first_due_on, loan.due_day, count + change.number, self.terms.frequency
        )
        for at in range(count, count + change.number):
            due, fee = self.on_path(at), int(self.terms.fee_per_installment * 100)
            self.rows.append(Row(due, original[at], due, 0, 0, fee))
        self.amount = self.new_amount(row)
        self.walk(row)

    def apply_rate(self, change: PlainChange) -> None:
        row = self.usable(self.at_most_last(sum(row.interest_on <= change.on for row in self.rows)), change)
        self.rates.append((change.on, change.number))
        if self.loan.repayment_method == "equal_installment":
            self.amount = self.new_amount(row)
        self.walk(row)

    def apply_prepayment(self, change: PlainChange) -> None:
        row = self.usable(self.first_interest_from(change.on), change)
        after = self.balance(row + 1)
        if change.number >= after:
            raise RefusedError("prepayment_too_large")
        done = self.rows[row]
        if self.loan.repayment_method == "flat":
            self.base = part_of(self.base, after - change.number, after, self.terms.interest_rounding)
        else:
            fraction = self.fraction(row, change.on)
            done.interest = max(
                0, done.interest - part_of(change.number, *fraction, self.terms.interest_rounding)
            )
        done.principal += change.number
        self.locked = row + 1
        if change.mode == "smaller_installment":
            self.amount = self.new_amount(row + 1)
        self.walk(row + 1)

    def apply_settlement(self, change: PlainChange) -> None:
        row = self.usable(self.first_interest_from(change.on), change)
        done, balance = self.rows[row], self.balance(row)
        if self.terms.settlement_interest == "to_the_day" and change.on != done.interest_on:
            owed = self.base if self.loan.repayment_method == "flat" else balance
            fraction = self.fraction(row, None, change.on)
            done.interest = part_of(owed, *fraction, self.terms.interest_rounding)
        done.principal, done.fees = balance, done.fees + change.number
        done.due_on = done.interest_on = change.on
        self.locked = row + 1
        del self.rows[row + 1 :]


def plain_changed(loan: LoanTerms, terms: ProductTerms, changes: Sequence[PlainChange]) -> list[Row] | str:
    """The schedule after the changes, in order, or the code of the finding that strikes the loan."""
    state = PlainRunning(loan, terms)
    try:
        for change in changes:
            state.apply(change)
    except RefusedError as refused:
        return str(refused)
    return state.rows
