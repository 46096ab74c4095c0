"""Principal and interest of every installment: one pass over installment numbers, never over loans."""

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from carloan_notify.loans.arrays import Flags, Floats, Ints, mul_div, near_tie
from carloan_notify.loans.methods import METHODS
from carloan_notify.loans.plan import InstallmentPlan, whole_denominator, whole_period
from carloan_notify.loans.settings import InterestBasis, Rounding
from carloan_notify.records import PPB

# The equal installment: in float64, and in exact fractions where a float cannot decide the last cent.


@dataclass(frozen=True, eq=False)
class LevelQuestion:
    """What n loans still owe and over which rows one equal amount must repay it.

    `owed` is the balance the rows repay (stub interest included), `left` what may remain after the last row
    (a balloon). Where `pays`, shape (k, n), a row pays and charges numerator / denominator (both broadcast to
    (k, n)); other rows count for nothing.
    """

    owed: Ints
    left: Ints
    pays: Flags
    numerator: Ints
    denominator: Ints


def level_installment(question: LevelQuestion, unit: int, rounding: Rounding) -> Ints:
    """The equal installment in minor units, a multiple of `unit`, rounded exactly; 0 where no row pays.

    Source: present value. Σ payment × v(j) + left × v(last) = owed, v(j) = Π 1 / (1 + period fraction);
    with a constant fraction i this is P · i · (1 + i)^n / ((1 + i)^n − 1), the 等额本息 formula.
    """
    pays = question.pays
    free = ~(pays & (question.numerator != 0)).any(axis=0)
    installment = _without_interest(question, unit, rounding)
    charged = np.flatnonzero(~free & pays.any(axis=0))
    if len(charged):
        installment[charged] = _with_interest(_columns(question, charged), unit, rounding)
    return installment * unit


def _columns(question: LevelQuestion, chosen: np.ndarray[tuple[int], np.dtype[np.intp]]) -> LevelQuestion:
    loans = len(question.owed)

    def pick(values: Ints) -> Ints:
        return values[:, chosen] if values.shape[-1] == loans else values

    return LevelQuestion(
        owed=question.owed[chosen],
        left=question.left[chosen],
        pays=question.pays[:, chosen],
        numerator=pick(question.numerator),
        denominator=pick(question.denominator),
    )


def _without_interest(question: LevelQuestion, unit: int, rounding: Rounding) -> Ints:
    payments = question.pays.sum(axis=0)
    size = np.maximum(payments, 1) * unit
    shares = mul_div(question.owed - question.left, np.ones_like(size), size, rounding)
    return np.where(payments > 0, shares, 0)


def _with_interest(question: LevelQuestion, unit: int, rounding: Rounding) -> Ints:
    """In multiples of `unit`.

    Each row adds at most four roundings of 2**-53, so after N rows the float is wrong by less than (4 N +
    12) × 2**-53 < (N + 4) × 2**-51 of its size (twice that is allowed for); what lies closer to a tie is
    computed again as an exact fraction.
    """
    weight, discount = _weights(question)
    value = (question.owed - question.left * discount) / weight / unit
    size = (question.owed + question.left * discount) / weight / unit
    slack = size * (question.pays.sum(axis=0) + 4) * 2.0**-50 + 1e-15
    rounded = _rounded(value, rounding)
    for loan in np.flatnonzero(near_tie(value, slack, rounding)):
        rounded[loan] = _rounded_fraction(_exact(question, int(loan)) / unit, rounding)
    return rounded


def _weights(question: LevelQuestion) -> tuple[Floats, Floats]:
    """Σ v(j) over the paying rows and v(last), each shape (n,)."""
    discount = np.ones(len(question.owed))
    weight = np.zeros(len(question.owed))
    pays = question.pays
    numerator = np.broadcast_to(question.numerator, pays.shape)
    denominator = np.broadcast_to(question.denominator, pays.shape)
    for row in range(len(pays)):
        discount = np.where(pays[row], discount / (1 + numerator[row] / denominator[row]), discount)
        weight += np.where(pays[row], discount, 0.0)
    return weight, discount


def _rounded(value: Floats, rounding: Rounding) -> Ints:
    if rounding is Rounding.UP:
        return np.ceil(value).astype(np.int64)
    if rounding is Rounding.DOWN:
        return np.floor(value).astype(np.int64)
    return np.rint(value).astype(np.int64)


