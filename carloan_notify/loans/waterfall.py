"""The order in which a payment settles what is owed (冲账顺序)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from carloan_notify.loans.arrays import Flags, Ints

COMPONENTS: Final = ("fees", "penalty", "interest", "principal")
"""Rows of every (4, k, n) array of owed or paid amounts."""
FEES, PENALTY, INTEREST, PRINCIPAL = range(4)

PRESETS: Final[Mapping[str, tuple[str, ...]]] = {
    "civil_code_561": ("fees, penalty, interest, principal",),
    "car_finance_2013": (
        "overdue principal",
        "overdue interest",
        "penalty",
        "current principal",
        "current interest",
        "fees",
    ),
}
_AGES: Final = ("overdue", "current")


@dataclass(frozen=True)
class WaterfallStep:
    """One step: these components of overdue and / or current installments, oldest installment first."""

    overdue: bool
    current: bool
    components: tuple[int, ...]


@dataclass(frozen=True)
class Waterfall:
    """Steps in order. `order` is the components' order within a coming installment."""

    steps: tuple[WaterfallStep, ...]

    @classmethod
    def parse(cls, texts: Sequence[str]) -> "Waterfall":
        """Steps from texts such as `overdue interest, principal`. Raises ValueError naming every fault."""
        waterfall = cls(tuple(_step(text) for text in texts))
        for age in _AGES:
            named = [c for step in waterfall.steps if getattr(step, age) for c in step.components]
            if sorted(named) != list(range(len(COMPONENTS))):
                raise ValueError(f"{age} installments: name each of {', '.join(COMPONENTS)} exactly once")
        return waterfall

    @property
    def order(self) -> tuple[int, ...]:
        """In which order the components of one coming installment are settled."""
        return tuple(c for step in self.steps if step.current for c in step.components)

    @property
    def by_installment(self) -> bool:
        """Whether everything of an older installment always comes before anything of a younger one."""
        return len(self.steps) == 1


def _step(text: str) -> WaterfallStep:
    words = text.replace(",", " ").split()
    age = words.pop(0) if words and words[0] in _AGES else ""
    unknown = [word for word in words if word not in COMPONENTS]
    if unknown or not words:
        raise ValueError(f"{text!r}: write [overdue|current] and some of {', '.join(COMPONENTS)}")
    return WaterfallStep(age != "current", age != "overdue", tuple(COMPONENTS.index(word) for word in words))


def settle(
    owed: Ints, amount: Ints, overdue: Flags, current: Flags, waterfall: Waterfall
) -> tuple[Ints, Ints]:
    """What a payment settles of overdue and current installments.

    `owed` (4, k, n) ≥ 0, `amount` (n,) ≥ 0, `overdue` and `current` (k, n). Returns what is taken, shaped
    like `owed`, and what remains of the amount; nothing is taken while an earlier step still wants it.
    """
    taken = np.zeros_like(owed)
    left = amount
    for step in waterfall.steps:
        mask = (overdue & step.overdue) | (current & step.current)
        for_step = take(np.where(mask, owed[list(step.components)], 0), left)
        taken[list(step.components)] += for_step
        left = left - for_step.sum(axis=(0, 1))
    return taken, left


def take(owed: Ints, amount: Ints) -> Ints:
    """What `amount` (n,) pays of `owed` (c, k, n): installment by installment, in each in order of c."""
    taken = np.empty_like(owed)
    left = amount
    for row in range(owed.shape[1]):
        for component in range(owed.shape[0]):
            np.minimum(owed[component, row], left, out=taken[component, row])
            left = left - taken[component, row]
    return taken
