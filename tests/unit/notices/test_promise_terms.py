"""When a proposal may become a promise: each limit on both of its sides."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Final

import pytest

from carloan_notify.notices.promise_settings import LOAN_DAYS, STAGE_DAYS, PromisesSettings
from carloan_notify.notices.promise_terms import Asked, LoanNow, refused
from carloan_notify.promise_codes import PromiseRefusal

TODAY: Final = date(2026, 11, 26)
LIMITS: Final = PromisesSettings(max_days_ahead=10, most_per_stage=2, most_per_loan=3)
ASKED: Final = Asked("L1", TODAY, TODAY + timedelta(days=10), 500, everything=False)
LOAN: Final = LoanNow("active", "M1", 900, 100, 0, oldest_due_on=date(2026, 11, 20))


def reason(asked: Asked, loan: LoanNow | None, earlier: list[tuple[date, str]]) -> PromiseRefusal | None:
    against = refused(asked, loan, earlier, LIMITS, TODAY)
    return against.reason if against else None


@pytest.mark.parametrize(
    ("asked", "loan", "expected"),
    [
        (ASKED, LOAN, None),
        (replace(ASKED, pay_on=TODAY), LOAN, None),
        (replace(ASKED, pay_on=None), LOAN, PromiseRefusal.NO_DATE),
        (replace(ASKED, pay_on=TODAY - timedelta(days=1)), LOAN, PromiseRefusal.OVER),
        (replace(ASKED, pay_on=TODAY + timedelta(days=11)), LOAN, PromiseRefusal.TOO_FAR),
        (replace(ASKED, loan_id=""), LOAN, PromiseRefusal.NO_LOAN),
        (replace(ASKED, amount_minor=0), LOAN, PromiseRefusal.NO_AMOUNT),
        (ASKED, None, PromiseRefusal.NOT_ACTIVE),
        (ASKED, replace(LOAN, status="settled"), PromiseRefusal.NOT_ACTIVE),
        (replace(ASKED, amount_minor=0, everything=True), LOAN, None),
        (
            replace(ASKED, amount_minor=0, everything=True),
            replace(LOAN, overdue_minor=0, next_due_minor=0),
            PromiseRefusal.NOTHING_OWED,
        ),
    ],
)
def test_day_loan_and_sum(asked: Asked, loan: LoanNow | None, expected: PromiseRefusal | None) -> None:
    assert reason(asked, loan, []) == expected


def test_a_stage_takes_so_many_and_a_new_delinquency_begins_anew() -> None:
    in_stage = [(date(2026, 11, 20), "M1"), (date(2026, 11, 21), "M1")]
    assert reason(ASKED, LOAN, in_stage[:1]) is None
    assert reason(ASKED, LOAN, in_stage) == PromiseRefusal.TOO_MANY_IN_STAGE
    assert reason(ASKED, replace(LOAN, bucket="M2"), in_stage) is None
    assert reason(ASKED, LOAN, [(date(2026, 11, 19), "M1"), in_stage[1]]) is None


def test_a_loan_that_is_not_late_has_a_month_for_a_stage() -> None:
    loan = replace(LOAN, bucket="M0", oldest_due_on=None)
    since = TODAY - timedelta(days=STAGE_DAYS)
    assert reason(ASKED, loan, [(since, "M0"), (since, "M0")]) == PromiseRefusal.TOO_MANY_IN_STAGE
    assert reason(ASKED, loan, [(since - timedelta(days=1), "M0"), (since, "M0")]) is None


def test_a_loan_takes_so_many_in_a_year() -> None:
    since = TODAY - timedelta(days=LOAN_DAYS)
    assert reason(ASKED, LOAN, [(since, "M0")] * 3) == PromiseRefusal.TOO_MANY
    assert reason(ASKED, LOAN, [(since, "M0")] * 2 + [(since - timedelta(days=1), "M0")]) is None


def test_all_that_is_owed_is_what_was_overdue_when_it_was_promised() -> None:
    assert replace(LOAN, received_minor=100).owed_minor == 1_000
    assert replace(LOAN, overdue_minor=0, received_minor=100).owed_minor == 100


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_a_refusal_names_its_limit(language: str) -> None:
    against = refused(replace(ASKED, pay_on=TODAY + timedelta(days=11)), LOAN, [], LIMITS, TODAY)
    assert against is not None
    assert "10" in against.sentence(language)