def _exact(question: LevelQuestion, loan: int) -> Fraction:
    shape = question.pays.shape
    numerator = np.broadcast_to(question.numerator, shape)[:, loan].tolist()
    denominator = np.broadcast_to(question.denominator, shape)[:, loan].tolist()
    grown = Fraction(int(question.owed[loan]))
    weight = Fraction(0)
    for row in np.flatnonzero(question.pays[:, loan]).tolist():
        growth = 1 + Fraction(numerator[row], denominator[row])
        grown *= growth
        weight = weight * growth + 1
    return (grown - int(question.left[loan])) / weight


def _rounded_fraction(value: Fraction, rounding: Rounding) -> int:
    floor = value.numerator // value.denominator
    rest = value - floor
    if rounding is Rounding.UP:
        return floor + (rest > 0)
    if rounding is Rounding.DOWN:
        return floor
    if rounding is Rounding.HALF_EVEN:
        return round(value)
    return floor + (2 * rest >= 1)


@dataclass(frozen=True, eq=False)
class Amounts:
    """Principal and interest, shape (k, n), and the level (n,) they follow."""

    principal: Ints
    interest: Ints
    level: Ints


def amounts(plan: InstallmentPlan) -> Amounts:
    """Every installment's principal and interest. Principal sums to the loan; the last row clears it."""
    pays = paying(plan)
    level = np.where(plan.level >= 0, plan.level, _new_level(plan, pays))
    first = _walk(plan, level, pays)
    if plan.terms.residue != "first":
        return first
    return _walk(plan, level, pays, _first_row_residue(plan, first))


def opening(plan: InstallmentPlan) -> Ints:
    """Principal still open before the first row that is not fixed."""
    if not plan.fixed.any():
        return plan.principal
    kept = np.arange(len(plan.nominal_on))[:, None] < plan.fixed
    owed: Ints = plan.principal - np.where(kept, plan.fixed_principal, 0).sum(axis=0)
    return owed


def paying(plan: InstallmentPlan) -> Flags:
    """The rows that repay principal by the plan, shape (k, n): after fixed, grace and skipped rows."""
    row = np.arange(len(plan.nominal_on))[:, None]
    after_grace = (row >= plan.terms.principal_grace) | (row == plan.count - 1)
    pays: Flags = (row >= plan.fixed) & (row < plan.count) & after_grace & ~plan.skipped
    return pays


def _new_level(plan: InstallmentPlan, pays: Flags) -> Ints:
    owed = opening(plan)
    rules = METHODS[plan.method]
    if rules.annuity:
        return _level_payment(plan, pays, owed)
    if not rules.repays_early:
        return np.zeros_like(owed)
    payments = np.maximum(pays.sum(axis=0), 1)
    if not rules.flat_interest or plan.unit == 1:
        return mul_div(owed, np.ones_like(owed), payments, plan.terms.installment_rounding)
    total = owed + _charge(plan, plan.flat_base, pays.argmax(axis=0)) * payments
    units = mul_div(total, np.ones_like(total), payments * plan.unit, plan.terms.installment_rounding)
    return units * plan.unit


def _level_payment(plan: InstallmentPlan, pays: Flags, owed: Ints) -> Ints:
    numerator, denominator = _level_rate(plan, pays)
    stub = np.where(pays[0], _stub_interest(plan, owed), 0)
    if plan.terms.extra_days == "on_top":
        stub = np.zeros_like(stub)
    left = np.minimum(plan.balloon, owed) if METHODS[plan.method].leaves_balloon else np.zeros_like(owed)
    question = LevelQuestion(owed + stub, left, pays, numerator, denominator)
    return level_installment(question, plan.unit, plan.terms.installment_rounding)


def _regular(plan: InstallmentPlan) -> tuple[Ints, Ints]:
    """The fractions of all periods as if each were of regular length."""
    regular = plan.periods.regular_numerator, plan.periods.regular_denominator
    if len(regular[0]) > 1:
        return regular
    row = np.arange(len(plan.nominal_on))[:, None]
    own = plan.periods.numerator, plan.periods.denominator
    return np.where(row == 0, regular[0], own[0]), np.where(row == 0, regular[1], own[1])


