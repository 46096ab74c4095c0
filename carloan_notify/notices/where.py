"""For which loans and persons a rule is: `where`, as a lender writes it and checked against the columns there are."""

import datetime as dt
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import ConfigDict, Field, PlainValidator, model_validator

from carloan_notify.settings import Settings

# What a lender writes: product: ev, bucket: [M1, M2], region: {not: [MA]}, days_past_due: {from: 3, to: 10}.

Value = str | bool | int | Decimal | dt.date
"""One value, as it is written, or in the units of frames once its column is known."""
_HOW: Final = "write a value, a list of values, {not: [...]}, or {from: ..., to: ...}"


def _plain(value: Any) -> Value:  # noqa: ANN401 - YAML data, before it is checked
    """A value of YAML. A number with decimals is what its digits say, not the float nearest to it."""
    if isinstance(value, float):
        value = Decimal(str(value))
    if isinstance(value, str | bool | int | Decimal) or type(value) is dt.date:
        return value
    raise ValueError(f"{value!r} is no value; {_HOW}")


_Value = Annotated[
    Value,
    PlainValidator(_plain, json_schema_input_type=str | bool | int | float),
]


class Condition(Settings):
    """What one column must say: one of some values, none of some, or between two ends (both belong to it)."""

    model_config = ConfigDict(populate_by_name=True)

    one_of: tuple[_Value, ...] | None = Field(
        default=None, alias="is", description="One of these values.", examples=[["ev", "used"]]
    )
    none_of: tuple[_Value, ...] | None = Field(
        default=None, alias="not", description="None of these values.", examples=[["MA"]]
    )
    least: _Value | None = Field(
        default=None, alias="from", description="At least this; a blank number counts as 0.", examples=[3]
    )
    most: _Value | None = Field(default=None, alias="to", description="At most this.", examples=[10])

    @model_validator(mode="before")
    @classmethod
    def _written_short(cls, written: Any) -> Any:  # noqa: ANN401 - YAML data, before it is checked
        """A value or a list alone is what the column must be one of."""
        if written is None:
            raise ValueError(f"says nothing; {_HOW}")
        if not isinstance(written, Mapping):
            return {"is": _listed(written)}
        known = {"is", "not", "from", "to", *cls.model_fields}
        if unknown := [str(key) for key in written if key not in known]:
            raise ValueError(f"{', '.join(unknown)}: no such condition; {_HOW}")
        return {key: _listed(one) if key in ("is", "not") else one for key, one in written.items()}

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        ranged = self.least is not None or self.most is not None
        if (self.one_of is not None) + (self.none_of is not None) + ranged != 1:
            raise ValueError(f"says {'nothing' if not ranged else 'two things at once'}; {_HOW}")
        if () in (self.one_of, self.none_of):
            raise ValueError("lists nothing; name a value, or take it out")
        return self

    @property
    def named(self) -> tuple[Value, ...]:
        """The values that it names one by one."""
        return self.one_of or self.none_of or ()

    def holds(self, value: Value) -> bool:
        """Whether a value in the same units fits."""
        if self.one_of is not None:
            return value in self.one_of
        if self.none_of is not None:
            return value not in self.none_of
        return not (self.least is not None and value < self.least) and not (  # type: ignore[operator]  # of one kind
            self.most is not None and value > self.most  # type: ignore[operator]  # of one kind
        )

    def shares(self, other: "Condition") -> bool:
        """Whether some value may fit both. True in doubt: two `not` leave the rest of the world."""
        if self.one_of is not None:
            return any(other.holds(value) for value in self.one_of)
        if other.one_of is not None:
            return other.shares(self)
        if self.none_of is not None or other.none_of is not None:
            return True
        ends = ((self.least, other.most), (other.least, self.most))
        return all(least is None or most is None or least <= most for least, most in ends)  # type: ignore[operator]  # of one kind


def _listed(written: Any) -> Any:  # noqa: ANN401 - YAML data, before it is checked
    return list(written) if isinstance(written, list | tuple | set | frozenset) else [written]


Where = Mapping[str, Condition]
"""By the name of the column. All must hold; none at all fits everybody."""


def overlap(one: Where, other: Where) -> bool:
    """Whether some loan, or person, may fit both: no column of both tells them apart."""
    return all(_may_share(one[name], other[name]) for name in one if name in other)


def _may_share(one: Condition, other: Condition) -> bool:
    """`shares`; False for values of two kinds, one of which its column cannot have, which is told by itself."""
    try:
        return one.shares(other)
    except TypeError:
        return False


# The columns that may be named.


class Kind(StrEnum):
    """What the cells of a column are, and so what may be asked of them."""

    TEXT = "text"
    CHOICE = "choice"
    COUNT = "count"
    AMOUNT = "amount"
    DATE = "date"
    FLAG = "flag"


