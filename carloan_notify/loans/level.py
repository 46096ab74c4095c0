"""The equal installment: in float64, and in exact fractions where a float cannot decide the last cent."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from carloan_notify.loans.grid import Flags, Floats, Ints
from carloan_notify.loans.rounding import mul_div, near_tie
from carloan_notify.loans.settings import Rounding


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