def _extra_days(plan: InstallmentPlan, balance: Ints, interest: Ints, row: int) -> Ints:
    """A row's interest for the days by which its period is longer (or, below 0, shorter) than a regular one."""
    regular = plan.periods.regular_numerator, plan.periods.regular_denominator
    if row >= len(regular[0]):
        return np.zeros_like(interest)
    numerator, denominator = _of_row(regular[0], row), _of_row(regular[1], row)
    return interest - mul_div(balance, numerator, denominator, plan.terms.interest_rounding)


def _level_rate(plan: InstallmentPlan, pays: Flags) -> tuple[Ints, Ints]:
    """The period fractions that the equal installment is computed from (`annuity_rate`)."""
    numerator, denominator = plan.periods.numerator, plan.periods.denominator
    if plan.terms.extra_days == "on_top":
        numerator, denominator = _regular(plan)
    if plan.terms.annuity_rate == "exact" or plan.terms.interest_basis is InterestBasis.RATE_12:
        return numerator, denominator
    if plan.terms.annuity_rate == "first_period":
        return np.take_along_axis(numerator, pays.argmax(axis=0)[None, :], axis=0), denominator[:1]
    part, year = whole_period(plan.terms.frequency)
    return (plan.rate_ppb * part)[None, :], np.array([[year * PPB]])


def _charge(plan: InstallmentPlan, balance: Ints, row: Ints | int) -> Ints:
    """One period's interest on a balance; `row` is one row for all loans or one per loan."""
    numerator, denominator = _of_row(plan.periods.numerator, row), _of_row(plan.periods.denominator, row)
    return mul_div(balance, numerator, denominator, plan.terms.interest_rounding)


def _of_row(values: Ints, row: Ints | int) -> Ints:
    """One row, or one per loan, of values that broadcast to (k, n); shape (n,) or (1,)."""
    at = row if len(values) > 1 else 0
    if isinstance(at, int):
        one: Ints = values[at]
        return one
    each: Ints = np.take_along_axis(np.broadcast_to(values, (len(values), len(at))), at[None, :], axis=0)[0]
    return each


def _stub_interest(plan: InstallmentPlan, balance: Ints) -> Ints:
    fraction = plan.periods
    return mul_div(balance, fraction.stub_numerator, fraction.stub_denominator, plan.terms.interest_rounding)


def _interest(plan: InstallmentPlan, balance: Ints, row: int) -> Ints:
    """Interest due with one row: on the balance, or on the flat base; the first row carries the stub's."""
    base = plan.flat_base if METHODS[plan.method].flat_interest else balance
    if row == 0:
        stub = _stub_interest(plan, base)
        if plan.terms.extra_days == "on_top":
            return np.asarray(np.maximum(_charge(plan, base, row) + stub, 0))
        return np.asarray(np.maximum(_charge(plan, base + stub, row) + stub, 0))
    return np.asarray(np.maximum(_charge(plan, base, row), 0))


def _walk(plan: InstallmentPlan, level: Ints, pays: Flags, first_extra: Ints | None = None) -> Amounts:
    """Row by row; `first_extra` is added to what the first paying row pays."""
    rows, loans = plan.nominal_on.shape
    principal, interest = np.zeros((rows, loans), np.int64), np.zeros((rows, loans), np.int64)
    balance, any_fixed = plan.principal.copy(), plan.fixed.any()
    begins, left = pays.argmax(axis=0), pays.sum(axis=0)
    for row in range(rows):
        charged = (row < plan.count) & ~plan.skipped[row]
        due = np.where(charged, _interest(plan, balance, row), 0)
        target = _target(plan, level, Due(balance, due, left), row)
        if first_extra is not None:
            target = target + np.where(row == begins, first_extra, 0)
        paid = np.where(pays[row], np.clip(target, 0, balance), 0)
        interest[row], principal[row] = due, np.where(row >= plan.count - 1, balance, paid)
        if any_fixed:
            kept = row < plan.fixed
            np.copyto(interest[row], plan.fixed_interest[row], where=kept)
            np.copyto(principal[row], plan.fixed_principal[row], where=kept)
        balance -= principal[row]
        left = left - pays[row]
    if METHODS[plan.method].flat_interest:
        _place_interest_residue(plan, interest)
    return Amounts(principal, interest, level)