class Of(StrEnum):
    """Whose column it is: the loan's row, its standing of the day, or the person who is told."""

    LOAN = "loan"
    STANDING = "standing"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class WhereColumn:
    """A column that `where` may name. `column` is its name in the frame, `words` its values by how they are written."""

    kind: Kind
    of: Of
    column: str
    words: Mapping[str, str] | None = None


STANDING_COLUMNS: Final[Mapping[str, WhereColumn]] = {
    "status": WhereColumn(Kind.CHOICE, Of.STANDING, "status"),
    "bucket": WhereColumn(Kind.TEXT, Of.STANDING, "bucket"),
    "days_past_due": WhereColumn(Kind.COUNT, Of.STANDING, "days_past_due"),
    "installments": WhereColumn(Kind.COUNT, Of.STANDING, "installments"),
    "overdue_amount": WhereColumn(Kind.AMOUNT, Of.STANDING, "overdue_minor"),
    "penalty": WhereColumn(Kind.AMOUNT, Of.STANDING, "penalty_minor"),
    "outstanding_principal": WhereColumn(Kind.AMOUNT, Of.STANDING, "outstanding_principal_minor"),
}
"""What is worked out of each loan, by its name in `where`. A loan without a standing has nothing here but a status."""
PERSON_COLUMNS: Final[Mapping[str, WhereColumn]] = {
    name: WhereColumn(Kind.TEXT, Of.PERSON, name) for name in ("language", "timezone")
}
"""What is known of each person who is told."""


# From what is written to the units of frames, with everything that is wrong on the way.


@dataclass(frozen=True, slots=True)
class Units:
    """The columns by name, and how many decimals the lender's currency has."""

    columns: Mapping[str, WhereColumn]
    digits: int


def bound(where: Where, units: Units) -> tuple[dict[str, Condition], list[str]]:
    """The conditions in the units of frames (amounts in minor units, words of ours), and what is wrong with them.

    Each problem is `column: what; how to fix it`.
    """
    conditions: dict[str, Condition] = {}
    problems: list[str] = []
    for name, condition in where.items():
        column = units.columns.get(name)
        if column is None:
            problems.append(f"{name}: {_unknown(name, units.columns)}")
            continue
        try:
            conditions[name] = _bound(condition, column, units.digits)
        except ValueError as error:
            problems.append(f"{name}: {error}")
    return conditions, problems


def _unknown(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    cure = f"did you mean {near[0]!r}?" if near else "map it in `extra` of sources.loans or sources.contacts"
    return f"no source maps such a column; {cure}"


def _bound(condition: Condition, column: WhereColumn, digits: int) -> Condition:
    given = {name: getattr(condition, name) for name in Condition.model_fields}
    ranged = condition.least is not None or condition.most is not None
    if ranged and column.kind in (Kind.TEXT, Kind.CHOICE, Kind.FLAG):
        raise ValueError(f"is a {column.kind}, which has no from and to; name its values")
    turned: dict[str, Any] = {
        name: tuple(_in_units(each, column, digits) for each in value)
        if isinstance(value, tuple)
        else _in_units(value, column, digits)
        for name, value in given.items()
        if value is not None
    }
    least, most = turned.get("least"), turned.get("most")
    if least is not None and most is not None and least > most:
        raise ValueError("from is more than to; no value lies between them")
    return Condition.model_construct(**turned)


_WANTED: Final[Mapping[Kind, str]] = {
    Kind.TEXT: "a text; put it in quotes",
    Kind.CHOICE: "a text; put it in quotes",
    Kind.COUNT: "a whole number",
    Kind.AMOUNT: "an amount such as 5000 or 99.50, with no more decimals than the currency has",
    Kind.DATE: "a date such as 2026-11-30, without quotes",
    Kind.FLAG: "true or false",
}


def _in_units(value: Value, column: WhereColumn, digits: int) -> Value:
    """The value as the frame's column has it. ValueError for one of another kind."""
    found: Value | None = None
    if column.kind in (Kind.TEXT, Kind.CHOICE):
        found = value if isinstance(value, str) else None
    elif column.kind is Kind.DATE:
        found = value if isinstance(value, dt.date) else None
    elif column.kind is Kind.FLAG or isinstance(value, bool):
        found = value if isinstance(value, bool) and column.kind is Kind.FLAG else None
    elif column.kind is Kind.COUNT:
        found = value if isinstance(value, int) else None
    elif isinstance(value, int | Decimal):
        minor = Decimal(value).scaleb(digits)
        found = int(minor) if minor == minor.to_integral_value() else None
    if found is None:
        raise ValueError(f"{value!r} is not {_WANTED[column.kind]}".replace("Decimal", "number"))
    return _word(found, column) if isinstance(found, str) and column.words else found


def _word(text: str, column: WhereColumn) -> str:
    """Our word for the text of a choice."""
    words = column.words or {}
    known = sorted(set(words.values()))
    found = words.get(text) or words.get("".join(text.split()).casefold())
    if found is None:
        near = difflib.get_close_matches(text, known, n=1)
        cure = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(known)}"
        raise ValueError(f"{text!r} is no value of it; {cure}")
    return found
