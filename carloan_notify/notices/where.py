"""For which loans and persons a rule is: `where`, from what a lender writes to a mask over many loans. Pure."""

import datetime as dt
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cached_property, reduce
from typing import Annotated, Any, Final, Self

import numpy as np
import pandas as pd
from pydantic import ConfigDict, Field, PlainValidator, model_validator

from carloan_notify import frames
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

    def mask(self, column: pd.Series) -> np.ndarray:
        """`holds` for each cell of a frame's column. A missing date lies in no range and is no value."""
        cells = column.to_numpy()
        if self.named:
            found = np.asarray(column.isin([_cell(value) for value in self.named]), dtype=bool)
            return found if self.one_of is not None else ~found
        inside = ~np.asarray(column.isna(), dtype=bool)
        if self.least is not None:
            inside &= cells >= _end(self.least)
        if self.most is not None:
            inside &= cells <= _end(self.most)
        return inside

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


def _cell(value: Value) -> Any:  # noqa: ANN401 - what pandas compares with a column
    return pd.Timestamp(value) if isinstance(value, dt.date) else value


def _end(value: Value) -> Any:  # noqa: ANN401 - what numpy compares with a column
    return np.datetime64(value) if isinstance(value, dt.date) else value


ALL: Final = slice(None)

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


# Which loans and persons fit.


@dataclass(frozen=True)
class LoanFacts:
    """What is known of the loans `loan_ids` (one per row, repeated at will), each column when first asked for.

    `loans` are LOANS and the lender's own columns, `standing` is STANDING. A loan that is not there has nothing.
    """

    loans: pd.DataFrame
    standing: pd.DataFrame
    loan_ids: pd.Series

    def column(self, name: str) -> pd.Series | None:
        """The column that `where` calls so, on a fresh index; None for one of persons."""
        if name not in self._known:
            self._known[name] = self._column(name)
        return self._known[name]

    def _column(self, name: str) -> pd.Series | None:
        known = STANDING_COLUMNS.get(name)
        if known is None:
            own = None if name in PERSON_COLUMNS else own_column(name, self.loans)
            return None if own is None else _taken(self.loans[own], self._places["loans"])
        found = _taken(self.standing[known.column], self._places["standing"])
        if name != "status":
            return found
        return found.where(found != "", _taken(self.loans["status"], self._places["loans"]))

    @cached_property
    def _known(self) -> dict[str, pd.Series | None]:
        return {}

    @cached_property
    def _places(self) -> dict[str, np.ndarray]:
        tables = {"loans": self.loans, "standing": self.standing}
        return {name: frames.places(self.loan_ids, table["loan_id"]) for name, table in tables.items()}


def own_column(name: str, table: pd.DataFrame) -> str | None:
    """The frame's column that `where` calls so; None where it has none."""
    return next((each for each in (name, f"{name}_minor") if each in table), None)


def _taken(cells: pd.Series, places: np.ndarray) -> pd.Series:
    """The cells at these places, 0, "", False or NaT at -1."""
    there = places >= 0
    blank = frames.blank_rows({"cell": cells.dtype.name}, len(places))["cell"]
    if not len(cells) or not there.any():
        return blank
    return cells.take(np.maximum(places, 0)).reset_index(drop=True).where(there, blank)


def loan_masks(where: Where, facts: LoanFacts, rows: np.ndarray | slice = ALL) -> dict[str, np.ndarray]:
    """Per condition on loans, by its column: which of these rows of the facts fit it."""
    cells = {name: facts.column(name) for name in where}
    return {name: where[name].mask(column.iloc[rows]) for name, column in cells.items() if column is not None}


def person_masks(where: Where, loans: pd.DataFrame, people: pd.DataFrame) -> dict[str, np.ndarray]:
    """Per condition on persons (RECIPIENTS and the lender's own columns of contacts): which of these fit it."""
    return {
        name: condition.mask(_person_cells(name, people))
        for name, condition in where.items()
        if is_personal(name, loans)
    }


def is_personal(name: str, loans: pd.DataFrame) -> bool:
    """Whether `where` means a column of persons by this name."""
    return name in PERSON_COLUMNS or not (name in STANDING_COLUMNS or own_column(name, loans))


def _person_cells(name: str, people: pd.DataFrame) -> pd.Series:
    """The column of persons that `where` calls so; blank for all where there are no contacts."""
    column = own_column(name, people)
    return pd.Series("", index=people.index, dtype=frames.TEXT) if column is None else people[column]


def all_of(masks: Iterable[np.ndarray], count: int) -> np.ndarray:
    """Where all masks of `count` rows hold."""
    return reduce(np.logical_and, masks, np.ones(count, dtype=bool))
