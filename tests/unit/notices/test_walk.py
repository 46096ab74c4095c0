"""The shipped ladder walked under presets: what the law holds back, found by the functions of a night."""

from datetime import date
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify.config.presets import load_presets
from carloan_notify.notices.ladder import DEFAULT_LADDER
from carloan_notify.notices.settings import PolicySettings, RuleSettings
from carloan_notify.notices.walk import NEVER, OWN, STAGES, ladders, walk

MONDAY = date(
    2026, 3, 2
)  # no holidays in the weeks that follow but Good Friday and Easter Monday, past the ladder


EARLY = [
    rule for rule in DEFAULT_LADDER if rule.notice in {"overdue_1", "overdue_3", "overdue_7", "loan_settled"}
]
"""The stages of the first week past due; the days after it would only take their time. An event is no stage."""


@pytest.fixture(scope="module")
def stages() -> pd.DataFrame:
    return walk(EARLY, PolicySettings(), load_presets(["au", "us-ma", "th", "id"]), MONDAY)


def late(stages: pd.DataFrame, preset: str, stage: str, *, answered: bool) -> list[int]:
    """Days late by the weekday of the due date, Monday first."""
    notice, channel = stage.split()
    number = next(
        place for place, rule in enumerate(EARLY) if (rule.notice, rule.channel) == (notice, channel)
    )
    mine = stages[
        (stages["preset"] == preset) & (stages["rule_no"] == number) & (stages["answered"] == answered)
    ]
    return [int(days) for days in mine.sort_values("due_on")["days_late"]]


def test_the_lenders_own_policy_delays_nothing(stages: pd.DataFrame) -> None:
    assert stages.dtypes.astype(str).to_dict() == dict(STAGES)
    assert (stages.loc[stages["preset"] == OWN, "days_late"] == 0).all()


WALKED = """
au    | overdue_7 sms   | unanswered | 1 1 1 1 1 1 1
au    | overdue_7 sms   | answered   | 0 0 0 0 0 0 0
us-ma | overdue_1 voice | unanswered | 0 0 0 0 0 0 0
us-ma | overdue_1 sms   | unanswered | 0 0 0 0 0 0 0
us-ma | overdue_3 sms   | unanswered | never never never never never never never
us-ma | overdue_3 sms   | answered   | 0 0 0 0 0 0 0
us-ma | overdue_7 sms   | unanswered | 1 1 1 1 1 1 1
us-ma | overdue_7 sms   | answered   | 1 1 1 1 1 1 1
th    | overdue_1 voice | unanswered | 0 0 0 0 0 0 0
th    | overdue_1 sms   | unanswered | 1 1 1 1 1 1 1
id    | overdue_1 voice | unanswered | 0 0 0 0 0 1 0
"""


@pytest.mark.parametrize("line", WALKED.strip().splitlines())
def test_the_shipped_ladder_under_presets(stages: pd.DataFrame, line: str) -> None:
    preset, stage, calls, expected = (cell.strip() for cell in line.split("|"))
    days = [NEVER if word == "never" else int(word) for word in expected.split()]
    assert late(stages, preset, stage, answered=calls == "answered") == days


def test_a_text_that_an_answered_call_makes_needless_is_no_stage(stages: pd.DataFrame) -> None:
    assert late(stages, "us-ma", "overdue_1 sms", answered=True) == []


def ruled(where: dict[str, Any]) -> RuleSettings:
    return RuleSettings.model_validate({"notice": "a", "when": {"days_past_due": 1}, "where": where})


@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "product": st.sampled_from(["ev", ["ev", "used"], {"not": "ev"}, {"not": ["used", "new"]}]),
                "term_months": st.sampled_from([12, {"from": 12}, {"to": 12}, {"from": 13, "to": 24}]),
                "bucket": st.sampled_from(["M1", "M2"]),
            },
        ),
        max_size=4,
    )
)
def test_every_loan_is_told_by_a_part_of_one_ladder_and_each_ladder_by_some_loan(
    wheres: list[dict[str, Any]],
) -> None:
    rules = [ruled(where) for where in wheres]
    sets = {
        frozenset(
            place
            for place, rule in enumerate(rules)
            for cells in ({"product": product, "term_months": months},)
            if all(rule.where[name].holds(cells[name]) for name in cells if name in rule.where)
        )
        for product in ("ev", "used", "new", "other")
        for months in (0, 11, 12, 13, 24, 25)
    }
    found = {frozenset(ladder.places) for ladder in ladders(rules)}
    assert found == {one for one in sets if one and not any(one < other for other in sets)}


def test_a_lenders_own_gap_is_walked_as_well() -> None:
    policy = PolicySettings.model_validate({"gaps": [{"per": "loan", "class": "collection", "days": 3}]})
    found = walk(EARLY[:3], policy, (), MONDAY)
    unanswered = found[~found["answered"]].groupby("rule_no")
    assert unanswered["days_late"].agg(set).tolist() == [{0}, {NEVER}, {1}]
    assert unanswered["reason"].agg(set).tolist() == [{""}, {"too_soon"}, {"too_soon"}]
