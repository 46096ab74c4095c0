"""What an event says beside its amount: the detail of a row, written and read in one small language.

Parts are parted by `;`, each a name and its values: `due_on 2026-03-10 → 2026-04-10; amount 1000.00 → 950.00`. The
value before the arrow (`→` or `->`) was so before a change, the one after it is so now; a part with one value says
only what is so now. A part without a name (`5 → 15`) is the change itself. What nobody knows is left out, and text
that is no such part says nothing: it is the lender's own.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Final

from carloan_notify.records import PPB

ARROW: Final = " → "
"""Stands between what was and what is."""
PARTS: Final[Mapping[str, str]] = {
    "due_on": "due date of the first installment that a change alters",
    "last_due_on": "last due date of the loan",
    "amount": "that installment, in units of the currency: 1000.00",
    "installments": "how many installments the loan has",
    "rate": "yearly rate: 5.88%",
    "installment": "number of the first installment that a change alters",
    "until": "last day of a quote",
    "paid": "first and last installment that a payment paid off: 5-7",
    "part": "installment that a payment paid in part",
    "open": "installments that a payment left to be paid",
}
"""The names of parts, and what their values are. Dates are written 2026-03-10."""
_PART: Final = re.compile(rf"(?:({'|'.join(PARTS)})\s+)?(\S+)(?:\s*(?:→|->)\s*(\S+))?")


@dataclass(frozen=True, slots=True)
class Detail:
    """Values by the name of their part ("" for the change itself), each (before, after); "" where not told."""

    values: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def texts(self, name: str) -> tuple[str, str]:
        """Before and after, "" where not told."""
        return self.values.get(name, ("", ""))

    def days(self, name: str) -> tuple[date | None, date | None]:
        """Before and after as dates, None where there is none."""
        before, after = self.texts(name)
        return _day(before), _day(after)

    def numbers(self, name: str) -> tuple[int, int]:
        """Before and after as whole numbers, 0 where there is none."""
        before, after = self.texts(name)
        return _number(before), _number(after)

    def amounts(self, name: str) -> tuple[Decimal, Decimal]:
        """Before and after in units of the currency, 0 where there is none."""
        before, after = self.texts(name)
        return _amount(before), _amount(after)

    @property
    def changes(self) -> bool:
        """Whether it tells of a change: of anything but a payment or a quote."""
        return bool(self.values) and not self.values.keys() & {"paid", "part", "open", "until"}

    @property
    def paid(self) -> tuple[int, int]:
        """The first and the last installment that was paid off; 0 where there is none."""
        first, _, last = self.texts("paid")[1].partition("-")
        return _number(first), _number(last or first)


NOTHING: Final = Detail()


@lru_cache(maxsize=8192)
def read_detail(text: str) -> Detail:
    """What a detail says; the lender's own text says nothing."""
    found: dict[str, tuple[str, str]] = {}
    for part in text.split(";") if text else ():
        read = _PART.fullmatch(part.strip())
        if read and (read[1] or read[3]):
            found.setdefault(read[1] or "", (read[2], read[3]) if read[3] else ("", read[2]))
    return Detail(found) if found else NOTHING


def detail_text(parts: Mapping[str, tuple[str, str]]) -> str:
    """The detail of these values, each (before, after), in their order; what has no value now is left out."""
    return "; ".join(_written(name, *values) for name, values in parts.items() if values[1])


def _written(name: str, before: str, after: str) -> str:
    values = f"{before}{ARROW}{after}" if before else after
    return f"{name} {values}" if name else values


def percent(rate_ppb: int) -> str:
    """A yearly rate in parts per billion as people write it: 58_800_000 → 5.88%."""
    return f"{(Decimal(rate_ppb) * 100 / PPB).normalize():f}%"


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text or 0)
    except InvalidOperation:
        return Decimal(0)
    return amount if amount.is_finite() and amount > 0 else Decimal(0)
