"""The amounts of an annuity, in numpy: what borrowers of the generator pay, and what the floor expects of them."""

from typing import Any, Final

import numpy as np

Ints = np.ndarray[Any, np.dtype[np.int64]]
Dates = np.ndarray[Any, np.dtype[np.datetime64]]

_RATE_SCALE: Final = 120_000
"""A yearly rate in basis points, twelve months."""


def level_of(principal: Ints, rate: Ints, term: Ints) -> Ints:
    """The equal installment, P · i · (1 + i)^n / ((1 + i)^n − 1), to the nearest minor unit."""
    each = rate / _RATE_SCALE
    return np.rint(principal * each / -np.expm1(-term * np.log1p(each))).astype(np.int64)


def last_of(principal: Ints, rate: Ints, term: Ints, level: Ints) -> Ints:
    """The last installment, which clears what the rounding of interest left over."""
    balance = principal.copy()
    for place in range(int(term.max(initial=1)) - 1):
        interest = (balance * rate + _RATE_SCALE // 2) // _RATE_SCALE
        balance = np.where(place < term - 1, balance + interest - level, balance)
    return np.asarray(balance + (balance * rate + _RATE_SCALE // 2) // _RATE_SCALE)
