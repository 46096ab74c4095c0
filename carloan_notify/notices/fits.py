"""Which of a night's rows fit the `where` of their rules, of loans and of persons. Pure."""

import datetime as dt
import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any, Final

import numpy as np
import pandas as pd

from carloan_notify import frames
from carloan_notify.finding_codes import Finding
from carloan_notify.notices.settings import RuleSettings
from carloan_notify.notices.where import PERSON_COLUMNS, STANDING_COLUMNS, Condition, Value, Where

ALL: Final = slice(None)


# One condition, and what it asks of.


def mask_of(condition: Condition, column: pd.Series) -> np.ndarray:
    """`condition.holds` for each cell of a frame's column. A missing date lies in no range and is no value."""
    cells = column.to_numpy()
    if condition.named:
        found = np.asarray(column.isin([_cell(value) for value in condition.named]), dtype=bool)
        return found if condition.one_of is not None else ~found
    inside = ~np.asarray(column.isna(), dtype=bool)
    if condition.least is not None:
        inside &= cells >= _end(condition.least)
    if condition.most is not None:
        inside &= cells <= _end(condition.most)
    return inside


def _cell(value: Value) -> Any:  # noqa: ANN401 - what pandas compares with a column
    return pd.Timestamp(value) if isinstance(value, dt.date) else value


def _end(value: Value) -> Any:  # noqa: ANN401 - what numpy compares with a column
    return np.datetime64(value) if isinstance(value, dt.date) else value


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
    return {
        name: mask_of(where[name], column.iloc[rows]) for name, column in cells.items() if column is not None
    }


def person_masks(where: Where, loans: pd.DataFrame, people: pd.DataFrame) -> dict[str, np.ndarray]:
    """Per condition on persons (RECIPIENTS and the lender's own columns of contacts): which of these fit it."""
    return {
        name: mask_of(condition, _person_cells(name, people))
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


# All of a night's rows.


def fitting(
    found: pd.DataFrame, rules: Sequence[RuleSettings], loans: pd.DataFrame, standing: pd.DataFrame
) -> np.ndarray:
    """Which of these occasions (a mask) are of loans that fit their rule's `where`; persons play no part."""
    mask = np.ones(len(found), dtype=bool)
    numbers = found["rule_no"].to_numpy()
    facts = LoanFacts(loans, standing, found["loan_id"])
    for number, rule in enumerate(rules):
        if rule.where and (rows := np.flatnonzero(numbers == number)).size:
            mask[rows] = all_of(loan_masks(rule.where, facts, rows).values(), len(rows))
            if rule.when.date and "status" not in rule.where:
                mask[rows] &= (facts.column("status") == "active").to_numpy()[rows]  # type: ignore[union-attr]  # one of loans
    return mask


def fitting_people(people: pd.DataFrame, rules: Sequence[RuleSettings], loans: pd.DataFrame) -> np.ndarray:
    """Which of these rows (`rule_no`, RECIPIENTS) are of persons who fit their rule's `where`."""
    mask = np.ones(len(people), dtype=bool)
    for number, rule in enumerate(rules):
        if any(is_personal(name, loans) for name in rule.where):
            rows = np.flatnonzero(people["rule_no"].to_numpy() == number)
            mask[rows] = all_of(person_masks(rule.where, loans, people.iloc[rows]).values(), len(rows))
    return mask


def unfit_rules(people: pd.DataFrame, rules: Sequence[RuleSettings], loans: pd.DataFrame) -> pd.Series:
    """Per person (RECIPIENTS) the places of the rules whose `where` is not for such a person, as a comma list."""
    unfit = pd.Series("", index=people.index, dtype=frames.TEXT)
    for number, rule in enumerate(rules):
        masks = person_masks(rule.where, loans, people)
        if masks:
            unfit = unfit.mask(~all_of(masks.values(), len(people)), unfit + f"{number},")
    return unfit.str.rstrip(",")


# Values that nobody has: a typing error would tell nobody, or everybody, and say nothing.


def values_unknown(
    rules: Sequence[RuleSettings], loans: pd.DataFrame, contacts: pd.DataFrame | None
) -> pd.DataFrame:
    """FINDINGS of the words that `where` names one by one and that no row of the whole tables has.

    What is worked out of a loan (bucket, days past due, status) is another every night, and is left out: its words
    are known when the configuration is read.
    """
    known: dict[str, pd.Series] = {}
    found = [
        frames.findings(
            Finding.WHERE_VALUE_UNKNOWN,
            [""],
            f"rules[{number}].where.{name}: {value!r} stands in no row tonight; {_cure(value, known[name])}",
            place=f"rules[{number}].where.{name}",
            value=value,
        )
        for number, rule in enumerate(rules)
        for name, condition in rule.where.items()
        if name not in STANDING_COLUMNS
        for value in _unmet(condition, known.setdefault(name, _values(name, loans, contacts)))
    ]
    return frames.stack(found, frames.FINDINGS)


def _values(name: str, loans: pd.DataFrame, contacts: pd.DataFrame | None) -> pd.Series:
    """Each value once that the column has of loans or, where it is one of persons, of anybody."""
    tables = [loans] if not is_personal(name, loans) or name in PERSON_COLUMNS else []
    tables += [contacts] if contacts is not None and is_personal(name, loans) else []
    cells = [table[own].drop_duplicates() for table in tables if (own := own_column(name, table))]
    return pd.concat(cells, ignore_index=True) if cells else pd.Series([], dtype=frames.TEXT)


def _unmet(condition: Condition, values: pd.Series) -> Iterator[str]:
    words = [value for value in condition.named if isinstance(value, str)]
    there = set(values) if words else set[str]()
    yield from (word for word in words if word not in there)


def _cure(word: str, values: pd.Series) -> str:
    near = difflib.get_close_matches(word, [each for each in values if each], n=1)
    return f"did you mean {near[0]!r}?" if near else "correct it, or take it out"
