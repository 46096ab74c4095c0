"""Arrays of days and minor units, and exact arithmetic on them."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from carloan_notify.loans.settings import Rounding

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Dates: TypeAlias = npt.NDArray[np.datetime64]
Texts: TypeAlias = npt.NDArray[np.object_]
Flags: TypeAlias = npt.NDArray[np.bool_]

NO_DATE = np.datetime64("NaT", "D")


# Exact rounding of `value × numerator / denominator` in int64, although the product itself would not fit.


def mul_div(value: Ints, numerator: Ints, denominator: Ints, rounding: Rounding) -> Ints:
    """`value × numerator / denominator` rounded to an integer, exactly; the three arrays broadcast.

    Needs a denominator in 1 … 2**61 and a quotient below 2**50. Negative values mirror positive ones.

    Why it is exact: the float64 quotient is wrong by less than 2**50 × 3 × 2**-53 < 0.4, so its nearest
    integer q is within 1 of the true quotient and the remainder `value × numerator − q × denominator` is
    within ± 2**61. Integer arithmetic modulo 2**64 therefore gives that remainder exactly, however far its
    two terms overflow, and the remainder decides the rounding.
    """
    if min(value.min(initial=0), numerator.min(initial=0)) < 0:
        sign = np.sign(value) * np.sign(numerator)
        return sign * mul_div(np.abs(value), np.abs(numerator), denominator, rounding)
    quotient = np.rint(value * (numerator / denominator)).astype(np.int64)
    remainder = value * numerator - quotient * denominator
    below = remainder < 0
    quotient -= below
    remainder += below * denominator
    quotient += _rounds_up(quotient, remainder, denominator, rounding)
    return quotient


def _rounds_up(floor: Ints, remainder: Ints, denominator: Ints, rounding: Rounding) -> Flags:
    """Whether floor + remainder / denominator rounds to floor + 1; the remainder is in 0 … denominator."""
    if rounding is Rounding.UP:
        return remainder > 0
    if rounding is Rounding.DOWN:
        return remainder >= denominator
    twice = 2 * remainder
    up: Flags = twice >= denominator
    if rounding is Rounding.HALF_EVEN:
        up = (twice > denominator) | ((twice == denominator) & (floor % 2 == 1))
    return up


def near_tie(value: Floats, slack: Floats, rounding: Rounding) -> Flags:
    """Where a float within ± slack of the true value cannot decide how the true value rounds."""
    at_half = rounding in (Rounding.HALF_UP, Rounding.HALF_EVEN)
    from_edge = value + (0.5 if at_half else 0.0)
    near: Flags = np.abs(from_edge - np.rint(from_edge)) <= slack
    return near
