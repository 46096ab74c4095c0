"""Every held notice ends."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carloan_notify import frames
from carloan_notify.codes import Reason
from carloan_notify.notices.endings import OPEN, ended, overdue_endings, sentence
from carloan_notify.notices.policy import DECISION_COLUMNS, DECISION_OF
from carloan_notify.records import Decision

HELD = [reason for reason, decision in DECISION_OF.items() if decision is Decision.HELD]


def decisions(*rows: tuple[str, str, int]) -> pd.DataFrame:
    made = frames.blank_rows(DECISION_COLUMNS, len(rows))
    for place, name in enumerate(("decision", "reason", "catch_up_days")):
        made[name] = pd.Series([row[place] for row in rows], dtype=DECISION_COLUMNS[name])
    return made


@given(st.lists(st.tuples(st.sampled_from(list(DECISION_OF)), st.integers(0, 3)), max_size=12))
def test_what_a_cap_holds_has_a_night_left(rows: list[tuple[Reason, int]]) -> None:
    before = decisions(*((DECISION_OF[reason].value, reason.value, left) for reason, left in rows))
    after = ended(before)
    held = after["decision"] == Decision.HELD.value
    given_up = after["reason"].str.startswith("expired_")
    assert (after.loc[held & (after["reason"] == "over_cap"), "catch_up_days"] > 0).all()
    assert (before.loc[given_up, "reason"] == "over_cap").all()
    assert held.sum() + given_up.sum() == (before["decision"] == "held").sum()
    assert after.dtypes.astype(str).to_dict() == dict(DECISION_COLUMNS)


@given(st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9)))
def test_what_nobody_asks_for_any_more_gets_a_final_decision(held: set[int], tonight: set[int]) -> None:
    rows = [
        (f"K{n}", f"L{n}", "overdue_3", "sms", "borrower", "collection", 1, "over_cap") for n in sorted(held)
    ]
    found = overdue_endings(pd.DataFrame(rows, columns=list(OPEN)), [f"K{n}" for n in tonight])
    assert sorted(found["idempotency_key"]) == sorted(f"K{n}" for n in held - tonight)
    assert set(found["reason"]) <= {"expired_over_cap"}
    assert set(found["decision"]) <= {"suppressed"}
    assert found.dtypes.astype(str).to_dict() == dict(DECISION_COLUMNS)


@pytest.mark.parametrize("reason", HELD)
def test_a_final_decision_says_why_in_both_languages(reason: Reason) -> None:
    english, chinese = (sentence(f"expired_{reason}", language) for language in ("en", "zh"))
    assert english == f"{Reason.EXPIRED.english} {reason.english}"
    assert chinese == Reason.EXPIRED.chinese + reason.chinese
    assert sentence(reason, "en") is None
