"""Which of a night's rows fit the `where` of their rules, of loans and of persons. Pure."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from carloan_notify import frames
from carloan_notify.notices.settings import RuleSettings
from carloan_notify.notices.where import LoanFacts, all_of, is_personal, loan_masks, person_masks


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