def _place_interest_residue(plan: InstallmentPlan, interest: Ints) -> None:
    """Make a flat loan's interest sum to its exact total, by the last row (or the first charged).

    An irregular period (a split rate, a charged shift) is rounded by itself and takes no part.
    """
    if plan.terms.residue == "spread":
        return
    rows, loans = interest.shape
    row = np.arange(rows)[:, None]
    base = np.int64(whole_denominator(plan.terms))
    regular = (plan.periods.denominator == base) & ~plan.skipped
    open_rows = (row >= plan.fixed) & (row < plan.count) & regular
    fraction = np.where(open_rows, plan.periods.numerator, 0).sum(axis=0)
    total = mul_div(plan.flat_base, fraction, np.full_like(fraction, base), plan.terms.interest_rounding)
    total += np.where(plan.fixed == 0, _stub_interest(plan, plan.flat_base), 0)
    first = np.minimum(np.maximum(plan.fixed, plan.terms.interest_free_periods), plan.count - 1)
    taker = first if plan.terms.residue == "first" else plan.count - 1
    missing = total - np.where(open_rows, interest, 0).sum(axis=0)
    at = (taker, np.arange(loans))
    interest[at] = np.maximum(interest[at] + np.where(open_rows[at], missing, 0), 0)


@dataclass(frozen=True, eq=False)
class Due:
    """Where n loans stand before a row: open principal, the interest due, the paying rows left."""

    balance: Ints
    interest: Ints
    payments_left: Ints


def rounds_to_nothing(plan: InstallmentPlan, level: Ints) -> Flags:
    """Loans whose equal installment (or principal share) is 0 although there is something to repay with it."""
    rules = METHODS[plan.method]
    if not rules.repays_early:
        return np.zeros(len(level), dtype=bool)
    to_repay = plan.principal - (plan.balloon if rules.leaves_balloon else 0)
    flags: Flags = (level == 0) & (to_repay > 0) & (plan.supplied < 0).all(axis=0) & (plan.fixed == 0)
    return flags


def pays_total(plan: InstallmentPlan) -> bool:
    """Whether the level is the whole installment, or its principal alone."""
    rules = METHODS[plan.method]
    return rules.annuity or (rules.flat_interest and plan.unit > 1)


def _target(plan: InstallmentPlan, level: Ints, due: Due, row: int) -> Ints:
    """The principal that one row repays before it is held within the balance."""
    supplied = plan.supplied[row]
    by_plan = level - due.interest if pays_total(plan) else level
    if METHODS[plan.method].annuity and plan.terms.extra_days == "on_top":
        by_plan = by_plan + _extra_days(plan, due.balance, due.interest, row)
    spreads = METHODS[plan.method].repays_early and not pays_total(plan)
    if plan.terms.residue == "spread" and spreads:
        left = np.maximum(due.payments_left, 1)
        by_plan = mul_div(due.balance, np.ones_like(left), left, plan.terms.installment_rounding)
    return np.where(supplied >= 0, supplied - due.interest, by_plan)


def _first_row_residue(plan: InstallmentPlan, walked: Amounts) -> Ints:
    """What the first paying row pays more so that the last one pays the level, discounted to the first."""
    last, loans = plan.count - 1, np.arange(len(plan.count))
    rules = METHODS[plan.method]
    if not rules.repays_early:
        return np.zeros_like(last)
    paid = walked.principal[last, loans]
    if pays_total(plan):
        paid = paid + walked.interest[last, loans]
    if rules.leaves_balloon:
        paid = paid - plan.balloon
    begins = paying(plan).argmax(axis=0)
    residue = np.where(last > begins, paid - walked.level, 0)
    if not rules.annuity:
        return residue
    return np.rint(residue * _discount(plan, begins)).astype(np.int64)


def _discount(plan: InstallmentPlan, begins: Ints) -> Floats:
    """The value, at the first paying row, of one unit paid with the last."""
    row = np.arange(len(plan.nominal_on))[:, None]
    later = (row > begins) & paying(plan)
    growth = np.where(later, 1 + plan.periods.numerator / plan.periods.denominator, 1.0)
    value: Floats = 1 / growth.prod(axis=0)
    return value


def with_amounts_fixed(plan: InstallmentPlan, found: Amounts) -> InstallmentPlan:
    """The same plan with the amounts found as its fixed amounts (how many rows hold is `fixed`)."""
    return replace(plan, fixed_principal=found.principal, fixed_interest=found.interest, level=found.level)
