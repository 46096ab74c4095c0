"""The repayment methods: what each means for amounts, and what exports call it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from carloan_notify.codes import Method


@dataclass(frozen=True, slots=True)
class MethodRules:
    """What a repayment method means for amounts.

    `annuity`: the level solves the present value, so that principal and interest together are equal. `repays_early`:
    rows before the last repay principal. `leaves_balloon`: the last row repays `balloon` as well. `flat_interest`:
    interest is charged on the first principal, never on what is left. `also_called` are further words of exports.
    """

    annuity: bool = False
    repays_early: bool = True
    leaves_balloon: bool = False
    flat_interest: bool = False
    also_called: tuple[str, ...] = ()

    @property
    def ends_large(self) -> bool:
        """Whether the last row is large by contract, so that the term cannot be shortened."""
        return self.leaves_balloon or not self.repays_early


METHODS: Final[Mapping[Method, MethodRules]] = MappingProxyType(
    {
        Method.EQUAL_INSTALLMENT: MethodRules(annuity=True, also_called=("annuity",)),
        Method.EQUAL_PRINCIPAL: MethodRules(),
        Method.INTEREST_ONLY: MethodRules(repays_early=False, also_called=("按期付息到期还本",)),
        Method.BALLOON: MethodRules(annuity=True, leaves_balloon=True, also_called=("气球贷", "弹性尾款")),
        Method.FLAT: MethodRules(flat_interest=True),
    }
)
"""Every repayment method: a new one is a member of `Method` and a row here."""
