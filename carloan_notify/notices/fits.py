"""Which of a night's rows fit the `where` of their rules, of loans and of persons. Pure."""

import difflib
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from carloan_notify import frames
from carloan_notify.finding_codes import Finding
from carloan_notify.notices.settings import RuleSettings
from carloan_notify.notices.where import (
    PERSON_COLUMNS,
    STANDING_COLUMNS,
    Condition,
    LoanFacts,
    all_of,
    is_personal,
    loan_masks,
    own_column,
    person_masks,
)


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
